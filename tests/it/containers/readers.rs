//! Sound, pictures of the sky, records of hearts and genomes: the real files of the data folder.

use crate::data_context::test_data;
use nasperf_pipe::data::bed::Bed;
use nasperf_pipe::data::csv_table::CsvTable;
use nasperf_pipe::data::fasta::Fasta;
use nasperf_pipe::data::fits::Fits;
use nasperf_pipe::data::mat4::Mat4;
use nasperf_pipe::data::npy::{Npy, array_of};
use nasperf_pipe::data::pickle::Pickle;
use nasperf_pipe::data::wav::Wav;
use nasperf_pipe::data::wfdb::read_header;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

fn open(path: &Path) -> BufReader<File> {
    BufReader::new(File::open(path).unwrap())
}

#[test]
fn real_sounds() {
    let Some(data) = test_data() else { return };
    let mut count = 0;
    for folder in ["fsd50k/clips_22050", "fsd50k/clips_44100"] {
        for entry in fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "wav") {
                continue;
            }
            let mut wav = Wav::open("x.wav", open(&path)).unwrap();
            let (frames, rate) = (wav.frames_left().unwrap(), wav.format().rate);
            let mut sound = vec![0.0; frames as usize + 5];
            assert_eq!(wav.next_frames(&mut sound).unwrap(), frames as usize);
            assert_eq!(wav.next_frames(&mut sound).unwrap(), 0);
            let (high, low) = (sound.iter().copied().fold(0.0, f32::max), sound.iter().copied().fold(0.0, f32::min));
            assert!(high > 0.001 && high < 1.0 && low >= -1.0, "{low} to {high}");
            assert_eq!((wav.format().channels, wav.format().bits), (1, 16));
            assert!((4.9..5.2).contains(&(frames as f64 / f64::from(rate))), "{frames} frames");
            count += 1;
        }
    }
    assert_eq!(count, 32);
}

#[test]
fn real_images_of_the_sky() {
    let Some(data) = test_data() else { return };
    let mut fits = Fits::open("gmos.fits", open(&data.join("cosmic/gmos.fits")));
    let (mut names, mut science) = (Vec::new(), vec![0.0f32; 150 * 200]);
    while let Some(mut image) = fits.next_image().unwrap() {
        assert_eq!((image.header.shape.as_slice(), image.header.bitpix), (&[150, 200][..], -32));
        if image.header.name == "SCI" {
            image.read_f32(&mut science).unwrap();
        }
        names.push(image.header.name.clone());
    }
    assert_eq!(names, ["SCI", "VAR", "SKYFIT"]);
    // the same image as the first plane of the array that was made of it
    let mut npy = Npy::open("gmos.npy", open(&data.join("cosmic/gmos_ltt7379.npy"))).unwrap();
    let mut plane = vec![0.0f32; science.len()];
    npy.next_f32(&mut plane).unwrap();
    assert_eq!(science, plane);

    let mut fits = Fits::open("hst.fits", open(&data.join("cosmic/j033216m2743_00152.beams.fits")));
    let mut flags = Vec::new();
    while let Some(mut image) = fits.next_image().unwrap() {
        if image.header.name == "DQ" {
            let mut values = vec![0.0; image.header.shape.iter().product()];
            image.read(&mut values).unwrap();
            flags.push((image.header.shape.clone(), values.iter().filter(|v| **v as i64 & 4096 != 0).count()));
        }
    }
    let shapes: Vec<_> = flags.iter().map(|(shape, _)| shape.clone()).collect();
    assert!(shapes.contains(&vec![64, 271]) && shapes.contains(&vec![64, 245]), "{shapes:?}");
    assert!(flags.iter().any(|(_, rays)| *rays > 0));
}

#[test]
fn real_heartbeats() {
    let Some(data) = test_data() else { return };
    let (mut lengths, mut agree) = (Vec::new(), 0);
    let mut entries: Vec<_> = fs::read_dir(data.join("ecg/records")).unwrap().map(|e| e.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|end| end == "hea"));
    for path in &entries {
        let header = read_header("x.hea", open(path)).unwrap();
        let [signal] = header.signals.as_slice() else { panic!() };
        assert_eq!((header.frequency, signal.gain, signal.units.as_str()), (300.0, 1000.0, "mV"));
        let mut file = Mat4::open("x.mat", open(&path.with_file_name(&signal.file)));
        let mut matrix = file.next_matrix().unwrap().unwrap();
        assert_eq!((matrix.name.as_str(), matrix.rows, Some(matrix.columns)), ("val", 1, header.samples));
        let mut values = vec![0.0; matrix.columns as usize];
        matrix.read(&mut values).unwrap();
        agree += usize::from(Some(values[0] as i64) == signal.first);
        assert!(file.next_matrix().unwrap().is_none());
        lengths.push(values.len());
    }
    assert_eq!((lengths.len(), lengths.iter().min(), lengths.iter().max()), (68, Some(&3028), Some(&18170)));
    // five headers name another first sample than their file has (SciPy reads the same)
    assert_eq!(agree, 63);
    // the pickle holds some of these records
    let scratch = tempfile::tempdir().unwrap();
    let ecg = Pickle::read("ecg", &mut open(&data.join("ecg/challenge2017.pkl")), scratch.path()).unwrap();
    let first = ecg.elements(ecg.item(ecg.root(), "data").unwrap()).unwrap()[0];
    assert!(lengths.contains(&array_of("ecg", &ecg, first).unwrap().remaining()));
}

#[test]
fn real_genome_and_tables() {
    let Some(data) = test_data() else { return };
    let path = data.join("deepsea/hg38_chr22_32000000_32210000.fa");
    let mut fasta = Fasta::new("hg38", open(&path));
    assert_eq!(fasta.next_record().unwrap().unwrap(), "chr22:32000001-32210000");
    let mut bases = vec![0; 300_000];
    assert_eq!(fasta.read(&mut bases).unwrap(), 210_000);
    assert!(bases.starts_with(b"AAGTTCCGGGATACATGTGC"));
    assert!(fasta.next_record().unwrap().is_none());
    let mut fasta = Fasta::new("a3m", open(&data.join("psicov/alignments/1a3a_1_A.a3m")));
    let mut rows = 0;
    while fasta.next_record().unwrap().is_some() {
        rows += 1;
    }
    assert_eq!(rows, 1303);

    let mut bed = Bed::new("labels", open(&data.join("deepsea/labels_hg38_chr22_32000000_32210000.bed")));
    let mut count = 0;
    while let Some(interval) = bed.next_interval().unwrap() {
        assert_eq!((interval.chromosome.as_str(), interval.rest.len()), ("chr22", 1));
        assert!(interval.start < interval.end && interval.start >= 32_000_000);
        count += 1;
    }
    assert!(count > 100, "{count}");

    let mut table = CsvTable::open("tr.csv", open(&data.join("fsd50k/tr.csv")), b',', true).unwrap();
    let labels = table.column("labels").unwrap();
    let row = table.next_row().unwrap().unwrap();
    assert_eq!(row.text(labels).unwrap(), "Bark,Dog,Domestic_animals_and_pets,Animal");
    let path = data.join("satellite/formosat2_train_dataset.csv");
    let mut table = CsvTable::open("formosat2", open(&path), b',', false).unwrap();
    let mut pixels = 0;
    while let Some(row) = table.next_row().unwrap() {
        for column in 0..row.len() {
            row.float(column).unwrap();
        }
        pixels += 1;
    }
    assert_eq!(pixels, 260);
}
