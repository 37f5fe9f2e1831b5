//! Results of one store as one file for another: a tar in zstd of blobs by digest and the records that name them. Knows no
//! stage and no manifest.

use crate::digest::Digest;
use crate::store::error::StoreError;
use crate::store::record::{Published, Record};
use crate::store::store::Store;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// Compression of the file: the blobs are raw in it.
const LEVEL: i32 = 3;
/// A record longer than this is damage.
const LONGEST_RECORD: u64 = 64 << 20;

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the bundle cannot be written: {0}")]
    Write(io::Error),
    #[error("the bundle is cut or damaged: {0}; nothing that was read before is lost")]
    Read(io::Error),
    #[error(
        "the bundle holds `{0}`, which is neither a blob nor a record: another program's file, or a later version's"
    )]
    Foreign(String),
    #[error("the blob {0} of the bundle has other bytes than its name says")]
    Digest(Digest),
}

/// What went into a bundle, or came out of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub records: usize,
    pub blobs: usize,
    pub bytes: u64,
    /// Records that the store had already.
    pub known: usize,
}

/// Writes records and all blobs they name. Blobs come first, so that a cut bundle never gives a record without its blobs.
pub fn write(store: &Store, records: &[Record], output: &mut dyn Write) -> Result<Carried, BundleError> {
    let mut carried = Carried { records: records.len(), ..Carried::default() };
    let mut blobs: BTreeMap<Digest, u64> = BTreeMap::new();
    for record in records {
        blobs.extend(record.outputs.values().map(|blob| (blob.digest, blob.size)));
    }
    let packed = zstd::Encoder::new(output, LEVEL).map_err(BundleError::Write)?;
    let mut tar = tar::Builder::new(packed);
    for (digest, size) in blobs {
        let mut reader = store.reader(&digest)?;
        append(&mut tar, &format!("objects/{digest}"), size, &mut reader)?;
        carried.blobs += 1;
        carried.bytes += size;
    }
    for record in records {
        // what another run gave for the same key stays at home
        let record = Record { observations: Vec::new(), ..record.clone() };
        let text = serde_json::to_vec(&record).map_err(|e| BundleError::Write(io::Error::other(e)))?;
        append(&mut tar, &format!("records/{}/{}.json", record.stage, record.key), text.len() as u64, &mut &text[..])?;
    }
    let output = tar.into_inner().and_then(zstd::Encoder::finish).map_err(BundleError::Write)?;
    output.flush().map_err(BundleError::Write)?;
    Ok(carried)
}

fn append<W: Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    reader: &mut dyn Read,
) -> Result<(), BundleError> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, reader).map_err(BundleError::Write)
}

/// Takes a bundle in: blobs are verified, records published. Running it twice changes nothing.
pub fn read(store: &Store, input: &mut dyn Read) -> Result<Carried, BundleError> {
    let mut carried = Carried::default();
    let unpacked = zstd::Decoder::new(input).map_err(BundleError::Read)?;
    let mut tar = tar::Archive::new(unpacked);
    for entry in tar.entries().map_err(BundleError::Read)? {
        let mut entry = entry.map_err(BundleError::Read)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let foreign = || BundleError::Foreign(name.clone());
        if let Some(digest) = name.strip_prefix("objects/") {
            let digest: Digest = digest.parse().map_err(|_| foreign())?;
            if store.has(&digest) {
                continue;
            }
            let mut writer = store.create()?;
            let size = io::copy(&mut entry, &mut writer).map_err(BundleError::Read)?;
            let blob = writer.finish()?;
            if blob.digest != digest {
                return Err(BundleError::Digest(digest));
            }
            carried.blobs += 1;
            carried.bytes += size;
        } else if name.starts_with("records/") {
            let mut text = Vec::new();
            entry.take(LONGEST_RECORD).read_to_end(&mut text).map_err(BundleError::Read)?;
            let record: Record = serde_json::from_slice(&text).map_err(|_| foreign())?;
            if record.format != Record::FORMAT || name != format!("records/{}/{}.json", record.stage, record.key) {
                return Err(foreign());
            }
            match store.publish(&record)? {
                Published::First => carried.records += 1,
                Published::Same | Published::Different => carried.known += 1,
            }
        } else {
            return Err(foreign());
        }
    }
    Ok(carried)
}
