//! Events as JSON, one object a line, for programs that watch a run. Knows no terminal.

use crate::execute::event::{Display, Event};
use crate::progress::sink::Sink;
use std::io::Write;

/// Every event as it is: `{"event":"node-done","node":"…","seconds":1.5}`. A number that JSON lacks (NaN) is `null`.
pub struct Jsonl {
    sink: Sink,
}

impl Jsonl {
    pub fn new(writer: Box<dyn Write + Send>) -> Jsonl {
        Jsonl { sink: Sink::new(writer) }
    }
}

impl Display for Jsonl {
    fn event(&mut self, event: &Event) {
        // An event is text and numbers, which always have a form in JSON.
        if let Ok(line) = serde_json::to_string(event) {
            self.sink.line(&line);
        }
    }
}
