//! Fetch: a task's raw files under their official names, from their publishers, a user's folder or the embedded generator.
//! Knows no content.

use crate::data::checksum::copy;
use crate::data::counts::{Counts, Origin, origin_of, resolve};
use crate::data::download::Downloader;
use crate::stages::amount::amount_settings;
use crate::stages::context::{Context, StageError};
use crate::stages::entry::{Kind, Setting};
use crate::stages::official_files::{FileSet, OfficialFile, Place, Provenance, bring, interrupted, report};
use crate::tasks::contract::generator::Generator;
use crate::tasks::contract::source::Source;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Input slot with the user's files (`data.source = "files"`), by their official names.
pub const EXTERNAL: &str = "external";

/// The settings of a fetch node, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchParams {
    pub origin: Origin,
    /// Empty where the origin is embedded, or pinned to the publishers.
    pub files: Vec<OfficialFile>,
    /// Sets of files that stand in for `files`, best first: the publishers' originals. Official origin only.
    pub publisher: Vec<Vec<OfficialFile>>,
    /// `data.origin`: the only place asked. Absent: `files`, and where these are gone `publisher`.
    pub pinned: Option<Place>,
    /// Embedded only: what the generator depends on.
    pub counts: Counts,
    pub seed: Option<u64>,
    /// The rest does not enter the key.
    pub provenance: Provenance,
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
        setting(
            "data.origin",
            Kind::Choice(&["hosted", "publisher"]),
            "Pins official data to `data.files` or to the publishers' originals; otherwise the latter serve where the former are gone.",
            true,
        ),
        setting(
            "data.publisher",
            Kind::Any,
            "The publishers' originals, as sets of files like `data.files`, best first; the task's definition has them.",
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
        let mut params = FetchParams {
            origin,
            files: vec![],
            publisher: vec![],
            pinned: None,
            counts: Counts::default(),
            seed: None,
            provenance,
        };
        if origin == Origin::Embedded {
            params.counts = resolve(source.counts(), settings, origin, size)?;
            let seed = settings.get("data.seed").map(|seed| serde_json::from_value(seed.clone()));
            params.seed = seed.transpose().map_err(|e| format!("`data.seed`: {e}"))?;
            return Ok(params);
        }
        let value = |key: &str| settings.get(key).cloned();
        if origin == Origin::Official {
            let pinned = value("data.origin").map(serde_json::from_value).transpose();
            params.pinned = pinned.map_err(|e| format!("`data.origin`: {e}"))?;
            let publisher = value("data.publisher").map(serde_json::from_value).transpose();
            params.publisher = publisher.map_err(|e| format!("`data.publisher`: {e}"))?.unwrap_or_default();
        }
        let task = source.task();
        if params.pinned == Some(Place::Publisher) {
            if params.publisher.is_empty() {
                return Err(format!(
                    "`data.origin`: for {task} no originals are known that could be fetched instead of the benchmark's files; \
                     leave it out, or list them in data.publisher with their addresses in data.urls"
                ));
            }
        } else {
            let named = source.files(settings);
            params.files = if named.is_empty() {
                let files = value("data.files").ok_or_else(|| format!("`data.files` is not set for {task}"))?;
                serde_json::from_value(files).map_err(|e| format!("`data.files`: {e}"))?
            } else {
                let plain = |name| OfficialFile { name, bytes: None, sha256: None, md5: None };
                named.into_iter().map(plain).collect()
            };
            check(&params.files, "data.files")?;
            // Originals stand in for what the benchmark hosts, never for files that the user chose.
            let chosen: BTreeSet<&str> = params.files.iter().map(|file| file.name.as_str()).collect();
            if params.pinned.is_some() || chosen != source.hosted().iter().copied().collect() {
                params.publisher.clear();
            }
        }
        params.publisher.iter().try_for_each(|set| check(set, "data.publisher"))?;
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
        if !self.publisher.is_empty() {
            settings.insert("data.publisher".into(), plain(serde_json::to_value(&self.publisher)));
        }
        if let Some(place) = self.pinned {
            settings.insert("data.origin".into(), plain(serde_json::to_value(place)));
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

/// Whether a set of files can be fetched and told apart; `key` is the setting that holds it.
fn check(files: &[OfficialFile], key: &str) -> Result<(), String> {
    for file in files {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !file.name.split('/').all(plain) || file.name.contains(['\\', '\0']) {
            return Err(format!("`{key}`: `{}` is no plain file name", file.name));
        }
        if files.iter().filter(|other| other.name == file.name).count() > 1 {
            return Err(format!("`{key}`: `{}` stands there twice", file.name));
        }
        let hexadecimal = |md5: &String| md5.len() == 32 && md5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if file.md5.as_ref().is_some_and(|md5| !hexadecimal(md5)) {
            return Err(format!("`{key}`: the MD5 of `{}` is not 32 lower-case hexadecimal characters", file.name));
        }
    }
    if files.is_empty() { Err(format!("`{key}` is empty")) } else { Ok(()) }
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
            let hosted = (!params.files.is_empty()).then_some(FileSet { place: Place::Hosted, files: &params.files });
            let originals = params.publisher.iter().map(|files| FileSet { place: Place::Publisher, files });
            let sets: Vec<FileSet> = hosted.into_iter().chain(originals).collect();
            bring(source.task(), &sets, &params.provenance, &Downloader::default(), context)
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
        file.expected().check(&sums).map_err(|problem| {
            StageError::Data(format!(
                "{task}, file `{name}`: {problem}; if this is the file you want, name it in data.files without checksum"
            ))
        })?;
    }
    output.close()
}
