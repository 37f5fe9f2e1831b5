//! How recordings become windows of 1,000 samples, and which classes there are (task specification §10.2).
//! Knows no file and no split.

/// Samples per window: 3.33 s at 300 Hz.
pub const WINDOW: usize = 1000;
/// Names of the classes in the official files, in label order: normal, atrial fibrillation, other rhythm, noisy.
pub const CLASSES: [&str; 4] = ["N", "A", "O", "~"];
/// Samples between two windows of a recording of each class: rare classes overlap more (500 / 6 is cut to 83).
const STRIDES: [usize; 4] = [500, 83, 250, 25];

/// The label of a class name.
pub fn label(name: &str) -> Option<u32> {
    CLASSES.iter().position(|class| *class == name).map(|at| at as u32)
}

/// How many windows a recording of `len` samples gives: they start at 0, s, 2s, … strictly below `len` − 1000.
pub fn count(len: usize, label: u32) -> usize {
    len.saturating_sub(WINDOW).div_ceil(STRIDES[label as usize])
}

/// First samples of the windows.
pub fn starts(len: usize, label: u32) -> impl Iterator<Item = usize> {
    let stride = STRIDES[label as usize];
    (0..count(len, label)).map(move |window| window * stride)
}

#[cfg(test)]
mod tests {
    use super::{count, label, starts};

    #[test]
    fn windows_start_strictly_below_the_last_whole_one() {
        assert_eq!(starts(2000, 0).collect::<Vec<_>>(), [0, 500]);
        assert_eq!(starts(2001, 0).collect::<Vec<_>>(), [0, 500, 1000]);
        assert_eq!(starts(1084, 1).collect::<Vec<_>>(), [0, 83]);
        assert_eq!((count(1000, 3), count(1001, 3), count(0, 0)), (0, 1, 0));
        assert_eq!((count(9000, 0), count(9000, 1), count(9000, 2), count(9000, 3)), (16, 97, 32, 320));
        assert_eq!((label("~"), label("N"), label("n")), (Some(3), Some(0), None));
    }
}
