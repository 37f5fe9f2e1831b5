//! What displays say of an event, in lines of plain English. Knows no writer and no terminal.

use crate::execute::event::Event;
use crate::progress::pace::Pace;
use crate::progress::tally::{Failure, Running, Tally};
use crate::progress::wording::{amount, clean, counted, quoted, span, whole};
use std::time::Duration;

/// Failures that are repeated with their log's tail at the end; further ones have been shown above and keep their log.
pub const REPEATED_TAILS: usize = 10;

/// How a display speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voice {
    /// Words that matter are coloured.
    pub colour: bool,
    /// A node's end is followed by the run's counts; needless where a bar shows them.
    pub counts: bool,
}

impl Voice {
    fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The lines of one event, after `tally` took it at `now`. None for progress (see `heartbeat`) and the end (see `ending`).
pub fn sentence(event: &Event, tally: &Tally, voice: Voice) -> Vec<String> {
    let at = position(tally);
    let so_far = if voice.counts { format!(" {}", counts(tally)) } else { String::new() };
    match event {
        Event::RunStarted { run, manifest, nodes, cached } => vec![format!(
            "run {} ({}): {}, {cached} cached, {} to run",
            clean(run),
            clean(manifest),
            counted(*nodes, "node"),
            tally.to_run
        )],
        Event::NodeStarted { node, attempt, .. } => {
            let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            vec![format!("{at} {} started{again}", clean(node))]
        }
        Event::NodeProgress { .. } | Event::RunFinished { .. } => Vec::new(),
        Event::NodeCached { node } => vec![format!("{at} {} cached{so_far}", clean(node))],
        Event::NodeDone { node, seconds } => {
            vec![format!("{at} {} {} in {}{so_far}", clean(node), voice.good("done"), span(*seconds))]
        }
        Event::NodeRetried { node, attempt, class, message } => {
            let mut lines = vec![format!("{at} {} failed and is tried again, attempt {attempt}", clean(node))];
            reason(&mut lines, class, message);
            lines
        }
        Event::NodeFailed { .. } => match tally.failures.last() {
            Some(failure) => {
                let after = failure.seconds.map_or(String::new(), |s| format!(" after {}", span(s)));
                let mut lines = vec![format!("{at} {} {}{after}{so_far}", clean(&failure.node), voice.bad("FAILED"))];
                details(&mut lines, failure, true);
                lines
            }
            None => Vec::new(),
        },
        Event::NodeBlocked { node, because } => {
            vec![format!("{at} {} not run, because {} failed", clean(node), clean(because))]
        }
        Event::NodeHeld { node, canary } => {
            let canary = clean(canary);
            vec![format!("{at} {} not started, because {canary}, the first of its kind, failed at once", clean(node))]
        }
        Event::NodeInterrupted { node } => vec![format!("{at} {} interrupted, state saved", clean(node))],
        Event::Quarantined { digest, node } => {
            vec![format!("{at} damaged object {} set aside; {} runs again", clean(digest), clean(node))]
        }
        Event::Nondeterministic { node, output } => {
            let word = voice.bad("NOT REPRODUCED");
            vec![format!("{at} {} {word}: {} has other bytes than an earlier run", clean(node), clean(output))]
        }
        Event::NodeAwaited { node, holder } => {
            vec![format!("{at} {} is being run by {}; waiting for it", clean(node), clean(holder))]
        }
    }
}

/// One line on a node that still runs.
pub fn heartbeat(node: &str, running: &Running, tally: &Tally, now: Duration) -> String {
    let spent = whole(now.saturating_sub(running.since));
    let how_far = running.pace.as_ref().map_or("no progress reported".to_owned(), |pace| progress(pace, now));
    format!("{} {} running for {spent}: {how_far}", position(tally), clean(node))
}

/// `epoch 12/200, 3m02s left, loss 2.31`, without what is not known.
pub fn progress(pace: &Pace, now: Duration) -> String {
    let mut text = amount(&pace.unit, pace.done, pace.total);
    if let Some(left) = pace.remaining(now) {
        text.push_str(&format!(", {} left", whole(Duration::from_secs(left.ceil() as u64))));
    }
    let note = clean(&pace.note);
    if !note.is_empty() {
        text.push_str(", ");
        text.push_str(&note);
    }
    text
}

/// What is said when the run is over: each failure again, what did not run because of it, then counts and time in one line.
pub fn ending(event: &Event, tally: &Tally, voice: Voice) -> Vec<String> {
    let Event::RunFinished { done, cached, failed, blocked, interrupted, seconds } = event else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    failures(&mut lines, tally, voice);
    if !tally.nondeterministic.is_empty() {
        lines.push(format!("{} not reproduced:", counted(tally.nondeterministic.len(), "output")));
        for (node, output) in &tally.nondeterministic {
            lines.push(format!("  {}: {}", clean(node), clean(output)));
        }
    }

    let waiting = tally.to_run.saturating_sub(tally.settled());
    let time = span(*seconds);
    let name = clean(&tally.run);
    let bad = *failed > 0 || *blocked > 0 || tally.held > 0;
    if !bad && !interrupted && *done == 0 && waiting == 0 {
        lines.push(format!("run {name}: nothing to do, {} cached ({time})", counted(*cached, "node")));
        return lines;
    }
    let verdict = match (interrupted, bad) {
        (true, _) => voice.bad("interrupted") + " after",
        (false, true) => voice.bad("FAILED") + " in",
        (false, false) => voice.good("done") + " in",
    };
    let mut summary = format!("run {name} {verdict} {time}: {done} done, {cached} cached, {failed} failed");
    for (count, word) in
        [(*blocked, "blocked"), (tally.held, "held"), (tally.interrupted, "interrupted"), (waiting, "not started")]
    {
        if count > 0 {
            summary.push_str(&format!(", {count} {word}"));
        }
    }
    if *interrupted {
        summary.push_str("; the same command goes on from here");
    }
    lines.push(summary);
    lines
}

fn failures(lines: &mut Vec<String>, tally: &Tally, voice: Voice) {
    if !tally.failures.is_empty() {
        lines.push(format!("{} {}:", counted(tally.failures.len(), "node"), voice.bad("failed")));
    }
    for (index, failure) in tally.failures.iter().enumerate() {
        let after = failure.seconds.map_or(String::new(), |s| format!(" after {}", span(s)));
        lines.push(format!("  {}{after}", clean(&failure.node)));
        details(lines, failure, index < REPEATED_TAILS);
        if let Some(count) = tally.blocked_by.get(&failure.node) {
            lines.push(format!("    {} not run because of it", counted(*count, "node")));
        }
        if let Some(count) = tally.held_by.get(&failure.node) {
            lines.push(format!("    {} of its kind not started because it failed at once", counted(*count, "node")));
        }
    }
    let known = |node: &String| tally.failures.iter().any(|failure| failure.node == *node);
    for (node, count) in tally.blocked_by.iter().filter(|(node, _)| !known(node)) {
        lines.push(format!("{} not run because {} has no result", counted(*count, "node"), clean(node)));
    }
    for (node, count) in tally.held_by.iter().filter(|(node, _)| !known(node)) {
        lines.push(format!("{} not started because {} has no result", counted(*count, "node"), clean(node)));
    }
}

fn details(lines: &mut Vec<String>, failure: &Failure, tail: bool) {
    reason(lines, &failure.class, &failure.message);
    if tail {
        lines.extend(failure.tail.iter().map(|line| format!("    | {}", clean(line)).trim_end().to_owned()));
    }
    if !failure.log.is_empty() {
        lines.push(format!("    log: {}", clean(&failure.log)));
    }
    lines.push(format!("    see: nasperf-pipe logs {}", quoted(&failure.node)));
}

/// The class and the message, which may have several lines.
fn reason(lines: &mut Vec<String>, class: &str, message: &str) {
    let mut rest = message.lines();
    lines.push(format!("    {}: {}", clean(class), clean(rest.next().unwrap_or("no message"))));
    lines.extend(rest.map(|line| format!("    {}", clean(line)).trim_end().to_owned()));
}

/// `[ 12/525]`: nodes that are settled, of those that were not in the store at the start.
fn position(tally: &Tally) -> String {
    let total = tally.to_run.to_string();
    format!("[{:>width$}/{total}]", tally.settled(), width = total.len())
}

/// `(cached 40, running 2, failed 0)`.
pub fn counts(tally: &Tally) -> String {
    let not_run = tally.blocked + tally.held;
    let blocked = if not_run > 0 { format!(", not run {not_run}") } else { String::new() };
    format!("(cached {}, running {}, failed {}{blocked})", tally.cached, tally.running.len(), tally.failures.len())
}
