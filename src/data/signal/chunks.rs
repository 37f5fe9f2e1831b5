//! Pieces of equal length of a sound (task specification §6.2(a)). Knows no file.

/// Samples of a piece: one second at 22,050 Hz.
pub const CHUNK: usize = 22_050;

/// Samples from the start of a piece to that of the next one.
pub const CHUNK_HOP: usize = 11_025;

/// First samples of the pieces of a sound of `length` samples: 0, 11025, … below `length`. A sound shorter than one piece
/// gives a single one; an empty one gives none.
pub fn chunk_starts(length: usize) -> Vec<usize> {
    if length < CHUNK { (0..length.min(1)).collect() } else { (0..length).step_by(CHUNK_HOP).collect() }
}

/// The piece that begins at `start`, always [`CHUNK`] samples: a short tail is repeated. Empty where `start` is no sample.
pub fn chunk<T: Copy>(samples: &[T], start: usize) -> Vec<T> {
    let tail = samples.get(start..).unwrap_or(&[]);
    tiled(&tail[..tail.len().min(CHUNK)], CHUNK)
}

/// The samples again and again up to `length`, cut there. Empty where there is no sample.
pub fn tiled<T: Copy>(samples: &[T], length: usize) -> Vec<T> {
    samples.iter().copied().cycle().take(if samples.is_empty() { 0 } else { length }).collect()
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, chunk, chunk_starts, tiled};

    #[test]
    fn starts_lie_below_the_length() {
        assert!(chunk_starts(0).is_empty());
        assert_eq!(chunk_starts(1), [0]);
        assert_eq!(chunk_starts(15_000), [0]);
        assert_eq!(chunk_starts(22_049), [0]);
        assert_eq!(chunk_starts(22_050), [0, 11_025]);
        assert_eq!(chunk_starts(22_051), [0, 11_025, 22_050]);
        for length in [22_050, 33_075, 33_076, 110_250, 661_500] {
            assert_eq!(chunk_starts(length).len(), length.div_ceil(11_025));
        }
    }

    #[test]
    fn tails_are_repeated() {
        let sound: Vec<usize> = (0..30_000).collect();
        assert_eq!(chunk(&sound, 0), sound[..CHUNK]);
        let tail = chunk(&sound, 22_050);
        assert_eq!(tail.len(), CHUNK);
        assert_eq!((tail[0], tail[7_949], tail[7_950], tail[CHUNK - 1]), (22_050, 29_999, 22_050, 28_199));
        assert!(chunk(&sound, 30_000).is_empty() && chunk(&sound, 40_000).is_empty());
        assert_eq!(tiled(&[1, 2, 3], 7), [1, 2, 3, 1, 2, 3, 1]);
        assert_eq!(tiled(&[1, 2, 3], 2), [1, 2]);
        assert!(tiled::<u8>(&[], 5).is_empty());
    }
}
