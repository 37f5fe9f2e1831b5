//! The compression of stored bytes: a sequence of independent zstd frames, one per megabyte, so that `zstd -d` reads
//! them too and memory stays bounded. Knows no digest and no name.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// Bytes in a frame, before compression. Smaller frames compress worse, larger ones only cost memory.
const FRAME: usize = 1 << 20;
/// Level for what compresses: measured by `cargo test --test it store::bench` on this machine, see there.
const DENSE: i32 = 3;
/// Level for what does not, such as trained weights: negative levels copy what they find no repetition in.
const QUICK: i32 = -7;
/// A frame is tried on this many bytes of its middle.
const PROBE: usize = 16 << 10;

/// Compresses what is written to it; `finish` ends the last frame.
pub(super) struct Packer<W: Write> {
    sink: W,
    buffer: Vec<u8>,
    packed: Vec<u8>,
    dense: Option<Compressor<'static>>,
    quick: Option<Compressor<'static>>,
    frames: u64,
    packed_bytes: u64,
}

impl<W: Write> Packer<W> {
    pub(super) fn new(sink: W) -> Self {
        Packer { sink, buffer: Vec::new(), packed: Vec::new(), dense: None, quick: None, frames: 0, packed_bytes: 0 }
    }

    /// The sink, and the number of bytes written to it.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        // Nothing at all is one empty frame: no stored file is empty, so that an empty one is known to be torn.
        if !self.buffer.is_empty() || self.frames == 0 {
            let buffer = std::mem::take(&mut self.buffer);
            self.pack(&buffer)?;
        }
        Ok((self.sink, self.packed_bytes))
    }

    fn pack(&mut self, frame: &[u8]) -> io::Result<()> {
        self.packed.resize(compress_bound(frame.len()), 0);
        let dense = compressor(&mut self.dense, DENSE)?;
        let probe = &frame[(frame.len().saturating_sub(PROBE)) / 2..][..frame.len().min(PROBE)];
        // Worth the time from a tenth on: floats of trained weights give about 8 %, all of it in their exponents.
        let worth =
            frame.len() <= PROBE || dense.compress_to_buffer(probe, &mut self.packed[..])? * 10 < probe.len() * 9;
        let chosen = if worth { dense } else { compressor(&mut self.quick, QUICK)? };
        let length = chosen.compress_to_buffer(frame, &mut self.packed[..])?;
        self.sink.write_all(&self.packed[..length])?;
        self.frames += 1;
        self.packed_bytes += length as u64;
        Ok(())
    }
}

fn compressor<'a>(slot: &'a mut Option<Compressor<'static>>, level: i32) -> io::Result<&'a mut Compressor<'static>> {
    if slot.is_none() {
        *slot = Some(Compressor::new(level)?);
    }
    Ok(slot.as_mut().expect("filled above"))
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.is_empty() && bytes.len() >= FRAME {
            self.pack(&bytes[..FRAME])?;
            return Ok(FRAME);
        }
        let taken = bytes.len().min(FRAME - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == FRAME {
            let mut buffer = std::mem::take(&mut self.buffer);
            self.pack(&buffer)?;
            buffer.clear();
            self.buffer = buffer;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decompresses a stored file.
pub(super) struct Unpacker(zstd::stream::read::Decoder<'static, BufReader<File>>);

/// Why reading stopped.
pub(super) enum Unreadable {
    /// The operating system's answer: says nothing about the bytes.
    Io(io::Error),
    /// The bytes are not what was written.
    Damaged,
}

impl Unpacker {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let buffered = BufReader::with_capacity(256 << 10, file);
        Ok(Unpacker(zstd::stream::read::Decoder::with_buffer(buffered)?))
    }

    /// As `Read::read`; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        loop {
            match self.0.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Only errors of the operating system carry a number.
                Err(error) if error.raw_os_error().is_some() => return Err(Unreadable::Io(error)),
                Err(_) => return Err(Unreadable::Damaged),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FRAME, Packer, Unpacker, Unreadable};
    use std::io::{Seek, Write};

    fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(packed).unwrap();
        file.rewind().unwrap();
        let mut unpacker = Unpacker::new(file).unwrap();
        let (mut out, mut buffer) = (Vec::new(), vec![0; 100_000]);
        loop {
            match unpacker.read(&mut buffer) {
                Ok(0) => return Some(out),
                Ok(count) => out.extend_from_slice(&buffer[..count]),
                Err(Unreadable::Damaged) => return None,
                Err(Unreadable::Io(error)) => panic!("{error}"),
            }
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn every_length_around_a_frame_comes_back() {
        for length in [0, 1, 100, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 7] {
            let bytes = noise(length);
            for piece in [length.max(1), 300_001] {
                let mut packer = Packer::new(Vec::new());
                for part in bytes.chunks(piece) {
                    packer.write_all(part).unwrap();
                }
                let (packed, count) = packer.finish().unwrap();
                assert_eq!(count, packed.len() as u64);
                assert!(!packed.is_empty());
                assert!(packed.len() <= length + length / 1000 + 64, "{length} grew to {}", packed.len());
                assert_eq!(unpack(&packed).unwrap(), bytes);
            }
        }
    }

    #[test]
    fn text_shrinks_and_trailing_garbage_is_damage() {
        let text = "epoch loss accuracy\n".repeat(200_000);
        let mut packer = Packer::new(Vec::new());
        packer.write_all(text.as_bytes()).unwrap();
        let (mut packed, _) = packer.finish().unwrap();
        assert!(packed.len() * 100 < text.len());
        packed.push(0);
        assert!(unpack(&packed).is_none());
    }
}
