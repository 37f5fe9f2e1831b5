//! Leases: who is working on a key. A lease is a file, made if absent, whose modification time is its heartbeat; no
//! lock of the kernel is involved, so it works between hosts. Knows not what the work is.
//!
//! Taking a dead holder's lease away must not be able to hit the lease of somebody who was quicker. So the right to
//! remove the lease with token `t`, be it by its holder or by a successor, belongs to whoever makes the file `rm-t`,
//! and is used only if the lease still has token `t` after that. `rm-t` goes away only once the lease has another
//! token or is gone, and tokens are never used again: whoever makes `rm-t` too late sees it.

use crate::digest::Digest;
use crate::store::aside::Aside;
use crate::store::clock::{age, touch, unix_seconds};
use crate::store::error::StoreError;
use crate::store::process::Process;
use crate::store::sealed::{seal, unseal};
use crate::store::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub enum LeaseOutcome {
    Held(Lease),
    Busy {
        /// For people: process, user and host.
        holder: String,
    },
}

/// The sole right to work on a key, as long as it lives and its process runs. Dropped, it is given back.
pub struct Lease {
    store: Store,
    path: PathBuf,
    token: String,
}

/// The content of a lease file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Never used twice.
    token: String,
    process: Process,
    /// Unix seconds.
    since: u64,
    /// Objects that `sweep` must leave alone meanwhile.
    inputs: Vec<Digest>,
}

/// A lease file as it is found.
pub(super) struct Occupant {
    token: String,
    /// `None` where the file is damaged: then only its age counts.
    claim: Option<Claim>,
    modified: SystemTime,
}

impl Store {
    /// Asks for the lease of a key whose work reads the objects `inputs`. Does not wait.
    ///
    /// A holder that is certainly dead, or has not given a sign for [`Options::stale`](crate::store::store::Options),
    /// loses it.
    pub fn lease(&self, key: &Digest, inputs: &[Digest]) -> Result<LeaseOutcome, StoreError> {
        let path = self.leases().join(key.to_string());
        loop {
            let claim = Claim::new(inputs.to_vec());
            let mut aside = self.claim_aside(&claim)?;
            if aside.claim(&path)? {
                let file = aside.file().try_clone().map_err(|source| StoreError::io("keep open", &path, source))?;
                return Ok(LeaseOutcome::Held(self.held(path, claim.token, file)));
            }
            let now = modified(aside.file(), aside.path())?;
            let Some(occupant) = Occupant::look(&path)? else { continue };
            let holder = occupant.holder();
            if !occupant.dead(now, self.stale()) {
                return Ok(LeaseOutcome::Busy { holder });
            }
            let Some(right) = self.right_to_remove(&occupant, now)? else {
                return Ok(LeaseOutcome::Busy { holder: "another process that is taking it over".to_string() });
            };
            let ours = Occupant::look(&path)?.is_some_and(|found| found.token == occupant.token);
            let file = if ours { Some(aside.replace(&path)?) } else { None };
            drop(right);
            if let Some(file) = file {
                return Ok(LeaseOutcome::Held(self.held(path, claim.token, file)));
            }
        }
    }

    /// Keys with a lease whose holder may be alive, and the objects it reads; with since when.
    pub(super) fn live_leases(&self) -> Result<Vec<LiveLease>, StoreError> {
        let mut live = Vec::new();
        let now = self.file_system_time()?;
        for (key, path) in self.lease_files()? {
            let Some(occupant) = Occupant::look(&path)? else { continue };
            if !occupant.dead(now, self.stale()) {
                let (since, inputs) = match occupant.claim {
                    Some(claim) => (claim.since, claim.inputs),
                    None => (0, Vec::new()),
                };
                live.push(LiveLease { key, since, inputs });
            }
        }
        Ok(live)
    }

    fn lease_files(&self) -> Result<Vec<(Digest, PathBuf)>, StoreError> {
        let files = self.files_in_leases()?;
        Ok(files.into_iter().filter_map(|(name, path)| Some((name.parse().ok()?, path))).collect())
    }

    fn files_in_leases(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let folder = self.leases();
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|source| StoreError::io("list", &folder, source))? {
            let entry = entry.map_err(|source| StoreError::io("list", &folder, source))?;
            found.extend(entry.file_name().into_string().map(|name| (name, entry.path())));
        }
        Ok(found)
    }

    /// Lease files of the dead, by path.
    pub(super) fn dead_leases(&self) -> Result<Vec<DeadLease>, StoreError> {
        let now = self.file_system_time()?;
        let (mut dead, mut rights, mut tokens) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (name, path) in self.files_in_leases()? {
            let Some(occupant) = Occupant::look(&path)? else { continue };
            if let Some(token) = name.strip_prefix("rm-") {
                rights.push((token.to_string(), path, occupant.dead_for_sure(now, self.stale())));
            } else if let Ok(key) = name.parse()
                && occupant.dead(now, self.stale())
            {
                dead.push(DeadLease { key: Some(key), path });
            }
            tokens.insert(occupant.token);
        }
        // A right to remove what is gone is of no use to anybody: see the head of this file.
        let useless = rights.into_iter().filter(|(token, _, gone)| *gone && !tokens.contains(token));
        dead.extend(useless.map(|(_, path, _)| DeadLease { key: None, path }));
        dead.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(dead)
    }

    /// Now, by the clock that gives the store's files their times.
    pub(super) fn file_system_time(&self) -> Result<SystemTime, StoreError> {
        let aside = self.aside()?;
        modified(aside.file(), aside.path())
    }

    fn claim_aside(&self, claim: &Claim) -> Result<Aside, StoreError> {
        let mut aside = self.aside()?;
        let text = seal(claim).expect("a claim is JSON");
        aside.write_all(&text).map_err(|error| StoreError::from_io("write", &self.tmp(), error))?;
        Ok(aside)
    }

    fn held(&self, path: PathBuf, token: String, file: File) -> Lease {
        self.heart().add(&token, file);
        Lease { store: self.clone(), path, token }
    }

    /// The sole right to remove a lease file with this content; `None` where another process has it.
    fn right_to_remove(&self, occupant: &Occupant, now: SystemTime) -> Result<Option<Right>, StoreError> {
        let path = self.leases().join(format!("rm-{}", occupant.token));
        let claim = Claim::new(Vec::new());
        let mut aside = self.claim_aside(&claim)?;
        if aside.claim(&path)? {
            return Ok(Some(Right(path)));
        }
        // Its maker may have died in the few microseconds in between: the same game, one level up.
        let Some(other) = Occupant::look(&path)? else { return Ok(None) };
        if !other.dead_for_sure(now, self.stale()) {
            return Ok(None);
        }
        let Some(right) = self.right_to_remove(&other, now)? else { return Ok(None) };
        let ours = Occupant::look(&path)?.is_some_and(|found| found.token == other.token);
        if ours {
            aside.replace(&path)?;
        }
        drop(right);
        Ok(ours.then_some(Right(path)))
    }
}

pub(super) struct LiveLease {
    pub(super) key: Digest,
    pub(super) since: u64,
    pub(super) inputs: Vec<Digest>,
}

pub(super) struct DeadLease {
    /// `None` for a right to remove.
    pub(super) key: Option<Digest>,
    pub(super) path: PathBuf,
}

/// The file `rm-t`, removed at the end.
struct Right(PathBuf);

impl Drop for Right {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Lease {
    /// False once another process has taken the lease over, because this one seemed dead.
    pub fn still_mine(&self) -> bool {
        matches!(Occupant::look(&self.path), Ok(Some(found)) if found.token == self.token)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.store.heart().remove(&self.token);
        // Errors leave the file; without a heartbeat it goes stale.
        let Ok(Some(occupant)) = Occupant::look(&self.path) else { return };
        if occupant.token != self.token {
            return;
        }
        if let Ok(Some(_right)) = self.store.right_to_remove(&occupant, occupant.modified)
            && self.still_mine()
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Claim {
    fn new(inputs: Vec<Digest>) -> Claim {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = Process::this().clone();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Machine, process and count are unique; the time is for where the machine or the start is unknown.
        let nanoseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let Process { host, machine, pid, start, .. } = &process;
        let mut token = Digest::of(format!("{host} {machine} {pid} {start} {count} {nanoseconds}")).to_string();
        token.truncate(32);
        Claim { token, process, since: unix_seconds(), inputs }
    }
}

impl Occupant {
    /// Reads a lease file; `None` where there is none.
    fn look(path: &Path) -> Result<Option<Occupant>, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::io("open", path, source)),
        };
        let mut text = Vec::new();
        let read = file.read_to_end(&mut text);
        // Removed under our hands, a network file system may say `stale file handle`.
        if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::StaleNetworkFileHandle) {
            return Ok(None);
        }
        read.map_err(|source| StoreError::io("read", path, source))?;
        let claim = unseal::<Claim>(&text);
        let token = match &claim {
            Some(claim) => claim.token.clone(),
            None => format!("damaged-{}", Digest::of(&text).short()),
        };
        Ok(Some(Occupant { token, claim, modified: modified(&file, path)? }))
    }

    /// Its process has ended, or has given no sign for too long.
    fn dead(&self, now: SystemTime, stale: Duration) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.process.gone()) || age(now, self.modified) > stale
    }

    /// As `dead`, but a sleeping process of this machine counts as alive: nobody touches `rm-` files, as they live for
    /// microseconds, and one who was put to sleep with such a right must find it when waking up.
    fn dead_for_sure(&self, now: SystemTime, stale: Duration) -> bool {
        match &self.claim {
            Some(claim) if !claim.process.is_far() => claim.process.gone(),
            _ => self.dead(now, stale),
        }
    }

    fn holder(&self) -> String {
        match &self.claim {
            Some(claim) => claim.process.to_string(),
            None => "an unknown process (its lease file is damaged)".to_string(),
        }
    }
}

fn modified(file: &File, path: &Path) -> Result<SystemTime, StoreError> {
    file.metadata().and_then(|found| found.modified()).map_err(|source| StoreError::io("look at", path, source))
}

/// Keeps the leases of this process alive: one thread per store, which ends when there is nothing to do.
pub(super) struct Heart {
    beat: Duration,
    state: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    /// Open lease files by token. Touching the open file, never the path, cannot prolong anybody else's lease.
    files: BTreeMap<String, File>,
    beating: bool,
}

impl Heart {
    pub(super) fn new(beat: Duration) -> Heart {
        Heart { beat, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, token: &str, file: File) {
        let mut state = self.state();
        state.files.insert(token.to_string(), file);
        if !state.beating {
            let heart = Arc::clone(self);
            let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || heart.run());
            // Without a thread the lease holds until it is stale: `still_mine` tells.
            state.beating = thread.is_ok();
        }
    }

    fn remove(&self, token: &str) {
        self.state().files.remove(token);
        self.changed.notify_all();
    }

    fn run(&self) {
        let mut state = self.state();
        let mut due = std::time::Instant::now() + self.beat;
        while !state.files.is_empty() {
            let now = std::time::Instant::now();
            if now < due {
                state = self.changed.wait_timeout(state, due - now).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            due = now + self.beat;
            // A slow file system must not stop others from adding theirs.
            let files: Vec<File> = state.files.values().filter_map(|file| file.try_clone().ok()).collect();
            drop(state);
            for file in &files {
                let _ = touch(file);
            }
            drop(files);
            state = self.state();
        }
        state.beating = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, LeaseOutcome, Occupant};
    use crate::digest::Digest;
    use crate::store::process::Process;
    use crate::store::sealed::seal;
    use crate::store::store::{Options, Store};
    use std::fs;
    use std::time::Duration;

    fn store(stale_ms: u64) -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let options = Options { stale: Duration::from_millis(stale_ms), ..Options::default() };
        let store = Store::open_with(home.path(), options).unwrap();
        (home, store)
    }

    fn held(outcome: LeaseOutcome) -> super::Lease {
        match outcome {
            LeaseOutcome::Held(lease) => lease,
            LeaseOutcome::Busy { holder } => panic!("held by {holder}"),
        }
    }

    fn claim_of(process: Process) -> Claim {
        Claim { process, ..Claim::new(Vec::new()) }
    }

    #[test]
    fn one_holder_until_it_is_given_back() {
        let (_home, store) = store(60_000);
        let key = Digest::of("key");
        let lease = held(store.lease(&key, &[]).unwrap());
        assert!(lease.still_mine());
        match store.lease(&key, &[]).unwrap() {
            LeaseOutcome::Busy { holder } => assert!(holder.contains(&std::process::id().to_string()), "{holder}"),
            LeaseOutcome::Held(_) => panic!("two holders"),
        }
        held(store.lease(&Digest::of("other"), &[]).unwrap());
        drop(lease);
        assert_eq!(fs::read_dir(store.leases()).unwrap().count(), 0);
        held(store.lease(&key, &[]).unwrap());
    }

    #[test]
    fn the_heartbeat_keeps_it_and_silence_loses_it() {
        let (_home, store) = store(1000);
        let key = Digest::of("key");
        let lease = held(store.lease(&key, &[]).unwrap());
        std::thread::sleep(Duration::from_millis(2000));
        assert!(matches!(store.lease(&key, &[]).unwrap(), LeaseOutcome::Busy { .. }));
        store.heart().remove(&lease.token); // as if its thread hung
        std::thread::sleep(Duration::from_millis(1300));
        let next = held(store.lease(&key, &[]).unwrap());
        assert!(!lease.still_mine());
        drop(lease); // must not remove its successor's
        assert!(next.still_mine());
    }

    #[test]
    fn a_dead_process_loses_it_at_once_but_one_of_another_machine_only_by_silence() {
        let (_home, store) = store(60_000);
        let key = Digest::of("key");
        let path = store.leases().join(key.to_string());
        let dead = Process { start: Process::this().start + 1, ..Process::this().clone() };
        fs::write(&path, seal(&claim_of(dead.clone())).unwrap()).unwrap();
        drop(held(store.lease(&key, &[]).unwrap()));
        let far = Process { machine: "far".into(), ..dead };
        fs::write(&path, seal(&claim_of(far)).unwrap()).unwrap();
        assert!(matches!(store.lease(&key, &[]).unwrap(), LeaseOutcome::Busy { .. }));
    }

    #[test]
    fn a_remover_that_died_half_way_does_not_block_the_key() {
        let (_home, store) = store(60_000);
        let key = Digest::of("key");
        let path = store.leases().join(key.to_string());
        let dead = Process { start: Process::this().start + 1, ..Process::this().clone() };
        fs::write(&path, seal(&claim_of(dead.clone())).unwrap()).unwrap();
        // Two deaths one upon the other.
        let token = Occupant::look(&path).unwrap().unwrap().token;
        let right = store.leases().join(format!("rm-{token}"));
        fs::write(&right, seal(&claim_of(dead.clone())).unwrap()).unwrap();
        let token = Occupant::look(&right).unwrap().unwrap().token;
        fs::write(store.leases().join(format!("rm-{token}")), seal(&claim_of(dead)).unwrap()).unwrap();
        let lease = held(store.lease(&key, &[]).unwrap());
        assert!(lease.still_mine());
        drop(lease);
        assert_eq!(fs::read_dir(store.leases()).unwrap().count(), 0);
    }

    #[test]
    fn a_living_remover_is_respected() {
        let (_home, store) = store(1);
        let key = Digest::of("key");
        let path = store.leases().join(key.to_string());
        let dead = Process { start: Process::this().start + 1, ..Process::this().clone() };
        fs::write(&path, seal(&claim_of(dead)).unwrap()).unwrap();
        let token = Occupant::look(&path).unwrap().unwrap().token;
        let right = store.leases().join(format!("rm-{token}"));
        fs::write(&right, seal(&claim_of(Process::this().clone())).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(matches!(store.lease(&key, &[]).unwrap(), LeaseOutcome::Busy { .. }));
        fs::remove_file(&right).unwrap();
        held(store.lease(&key, &[]).unwrap());
    }

    #[test]
    fn a_damaged_lease_file_counts_until_it_is_old() {
        let (_home, store) = store(1000);
        let key = Digest::of("key");
        let path = store.leases().join(key.to_string());
        let whole = seal(&Claim::new(vec![key])).unwrap();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(store.lease(&key, &[]).unwrap(), LeaseOutcome::Busy { .. }));
            assert!(store.live_leases().unwrap().iter().any(|live| live.key == key));
        }
        std::thread::sleep(Duration::from_millis(1300));
        held(store.lease(&key, &[]).unwrap());
    }
}
