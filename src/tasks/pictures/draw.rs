//! Draws one picture of the embedded stand-ins for CIFAR-100 and what is made of it: a textured shape before a smooth
//! background, class = 10·shape + texture (task specification §13.3). Knows no file.

use crate::data::cifar_binary::PIXELS;
use crate::data::synthetic::{Purpose, Stream};
use std::f64::consts::{PI, TAU};

/// Classes of the real data set and of its stand-in.
const CLASSES: u64 = 100;
/// Pixels per side.
const SIDE: usize = 32;
/// Names of class/10 and class%10.
pub const SHAPES: [&str; 10] =
    ["disk", "square", "triangle", "ring", "plus", "star", "flat-ellipse", "crescent", "tall-ellipse", "square-frame"];
pub const TEXTURES: [&str; 10] = [
    "stripes-0",
    "bars-1",
    "checker-2",
    "rings-3",
    "solid-4",
    "stripes-5",
    "bars-6",
    "checker-7",
    "rings-8",
    "solid-9",
];

/// Red, green and blue planes of sample `index` of a task's split, for a class below 100.
pub fn draw(task: &str, split: &str, index: u64, class: u8, seed: Option<u64>) -> [u8; PIXELS] {
    let mut content = Stream::new(task, split, Purpose::Content, index, seed);
    let mut noise = Stream::new(task, split, Purpose::Noise, index, seed);
    let (shape, texture) = (usize::from(class / 10), usize::from(class % 10));

    let waves: [[f64; 3]; 3] =
        std::array::from_fn(|_| [content.between(-1.0, 1.0), content.between(-1.0, 1.0), content.between(0.0, TAU)]);
    let tint = hsv(content.uniform(), 0.15);
    let centre = [15.5 + content.between(-4.0, 4.0), 15.5 + content.between(-4.0, 4.0)];
    let radius = content.between(8.5, 12.0);
    let (sin, cos) = content.between(-0.35, 0.35).sin_cos();
    let mirror = if content.uniform() < 0.5 { -1.0 } else { 1.0 };
    let gain = content.between(0.75, 1.2);
    let colour = hsv(texture as f64 / 10.0 + 0.035 * content.normal(), 0.75);

    let mut pixels = [0u8; PIXELS];
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (x as f64 - centre[0], y as f64 - centre[1]);
            let (u, v) = (mirror * (cos * dx + sin * dy), cos * dy - sin * dx);
            let inside = contains(shape, u / radius, v / radius);
            let wave = |w: &[f64; 3]| (TAU * (w[0] * x as f64 + w[1] * y as f64) / SIDE as f64 + w[2]).cos();
            let background = 0.45 + 0.12 * waves.iter().map(wave).sum::<f64>();
            for plane in 0..3 {
                let value = if inside {
                    colour[plane] * (0.35 + 0.65 * pattern(texture % 5, u, v))
                } else {
                    background * tint[plane]
                };
                let value = (gain * value + 0.05 * noise.normal()).clamp(0.0, 1.0);
                pixels[(plane * SIDE + y) * SIDE + x] = (255.0 * value).round() as u8;
            }
        }
    }
    pixels
}

/// Balanced labels of a split in a fixed pseudo-random order: WRN trains in file order.
pub fn labels(task: &str, split: &str, count: usize, seed: Option<u64>) -> Vec<u8> {
    let mut labels: Vec<u8> = (0..count as u64).map(|index| (index % CLASSES) as u8).collect();
    Stream::new(task, split, Purpose::Label, 0, seed).shuffle(&mut labels);
    labels
}

/// Whether a shape of radius 1 covers the point.
fn contains(shape: usize, u: f64, v: f64) -> bool {
    let (square, widest) = (u * u + v * v, u.abs().max(v.abs()));
    match shape {
        0 => square <= 1.0,
        1 => widest <= 0.85,
        // equilateral, one corner up, all corners on the unit circle
        2 => v <= 0.5 && v >= 3f64.sqrt() * u.abs() - 1.0,
        3 => (0.55 * 0.55..=1.0).contains(&square),
        4 => u.abs().min(v.abs()) <= 0.33 && widest <= 1.0,
        5 => square.sqrt() <= 0.7 + 0.3 * (5.0 * v.atan2(u)).cos(),
        6 => u * u + (v / 0.5).powi(2) <= 1.0,
        7 => square <= 1.0 && (u - 0.45).powi(2) + v * v > 0.75 * 0.75,
        8 => (u / 0.5).powi(2) + v * v <= 1.0,
        _ => (0.5..=0.85).contains(&widest),
    }
}

/// Brightness in {0, 1} of texture `kind` at a point in pixels of the shape's own axes.
fn pattern(kind: usize, u: f64, v: f64) -> f64 {
    let bright = match kind {
        0 => (TAU * u / 4.0).sin() >= 0.0,
        1 => (TAU * v / 4.0).sin() >= 0.0,
        2 => ((u / 3.0).floor() + (v / 3.0).floor()).rem_euclid(2.0) == 0.0,
        3 => (TAU * (u * u + v * v).sqrt() / 5.0).sin() >= 0.0,
        _ => true,
    };
    f64::from(u8::from(bright))
}

/// Colour of full value; the hue is in turns.
fn hsv(hue: f64, saturation: f64) -> [f64; 3] {
    [0.0, 2.0 * PI / 3.0, 4.0 * PI / 3.0].map(|phase| {
        // distance on the colour circle, as in the usual piecewise linear definition
        let turns = (hue - phase / TAU).rem_euclid(1.0);
        let distance = turns.min(1.0 - turns);
        let full = (2.0 - 6.0 * distance).clamp(0.0, 1.0);
        1.0 - saturation * (1.0 - full)
    })
}

#[cfg(test)]
mod tests {
    use super::{contains, draw, hsv};

    #[test]
    fn hues_are_the_usual_ones() {
        let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(hsv(0.0, 1.0), [1.0, 0.0, 0.0]));
        assert!(close(hsv(1.0 / 6.0, 1.0), [1.0, 1.0, 0.0]));
        assert!(close(hsv(1.0 / 3.0, 1.0), [0.0, 1.0, 0.0]));
        assert!(close(hsv(-1.0 / 3.0, 0.5), [0.5, 0.5, 1.0]));
    }

    #[test]
    fn every_shape_covers_a_fair_part_of_its_disk() {
        for shape in 0..10 {
            let points = (0..100).flat_map(|i| (0..100).map(move |j| (i as f64 / 50.0 - 1.0, j as f64 / 50.0 - 1.0)));
            let share = points.filter(|(u, v)| contains(shape, *u, *v)).count() as f64 / 1e4;
            assert!((0.25..0.9).contains(&share), "shape {shape}: {share}");
        }
    }

    #[test]
    fn pictures_depend_on_class_and_index() {
        assert_eq!(draw("cifar100", "train", 3, 14, None), draw("cifar100", "train", 3, 14, None));
        assert_ne!(draw("cifar100", "train", 3, 14, None), draw("cifar100", "train", 3, 15, None));
        assert_ne!(draw("cifar100", "train", 3, 14, None), draw("cifar100", "train", 4, 14, None));
        assert_ne!(draw("cifar100", "train", 3, 14, None), draw("cifar100", "test", 3, 14, None));
    }
}
