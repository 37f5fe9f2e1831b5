//! Writes pickles of plain values and numpy arrays at protocol 3, with the names that numpy 1.x writes, which every numpy reads.
//! Knows nothing of reading.

use crate::data::dtype::Dtype;
use std::borrow::Cow;
use std::io::{self, Write};

/// One object to write. Shared objects are written as often as they occur.
#[derive(Clone, Debug)]
pub enum Item<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    List(Vec<Item<'a>>),
    Tuple(Vec<Item<'a>>),
    /// Keys and values.
    Dict(Vec<(Item<'a>, Item<'a>)>),
    /// An array in C order; `descr` is numpy's, such as `<f4`.
    Array {
        descr: &'a str,
        shape: Vec<usize>,
        data: Cow<'a, [u8]>,
    },
    /// An array of objects, in C order.
    Objects {
        shape: Vec<usize>,
        items: Vec<Item<'a>>,
    },
}

/// Writes one pickle.
///
/// # Errors
/// If `output` fails, an array's data are not as long as shape and type say, or a string exceeds the 4 GiB of protocol 3.
pub fn write_pickle(output: &mut dyn Write, item: &Item<'_>) -> io::Result<()> {
    output.write_all(b"\x80\x03")?; // PROTO 3
    write_item(output, item)?;
    output.write_all(b".") // STOP
}

fn write_item(output: &mut dyn Write, item: &Item<'_>) -> io::Result<()> {
    match item {
        Item::None => output.write_all(b"N"),
        Item::Bool(value) => output.write_all(if *value { b"\x88" } else { b"\x89" }),
        Item::Int(value) => write_integer(output, *value),
        Item::Float(value) => {
            output.write_all(b"G")?; // BINFLOAT is big-endian
            output.write_all(&value.to_be_bytes())
        }
        Item::Text(text) => write_text(output, text),
        Item::Bytes(bytes) => write_bytes(output, bytes),
        Item::List(items) => {
            output.write_all(b"](")?;
            items.iter().try_for_each(|item| write_item(output, item))?;
            output.write_all(b"e")
        }
        Item::Tuple(items) => {
            output.write_all(b"(")?;
            items.iter().try_for_each(|item| write_item(output, item))?;
            output.write_all(b"t")
        }
        Item::Dict(items) => {
            output.write_all(b"}(")?;
            for (key, value) in items {
                write_item(output, key)?;
                write_item(output, value)?;
            }
            output.write_all(b"u")
        }
        Item::Array { descr, shape, data } => {
            let bare = descr.trim_start_matches(['<', '>', '|', '=']);
            let dtype = Dtype::parse(bare).filter(|dtype| dtype.kind != 'O');
            let dtype =
                dtype.ok_or_else(|| io::Error::other(format!("`{descr}` is no type of plain array elements")))?;
            let order = if dtype.width == 1 || dtype.kind == 'S' { "|" } else { &descr[..descr.len() - bare.len()] };
            check(shape, dtype.width, data.len())?;
            // numpy writes the sizes of text elements and −1 for those that the type implies.
            let (width, align, flags) = match dtype.kind {
                'U' => (dtype.width as i64, 4, 8),
                'S' => (dtype.width as i64, 1, 0),
                _ => (-1, -1, 0),
            };
            start_array(output, shape, bare, if order.is_empty() { "<" } else { order }, [width, align, flags])?;
            write_bytes(output, data)?;
            output.write_all(b"tb")
        }
        Item::Objects { shape, items } => {
            check(shape, 1, items.len())?;
            start_array(output, shape, "O8", "|", [-1, -1, 63])?;
            output.write_all(b"](")?;
            items.iter().try_for_each(|item| write_item(output, item))?;
            output.write_all(b"etb")
        }
    }
}

/// An empty array, and its state up to the data.
fn start_array(output: &mut dyn Write, shape: &[usize], code: &str, order: &str, sizes: [i64; 3]) -> io::Result<()> {
    output.write_all(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R")?;
    output.write_all(b"(K\x01(")?;
    for size in shape {
        write_integer(output, i64::try_from(*size).map_err(io::Error::other)?)?;
    }
    output.write_all(b"tcnumpy\ndtype\n")?;
    write_text(output, code)?;
    output.write_all(b"\x89\x88\x87R(K\x03")?;
    write_text(output, order)?;
    output.write_all(b"NNN")?;
    sizes.iter().try_for_each(|size| write_integer(output, *size))?;
    output.write_all(b"tb\x89")
}

fn check(shape: &[usize], width: usize, found: usize) -> io::Result<()> {
    let expected = shape.iter().try_fold(width, |product, size| product.checked_mul(*size));
    if expected == Some(found) {
        return Ok(());
    }
    Err(io::Error::other(format!("an array of shape {shape:?} and elements of {width} with {found} in all")))
}

fn write_integer(output: &mut dyn Write, value: i64) -> io::Result<()> {
    if let Ok(value) = u8::try_from(value) {
        output.write_all(&[b'K', value])
    } else if let Ok(value) = i32::try_from(value) {
        output.write_all(b"J")?;
        output.write_all(&value.to_le_bytes())
    } else {
        output.write_all(b"\x8a\x08")?; // LONG1 of 8 bytes
        output.write_all(&value.to_le_bytes())
    }
}

fn write_text(output: &mut dyn Write, text: &str) -> io::Result<()> {
    output.write_all(b"X")?;
    output.write_all(&length(text.len())?.to_le_bytes())?;
    output.write_all(text.as_bytes())
}

fn write_bytes(output: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    match u8::try_from(bytes.len()) {
        Ok(len) => output.write_all(&[b'C', len])?,
        Err(_) => {
            output.write_all(b"B")?;
            output.write_all(&length(bytes.len())?.to_le_bytes())?;
        }
    }
    output.write_all(bytes)
}

fn length(len: usize) -> io::Result<u32> {
    u32::try_from(len).map_err(|_| io::Error::other(format!("a string of {len} bytes, protocol 3 holds 4 GiB")))
}

#[cfg(test)]
mod tests {
    use super::{Item, write_pickle};
    use crate::data::npy::array_of;
    use crate::data::pickle::Pickle;
    use crate::data::pickle_object::Object;
    use std::borrow::Cow;

    fn array<'a>(descr: &'a str, shape: &[usize], data: &'a [u8]) -> Item<'a> {
        Item::Array { descr, shape: shape.to_vec(), data: Cow::Borrowed(data) }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = vec![7u8; 300];
        let letters: Vec<u8> = "Nü".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
        let objects = Item::Objects {
            shape: vec![2],
            items: vec![array(">i2", &[3], &[0, 1, 255, 254, 0, 3]), Item::Bytes(&long)],
        };
        let integers = [0, 255, 256, -1, i64::MIN, i64::MAX];
        let item = Item::Dict(vec![
            (Item::Text("plain"), Item::List(vec![Item::None, Item::Bool(true), Item::Float(-0.5)])),
            (Item::Text("integers"), Item::Tuple(integers.iter().map(|v| Item::Int(*v)).collect())),
            (Item::Text("objects"), objects),
            (Item::Text("label"), array("<U1", &[2], &letters)),
            (Item::Text("image"), array("|u1", &[2, 150], &long)),
        ]);
        let mut bytes = Vec::new();
        write_pickle(&mut bytes, &item).unwrap();
        let pickle = Pickle::read("x.pkl", &mut bytes.as_slice(), std::path::Path::new(".")).unwrap();
        let at = |key| pickle.item(pickle.root(), key).unwrap();
        let plain = pickle.elements(at("plain")).unwrap();
        assert!(matches!(pickle.get(plain[0]), Object::None) && matches!(pickle.get(plain[1]), Object::Bool(true)));
        assert_eq!(pickle.float(plain[2]), Some(-0.5));
        assert_eq!(pickle.integers(at("integers")).unwrap(), integers);
        assert_eq!(pickle.texts(at("label")).unwrap(), ["N", "ü"]);
        let objects = pickle.elements(at("objects")).unwrap();
        assert_eq!(pickle.integers(objects[0]).unwrap(), [1, -2, 3]);
        let mut values = [0.0; 3];
        array_of("x.pkl", &pickle, objects[0]).unwrap().next_f32(&mut values).unwrap();
        assert_eq!(values, [1.0, -2.0, 3.0]);
        assert!(array_of("x.pkl", &pickle, objects[1]).err().unwrap().to_string().contains("found a byte string"));
        assert_eq!(array_of("x.pkl", &pickle, at("image")).unwrap().header().shape, [2, 150]);
    }

    #[test]
    fn arrays_of_another_length_are_refused() {
        for item in [array("<f4", &[2], &[0; 7]), array("<M8", &[1], &[0; 8]), array("|O", &[1], &[0; 8])] {
            assert!(write_pickle(&mut Vec::new(), &item).is_err());
        }
        assert!(write_pickle(&mut Vec::new(), &Item::Objects { shape: vec![2], items: vec![] }).is_err());
    }
}
