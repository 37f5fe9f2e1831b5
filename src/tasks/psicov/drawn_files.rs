//! Writes the two files of a drawn protein in PDNET's layout (task specification §8.1). Apart from the reading, so that a change of
//! the generator does not prepare official data again. Knows no archive.

use crate::data::npy_writer::start_npy;
use crate::data::pickle_writer::{Item, write_pickle};
use crate::tasks::psicov::features::Features;
use crate::tasks::psicov::protein::PROFILE;
use std::borrow::Cow;
use std::io;

fn bytes(values: &[f32]) -> Cow<'_, [u8]> {
    Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

/// The pickle of a protein's features.
pub fn features_file(protein: &Features) -> io::Result<Vec<u8>> {
    let length = protein.sequence.len();
    let array = |values, shape: &[usize]| Item::Array { descr: "<f4", shape: shape.to_vec(), data: bytes(values) };
    let (vector, map) = ([length], [length, length]);
    let items = vec![
        (Item::Text("seq"), Item::Text(&protein.sequence)),
        (Item::Text("ss"), array(&protein.ss, &[3, length])),
        (Item::Text("pssm"), array(&protein.pssm, &[length, PROFILE])),
        (Item::Text("sa"), array(&protein.sa, &vector)),
        (Item::Text("entropy"), array(&protein.entropy, &vector)),
        (Item::Text("ccmpred"), array(&protein.ccmpred, &map)),
        (Item::Text("freecon"), array(&protein.freecon, &map)),
        (Item::Text("potential"), array(&protein.potential, &map)),
    ];
    let mut out = Vec::new();
    write_pickle(&mut out, &Item::Dict(items))?;
    Ok(out)
}

/// The npy file of a protein's distances.
pub fn distances_file(protein: &Features) -> io::Result<Vec<u8>> {
    let length = protein.sequence.len();
    let map = Item::Array { descr: "<f4", shape: vec![length, length], data: bytes(&protein.distance) };
    let items = vec![Item::Int(length as i64), Item::Text(&protein.sequence), map];
    let mut out = Vec::new();
    start_npy(&mut out, "|O", &[3])?;
    write_pickle(&mut out, &Item::Objects { shape: vec![3], items })?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{distances_file, features_file};
    use crate::data::pickle_writer::{Item, write_pickle};
    use crate::tasks::psicov::features::draw;
    use crate::tasks::psicov::official_files::{read_distances, read_features};
    use crate::tasks::psicov::residues::Table;
    use std::path::Path;

    #[test]
    fn what_is_written_is_read() {
        let protein = draw(&Table::draw(None), 40, 40, "val", 5, None);
        let file = features_file(&protein).unwrap();
        let found = read_features("x.pkl", &mut &file[..], Path::new(".")).unwrap();
        assert_eq!((found.length, found.rows.len()), (40, 27 * 40));
        assert_eq!(found.rows[..120], protein.ss[..]);
        let column: Vec<f32> = (0..40).map(|i| protein.pssm[i * 22 + 7]).collect();
        assert_eq!(found.rows[(3 + 7) * 40..(3 + 8) * 40], column);
        assert_eq!(found.rows[25 * 40..26 * 40], protein.sa[..]);
        assert_eq!(found.rows[26 * 40..], protein.entropy[..]);
        assert_eq!(found.maps, [protein.ccmpred.clone(), protein.freecon.clone(), protein.potential.clone()]);
        let file = distances_file(&protein).unwrap();
        let found = read_distances("x-cb.npy", &mut &file[..], Path::new(".")).unwrap();
        assert_eq!(found, (40, protein.distance));
        for cut in (0..file.len()).step_by(97) {
            assert!(read_distances("x-cb.npy", &mut &file[..cut], Path::new(".")).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_named() {
        let mut protein = draw(&Table::draw(None), 40, 40, "val", 5, None);
        protein.freecon[83] = f32::NAN;
        protein.distance[41] = -1.0;
        let features = features_file(&protein).unwrap();
        let error = read_features("x.pkl", &mut &features[..], Path::new(".")).err().unwrap().to_string();
        assert!(error.contains("x.pkl: `freecon`[2, 3]") && error.contains("NaN"), "{error}");
        let distances = distances_file(&protein).unwrap();
        let error = read_distances("x-cb.npy", &mut &distances[..], Path::new(".")).err().unwrap().to_string();
        assert!(error.contains("distances[1, 1]") && error.contains("-1"), "{error}");
        let mut other = Vec::new();
        write_pickle(&mut other, &Item::Dict(vec![(Item::Text("seq"), Item::Text("ACD"))])).unwrap();
        let error = read_features("x.pkl", &mut &other[..], Path::new(".")).err().unwrap().to_string();
        assert!(error.contains("`ss`"), "{error}");
    }
}
