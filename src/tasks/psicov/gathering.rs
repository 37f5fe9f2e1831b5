//! Gathers the proteins of one set, whose files come in any order, on a shelf, and writes them in the order of the list.
//! Memory is bounded by the shelf's. Knows no archive and no split.

use crate::data::part::{PartWriter, Promise, little_endian};
use crate::data::shelf::Shelf;
use crate::stages::context::{Context, StageError};
use crate::tasks::psicov::listing;
use crate::tasks::psicov::official_files::{read_distances, read_features};
use crate::tasks::psicov::protein::{DISTANCE, ROWS, fold_map};
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A run of values on the shelf.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    values: usize,
}

struct Features {
    shown: String,
    length: usize,
    rows: Run,
    maps: Run,
    folded: u8,
}

struct Distances {
    shown: String,
    length: usize,
    map: Run,
    folded: u8,
}

/// The proteins of one set so far.
pub struct Gathering {
    name: &'static str,
    scratch: PathBuf,
    shelf: Shelf,
    list: Option<(String, Vec<String>)>,
    features: BTreeMap<String, Features>,
    distances: BTreeMap<String, Distances>,
}

fn data(message: String) -> StageError {
    StageError::Data(message)
}

fn twice(shown: &str, other: &str) -> StageError {
    data(format!("{shown}: expected this once, found it in {other} too; name the files to use in data.files"))
}

impl Gathering {
    /// `name` is the set's folder and list.
    pub fn new(name: &'static str, scratch: &Path) -> Gathering {
        let (features, distances) = (BTreeMap::new(), BTreeMap::new());
        Gathering { name, scratch: scratch.to_path_buf(), shelf: Shelf::new(scratch), list: None, features, distances }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The list of ids.
    pub fn list(&mut self, shown: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        if let Some((other, _)) = &self.list {
            return Err(twice(shown, other));
        }
        self.list = Some((shown.to_string(), listing::read(shown, reader)?));
        Ok(())
    }

    /// Features of protein `id`.
    pub fn features(&mut self, id: &str, shown: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let sequence = read_features(shown, reader, &self.scratch)?;
        let rows = self.put(&sequence.rows)?;
        let mut maps = Vec::new();
        let mut folded = 0;
        for (at, map) in sequence.maps.iter().enumerate() {
            folded |= u8::from(fold_map(map, sequence.length, &mut maps)) << at;
        }
        let maps = self.put(&maps)?;
        match self.features.entry(id.to_string()) {
            Entry::Occupied(other) => Err(twice(shown, &other.get().shown)),
            Entry::Vacant(place) => {
                place.insert(Features { shown: shown.to_string(), length: sequence.length, rows, maps, folded });
                Ok(())
            }
        }
    }

    /// Distances of protein `id`.
    pub fn distances(&mut self, id: &str, shown: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        let (length, distances) = read_distances(shown, reader, &self.scratch)?;
        let mut map = Vec::new();
        let folded = u8::from(fold_map(&distances, length, &mut map)) << DISTANCE;
        let map = self.put(&map)?;
        match self.distances.entry(id.to_string()) {
            Entry::Occupied(other) => Err(twice(shown, &other.get().shown)),
            Entry::Vacant(place) => {
                place.insert(Distances { shown: shown.to_string(), length, map, folded });
                Ok(())
            }
        }
    }

    fn put(&mut self, values: &[f32]) -> io::Result<Run> {
        Ok(Run { start: self.shelf.put(&little_endian(values))?, values: values.len() })
    }

    /// The listed proteins with their files; `wanted` in number, none longer than `longest`.
    fn proteins(
        &self,
        wanted: usize,
        settings: &str,
        longest: Option<usize>,
        names: &str,
    ) -> Result<Vec<(&Features, &Distances)>, StageError> {
        let set = self.name;
        let (list, ids) = self.list.as_ref().ok_or_else(|| {
            data(format!("psicov: expected a list `{set}.lst`, found none in {names}; name it in data.files"))
        })?;
        if ids.len() != wanted {
            let found = ids.len();
            return Err(data(format!(
                "{list}: expected {wanted} proteins, found {found}; set {settings} to use this list"
            )));
        }
        let absent = |file: String| {
            data(format!(
                "{list}: expected a file `{set}/{file}` for each protein, found none in {names}; name it in data.files"
            ))
        };
        let mut proteins = Vec::with_capacity(wanted);
        for id in ids {
            let features = self.features.get(id).ok_or_else(|| absent(format!("features/{id}.pkl")))?;
            let distances = self.distances.get(id).ok_or_else(|| absent(format!("distance/{id}-cb.npy")))?;
            if distances.length != features.length {
                return Err(data(format!(
                    "{}: expected distances of {} residues, as many as in {}, found {}",
                    distances.shown, features.length, features.shown, distances.length
                )));
            }
            if let Some(longest) = longest.filter(|longest| features.length > *longest) {
                return Err(data(format!(
                    "{}: expected a test protein of at most {longest} residues, found {}; set data.grid to a larger side",
                    features.shown, features.length
                )));
            }
            proteins.push((features, distances));
        }
        Ok(proteins)
    }

    /// Writes `<part>.safetensors` in the layout of `protein.rs`.
    pub fn write(
        mut self,
        part: &str,
        wanted: usize,
        settings: &str,
        longest: Option<usize>,
        names: &str,
        context: &mut dyn Context,
    ) -> Result<(), StageError> {
        let mut shelved = std::mem::replace(&mut self.shelf, Shelf::new(&self.scratch)).finish()?;
        let proteins = self.proteins(wanted, settings, longest, names)?;
        let values: usize = proteins.iter().map(|(features, _)| ROWS * features.length).sum();
        let pairs = proteins.iter().map(|(features, distances)| features.maps.values + distances.map.values).sum();
        let promises = [
            Promise { name: "maps", dtype: Dtype::F32, shape: &[pairs] },
            Promise { name: "x", dtype: Dtype::F32, shape: &[values] },
            Promise { name: "y", dtype: Dtype::U32, shape: &[wanted] },
            Promise { name: "folded", dtype: Dtype::U8, shape: &[wanted] },
        ];
        let mut writer = PartWriter::start(context.create(&format!("{part}.safetensors"))?, &promises)?;
        let mut copy =
            |run: Run, writer: &mut dyn Write| -> io::Result<()> { shelved.take(run.start, 4 * run.values, writer) };
        for (features, distances) in &proteins {
            if context.stop_asked() {
                return Err(StageError::Interrupted);
            }
            copy(features.maps, &mut writer)?;
            copy(distances.map, &mut writer)?;
        }
        for (features, _) in &proteins {
            copy(features.rows, &mut writer)?;
        }
        for (features, _) in &proteins {
            writer.write_all(&(features.length as u32).to_le_bytes())?;
        }
        for (features, distances) in &proteins {
            writer.write_all(&[features.folded | distances.folded])?;
        }
        writer.finish()?.close()
    }
}
