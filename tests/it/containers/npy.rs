//! Arrays of numpy: pieces, rows, texts, and what is refused.

use nasperf_pipe::data::npy::{Npy, NpyError, NpyHeader};
use nasperf_pipe::data::npy_writer::start_npy;
use std::path::Path;

fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    start_npy(&mut bytes, descr, shape).unwrap();
    bytes.extend(data);
    bytes
}

fn open(bytes: &[u8]) -> Result<Npy<&[u8]>, NpyError> {
    Npy::open("x.npy", bytes)
}

fn rows(bytes: &[u8]) -> Result<Vec<Vec<f32>>, NpyError> {
    let mut rows = Vec::new();
    open(bytes)?.rows_f32::<NpyError>(Path::new("."), &mut |index, row| {
        assert_eq!(index, rows.len());
        rows.push(row.to_vec());
        Ok(())
    })?;
    Ok(rows)
}

fn refused(result: Result<impl Sized, NpyError>, word: &str) {
    let message = result.err().unwrap().to_string();
    assert!(message.contains(word) && message.contains("x.npy, offset"), "{message}");
}

#[test]
fn values_come_in_pieces_and_end_with_an_error() {
    let data: Vec<u8> = (0..6i16).flat_map(|v| (v - 2).to_be_bytes()).collect();
    let bytes = npy(">i2", &[2, 3], &data);
    let mut array = open(&bytes).unwrap();
    let header = NpyHeader { kind: 'i', width: 2, big_endian: true, fortran: false, shape: vec![2, 3] };
    assert_eq!(*array.header(), header);
    let (mut double, mut single, mut whole) = ([0.0; 2], [0.0; 2], [0; 1]);
    array.next_f64(&mut double).unwrap();
    array.next_f32(&mut single).unwrap();
    array.next_i64(&mut whole).unwrap();
    assert_eq!((double, single, whole), ([-2.0, -1.0], [0.0, 1.0], [2]));
    assert_eq!(array.remaining(), 1);
    refused(array.next_f64(&mut double), "offset 138: expected 2 more elements, found 1");
    refused(array.next_bytes(&mut [0]), "1 byte");
    refused(array.next_text(), "texts");
    array.next_f64(&mut double[..1]).unwrap();
    assert_eq!(rows(&bytes).unwrap(), [[-2.0, -1.0, 0.0], [1.0, 2.0, 3.0]]);
}

#[test]
fn bytes_texts_and_types_that_do_not_fit() {
    let bytes = npy("|u1", &[3], b"abc");
    let mut array = open(&bytes).unwrap();
    let mut out = [0; 3];
    array.next_bytes(&mut out).unwrap();
    assert_eq!(&out, b"abc");
    let data: Vec<u8> = "Nü~".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let bytes = npy("<U1", &[3], &data);
    let mut array = open(&bytes).unwrap();
    refused(array.next_f32(&mut [0.0]), "found texts of 4 bytes");
    let texts: Vec<_> = (0..3).map(|_| array.next_text().unwrap()).collect();
    assert_eq!(texts, ["N", "ü", "~"]);
    refused(open(&npy("<c8", &[1], &[0; 8])).unwrap().next_f64(&mut [0.0]), "complex");
    refused(open(&npy("<M8[ns]", &[1], &[0; 8])), "M8[ns]");
    refused(open(&npy("<f16", &[1], &[0; 16])), "f16");
    let half: Vec<u8> = [1.0f64, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    refused(open(&npy("<f8", &[2], &half)).unwrap().next_i64(&mut [0; 2]), "element 1");
    refused(open(&npy("<f8", &[], &half)).unwrap().into_object(Path::new(".")), "array of objects");
}

#[test]
fn rows_of_odd_shapes() {
    refused(rows(&npy("|u1", &[], b"a")), "single value");
    assert!(rows(&npy("|u1", &[0, 5], b"")).unwrap().is_empty());
    assert!(rows(&npy("|u1", &[usize::MAX / 2, 0], b"")).unwrap().is_empty());
    assert_eq!(rows(&npy("|u1", &[2], &[3, 4])).unwrap(), [[3.0], [4.0]]);
}

#[test]
fn damage_and_huge_claims_are_errors_without_allocation() {
    let data: Vec<u8> = (0..12u8).collect();
    let bytes = npy("|u1", &[3, 4], &data);
    for end in 0..bytes.len() {
        assert!(rows(&bytes[..end]).is_err(), "cut at {end}");
    }
    refused(rows(&bytes[..bytes.len() - 1]), "4 elements are missing");
    refused(open(&npy("<f8", &[usize::MAX / 4, 3], b"")), "fits no memory");
    refused(open(&npy("<f8", &[0, usize::MAX, 3], b"")), "fits no memory");
    refused(rows(&npy("<f8", &[1, 1 << 50], b"12345678")), "cut");
    let fortran = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace("False", "True ").into_bytes();
    let text = npy("|u1", &[2, 1 << 50], b"12345678");
    let header = fortran(text[10..].to_vec());
    refused(rows(&[&text[..10], &header].concat()), "cut");
    let mut long = bytes.clone();
    long[6] = 2;
    refused(open(&long), "header");
    long[6] = 9;
    refused(open(&long), "version 1, 2 or 3, found 9");
    long[0] = b'P';
    refused(open(&long), "expected an npy file");
}
