//! Recordings between the raw files and the data set: names and labels in memory, values on a shelf, so that they can be
//! written in any order. Knows no container and no split.

use crate::data::part::little_endian;
use crate::data::shelf::{Shelf, Shelved};
use crate::stages::context::StageError;
use std::io::{self, IoSlice, Read, Write};
use std::path::Path;

/// Samples of one recording as a file gave them.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    Whole(Vec<i16>),
    Real(Vec<f32>),
}

impl Values {
    /// Whole numbers of 16 bits where all values are such, else single precision. The error names the sample.
    pub fn of(values: &[f64]) -> Result<Values, String> {
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(format!("sample {at}: a finite number was expected, found {}", values[at]));
        }
        let whole = |v: &f64| *v == v.trunc() && (-32768.0..=32767.0).contains(v);
        if values.iter().all(whole) {
            return Ok(Values::Whole(values.iter().map(|v| *v as i16).collect()));
        }
        Ok(Values::Real(values.iter().map(|v| *v as f32).collect()))
    }

    pub fn len(&self) -> usize {
        match self {
            Values::Whole(values) => values.len(),
            Values::Real(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Values::Whole(values) => {
                let mut bytes = vec![0u8; 2 * values.len()];
                for (out, value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    *out = value.to_le_bytes();
                }
                bytes
            }
            Values::Real(values) => little_endian(values),
        }
    }

    fn flat(&self) -> bool {
        match self {
            Values::Whole(values) => values.windows(2).all(|pair| pair[0] == pair[1]),
            Values::Real(values) => values.windows(2).all(|pair| pair[0] == pair[1]),
        }
    }
}

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub name: String,
    pub len: usize,
    /// Whether the shelf holds it as whole numbers.
    whole: bool,
    /// Where on the shelf.
    at: u64,
}

/// Takes recordings in.
pub struct Collector {
    shelf: Shelf,
    list: Vec<Recording>,
}

impl Collector {
    /// `folder` has room for what memory does not hold.
    pub fn new(folder: &Path) -> Self {
        Collector { shelf: Shelf::new(folder), list: Vec::new() }
    }

    /// Takes one recording of at least two different values. The error names it.
    pub fn add(&mut self, name: String, values: &Values) -> Result<(), StageError> {
        self.put(name, values.len(), values.flat(), matches!(values, Values::Whole(_)), &values.bytes())
    }

    /// As `add`, of `len` 16-bit integers as little-endian bytes, read straight to where they stay. Those that are all alike
    /// are found when they are written.
    pub fn add_whole(&mut self, name: String, len: usize, reader: &mut dyn Read) -> Result<(), StageError> {
        let at = self.shelf.end();
        let found = self.shelf.fill(reader, 2 * len as u64)?;
        if found < 2 * len as u64 {
            return Err(StageError::Data(format!(
                "{name}: {} bytes were expected, found {found}; the file is cut, fetch it again",
                2 * len
            )));
        }
        check(&name, len, len == 0)?;
        self.list.push(Recording { name, len, whole: true, at });
        Ok(())
    }

    /// Recordings so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts recordings in another order, by their numbers so far; those not among them are left out.
    pub fn arrange(&mut self, order: &[usize], name: impl Fn(usize) -> String) {
        let arranged =
            order.iter().enumerate().map(|(number, place)| Recording { name: name(number), ..self.list[*place] });
        self.list = arranged.collect();
    }

    fn put(&mut self, name: String, len: usize, flat: bool, whole: bool, bytes: &[u8]) -> Result<(), StageError> {
        check(&name, len, flat)?;
        self.list.push(Recording { name, len, whole, at: self.shelf.put(bytes)? });
        Ok(())
    }

    pub fn finish(self) -> Result<Recordings, StageError> {
        let whole = self.list.iter().all(|recording| recording.whole);
        Ok(Recordings { shelf: self.shelf.finish()?, list: self.list, whole })
    }
}

fn check(name: &str, len: usize, flat: bool) -> Result<(), StageError> {
    let found = match (flat, u32::try_from(len)) {
        (true, _) => "all alike",
        (false, Err(_)) => "too many",
        (false, Ok(_)) => return Ok(()),
    };
    Err(StageError::Data(format!(
        "{name}: a recording of values that differ was expected, found {len} values, {found}: it cannot be normalised; leave it \
         out and set data.recordings to what is left"
    )))
}

/// Passes 16-bit integers on, and knows whether one differs from the first.
struct Differing<'a> {
    output: &'a mut dyn Write,
    first: Option<u8>,
    second: Option<u8>,
    /// Which byte of a pair comes next.
    odd: bool,
    found: bool,
}

impl Write for Differing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if self.found {
                break;
            }
            let of_first = if self.odd { &mut self.second } else { &mut self.first };
            self.found = *of_first.get_or_insert(*byte) != *byte;
            self.odd = !self.odd;
        }
        self.output.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Recordings by their number, in the order in which they came.
pub struct Recordings {
    shelf: Shelved,
    pub list: Vec<Recording>,
    /// Whether every recording holds whole numbers of 16 bits.
    pub whole: bool,
}

impl Recordings {
    /// Writes recordings one behind the other, each as `write` does it; those in memory go out from where they are.
    pub fn write_run(&mut self, numbers: &[usize], output: &mut dyn Write) -> Result<(), StageError> {
        let held = |number: &usize| self.shelf.held(self.list[*number].at, 2 * self.list[*number].len);
        let pieces: Option<Vec<&[u8]>> = numbers.iter().map(held).collect();
        let Some(pieces) = pieces.filter(|_| self.whole) else {
            return numbers.iter().try_for_each(|number| self.write(*number, output));
        };
        for (number, piece) in numbers.iter().zip(&pieces) {
            let values = piece.as_chunks::<2>().0;
            check(&self.list[*number].name, values.len(), values.iter().all(|value| *value == values[0]))?;
        }
        let mut pieces: Vec<IoSlice<'_>> = pieces.into_iter().map(IoSlice::new).collect();
        let mut left = &mut pieces[..];
        while !left.is_empty() {
            match output.write_vectored(left) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(count) => IoSlice::advance_slices(&mut left, count),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Writes the values as little-endian bytes: 16-bit integers where all recordings are whole, else single precision.
    pub fn write(&mut self, number: usize, output: &mut dyn Write) -> Result<(), StageError> {
        let Recording { len, whole, at, ref name } = self.list[number];
        if !whole {
            return Ok(self.shelf.take(at, 4 * len, output)?);
        }
        let mut values = Vec::new();
        let output_of_whole: &mut dyn Write = if self.whole { output } else { &mut values };
        let mut passing = Differing { output: output_of_whole, first: None, second: None, odd: false, found: false };
        self.shelf.take(at, 2 * len, &mut passing)?;
        check(name, len, !passing.found)?;
        if self.whole {
            return Ok(());
        }
        let value = |pair: &[u8; 2]| f32::from(i16::from_le_bytes(*pair)).to_le_bytes();
        let values: Vec<u8> = values.as_chunks::<2>().0.iter().flat_map(value).collect();
        Ok(output.write_all(&values)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Collector, Recordings, Values};

    #[test]
    fn whole_numbers_stay_whole_unless_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let whole = Values::of(&[1.0, -32768.0, 32767.0]).unwrap();
        assert_eq!(whole, Values::Whole(vec![1, -32768, 32767]));
        let real = Values::of(&[1.0, 32768.0]).unwrap();
        assert_eq!(real, Values::Real(vec![1.0, 32768.0]));
        assert!(Values::of(&[1.0, f64::NAN]).unwrap_err().contains("sample 1"));
        let collect = |all: &[&Values]| {
            let mut collector = Collector::new(folder.path());
            for (number, values) in all.iter().enumerate() {
                collector.add(format!("r{number}"), values).unwrap();
            }
            collector.finish().unwrap()
        };
        let bytes = |recordings: &mut Recordings, number| {
            let mut bytes = Vec::new();
            recordings.write(number, &mut bytes).unwrap();
            bytes
        };
        let mut both = collect(&[&whole, &whole]);
        assert!(both.whole);
        assert_eq!(bytes(&mut both, 1), [1, 0, 0, 128, 255, 127]);
        let mut mixed = collect(&[&whole, &real]);
        assert!(!mixed.whole);
        assert_eq!(bytes(&mut mixed, 0)[..8], [1f32.to_le_bytes(), (-32768f32).to_le_bytes()].concat());
        assert_eq!(bytes(&mut mixed, 1), [1f32.to_le_bytes(), 32768f32.to_le_bytes()].concat());
    }

    #[test]
    fn recordings_are_taken_from_a_reader_and_flat_ones_are_found_late() {
        let folder = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(folder.path());
        for bytes in [[1, 2, 1, 2, 1, 3], [1, 2, 1, 2, 1, 2]] {
            collector.add_whole("A2".into(), 3, &mut bytes.as_slice()).unwrap();
        }
        assert!(
            collector.add_whole("A3".into(), 3, &mut [1u8, 2].as_slice()).unwrap_err().to_string().contains("is cut")
        );
        collector.arrange(&[1, 0], |number| format!("r{number}"));
        let mut recordings = collector.finish().unwrap();
        let mut bytes = Vec::new();
        recordings.write(1, &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 1, 2, 1, 3]);
        recordings.write_run(&[1, 1], &mut bytes).unwrap();
        assert_eq!(bytes, [1, 2, 1, 2, 1, 3].repeat(3));
        let one = recordings.write(0, &mut bytes).unwrap_err().to_string();
        let several = recordings.write_run(&[1, 0], &mut bytes).unwrap_err().to_string();
        assert!(one.starts_with("r0: ") && one.contains("all alike"), "{one}");
        assert_eq!(one, several);
    }

    #[test]
    fn a_recording_that_cannot_be_normalised_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for values in [vec![], vec![3], vec![3, 3, 3]] {
            let error = Collector::new(folder.path()).add("A1".into(), &Values::Whole(values)).unwrap_err();
            assert!(error.to_string().starts_with("A1: "), "{error}");
        }
    }
}
