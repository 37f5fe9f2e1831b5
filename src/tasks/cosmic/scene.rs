//! What the sky shows on one stamp: background, a galaxy and stars; and the stamp that a detector makes of it
//! (task specification §13.9). Knows no file.

use crate::data::synthetic::{Purpose, Stream};
use crate::tasks::cosmic::rays;
use crate::tasks::cosmic::saturation::around_saturated;
use std::f64::consts::{PI, TAU};

/// Deviation of the read noise in electrons.
const READ_NOISE: f64 = 5.0;
/// A pixel counts as hit where the rays' charge exceeds so many deviations of scene and read noise.
const SIGNIFICANT: f64 = 3.0;
/// Share of bad pixels, and of stamps with a bad column.
const BAD_PIXELS: f64 = 3e-4;
const BAD_COLUMNS: f64 = 0.1;
/// Mean extra charge of a bad pixel in electrons, and the share of its charge that a bad column keeps. The specification
/// marks such places without saying how they look.
const HOT: f64 = 500.0;
const TRAPPED: f64 = 0.2;
/// Stars on 256×256 pixels; exponent and amounts of their fluxes in electrons.
const STARS: f64 = 90.0;
const FAINTEST: f64 = 60.0;
const SLOPE: f64 = 1.1;
const BRIGHTEST: f64 = 2e6;
/// Exponent of a star's profile (Moffat 1969).
const BETA: f64 = 3.0;
/// A star is drawn as far as it gives so many electrons, at most so many pixels.
const FADED: f64 = 0.02;
const FARTHEST: f64 = 40.0;

/// One stamp: planes of `side`×`side`, row by row.
pub struct Stamp {
    /// Electrons.
    pub image: Vec<f32>,
    /// 1 where a cosmic ray is seen.
    pub mask: Vec<f32>,
    /// 1 where nothing can be said.
    pub ignore: Vec<f32>,
}

/// Sky level of an exposure in electrons, U(20, 110).
pub fn sky(split: &str, exposure: usize, seed: Option<u64>) -> f64 {
    let split = format!("{split}-exposure");
    Stream::new("cosmic", &split, Purpose::Content, exposure as u64, seed).between(20.0, 110.0)
}

/// Draws stamp `index` of `split` on a sky of this level.
pub fn draw(side: usize, sky: f64, split: &str, index: u64, seed: Option<u64>) -> Stamp {
    let stream = |purpose| Stream::new("cosmic", split, purpose, index, seed);
    let mut content = stream(Purpose::Content);
    let mut scene = vec![sky; side * side];
    add_galaxy(&mut scene, side, &mut content);
    let area = (side * side) as f64 / (256.0 * 256.0);
    for _ in 0..content.poisson(STARS * area) {
        add_star(&mut scene, side, &mut content);
    }
    let charge = rays::draw(side, &mut stream(Purpose::Label));
    let mut noise = stream(Purpose::Noise);
    let bad_column = (noise.uniform() < BAD_COLUMNS).then(|| noise.below(side as u64) as usize);
    let mut stamp = Stamp {
        image: Vec::with_capacity(scene.len()),
        mask: Vec::with_capacity(scene.len()),
        ignore: vec![0.0; scene.len()],
    };
    for (at, (scene, charge)) in scene.iter().zip(&charge).enumerate() {
        let mut electrons = noise.poisson(*scene) as f64 + charge;
        let bad = noise.uniform() < BAD_PIXELS;
        if bad {
            electrons += HOT * noise.exponential();
        }
        let trapped = bad_column == Some(at % side);
        if trapped {
            electrons *= TRAPPED;
        }
        electrons += READ_NOISE * noise.normal();
        stamp.image.push(electrons as f32);
        let hit = *charge > SIGNIFICANT * (scene + READ_NOISE * READ_NOISE).sqrt();
        stamp.mask.push(f32::from(u8::from(hit)));
        stamp.ignore[at] = f32::from(u8::from(bad || trapped));
    }
    around_saturated(&stamp.image, side, side, &mut |at| stamp.ignore[at] = 1.0);
    stamp
}

/// Sérsic 1963: I = peak·exp(−b·(r/Rₑ)^{1/n}), with b ≈ 2n − ⅓, r along ellipses.
fn add_galaxy(scene: &mut [f64], side: usize, stream: &mut Stream) {
    let (cy, cx) = (stream.between(0.0, side as f64), stream.between(0.0, side as f64));
    let n = stream.between(1.0, 2.5);
    let radius = stream.between(15.0, 70.0);
    let peak = stream.between(5.0, 120.0);
    let ratio = stream.between(0.3, 1.0);
    let (sin, cos) = stream.between(0.0, PI).sin_cos();
    let b = 2.0 * n - 1.0 / 3.0;
    for (at, value) in scene.iter_mut().enumerate() {
        let (dy, dx) = ((at / side) as f64 - cy, (at % side) as f64 - cx);
        let (along, across) = (dx * cos + dy * sin, (dy * cos - dx * sin) / ratio);
        let r = (along * along + across * across).sqrt() / radius;
        *value += peak * (-b * r.powf(1.0 / n)).exp();
    }
}

/// Moffat's profile with total flux 60 + 60·Pareto(1.1) electrons, at most 2·10⁶.
fn add_star(scene: &mut [f64], side: usize, stream: &mut Stream) {
    let (cy, cx) = (stream.between(0.0, side as f64), stream.between(0.0, side as f64));
    let pareto = (1.0 - stream.uniform()).powf(-1.0 / SLOPE) - 1.0;
    let flux = (FAINTEST * (1.0 + pareto)).min(BRIGHTEST);
    let alpha = stream.between(1.8, 2.3) / (2.0 * (2f64.powf(1.0 / BETA) - 1.0).sqrt());
    let peak = flux * (BETA - 1.0) / (0.5 * TAU * alpha * alpha);
    let reach = alpha * ((peak / FADED).powf(1.0 / BETA) - 1.0).max(0.0).sqrt();
    let reach = reach.min(FARTHEST);
    let range = |centre: f64| (centre - reach).max(0.0) as usize..((centre + reach) as usize + 1).min(side);
    for y in range(cy) {
        for x in range(cx) {
            let r2 = (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2);
            scene[y * side + x] += peak * (1.0 + r2 / (alpha * alpha)).powf(-BETA);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{add_star, draw, sky};
    use crate::data::synthetic::{Purpose, Stream};

    #[test]
    fn a_star_holds_its_flux() {
        let mut total = 0.0;
        for index in 0..200 {
            let mut scene = vec![0.0; 128 * 128];
            add_star(&mut scene, 128, &mut Stream::new("cosmic", "test", Purpose::Content, index, None));
            let sum: f64 = scene.iter().sum();
            // the faintest stars lose their wings, those at the border a half and more
            assert!(sum < 2e6);
            total += f64::from(u8::from(sum > 55.0));
        }
        assert!(total > 180.0, "{total}");
    }

    /// Task specification §13.9: ray fraction 1.3 %, ignore 0.13 % of the centre crops of 24 stamps; bad columns make the
    /// second one uncertain.
    #[test]
    fn shares_of_hit_and_ignored_pixels_are_as_measured() {
        let (mut hit, mut ignored) = (0f64, 0f64);
        for index in 0..60 {
            let level = sky("train", index as usize % 5, None);
            assert!((20.0..110.0).contains(&level));
            let stamp = draw(256, level, "train", index, None);
            let inside = |at: &usize| (64..192).contains(&(at / 256)) && (64..192).contains(&(at % 256));
            for at in (0..256 * 256).filter(inside) {
                hit += f64::from(stamp.mask[at]);
                ignored += f64::from(stamp.ignore[at]);
            }
        }
        let pixels = 60.0 * 128.0 * 128.0;
        assert!((0.009..0.018).contains(&(hit / pixels)), "{}", hit / pixels);
        assert!((0.0004..0.004).contains(&(ignored / pixels)), "{}", ignored / pixels);
    }
}
