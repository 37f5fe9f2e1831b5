//! One line per event, for logs, pipes and continuous integration. Knows no terminal.

use crate::execute::event::{Display, Event};
use crate::progress::clock::Clock;
use crate::progress::lines::{Voice, ending, heartbeat, sentence};
use crate::progress::sink::Sink;
use crate::progress::tally::Tally;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// A running node is spoken of at most this often: enough to see life, little enough to read the log afterwards.
pub const HEARTBEAT: Duration = Duration::from_secs(60);

const VOICE: Voice = Voice { colour: false, counts: true };

pub struct Plain {
    sink: Sink,
    clock: Clock,
    tally: Tally,
    /// When each running node was last spoken of.
    spoken: BTreeMap<String, Duration>,
}

impl Plain {
    pub fn new(writer: Box<dyn Write + Send>, clock: Clock) -> Plain {
        Plain { sink: Sink::new(writer), clock, tally: Tally::default(), spoken: BTreeMap::new() }
    }

    /// Any event is an occasion: a node that hangs is reported as long as another one lives.
    fn heartbeats(&mut self, now: Duration) {
        let running = &self.tally.running;
        self.spoken.retain(|node, _| running.contains_key(node));
        for (node, state) in running {
            match self.spoken.get_mut(node) {
                Some(last) if now.saturating_sub(*last) >= HEARTBEAT => {
                    *last = now;
                    self.sink.line(&heartbeat(node, state, &self.tally, now));
                }
                Some(_) => {}
                None => {
                    self.spoken.insert(node.clone(), now);
                }
            }
        }
    }
}

impl Display for Plain {
    fn event(&mut self, event: &Event) {
        let now = (self.clock)();
        self.tally.take(event, now);
        if let Event::NodeStarted { node, .. } = event {
            self.spoken.insert(node.clone(), now);
        }
        for line in sentence(event, &self.tally, VOICE).iter().chain(&ending(event, &self.tally, VOICE)) {
            self.sink.line(line);
        }
        self.heartbeats(now);
    }
}
