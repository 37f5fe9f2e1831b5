//! Lines to a writer that may go away: nothing that happens to it reaches the run. Knows no event.

use std::io::{ErrorKind, Write};

/// Writes whole lines, each at once, so that lines of several processes on one terminal do not mix.
pub struct Sink {
    writer: Box<dyn Write + Send>,
    /// The reader has gone: `nasperf-pipe … 2>&1 | head` must not end the run.
    gone: bool,
}

impl Sink {
    pub fn new(writer: Box<dyn Write + Send>) -> Sink {
        Sink { writer, gone: false }
    }

    /// Writes `text` and a newline. Errors are dropped; after a broken pipe nothing more is tried.
    pub fn line(&mut self, text: &str) {
        if self.gone {
            return;
        }
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
        if let Err(error) = self.writer.write_all(&bytes).and_then(|()| self.writer.flush()) {
            self.gone = error.kind() == ErrorKind::BrokenPipe;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sink;
    use std::io::{Error, ErrorKind, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Fails every write with `kind` and counts the tries.
    struct Failing {
        kind: ErrorKind,
        tries: Arc<AtomicUsize>,
    }

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            self.tries.fetch_add(1, Ordering::Relaxed);
            Err(Error::from(self.kind))
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn tries(kind: ErrorKind) -> usize {
        let tries = Arc::new(AtomicUsize::new(0));
        let mut sink = Sink::new(Box::new(Failing { kind, tries: Arc::clone(&tries) }));
        sink.line("one");
        sink.line("two");
        tries.load(Ordering::Relaxed)
    }

    #[test]
    fn a_broken_pipe_is_left_alone_and_a_passing_error_is_not() {
        assert_eq!(tries(ErrorKind::BrokenPipe), 1);
        assert_eq!(tries(ErrorKind::WouldBlock), 2);
    }
}
