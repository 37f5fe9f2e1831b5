//! Projects pictures onto a sphere: the procedure of the S2CNN project's MNIST script with bandwidth 30, three channels and
//! noise 1 (task specification §4.2(b); `NB360:expert/Spherical/s2cnn/examples/mnist/gendata.py`). Knows no file.

use crate::data::synthetic::{Purpose, Stream};
use std::f64::consts::{PI, TAU};

/// Samples per axis of the Driscoll–Healy grid: twice the bandwidth.
pub const SIDE: usize = 60;
pub const POINTS: usize = SIDE * SIDE;
/// Side of a picture.
const PICTURE: usize = 32;
const BANDWIDTH: f64 = 30.0;
/// Height of the projection's origin: a thousandth above the north pole of the sphere around (0,0,1).
const ORIGIN: f64 = 2.0 + 1e-3;
/// Pictures that share a rotation upstream, and in small sets.
const CHUNK: usize = 500;
const SMALL_CHUNK: usize = 50;
/// Sets below this many pictures are small.
const SMALL: usize = 10_000;

pub type Rotation = [[f64; 3]; 3];

pub const IDENTITY: Rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Consecutive pictures of a set of `count` that share a rotation.
pub fn chunk(count: usize) -> usize {
    if count < SMALL { SMALL_CHUNK } else { CHUNK }
}

/// The rotation of a chunk of a split. Upstream's seeds are not known.
pub fn rotation_of(split: &str, chunk: u64, seed: Option<u64>) -> Rotation {
    let mut stream = Stream::new("spherical", split, Purpose::World, chunk, seed);
    rotation([stream.uniform(), stream.uniform(), stream.uniform()])
}

/// A uniformly random rotation from three uniform numbers (Arvo 1992), with full deflection.
pub fn rotation([u1, u2, u3]: [f64; 3]) -> Rotation {
    let (theta, phi, z) = (TAU * u1, TAU * u2, 2.0 * u3);
    let r = z.sqrt();
    let v = [r * phi.sin(), r * phi.cos(), (2.0 - z).sqrt()];
    let (sin, cos) = theta.sin_cos();
    let turn = [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]];
    let mirror = |i: usize, k: usize| v[i] * v[k] - if i == k { 1.0 } else { 0.0 };
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| mirror(i, k) * turn[k][j]).sum()))
}

/// Where grid point (j,k), at polar angle πj/60 and azimuth πk/30, falls in the picture's plane: in 0..1 where it is inside.
pub fn place(rotation: &Rotation, j: usize, k: usize) -> [f64; 2] {
    let (beta, alpha) = (PI * j as f64 / (2.0 * BANDWIDTH), PI * k as f64 / BANDWIDTH);
    let p = [beta.sin() * alpha.cos(), beta.sin() * alpha.sin(), beta.cos()];
    let turned = rotation.map(|row| row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
    let height = turned[2] + 1.0;
    let t = -height / (height - ORIGIN);
    [turned[0], turned[1]].map(|v| (v * (1.0 + t) + 1.5) / 3.0)
}

/// The pixels that a grid point is made of, and their weights.
#[derive(Clone, Copy)]
struct Taps {
    places: [u16; 4],
    weights: [f64; 4],
}

/// The projection under one rotation.
pub struct Projection {
    taps: Vec<Taps>,
}

impl Projection {
    pub fn new(rotation: &Rotation) -> Projection {
        let points = (0..POINTS).map(|at| taps(place(rotation, at / SIDE, at % SIDE)));
        Projection { taps: points.collect() }
    }

    /// One plane of 32×32 pixels to values on the grid, not scaled.
    pub fn values(&self, plane: &[u8]) -> Vec<f64> {
        let of = |taps: &Taps| {
            let pixel = |i: usize| taps.weights[i] * f64::from(plane[usize::from(taps.places[i])]);
            pixel(0) + pixel(1) + pixel(2) + pixel(3)
        };
        self.taps.iter().map(of).collect()
    }

    /// One plane to bytes: the smallest value becomes 0, the largest 255. A constant plane becomes 0.
    pub fn bytes(&self, plane: &[u8]) -> Vec<u8> {
        let values = self.values(plane);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let range = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
        if range == 0.0 {
            return vec![0; values.len()];
        }
        values.iter().map(|v| ((v - low) / range * 255.0) as u8).collect()
    }
}

/// Neighbours i − 1 and i + 1 with i truncated towards zero, and weights that add up to 2 per axis: as the script has it.
/// The row follows x. Pixels outside the picture count as 0.
fn taps([x, y]: [f64; 2]) -> Taps {
    let axis = |at: f64| {
        let at = at * PICTURE as f64;
        let i = at.trunc();
        [(i - 1.0, i + 1.0 - at), (i + 1.0, at - (i - 1.0))]
    };
    let mut taps = Taps { places: [0; 4], weights: [0.0; 4] };
    let inside = 0.0..PICTURE as f64;
    for (r, (row, by_row)) in axis(x).into_iter().enumerate() {
        for (c, (column, by_column)) in axis(y).into_iter().enumerate() {
            if inside.contains(&row) && inside.contains(&column) {
                taps.places[2 * r + c] = (row as usize * PICTURE + column as usize) as u16;
                taps.weights[2 * r + c] = by_row * by_column;
            }
        }
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::{IDENTITY, Projection, SIDE, place, rotation};

    // All values: task specification §16.

    #[test]
    fn grid_points_fall_where_the_specification_says() {
        for ((j, k), [x, y]) in [
            ((59, 0), [0.5174572750638673, 0.5]),
            ((45, 0), [0.7761186995135043, 0.5]),
            ((45, 15), [0.5, 0.7761186995135043]),
            ((30, 0), [1.1663336663336665, 0.5]),
            ((40, 7), [0.7859889356887203, 0.7575055943185586]),
            ((0, 0), [0.5, 0.5]),
            ((0, 41), [0.5, 0.5]),
        ] {
            let found = place(&IDENTITY, j, k);
            assert!((found[0] - x).abs() < 1e-12 && (found[1] - y).abs() < 1e-12, "({j},{k}): {found:?}");
        }
        let within = |at: f64| (0.0..1.0).contains(&at);
        let inside = (0..SIDE * SIDE).filter(|at| place(&IDENTITY, at / SIDE, at % SIDE).into_iter().all(within));
        assert!((inside.count() as f64 / 3600.0 - 0.45222).abs() < 1e-5);
    }

    #[test]
    fn a_rotation_is_the_specified_one() {
        let expected = [[0.0, -1.0, 0.0], [0.8, 0.0, -0.6], [0.6, 0.0, 0.8]];
        let found = rotation([0.25, 0.5, 0.1]);
        let pairs = found.as_flattened().iter().zip(expected.as_flattened());
        let largest = pairs.map(|(f, e): (&f64, &f64)| (f - e).abs()).fold(0.0, f64::max);
        assert!(largest < 1e-12, "{found:?}");
    }

    #[test]
    fn a_ramp_gives_the_specified_bytes() {
        let plane: Vec<u8> = (0..32 * 32).map(|at| 8 * (at / 32) as u8).collect();
        let projection = Projection::new(&IDENTITY);
        let values = projection.values(&plane);
        assert_eq!(values.iter().copied().fold(f64::INFINITY, f64::min), 0.0);
        assert!((values.iter().copied().fold(0.0, f64::max) - 990.5929).abs() < 1e-4);
        let bytes = projection.bytes(&plane);
        let at = |j: usize, k: usize| bytes[j * SIDE + k];
        assert_eq!([at(59, 0), at(45, 0), at(45, 15), at(45, 30), at(0, 0)], [136, 204, 131, 59, 131]);
        assert_eq!(bytes.iter().map(|b| u32::from(*b)).sum::<u32>(), 210_797);
        assert_eq!(projection.bytes(&[0; 1024]), [0; 3600]);
    }
}
