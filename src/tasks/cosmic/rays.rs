//! Charge that cosmic rays leave in a detector: short, slightly bent tracks, spread over neighbouring pixels
//! (task specification §13.9). Knows no sky.

use crate::data::synthetic::Stream;
use std::f64::consts::TAU;

/// Mean number of tracks on 256×256 pixels.
const TRACKS: f64 = 90.0;
/// Length of a track in pixels: an exponential with this mean, plus ½, at most 60.
const MEAN_LENGTH: f64 = 5.0;
const LONGEST: f64 = 60.0;
/// Length of a step in pixels, and the median charge of a pixel's length in electrons.
const STEP: f64 = 0.5;
const MEDIAN: f64 = 350.0;
/// Deviations of the logarithm of the charge: between tracks, and within one.
const BETWEEN: f64 = 0.8;
const WITHIN: f64 = 0.4;
/// Deviations of the curvature per pixel and of the scattering per step, in radians.
const BEND: f64 = 0.02;
const SCATTER: f64 = 0.05;
/// Charge diffusion: shares of the centre, each edge and each corner of 3×3 pixels.
const CENTRE: f64 = 0.848;
const EDGE: f64 = 0.03;
const CORNER: f64 = 0.008;

/// Charge in electrons, row by row, of `side`×`side` pixels.
pub fn draw(side: usize, stream: &mut Stream) -> Vec<f64> {
    let mut charge = vec![0.0; side * side];
    let area = (side * side) as f64 / (256.0 * 256.0);
    for _ in 0..stream.poisson(TRACKS * area) {
        let (mut y, mut x) = (stream.between(0.0, side as f64), stream.between(0.0, side as f64));
        let length = (MEAN_LENGTH * stream.exponential() + 0.5).min(LONGEST);
        let mut direction = stream.between(0.0, TAU);
        let bend = BEND * STEP * stream.normal();
        let energy = MEDIAN * STEP * (BETWEEN * stream.normal()).exp();
        for _ in 0..(length / STEP).ceil() as usize {
            let deposit = energy * (WITHIN * stream.normal()).exp();
            if (0.0..side as f64).contains(&y) && (0.0..side as f64).contains(&x) {
                charge[y as usize * side + x as usize] += deposit;
            }
            direction += bend + SCATTER * stream.normal();
            y += STEP * direction.sin();
            x += STEP * direction.cos();
        }
    }
    spread(&charge, side)
}

/// What crosses the border is lost.
fn spread(charge: &[f64], side: usize) -> Vec<f64> {
    let mut out = vec![0.0; charge.len()];
    for (at, value) in charge.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let (y, x) = (at / side, at % side);
        for row in y.saturating_sub(1)..(y + 2).min(side) {
            for column in x.saturating_sub(1)..(x + 2).min(side) {
                let share = match row.abs_diff(y) + column.abs_diff(x) {
                    0 => CENTRE,
                    1 => EDGE,
                    _ => CORNER,
                };
                out[row * side + column] += share * value;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{draw, spread};
    use crate::data::synthetic::{Purpose, Stream};

    #[test]
    fn diffusion_keeps_the_charge() {
        let mut charge = vec![0.0; 25];
        charge[12] = 100.0;
        let out = spread(&charge, 5);
        assert!((out.iter().sum::<f64>() - 100.0).abs() < 1e-9);
        assert_eq!((out[12], out[7], out[6]), (84.8, 3.0, 0.8));
    }

    #[test]
    fn about_one_pixel_in_a_hundred_holds_charge() {
        let count = |index| {
            let charge = draw(256, &mut Stream::new("cosmic", "test", Purpose::Label, index, None));
            charge.iter().filter(|value| **value > 30.0).count()
        };
        let share = (0..10).map(count).sum::<usize>() as f64 / (10.0 * 65_536.0);
        assert!((0.006..0.03).contains(&share), "{share}");
    }
}
