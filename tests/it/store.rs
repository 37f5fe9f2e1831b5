//! The store as others use it: several processes, kills, torn and flipped bytes, full disks, moved folders, and gc.

use nasperf_pipe::digest::Digest;
use nasperf_pipe::stages::entry::Names;
use nasperf_pipe::store::error::StoreError;
use nasperf_pipe::store::lease::{Lease, LeaseOutcome};
use nasperf_pipe::store::object::BlobRef;
use nasperf_pipe::store::record::{Outputs, Provenance, Published, Record};
use nasperf_pipe::store::store::{Durability, Options, Store};
use nasperf_pipe::store::sweep::{Class, Policy};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Tests of the logic need not flush the disk; those of durability open their own.
fn quick() -> Options {
    Options { durability: Durability::Rename, ..Options::default() }
}

fn scratch() -> (TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_with(&home.path().join("cache"), quick()).unwrap();
    (home, store)
}

fn record(stage: &str, key: &Digest, outputs: &[(&str, BlobRef)]) -> Record {
    Record {
        format: Record::FORMAT,
        key: *key,
        stage: stage.to_string(),
        names: Names { task: Some("darcy".into()), seed: Some(3), ..Names::default() },
        preimage: json!({ "stage": stage, "parameters": { "epochs": 2, "rate": 0.25 } }),
        outputs: outputs.iter().map(|(name, blob)| (name.to_string(), *blob)).collect(),
        provenance: Provenance { started: 1_700_000_000, seconds: 1.5, host: "fox".into(), ..Provenance::default() },
        observations: Vec::new(),
    }
}

/// Puts `text` and publishes a record with it as the only output.
fn finish(store: &Store, key: &Digest, text: &str) -> Published {
    let blob = store.put(text.as_bytes()).unwrap();
    store.publish(&record("retrain", key, &[("weights", blob)])).unwrap()
}

fn object_path(store: &Store, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    store.root().join("objects-v1").join(&name[..2]).join(name)
}

fn record_path(store: &Store, key: &Digest) -> PathBuf {
    store.root().join(format!("records-v1/retrain/{key}.json"))
}

fn files_in(path: PathBuf) -> usize {
    fs::read_dir(path).unwrap().count()
}

/// Every cut and every flipped bit of a file.
fn damages(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..whole.len()).map(|length| whole[..length].to_vec());
    let flips = (0..whole.len() * 8).map(|bit| {
        let mut bad = whole.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        bad
    });
    cuts.chain(flips)
}

struct Noise(u64);

impl Noise {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % below
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next(256) as u8).collect()
    }
}

fn held(outcome: LeaseOutcome) -> Option<Lease> {
    match outcome {
        LeaseOutcome::Held(lease) => Some(lease),
        LeaseOutcome::Busy { .. } => None,
    }
}

#[test]
fn a_published_record_is_a_hit_and_comes_back_whole() {
    let (_home, store) = scratch();
    let key = Digest::of("key");
    assert_eq!(store.hit("retrain", &key).unwrap(), None);
    let (a, b) = (store.put(b"weights").unwrap(), store.put(b"curve").unwrap());
    let record = record("retrain", &key, &[("weights.safetensors", a), ("curve", b)]);
    assert_eq!(store.publish(&record).unwrap(), Published::First);
    assert_eq!(store.record("retrain", &key).unwrap().unwrap(), record);
    assert_eq!(store.records("retrain").unwrap(), std::slice::from_ref(&record));
    assert_eq!(store.hit("retrain", &key).unwrap().unwrap(), record.outputs);
    assert_eq!(*store.snapshot().unwrap().hit(&key).unwrap(), record.outputs);
    assert_eq!(store.publish(&record).unwrap(), Published::Same);
    assert_eq!(store.record("search", &key).unwrap(), None);
}

#[test]
fn a_record_needs_its_blobs_and_plain_names() {
    let (_home, store) = scratch();
    let key = Digest::of("key");
    let absent = BlobRef { digest: Digest::of("absent"), size: 6 };
    let answer = store.publish(&record("retrain", &key, &[("weights", absent)]));
    assert!(matches!(answer, Err(StoreError::Missing { digest }) if digest == absent.digest));
    assert!(matches!(store.publish(&record("../evil", &key, &[])), Err(StoreError::Name { .. })));
    assert!(matches!(store.record("a/b", &key), Err(StoreError::Name { .. })));
    assert!(matches!(store.records(""), Err(StoreError::Name { .. })));
    let mut endless = record("retrain", &key, &[]);
    endless.provenance.seconds = f64::NAN;
    assert!(matches!(store.publish(&endless), Err(StoreError::Name { .. })));
    assert_eq!(store.record("retrain", &key).unwrap(), None);
}

#[test]
fn the_first_result_stays_and_another_is_an_observation() {
    let (_home, store) = scratch();
    let key = Digest::of("key");
    assert_eq!(finish(&store, &key, "one"), Published::First);
    for text in ["two", "three", "two"] {
        assert_eq!(finish(&store, &key, text), Published::Different);
    }
    assert_eq!(finish(&store, &key, "one"), Published::Same);
    let found = store.record("retrain", &key).unwrap().unwrap();
    assert_eq!(found.outputs["weights"].digest, Digest::of("one"));
    let mut seen: Vec<Digest> = found.observations.iter().map(|seen| seen.outputs["weights"].digest).collect();
    seen.sort();
    let mut expected = [Digest::of("two"), Digest::of("three")];
    expected.sort();
    assert_eq!(seen, expected);
    assert!(found.observations.iter().all(|seen| seen.when > 1_700_000_000));
    assert_eq!(store.records("retrain").unwrap().len(), 1);
}

#[test]
fn a_result_whose_blob_is_gone_gives_way() {
    let (_home, store) = scratch();
    let key = Digest::of("key");
    finish(&store, &key, "one");
    fs::remove_file(object_path(&store, &Digest::of("one"))).unwrap();
    assert_eq!(store.hit("retrain", &key).unwrap(), None);
    assert!(store.snapshot().unwrap().hit(&key).is_none());
    // The same again: a hit again.
    assert_eq!(finish(&store, &key, "one"), Published::Same);
    assert!(store.snapshot().unwrap().hit(&key).is_some());
    // Something else: it counts, and the difference is on record.
    fs::remove_file(object_path(&store, &Digest::of("one"))).unwrap();
    assert_eq!(finish(&store, &key, "two"), Published::Different);
    let found = store.record("retrain", &key).unwrap().unwrap();
    assert_eq!(found.outputs["weights"].digest, Digest::of("two"));
    assert_eq!(found.observations[0].outputs["weights"].digest, Digest::of("one"));
    assert_eq!(*store.snapshot().unwrap().hit(&key).unwrap(), found.outputs);
    // Also where the index was lost before the change reached it.
    store.put(b"one").unwrap();
    assert_eq!(*store.snapshot().unwrap().hit(&key).unwrap(), found.outputs);
}

#[test]
fn a_torn_or_flipped_record_is_no_record_and_never_a_wrong_one() {
    let (_home, store) = scratch();
    let key = Digest::of("key");
    finish(&store, &key, "one");
    let path = record_path(&store, &key);
    let whole = fs::read(&path).unwrap();
    let mut count = 0;
    for bad in damages(&whole) {
        fs::write(&path, bad).unwrap();
        assert_eq!(store.record("retrain", &key).unwrap(), None);
        assert!(!path.exists(), "it is in quarantine");
        count += 1;
    }
    assert_eq!(files_in(store.root().join("quarantine")), count);
    assert_eq!(finish(&store, &key, "one"), Published::First);
    // Publishing over a damaged file works too.
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(finish(&store, &key, "two"), Published::First);
    // A sound record under a wrong name is not the record of that name.
    let other = Digest::of("other");
    fs::copy(&path, record_path(&store, &other)).unwrap();
    assert_eq!(store.record("retrain", &other).unwrap(), None);
}

#[test]
fn a_torn_or_flipped_object_is_never_read_as_good() {
    let (_home, store) = scratch();
    let text = "epoch 1 loss 0.5\n".repeat(20);
    let blob = store.put(text.as_bytes()).unwrap();
    let path = object_path(&store, &blob.digest);
    let whole = fs::read(&path).unwrap();
    let mut noticed = 0;
    for bad in damages(&whole) {
        let cut = bad.len() < whole.len();
        fs::write(&path, bad).unwrap();
        match store.read(&blob.digest) {
            // Some bits of a zstd frame mean nothing.
            Ok(bytes) => assert!(!cut && bytes == text.as_bytes()),
            Err(StoreError::Corrupt { digest }) => {
                assert_eq!(digest, blob.digest);
                assert!(!store.has(&blob.digest));
                noticed += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(noticed > whole.len() * 8);
    store.put(text.as_bytes()).unwrap();
    store.verify(&blob.digest).unwrap();
}

#[test]
fn the_index_is_never_the_truth() {
    let (_home, store) = scratch();
    let keys: Vec<Digest> = (0..40).map(|i| Digest::of(format!("key {i}"))).collect();
    for (i, key) in keys.iter().enumerate() {
        finish(&store, key, &format!("weights {i}"));
    }
    let truth =
        |store: &Store| -> Vec<Option<Outputs>> { keys.iter().map(|key| store.hit("retrain", key).unwrap()).collect() };
    let agree = |what: &str| {
        let expected = truth(&store);
        let snapshot = store.snapshot().unwrap();
        for (key, expected) in keys.iter().zip(&expected) {
            assert_eq!(snapshot.hit(key).as_deref(), expected.as_ref(), "{what}");
        }
        expected.iter().flatten().count()
    };
    let index = store.root().join("index-v1");
    assert_eq!(agree("as written"), 40);
    let whole = fs::read(&index).unwrap();
    let mut noise = Noise(7);
    for round in 0..300 {
        let mut bad = whole.clone();
        match round % 4 {
            0 => bad.truncate(noise.next(whole.len() as u64) as usize),
            1 => {
                let at = noise.next(whole.len() as u64) as usize;
                bad[at] ^= 1 << noise.next(8);
            }
            2 => {
                let at = noise.next(whole.len() as u64) as usize;
                let end = (at + noise.next(500) as usize).min(bad.len());
                bad[at..end].fill(0);
            }
            _ => {
                let at = noise.next(whole.len() as u64) as usize;
                bad.splice(at..at, b"rubbish\n".iter().copied());
            }
        }
        fs::write(&index, bad).unwrap();
        assert_eq!(agree("damaged"), 40);
    }
    // Repaired: now the record files need not be read. A snapshot of files that cannot be parsed shows it.
    store.snapshot().unwrap();
    let kept = fs::read(record_path(&store, &keys[0])).unwrap();
    fs::write(record_path(&store, &keys[0]), "damaged after the index was repaired").unwrap();
    assert!(store.snapshot().unwrap().hit(&keys[0]).is_some(), "from the index");
    fs::write(record_path(&store, &keys[0]), kept).unwrap();

    fs::remove_file(&index).unwrap();
    assert_eq!(agree("without an index"), 40);
    assert!(index.exists());
    fs::remove_file(record_path(&store, &keys[1])).unwrap();
    fs::remove_file(object_path(&store, &Digest::of("weights 2"))).unwrap();
    assert_eq!(agree("files removed by hand"), 38);
    assert!(store.snapshot().unwrap().hit(&Digest::of("never heard of")).is_none());
    // Lines that were superseded do not pile up.
    for _ in 0..40 {
        let text = fs::read(&index).unwrap();
        OpenOptions::new().append(true).open(&index).unwrap().write_all(&text[..text.len().min(40_000)]).unwrap();
    }
    let before = fs::metadata(&index).unwrap().len();
    assert_eq!(agree("grown"), 38);
    let after = fs::metadata(&index).unwrap().len();
    assert!(after * 10 < before, "{before} -> {after}");
    assert_eq!(agree("rewritten"), 38);
}

#[test]
fn a_moved_or_copied_store_keeps_every_hit() {
    let (home, store) = scratch();
    let keys: Vec<Digest> = (0..20).map(|i| Digest::of(format!("key {i}"))).collect();
    for key in &keys {
        finish(&store, key, &format!("weights of {key}"));
        store.checkpoint(key).save(b"state").unwrap();
    }
    let root = store.root().to_path_buf();
    drop(store);
    let moved = home.path().join("elsewhere/deep");
    fs::create_dir_all(moved.parent().unwrap()).unwrap();
    fs::rename(&root, &moved).unwrap();
    let copied = home.path().join("copy");
    copy_folder(&moved, &copied);
    for root in [moved, copied] {
        let store = Store::open_with(&root, quick()).unwrap();
        let snapshot = store.snapshot().unwrap();
        for key in &keys {
            let outputs = snapshot.hit(key).unwrap();
            assert_eq!(store.read(&outputs["weights"].digest).unwrap(), format!("weights of {key}").as_bytes());
            assert_eq!(store.checkpoint(key).load().unwrap().unwrap(), b"state");
        }
        // Nothing in it says where it is.
        let place = home.path().to_str().unwrap().as_bytes().to_vec();
        for_each_file(&root, &mut |path| {
            let bytes = fs::read(path).unwrap();
            assert!(!bytes.windows(place.len()).any(|window| window == place), "{}", path.display());
        });
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn for_each_file(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            for_each_file(&path, visit);
        } else {
            visit(&path);
        }
    }
}

#[test]
fn of_many_threads_publishing_one_key_one_is_first() {
    let (_home, store) = scratch();
    for round in 0..50 {
        let key = Digest::of(format!("key {round}"));
        let barrier = std::sync::Barrier::new(8);
        let answers: Vec<Published> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|i| {
                    let (store, key, barrier) = (&store, &key, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        // Half of them agree.
                        finish(store, key, &format!("weights {}", i / 4))
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        let count = |kind| answers.iter().filter(|&&answer| answer == kind).count();
        assert_eq!((count(Published::First), count(Published::Same), count(Published::Different)), (1, 3, 4));
        let found = store.record("retrain", &key).unwrap().unwrap();
        assert_eq!(found.observations.len(), 1);
    }
    assert_eq!(files_in(store.root().join("tmp")), 0);
}

#[test]
fn eight_threads_on_many_leases_never_share_one() {
    let (_home, store) = scratch();
    let keys: Vec<Digest> = (0..25).map(|i| Digest::of(format!("key {i}"))).collect();
    let inside: Vec<std::sync::atomic::AtomicU32> = keys.iter().map(|_| Default::default()).collect();
    let taken = std::sync::atomic::AtomicU32::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (store, keys, inside, taken) = (&store, &keys, &inside, &taken);
            scope.spawn(move || {
                let mut noise = Noise(thread);
                for _ in 0..300 {
                    let at = noise.next(keys.len() as u64) as usize;
                    if let Some(lease) = held(store.lease(&keys[at], &[]).unwrap()) {
                        assert_eq!(inside[at].fetch_add(1, order), 0, "two holders");
                        taken.fetch_add(1, order);
                        assert!(lease.still_mine());
                        std::thread::yield_now();
                        assert_eq!(inside[at].fetch_sub(1, order), 1);
                        drop(lease);
                    }
                }
            });
        }
    });
    assert!(taken.into_inner() > 100);
    assert_eq!(files_in(store.root().join("leases-v1")), 0);
    assert_eq!(files_in(store.root().join("tmp")), 0);
}

/// What a child process of these tests does; the parent says it in the environment.
const ROLE: &str = "NASPERF_STORE_ROLE";
const ROOT: &str = "NASPERF_STORE_ROOT";

fn child(role: &str, root: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::as_a_child_process", "--ignored", "--nocapture", "--test-threads", "1"])
        .env(ROLE, role)
        .env(ROOT, root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "a part of other tests, which start it with a role"]
fn as_a_child_process() {
    let (Ok(role), Ok(root)) = (std::env::var(ROLE), std::env::var(ROOT)) else {
        println!("no role given: the tests that need this start it themselves");
        return;
    };
    let store = Store::open(Path::new(&root)).unwrap();
    match role.as_str() {
        "die with leases" => {
            let leases: Vec<_> =
                (0..KEYS).map(|i| held(store.lease(&Digest::of(format!("key {i}")), &[]).unwrap()).unwrap()).collect();
            assert_eq!(leases.len(), KEYS);
            // Half a blob stays in tmp as well.
            let mut writer = store.create().unwrap();
            writer.write_all(&vec![1; 3_000_000]).unwrap();
            std::process::abort();
        }
        "take leases" => {
            for i in 0..KEYS {
                let Some(lease) = held(store.lease(&Digest::of(format!("key {i}")), &[]).unwrap()) else { continue };
                // Whoever holds it is alone in here.
                let marker = Path::new(&root).join(format!("marker-{i}"));
                OpenOptions::new().write(true).create_new(true).open(&marker).expect("two holders");
                std::thread::sleep(Duration::from_micros(300));
                fs::remove_file(&marker).unwrap();
                assert!(lease.still_mine());
                let mut log = OpenOptions::new().append(true).create(true).open(format!("{root}/taken")).unwrap();
                log.write_all(format!("{i}\n").as_bytes()).unwrap();
            }
        }
        "work" => {
            let checkpoint = store.checkpoint(&Digest::of("long"));
            // The last one again: what was cut off may have been its flush.
            let done = store.records("retrain").unwrap().len();
            println!("working");
            for round in done.saturating_sub(1).. {
                let key = Digest::of(format!("key {round}"));
                let lease = store.lease(&key, &[]).unwrap();
                let mut writer = store.create().unwrap();
                for _ in 0..5 {
                    writer.write_all(format!("weights {round}\n").repeat(10_000).as_bytes()).unwrap();
                }
                let blob = writer.finish().unwrap();
                checkpoint.save(format!("round {round} ").repeat(1000).as_bytes()).unwrap();
                store.publish(&record("retrain", &key, &[("weights", blob)])).unwrap();
                drop(lease);
                println!("working");
            }
        }
        other => panic!("unknown role {other}"),
    }
}

const KEYS: usize = 60;

#[test]
fn processes_take_over_the_leases_of_a_dead_one_without_ever_sharing_one() {
    let (_home, store) = scratch();
    let mut dead = child("die with leases", store.root());
    assert!(!dead.wait().unwrap().success());
    assert_eq!(files_in(store.root().join("leases-v1")), KEYS);
    assert_eq!(files_in(store.root().join("tmp")), 1);
    let workers: Vec<Child> = (0..4).map(|_| child("take leases", store.root())).collect();
    for worker in workers {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let taken: BTreeSet<String> =
        fs::read_to_string(store.root().join("taken")).unwrap().lines().map(str::to_string).collect();
    assert_eq!(taken.len(), KEYS, "each was taken over by somebody");
    assert_eq!(files_in(store.root().join("leases-v1")), 0);
    let policy = Policy { leftovers: true, ..Policy::default() };
    let swept = store.sweep(&policy, false).unwrap();
    assert_eq!(swept.classes[&Class::Leftovers].count, 1);
    assert_eq!(files_in(store.root().join("tmp")), 0);
}

#[test]
fn a_process_killed_at_any_moment_leaves_the_old_state_or_the_new() {
    let (_home, store) = scratch();
    let mut noise = Noise(3);
    let mut published = 0;
    for _ in 0..12 {
        let mut worker = child("work", store.root());
        // It says so at the start and after each record; the first may be one that was there.
        let mut lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let rounds = 3 + noise.next(4) as usize;
        assert_eq!(lines.by_ref().filter(|line| line.as_ref().unwrap() == "working").take(rounds).count(), rounds);
        std::thread::sleep(Duration::from_micros(noise.next(20_000)));
        worker.kill().unwrap();
        worker.wait().unwrap();
        // What it held is free at once, and what is recorded is whole.
        let snapshot = store.snapshot().unwrap();
        let records = store.records("retrain").unwrap();
        assert_eq!(snapshot.len(), records.len());
        for (round, record) in records.iter().enumerate() {
            assert_eq!(*snapshot.hit(&record.key).unwrap(), record.outputs);
            store.verify(&record.outputs["weights"].digest).unwrap();
            assert!(held(store.lease(&Digest::of(format!("key {round}")), &[]).unwrap()).is_some());
        }
        published = published.max(records.len());
        if let Some(state) = store.checkpoint(&Digest::of("long")).load().unwrap() {
            let text = String::from_utf8(state).unwrap();
            let first = text.split_inclusive("d ").next().unwrap();
            assert!(text.starts_with("round ") && !first.is_empty());
            let number = text.split(' ').nth(1).unwrap();
            assert_eq!(text, format!("round {number} ").repeat(1000));
        }
        assert_eq!(files_in(store.root().join("quarantine")), 0);
        let policy = Policy { leftovers: true, ..Policy::default() };
        store.sweep(&policy, false).unwrap();
        assert_eq!(files_in(store.root().join("tmp")), 0);
        assert_eq!(files_in(store.root().join("leases-v1")), 0);
    }
    assert!(published >= 12, "each worker added at least one: {published}");
}

#[test]
fn gc_removes_what_the_policy_says_and_a_dry_run_says_the_same() {
    let (_home, store) = scratch();
    let (done, other, running) = (Digest::of("done"), Digest::of("other"), Digest::of("running"));
    finish(&store, &done, "weights");
    finish(&store, &other, "other weights");
    store.put(b"nobody's").unwrap();
    let root_blob = store.put(b"the plan of a run").unwrap();
    let input = store.put(b"input of a running node").unwrap();
    for key in [&done, &running, &Digest::of("interrupted")] {
        store.checkpoint(key).save(b"state").unwrap();
        fs::write(store.scratch(key).unwrap().join("part"), b"half").unwrap();
    }
    fs::write(store.logs().join("node.log"), "log").unwrap();
    fs::write(store.root().join("quarantine/object-x"), "damaged").unwrap();

    let run = |policy: &Policy| {
        let would = store.sweep(policy, true).unwrap();
        assert_eq!(store.sweep(policy, true).unwrap(), would, "a dry run changes nothing");
        let did = store.sweep(policy, false).unwrap();
        assert_eq!(did, would);
        assert_eq!(store.sweep(policy, true).unwrap().bytes(), 0, "nothing is left of it");
        let counts: Vec<(Class, u64)> = did.classes.iter().map(|(class, tally)| (*class, tally.count)).collect();
        counts
    };

    let lease = held(store.lease(&running, &[input.digest]).unwrap()).unwrap();
    assert_eq!(run(&Policy::default()), []);
    assert_eq!(run(&Policy { checkpoints: true, ..Policy::default() }), [(Class::Checkpoints, 2)]);
    assert_eq!(run(&Policy { quarantine: true, ..Policy::default() }), [(Class::Quarantine, 1)]);
    assert_eq!(run(&Policy { logs: Some(Duration::from_secs(60)), ..Policy::default() }), []);
    assert_eq!(run(&Policy { logs: Some(Duration::ZERO), ..Policy::default() }), [(Class::Logs, 1)]);
    // While a lease lives, young objects may be its own.
    let unreferenced = Policy { unreferenced: true, roots: [root_blob.digest].into(), ..Policy::default() };
    assert_eq!(run(&unreferenced), []);
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3 * 3600);
    for digest in [Digest::of("nobody's"), input.digest, root_blob.digest] {
        fs::File::open(object_path(&store, &digest)).unwrap().set_modified(hour_ago).unwrap();
    }
    assert_eq!(run(&Policy { grace: Duration::from_secs(6 * 3600), ..unreferenced.clone() }), []);
    assert_eq!(run(&unreferenced), [(Class::Objects, 1)]);
    assert!(store.has(&input.digest) && store.has(&root_blob.digest) && !store.has(&Digest::of("nobody's")));
    drop(lease);
    assert_eq!(run(&unreferenced), [(Class::Objects, 1)], "the input is nobody's now");

    // Records by age and by keys.
    assert_eq!(run(&Policy { older_than: Some(Duration::from_secs(3600)), ..Policy::default() }), []);
    let keep = Policy { keep: Some([done].into()), roots: [root_blob.digest].into(), ..Policy::default() };
    assert_eq!(run(&keep), [(Class::Objects, 1), (Class::Records, 1)]);
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.hit(&done).is_some() && snapshot.hit(&other).is_none());
    assert!(!store.has(&Digest::of("other weights")) && store.has(&Digest::of("weights")));
    fs::File::open(record_path(&store, &done)).unwrap().set_modified(hour_ago).unwrap();
    let old = Policy { older_than: Some(Duration::from_secs(3600)), keep: Some([done].into()), ..Policy::default() };
    assert_eq!(run(&old), [], "kept although old");
    assert_eq!(run(&Policy { keep: None, ..old }), [(Class::Objects, 1), (Class::Records, 1)]);

    // Everything, but not what a lease holds.
    let lease = held(store.lease(&running, &[]).unwrap()).unwrap();
    finish(&store, &running, "of a running node");
    let counts = run(&Policy { all: true, ..Policy::default() });
    assert!(counts.contains(&(Class::Checkpoints, 2)), "those of the interrupted node: {counts:?}");
    assert!(store.hit("retrain", &running).unwrap().is_some());
    assert_eq!(store.checkpoint(&running).load().unwrap().unwrap(), b"state");
    drop(lease);
    run(&Policy { all: true, ..Policy::default() });
    let mut left = Vec::new();
    for_each_file(store.root(), &mut |path| left.push(path.to_path_buf()));
    assert!(left.is_empty(), "{left:?}");
    finish(&store, &done, "weights");
    assert!(store.snapshot().unwrap().hit(&done).is_some(), "and it can be used again");
}

#[test]
fn gc_spares_an_object_that_is_written_again_while_it_runs() {
    let (_home, store) = scratch();
    let blob = store.put(b"content").unwrap();
    let ago = std::time::SystemTime::now() - Duration::from_secs(7200);
    fs::File::open(object_path(&store, &blob.digest)).unwrap().set_modified(ago).unwrap();
    let policy = Policy { unreferenced: true, grace: Duration::from_secs(3600), ..Policy::default() };
    assert_eq!(store.sweep(&policy, true).unwrap().classes[&Class::Objects].count, 1);
    store.put(b"content").unwrap();
    assert_eq!(store.sweep(&policy, false).unwrap().bytes(), 0);
    assert!(store.has(&blob.digest));
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let home = tempfile::tempdir().unwrap();
    let mount = home.path().join("small");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&mount)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("skipped: mounting a small tmpfs needs root");
        return;
    }
    struct Unmount(PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(mount.clone());
    let store = Store::open(&mount.join("cache")).unwrap();
    let key = Digest::of("key");
    finish(&store, &key, "small");
    store.checkpoint(&key).save(b"state").unwrap();
    let noise = Noise(1).bytes(8 << 20);

    let error = store.put(&noise).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    let mut writer = store.create().unwrap();
    let error = writer.write_all(&noise).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    drop(writer);
    let error = store.checkpoint(&key).save(&noise).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(files_in(store.root().join("tmp")), 0);
    assert_eq!(store.checkpoint(&key).load().unwrap().unwrap(), b"state");

    // To the last byte: then even a record does not fit.
    let blob = store.put(b"another").unwrap();
    let mut filler = fs::File::create(mount.join("filler")).unwrap();
    while filler.write(&noise[..4096]).is_ok() {}
    let mut large = record("retrain", &Digest::of("large"), &[("weights", blob)]);
    large.preimage = json!("x".repeat(100_000));
    let error = store.publish(&large).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(store.record("retrain", &large.key).unwrap(), None);
    assert!(store.hit("retrain", &key).unwrap().is_some());
    assert!(store.snapshot().unwrap().hit(&key).is_some());
    drop(filler);
    fs::remove_file(mount.join("filler")).unwrap();
    assert_eq!(store.publish(&large).unwrap(), Published::First);
}

/// Measurements, printed: `NASPERF_BENCH=1 cargo test --test it store::bench -- --nocapture --test-threads 1`.
fn bench() -> bool {
    let asked = std::env::var_os("NASPERF_BENCH").is_some();
    if !asked {
        println!("skipped: set NASPERF_BENCH=1 to measure");
    }
    asked
}

/// A folder on the disk that holds the build, as /tmp may be memory.
fn on_disk() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn bench_snapshot_of_100_000_records() {
    if !bench() {
        return;
    }
    let home = on_disk();
    let store = Store::open_with(&home.path().join("cache"), quick()).unwrap();
    let keys: Vec<Digest> = (0..100_000).map(|i| Digest::of(format!("key {i}"))).collect();
    let start = Instant::now();
    for (i, key) in keys.iter().enumerate() {
        let stage = ["fetch", "preprocess", "search", "retrain", "evaluate"][i % 5];
        let blobs: Vec<BlobRef> = (0..2).map(|output| store.put(format!("{output} {i}").as_bytes()).unwrap()).collect();
        store.publish(&record(stage, key, &[("weights.safetensors", blobs[0]), ("curve", blobs[1])])).unwrap();
    }
    println!("publish, unflushed: {:.3} ms a node with two blobs", start.elapsed().as_secs_f64() / 100.0);
    let measure = |what: &str| {
        let (start, busy) = (Instant::now(), processor_time());
        let snapshot = store.snapshot().unwrap();
        let taken = start.elapsed().as_secs_f64();
        let hits = keys.iter().filter(|key| snapshot.hit(key).is_some()).count();
        assert_eq!(hits, keys.len());
        let (all, busy) = (start.elapsed().as_secs_f64(), processor_time() - busy);
        println!("{what}: snapshot {taken:.3} s, with 100,000 hits {all:.3} s, processor time {busy:.2} s");
    };
    measure("first");
    measure("again");
    fs::remove_file(store.root().join("index-v1")).unwrap();
    measure("without an index");
    measure("after the repair");
}

#[test]
fn bench_throughput_of_a_gigabyte() {
    if !bench() {
        return;
    }
    let home = on_disk();
    let store = Store::open(&home.path().join("cache")).unwrap();
    let piece = 4 << 20;
    let mut noise = Noise(1);
    // Weights: floats of about normal distribution. Text: a table.
    let weights: Vec<u8> = (0..piece / 4)
        .flat_map(|_| {
            let sum: f32 = (0..8).map(|_| noise.next(1 << 24) as f32 / (1 << 24) as f32 - 0.5).sum();
            (sum * 0.05).to_le_bytes()
        })
        .collect();
    let images: Vec<u8> = (0..piece / 4).flat_map(|_| (noise.next(256) as f32 / 255.0).to_le_bytes()).collect();
    let text: Vec<u8> = (0..)
        .flat_map(|i| format!("{i},{:.6},{:.6}\n", noise.next(1000) as f64 / 1e6, noise.next(99) as f64).into_bytes())
        .take(piece)
        .collect();
    let rate = |time: Duration, count: usize| (count * piece) as f64 / 1e6 / time.as_secs_f64();
    let count = (1 << 30) / piece;

    let path = home.path().join("raw");
    let start = Instant::now();
    let mut file = fs::File::create(&path).unwrap();
    for _ in 0..count {
        file.write_all(&weights).unwrap();
    }
    file.sync_all().unwrap();
    println!("raw disk: write and flush {:.0} MB/s", rate(start.elapsed(), count));
    drop_caches();
    let start = Instant::now();
    let mut file = fs::File::open(&path).unwrap();
    let mut buffer = vec![0; piece];
    while file.read(&mut buffer).unwrap() > 0 {}
    println!("raw disk: read {:.0} MB/s", rate(start.elapsed(), count));
    fs::remove_file(&path).unwrap();

    for (name, piece) in [("weights", &weights), ("images", &images), ("text", &text)] {
        let start = Instant::now();
        let mut writer = store.create().unwrap();
        for _ in 0..count {
            writer.write_all(piece).unwrap();
        }
        let blob = writer.finish().unwrap();
        let written = start.elapsed();
        let stored = fs::metadata(object_path(&store, &blob.digest)).unwrap().len();
        drop_caches();
        let start = Instant::now();
        store.verify(&blob.digest).unwrap();
        let read = start.elapsed();
        println!(
            "{name}: write {:.0} MB/s, read {:.0} MB/s, stored in {:.1} %",
            rate(written, count),
            rate(read, count),
            100.0 * stored as f64 / blob.size as f64
        );
        fs::remove_file(object_path(&store, &blob.digest)).unwrap();
    }
    let peak = fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("peak memory unknown"));
}

/// Seconds of all threads of this process so far, user and system: comparable also on a busy machine.
fn processor_time() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    // proc(5): utime and stime, fields 14 and 15, in hundredths of a second.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn drop_caches() {
    let dropped = Command::new("sync").status().is_ok() && fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
    if !dropped {
        println!("(the page cache could not be emptied: reads are from memory)");
    }
}

#[test]
fn bench_overhead_of_a_node() {
    if !bench() {
        return;
    }
    for durability in [Durability::Full, Durability::Rename] {
        let home = on_disk();
        let root = home.path().join("cache");
        Store::open(&root).unwrap();
        for outputs in [1, 3] {
            let start = Instant::now();
            for i in 0..200 {
                // As a child process does it: open, look, lease, write, publish.
                let store = Store::open_with(&root, Options { durability, ..Options::default() }).unwrap();
                let key = Digest::of(format!("key {i} {outputs}"));
                assert!(store.hit("retrain", &key).unwrap().is_none());
                let lease = store.lease(&key, &[]).unwrap();
                let blobs: Vec<(String, BlobRef)> = (0..outputs)
                    .map(|output| {
                        let bytes = format!("{i} {outputs} {output}").repeat(100);
                        (format!("output {output}"), store.put(bytes.as_bytes()).unwrap())
                    })
                    .collect();
                let named: Vec<(&str, BlobRef)> = blobs.iter().map(|(name, blob)| (name.as_str(), *blob)).collect();
                store.publish(&record("retrain", &key, &named)).unwrap();
                drop(lease);
            }
            println!("{durability:?}, {outputs} outputs: {:.2} ms a node", start.elapsed().as_secs_f64() * 5.0);
        }
    }
}
