//! Recordings of the PhysioNet/CinC 2017 archive: one MAT-file (`val`) with a WFDB header per record, labels in
//! `REFERENCE….csv`, the order in `RECORDS`, as files or inside archives. Knows no split.

use crate::data::archive::{ArchiveError, base_name, members};
use crate::stages::context::StageError;
use crate::tasks::ecg::record_signal::{header_samples, signal};
use crate::tasks::ecg::recordings::{Collector, Recordings};
use crate::tasks::ecg::windows::{CLASSES, label};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// A longer file of labels, order or header is damage (8,528 lines of 9 bytes).
const LONGEST_TEXT: u64 = 1 << 22;
/// A longer record file is damage: 24 hours at 300 Hz in double precision.
const LONGEST_RECORD: u64 = 1 << 28;

/// Labels of one file.
struct Reference {
    shown: String,
    labels: BTreeMap<String, u32>,
}

/// What the files held so far.
pub struct RecordFiles {
    collector: Collector,
    /// Record name to its number and its file.
    records: BTreeMap<String, (usize, String)>,
    /// Record name to the samples that its header announces.
    headers: BTreeMap<String, u64>,
    lengths: Vec<usize>,
    /// By version; the highest one counts.
    references: BTreeMap<i64, Reference>,
    /// Record names in their official order, and the file that says so.
    order: Option<(Vec<String>, String)>,
}

/// `StageError` with the conversion that `members` asks for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl RecordFiles {
    pub fn new(scratch: &Path) -> Result<Self, StageError> {
        Ok(RecordFiles {
            collector: Collector::new(scratch),
            records: BTreeMap::new(),
            headers: BTreeMap::new(),
            lengths: Vec::new(),
            references: BTreeMap::new(),
            order: None,
        })
    }

    /// Takes one raw file in, or every member of an archive.
    pub fn file(&mut self, name: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        if [".zip", ".tar", ".tgz"].iter().any(|end| name.ends_with(end)) || name.contains(".tar.") {
            let taken = members::<Trouble>(name, reader, &mut |member, reader| {
                self.take(&format!("{name}: {member}"), base_name(member), reader).map_err(Trouble)
            });
            return taken.map_err(|trouble| trouble.0);
        }
        self.take(name, base_name(name), reader)
    }

    /// Takes one file in; names that mean nothing are passed over. `shown` is the name for messages.
    fn take(&mut self, shown: &str, base: &str, reader: &mut dyn Read) -> Result<(), StageError> {
        if let Some(record) = base.strip_suffix(".mat") {
            let bytes = whole(shown, reader, LONGEST_RECORD)?;
            let values = signal(shown, &bytes)?;
            let number = self.lengths.len();
            if let Some((_, other)) = self.records.insert(record.to_string(), (number, shown.to_string())) {
                return Err(StageError::Data(format!(
                    "{shown}: record {record} was expected once, found it in {other} too; name the files to use in data.files"
                )));
            }
            self.lengths.push(values.len());
            self.collector.add(shown.to_string(), &values)?;
        } else if let Some(record) = base.strip_suffix(".hea") {
            if let Some(samples) = header_samples(shown, &text(shown, reader)?)? {
                self.headers.insert(record.to_string(), samples);
            }
        } else if base.starts_with("REFERENCE") && base.ends_with(".csv") {
            let labels = reference(shown, &text(shown, reader)?)?;
            let reference = Reference { shown: shown.to_string(), labels };
            if let Some(other) = self.references.insert(version(base), reference) {
                let other = other.shown;
                return Err(StageError::Data(format!(
                    "{shown}: one file of labels of this version was expected, found {other} too; name the one to use in \
                     data.files"
                )));
            }
        } else if base == "RECORDS" {
            let text = text(shown, reader)?;
            // Later releases write folders before the names.
            let names = text.lines().map(|line| base_name(line.trim()).to_string()).filter(|name| !name.is_empty());
            self.order = Some((names.collect(), shown.to_string()));
        }
        Ok(())
    }

    /// Recordings and labels in the official order: that of `RECORDS`, else of sorted names. Records that `RECORDS` does not
    /// list are left out.
    pub fn finish(mut self) -> Result<(Recordings, Vec<u32>), StageError> {
        let Some((_, Reference { shown, labels })) = self.references.pop_last() else {
            return Err(StageError::Data(
                "ecg: `challenge2017.pkl`, or records with labels in `REFERENCE-v3.csv`, were expected, found no labels; \
                 name the files in data.files"
                    .into(),
            ));
        };
        let (names, listed) = match self.order {
            Some((names, file)) => (names, file),
            None => (self.records.keys().cloned().collect(), "the records' files".to_string()),
        };
        let mut recordings = self.collector.finish()?;
        let (mut list, mut found) = (Vec::with_capacity(names.len()), Vec::with_capacity(names.len()));
        for name in &names {
            let Some((number, file)) = self.records.remove(name) else {
                return Err(StageError::Data(format!(
                    "{listed}: each record should be there once, found no `{name}.mat` for record {name} (or it is listed twice)"
                )));
            };
            let label = labels.get(name);
            let label =
                label.ok_or_else(|| StageError::Data(format!("{shown}: a label of record {name} was expected")))?;
            let samples = self.lengths[number] as u64;
            if let Some(announced) = self.headers.get(name).filter(|announced| **announced != samples) {
                return Err(StageError::Data(format!(
                    "{file}: {announced} samples were expected by the header `{name}.hea`, found {samples}"
                )));
            }
            list.push(recordings.list[number].clone());
            found.push(*label);
        }
        recordings.list = list;
        Ok((recordings, found))
    }
}

/// The version in a name such as `REFERENCE-v3.csv`; the plain name is older than any.
fn version(base: &str) -> i64 {
    let digits = base.trim_start_matches("REFERENCE").trim_end_matches(".csv").trim_start_matches(['-', 'v']);
    digits.parse().unwrap_or(if digits.is_empty() { -1 } else { -2 })
}

fn reference(shown: &str, text: &str) -> Result<BTreeMap<String, u32>, StageError> {
    let mut labels = BTreeMap::new();
    for (row, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, class) = line.trim().split_once(',').unwrap_or((line, ""));
        let Some(label) = label(class.trim()) else {
            let expected = CLASSES.join(", ");
            return Err(StageError::Data(format!(
                "{shown}, line {}: a record and one of the labels {expected} were expected, found `{}`",
                row + 1,
                line.escape_debug()
            )));
        };
        labels.insert(name.trim().to_string(), label);
    }
    Ok(labels)
}

fn whole(shown: &str, reader: &mut dyn Read, most: u64) -> Result<Vec<u8>, StageError> {
    let mut bytes = Vec::new();
    let read = reader.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|e| StageError::Data(format!("{shown}: {e}")))?;
    if bytes.len() as u64 > most {
        return Err(StageError::Data(format!("{shown}: at most {most} bytes were expected, found more")));
    }
    Ok(bytes)
}

fn text(shown: &str, reader: &mut dyn Read) -> Result<String, StageError> {
    let bytes = whole(shown, reader, LONGEST_TEXT)?;
    String::from_utf8(bytes).map_err(|_| StageError::Data(format!("{shown}: text was expected, found other bytes")))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_highest_version_of_labels_counts() {
        let mut names = ["REFERENCE-v3.csv", "REFERENCE.csv", "REFERENCE-original.csv", "REFERENCE-v0.csv"];
        names.sort_by_key(|name| version(name));
        assert_eq!(names, ["REFERENCE-original.csv", "REFERENCE.csv", "REFERENCE-v0.csv", "REFERENCE-v3.csv"]);
    }
}
