//! Reads the images of a FITS file in one pass, with their scale: the primary one and image extensions, named by EXTNAME.
//! Tables are passed over. Knows no instrument. Format: FITS standard 4.0 (IAU, 2018).

use crate::data::dtype::Dtype;
use std::io::{self, Read};

/// Headers and data are padded to this many bytes (§3.1).
const BLOCK: usize = 2880;
const CARD: usize = 80;
/// A header of more blocks is damage (18,000 lines).
const MOST_BLOCKS: usize = 500;
/// Values converted at once.
const PIECE: usize = 1 << 13;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct FitsError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// What an image is.
#[derive(Clone, Debug)]
pub struct FitsHeader {
    /// EXTNAME, or empty.
    pub name: String,
    /// EXTVER, 1 where it is missing.
    pub version: i64,
    /// Sizes with the fastest axis last: (NAXISn, …, NAXIS1).
    pub shape: Vec<usize>,
    /// Bits per value in the file; negative for floats.
    pub bitpix: i64,
    /// All keywords with a value, as written but without comments; texts without quotes.
    pub keywords: Vec<(String, String)>,
}

impl FitsHeader {
    /// The value of a keyword; the first one where it is repeated.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.keywords.iter().find(|(key, _)| key == keyword).map(|(_, value)| value.as_str())
    }

    fn number(&self, keyword: &str) -> Result<Option<f64>, String> {
        // FORTRAN's double precision has exponents with D (§4.2.4).
        let parse = |value: &str| value.replace(['D', 'd'], "E").parse::<f64>().map_err(|_| value.to_string());
        self.get(keyword).map(parse).transpose().map_err(|value| format!("{keyword} is `{value}`, expected a number"))
    }

    fn integer(&self, keyword: &str) -> Result<Option<i64>, String> {
        let value = self.get(keyword).map(|value| value.parse::<i64>().map_err(|_| value.to_string()));
        value.transpose().map_err(|value| format!("{keyword} is `{value}`, expected an integer"))
    }

    fn size(&self, keyword: &str) -> Result<u64, String> {
        let size = self.integer(keyword)?.ok_or_else(|| format!("{keyword} is missing"))?;
        u64::try_from(size).map_err(|_| format!("{keyword} is {size}, expected 0 or more"))
    }
}

/// A file open for one pass.
pub struct Fits<R> {
    file: String,
    reader: R,
    at: u64,
    /// Where the next header starts.
    next: u64,
}

impl<R: Read> Fits<R> {
    /// `file` is the name for messages.
    pub fn open(file: &str, reader: R) -> Fits<R> {
        Fits { file: file.to_string(), reader, at: 0, next: 0 }
    }

    /// The next image that has values; what was left unread of the one before is skipped. `None` at the end.
    pub fn next_image(&mut self) -> Result<Option<FitsImage<'_, R>>, FitsError> {
        loop {
            let first = self.next == 0;
            let ahead = self.next - self.at;
            let skipped = io::copy(&mut Read::take(&mut self.reader, ahead), &mut io::sink());
            let skipped = skipped.map_err(|e| self.error(e.to_string()))?;
            self.at += skipped;
            // The padding of the last block is missing in some files, its values are not.
            if ahead - skipped >= BLOCK as u64 {
                return Err(self.error(format!("the file ends {} bytes early; fetch it again", ahead - skipped)));
            }
            let start = self.at;
            let Some(header) = self.header(first)? else { return Ok(None) };
            let fail = |problem| FitsError { file: self.file.clone(), offset: start, problem };
            let layout = layout(header, first).map_err(fail)?;
            let bytes =
                layout.bytes.checked_next_multiple_of(BLOCK as u64).and_then(|bytes| self.at.checked_add(bytes));
            self.next = bytes.ok_or_else(|| fail("more bytes than a file can hold".into()))?;
            if let Some(values) = layout.values.filter(|count| *count > 0) {
                let Layout { header, dtype, scale, zero, blank, .. } = layout;
                return Ok(Some(FitsImage {
                    header,
                    dtype,
                    scale,
                    zero,
                    blank,
                    left: values,
                    fits: self,
                    bytes: vec![],
                }));
            }
        }
    }

    /// Reads one header; `None` where the file ends.
    fn header(&mut self, first: bool) -> Result<Option<FitsHeader>, FitsError> {
        let mut header = FitsHeader { name: String::new(), version: 1, shape: vec![], bitpix: 0, keywords: vec![] };
        for block in 0..MOST_BLOCKS {
            let mut bytes = [0u8; BLOCK];
            let found = read_up_to(&mut self.reader, &mut bytes).map_err(|e| self.error(e.to_string()))?;
            if block == 0 && found == 0 && !first {
                return Ok(None);
            }
            let expected = if first { "SIMPLE  =" } else { "XTENSION=" };
            if block == 0 && !bytes[..found].starts_with(expected.as_bytes()) {
                let start = bytes[..found.min(8)].escape_ascii();
                return Err(self.error(format!("expected a FITS header (`{expected}`), found `{start}`")));
            }
            if found < BLOCK {
                return Err(
                    self.error(format!("a header is cut: expected {BLOCK} bytes, found {found}; fetch the file again"))
                );
            }
            for (index, card) in bytes.chunks_exact(CARD).enumerate() {
                if card.starts_with(b"END     ") {
                    self.at += BLOCK as u64;
                    return Ok(Some(header));
                }
                let keyword = card_value(card).map_err(|problem| {
                    let offset = self.at + (index * CARD) as u64;
                    FitsError { file: self.file.clone(), offset, problem }
                })?;
                header.keywords.extend(keyword);
            }
            self.at += BLOCK as u64;
        }
        Err(self.error(format!("a header of more than {MOST_BLOCKS} blocks without an END")))
    }

    fn error(&self, problem: String) -> FitsError {
        FitsError { file: self.file.clone(), offset: self.at, problem }
    }
}

/// One image; its values come with the last axis of `shape` fastest.
pub struct FitsImage<'f, R> {
    pub header: FitsHeader,
    dtype: Dtype,
    scale: f64,
    zero: f64,
    /// The integer that stands for no value.
    blank: Option<i64>,
    /// Values not read yet.
    left: u64,
    fits: &'f mut Fits<R>,
    bytes: Vec<u8>,
}

impl<R: Read> FitsImage<'_, R> {
    /// The next values, BZERO + BSCALE · stored; NaN for BLANK.
    pub fn read(&mut self, out: &mut [f64]) -> Result<(), FitsError> {
        for out in out.chunks_mut(PIECE) {
            self.fill(out.len())?;
            self.dtype.f64s(&self.bytes, out);
            if let Some(blank) = self.blank {
                out.iter_mut().filter(|value| **value == blank as f64).for_each(|value| *value = f64::NAN);
            }
            if (self.scale, self.zero) != (1.0, 0.0) {
                out.iter_mut().for_each(|value| *value = self.zero + self.scale * *value);
            }
        }
        Ok(())
    }

    /// The next values, rounded to f32 once.
    pub fn read_f32(&mut self, out: &mut [f32]) -> Result<(), FitsError> {
        let mut values = [0.0; 1024];
        for out in out.chunks_mut(values.len()) {
            self.read(&mut values[..out.len()])?;
            out.iter_mut().zip(&values).for_each(|(out, value)| *out = *value as f32);
        }
        Ok(())
    }

    fn fill(&mut self, count: usize) -> Result<(), FitsError> {
        if count as u64 > self.left {
            return Err(self.fits.error(format!("expected {count} more values, found {}", self.left)));
        }
        self.bytes.resize(count * self.dtype.width, 0);
        let read = self.fits.reader.read_exact(&mut self.bytes);
        let (name, left) = (&self.header.name, self.left);
        read.map_err(|e| {
            self.fits.error(format!("the image `{name}` is cut, {left} values are missing ({e}); fetch the file again"))
        })?;
        self.fits.at += self.bytes.len() as u64;
        self.left -= count as u64;
        Ok(())
    }
}

struct Layout {
    header: FitsHeader,
    dtype: Dtype,
    scale: f64,
    zero: f64,
    blank: Option<i64>,
    /// Values of the image; `None` for a table.
    values: Option<u64>,
    /// Bytes of data without padding.
    bytes: u64,
}

fn layout(mut header: FitsHeader, first: bool) -> Result<Layout, String> {
    let bitpix = header.integer("BITPIX")?.ok_or("BITPIX is missing")?;
    let (kind, width) = match bitpix {
        8 => ('u', 1),
        16 => ('i', 2),
        32 => ('i', 4),
        64 => ('i', 8),
        -32 => ('f', 4),
        -64 => ('f', 8),
        other => return Err(format!("BITPIX is {other}, expected 8, 16, 32, 64, −32 or −64")),
    };
    let axes = header.size("NAXIS")?;
    if axes > 999 {
        return Err(format!("NAXIS is {axes}, expected 999 at most"));
    }
    let mut sizes = Vec::new();
    for axis in 1..=axes {
        sizes.push(header.size(&format!("NAXIS{axis}"))?);
    }
    // Random groups have a first axis of 0 and no image (§6).
    let count = if axes == 0 { Some(0) } else { sizes.iter().try_fold(1u64, |n, size| n.checked_mul((*size).max(1))) };
    let count = count.filter(|count| *count < 1 << 56).ok_or("an image of more values than a file can hold")?;
    let count = if sizes.contains(&0) { 0 } else { count };
    let image = first || header.get("XTENSION").is_some_and(|kind| kind == "IMAGE");
    let (mut extra, mut groups) = (0, 1);
    if !first {
        extra = header.integer("PCOUNT")?.unwrap_or(0).try_into().map_err(|_| "PCOUNT is negative")?;
        groups = header.integer("GCOUNT")?.unwrap_or(1).try_into().map_err(|_| "GCOUNT is negative")?;
        // no group would be an image whose values lie behind its end (§7.1.1: one group)
        if groups == 0 {
            return Err("GCOUNT is 0, expected 1".into());
        }
    }
    let bytes = count.checked_add(extra).and_then(|n| n.checked_mul(groups)).and_then(|n| n.checked_mul(width));
    let bytes = bytes.ok_or("PCOUNT and GCOUNT ask for more than a file can hold")?;
    let (scale, zero) = (header.number("BSCALE")?.unwrap_or(1.0), header.number("BZERO")?.unwrap_or(0.0));
    let blank = if bitpix > 0 { header.integer("BLANK")? } else { None };
    header.name = header.get("EXTNAME").unwrap_or("").to_string();
    header.version = header.integer("EXTVER")?.unwrap_or(1);
    header.bitpix = bitpix;
    header.shape = sizes.iter().rev().map(|size| *size as usize).collect();
    let dtype = Dtype { kind, width: width as usize, big_endian: true };
    Ok(Layout { header, dtype, scale, zero, blank, values: image.then_some(count), bytes })
}

/// Keyword and value of a line of 80 characters; `None` for comments and lines without a value.
fn card_value(card: &[u8]) -> Result<Option<(String, String)>, String> {
    if !card.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return Err("a header line with other than printable characters".into());
    }
    let card = String::from_utf8_lossy(card);
    let (keyword, rest) = card.split_at(8);
    let Some(rest) = rest.strip_prefix("= ") else { return Ok(None) };
    let rest = rest.trim_start();
    let value = match rest.strip_prefix('\'') {
        None => rest.split('/').next().unwrap_or("").trim().to_string(),
        Some(text) => {
            // A quote inside is doubled.
            let mut value = String::new();
            let mut chars = text.chars().peekable();
            loop {
                match chars.next() {
                    None => return Err(format!("the text of {} has no end", keyword.trim())),
                    Some('\'') if chars.peek() == Some(&'\'') => {
                        chars.next();
                        value.push('\'');
                    }
                    Some('\'') => break value.trim_end().to_string(),
                    Some(char) => value.push(char),
                }
            }
        }
    };
    Ok(Some((keyword.trim_end().to_string(), value)))
}

fn read_up_to(reader: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut found = 0;
    while found < out.len() {
        match reader.read(&mut out[found..]) {
            Ok(0) => break,
            Ok(count) => found += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}
