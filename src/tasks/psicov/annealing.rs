//! Folds a chain by simulated annealing: turns the part behind a hinge, and keeps what lowers an energy of clashes, compactness
//! and contacts (task specification §13.8). Knows no feature.

use crate::data::synthetic::Stream;
use crate::tasks::psicov::chain::{Point, cross, dot, minus, unit};
use std::f64::consts::PI;

/// Turns tried. The specification asks for about 200; more are cheap here and make the chains denser.
const MOVES: usize = 600;
/// Atoms nearer than this clash, in Å, with this price.
const NEAREST: f64 = 4.2;
const CLASH: f64 = 3.0;
/// Pairs nearer than `TOUCHING` are in contact; the reward falls linearly to 0 at `APART`.
const TOUCHING: f64 = 6.5;
const APART: f64 = 9.0;
const REWARD: f64 = 1.0;
/// Radius of gyration of a folded protein: 2.2·L^0.38 Å, and the price of its square excess per residue.
const RADIUS: f64 = 2.2;
const EXPONENT: f64 = 0.38;
const COMPACT: f64 = 0.05;
/// Temperature at the start and at the end.
const HOT: f64 = 4.0;
const COLD: f64 = 0.4;
/// Neighbours along the chain are held apart by the angles.
const BONDED: usize = 2;

/// Coordinates by axis, for vector instructions.
struct Atoms {
    x: Vec<f64>,
    y: Vec<f64>,
    z: Vec<f64>,
}

impl Atoms {
    fn of(points: &[Point]) -> Atoms {
        let axis = |k: usize| points.iter().map(|p| p[k]).collect();
        Atoms { x: axis(0), y: axis(1), z: axis(2) }
    }

    fn at(&self, i: usize) -> Point {
        [self.x[i], self.y[i], self.z[i]]
    }

    /// Energy between the atoms up to `hinge` and those behind it. Energies within either part do not change in a turn. The
    /// cost is L²/4 distances of a few vector instructions each: a cell list saves nothing at these lengths.
    fn between(&self, hinge: usize) -> f64 {
        let mut energy = 0.0;
        for i in 0..=hinge {
            let (x, y, z) = (self.x[i], self.y[i], self.z[i]);
            let start = (hinge + 1).max(i + BONDED + 1);
            let rest = self.x.get(start..).unwrap_or_default().iter();
            let rest = rest.zip(self.y.get(start..).unwrap_or_default()).zip(self.z.get(start..).unwrap_or_default());
            energy += rest
                .map(|((u, v), w)| {
                    let square = (x - u) * (x - u) + (y - v) * (y - v) + (z - w) * (z - w);
                    pair(square)
                })
                .sum::<f64>();
        }
        energy
    }

    /// Price of the radius of gyration.
    fn spread(&self) -> f64 {
        let n = self.x.len() as f64;
        let variance = |axis: &[f64]| {
            let mean = axis.iter().sum::<f64>() / n;
            axis.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n
        };
        let radius = (variance(&self.x) + variance(&self.y) + variance(&self.z)).sqrt();
        let excess = (radius - RADIUS * n.powf(EXPONENT)).max(0.0);
        COMPACT * n * excess * excess
    }

    /// Turns the atoms behind `hinge + 1` about the bond from `hinge` to it (Rodrigues).
    fn turn(&mut self, hinge: usize, angle: f64) {
        let origin = self.at(hinge + 1);
        let axis = unit(minus(origin, self.at(hinge)));
        let (sin, cos) = angle.sin_cos();
        for i in hinge + 2..self.x.len() {
            let v = minus(self.at(i), origin);
            let (side, along) = (cross(axis, v), dot(axis, v) * (1.0 - cos));
            let turned = |k: usize| origin[k] + v[k] * cos + side[k] * sin + axis[k] * along;
            (self.x[i], self.y[i], self.z[i]) = (turned(0), turned(1), turned(2));
        }
    }
}

/// Energy of two atoms at this square distance.
fn pair(square: f64) -> f64 {
    if square >= APART * APART {
        return 0.0;
    }
    let distance = square.sqrt();
    let clash = (NEAREST - distance).max(0.0);
    CLASH * clash * clash - REWARD * ((APART - distance) / (APART - TOUCHING)).min(1.0)
}

/// Folds a chain whose bonds at `hinges` may turn.
pub fn fold(points: &[Point], hinges: &[usize], stream: &mut Stream) -> Vec<Point> {
    let mut atoms = Atoms::of(points);
    if hinges.is_empty() {
        return points.to_vec();
    }
    let mut spread = atoms.spread();
    let mut behind = Atoms { x: Vec::new(), y: Vec::new(), z: Vec::new() };
    for step in 0..MOVES {
        let share = step as f64 / MOVES as f64;
        let temperature = HOT * (COLD / HOT).powf(share);
        let hinge = hinges[stream.below(hinges.len() as u64) as usize];
        // wide turns first, narrow ones at the end
        let angle = PI * (1.0 - 0.8 * share) * (2.0 * stream.uniform() - 1.0);
        let before = atoms.between(hinge) + spread;
        for (kept, axis) in [(&mut behind.x, &atoms.x), (&mut behind.y, &atoms.y), (&mut behind.z, &atoms.z)] {
            kept.clear();
            kept.extend_from_slice(&axis[hinge + 1..]);
        }
        atoms.turn(hinge, angle);
        let next = atoms.spread();
        let rise = atoms.between(hinge) + next - before;
        if rise <= 0.0 || stream.uniform() < (-rise / temperature).exp() {
            spread = next;
            continue;
        }
        for (kept, axis) in [(&behind.x, &mut atoms.x), (&behind.y, &mut atoms.y), (&behind.z, &mut atoms.z)] {
            axis[hinge + 1..].copy_from_slice(kept);
        }
    }
    (0..atoms.x.len()).map(|i| atoms.at(i)).collect()
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
        assert!(clashes < 20, "{clashes}");
    }
}
