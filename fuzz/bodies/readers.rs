//! What the fuzz targets of readers run, and the test of mutated files with them: reads all there is to read, in bounded
//! memory. A body fails by a panic only; damaged files are errors, which it passes over.

use nasperf_pipe::data::archive::{ArchiveError, decompress, members};
use nasperf_pipe::data::bed::Bed;
use nasperf_pipe::data::csv_table::CsvTable;
use nasperf_pipe::data::fasta::Fasta;
use nasperf_pipe::data::fits::Fits;
use nasperf_pipe::data::hdf5_values::Hdf5;
use nasperf_pipe::data::mat4::Mat4;
use nasperf_pipe::data::mat5::Mat5;
use nasperf_pipe::data::npy::{Npy, NpyError, array_of, arriving};
use nasperf_pipe::data::npz::{NpzError, arrays};
use nasperf_pipe::data::pickle::Pickle;
use nasperf_pipe::data::pickle_object::Arriving;
use nasperf_pipe::data::wav::Wav;
use nasperf_pipe::data::wfdb::read_header;
use std::io::{self, Read};
use std::path::Path;

/// Decompressed bytes looked at; a few bytes can stand for any number.
const MOST: u64 = 1 << 20;
/// Values read of one array.
const VALUES: u64 = 1 << 12;

pub fn pickle(bytes: &[u8]) {
    if let Ok(pickle) = Pickle::read("x", &mut &bytes[..], Path::new(".")) {
        walk(&pickle);
    }
    // arrays taken as they arrive: the first half of the values, then what is left
    let mut take = |array: &Arriving, reader: &mut dyn Read| {
        let Ok(mut npy) = arriving("x", array, reader) else { return Ok(false) };
        let mut values = vec![0.0; (npy.remaining() / 2).min(VALUES as usize)];
        npy.next_f64(&mut values).map(|()| npy.remaining() == 0).map_err(|e| e.to_string())
    };
    if let Ok(pickle) = Pickle::read_taking("x", &mut &bytes[..], Path::new("."), &mut take) {
        pickle.taken(pickle.root());
        walk(&pickle);
    }
    let mut all = |array: &Arriving, reader: &mut dyn Read| {
        io::copy(reader, &mut io::sink()).map_err(|e| e.to_string())?;
        Ok(array.dtype.is_number())
    };
    if let Ok(pickle) = Pickle::read_taking("x", &mut &bytes[..], Path::new("."), &mut all) {
        walk(&pickle);
    }
}

fn walk(pickle: &Pickle) {
    let root = pickle.root();
    pickle.texts(root);
    pickle.integers(root);
    let item = pickle.item(root, "data");
    let elements = pickle.elements(root).unwrap_or(&[]).iter().take(100);
    for id in elements.chain(item.as_ref()).chain([&root]) {
        pickle.integer(*id);
        pickle.float(*id);
        pickle.text(*id);
        pickle.texts(*id);
        pickle.integers(*id);
        if let Ok(mut npy) = array_of("x", pickle, *id) {
            let mut values = vec![0.0; npy.remaining().min(VALUES as usize)];
            let _ = npy.next_f64(&mut values);
        }
    }
}

pub fn npy(bytes: &[u8]) {
    if let Ok(npy) = Npy::open("x", bytes) {
        rows(npy);
    }
    if let Ok(mut npy) = Npy::open("x", bytes) {
        let mut values = vec![0; npy.remaining().min(VALUES as usize)];
        let _ = npy.next_i64(&mut values);
        let _ = npy.next_bytes(&mut [0]);
        let _ = npy.next_text();
    }
    if let Ok(pickle) = Npy::open("x", bytes).and_then(|npy| npy.into_object(Path::new("."))) {
        walk(&pickle);
    }
}

fn rows(mut npy: Npy<impl Read>) {
    let _ = npy.rows_f32::<NpyError>(Path::new("."), &mut |_, _| Ok(()));
}

pub fn npz(bytes: &[u8]) {
    let _ = arrays::<NpzError>("x", &mut Read::take(bytes, MOST), &mut |_, npy| {
        rows(npy);
        Ok(())
    });
}

pub fn mat(bytes: &[u8]) {
    let mut values = vec![0.0; VALUES as usize];
    if let Ok(mut file) = Mat5::open("x", bytes) {
        while let Ok(Some(mut variable)) = file.next_variable() {
            let count = variable.header.elements().min(VALUES) as usize;
            let _ = variable.read(&mut values[..count]);
        }
    }
    let mut file = Mat4::open("x", bytes);
    while let Ok(Some(mut matrix)) = file.next_matrix() {
        let count = (matrix.rows * matrix.columns).min(VALUES) as usize;
        let _ = matrix.read(&mut values[..count]);
    }
}

pub fn hdf5(bytes: &[u8]) {
    let Ok(file) = Hdf5::open("x", &mut &bytes[..], &std::env::temp_dir()) else { return };
    for dataset in file.datasets().iter().take(20) {
        let mut values = vec![0.0; dataset.elements().min(VALUES as usize)];
        let _ = file.values(dataset).and_then(|mut found| found.read(&mut values));
    }
}

pub fn wav(bytes: &[u8]) {
    let Ok(mut wav) = Wav::open("x", bytes) else { return };
    let mut values = vec![0.0; wav.format().channels * 100];
    while wav.next_frames(&mut values).is_ok_and(|frames| frames > 0) {
        let finite = values.iter().filter(|value| value.is_finite());
        if !wav.format().float {
            assert!(finite.map(|value| value.abs()).fold(0.0, f32::max) <= 1.0);
        }
    }
}

pub fn fits(bytes: &[u8]) {
    let mut fits = Fits::open("x", bytes);
    let mut values = vec![0.0; VALUES as usize];
    while let Ok(Some(mut image)) = fits.next_image() {
        let count = image.header.shape.iter().product::<usize>().min(VALUES as usize);
        let _ = image.read(&mut values[..count]);
    }
}

pub fn archive(bytes: &[u8]) {
    for most in [MOST, 10] {
        let _ = members::<ArchiveError>("x", &mut &bytes[..], &mut |path, reader| {
            assert!(!path.split(['/', '\\']).any(|part| part == "..") && !path.starts_with('/'));
            let _ = io::copy(&mut reader.take(most), &mut io::sink());
            Ok(())
        });
    }
    if let Ok(reader) = decompress("x", &mut &bytes[..]) {
        let _ = io::copy(&mut reader.take(MOST), &mut io::sink());
    }
}

pub fn csv(bytes: &[u8]) {
    for header in [true, false] {
        let Ok(mut table) = CsvTable::open("x", bytes, b',', header) else { continue };
        while let Ok(Some(row)) = table.next_row() {
            for column in 0..=row.len() {
                let _ = (row.text(column), row.float(column), row.integer(column));
            }
        }
    }
}

/// Formats of lines: genomes, intervals, headers of records.
pub fn text(bytes: &[u8]) {
    let mut fasta = Fasta::new("x", bytes);
    let mut piece = [0; 100];
    while let Ok(Some(_)) = fasta.next_record() {
        let _ = fasta.read(&mut piece);
    }
    let mut bed = Bed::new("x", bytes);
    while let Ok(Some(interval)) = bed.next_interval() {
        assert!(interval.start <= interval.end);
    }
    if let Ok(header) = read_header("x", bytes) {
        let values = header.signals.iter().map(|signal| signal.physical(1.0));
        assert!(values.filter(|value| value.is_nan()).count() == 0);
    }
}
