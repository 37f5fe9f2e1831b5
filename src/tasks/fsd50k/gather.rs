//! All raw files of FSD50K, plain or in archives, in one pass each: lists are read, sounds become maps. Knows no part of the
//! data set.

use crate::data::archive::{ArchiveError, base_name, members};
use crate::data::csv_table::CsvTable;
use crate::data::lines::TextError;
use crate::data::wav::{Wav, WavError};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::RAW;
use crate::tasks::fsd50k::lists::{Lists, Table};
use crate::tasks::fsd50k::sounds::{Maps, SoundError, Sounds};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

/// A sound longer than this many seconds is none of a clip or of noise.
const LONGEST_SECONDS: u64 = 1800;
/// Bytes of the longest label map.
const LONGEST_MAP: u64 = 16 << 20;

/// `StageError` with the conversions that readers ask for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<TextError> for Trouble {
    fn from(error: TextError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<WavError> for Trouble {
    fn from(error: WavError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<SoundError> for Trouble {
    fn from(error: SoundError) -> Self {
        Trouble(match error {
            SoundError::Sound { .. } => StageError::Data(error.to_string()),
            SoundError::Disk(error) => StageError::from(error),
        })
    }
}

/// Reads everything in slot `raw`.
pub fn gather(context: &dyn Context) -> Result<(Lists, Maps), StageError> {
    let names = context.names(RAW);
    // the publishers' clips are cut whatever their length; the benchmark's sounds are pieces already
    let whole = names.iter().any(|name| base_name(name).contains("ground_truth") || base_name(name) == "dev.csv");
    let sounds = Sounds::new(&context.scratch()?, whole)?;
    let mut found = Found { context, lists: Lists::default(), sounds, done: 0 };
    for (name, parts) in inputs(&names) {
        let mut raw = Chain { parts: Vec::new() };
        for part in parts.iter().rev() {
            raw.parts.push(context.open(RAW, part)?);
        }
        let lower = name.to_ascii_lowercase();
        let packed = [".zip", ".tar", ".tgz"].iter().any(|end| lower.ends_with(end)) || lower.contains(".tar.");
        let read = if packed {
            let mut raw = BufReader::with_capacity(1 << 18, &mut raw);
            members::<Trouble>(name, &mut raw, &mut |member, reader| {
                found.file(&format!("{name}: {member}"), member, reader)
            })
        } else {
            found.file(name, name, &mut raw)
        };
        read.map_err(|trouble| trouble.0)?;
        // an input's digest is verified at its end, which an archive need not reach
        io::copy(&mut raw, &mut io::sink())?;
    }
    let maps = found.sounds.finish().map_err(|e| Trouble::from(e).0)?;
    Ok((found.lists, maps))
}

/// Inputs by name, the parts of a split archive (`.z01`, `.z02`, …, `.zip`) together under that of the last.
fn inputs(names: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut inputs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in names {
        let stem = name.rsplit_once(".z").filter(|(_, end)| end.len() == 2 && end.bytes().all(|b| b.is_ascii_digit()));
        let last = stem.and_then(|(stem, _)| names.iter().find(|other| other.strip_suffix(".zip") == Some(stem)));
        inputs.entry(last.unwrap_or(name)).or_default().push(name);
    }
    // sorted names have the parts in order: `.z01` comes before `.zip`
    inputs
}

/// Readers one behind the other, the last of the list first.
struct Chain {
    parts: Vec<Box<dyn Read + Send>>,
}

impl Read for Chain {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = self.parts.last_mut() {
            let count = part.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            self.parts.pop();
        }
        Ok(0)
    }
}

/// What the files held so far.
struct Found<'a> {
    context: &'a dyn Context,
    lists: Lists,
    sounds: Sounds,
    /// Sounds read.
    done: u64,
}

impl Found<'_> {
    /// Takes one file in; names that mean nothing are passed over. `shown` is the name for messages.
    fn file(&mut self, shown: &str, path: &str, reader: &mut dyn Read) -> Result<(), Trouble> {
        let base = base_name(path);
        if self.context.stop_asked() {
            return Err(Trouble(StageError::Interrupted));
        }
        match base {
            _ if base.starts_with("._") => Ok(()), // what some systems add to archives
            "tr.csv" | "val.csv" | "eval.csv" | "dev.csv" => self.list(shown, base, reader),
            "vocabulary.csv" => self.vocabulary(shown, reader),
            "lbl_map.json" => self.label_map(shown, reader),
            _ if base.to_ascii_lowercase().ends_with(".wav") => self.sound(shown, path, reader),
            _ => Ok(()),
        }
    }

    fn list(&mut self, shown: &str, base: &str, reader: &mut dyn Read) -> Result<(), Trouble> {
        let mut csv = CsvTable::open(shown, reader, b',', true)?;
        let Some(table) = Table::of(base, csv.columns()) else { return Ok(()) };
        let mut line = 1;
        while let Some(row) = csv.next_row()? {
            line += 1;
            let mut texts = Vec::with_capacity(row.len());
            for column in 0..row.len() {
                texts.push(row.text(column)?.to_string());
            }
            let field = |column: usize| texts.get(column).cloned().unwrap_or_default();
            let taken = self.lists.row(shown, table, line, &field);
            taken.map_err(|problem| Trouble(StageError::Data(problem)))?;
        }
        Ok(())
    }

    /// The publishers' names: number, name, identifier; no header.
    fn vocabulary(&mut self, shown: &str, reader: &mut dyn Read) -> Result<(), Trouble> {
        let mut csv = CsvTable::open(shown, reader, b',', false)?;
        let mut numbered = Vec::new();
        while let Some(row) = csv.next_row()? {
            let number = row.integer(0)?;
            let number = usize::try_from(number)
                .map_err(|_| row.error(0, format!("expected a number from 0 on, found {number}")))?;
            numbered.push((number, row.text(1)?.trim().to_string()));
        }
        self.lists.vocabulary(shown, numbered).map_err(|problem| Trouble(StageError::Data(problem)))
    }

    fn label_map(&mut self, shown: &str, reader: &mut dyn Read) -> Result<(), Trouble> {
        let wrong = |problem: String| Trouble(StageError::Data(format!("{shown}: {problem}")));
        let mut bytes = Vec::new();
        let read = reader.take(LONGEST_MAP + 1).read_to_end(&mut bytes);
        read.map_err(|e| wrong(e.to_string()))?;
        if bytes.len() as u64 > LONGEST_MAP {
            return Err(wrong(format!("at most {LONGEST_MAP} bytes were expected, found more")));
        }
        let map: BTreeMap<String, usize> = serde_json::from_slice(&bytes)
            .map_err(|e| wrong(format!("a map of label names to numbers was expected: {e}")))?;
        let numbered = map.into_iter().map(|(name, number)| (number, name)).collect();
        self.lists.vocabulary(shown, numbered).map_err(|problem| Trouble(StageError::Data(problem)))
    }

    fn sound(&mut self, shown: &str, path: &str, reader: &mut dyn Read) -> Result<(), Trouble> {
        let mut folders = path.split('/').rev().skip(1);
        let noise = folders.any(|folder| folder.to_ascii_lowercase().starts_with("noise"));
        // MUSAN's music and speech are no background
        if !noise && path.split('/').any(|folder| folder == "musan") {
            return Ok(());
        }
        let mut wav = Wav::open(shown, reader)?;
        let (channels, rate) = (wav.format().channels, wav.format().rate);
        let most = LONGEST_SECONDS * u64::from(rate);
        let mut samples: Vec<f32> = Vec::new();
        let mut block = vec![0f32; (1 << 14) / channels.min(1 << 10) * channels];
        loop {
            let frames = wav.next_frames(&mut block)?;
            if frames == 0 {
                break;
            }
            // several channels become their mean
            let values = &block[..frames * channels];
            if channels == 1 {
                samples.extend_from_slice(values);
            } else {
                samples.extend(values.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32));
            }
            if samples.len() as u64 > most {
                let problem =
                    format!("{shown}: a sound of at most {LONGEST_SECONDS} s was expected, found a longer one");
                return Err(Trouble(StageError::Data(problem)));
            }
        }
        self.sounds.push(path, noise, rate, samples)?;
        self.done += 1;
        if self.done % 100 == 1 {
            self.context.progress(Progress { unit: "sound", done: self.done, total: 0, note: shown });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, inputs};
    use std::io::Read;

    #[test]
    fn parts_of_split_archives_belong_together() {
        let names: Vec<String> =
            ["a.z01", "a.z02", "a.zip", "b.zip", "c.z01", "eval.csv"].map(str::to_string).into_iter().collect();
        let found: Vec<_> = inputs(&names).into_iter().collect();
        assert_eq!(found[0], ("a.zip", vec!["a.z01", "a.z02", "a.zip"]));
        let others: Vec<&str> = found[1..].iter().map(|(name, _)| *name).collect();
        assert_eq!(others, ["b.zip", "c.z01", "eval.csv"]);
    }

    #[test]
    fn a_chain_reads_its_parts_in_order() {
        let part = |bytes: &'static [u8]| -> Box<dyn Read + Send> { Box::new(bytes) };
        let mut all = String::new();
        Chain { parts: vec![part(b"ef"), part(b""), part(b"abcd")] }.read_to_string(&mut all).unwrap();
        assert_eq!(all, "abcdef");
    }
}
