//! Small pieces of text that displays share: lengths of time, amounts, names. Knows no event and no terminal.

use std::time::Duration;

/// A length of time for people: `0.42s`, `7.5s`, `42s`, `3m02s`, `1h02m03s`, `2d03h04m`. Seconds that are no length give `?`.
pub fn span(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 0.995 {
        return format!("{seconds:.2}s");
    }
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    // Saturates above any run's length, so the cast loses nothing that is shown.
    whole(Duration::from_secs(seconds.round() as u64))
}

/// A length of time in whole seconds, rounded down: what a running clock shows.
pub fn whole(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m{:02}s", seconds % 60),
        _ => format!("{days}d{hours:02}h{minutes:02}m"),
    }
}

/// How far a node is: `epoch 12/200`, `byte` as sizes (`3.1 of 12.0 MiB`); `total` 0 is unknown.
pub fn amount(unit: &str, done: u64, total: u64) -> String {
    let unit = clean(unit);
    match (unit.as_str(), total) {
        ("byte" | "bytes", 0) => {
            let (divisor, name) = scale(done);
            format!("{:.1} {name}", done as f64 / divisor)
        }
        ("byte" | "bytes", _) => {
            let (divisor, name) = scale(total);
            format!("{:.1} of {:.1} {name}", done as f64 / divisor, total as f64 / divisor)
        }
        (_, 0) => format!("{unit} {done}"),
        (_, _) => format!("{unit} {done}/{total}"),
    }
}

fn scale(bytes: u64) -> (f64, &'static str) {
    match bytes {
        0..1_048_576 => (1024.0, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576.0, "MiB"),
        _ => (1_073_741_824.0, "GiB"),
    }
}

/// `1 node`, `3 nodes`.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The text on one line without what a terminal would obey: escape sequences and control characters are left out,
/// tabs and line ends become spaces. Log tails and notes come from programs we do not know.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' | '\n' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Skips the rest of an escape sequence (ECMA-48): CSI up to its final byte, OSC up to its terminator, else one character.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            while let Some(&c) = chars.peek() {
                if !c.is_ascii() || c.is_ascii_control() {
                    break;
                }
                chars.next();
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\n' {
                    break;
                }
                if c == '\u{1b}' {
                    chars.next();
                    break;
                }
            }
        }
        _ => {}
    }
}

/// The text as one word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", clean(text).replace('\'', r"'\''"))
}

/// A node's name in the little room beside a bar: `retrain[task=darcy,method=wrn/default,seed=0]` is
/// `retrain darcy wrn/default 0`.
pub fn short(node: &str) -> String {
    let node = clean(node);
    let Some((stage, rest)) = node.split_once('[') else {
        return node;
    };
    let mut out = stage.to_owned();
    for part in rest.trim_end_matches(']').split(',').filter(|part| !part.is_empty()) {
        out.push(' ');
        out.push_str(part.split_once('=').map_or(part, |(_, value)| value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{amount, clean, counted, quoted, short, span};

    #[test]
    fn spans() {
        let expected = [
            (0.0, "0.00s"),
            (0.42, "0.42s"),
            (0.999, "1.0s"),
            (9.94, "9.9s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m00s"),
            (182.0, "3m02s"),
            (3599.7, "1h00m00s"),
            (3723.0, "1h02m03s"),
            (86_400.0 * 2.0 + 3.0 * 3600.0 + 4.0 * 60.0, "2d03h04m"),
            (-1.0, "?"),
            (f64::NAN, "?"),
            (f64::INFINITY, "?"),
        ];
        for (seconds, text) in expected {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        assert!(span(f64::MAX).ends_with('m'));
    }

    #[test]
    fn amounts() {
        assert_eq!(amount("epoch", 12, 200), "epoch 12/200");
        assert_eq!(amount("field", 7, 0), "field 7");
        assert_eq!(amount("byte", 3 << 20, 12 << 20), "3.0 of 12.0 MiB");
        assert_eq!(amount("byte", 512, 0), "0.5 KiB");
        assert_eq!(amount("byte", u64::MAX, u64::MAX), "17179869184.0 of 17179869184.0 GiB");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m and\tplain\r\n"), "red and plain");
        assert_eq!(clean("\u{1b}]0;title\u{7}body"), "body");
        assert_eq!(clean("\u{1b}]8;;x\u{1b}\\link"), "link");
        assert_eq!(clean("cut \u{1b}["), "cut");
        assert_eq!(clean("\u{1b}[12é"), "é");
        assert_eq!(clean("loss 2.31 \u{8}\u{9b}2J±"), "loss 2.31 2J±");
    }

    #[test]
    fn names() {
        assert_eq!(counted(1, "node"), "1 node");
        assert_eq!(counted(0, "node"), "0 nodes");
        assert_eq!(short("retrain[task=darcy,method=wrn/default,seed=0]"), "retrain darcy wrn/default 0");
        assert_eq!(short("aggregate[]"), "aggregate");
        assert_eq!(short("aggregate"), "aggregate");
        assert_eq!(quoted("fetch[task=it's]"), r"'fetch[task=it'\''s]'");
    }
}
