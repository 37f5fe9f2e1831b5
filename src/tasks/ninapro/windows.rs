//! Raw recordings to labelled windows, and which part each window belongs to. Knows no file.
//!
//! How the benchmark chose its 3,956 windows is not on record (task specification §5.2). The rule here follows what is known:
//! windows of 52 samples, 18 classes of which rest has more than 65 %, parts of 4 : 1 : 1. Each recording is cut into
//! windows that do not overlap, rest included: one subject's exercise B of some 205,700 samples gives about 3,956.
//! DB5 repeats each movement six times: the last repetition tests, the one before validates, the others train.

/// One moment's annotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// 0 is rest.
    pub gesture: u32,
    /// Counted from 1; 0 where the recording does not say, as at rest.
    pub repetition: u32,
}

/// What a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first sample.
    pub start: usize,
    pub gesture: u32,
    pub repetition: u32,
}

/// Windows of `length` samples from the first on, one behind the other; what is left at the end is dropped. A window takes the
/// gesture that most of its samples have (of equals the one met first), and its repetition; at rest the last repetition before.
pub fn cut(marks: &[Mark], length: usize) -> Vec<Window> {
    let mut repetition = 1;
    let mut windows = Vec::with_capacity(marks.len() / length.max(1));
    for (number, marks) in marks.chunks_exact(length.max(1)).enumerate() {
        let mut votes: Vec<(u32, usize)> = Vec::new();
        for mark in marks {
            if mark.repetition > 0 {
                repetition = mark.repetition;
            }
            match votes.iter_mut().find(|(gesture, _)| *gesture == mark.gesture) {
                Some((_, votes)) => *votes += 1,
                None => votes.push((mark.gesture, 1)),
            }
        }
        let most = votes.iter().map(|(_, votes)| *votes).max().unwrap_or(0);
        let gesture = votes.iter().find(|(_, votes)| *votes == most).map_or(0, |(gesture, _)| *gesture);
        let own = marks.iter().find(|mark| mark.gesture == gesture && mark.repetition > 0);
        let repetition = own.map_or(repetition, |mark| mark.repetition);
        windows.push(Window { start: number * length, gesture, repetition });
    }
    windows
}

/// The part (0 train, 1 validation, 2 test) of a repetition out of `repetitions`.
pub fn part(repetition: u32, repetitions: u32) -> usize {
    match repetitions.saturating_sub(repetition) {
        0 => 2,
        1 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Window, cut, part};

    #[test]
    fn windows_take_the_gesture_of_most_samples() {
        let mark = |gesture, repetition| Mark { gesture, repetition };
        let rest = Mark::default();
        let marks = [
            [rest; 4],
            [rest, mark(3, 1), mark(3, 1), mark(3, 1)],
            [mark(3, 1), mark(3, 1), rest, rest],
            [rest; 4],
            [rest, rest, rest, mark(3, 2)],
            [mark(3, 2), rest, rest, rest],
        ];
        let marks = [marks.concat(), vec![mark(3, 2); 3]].concat();
        let window = |number: usize, gesture, repetition| Window { start: 4 * number, gesture, repetition };
        let expected =
            [window(0, 0, 1), window(1, 3, 1), window(2, 3, 1), window(3, 0, 1), window(4, 0, 2), window(5, 0, 2)];
        assert_eq!(cut(&marks, 4), expected);
        assert!(cut(&marks[..3], 4).is_empty());
    }

    #[test]
    fn the_last_repetitions_are_held_out() {
        assert_eq!([1, 2, 3, 4, 5, 6].map(|repetition| part(repetition, 6)), [0, 0, 0, 0, 1, 2]);
        assert_eq!([1, 2, 3, 4].map(|repetition| part(repetition, 4)), [0, 0, 1, 2]);
        assert_eq!(part(7, 6), 2);
    }
}
