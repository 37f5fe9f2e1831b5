//! Bars on a terminal: one per running node, one for the run, finished nodes as lines above. Knows no writer but its terminal.

use crate::execute::event::{Display, Event};
use crate::progress::clock::Clock;
use crate::progress::lines::{Voice, counts, ending, progress, sentence};
use crate::progress::screen::{Screen, Shared};
use crate::progress::sink::Sink;
use crate::progress::tally::Tally;
use crate::progress::wording::{short, whole};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// A node whose total is known, one whose total is not, and the run. ASCII, for fonts that lack block elements.
const COUNTED: &str = "  {prefix} [{bar:10}] {since} {wide_msg}";
const OPEN: &str = "  {prefix} {since} {wide_msg}";
const OVERALL: &str = "  [{bar:30}] {pos}/{len} {since} {wide_msg}";

/// Redraws of the time spent, so that a quiet node is seen to live.
const TICK: Duration = Duration::from_secs(1);

pub struct Fancy {
    bars: MultiProgress,
    /// The same terminal while it has no bars.
    sink: Sink,
    overall: Option<ProgressBar>,
    nodes: BTreeMap<String, Bar>,
    tally: Tally,
    clock: Clock,
    voice: Voice,
    tick: Option<Duration>,
}

struct Bar {
    bar: ProgressBar,
    since: Duration,
    /// Whether it has the style with a known total; `None` before its first progress.
    counted: Option<bool>,
}

impl Fancy {
    /// On the terminal behind stderr. Shows nothing where stderr is none: see `choose`.
    pub fn stderr(clock: Clock, colour: bool) -> Fancy {
        let sink = Sink::new(Box::new(std::io::stderr()));
        Fancy::on(ProgressDrawTarget::stderr(), sink, clock, colour, Some(TICK))
    }

    /// On a terminal of `width` columns behind any writer, drawn at each event and never between.
    pub fn writer(writer: Box<dyn Write + Send>, width: u16, clock: Clock, colour: bool) -> Fancy {
        let shared = Shared::new(writer);
        let sink = Sink::new(Box::new(Shared::clone(&shared)));
        Fancy::on(ProgressDrawTarget::term_like(Box::new(Screen::new(shared, width))), sink, clock, colour, None)
    }

    fn on(target: ProgressDrawTarget, sink: Sink, clock: Clock, colour: bool, tick: Option<Duration>) -> Fancy {
        Fancy {
            bars: MultiProgress::with_draw_target(target),
            sink,
            overall: None,
            nodes: BTreeMap::new(),
            tally: Tally::default(),
            clock,
            voice: Voice { colour, counts: false },
            tick,
        }
    }

    fn style(&self, template: &str, since: Duration) -> ProgressStyle {
        let clock = Clock::clone(&self.clock);
        let spent = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A bar that lacks its time is still a bar.
            let _ = out.write_str(&whole(clock().saturating_sub(since)));
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("since", spent)
            .progress_chars("=> ")
    }

    fn start_run(&mut self, now: Duration) {
        self.clear();
        let bar = ProgressBar::new(self.tally.to_run as u64);
        bar.set_style(self.style(OVERALL, now));
        self.overall = Some(self.show(bar, None));
    }

    fn start_node(&mut self, node: &str, now: Duration) {
        self.end_node(node);
        let bar = ProgressBar::no_length();
        bar.set_style(self.style(OPEN, now));
        bar.set_prefix(short(node));
        let bar = self.show(bar, self.overall.as_ref());
        self.nodes.insert(node.to_owned(), Bar { bar, since: now, counted: None });
    }

    /// Adds a bar, above `below` where there is one, and draws it.
    fn show(&self, bar: ProgressBar, below: Option<&ProgressBar>) -> ProgressBar {
        let bar = match below {
            Some(below) => self.bars.insert_before(below, bar),
            None => self.bars.add(bar),
        };
        match self.tick {
            Some(tick) => bar.enable_steady_tick(tick),
            None => bar.tick(),
        }
        bar
    }

    fn progress(&mut self, node: &str, now: Duration) {
        if !self.nodes.contains_key(node) {
            self.start_node(node, now);
        }
        let Some(pace) = self.tally.running.get(node).and_then(|running| running.pace.as_ref()) else {
            return;
        };
        let counted = pace.total > 0;
        let restyle = self.nodes.get(node).filter(|bar| bar.counted != Some(counted)).map(|bar| bar.since);
        let style = restyle.map(|since| self.style(if counted { COUNTED } else { OPEN }, since));
        let Some(bar) = self.nodes.get_mut(node) else {
            return;
        };
        if let Some(style) = style {
            bar.bar.set_style(style);
            bar.counted = Some(counted);
        }
        if counted {
            bar.bar.set_length(pace.total);
        }
        bar.bar.set_position(pace.done);
        bar.bar.set_message(progress(pace, now));
    }

    fn end_node(&mut self, node: &str) {
        if let Some(bar) = self.nodes.remove(node) {
            bar.bar.finish_and_clear();
            self.bars.remove(&bar.bar);
        }
    }

    /// Leaves the terminal with lines only.
    fn clear(&mut self) {
        for (_, bar) in std::mem::take(&mut self.nodes) {
            bar.bar.finish_and_clear();
            self.bars.remove(&bar.bar);
        }
        if let Some(bar) = self.overall.take() {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        // A terminal that went away needs no clearing.
        let _ = self.bars.clear();
    }

    fn print_sentence(&mut self, event: &Event) {
        let lines = sentence(event, &self.tally, self.voice);
        self.print(&lines);
    }

    /// Lines above the bars. Where there are none they end in a newline, so that the shell's prompt stands below them.
    fn print(&mut self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        if self.overall.is_some() || !self.nodes.is_empty() {
            // A terminal that went away must not end the run.
            let _ = self.bars.println(lines.join("\n"));
        } else {
            self.sink.line(&lines.join("\n"));
        }
    }
}

impl Display for Fancy {
    fn event(&mut self, event: &Event) {
        let now = (self.clock)();
        self.tally.take(event, now);
        match event {
            Event::RunStarted { .. } => {
                self.start_run(now);
                self.print_sentence(event);
            }
            Event::NodeStarted { node, .. } => self.start_node(node, now),
            Event::NodeProgress { node, .. } => {
                self.progress(node, now);
                return;
            }
            // One failure may block hundreds: they are counted in the bar and named by cause at the end.
            Event::NodeBlocked { .. } | Event::NodeHeld { .. } => {}
            Event::RunFinished { .. } => {
                self.clear();
                let lines = ending(event, &self.tally, self.voice);
                self.print(&lines);
            }
            Event::NodeCached { node }
            | Event::NodeDone { node, .. }
            | Event::NodeRetried { node, .. }
            | Event::NodeFailed { node, .. }
            | Event::NodeInterrupted { node } => {
                self.end_node(node);
                self.print_sentence(event);
            }
            Event::Quarantined { .. } | Event::Nondeterministic { .. } | Event::NodeAwaited { .. } => {
                self.print_sentence(event);
            }
        }
        if let Some(overall) = &self.overall {
            overall.set_length(self.tally.to_run as u64);
            overall.set_position(self.tally.settled() as u64);
            overall.set_message(counts(&self.tally));
        }
    }
}

impl Drop for Fancy {
    fn drop(&mut self) {
        self.clear();
    }
}
