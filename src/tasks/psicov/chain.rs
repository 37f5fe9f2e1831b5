//! The backbone of a random protein: segments of secondary structure, and positions of Cα atoms from angles and torsions
//! (task specification §13.8). Knows no energy and no feature.

use crate::data::synthetic::Stream;
use std::f64::consts::PI;

/// Distance of neighbouring Cα atoms in Å.
pub const BOND: f64 = 3.8;

/// Secondary structure of a residue, in the order of the features' rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    Helix,
    Strand,
    Coil,
}

pub const FOLDS: [Fold; 3] = [Fold::Helix, Fold::Strand, Fold::Coil];

impl Fold {
    /// Least and greatest length of a segment.
    fn lengths(self) -> (u64, u64) {
        match self {
            Fold::Helix => (7, 17),
            Fold::Strand => (4, 8),
            Fold::Coil => (2, 5),
        }
    }
}

pub type Point = [f64; 3];

pub fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// Zero stays zero.
pub fn unit(a: Point) -> Point {
    let length = dot(a, a).sqrt();
    if length == 0.0 { a } else { a.map(|v| v / length) }
}

/// Structure of `length` residues: helix, strand and coil with probabilities 0.45, 0.3 and 0.25, and a coil between equal
/// neighbours.
pub fn segments(length: usize, stream: &mut Stream) -> Vec<Fold> {
    let mut folds = Vec::with_capacity(length);
    while folds.len() < length {
        let draw = stream.uniform();
        let wanted = if draw < 0.45 {
            Fold::Helix
        } else if draw < 0.75 {
            Fold::Strand
        } else {
            Fold::Coil
        };
        let fold = if folds.last() == Some(&wanted) { Fold::Coil } else { wanted };
        let (least, greatest) = fold.lengths();
        let size = least + stream.below(greatest - least + 1);
        folds.extend((0..size).map(|_| fold));
    }
    folds.truncate(length);
    folds
}

/// Cα positions with an angle and a torsion at each residue: helix 91° and 50°, strand 125° and −170°, coil U(90°, 135°) and
/// any torsion.
pub fn build(folds: &[Fold], stream: &mut Stream) -> Vec<Point> {
    let mut atoms: Vec<Point> = vec![[0.0; 3], [BOND, 0.0, 0.0], [BOND + 1.3, 3.57, 0.0]];
    for fold in folds.iter().skip(3) {
        let (angle, torsion) = match fold {
            Fold::Helix => (91.0, 50.0),
            Fold::Strand => (125.0, -170.0),
            Fold::Coil => (stream.between(90.0, 135.0), stream.between(-180.0, 180.0)),
        };
        let next = after(&atoms[atoms.len() - 3..], angle * PI / 180.0, torsion * PI / 180.0);
        atoms.push(next);
    }
    atoms.truncate(folds.len());
    atoms
}

/// The atom after three others, at the bond's length, with this angle at the last and this torsion about the last bond.
fn after(three: &[Point], angle: f64, torsion: f64) -> Point {
    let [a, b, c] = [three[0], three[1], three[2]];
    let along = unit(minus(c, b));
    let normal = unit(cross(minus(b, a), along));
    let side = cross(normal, along);
    let (x, y, z) = (-angle.cos(), angle.sin() * torsion.cos(), angle.sin() * torsion.sin());
    std::array::from_fn(|k| c[k] + BOND * (x * along[k] + y * side[k] + z * normal[k]))
}

/// Bonds about which the chain may turn: those that start in a coil or where segments meet.
pub fn hinges(folds: &[Fold]) -> Vec<usize> {
    let free = |at: usize| folds[at] == Fold::Coil || folds[at] != folds[at + 1];
    (1..folds.len().saturating_sub(2)).filter(|at| free(*at)).collect()
}

/// Pseudo-Cβ atoms: 2.4 Å from Cα along the bisector, away from the neighbours; the ends keep their Cα.
pub fn beta(atoms: &[Point]) -> Vec<Point> {
    const OUT: f64 = 2.4;
    let mut betas = atoms.to_vec();
    for i in 1..atoms.len().saturating_sub(1) {
        let away = unit(std::array::from_fn(|k| 2.0 * atoms[i][k] - atoms[i - 1][k] - atoms[i + 1][k]));
        betas[i] = std::array::from_fn(|k| atoms[i][k] + OUT * away[k]);
    }
    betas
}

#[cfg(test)]
mod tests {
    use super::{BOND, FOLDS, Fold, beta, build, dot, hinges, minus, segments, unit};
    use crate::data::synthetic::{Purpose, Stream};

    fn stream(index: u64) -> Stream {
        Stream::new("psicov", "test", Purpose::Content, index, None)
    }

    #[test]
    fn segments_have_their_lengths_and_no_equal_neighbours() {
        let folds = segments(3000, &mut stream(0));
        let mut runs: Vec<(Fold, usize)> = Vec::new();
        for fold in &folds {
            match runs.last_mut() {
                Some((last, size)) if last == fold => *size += 1,
                _ => runs.push((*fold, 1)),
            }
        }
        for (fold, size) in &runs[..runs.len() - 1] {
            let (least, greatest) = fold.lengths();
            // coils may follow each other
            let longest = if *fold == Fold::Coil { usize::MAX } else { greatest as usize };
            assert!((least as usize..=longest).contains(size), "{fold:?} {size}");
        }
        for fold in FOLDS {
            assert!(folds.iter().filter(|f| **f == fold).count() > 300, "{fold:?}");
        }
        assert_eq!(segments(2, &mut stream(1)).len(), 2);
    }

    #[test]
    fn bonds_angles_and_torsions_are_as_asked() {
        for fold in FOLDS {
            let atoms = build(&[fold; 30], &mut stream(2));
            for pair in atoms.windows(2).skip(2) {
                let bond = minus(pair[1], pair[0]);
                assert!((dot(bond, bond).sqrt() - BOND).abs() < 1e-9);
            }
            let angles: Vec<f64> = atoms
                .windows(3)
                .skip(2)
                .map(|t| dot(unit(minus(t[0], t[1])), unit(minus(t[2], t[1]))).acos().to_degrees())
                .collect();
            let wanted = match fold {
                Fold::Helix => 90.99..91.01,
                Fold::Strand => 124.99..125.01,
                Fold::Coil => 89.99..135.01,
            };
            assert!(angles.iter().all(|angle| wanted.contains(angle)), "{angles:?}");
        }
        // one turn of a helix of 3.6 residues rises 5.4 Å
        let helix = build(&[Fold::Helix; 60], &mut stream(2));
        let rise = minus(helix[56], helix[20]);
        assert!((dot(rise, rise).sqrt() / 36.0 - 1.5).abs() < 0.15, "{}", dot(rise, rise).sqrt() / 36.0);
    }

    #[test]
    fn hinges_lie_in_coils_and_between_segments() {
        let folds = [[Fold::Helix; 4], [Fold::Coil; 4], [Fold::Strand; 4]].concat();
        assert_eq!(hinges(&folds), [3, 4, 5, 6, 7]);
        assert!(hinges(&folds[..2]).is_empty());
        let betas = beta(&build(&folds, &mut stream(3)));
        assert_eq!(betas.len(), 12);
    }
}
