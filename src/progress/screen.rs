//! A terminal made of any writer and a fixed width, for bars in tests and recordings. Knows no event.

use indicatif::TermLike;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// One writer with several owners.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Box<dyn Write + Send>>>);

impl Shared {
    pub fn new(writer: Box<dyn Write + Send>) -> Shared {
        Shared(Arc::new(Mutex::new(writer)))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Speaks the few ECMA-48 sequences that every terminal since the VT100 obeys.
pub struct Screen {
    writer: Shared,
    width: u16,
}

impl Screen {
    pub fn new(writer: Shared, width: u16) -> Screen {
        Screen { writer, width }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.writer.clone().write_all(text.as_bytes())
    }

    /// Moves the cursor; 0 would move it by 1, so it writes nothing.
    fn motion(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write(&format!("\u{1b}[{n}{direction}")) }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("width", &self.width).finish_non_exhaustive()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.motion(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.motion(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.motion(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.motion(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\r\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        self.writer.clone().flush()
    }
}
