//! What happens to a log-mel map before training (task specification §6.4): padding, masks, crop, and a second map of background
//! noise mixed in. Knows no label and no file.

use crate::seed::Stream;

/// A map of `bands` rows, `frames` columns, row-major, and its lowest value.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    pub values: &'a [f32],
    pub bands: usize,
    pub frames: usize,
    pub lowest: f32,
}

/// Masks at most so many bands and frames, as a part of all (`UseWithProb(SpecAugment(…), 0.5)` in upstream's
/// `audio_dataset.py`).
const MOST_BANDS: f64 = 0.15;
const MOST_FRAMES: f64 = 0.20;
const MASKED: f64 = 0.5;
const MIXED: f64 = 0.75;
const MOST_NOISE: f64 = 0.5;

/// The lowest of some values.
pub fn lowest(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::INFINITY, f32::min)
}

/// How a shorter map is brought to length.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Padding {
    /// Its frames again and again.
    Wrap,
    /// Its lowest value.
    Lowest,
}

/// All steps for a map and, if there is one, the noise that `noise` gives by number; `out` gets `bands` × `size` values.
pub fn augment<'a>(
    map: Map<'_>,
    size: usize,
    noises: usize,
    noise: impl Fn(usize) -> Map<'a>,
    stream: &mut Stream,
    out: &mut Vec<f32>,
) {
    let start = out.len();
    masked_crop(map, size, stream, out);
    // the draw comes in any case, so that more or fewer files of noise change nothing before it
    let mixed = stream.uniform() < MIXED;
    if !mixed || noises == 0 {
        return;
    }
    let other = noise(stream.below(noises as u32) as usize);
    let mut second = Vec::with_capacity(out.len() - start);
    masked_crop(other, size, stream, &mut second);
    let share = (MOST_NOISE * stream.uniform()) as f32;
    for (value, noise) in out[start..].iter_mut().zip(&second) {
        *value = (1.0 - share) * *value + share * noise;
    }
}

/// Padding, masks and crop, in this order. Masks are drawn on the whole map; only what the crop keeps is computed.
fn masked_crop(map: Map<'_>, size: usize, stream: &mut Stream, out: &mut Vec<f32>) {
    let padding = if stream.below(2) == 0 { Padding::Wrap } else { Padding::Lowest };
    let frames = map.frames.max(size);
    let (mut bands_out, mut frames_out) = (Vec::new(), Vec::new());
    if stream.uniform() < MASKED {
        for _ in 0..1 + stream.below(2) {
            bands_out.push(span(map.bands, MOST_BANDS, stream));
            frames_out.push(span(frames, MOST_FRAMES, stream));
        }
    }
    let first = if frames > size { stream.below((frames - size + 1) as u32) as usize } else { 0 };
    // missing frames are split between both ends, the odd one behind
    let before = (frames - map.frames) / 2;
    for band in 0..map.bands {
        let row = &map.values[band * map.frames..(band + 1) * map.frames];
        let silent = bands_out.iter().any(|(from, to)| (*from..*to).contains(&band));
        for at in first..first + size {
            let masked = silent || frames_out.iter().any(|(from, to)| (*from..*to).contains(&at));
            let source = at as i64 - before as i64;
            let value = match usize::try_from(source).ok().and_then(|source| row.get(source)) {
                _ if masked => map.lowest,
                Some(value) => *value,
                None if padding == Padding::Wrap => row[source.rem_euclid(map.frames as i64) as usize],
                None => map.lowest,
            };
            out.push(value);
        }
    }
}

/// A masked range of 0..length: int(U(0, most)·length) long, from int(U(0, length − its length)) on.
fn span(length: usize, most: f64, stream: &mut Stream) -> (usize, usize) {
    let width = (most * stream.uniform() * length as f64) as usize;
    let from = (stream.uniform() * (length - width) as f64) as usize;
    (from, from + width)
}

#[cfg(test)]
mod tests {
    use super::{Map, augment, lowest};
    use crate::seed::Purpose;

    const BANDS: usize = 96;

    fn map(values: &[f32]) -> Map<'_> {
        Map { values, bands: BANDS, frames: values.len() / BANDS, lowest: lowest(values) }
    }

    /// Value = 1 + 1000·band + frame.
    fn ramp(frames: usize) -> Vec<f32> {
        (0..BANDS * frames).map(|at| 1.0 + 1000.0 * (at / frames) as f32 + (at % frames) as f32).collect()
    }

    #[test]
    fn shares_and_sizes_of_the_masks_are_those_of_the_specification() {
        let values = ramp(101);
        let purpose = Purpose::new(0, "test", "augmentation");
        let (mut plain, mut bands, mut frames, mut most) = (0, 0.0, 0.0, (0, 0));
        for index in 0..4000 {
            let mut out = Vec::new();
            augment(map(&values), 101, 0, |_| unreachable!(), &mut purpose.at(index), &mut out);
            if out == values {
                plain += 1;
            }
            // band 0 is the lowest anyway in frame 0 only
            let silent = |band: usize| out[band * 101..][..101].iter().all(|v| *v == 1.0);
            let masked_bands = (1..BANDS).filter(|band| silent(*band)).count();
            let dark = |frame: usize| (1..BANDS).all(|band| out[band * 101 + frame] == 1.0);
            let masked_frames = (1..101).filter(|frame| dark(*frame)).count();
            bands += masked_bands as f64 / 4000.0;
            frames += masked_frames as f64 / 4000.0;
            most = (most.0.max(masked_bands), most.1.max(masked_frames));
        }
        // half of the maps, and those whose masks are empty: int(U·14.4) = 0 and int(U·20.2) = 0 have 1/290
        assert!((f64::from(plain) / 4000.0 - 0.502).abs() < 0.03, "{plain}");
        // E int(U(0, .15)·96) = 6.7 and E int(U(0, .2)·101) = 9.6, one or two of each in half of the maps, hardly overlapping
        assert!((bands - 0.5 * 1.5 * 6.7).abs() < 0.4, "{bands}");
        assert!((frames - 0.5 * 1.5 * 9.6).abs() < 0.6, "{frames}");
        assert!(most.0 <= 28 && most.1 <= 40, "{most:?}");
    }

    #[test]
    fn noise_is_mixed_into_three_quarters_with_at_most_half_of_the_weight() {
        let values = vec![1.0; BANDS * 101];
        let noise = vec![3.0; BANDS * 250];
        let purpose = Purpose::new(1, "test", "augmentation");
        let mut shares = Vec::new();
        for index in 0..4000 {
            let mut out = Vec::new();
            augment(map(&values), 101, 1, |_| map(&noise), &mut purpose.at(index), &mut out);
            let even = out.windows(2).all(|w| w[0] == w[1]);
            assert!(out.len() == BANDS * 101 && even);
            shares.push(f64::from(out[0] - 1.0) / 2.0);
        }
        let mixed: Vec<f64> = shares.iter().copied().filter(|s| *s > 0.0).collect();
        assert!((mixed.len() as f64 / 4000.0 - 0.75).abs() < 0.03);
        let below = mixed.iter().all(|s| *s < 0.5);
        assert!(below);
        assert!((mixed.iter().sum::<f64>() / mixed.len() as f64 - 0.25).abs() < 0.01);
    }

    #[test]
    fn long_maps_are_cropped_anywhere_and_short_ones_padded_at_both_ends() {
        let purpose = Purpose::new(2, "test", "augmentation");
        let long = ramp(103);
        let mut firsts = [0; 3];
        for index in 0..300 {
            let mut out = Vec::new();
            augment(map(&long), 101, 0, |_| unreachable!(), &mut purpose.at(index), &mut out);
            let cropped = (0..3).find(|first| out[5 * 101] == 1.0 + 5000.0 + *first as f32 && out[5 * 101 + 1] != 1.0);
            if let Some(first) = cropped {
                firsts[first] += 1;
            }
        }
        let often = firsts.iter().all(|count| *count > 40);
        assert!(often, "{firsts:?}");
        // 98 frames: one before, two behind
        let short = ramp(98);
        let (mut wrapped, mut lowest) = (0, 0);
        for index in 0..300 {
            let mut out = Vec::new();
            augment(map(&short), 101, 0, |_| unreachable!(), &mut purpose.at(index), &mut out);
            let row = &out[7 * 101..8 * 101];
            wrapped += usize::from(row[0] == 7098.0 && row[1] == 7001.0 && row[99..] == [7001.0, 7002.0]);
            lowest += usize::from(row[0] == 1.0 && row[1] == 7001.0 && row[99..] == [1.0, 1.0]);
        }
        assert!(wrapped > 90 && lowest > 90, "{wrapped} {lowest}");
    }
}
