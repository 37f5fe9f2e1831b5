//! `bundle` and `unbundle`: what a manifest's nodes gave, as one file for a machine without a network.

use crate::cli::catalog::Catalog;
use crate::cli::exit::{DONE, Exit, Outcome};
use crate::cli::gc::bytes;
use crate::cli::options::{BundleOptions, UnbundleOptions};
use crate::cli::session::{Session, open_store, snapshot_hits};
use crate::plan::stale::Status;
use crate::store::bundle::{read, write};
use crate::store::record::Record;
use std::fs::File;
use std::io::{BufReader, BufWriter};

/// The stages of data; `--results` takes all.
const DATA: [&str; 2] = ["fetch", "preprocess"];

pub fn bundle(options: &BundleOptions) -> Outcome {
    let session = Session::open(Catalog::collect(), &options.manifest.manifest, &options.manifest.layers)?;
    let store = open_store(&options.cache.cache)?;
    let status = session.assessor(&store).assess(snapshot_hits(&store)?, &[]).map_err(Exit::usage)?;
    let mut records: Vec<Record> = Vec::new();
    let mut missing = Vec::new();
    for (id, status) in status.iter().enumerate() {
        let stage = session.stage(id);
        if !options.results && !DATA.contains(&stage) {
            continue;
        }
        let Status::Hit { key, .. } = status else {
            missing.push(session.label(id).to_string());
            continue;
        };
        records.extend(store.record(stage, key).map_err(Exit::failed)?);
    }
    if !missing.is_empty() {
        let few: Vec<&str> = missing.iter().take(5).map(String::as_str).collect();
        return Err(Exit::miss(format!(
            "nodes without a result in this cache, {}: {}{}; run `nasperf-pipe {} {}` first",
            missing.len(),
            few.join(", "),
            if missing.len() > few.len() { ", …" } else { "" },
            if options.results { "run" } else { "fetch --until preprocess" },
            options.manifest.manifest.display()
        )));
    }
    let aside = options.output.with_extension("part");
    let file = File::create(&aside).map_err(|e| Exit::usage(format!("{}: {e}", aside.display())))?;
    let carried = write(&store, &records, &mut BufWriter::new(file)).map_err(|e| {
        let _ = std::fs::remove_file(&aside);
        Exit::failed(e)
    })?;
    std::fs::rename(&aside, &options.output).map_err(|e| Exit::failed(format!("{}: {e}", options.output.display())))?;
    println!(
        "{}: {} results, {} files, {} before compression\non the other machine: nasperf-pipe unbundle {}",
        options.output.display(),
        carried.records,
        carried.blobs,
        bytes(carried.bytes),
        options.output.display()
    );
    Ok(DONE)
}

pub fn unbundle(options: &UnbundleOptions) -> Outcome {
    let store = open_store(&options.cache.cache)?;
    let file = File::open(&options.file).map_err(|e| Exit::usage(format!("{}: {e}", options.file.display())))?;
    let carried = read(&store, &mut BufReader::new(file))
        .map_err(|e| Exit::failed(format!("{}: {e}", options.file.display())))?;
    println!(
        "{}: {} results new and {} known, {} files, {}",
        options.file.display(),
        carried.records,
        carried.known,
        carried.blobs,
        bytes(carried.bytes)
    );
    Ok(DONE)
}
