//! Records: which outputs a node's key stands for, and how they came to be. Knows not how keys are made.

use crate::digest::Digest;
use crate::stages::entry::Names;
use crate::store::clock::unix_seconds;
use crate::store::error::StoreError;
use crate::store::object::BlobRef;
use crate::store::sealed::{seal, unseal};
use crate::store::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A node's outputs: blobs by name.
pub type Outputs = BTreeMap<String, BlobRef>;

/// A success. Failures leave no record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always [`Record::FORMAT`].
    pub format: u32,
    pub key: Digest,
    pub stage: String,
    pub names: Names,
    /// All that went into the key.
    pub preimage: serde_json::Value,
    pub outputs: Outputs,
    pub provenance: Provenance,
    /// Other outputs that the same key has given: the node is not deterministic. The store keeps them in files of their
    /// own and fills them in when it reads a record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
}

impl Record {
    pub const FORMAT: u32 = 1;
}

/// Where and how a result was made: never part of a key or an artifact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Unix seconds.
    pub started: u64,
    pub seconds: f64,
    pub host: String,
    pub user: String,
    pub threads: u32,
    pub device: String,
    /// Of this program.
    pub version: String,
    pub peak_rss_mib: u64,
    /// 1 where the first attempt succeeded.
    pub attempts: u32,
}

/// Outputs seen for a key that already had others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// Unix seconds at which the difference was seen.
    pub when: u64,
    pub outputs: Outputs,
}

/// What became of a published record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is the key's record now.
    First,
    /// The key had a record with the same outputs: that one is kept.
    Same,
    /// The key had a record with other outputs. It is kept, and this one became an observation of it; only where a
    /// blob of the earlier one is gone, so that it is of no use, this one took its place and the earlier one became
    /// the observation.
    Different,
}

/// A record file as it is found.
pub(super) enum Found {
    Absent,
    Damaged(File),
    Sound(Box<Record>),
}

impl Store {
    fn record_path(&self, stage: &str, key: &Digest) -> PathBuf {
        self.records_root().join(stage).join(format!("{key}.json"))
    }

    fn observations_path(&self, stage: &str, key: &Digest) -> PathBuf {
        self.records_root().join(stage).join(format!("{key}.observed"))
    }

    /// The record of a key. One that is damaged is quarantined and counts as absent.
    ///
    /// Errors: `Name`, `Io`, `Version` where a later program wrote it.
    pub fn record(&self, stage: &str, key: &Digest) -> Result<Option<Record>, StoreError> {
        check_stage(stage)?;
        match self.look_at_record(stage, key)? {
            Found::Absent => Ok(None),
            Found::Damaged(file) => {
                self.quarantine("record", &self.record_path(stage, key), &file)?;
                Ok(None)
            }
            Found::Sound(mut record) => {
                self.add_observations(stage, key, &mut record)?;
                Ok(Some(*record))
            }
        }
    }

    /// Reads a record file and changes nothing; without the observations.
    pub(super) fn look_at_record(&self, stage: &str, key: &Digest) -> Result<Found, StoreError> {
        let path = self.record_path(stage, key);
        let Some((file, text)) = read_if_there(&path)? else { return Ok(Found::Absent) };
        match unseal::<Record>(&text) {
            Some(record) if record.format == Record::FORMAT && record.key == *key && record.stage == stage => {
                Ok(Found::Sound(Box::new(record)))
            }
            // A sound file of a later format is not damage: leave it alone and say so.
            _ => match later_format(&text) {
                Some(found) => Err(StoreError::Version { path, found, expected: Record::FORMAT }),
                None => Ok(Found::Damaged(file)),
            },
        }
    }

    /// All readable records of a stage, by key.
    pub fn records(&self, stage: &str) -> Result<Vec<Record>, StoreError> {
        check_stage(stage)?;
        let mut keys = self.record_keys(stage)?;
        keys.sort();
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            records.extend(self.record(stage, &key)?);
        }
        Ok(records)
    }

    /// The outputs of a key, if it has a record and all blobs of it are there.
    pub fn hit(&self, stage: &str, key: &Digest) -> Result<Option<Outputs>, StoreError> {
        let record = self.record(stage, key)?;
        Ok(record.map(|record| record.outputs).filter(|outputs| self.whole(outputs)))
    }

    /// Makes the record the key's, if it has none. Blobs come first: each output must be in the store.
    ///
    /// Errors: `Missing` for an output that is not there, `Name`, `Full`, `Io`, `NotExclusive`.
    pub fn publish(&self, record: &Record) -> Result<Published, StoreError> {
        let key = &record.key;
        check_stage(&record.stage)?;
        check_record(record)?;
        self.settle(&record.outputs)?;
        let path = self.record_path(&record.stage, key);
        let mut aside = self.aside()?;
        let text = seal(record).expect("a record holds nothing that JSON cannot");
        aside.write_all(&text).map_err(|error| StoreError::from_io("write", &path, error))?;
        aside.sync()?;
        loop {
            if aside.claim(&path)? {
                self.sync_folder(path.parent().expect("a record lies in its stage's folder"))?;
                self.index_append(key, Some(&record.outputs));
                return Ok(Published::First);
            }
            // Damaged, it has just been quarantined, and the name is free.
            let Some(first) = self.record(&record.stage, key)? else { continue };
            if first.outputs == record.outputs {
                return Ok(Published::Same);
            }
            if self.whole(&first.outputs) {
                self.observe(&record.stage, key, &record.outputs)?;
                return Ok(Published::Different);
            }
            self.observe(&record.stage, key, &first.outputs)?;
            // First take back what the index says: a crash in between must not leave it with the earlier outputs.
            self.index_append(key, None);
            aside.replace(&path)?;
            self.sync_folder(path.parent().expect("a record lies in its stage's folder"))?;
            self.index_append(key, Some(&record.outputs));
            return Ok(Published::Different);
        }
    }

    pub(super) fn whole(&self, outputs: &Outputs) -> bool {
        outputs.values().all(|blob| self.has(&blob.digest))
    }

    /// The names of the folders in `records-v1`, sorted.
    pub(super) fn record_stages(&self) -> Result<Vec<String>, StoreError> {
        let root = self.records_root();
        let mut stages = Vec::new();
        for entry in fs::read_dir(&root).map_err(|source| StoreError::io("list", &root, source))? {
            let entry = entry.map_err(|source| StoreError::io("list", &root, source))?;
            if let Ok(name) = entry.file_name().into_string()
                && check_stage(&name).is_ok()
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
            {
                stages.push(name);
            }
        }
        stages.sort();
        Ok(stages)
    }

    /// Keys with a record file, in no order.
    pub(super) fn record_keys(&self, stage: &str) -> Result<Vec<Digest>, StoreError> {
        let folder = self.records_root().join(stage);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::io("list", &folder, source)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| StoreError::io("list", &folder, source))?.file_name();
            keys.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<Digest>().ok()));
        }
        Ok(keys)
    }

    /// Removes a record and its observations.
    pub(super) fn remove_record(&self, stage: &str, key: &Digest) -> Result<(), StoreError> {
        let path = self.record_path(stage, key);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(StoreError::io("remove", &path, source)),
            _ => {}
        }
        let path = self.observations_path(stage, key);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", &path, source)),
            _ => Ok(()),
        }
    }

    /// When a record was written, by the file system's clock; `None` where it is gone.
    pub(super) fn record_written(&self, stage: &str, key: &Digest) -> Option<SystemTime> {
        fs::metadata(self.record_path(stage, key)).ok()?.modified().ok()
    }

    /// Bytes of a record and its observations on the disk.
    pub(super) fn record_bytes(&self, stage: &str, key: &Digest) -> u64 {
        let mut bytes = fs::metadata(self.record_path(stage, key)).map_or(0, |found| found.len());
        if let Ok(entries) = fs::read_dir(self.observations_path(stage, key)) {
            bytes += entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|found| found.len()).sum::<u64>();
        }
        bytes
    }

    /// Checks that the outputs are there, and flushes them and their folders: blobs come before the record, also those
    /// that another process, or a handle of another durability, has written.
    fn settle(&self, outputs: &Outputs) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        for blob in outputs.values() {
            if !self.has(&blob.digest) {
                return Err(StoreError::Missing { digest: blob.digest });
            }
            let path = self.object_path(&blob.digest);
            if self.full_durability() {
                let flushed = File::open(&path).and_then(|file| file.sync_all());
                flushed.map_err(|source| StoreError::io("flush", &path, source))?;
            }
            folders.insert(path.parent().expect("objects lie in a folder").to_path_buf());
        }
        folders.iter().try_for_each(|folder| self.sync_folder(folder))
    }

    /// Keeps outputs seen for a key that has others, once.
    fn observe(&self, stage: &str, key: &Digest, outputs: &Outputs) -> Result<(), StoreError> {
        let text = serde_json::to_vec(outputs).expect("outputs are JSON");
        let path = self.observations_path(stage, key).join(format!("{}.json", Digest::of(text)));
        let observation = Observation { when: unix_seconds(), outputs: outputs.clone() };
        let mut aside = self.aside()?;
        let text = seal(&observation).expect("an observation is JSON");
        aside.write_all(&text).map_err(|error| StoreError::from_io("write", &path, error))?;
        aside.sync()?;
        aside.claim(&path)?;
        Ok(())
    }

    /// Adds what the observation files say; a damaged one is passed over.
    fn add_observations(&self, stage: &str, key: &Digest, record: &mut Record) -> Result<(), StoreError> {
        let folder = self.observations_path(stage, key);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(StoreError::io("list", &folder, source)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(entry.map_err(|source| StoreError::io("list", &folder, source))?.path());
        }
        paths.sort();
        for path in paths {
            let Some((_, text)) = read_if_there(&path)? else { continue };
            if let Some(seen) = unseal::<Observation>(&text)
                && seen.outputs != record.outputs
                && record.observations.iter().all(|other| other.outputs != seen.outputs)
            {
                record.observations.push(seen);
            }
        }
        Ok(())
    }
}

fn read_if_there(path: &Path) -> Result<Option<(File, Vec<u8>)>, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::io("open", path, source)),
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|source| StoreError::io("read", path, source))?;
    Ok(Some((file, text)))
}

/// The format number of an undamaged record file of a later format.
fn later_format(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Header {
        format: u32,
    }
    unseal::<Header>(text).filter(|header| header.format != Record::FORMAT).map(|header| header.format.to_string())
}

/// Stages name folders: plain words, so that no name leads out of the store.
fn check_stage(stage: &str) -> Result<(), StoreError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if !stage.is_empty() && stage.bytes().all(plain) {
        return Ok(());
    }
    let expected = "lower-case letters, digits, `_` and `-`";
    Err(StoreError::Name { what: "a stage", name: stage.to_string(), expected })
}

fn check_record(record: &Record) -> Result<(), StoreError> {
    if record.outputs.contains_key("") {
        return Err(StoreError::Name { what: "an output", name: String::new(), expected: "at least one character" });
    }
    if record.format != Record::FORMAT {
        let name = record.format.to_string();
        return Err(StoreError::Name { what: "a record's format", name, expected: "Record::FORMAT" });
    }
    if !record.provenance.seconds.is_finite() {
        let name = record.provenance.seconds.to_string();
        return Err(StoreError::Name { what: "a record's seconds", name, expected: "a finite number" });
    }
    Ok(())
}
