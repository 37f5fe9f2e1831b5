//! Images of FITS: types, scales, tables in between, and what is refused.

use nasperf_pipe::data::fits::{Fits, FitsError};

/// Headers and data fill whole blocks (FITS standard 4.0, §3.1).
const BLOCK: usize = 2880;

fn hdu(cards: &[&str], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for card in cards.iter().chain(&["END"]) {
        bytes.extend(format!("{card:<80}").bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b' ');
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// Names, shapes and values.
fn read(bytes: &[u8]) -> Result<Vec<(String, Vec<usize>, Vec<f64>)>, FitsError> {
    let (mut fits, mut all) = (Fits::open("x.fits", bytes), Vec::new());
    while let Some(mut image) = fits.next_image()? {
        let count: usize = image.header.shape.iter().product();
        let mut values = Vec::new();
        for _ in 0..count {
            let mut value = [0.0];
            image.read(&mut value)?;
            values.push(value[0]);
        }
        all.push((image.header.name.clone(), image.header.shape.clone(), values));
    }
    Ok(all)
}

const EMPTY: &[&str] = &["SIMPLE  =                    T", "BITPIX  = 8", "NAXIS   = 0 / none"];

fn image<'a>(bitpix: &'a str, more: &[&'a str], data: &[u8]) -> Vec<u8> {
    let mut cards = vec!["XTENSION= 'IMAGE   '", bitpix, "NAXIS   = 2", "NAXIS1  = 2", "NAXIS2  = 1"];
    cards.extend(["PCOUNT  = 0", "GCOUNT  = 1", "EXTNAME = 'it''s   ' / a name", "COMMENT ' no value"]);
    cards.extend(more);
    [hdu(EMPTY, b""), hdu(&cards, data)].concat()
}

#[test]
fn every_type_with_its_scale() {
    for (bitpix, data, expected) in [
        ("BITPIX  =  8", vec![3, 255], [3.0, 255.0]),
        ("BITPIX  =  16", vec![0xff, 0xfe, 0, 3], [-2.0, 3.0]),
        ("BITPIX  =  32", [-5i32, 6].iter().flat_map(|v| v.to_be_bytes()).collect(), [-5.0, 6.0]),
        ("BITPIX  =  64", [-7i64, 8].iter().flat_map(|v| v.to_be_bytes()).collect(), [-7.0, 8.0]),
        ("BITPIX  = -32", [0.5f32, -1.0].iter().flat_map(|v| v.to_be_bytes()).collect(), [0.5, -1.0]),
        ("BITPIX  = -64", [0.1f64, 2.0].iter().flat_map(|v| v.to_be_bytes()).collect(), [0.1, 2.0]),
    ] {
        let found = read(&image(bitpix, &[], &data)).unwrap();
        assert_eq!(found, [("it's".to_string(), vec![1, 2], expected.to_vec())], "{bitpix}");
        let scaled = read(&image(bitpix, &["BSCALE  = 2.0D0", "BZERO   = 32768 / unsigned"], &data)).unwrap();
        assert_eq!(scaled[0].2, expected.map(|value| 32768.0 + 2.0 * value));
    }
    let blank = read(&image("BITPIX  = 16", &["BLANK   = 3"], &[0, 1, 0, 3])).unwrap();
    assert!(blank[0].2[0] == 1.0 && blank[0].2[1].is_nan());
}

#[test]
fn tables_are_passed_over_and_unread_values_skipped() {
    let table = [
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        "NAXIS   = 2",
        "NAXIS1  = 5",
        "NAXIS2  = 700",
        "PCOUNT  = 99",
        "GCOUNT  = 1",
    ];
    let one = image("BITPIX  = 8", &[], &[1, 2]);
    let bytes = [&one[..], &hdu(&table, &[7; 3599]), &one[BLOCK..]].concat();
    assert_eq!(read(&bytes).unwrap().len(), 2);
    let mut fits = Fits::open("x.fits", bytes.as_slice());
    let mut count = 0;
    while let Some(mut image) = fits.next_image().unwrap() {
        image.read(&mut [0.0]).unwrap();
        assert_eq!(image.header.get("BITPIX"), Some("8"));
        count += 1;
    }
    assert_eq!(count, 2);
    // the padding of the last block may be missing
    assert_eq!(read(&bytes[..bytes.len() - BLOCK + 2]).unwrap().len(), 2);
    let primary = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 3"];
    assert_eq!(read(&hdu(&primary, b"abc")).unwrap(), [(String::new(), vec![3], vec![97.0, 98.0, 99.0])]);
}

#[test]
fn damage_and_huge_claims() {
    let whole = image("BITPIX  = 16", &[], &[1, 2, 3, 4]);
    for end in (0..2 * BLOCK).chain([2 * BLOCK + 1, 2 * BLOCK + 3]) {
        assert!(read(&whole[..end]).is_err() || end == BLOCK, "cut at {end}");
    }
    let refused = |cards: &[&str], word: &str| {
        let message = read(&hdu(cards, b"")).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("x.fits, offset"), "{message}");
    };
    refused(
        &["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 99999999999", "NAXIS2  = 99999999999"],
        "more values",
    );
    refused(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 99999999999"], "cut");
    refused(&["SIMPLE  = T", "BITPIX  = 7", "NAXIS   = 0"], "BITPIX is 7");
    refused(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = -1"], "NAXIS is -1");
    refused(&["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1"], "NAXIS1 is missing");
    refused(&["SIMPLE  = T", "BITPIX  = 'x"], "no end");
    refused(&["SIMPLE  = T", "BITPIX  = \u{e9}"], "printable");
    refused(&["XTENSION= 'IMAGE'"], "SIMPLE");
    let no_group = ["XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 9", "PCOUNT  = 0", "GCOUNT  = 0"];
    let message = read(&[hdu(EMPTY, b""), hdu(&no_group, &[1; 9])].concat()).unwrap_err().to_string();
    assert!(message.contains("GCOUNT is 0, expected 1"), "{message}");
    let endless = format!("{:<80}", "SIMPLE  = T") + &" ".repeat(BLOCK * 600 - 80);
    assert!(read(endless.as_bytes()).unwrap_err().to_string().contains("END"));
}
