//! Displays show a run as a person, a log and a program want to see it, and never harm it.

use nasperf_pipe::execute::event::{Display, Event};
use nasperf_pipe::progress::clock::Clock;
use nasperf_pipe::progress::fancy::Fancy;
use nasperf_pipe::progress::jsonl::Jsonl;
use nasperf_pipe::progress::plain::Plain;
use std::io::{Error, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FETCH: &str = "fetch[task=darcy]";
const SEARCH: &str = "search[task=darcy,method=wrn/default,seed=0]";
const RETRAIN: &str = "retrain[task=darcy,method=wrn/default,seed=0]";
const OTHER: &str = "retrain[task=darcy,method=wrn/default,seed=1]";

/// A writer whose bytes can be read while a display owns it.
#[derive(Clone, Default)]
struct Pad(Arc<Mutex<Vec<u8>>>);

impl Pad {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Pad {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader has gone.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }
}

/// A clock that the test sets, in milliseconds.
fn clock() -> (Arc<AtomicU64>, Clock) {
    let millis = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&millis);
    (millis, Arc::new(move || Duration::from_millis(read.load(Ordering::Relaxed))))
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn run_started(nodes: usize, cached: usize) -> Event {
    Event::RunStarted { run: text("first"), manifest: text("manifests/first.toml"), nodes, cached }
}

fn started(node: &str, attempt: u32) -> Event {
    Event::NodeStarted { node: text(node), attempt, pid: 4242, log: text("cache/logs/a.log") }
}

fn progress(node: &str, unit: &str, done: u64, total: u64, note: &str) -> Event {
    Event::NodeProgress { node: text(node), unit: text(unit), done, total, note: text(note) }
}

fn done(node: &str, seconds: f64) -> Event {
    Event::NodeDone { node: text(node), seconds }
}

fn failed(node: &str) -> Event {
    Event::NodeFailed {
        node: text(node),
        class: text("numeric"),
        message: text("the loss is NaN at step 12\nlower retrain.learning_rate"),
        log: text("cache/logs/b.log"),
        tail: vec![text("epoch 0: loss 2.31"), text("\u{1b}[31mepoch 1: loss NaN\u{1b}[0m"), text("")],
    }
}

/// A run with everything in it: (seconds since the start, event).
fn story() -> Vec<(u64, Event)> {
    vec![
        (0, run_started(12, 2)),
        (0, started(FETCH, 1)),
        (5, progress(FETCH, "byte", 1 << 20, 4 << 20, "")),
        (
            6,
            Event::NodeRetried {
                node: text(FETCH),
                attempt: 2,
                class: text("infrastructure"),
                message: text("connection reset"),
            },
        ),
        (7, started(FETCH, 2)),
        (17, done(FETCH, 10.2)),
        (17, Event::NodeCached { node: text(SEARCH) }),
        (18, started(RETRAIN, 1)),
        (18, started(OTHER, 1)),
        (20, progress(RETRAIN, "epoch", 0, 200, "")),
        (60, progress(RETRAIN, "epoch", 10, 200, "loss 1.50")),
        (80, progress(RETRAIN, "epoch", 15, 200, "loss 1.25")),
        (100, progress(RETRAIN, "epoch", 20, 200, "loss 1.00")),
        (139, progress(RETRAIN, "epoch", 29, 200, "loss 0.95")),
        (140, progress(RETRAIN, "epoch", 30, 200, "loss 0.90")),
        (150, failed(OTHER)),
        (150, Event::NodeBlocked { node: text("evaluate[seed=1]"), because: text(OTHER) }),
        (150, Event::NodeHeld { node: text("retrain[seed=2]"), canary: text(OTHER) }),
        (151, Event::Quarantined { digest: text("0123abcd"), node: text(FETCH) }),
        (152, Event::NodeAwaited { node: text("evaluate[seed=3]"), holder: text("host7 pid 99") }),
        (153, Event::Nondeterministic { node: text(SEARCH), output: text("search.json") }),
        (820, done(RETRAIN, 802.0)),
        (821, started("evaluate[seed=0]", 1)),
        (822, Event::NodeInterrupted { node: text("evaluate[seed=0]") }),
        (823, Event::RunFinished { done: 2, cached: 3, failed: 1, blocked: 1, interrupted: true, seconds: 823.4 }),
    ]
}

fn play(display: &mut dyn Display, millis: &AtomicU64, events: &[(u64, Event)]) {
    for (second, event) in events {
        millis.store(second * 1000, Ordering::Relaxed);
        display.event(event);
    }
}

/// Compares with `tests/golden/progress/<name>`; NASPERF_GOLDEN=renew writes it anew, to be read in review.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/progress").join(name);
    if std::env::var_os("NASPERF_GOLDEN").is_some_and(|value| value == "renew") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name}: renew with `make golden` if the change is meant");
}

/// What is on a terminal of `width` columns and any height after it obeyed `bytes`. Text that passes the last column goes
/// on in the next row. Panics at a sequence that not every terminal knows.
fn screen(bytes: &str, width: usize) -> String {
    let (mut rows, mut row, mut column) = (vec![Vec::<char>::new()], 0_usize, 0_usize);
    let mut chars = bytes.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            // As a terminal line discipline gives it: with a return.
            '\n' => {
                (row, column) = (row + 1, 0);
                rows.resize(rows.len().max(row + 1), Vec::new());
            }
            '\u{1b}' => {
                assert_eq!(chars.next(), Some('['));
                let (mut number, mut last) = (String::new(), chars.next().unwrap());
                while last.is_ascii_digit() {
                    number.push(last);
                    last = chars.next().unwrap();
                }
                let n = number.parse::<usize>().unwrap_or(1);
                match last {
                    'A' => row = row.checked_sub(n).expect("moved above the first row"),
                    'B' => row = (row + n).min(rows.len() - 1),
                    'C' => column = (column + n).min(width),
                    'D' => column = column.saturating_sub(n),
                    'K' => rows[row].clear(),
                    'm' => {}
                    other => panic!("sequence ESC [ {number} {other}"),
                }
            }
            c => {
                if column == width {
                    (row, column) = (row + 1, 0);
                    rows.resize(rows.len().max(row + 1), Vec::new());
                }
                let line = &mut rows[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    let lines: Vec<String> = rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

#[test]
fn plain_says_one_line_per_event_and_repeats_failures() {
    let (pad, (millis, clock)) = (Pad::default(), clock());
    play(&mut Plain::new(Box::new(pad.clone()), clock), &millis, &story());
    golden("plain.txt", &pad.text());
}

#[test]
fn plain_speaks_of_a_running_node_once_a_minute_and_of_a_silent_one_too() {
    let (pad, (millis, clock)) = (Pad::default(), clock());
    let mut plain = Plain::new(Box::new(pad.clone()), clock);
    let mut events = vec![(0, run_started(2, 0)), (0, started(RETRAIN, 1)), (0, started(OTHER, 1))];
    events.extend((1..=600).map(|second| (second, progress(RETRAIN, "step", second, 1000, ""))));
    play(&mut plain, &millis, &events);
    let text = pad.text();
    let of = |node: &str| text.lines().filter(|line| line.contains(node) && line.contains("running for")).count();
    assert_eq!(of(RETRAIN), 10, "{text}");
    assert_eq!(of(OTHER), 10, "{text}");
    assert!(text.contains("running for 10m00s: step 600/1000, 6m40s left\n"), "{text}");
    assert!(text.contains("running for 10m00s: no progress reported\n"), "{text}");
}

#[test]
fn plain_ends_a_good_run_and_an_empty_one_in_one_line() {
    for (name, events) in [
        (
            "good.txt",
            vec![
                (0, run_started(2, 1)),
                (0, started(FETCH, 1)),
                (2, done(FETCH, 2.0)),
                (2, Event::RunFinished { done: 1, cached: 1, failed: 0, blocked: 0, interrupted: false, seconds: 2.0 }),
            ],
        ),
        (
            "nothing.txt",
            vec![
                (0, run_started(651, 651)),
                (
                    0,
                    Event::RunFinished {
                        done: 0,
                        cached: 651,
                        failed: 0,
                        blocked: 0,
                        interrupted: false,
                        seconds: 0.05,
                    },
                ),
            ],
        ),
    ] {
        let (pad, (millis, clock)) = (Pad::default(), clock());
        play(&mut Plain::new(Box::new(pad.clone()), clock), &millis, &events);
        golden(name, &pad.text());
    }
}

#[test]
fn json_lines_carry_every_event_whole() {
    let (pad, (millis, _)) = (Pad::default(), clock());
    let mut events = story();
    events.push((900, done(FETCH, f64::NAN)));
    play(&mut Jsonl::new(Box::new(pad.clone())), &millis, &events);
    let text = pad.text();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), events.len());
    assert_eq!(lines[0]["event"], "run-started");
    assert_eq!(lines[0]["nodes"], 12);
    assert_eq!(
        lines[2],
        serde_json::json!({"event": "node-progress", "node": FETCH, "unit": "byte", "done": 1048576, "total": 4194304, "note": ""})
    );
    let failure = lines.iter().find(|line| line["event"] == "node-failed").unwrap();
    assert_eq!(failure["message"], "the loss is NaN at step 12\nlower retrain.learning_rate");
    assert_eq!(failure["tail"][1], "\u{1b}[31mepoch 1: loss NaN\u{1b}[0m", "raw: a program decides what to do with it");
    assert!(lines.last().unwrap()["seconds"].is_null());
}

#[test]
fn bars_show_what_runs_below_what_is_finished() {
    let (pad, (millis, clock)) = (Pad::default(), clock());
    let mut fancy = Fancy::writer(Box::new(pad.clone()), 100, clock, false);
    let story = story();
    let failure = story.iter().position(|(_, event)| matches!(event, Event::NodeFailed { .. })).unwrap();
    play(&mut fancy, &millis, &story[..3]);
    golden("bars-fetching.txt", &screen(&pad.text(), 100));
    play(&mut fancy, &millis, &story[3..failure]);
    golden("bars-training.txt", &screen(&pad.text(), 100));
    play(&mut fancy, &millis, &story[failure..]);
    let ended = screen(&pad.text(), 100);
    golden("bars-ended.txt", &ended);
    assert!(pad.text().ends_with("goes on from here\n"), "the prompt stands on a line of its own");
    drop(fancy);
    assert_eq!(screen(&pad.text(), 100), ended, "nothing is left to clear after the end");
}

#[test]
fn bars_leave_the_terminal_with_lines_only_even_without_an_end() {
    let (pad, (millis, clock)) = (Pad::default(), clock());
    let mut fancy = Fancy::writer(Box::new(pad.clone()), 80, clock, true);
    play(&mut fancy, &millis, &story()[..12]);
    assert!(screen(&pad.text(), 80).contains("  retrain darcy wrn/default 0 ["), "{}", screen(&pad.text(), 80));
    drop(fancy);
    let bytes = pad.text();
    let left = screen(&bytes, 80);
    assert!(!left.contains("retrain"), "{left}");
    assert!(left.contains("fetch[task=darcy] done in 10s"), "{left}");
    assert!(!bytes.contains("\u{1b}[?25l"), "the cursor was never hidden");
    assert!(bytes.contains("\u{1b}[32mdone\u{1b}[0m"), "coloured when asked");
}

#[test]
fn bars_fit_an_ordinary_terminal_and_go_away_on_any() {
    let long = "a note that goes on and on, much further than any terminal is wide, and then some more";
    for width in [12, 40, 80, 200] {
        let (pad, (millis, clock)) = (Pad::default(), clock());
        let mut fancy = Fancy::writer(Box::new(pad.clone()), width, clock, false);
        let events = [(0, run_started(3, 0)), (0, started(RETRAIN, 1)), (9, progress(RETRAIN, "epoch", 3, 200, long))];
        play(&mut fancy, &millis, &events);
        let shown = screen(&pad.text(), width.into());
        if width >= 80 {
            let rows: Vec<&str> = shown.lines().collect();
            assert_eq!(rows.len(), 3, "the run's line, the node's bar, the run's bar: {shown}");
            assert!(rows[1].contains("9s epoch 3/200, a note"), "{shown}");
        }
        drop(fancy);
        let left = screen(&pad.text(), width.into()).replace('\n', "");
        assert_eq!(left.replace(' ', ""), "runfirst(manifests/first.toml):3nodes,0cached,3torun", "{width}");
    }
}

#[test]
fn a_reader_that_went_away_harms_nothing() {
    let (millis, clock) = clock();
    play(&mut Plain::new(Box::new(Broken), Clock::clone(&clock)), &millis, &story());
    play(&mut Jsonl::new(Box::new(Broken)), &millis, &story());
    play(&mut Fancy::writer(Box::new(Broken), 80, clock, true), &millis, &story());
}

#[test]
fn events_in_any_order_harm_nothing() {
    let story = story();
    for skip in 0..story.len() {
        for backwards in [false, true] {
            let mut events = story[skip..].to_vec();
            if backwards {
                events.reverse();
            }
            let (millis, clock) = clock();
            let (lines, bars) = (Pad::default(), Pad::default());
            play(&mut Plain::new(Box::new(lines.clone()), Clock::clone(&clock)), &millis, &events);
            play(&mut Fancy::writer(Box::new(bars.clone()), 80, clock, false), &millis, &events);
            let shown = lines.text();
            assert!(!shown.contains('\u{1b}'), "{shown}");
            screen(&bars.text(), 80);
        }
    }
}
