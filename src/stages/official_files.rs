//! Official files, brought set by set: what the benchmark hosts first, then what its publishers give where that is gone. A set
//! counts only once all its files are there and are what they should be; nothing is put out before. Knows no content.

use crate::data::checksum::{Expected, Sums, copy};
use crate::data::download::{DownloadError, Downloader};
use crate::data::lock::{Entry, lookup, record};
use crate::digest::Digest;
use crate::stages::context::{Context, Progress, StageError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// One official file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfficialFile {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
}

impl OfficialFile {
    pub fn expected(&self) -> Expected {
        Expected { bytes: self.bytes, sha256: self.sha256, md5: self.md5.clone() }
    }
}

/// Who gives a set of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The benchmark's processed files.
    Hosted,
    /// The original publishers.
    Publisher,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Hosted => "the benchmark's files",
            Place::Publisher => "the publishers' originals",
        })
    }
}

/// Files that serve a task together.
#[derive(Clone, Copy)]
pub struct FileSet<'a> {
    pub place: Place,
    pub files: &'a [OfficialFile],
}

impl fmt::Display for FileSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.files.iter().map(|file| format!("`{}`", file.name)).collect();
        write!(f, "{} ({})", self.place, names.join(", "))
    }
}

/// Where files come from: not part of what they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    #[serde(rename = "data.urls", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, Vec<String>>,
    #[serde(rename = "data.mirrors", default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    #[serde(rename = "data.dir", default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    #[serde(rename = "data.paths", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, String>,
    #[serde(rename = "data.lock", default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PathBuf>,
    #[serde(rename = "data.offline", default, skip_serializing_if = "is_false")]
    pub offline: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Provenance {
    /// Addresses that may be asked for a file. Mirrors first: who names one wants it used.
    fn addresses(&self, task: &str, name: &str) -> Vec<String> {
        let prefixes = self.mirrors.iter().map(|prefix| prefix.trim_end_matches('/'));
        let mirrors = prefixes.flat_map(|prefix| [format!("{prefix}/{name}"), format!("{prefix}/{task}/{name}")]);
        let all = mirrors.chain(self.urls.get(name).into_iter().flatten().cloned());
        all.filter(|url| !self.offline || url.starts_with("file://")).collect()
    }
}

/// Puts out the files of the first set that can be had. The next set is tried only where a file of this one is gone: no
/// address has it, or nobody answers there. Other bytes than expected, a transfer that fails and a wish to stop are errors.
pub fn bring(
    task: &str,
    sets: &[FileSet<'_>],
    provenance: &Provenance,
    downloader: &Downloader,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let mut quest =
        Quest { task, provenance, downloader, brought: BTreeMap::new(), silent: BTreeSet::new(), unreachable: false };
    let mut reasons = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        match quest.set(set, sets.get(index + 1), context)? {
            Ok(()) => {
                context.log(&format!("{task}: raw files are {set}"));
                return quest.put_out(set, context);
            }
            Err(missing) => {
                if let Some(next) = sets.get(index + 1) {
                    let line = format!("{task}: {} are gone; trying {next}", set.place);
                    context.log(&format!("{line}\n{missing}"));
                    context.progress(Progress { unit: "source", done: 0, total: 0, note: &line });
                }
                reasons.push((set, missing));
            }
        }
    }
    let remedy = "add a mirror to data.mirrors (offline: a `file://` prefix), or use data.source = \"files\" with data.dir, or \
                  data.source = \"embedded\"";
    let message = match reasons.as_slice() {
        [(_, only)] => format!("{task}, file `{}`: no address gave it; {remedy}\n{}", only.name, only.reasons()),
        several => {
            let all: Vec<String> = several.iter().map(|(set, missing)| format!("  {set}:\n{missing}")).collect();
            format!("{task}: no place gave the raw files; {remedy}\n{}", all.join("\n"))
        }
    };
    // Trying again soon helps against a network, not against a file that is not there.
    Err(if quest.unreachable { StageError::Infrastructure(message) } else { StageError::Data(message) })
}

/// A file that no address has.
struct Missing {
    name: String,
    problems: Vec<String>,
}

impl Missing {
    fn reasons(&self) -> String {
        self.problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> =
            self.problems.iter().map(|problem| format!("    `{}`: {problem}", self.name)).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A verified file on disk.
struct Brought {
    file: OfficialFile,
    path: PathBuf,
    /// False for a mirror's own file, to be left alone.
    ours: bool,
    url: String,
    sums: Sums,
}

/// The search for one task's files.
struct Quest<'a> {
    task: &'a str,
    provenance: &'a Provenance,
    downloader: &'a Downloader,
    /// By name: sets share files.
    brought: BTreeMap<String, Brought>,
    /// Hosts that did not answer; each is waited for once.
    silent: BTreeSet<String>,
    /// Some address is a matter of the network.
    unreachable: bool,
}

impl Quest<'_> {
    /// Brings every file of a set; the inner error is the file that is gone. `next` is what would be tried then.
    fn set(
        &mut self,
        set: &FileSet<'_>,
        next: Option<&FileSet<'_>>,
        context: &mut dyn Context,
    ) -> Result<Result<(), Missing>, StageError> {
        // Before gigabytes come for nothing.
        for file in set.files {
            if self.provenance.addresses(self.task, &file.name).is_empty() {
                let why =
                    if self.provenance.offline { "offline, and no mirror is a folder" } else { "no address is known" };
                return Ok(Err(Missing { name: file.name.clone(), problems: vec![why.to_string()] }));
            }
        }
        for file in set.files {
            if self.brought.get(&file.name).is_some_and(|brought| brought.file == *file) {
                continue;
            }
            if let Err(missing) = self.file(file, next, context)? {
                return Ok(Err(missing));
            }
        }
        Ok(Ok(()))
    }

    /// Brings one file from the first address that has it.
    fn file(
        &mut self,
        file: &OfficialFile,
        next: Option<&FileSet<'_>>,
        context: &mut dyn Context,
    ) -> Result<Result<(), Missing>, StageError> {
        let (task, name) = (self.task, &file.name);
        let mut expected = file.expected();
        if let Some(lock) = &self.provenance.lock
            && let Some(entry) = lookup(lock, task, name).map_err(|e| StageError::Data(e.to_string()))?
        {
            // A publisher's checksum takes precedence; a lock that contradicts it fails below, in `record`.
            expected.sha256 = expected.sha256.or(Some(entry.sha256));
            expected.bytes = expected.bytes.or(Some(entry.bytes));
        }
        let (mut problems, mut gone, mut transfer) = (Vec::new(), true, false);
        for url in self.provenance.addresses(task, name) {
            let host = host_of(&url).to_string();
            if self.silent.contains(&host) {
                problems.push(format!("{url}: {host} did not answer before"));
                continue;
            }
            match verified(name, &url, &expected, self.downloader, context) {
                Ok((path, ours, sums)) => {
                    self.brought.insert(name.clone(), Brought { file: file.clone(), path, ours, url, sums });
                    return Ok(Ok(()));
                }
                Err(Trouble::Stage(error)) => return Err(error),
                Err(Trouble::Address(DownloadError::Stopped)) => return Err(StageError::Interrupted),
                Err(Trouble::Address(DownloadError::Disk { path, source })) => {
                    return Err(StageError::from(io::Error::new(
                        source.kind(),
                        format!("{}: {source}", path.display()),
                    )));
                }
                Err(Trouble::Address(error)) => {
                    problems.push(error.to_string());
                    match error {
                        DownloadError::Gone { .. } => {}
                        DownloadError::Unreachable { .. } => {
                            self.silent.insert(host);
                            self.unreachable = true;
                        }
                        DownloadError::Unavailable { .. } => {
                            gone = false;
                            transfer |= !url.starts_with("file://");
                        }
                        _ => gone = false,
                    }
                }
            }
        }
        if gone {
            return Ok(Err(Missing { name: name.clone(), problems }));
        }
        let instead = next.map_or(String::new(), |next| {
            format!(
                "; {} were not tried, since this file is not gone: data.origin = \"publisher\" takes them",
                next.place
            )
        });
        let message = format!(
            "{task}, file `{name}`: no address gave it; add a mirror to data.mirrors, or use data.source = \"files\" with \
             data.dir{instead}\n  {}",
            problems.join("\n  ")
        );
        // Trying again soon helps against a network, not against other bytes.
        Err(if transfer { StageError::Infrastructure(message) } else { StageError::Data(message) })
    }

    /// Records and writes the files of a set that was brought whole.
    fn put_out(&mut self, set: &FileSet<'_>, context: &mut dyn Context) -> Result<(), StageError> {
        let brought = || set.files.iter().filter_map(|file| self.brought.get(&file.name));
        if let Some(lock) = &self.provenance.lock {
            for Brought { file, url, sums, .. } in brought() {
                let (task, name, origin) = (self.task.to_string(), file.name.clone(), path_of(url));
                let entry = Entry { task, name, bytes: sums.bytes, sha256: sums.sha256, origin };
                record(lock, &entry).map_err(|e| StageError::Data(e.to_string()))?;
            }
        }
        for Brought { file, path, url, sums, .. } in brought() {
            let mut reader = File::open(path)?;
            let mut output = context.create(&file.name)?;
            let copied = {
                let context: &dyn Context = context;
                copy(&mut reader, &mut output, &mut |_| !context.stop_asked()).map_err(interrupted)?
            };
            if copied != *sums {
                return Err(StageError::Infrastructure(format!("{url}: the file changed while it was read")));
            }
            output.close()?;
        }
        // Not earlier: an attempt that is cut short finds them again.
        for Brought { path, .. } in self.brought.values().filter(|brought| brought.ours) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

enum Trouble {
    Address(DownloadError),
    Stage(StageError),
}

/// Brings one address to disk, verified: path, whether it is ours to remove, and sums. Bytes that fail are gone afterwards.
fn verified(
    name: &str,
    url: &str,
    expected: &Expected,
    downloader: &Downloader,
    context: &dyn Context,
) -> Result<(PathBuf, bool, Sums), Trouble> {
    let scratch = context.scratch().map_err(Trouble::Stage)?;
    let note = format!("{name} from {url}");
    loop {
        let mut watch = |done, total| report(context, done, total, &note);
        let downloaded = downloader
            .get(url, expected.bytes, expected.identifies(), &scratch, &mut watch)
            .map_err(Trouble::Address)?;
        let disk = |source| Trouble::Address(DownloadError::Disk { path: downloaded.path.clone(), source });
        let mut reader = File::open(&downloaded.path).map_err(disk)?;
        let sums = copy(&mut reader, &mut io::sink(), &mut |_| !context.stop_asked());
        let sums = sums.map_err(|e| Trouble::Stage(interrupted(e)))?;
        match expected.check(&sums) {
            Ok(()) => return Ok((downloaded.path, downloaded.ours, sums)),
            Err(problem) => {
                if downloaded.ours {
                    std::fs::remove_file(&downloaded.path).map_err(disk)?;
                }
                // Two versions may have been put together: once more from the start.
                if !downloaded.resumed {
                    return Err(Trouble::Address(DownloadError::Wrong { url: url.to_string(), problem }));
                }
            }
        }
    }
}

/// Tells displays; true to go on.
pub fn report(context: &dyn Context, done: u64, total: u64, note: &str) -> bool {
    // One event per 4 MiB is enough for a bar.
    if done % (4 << 20) < (1 << 16) || done == total {
        context.progress(Progress { unit: "byte", done, total, note });
    }
    !context.stop_asked()
}

pub fn interrupted(error: io::Error) -> StageError {
    if error.kind() == io::ErrorKind::Interrupted { StageError::Interrupted } else { StageError::from(error) }
}

/// The host and port of an address; empty for a file.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// The address without scheme and host.
fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if url.starts_with("file://") {
        // A path of this machine is nobody's business; the name is enough.
        return rest.rsplit('/').next().map_or_else(String::new, |name| format!("/{name}"));
    }
    rest.find('/').map_or_else(|| "/".to_string(), |slash| rest[slash..].split('?').next().unwrap_or("/").to_string())
}

#[cfg(test)]
mod tests {
    use super::{host_of, path_of};

    #[test]
    fn the_origin_has_no_host_and_no_folder_of_a_machine() {
        assert_eq!(path_of("https://host.example/a/b.mat?signature=1"), "/a/b.mat");
        assert_eq!(path_of("https://host.example"), "/");
        assert_eq!(path_of("file:///home/someone/b.mat"), "/b.mat");
        assert_eq!(host_of("https://host.example:81/a/b.mat"), "host.example:81");
        assert_eq!(host_of("file:///home/someone/b.mat"), "");
    }
}
