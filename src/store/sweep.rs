//! Frees space by policy: first says what would go, then lets it go. What a live lease holds stays: its checkpoint, its
//! scratch folder, its inputs, and what it may have written but not yet published. Knows no manifest: which keys and
//! objects are still wanted, the caller says.

use crate::digest::Digest;
use crate::store::aside::maker;
use crate::store::clock::age;
use crate::store::error::StoreError;
use crate::store::lease::{LeaseOutcome, LiveLease};
use crate::store::record::{Found, Record};
use crate::store::store::Store;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What may go. The default removes nothing.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Checkpoints and scratch folders of nodes that have a record.
    pub checkpoints: bool,
    /// Half-written files and leases of dead processes.
    pub leftovers: bool,
    /// Objects that no record names, once they are older than `grace`.
    pub unreferenced: bool,
    pub grace: Duration,
    pub quarantine: bool,
    /// Logs older than this.
    pub logs: Option<Duration>,
    /// Records written longer ago than this, with their objects; and checkpoints of unfinished nodes untouched as long.
    pub older_than: Option<Duration>,
    /// Records of other keys, with their objects. Together with `older_than` a record goes if both say so.
    pub keep: Option<BTreeSet<Digest>>,
    /// Objects to keep although no record names them, such as the binary and the plan of a submitted run.
    pub roots: BTreeSet<Digest>,
    /// Everything, `roots` and the other fields notwithstanding.
    pub all: bool,
}

impl Policy {
    /// What nobody will miss: nothing that a run could use again.
    pub fn safe() -> Policy {
        let grace = Duration::from_secs(24 * 3600);
        Policy { checkpoints: true, leftovers: true, unreferenced: true, quarantine: true, grace, ..Policy::default() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Checkpoints,
    Leftovers,
    Objects,
    Records,
    Quarantine,
    Logs,
    Runs,
}

/// Files (for checkpoints and scratch: folders) and bytes of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    pub bytes: u64,
}

/// What went, or, in a dry run, would go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub classes: BTreeMap<Class, Tally>,
    /// What could not be removed, and why.
    pub failed: Vec<String>,
}

impl Swept {
    pub fn bytes(&self) -> u64 {
        self.classes.values().map(|tally| tally.bytes).sum()
    }

    fn add(&mut self, class: Class, bytes: u64) {
        let tally = self.classes.entry(class).or_default();
        tally.count += 1;
        tally.bytes += bytes;
    }
}

/// The objects a record names: its outputs, and the listings behind the digests of its key, which `why` reads.
fn names_of(record: &Record) -> Vec<Digest> {
    let mut names: Vec<Digest> = record.outputs.values().map(|blob| blob.digest).collect();
    let mut open = vec![&record.preimage];
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Object(map) => open.extend(map.values()),
            serde_json::Value::Array(list) => open.extend(list),
            serde_json::Value::String(text) => names.extend(text.parse::<Digest>()),
            _ => {}
        }
    }
    names
}

/// One thing to remove.
struct Item {
    class: Class,
    bytes: u64,
    what: What,
}

enum What {
    Record {
        stage: String,
        key: Digest,
    },
    Object {
        digest: Digest,
        path: PathBuf,
        modified: SystemTime,
    },
    /// Belongs to the node with this key.
    NodeFolder {
        key: Digest,
        path: PathBuf,
    },
    DeadLease {
        key: Option<Digest>,
        path: PathBuf,
    },
    File(PathBuf),
}

/// Objects written this long before a live lease began may still be its own: hosts' clocks differ.
const CLOCK_MARGIN: u64 = 3600;

impl Store {
    /// Removes what the policy says, or in a dry run only counts it. Records go before their objects.
    ///
    /// Errors: `Io` where the store cannot be listed, `Version` where a later program's record is in the way.
    pub fn sweep(&self, policy: &Policy, dry_run: bool) -> Result<Swept, StoreError> {
        let items = self.sweepable(policy)?;
        let mut swept = Swept::default();
        let live = if dry_run { None } else { Some(Live::new(self.live_leases()?)) };
        let mut records_went = false;
        for item in &items {
            if let Some(live) = &live {
                match self.remove(item, live) {
                    Ok(true) => records_went |= item.class == Class::Records,
                    Ok(false) => continue,
                    Err(error) => {
                        swept.failed.push(error.to_string());
                        continue;
                    }
                }
            }
            swept.add(item.class, item.bytes);
        }
        if records_went || policy.all && !dry_run {
            self.snapshot()?.rewrite_index();
        }
        Ok(swept)
    }

    fn sweepable(&self, policy: &Policy) -> Result<Vec<Item>, StoreError> {
        let now = self.file_system_time()?;
        let live = Live::new(self.live_leases()?);
        let objects = self.list_objects()?;
        let records = self.all_records()?;
        let mut items = Vec::new();

        let mut named: HashSet<Digest> = HashSet::new();
        let mut orphaned: HashSet<Digest> = HashSet::new();
        let mut finished: HashSet<Digest> = HashSet::new();
        for (stage, key, record) in records {
            let outputs = record.iter().flat_map(names_of);
            let old = self
                .record_written(&stage, &key)
                .is_none_or(|at| policy.older_than.is_some_and(|limit| age(now, at) > limit));
            let goes = !live.keys.contains(&key)
                && (policy.all
                    || match (&policy.keep, policy.older_than) {
                        (None, None) => false,
                        (None, Some(_)) => old,
                        (Some(keep), None) => !keep.contains(&key),
                        (Some(keep), Some(_)) => old && !keep.contains(&key),
                    });
            if goes {
                orphaned.extend(outputs);
                let bytes = self.record_bytes(&stage, &key);
                items.push(Item { class: Class::Records, bytes, what: What::Record { stage, key } });
            } else {
                named.extend(outputs);
                finished.extend(record.is_some().then_some(key));
            }
        }
        named.extend(&live.inputs);
        if !policy.all {
            named.extend(&policy.roots);
        }

        let mut sorted: Vec<Digest> = objects.into_iter().filter(|digest| !named.contains(digest)).collect();
        sorted.sort();
        for digest in sorted {
            let path = self.object_path(&digest);
            let Ok(found) = fs::metadata(&path) else { continue };
            let Ok(modified) = found.modified() else { continue };
            // Written since the sweep began: its record may come in a moment.
            if modified > now {
                continue;
            }
            let young = age(now, modified) < policy.grace;
            if (policy.all || orphaned.contains(&digest) || policy.unreferenced && !young) && !live.may_own(modified) {
                let what = What::Object { digest, path, modified };
                items.push(Item { class: Class::Objects, bytes: found.len(), what });
            }
        }

        let idle =
            |path: &Path| policy.older_than.is_some_and(|limit| newest(path).is_some_and(|at| age(now, at) > limit));
        let node_goes = |key: &Digest, path: &Path| {
            !live.keys.contains(key) && (policy.all || policy.checkpoints && finished.contains(key) || idle(path))
        };
        for (name, path, _) in list(&self.checkpoints())? {
            if let Ok(key) = name.parse()
                && node_goes(&key, &path)
            {
                let what = What::NodeFolder { key, path: path.clone() };
                items.push(Item { class: Class::Checkpoints, bytes: bytes_below(&path), what });
            }
        }
        for (name, path, found) in list(&self.tmp())? {
            if let Some(key) = name.strip_prefix("scratch-").and_then(|key| key.parse().ok()) {
                if node_goes(&key, &path) {
                    let what = What::NodeFolder { key, path: path.clone() };
                    items.push(Item { class: Class::Checkpoints, bytes: bytes_below(&path), what });
                }
            } else if let Some(process) = maker(&name) {
                let modified = found.modified().unwrap_or(now);
                let forgotten = process.is_far() && age(now, modified) > policy.grace.max(FORGOTTEN);
                if (policy.leftovers || policy.all) && (process.gone() || forgotten && !live.may_own(modified)) {
                    items.push(Item { class: Class::Leftovers, bytes: found.len(), what: What::File(path) });
                }
            }
        }
        if policy.leftovers || policy.all {
            for dead in self.dead_leases()? {
                let bytes = fs::metadata(&dead.path).map_or(0, |found| found.len());
                let what = What::DeadLease { key: dead.key, path: dead.path };
                items.push(Item { class: Class::Leftovers, bytes, what });
            }
        }
        if policy.quarantine || policy.all {
            self.files_older(&self.quarantine_root(), Class::Quarantine, None, now, &mut items)?;
        }
        if policy.logs.is_some() || policy.all {
            let limit = policy.logs.filter(|_| !policy.all);
            self.files_older(&self.logs(), Class::Logs, limit, now, &mut items)?;
        }
        if policy.all && live.keys.is_empty() {
            self.files_older(&self.runs(), Class::Runs, None, now, &mut items)?;
        }
        Ok(items)
    }

    /// All records, by stage and key; `None` for a damaged one, which names nothing.
    fn all_records(&self) -> Result<Vec<(String, Digest, Option<Record>)>, StoreError> {
        let mut keys = Vec::new();
        for stage in self.record_stages()? {
            let mut found = self.record_keys(&stage)?;
            found.sort();
            keys.extend(found.into_iter().map(|key| (stage.clone(), key)));
        }
        keys.par_iter()
            .map(|(stage, key)| {
                let record = match self.look_at_record(stage, key)? {
                    Found::Sound(record) => Some(*record),
                    Found::Damaged(_) | Found::Absent => None,
                };
                Ok((stage.clone(), *key, record))
            })
            .collect()
    }

    /// False where it must stay after all.
    fn remove(&self, item: &Item, live: &Live) -> Result<bool, StoreError> {
        let gone = |path: &Path, done: io::Result<()>| match done {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::io("remove", path, source)),
        };
        match &item.what {
            What::Record { key, .. } | What::NodeFolder { key, .. } if live.keys.contains(key) => Ok(false),
            What::Record { stage, key } => self.remove_record(stage, key).map(|()| true),
            What::NodeFolder { path, .. } => gone(path, fs::remove_dir_all(path)),
            What::Object { digest, .. } if live.inputs.contains(digest) => Ok(false),
            What::Object { path, modified, .. } => {
                // Somebody may have written the same content again meanwhile.
                let unchanged = fs::metadata(path).and_then(|found| found.modified()).is_ok_and(|at| at == *modified);
                if unchanged { gone(path, fs::remove_file(path)) } else { Ok(false) }
            }
            // Taken over and given back: the only way that cannot hit a successor's.
            What::DeadLease { key: Some(key), .. } => {
                self.lease(key, &[]).map(|outcome| matches!(outcome, LeaseOutcome::Held(_)))
            }
            What::DeadLease { key: None, path } | What::File(path) => gone(path, fs::remove_file(path)),
        }
    }

    /// All files below a folder that are older than `limit`.
    fn files_older(
        &self,
        folder: &Path,
        class: Class,
        limit: Option<Duration>,
        now: SystemTime,
        items: &mut Vec<Item>,
    ) -> Result<(), StoreError> {
        for (_, path, found) in list(folder)? {
            if found.is_dir() {
                self.files_older(&path, class, limit, now, items)?;
            } else if limit.is_none_or(|limit| found.modified().is_ok_and(|at| age(now, at) > limit)) {
                items.push(Item { class, bytes: found.len(), what: What::File(path) });
            }
        }
        Ok(())
    }
}

/// A half-written file of a process on another machine, which cannot be asked: a day without a write.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

struct Live {
    keys: HashSet<Digest>,
    inputs: HashSet<Digest>,
    /// The oldest lease began then, less the margin.
    since: Option<SystemTime>,
}

impl Live {
    fn new(leases: Vec<LiveLease>) -> Live {
        let since = leases.iter().map(|lease| lease.since).min();
        Live {
            keys: leases.iter().map(|lease| lease.key).collect(),
            inputs: leases.into_iter().flat_map(|lease| lease.inputs).collect(),
            since: since.map(|since| SystemTime::UNIX_EPOCH + Duration::from_secs(since.saturating_sub(CLOCK_MARGIN))),
        }
    }

    /// Whether a file of that time may have been written by a node that is still running.
    fn may_own(&self, modified: SystemTime) -> bool {
        self.since.is_some_and(|since| modified >= since)
    }
}

/// Entries of a folder by name, without following links.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf, Metadata)>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| StoreError::io("list", folder, source))? {
        let entry = entry.map_err(|source| StoreError::io("list", folder, source))?;
        // One that has gone meanwhile is not there.
        if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) {
            found.push((name, entry.path(), metadata));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn bytes_below(path: &Path) -> u64 {
    list(path)
        .unwrap_or_default()
        .iter()
        .map(|(_, path, found)| if found.is_dir() { bytes_below(path) } else { found.len() })
        .sum()
}

/// The last change of a folder or anything below it.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = fs::symlink_metadata(path).ok()?.modified().ok()?;
    let below = list(path)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(_, path, found)| if found.is_dir() { newest(&path) } else { found.modified().ok() });
    below.chain([own]).max()
}
