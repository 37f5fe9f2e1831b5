//! How proteins lie in a part: lengths in `y`, rows of one value per residue in `x`, maps of one value per pair in `maps`. A map
//! that equals its transpose is kept as its upper triangle, which halves the data set; `folded` says which. Knows no file
//! and no network.

use crate::artifacts::dataset::Array;
use crate::artifacts::samples::Part;
use safetensors::Dtype;

/// Values of a residue's profile.
pub const PROFILE: usize = 22;
/// Rows of `x`: secondary structure 3, profile 22, accessibility, entropy.
pub const ROWS: usize = 3 + PROFILE + 2;
/// Maps per protein: couplings (`ccmpred`), contacts (`freecon`), potential, distance in Å.
pub const MAPS: usize = 4;
/// Number of the distances among the maps.
pub const DISTANCE: usize = 3;
/// Channels that a network sees: two per row, one per map other than the distance.
pub const CHANNELS: usize = 2 * ROWS + DISTANCE;
/// A test canvas has this many crops per axis: 512 of 128.
pub const CROPS: usize = 4;

/// Values of a kept map of `length`² pairs.
pub fn kept(length: usize, folded: bool) -> usize {
    if folded { length * (length + 1) / 2 } else { length * length }
}

/// Whether bit `map` of a protein's `folded` byte is set.
fn is_folded(bits: u8, map: usize) -> bool {
    bits >> map & 1 == 1
}

/// The proteins of a part.
pub struct Proteins<'a> {
    x: &'a [u8],
    maps: &'a [u8],
    folded: &'a [u8],
    lengths: Vec<usize>,
    /// Where each protein's values begin.
    rows_at: Vec<usize>,
    maps_at: Vec<[usize; MAPS]>,
}

impl<'a> Proteins<'a> {
    /// The error names the array, what was expected and what was found. `name` is the part's.
    pub fn open(name: &str, part: &'a Part) -> Result<Proteins<'a>, String> {
        let (maps, folded) = (part.array("maps")?, part.array("folded")?);
        let flat = |array: &Array, dtype| array.dtype == dtype && array.shape.len() == 1;
        for (array, tensor, dtype) in [
            (&part.x, "x", Dtype::F32),
            (maps, "maps", Dtype::F32),
            (&part.y, "y", Dtype::U32),
            (folded, "folded", Dtype::U8),
        ] {
            if !flat(array, dtype) {
                let (found, shape) = (array.dtype, &array.shape);
                return Err(format!(
                    "psicov, part `{name}`: a flat {dtype:?} array `{tensor}` was expected, found {found:?} {shape:?}"
                ));
            }
        }
        let lengths: Vec<usize> = part.y.to_u32()?.into_iter().map(|length| length as usize).collect();
        if let Some(length) = lengths.iter().find(|length| !(2..=1 << 16).contains(*length)) {
            return Err(format!("psicov, part `{name}`: lengths from 2 to 65536 were expected, found {length}"));
        }
        if folded.bytes.len() != lengths.len() {
            return Err(format!(
                "psicov, part `{name}`: {} values in `folded` were expected, found {}",
                lengths.len(),
                folded.bytes.len()
            ));
        }
        let (mut rows_at, mut maps_at) = (Vec::new(), Vec::new());
        let (mut rows, mut pairs) = (0, 0);
        for (length, bits) in lengths.iter().zip(folded.bytes.iter()) {
            rows_at.push(rows);
            rows += ROWS * length;
            maps_at.push(std::array::from_fn(|map| {
                let start = pairs;
                pairs += kept(*length, is_folded(*bits, map));
                start
            }));
        }
        for (tensor, expected, found) in [("x", rows, part.x.shape[0]), ("maps", pairs, maps.shape[0])] {
            if found != expected {
                return Err(format!(
                    "psicov, part `{name}`: {expected} values in `{tensor}` were expected, found {found}"
                ));
            }
        }
        Ok(Proteins { x: &part.x.bytes, maps: &maps.bytes, folded: &folded.bytes, lengths, rows_at, maps_at })
    }

    /// Residues of each protein.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// One value per residue, of row `row`.
    pub fn row(&self, protein: usize, row: usize) -> impl Iterator<Item = f32> {
        let length = self.lengths[protein];
        let start = self.rows_at[protein] + row * length;
        let bytes = &self.x[4 * start..4 * (start + length)];
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// The value of a map for a pair of residues.
    pub fn pair(&self, protein: usize, map: usize, i: usize, j: usize) -> f32 {
        let length = self.lengths[protein];
        let at = if is_folded(self.folded[protein], map) {
            let (low, high) = (i.min(j), i.max(j));
            low * (2 * length - low - 1) / 2 + high
        } else {
            i * length + j
        };
        let start = 4 * (self.maps_at[protein][map] + at);
        let b = &self.maps[start..start + 4];
        f32::from_le_bytes([b[0], b[1], b[2], b[3]])
    }

    /// Distance in Å as the benchmark takes it: at least 1, and on the diagonal the mean of the neighbours
    /// (task specification §8.2, step 2).
    pub fn distance(&self, protein: usize, i: usize, j: usize) -> f32 {
        let raw = |j: usize| self.pair(protein, DISTANCE, i, j).max(1.0);
        if i != j {
            return raw(j);
        }
        match i {
            0 => raw(1),
            last if last + 1 == self.lengths[protein] => raw(last - 1),
            _ => (raw(i - 1) + raw(i + 1)) / 2.0,
        }
    }
}

/// Appends a map of `length`² values to `out`, as its upper triangle where it equals its transpose; true where it does.
pub fn fold_map(map: &[f32], length: usize, out: &mut Vec<f32>) -> bool {
    let even = |i: usize| (0..i).all(|j| map[i * length + j].to_bits() == map[j * length + i].to_bits());
    let folded = (0..length).all(even);
    if folded {
        (0..length).for_each(|i| out.extend_from_slice(&map[i * length + i..(i + 1) * length]));
    } else {
        out.extend_from_slice(map);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::{DISTANCE, MAPS, Proteins, ROWS, fold_map, kept};
    use crate::artifacts::dataset::Array;
    use crate::artifacts::samples::Part;

    fn part(lengths: &[u32], maps: &[Vec<f32>]) -> Part {
        let mut values = Vec::new();
        let mut folded = Vec::new();
        for (protein, maps) in maps.chunks(MAPS).enumerate() {
            let length = lengths[protein] as usize;
            let bits = maps.iter().enumerate().map(|(at, map)| u8::from(fold_map(map, length, &mut values)) << at);
            folded.push(bits.sum());
        }
        let rows: usize = lengths.iter().map(|length| ROWS * *length as usize).sum();
        let x: Vec<f32> = (0..rows).map(|at| at as f32).collect();
        let mut part = Part::new(Array::f32(&[rows], &x), Array::u32(&[lengths.len()], lengths));
        part.more.insert("maps".into(), Array::f32(&[values.len()], &values));
        part.more.insert("folded".into(), Array::u8(&[folded.len()], folded));
        part
    }

    #[test]
    fn folded_and_whole_maps_give_the_same_values() {
        let even = |n: usize, k: usize| (0..n * n).map(|at| ((at / n) * (at % n) + k) as f32).collect::<Vec<_>>();
        let odd = |n: usize| (0..n * n).map(|at| at as f32).collect::<Vec<_>>();
        let maps = [even(3, 0), odd(3), even(3, 2), even(3, 3), odd(4), even(4, 5), odd(4), odd(4)];
        let part = part(&[3, 4], &maps);
        assert_eq!(part.more["folded"].bytes, [0b1101, 0b0010]);
        assert_eq!(part.more["maps"].shape[0], 3 * kept(3, true) + 9 + 16 * 3 + kept(4, true));
        let proteins = Proteins::open("train", &part).unwrap();
        for (protein, n) in [(0, 3), (1, 4)] {
            for map in 0..MAPS {
                for at in 0..n * n {
                    assert_eq!(proteins.pair(protein, map, at / n, at % n), maps[protein * MAPS + map][at]);
                }
            }
        }
        let row: Vec<f32> = proteins.row(1, 2).collect();
        let start = (3 * ROWS + 2 * 4) as f32;
        assert_eq!(row, [start, start + 1.0, start + 2.0, start + 3.0]);
    }

    #[test]
    fn distances_are_at_least_one_and_their_diagonal_is_a_mean() {
        let distance = vec![0.0, 0.5, 9.0, 0.5, 0.0, 4.0, 9.0, 4.0, 0.0];
        let mut maps = vec![vec![0.0; 9]; MAPS];
        maps[DISTANCE] = distance;
        let part = part(&[3], &maps);
        let proteins = Proteins::open("train", &part).unwrap();
        let found: Vec<f32> = (0..9).map(|at| proteins.distance(0, at / 3, at % 3)).collect();
        assert_eq!(found, [1.0, 1.0, 9.0, 1.0, 2.5, 4.0, 9.0, 4.0, 4.0]);
    }

    #[test]
    fn arrays_that_do_not_fit_are_named() {
        let maps = vec![vec![0.0; 9]; MAPS];
        let mut short = part(&[3], &maps);
        short.x = Array::f32(&[80], &[0.0; 80]);
        assert!(Proteins::open("train", &short).err().unwrap().contains("81 values in `x`"));
        let mut long = part(&[3], &maps);
        long.y = Array::u32(&[1], &[1]);
        assert!(Proteins::open("train", &long).err().unwrap().contains("lengths from 2"));
        let mut bare = part(&[3], &maps);
        bare.more.remove("folded");
        assert!(Proteins::open("train", &bare).err().unwrap().contains("`folded`"));
    }
}
