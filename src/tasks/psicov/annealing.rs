//! Folds a chain by simulated annealing: turns the part behind a hinge, and keeps what lowers an energy of clashes, compactness
//! and contacts (task specification §13.8). Knows no feature.

use crate::data::synthetic::Stream;
use crate::tasks::psicov::chain::{Point, cross, dot, minus, unit};
use std::f64::consts::PI;

/// Turns tried. The specification asks for about 200; more are cheap here and leave fewer clashes.
const MOVES: usize = 400;
/// Atoms nearer than this clash, in Å, with this price.
const NEAREST: f32 = 4.2;
const CLASH: f32 = 3.0;
/// Pairs nearer than `TOUCHING` are in contact; the reward falls linearly to 0 at `APART`.
const TOUCHING: f32 = 6.5;
const APART: f32 = 9.0;
const REWARD: f32 = 0.2;
/// Radius of gyration of a folded protein: 2.2·L^0.38 Å, and the price of its square excess per residue.
const RADIUS: f64 = 2.2;
const EXPONENT: f64 = 0.38;
const COMPACT: f64 = 0.05;
/// Temperature at the start and at the end.
const HOT: f64 = 3.0;
const COLD: f64 = 0.1;
/// Neighbours along the chain are held apart by the angles.
const BONDED: usize = 2;
/// Pairs at a time.
const LANES: usize = 8;

/// Positions, and their rounded copy by axis for vector instructions.
struct Atoms {
    points: Vec<Point>,
    axes: [Vec<f32>; 3],
}

impl Atoms {
    fn of(points: &[Point]) -> Atoms {
        let axis = |k: usize| points.iter().map(|p| p[k] as f32).collect();
        Atoms { points: points.to_vec(), axes: [axis(0), axis(1), axis(2)] }
    }

    fn put(&mut self, i: usize, point: Point) {
        self.points[i] = point;
        for (axis, value) in self.axes.iter_mut().zip(point) {
            axis[i] = value as f32;
        }
    }

    /// Energy between the atoms up to `hinge` and those behind it. Energies within either part do not change in a turn, so
    /// a move costs at most L²/4 pairs, eight at a time.
    fn between(&self, hinge: usize) -> f64 {
        let [x, y, z] = &self.axes;
        let mut energy = 0.0;
        for i in 0..=hinge {
            let here = [x[i], y[i], z[i]];
            let start = (hinge + 1).max(i + BONDED + 1).min(x.len());
            let there = [&x[start..], &y[start..], &z[start..]];
            energy += f64::from(one_to_many(here, there));
        }
        energy
    }

    /// Price of the radius of gyration.
    fn spread(&self) -> f64 {
        let n = self.points.len() as f64;
        let variance = |k: usize| {
            let mean = self.points.iter().map(|p| p[k]).sum::<f64>() / n;
            self.points.iter().map(|p| (p[k] - mean) * (p[k] - mean)).sum::<f64>() / n
        };
        let radius = (variance(0) + variance(1) + variance(2)).sqrt();
        let excess = (radius - RADIUS * n.powf(EXPONENT)).max(0.0);
        COMPACT * n * excess * excess
    }

    /// Turns the atoms behind `hinge + 1` about the bond from `hinge` to it (Rodrigues).
    fn turn(&mut self, hinge: usize, angle: f64) {
        let origin = self.points[hinge + 1];
        let axis = unit(minus(origin, self.points[hinge]));
        let (sin, cos) = angle.sin_cos();
        for i in hinge + 2..self.points.len() {
            let v = minus(self.points[i], origin);
            let (side, along) = (cross(axis, v), dot(axis, v) * (1.0 - cos));
            self.put(i, std::array::from_fn(|k| origin[k] + v[k] * cos + side[k] * sin + axis[k] * along));
        }
    }
}

/// Energy of one atom with others, given by axis. Eight sums that are added in order, so that it is the same everywhere.
fn one_to_many(here: [f32; 3], there: [&[f32]; 3]) -> f32 {
    let [x, y, z] = there;
    let mut sums = [0f32; LANES];
    let whole = x.len() / LANES * LANES;
    let blocks = x.chunks_exact(LANES).zip(y.chunks_exact(LANES)).zip(z.chunks_exact(LANES));
    for ((x, y), z) in blocks {
        for lane in 0..LANES {
            sums[lane] += pair(here, [x[lane], y[lane], z[lane]]);
        }
    }
    for at in whole..x.len() {
        sums[at - whole] += pair(here, [x[at], y[at], z[at]]);
    }
    sums.iter().sum()
}

/// Energy of two atoms; 0 beyond `APART`. Without branches.
#[inline(always)]
fn pair(a: [f32; 3], b: [f32; 3]) -> f32 {
    let [u, v, w] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let distance = (u * u + v * v + w * w).sqrt();
    let clash = (NEAREST - distance).max(0.0);
    let touch = ((APART - distance) * (1.0 / (APART - TOUCHING))).clamp(0.0, 1.0);
    CLASH * clash * clash - REWARD * touch
}

/// Folds a chain whose bonds at `hinges` may turn.
pub fn fold(points: &[Point], hinges: &[usize], stream: &mut Stream) -> Vec<Point> {
    let mut atoms = Atoms::of(points);
    if hinges.is_empty() {
        return points.to_vec();
    }
    let mut spread = atoms.spread();
    let mut behind = Vec::with_capacity(points.len());
    for step in 0..MOVES {
        let share = step as f64 / MOVES as f64;
        let temperature = HOT * (COLD / HOT).powf(share);
        let hinge = hinges[stream.below(hinges.len() as u64) as usize];
        // wide turns first, narrow ones at the end
        let angle = PI * (1.0 - 0.8 * share) * (2.0 * stream.uniform() - 1.0);
        let before = atoms.between(hinge) + spread;
        behind.clear();
        behind.extend_from_slice(&atoms.points[hinge + 2..]);
        atoms.turn(hinge, angle);
        let next = atoms.spread();
        let rise = atoms.between(hinge) + next - before;
        if rise <= 0.0 || stream.uniform() < (-rise / temperature).exp() {
            spread = next;
            continue;
        }
        for (i, point) in behind.iter().enumerate() {
            atoms.put(hinge + 2 + i, *point);
        }
    }
    atoms.points
}

#[cfg(test)]
mod tests {
    use super::fold;
    use crate::data::synthetic::{Purpose, Stream};
    use crate::tasks::psicov::chain::{BOND, Point, build, dot, hinges, minus, segments};

    fn distance(a: Point, b: Point) -> f64 {
        dot(minus(a, b), minus(a, b)).sqrt()
    }

    fn radius(atoms: &[Point]) -> f64 {
        let n = atoms.len() as f64;
        let pairs: f64 = atoms.iter().flat_map(|a| atoms.iter().map(|b| distance(*a, *b).powi(2))).sum();
        (pairs / (2.0 * n * n)).sqrt()
    }

    #[test]
    fn folding_keeps_bonds_and_makes_chains_compact() {
        let (mut open, mut folded, mut clashes) = (0.0, 0.0, 0);
        for index in 0..10 {
            let mut stream = Stream::new("psicov", "test", Purpose::Content, index, None);
            let folds = segments(120, &mut stream);
            let atoms = build(&folds, &mut stream);
            let after = fold(&atoms, &hinges(&folds), &mut stream);
            for (a, b) in atoms.windows(2).zip(after.windows(2)) {
                assert!((distance(a[0], a[1]) - distance(b[0], b[1])).abs() < 1e-9);
            }
            assert!((distance(after[60], after[61]) - BOND).abs() < 1e-9);
            for i in 0..120 {
                clashes += (i + 3..120).filter(|j| distance(after[i], after[*j]) < 3.0).count();
            }
            open += radius(&atoms);
            folded += radius(&after);
        }
        assert!(folded < 0.75 * open, "{folded} {open}");
        assert!(clashes < 60, "{clashes}");
    }
}
