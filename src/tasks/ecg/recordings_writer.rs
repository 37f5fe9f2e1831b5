//! Writes `challenge2017.pkl` in a stream: a pickle (protocol 3) of a dict with `data`, an object array of 16-bit signals, and
//! `label`, an array of one-character texts, as NumPy 1 writes it. Knows no more of pickles.

use std::io::{self, Write};

/// Takes signals, then labels.
pub struct RecordingsWriter<W> {
    output: W,
    left: usize,
}

impl<W: Write> RecordingsWriter<W> {
    /// Announces `count` recordings.
    pub fn start(mut output: W, count: usize) -> io::Result<Self> {
        output.write_all(b"\x80\x03}(")?;
        text(&mut output, "data")?;
        array(&mut output, count, "O8", b"|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3f")?;
        output.write_all(b"](")?;
        Ok(RecordingsWriter { output, left: count })
    }

    /// The next signal.
    pub fn signal(&mut self, values: &[i16]) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("more signals than announced"))?;
        array(&mut self.output, values.len(), "i2", b"<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00")?;
        bytes(&mut self.output, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
        self.output.write_all(b"tb")
    }

    /// The labels, one character each, after all signals. Gives the output back, to be closed.
    pub fn finish(mut self, labels: &str) -> io::Result<W> {
        if self.left != 0 {
            return Err(io::Error::other(format!("{} announced signals are missing", self.left)));
        }
        self.output.write_all(b"etb")?;
        text(&mut self.output, "label")?;
        array(&mut self.output, labels.chars().count(), "U1", b"<NNNK\x04K\x04K\x08")?;
        bytes(&mut self.output, &labels.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>())?;
        self.output.write_all(b"tbu.")?;
        self.output.flush()?;
        Ok(self.output)
    }
}

/// An array of one axis up to its data: `_reconstruct(ndarray, (0,), b"b")`, then the state's version, shape, type and order.
/// `state` is the byte order of the type and the rest of the type's own state, as opcodes.
fn array(output: &mut dyn Write, len: usize, dtype: &str, state: &[u8]) -> io::Result<()> {
    let len = i32::try_from(len).map_err(|_| io::Error::other(format!("an array of {len} elements")))?;
    output.write_all(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01J")?;
    output.write_all(&len.to_le_bytes())?;
    output.write_all(b"\x85cnumpy\ndtype\n")?;
    text(output, dtype)?;
    output.write_all(b"\x89\x88\x87R(K\x03X\x01\x00\x00\x00")?;
    output.write_all(state)?;
    output.write_all(b"tb\x89")
}

fn text(output: &mut dyn Write, text: &str) -> io::Result<()> {
    output.write_all(b"X")?;
    output.write_all(&(text.len() as u32).to_le_bytes())?;
    output.write_all(text.as_bytes())
}

fn bytes(output: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(|_| io::Error::other("an array above 4 GiB"))?;
    output.write_all(b"B")?;
    output.write_all(&len.to_le_bytes())?;
    output.write_all(bytes)
}
