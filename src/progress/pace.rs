//! How far a node is and when it may be done, from its own progress alone. Knows no node and no terminal.

use std::time::Duration;

/// The last progress of a node, and the first of the same count as the origin of its rate: a node that goes on from a
/// checkpoint starts at epoch 150, and the 150 epochs of last night say nothing of today's speed.
#[derive(Clone, Debug)]
pub struct Pace {
    pub unit: String,
    pub done: u64,
    pub total: u64,
    pub note: String,
    first_done: u64,
    first_at: Duration,
    last_at: Duration,
}

impl Pace {
    pub fn new(unit: &str, done: u64, total: u64, note: &str, now: Duration) -> Pace {
        Pace {
            unit: unit.to_owned(),
            done,
            total,
            note: note.to_owned(),
            first_done: done,
            first_at: now,
            last_at: now,
        }
    }

    /// Takes the next progress. Another unit or total, or a count that goes back, is a new count.
    pub fn advance(&mut self, unit: &str, done: u64, total: u64, note: &str, now: Duration) {
        if unit != self.unit || total != self.total || done < self.done {
            *self = Pace::new(unit, done, total, note, now);
            return;
        }
        // A progress with no step in it (a note alone) must not slow the rate.
        if done > self.done {
            self.last_at = now;
        }
        self.done = done;
        note.clone_into(&mut self.note);
    }

    /// Seconds to go at `now`. `None` where the total or the rate is not known yet.
    pub fn remaining(&self, now: Duration) -> Option<f64> {
        let steps = self.done - self.first_done;
        let spent = self.last_at.saturating_sub(self.first_at).as_secs_f64();
        if self.total == 0 || steps == 0 || spent <= 0.0 {
            return None;
        }
        let left = self.total.saturating_sub(self.done) as f64 * spent / steps as f64;
        Some((left - now.saturating_sub(self.last_at).as_secs_f64()).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_rate_starts_where_the_node_resumed() {
        let mut pace = Pace::new("epoch", 150, 200, "", at(5));
        assert_eq!(pace.remaining(at(5)), None);
        pace.advance("epoch", 160, 200, "", at(25));
        assert_eq!(pace.remaining(at(25)), Some(80.0));
        assert_eq!(pace.remaining(at(35)), Some(70.0));
        assert_eq!(pace.remaining(at(1000)), Some(0.0));
    }

    #[test]
    fn another_count_starts_anew() {
        let mut pace = Pace::new("byte", 0, 100, "", at(0));
        pace.advance("byte", 50, 100, "", at(10));
        pace.advance("row", 1, 10, "", at(11));
        assert_eq!(pace.remaining(at(11)), None);
        pace.advance("row", 2, 10, "", at(13));
        assert_eq!(pace.remaining(at(13)), Some(16.0));
        pace.advance("row", 1, 10, "", at(14));
        assert_eq!(pace.remaining(at(14)), None, "a count that goes back");
    }

    #[test]
    fn odd_counts_give_no_nonsense() {
        let mut pace = Pace::new("row", 0, 10, "", at(0));
        pace.advance("row", 30, 10, "", at(3));
        assert_eq!(pace.remaining(at(3)), Some(0.0), "more than there is");
        let mut still = Pace::new("row", 0, 10, "", at(0));
        still.advance("row", 5, 10, "", at(0));
        assert_eq!(still.remaining(at(0)), None, "no time has passed");
        let mut open = Pace::new("row", 0, 0, "", at(0));
        open.advance("row", 5, 0, "", at(9));
        assert_eq!(open.remaining(at(9)), None);
    }
}
