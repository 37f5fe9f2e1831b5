//! Fetch: a task's raw files under their official names, from their publishers, a user's folder or the embedded generator.
//! Knows no content.

use crate::data::checksum::{Expected, Sums, copy};
use crate::data::counts::{Counts, Origin, origin_of, resolve};
use crate::data::download::{DownloadError, Downloader};
use crate::data::lock::{Entry, lookup, record};
use crate::digest::Digest;
use crate::stages::amount::amount_settings;
use crate::stages::context::{Context, Progress, StageError};
use crate::stages::entry::{Kind, Setting};
use crate::tasks::contract::generator::Generator;
use crate::tasks::contract::source::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// Input slot with the user's files (`data.source = "files"`), by their official names.
pub const EXTERNAL: &str = "external";

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

/// The settings of a fetch node, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchParams {
    pub origin: Origin,
    /// Empty where the origin is embedded.
    pub files: Vec<OfficialFile>,
    /// Embedded only: what the generator depends on.
    pub counts: Counts,
    pub seed: Option<u64>,
    /// The rest does not enter the key.
    pub provenance: Provenance,
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

/// What a manifest may set for this stage.
pub fn settings() -> Vec<Setting> {
    let setting = |key, kind, doc, keyed| Setting { key, kind, doc, keyed };
    let mut all = amount_settings();
    all.extend([
        setting("data.seed", Kind::Count { min: 0 }, "Another draw of the embedded generator.", true),
        setting(
            "data.files",
            Kind::Any,
            "The raw files: a list of { name, bytes, sha256, md5 }; all but the name are optional and verified.",
            true,
        ),
        setting("data.urls", Kind::Any, "Addresses of each file, tried in order: { name = [address, …] }.", false),
        setting(
            "data.mirrors",
            Kind::Texts,
            "Prefixes (http, https, file) tried before the addresses, as <prefix>/<name> and <prefix>/<task>/<name>.",
            false,
        ),
        setting("data.dir", Kind::Path, "The folder of `data.source = \"files\"`.", false),
        setting(
            "data.paths",
            Kind::Any,
            "Where in `data.dir` a file lies, if not under its name: { name = path }.",
            false,
        ),
        setting(
            "data.lock",
            Kind::Path,
            "The lock file: sizes and digests recorded at the first download and verified ever after.",
            false,
        ),
        setting("data.offline", Kind::Bool, "No network: only mirrors and addresses that are files are tried.", false),
    ]);
    all
}

impl FetchParams {
    /// Checks a map of dotted settings. What does not matter for the origin is left out, so that it does not enter the key;
    /// the result of `to_settings` gives the same parameters again.
    pub fn from_settings(settings: &Map<String, Value>, source: &dyn Source) -> Result<Self, String> {
        let (origin, size) = origin_of(settings)?;
        let mut provenance = Map::new();
        for key in ["data.urls", "data.mirrors", "data.dir", "data.paths", "data.lock", "data.offline"] {
            let matters = match key {
                "data.dir" | "data.paths" => origin == Origin::Files,
                _ => origin == Origin::Official,
            };
            if let Some(value) = settings.get(key).filter(|_| matters) {
                provenance.insert(key.to_string(), value.clone());
            }
        }
        let provenance: Provenance =
            serde_json::from_value(Value::Object(provenance)).map_err(|e| format!("settings of `data`: {e}"))?;
        let mut params = FetchParams { origin, files: vec![], counts: Counts::default(), seed: None, provenance };
        if origin == Origin::Embedded {
            params.counts = resolve(source.counts(), settings, origin, size)?;
            let seed = settings.get("data.seed").map(|seed| serde_json::from_value(seed.clone()));
            params.seed = seed.transpose().map_err(|e| format!("`data.seed`: {e}"))?;
            return Ok(params);
        }
        let named = source.files(settings);
        params.files = if named.is_empty() {
            let files = settings.get("data.files").cloned();
            let files = files.ok_or_else(|| format!("`data.files` is not set for {}", source.task()))?;
            serde_json::from_value(files).map_err(|e| format!("`data.files`: {e}"))?
        } else {
            let plain = |name| OfficialFile { name, bytes: None, sha256: None, md5: None };
            named.into_iter().map(plain).collect()
        };
        for file in &params.files {
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            if !file.name.split('/').all(plain) || file.name.contains(['\\', '\0']) {
                return Err(format!("`data.files`: `{}` is no plain file name", file.name));
            }
            if params.files.iter().filter(|other| other.name == file.name).count() > 1 {
                return Err(format!("`data.files`: `{}` stands there twice", file.name));
            }
            let hexadecimal =
                |md5: &String| md5.len() == 32 && md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if file.md5.as_ref().is_some_and(|md5| !hexadecimal(md5)) {
                return Err(format!(
                    "`data.files`: the MD5 of `{}` is not 32 lower-case hexadecimal characters",
                    file.name
                ));
            }
        }
        if params.files.is_empty() {
            return Err("`data.files` is empty".into());
        }
        if origin == Origin::Files && params.provenance.dir.is_none() {
            return Err("`data.source = \"files\"` needs `data.dir`, the folder with the files".into());
        }
        Ok(params)
    }

    /// The canonical settings.
    pub fn to_settings(&self) -> Map<String, Value> {
        let plain = |value: Result<Value, serde_json::Error>| value.expect("plain values have a JSON form");
        let mut settings = match plain(serde_json::to_value(&self.provenance)) {
            Value::Object(settings) => settings,
            _ => Map::new(),
        };
        settings.insert("data.source".into(), plain(serde_json::to_value(self.origin)));
        if !self.files.is_empty() {
            settings.insert("data.files".into(), plain(serde_json::to_value(&self.files)));
        }
        self.counts.write(&mut settings);
        if let Some(seed) = self.seed {
            settings.insert("data.seed".into(), seed.into());
        }
        settings
    }

    /// The user's files that the node will read: official name and path. Where the official ones are not all in the folder,
    /// the first complete alternative is taken; where there is none, the official ones, for the message.
    pub fn external(&self, source: &dyn Source) -> Vec<(String, PathBuf)> {
        let Some(dir) = self.provenance.dir.as_ref().filter(|_| self.origin == Origin::Files) else { return vec![] };
        let place = |name: &str| dir.join(self.provenance.paths.get(name).map_or(name, String::as_str));
        let official: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        let complete = |names: &&[&str]| names.iter().all(|name| place(name).is_file());
        let alternatives = source.alternatives().iter().copied();
        let chosen = std::iter::once(official.as_slice()).chain(alternatives).find(complete);
        chosen.unwrap_or(&official).iter().map(|name| (name.to_string(), place(name))).collect()
    }
}

/// Runs a fetch node: writes each raw file under its official name.
pub fn fetch(
    source: &dyn Source,
    generator: &dyn Generator,
    params: &FetchParams,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    match params.origin {
        Origin::Embedded => generator.generate(&params.counts, params.seed, context),
        Origin::Files => {
            let names = context.names(EXTERNAL);
            if names.is_empty() {
                return Err(StageError::Data(format!("{}: no files given; check data.dir", source.task())));
            }
            names.iter().try_for_each(|name| take(source.task(), name, params, context))
        }
        Origin::Official => {
            let downloader = Downloader::default();
            params.files.iter().try_for_each(|file| download(source.task(), file, params, &downloader, context))
        }
    }
}

/// Copies one of the user's files.
fn take(task: &str, name: &str, params: &FetchParams, context: &mut dyn Context) -> Result<(), StageError> {
    let mut reader = context.open(EXTERNAL, name)?;
    let mut output = context.create(name)?;
    let sums = {
        let context: &dyn Context = context;
        copy(&mut reader, &mut output, &mut |done| report(context, done, 0, name))
    };
    let sums = sums.map_err(interrupted)?;
    if let Some(file) = params.files.iter().find(|file| file.name == name) {
        expected(file).check(&sums).map_err(|problem| {
            StageError::Data(format!(
                "{task}, file `{name}`: {problem}; if this is the file you want, name it in data.files without checksum"
            ))
        })?;
    }
    output.close()
}

fn expected(file: &OfficialFile) -> Expected {
    Expected { bytes: file.bytes, sha256: file.sha256, md5: file.md5.clone() }
}

/// Tells displays; true to go on.
fn report(context: &dyn Context, done: u64, total: u64, note: &str) -> bool {
    // One event per 4 MiB is enough for a bar.
    if done % (4 << 20) < (1 << 16) || done == total {
        context.progress(Progress { unit: "byte", done, total, note });
    }
    !context.stop_asked()
}

fn interrupted(error: io::Error) -> StageError {
    if error.kind() == io::ErrorKind::Interrupted { StageError::Interrupted } else { StageError::from(error) }
}

/// Downloads one official file from the first address that has it.
fn download(
    task: &str,
    file: &OfficialFile,
    params: &FetchParams,
    downloader: &Downloader,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let name = &file.name;
    let mut expected = expected(file);
    if let Some(lock) = &params.provenance.lock
        && let Some(entry) = lookup(lock, task, name).map_err(|e| StageError::Data(e.to_string()))?
    {
        // A publisher's checksum takes precedence; a lock that contradicts it fails below, in `record`.
        expected.sha256 = expected.sha256.or(Some(entry.sha256));
        expected.bytes = expected.bytes.or(Some(entry.bytes));
    }
    let (local, remote): (Vec<String>, Vec<String>) =
        addresses(task, name, &params.provenance).into_iter().partition(|url| url.starts_with("file://"));
    if local.is_empty() && (remote.is_empty() || params.provenance.offline) {
        let why = if params.provenance.offline { "offline, and no mirror is a folder" } else { "no address is known" };
        return Err(StageError::Data(format!(
            "{task}, file `{name}`: {why}; add a `file://` prefix to data.mirrors, or use data.source = \"files\" with data.dir, \
             or data.source = \"embedded\""
        )));
    }
    let mut problems = Vec::new();
    let mut wrong = true;
    for url in addresses(task, name, &params.provenance) {
        if params.provenance.offline && !url.starts_with("file://") {
            continue;
        }
        match bring(name, &url, &expected, downloader, context) {
            Ok(sums) => {
                if let Some(lock) = &params.provenance.lock {
                    let origin = path_of(&url);
                    let entry =
                        Entry { task: task.into(), name: name.clone(), bytes: sums.bytes, sha256: sums.sha256, origin };
                    record(lock, &entry).map_err(|e| StageError::Data(e.to_string()))?;
                }
                return Ok(());
            }
            Err(Trouble::Stage(error)) => return Err(error),
            Err(Trouble::Address(DownloadError::Stopped)) => return Err(StageError::Interrupted),
            Err(Trouble::Address(DownloadError::Disk { path, source })) => {
                return Err(StageError::from(io::Error::new(source.kind(), format!("{}: {source}", path.display()))));
            }
            Err(Trouble::Address(error)) => {
                wrong &= matches!(error, DownloadError::Wrong { .. }) || url.starts_with("file://");
                problems.push(error.to_string());
            }
        }
    }
    let message = format!(
        "{task}, file `{name}`: no address gave it; add a mirror to data.mirrors, or use data.source = \"files\" with data.dir\n  {}",
        problems.join("\n  ")
    );
    // Trying again soon helps against a network, not against other bytes or a file that is not there.
    Err(if wrong { StageError::Data(message) } else { StageError::Infrastructure(message) })
}

/// Mirrors first: who names one wants it used.
fn addresses(task: &str, name: &str, provenance: &Provenance) -> Vec<String> {
    let prefixes = provenance.mirrors.iter().map(|prefix| prefix.trim_end_matches('/'));
    let mirrors = prefixes.flat_map(|prefix| [format!("{prefix}/{name}"), format!("{prefix}/{task}/{name}")]);
    mirrors.chain(provenance.urls.get(name).into_iter().flatten().cloned()).collect()
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

enum Trouble {
    Address(DownloadError),
    Stage(StageError),
}

/// Brings one address to the output, verified. Bytes that fail are gone afterwards.
fn bring(
    name: &str,
    url: &str,
    expected: &Expected,
    downloader: &Downloader,
    context: &mut dyn Context,
) -> Result<Sums, Trouble> {
    let scratch = context.scratch().map_err(Trouble::Stage)?;
    let note = format!("{name} from {url}");
    loop {
        let downloaded = {
            let context: &dyn Context = context;
            let mut watch = |done, total| report(context, done, total, &note);
            downloader
                .get(url, expected.bytes, expected.identifies(), &scratch, &mut watch)
                .map_err(Trouble::Address)?
        };
        let disk = |source| Trouble::Address(DownloadError::Disk { path: downloaded.path.clone(), source });
        let mut reader = File::open(&downloaded.path).map_err(disk)?;
        let mut output = context.create(name).map_err(Trouble::Stage)?;
        let sums = {
            let context: &dyn Context = context;
            copy(&mut reader, &mut output, &mut |_| !context.stop_asked())
        };
        let sums = sums.map_err(|e| Trouble::Stage(interrupted(e)))?;
        let checked = expected.check(&sums);
        if checked.is_ok() {
            output.close().map_err(Trouble::Stage)?;
        }
        if downloaded.ours {
            std::fs::remove_file(&downloaded.path).map_err(disk)?;
        }
        match checked {
            Ok(()) => return Ok(sums),
            // Two versions may have been put together: once more from the start.
            Err(_) if downloaded.resumed => continue,
            Err(problem) => {
                return Err(Trouble::Address(DownloadError::Wrong { url: url.to_string(), problem }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_origin_has_no_host_and_no_folder_of_a_machine() {
        assert_eq!(path_of("https://host.example/a/b.mat?signature=1"), "/a/b.mat");
        assert_eq!(path_of("https://host.example"), "/");
        assert_eq!(path_of("file:///home/someone/b.mat"), "/b.mat");
    }
}
