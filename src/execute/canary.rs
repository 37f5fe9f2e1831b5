//! The first node of each stage and variant goes ahead alone; siblings follow once it has lived for a while.
//! Where it fails at once, another sibling is tried; where that one fails with the same words, the rest is held.
//! (One failure alone may be the fault of its own cell, and a failing cell must block only its descendants.)

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A canary that lives this long is well.
pub const HATCHED_AFTER: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Default)]
struct Group {
    /// The canary that is on its way, since when.
    out: Option<(usize, Instant)>,
    hatched: bool,
    /// Label and words of a canary that failed at once.
    first_failure: Option<(String, String)>,
    held_by: Option<String>,
}

/// One group per stage and variant.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    groups: BTreeMap<(usize, String), Group>,
}

/// Whether a node may start.
#[derive(Clone, Debug, PartialEq)]
pub enum Leave {
    Go,
    /// The canary is out; ask again later.
    Later,
    /// Held for the whole run because of this canary.
    Held(String),
}

impl Canaries {
    /// Whether `node` of the group may start. The canary itself may, when it runs again (a retry, a repaired input).
    pub fn leave(&self, group: &(usize, String), node: usize, now: Instant) -> Leave {
        match self.groups.get(group) {
            None => Leave::Go,
            Some(group) => match (&group.held_by, group.out) {
                (Some(canary), _) => Leave::Held(canary.clone()),
                _ if group.hatched => Leave::Go,
                (None, Some((canary, since))) if canary != node && now.duration_since(since) < HATCHED_AFTER => {
                    Leave::Later
                }
                _ => Leave::Go,
            },
        }
    }

    /// A node of the group has started.
    pub fn started(&mut self, group: (usize, String), node: usize, now: Instant) {
        let group = self.groups.entry(group).or_default();
        if group.out.is_none() {
            group.out = Some((node, now));
        }
    }

    /// A node of the group has ended, well (`None`) or with an error message.
    pub fn ended(&mut self, group: &(usize, String), node: usize, label: &str, failure: Option<&str>, now: Instant) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let at_once =
            group.out.is_some_and(|(canary, since)| canary == node && now.duration_since(since) < HATCHED_AFTER);
        match failure {
            None => group.hatched = true,
            Some(_) if group.hatched || !at_once => {}
            Some(message) => {
                // Numbers differ between cells (seeds, sizes, addresses); the rest of the message is the same fault.
                let words: String = message.chars().filter(|c| !c.is_ascii_digit()).collect();
                match &group.first_failure {
                    Some((_, same)) if *same == words => group.held_by = Some(label.to_string()),
                    _ => group.first_failure = Some((label.to_string(), words)),
                }
                group.out = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Canaries, HATCHED_AFTER, Leave};
    use std::time::{Duration, Instant};

    #[test]
    fn two_equal_failures_at_once_hold_the_rest_and_one_does_not() {
        let (group, now) = ((0, "wrn/default".to_string()), Instant::now());
        let mut canaries = Canaries::default();
        assert_eq!(canaries.leave(&group, 2, now), Leave::Go);
        canaries.started(group.clone(), 1, now);
        assert_eq!(canaries.leave(&group, 2, now), Leave::Later);
        canaries.ended(&group, 1, "one", Some("no file 1"), now);
        assert_eq!(canaries.leave(&group, 2, now), Leave::Go);
        canaries.started(group.clone(), 2, now);
        canaries.ended(&group, 2, "two", Some("no file 2"), now);
        assert_eq!(canaries.leave(&group, 2, now), Leave::Held("two".into()));
    }

    #[test]
    fn a_canary_that_lives_lets_all_go_even_if_it_fails_later() {
        let (group, now) = ((0, String::new()), Instant::now());
        let mut canaries = Canaries::default();
        canaries.started(group.clone(), 1, now);
        let later = now + HATCHED_AFTER + Duration::from_secs(1);
        assert_eq!(canaries.leave(&group, 2, later), Leave::Go);
        canaries.ended(&group, 1, "one", Some("diverged"), later);
        assert_eq!(canaries.leave(&group, 2, later), Leave::Go);
    }
}
