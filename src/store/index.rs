//! What is in the store at one moment, for planning many nodes at once: folder listings say which keys and objects
//! exist, and `index-v1` repeats the outputs of the records so that their files need not be opened. The index is a
//! cache of the record files and never the truth: where it lacks a line or one is damaged, the file is read.
//!
//! A line of the index: 16 hexadecimal digits of the SHA-256 of the rest, the key, then name, size and digest of each
//! output, or `-` where an earlier line of the key no longer holds. The last line of a key counts.

use crate::digest::Digest;
use crate::store::error::StoreError;
use crate::store::object::BlobRef;
use crate::store::record::Outputs;
use crate::store::store::Store;
use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Digests are as good as random: their first bytes serve as the hash.
#[derive(Clone, Copy, Default)]
pub(super) struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        let (first, _) = bytes.split_first_chunk().expect("only digests are hashed");
        self.0 = u64::from_ne_bytes(*first);
    }

    /// The length, equal for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

pub(super) type DigestSet = HashSet<Digest, BuildHasherDefault<Uniform>>;

/// The store as it was when the snapshot was taken.
pub struct Snapshot {
    store: Store,
    stages: Vec<String>,
    /// Only asked, never walked: its order reaches nothing.
    keys: HashMap<Digest, Known, BuildHasherDefault<Uniform>>,
    objects: DigestSet,
    text: Vec<u8>,
}

/// What `known_records` found: as in [`Snapshot`], and the number of lines in the index.
struct Records {
    stages: Vec<String>,
    keys: HashMap<Digest, Known, BuildHasherDefault<Uniform>>,
    text: Vec<u8>,
    lines: usize,
}

struct Known {
    /// Which of `stages`.
    stage: u32,
    /// The index line, without its sum, in `text`.
    line: Range<usize>,
}

impl Store {
    /// Takes a snapshot, and repairs the index on the way.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let (objects, records) = rayon::join(|| self.list_objects(), || self.known_records());
        let Records { stages, mut keys, mut text, lines } = records?;
        let missing: Vec<(Digest, u32)> =
            keys.iter().filter(|(_, known)| known.line.is_empty()).map(|(key, known)| (*key, known.stage)).collect();
        let read: Vec<_> = missing
            .par_iter()
            .map(|(key, stage)| Ok((*key, self.record(&stages[*stage as usize], key)?)))
            .collect::<Result<_, StoreError>>()?;
        let mut added = Vec::new();
        for (key, record) in read {
            let Some(record) = record else {
                keys.remove(&key);
                continue;
            };
            let line = write_line(&key, Some(&record.outputs));
            added.extend_from_slice(b"\n");
            let start = text.len() + added.len();
            added.extend_from_slice(line.as_bytes());
            keys.get_mut(&key).expect("it was listed").line = start + SUM..start + line.len();
            added.extend_from_slice(b"\n");
        }
        text.extend_from_slice(&added);
        let snapshot = Snapshot { store: self.clone(), stages, keys, objects: objects?, text };
        if lines > 2 * snapshot.keys.len() + 1000 {
            snapshot.rewrite_index();
        } else if !added.is_empty() {
            self.index_write(&added);
        }
        Ok(snapshot)
    }

    /// Keys with a record file, and what the index says of them.
    fn known_records(&self) -> Result<Records, StoreError> {
        let text = match fs::read(self.index_path()) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(StoreError::io("read", &self.index_path(), source)),
        };
        let stages = self.record_stages()?;
        let listing = self.list_records(&stages)?;
        let mut keys: HashMap<Digest, Known, _> =
            listing.into_iter().map(|(key, stage)| (key, Known { stage, line: 0..0 })).collect();
        let mut lines = 0;
        for line in lines_of(&text) {
            lines += 1;
            let Some((key, body, holds)) = check_line(&text[line.clone()]) else { continue };
            if let Some(known) = keys.get_mut(&key) {
                known.line = if holds { line.start + body..line.end } else { 0..0 };
            }
        }
        Ok(Records { stages, keys, text, lines })
    }

    /// Keys with a record file, each with the number of its stage.
    fn list_records(&self, stages: &[String]) -> Result<Vec<(Digest, u32)>, StoreError> {
        let mut listing = Vec::new();
        for (number, stage) in (0..).zip(stages) {
            listing.extend(self.record_keys(stage)?.into_iter().map(|key| (key, number)));
        }
        Ok(listing)
    }

    /// The digests of all objects, and no other files.
    pub(super) fn list_objects(&self) -> Result<DigestSet, StoreError> {
        let root = self.objects();
        let mut folders: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&root).map_err(|source| StoreError::io("list", &root, source))? {
            folders.push(entry.map_err(|source| StoreError::io("list", &root, source))?.path());
        }
        let lists: Vec<Vec<Digest>> = folders
            .into_par_iter()
            .map(|folder| {
                let mut found = Vec::new();
                let entries = match fs::read_dir(&folder) {
                    Ok(entries) => entries,
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                        return Ok(found);
                    }
                    Err(source) => return Err(StoreError::io("list", &folder, source)),
                };
                for entry in entries {
                    let name = entry.map_err(|source| StoreError::io("list", &folder, source))?.file_name();
                    found.extend(name.to_str().and_then(|name| name.parse::<Digest>().ok()));
                }
                Ok(found)
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Adds a line to the index. Failing does no harm: the record file is read instead.
    pub(super) fn index_append(&self, key: &Digest, outputs: Option<&Outputs>) {
        // A line break on either side: a torn line spoils only itself.
        self.index_write(format!("\n{}\n", write_line(key, outputs)).as_bytes());
    }

    fn index_write(&self, lines: &[u8]) {
        let opened = OpenOptions::new().append(true).create(true).open(self.index_path());
        if let Ok(mut file) = opened {
            let _ = self.permit_file(&file);
            // One call: appends of several processes do not mix. Over NFS they may, and the sums notice.
            let _ = file.write_all(lines);
        }
    }
}

impl Snapshot {
    /// The outputs of a key whose record and blobs are all there.
    pub fn hit(&self, key: &Digest) -> Option<Arc<Outputs>> {
        let known = self.keys.get(key)?;
        let outputs = parse_outputs(&self.text[known.line.clone()])?;
        if outputs.values().all(|blob| self.objects.contains(&blob.digest)) {
            return Some(Arc::new(outputs));
        }
        // The index may be older than the record.
        let stage = &self.stages[known.stage as usize];
        let outputs = self.store.hit(stage, key).ok().flatten()?;
        self.store.index_append(key, Some(&outputs));
        Some(Arc::new(outputs))
    }

    /// The number of keys with a record.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Writes the index anew with one line per record. Failing does no harm.
    pub(super) fn rewrite_index(&self) {
        if self.keys.is_empty() {
            let _ = fs::remove_file(self.store.index_path());
            return;
        }
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_by_key(|(key, _)| **key);
        let mut lines = Vec::with_capacity(self.text.len());
        for (_, known) in keys {
            let line = &self.text[known.line.start - SUM..known.line.end];
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
        let Ok(mut aside) = self.store.aside() else { return };
        if aside.write_all(&lines).is_ok() {
            let _ = aside.replace(&self.store.index_path());
        }
    }
}

/// Length of the sum and the blank after it.
const SUM: usize = 17;

fn write_line(key: &Digest, outputs: Option<&Outputs>) -> String {
    let mut body = key.to_string();
    match outputs {
        None => body.push_str(" -"),
        Some(outputs) => {
            for (name, blob) in outputs {
                body.push(' ');
                escape(name, &mut body);
                write!(body, " {} {}", blob.size, blob.digest).expect("strings grow");
            }
        }
    }
    format!("{:016x} {body}", sum(body.as_bytes()))
}

fn sum(body: &[u8]) -> u64 {
    u64::from_be_bytes(Digest::of(body).bytes()[..8].try_into().expect("eight bytes"))
}

/// The lines that are not empty.
fn lines_of(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    text.split(|&byte| byte == b'\n')
        .map(move |line| {
            let range = start..start + line.len();
            start = range.end + 1;
            range
        })
        .filter(|range| !range.is_empty())
}

/// The key of an undamaged line, where its body begins, and whether it holds outputs.
fn check_line(line: &[u8]) -> Option<(Digest, usize, bool)> {
    let (head, body) = line.split_at_checked(SUM)?;
    let (head, blank) = head.split_at(SUM - 1);
    let written = u64::from_str_radix(std::str::from_utf8(head).ok()?, 16).ok()?;
    if blank != b" " || written != sum(body) {
        return None;
    }
    let key = std::str::from_utf8(body.get(..64)?).ok()?.parse().ok()?;
    Some((key, SUM, &body[64..] != b" -"))
}

/// The outputs in the body of a line that was checked.
fn parse_outputs(body: &[u8]) -> Option<Outputs> {
    let mut outputs = Outputs::new();
    let mut words = std::str::from_utf8(body).ok()?.split(' ').skip(1);
    while let Some(name) = words.next() {
        let size = words.next()?.parse().ok()?;
        let digest = words.next()?.parse().ok()?;
        outputs.insert(unescape(name)?, BlobRef { digest, size });
    }
    Some(outputs)
}

/// Blanks, control characters and `%` as `%20`: names stay one word of one line.
fn escape(name: &str, out: &mut String) {
    for letter in name.chars() {
        if letter <= ' ' || letter == '%' || letter == '\u{7f}' {
            write!(out, "%{:02x}", letter as u32).expect("strings grow");
        } else {
            out.push(letter);
        }
    }
}

fn unescape(word: &str) -> Option<String> {
    let mut parts = word.split('%');
    let mut name = parts.next()?.to_string();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        name.push(char::from(code));
        name.push_str(&part[2..]);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::{SUM, check_line, lines_of, parse_outputs, write_line};
    use crate::digest::Digest;
    use crate::store::object::BlobRef;
    use crate::store::record::Outputs;

    fn outputs() -> Outputs {
        ["model.safetensors", "a b%\n-ü/0", "-"]
            .into_iter()
            .map(|name| (name.to_string(), BlobRef { digest: Digest::of(name), size: name.len() as u64 }))
            .collect()
    }

    #[test]
    fn a_line_comes_back_and_any_damage_is_noticed() {
        let key = Digest::of("key");
        for outputs in [outputs(), Outputs::new()] {
            let line = write_line(&key, Some(&outputs));
            assert!(!line.contains('\n'));
            assert_eq!(check_line(line.as_bytes()), Some((key, SUM, true)));
            assert_eq!(parse_outputs(&line.as_bytes()[SUM..]), Some(outputs));
            for end in 0..line.len() {
                assert!(check_line(&line.as_bytes()[..end]).is_none(), "cut at {end}");
            }
            for bit in 0..line.len() * 8 {
                let mut bad = line.clone().into_bytes();
                bad[bit / 8] ^= 1 << (bit % 8);
                // A sum's digits may change their case and mean the same.
                let same = check_line(&bad).is_none_or(|_| bad.eq_ignore_ascii_case(line.as_bytes()) && bit / 8 < SUM);
                assert!(same, "bit {bit}");
            }
        }
        let gone = write_line(&key, None);
        assert_eq!(check_line(gone.as_bytes()), Some((key, SUM, false)));
    }

    #[test]
    fn empty_lines_are_passed_over() {
        let text = b"\nab\n\n\nc";
        let lines: Vec<_> = lines_of(text).map(|range| &text[range]).collect();
        assert_eq!(lines, [&b"ab"[..], b"c"]);
    }
}
