//! Reads WAV files in one pass: RIFF and RF64, PCM of 8 to 32 bits and floats, any number of channels, as f32 in [−1, 1).
//! Knows no sampling rate but hands it on. Formats: Microsoft *Multiple Channel Audio Data and WAVE Files*; EBU Tech 3306.

use crate::data::dtype::Dtype;
use std::io::{self, Read};

/// Bytes converted at once.
const PIECE: usize = 1 << 15;
/// A file of more channels is damage; loudspeaker masks have room for 32.
const MOST_CHANNELS: u16 = 1024;
/// What a size field holds where the size stands elsewhere (RF64) or was not known when it was written.
const UNKNOWN: u32 = u32::MAX;

#[derive(Debug, thiserror::Error)]
#[error("{file}, offset {offset}: {problem}")]
pub struct WavError {
    pub file: String,
    pub offset: u64,
    pub problem: String,
}

/// How the sound is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WavFormat {
    pub channels: usize,
    /// Frames per second.
    pub rate: u32,
    /// Bits per value in the file: 8, 16, 24, 32 or 64.
    pub bits: usize,
    pub float: bool,
}

/// A sound open for one pass.
pub struct Wav<R> {
    file: String,
    source: Counting<R>,
    format: WavFormat,
    /// Bytes of sound not read yet; `None` where the file goes on to its end.
    left: Option<u64>,
    bytes: Vec<u8>,
}

impl<R: Read> Wav<R> {
    /// Reads up to the first value. `file` is the name for messages.
    pub fn open(file: &str, reader: R) -> Result<Wav<R>, WavError> {
        let mut source = Counting { inner: reader, at: 0 };
        match start(&mut source) {
            Ok((format, left)) => Ok(Wav { file: file.to_string(), source, format, left, bytes: Vec::new() }),
            Err(problem) => Err(WavError { file: file.to_string(), offset: source.at, problem }),
        }
    }

    pub fn format(&self) -> &WavFormat {
        &self.format
    }

    /// Frames not read yet, where the file says so.
    pub fn frames_left(&self) -> Option<u64> {
        self.left.map(|bytes| bytes / self.frame() as u64)
    }

    /// Fills `out`, frame by frame with the channels side by side, and gives the number of frames; fewer only at the end.
    /// Integers are divided by 2^(bits−1); floats are as they are. A part of a frame at the end is dropped.
    ///
    /// # Errors
    /// If the file ends before the sound does, or `out` has no room for one frame.
    pub fn next_frames(&mut self, out: &mut [f32]) -> Result<usize, WavError> {
        let (channels, frame) = (self.format.channels, self.frame());
        if out.len() < channels {
            return Err(self.error(format!("expected room for frames of {channels} values, found {}", out.len())));
        }
        let mut done = 0;
        while done < out.len() / channels {
            let room = out.len() / channels - done;
            let wanted = self.frames_left().map_or(room, |left| usize::try_from(left).unwrap_or(room).min(room));
            let wanted = wanted.min((PIECE / frame).max(1));
            self.bytes.resize(wanted * frame, 0);
            let found = read_up_to(&mut self.source, &mut self.bytes).map_err(|e| self.error(e.to_string()))?;
            if let Some(left) = &mut self.left {
                *left -= found as u64;
                if found < self.bytes.len() {
                    let missing = *left;
                    return Err(
                        self.error(format!("the sound is cut, {missing} bytes are missing; fetch the file again"))
                    );
                }
            }
            let frames = found / frame;
            self.convert(frames * frame, &mut out[done * channels..(done + frames) * channels]);
            done += frames;
            if frames < wanted || wanted == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Bytes per frame.
    fn frame(&self) -> usize {
        self.format.channels * self.format.bits / 8
    }

    fn convert(&self, len: usize, out: &mut [f32]) {
        let (bytes, bits) = (&self.bytes[..len], self.format.bits);
        let dtype = |kind| Dtype { kind, width: bits / 8, big_endian: false };
        match (self.format.float, bits) {
            (true, _) => dtype('f').f32s(bytes, out),
            // Eight bits are unsigned, 128 is silence.
            (false, 8) => out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = (f32::from(*byte) - 128.0) / 128.0),
            (false, 24) => out.iter_mut().zip(bytes.chunks_exact(3)).for_each(|(out, b)| {
                let value = i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8;
                *out = value as f32 / 8_388_608.0;
            }),
            _ => {
                dtype('i').f32s(bytes, out);
                let scale = if bits == 16 { 32_768.0 } else { 2_147_483_648.0 };
                out.iter_mut().for_each(|out| *out /= scale);
            }
        }
    }

    fn error(&self, problem: String) -> WavError {
        WavError { file: self.file.clone(), offset: self.source.at, problem }
    }
}

/// The format, and the bytes of sound where they are known; the source then stands at the first.
fn start<R: Read>(source: &mut Counting<R>) -> Result<(WavFormat, Option<u64>), String> {
    let mut head = [0u8; 12];
    read_all(source, &mut head)?;
    let wide = matches!(&head[..4], b"RF64" | b"BW64");
    if !(wide || head.starts_with(b"RIFF")) || &head[8..] != b"WAVE" {
        return Err(format!("expected a RIFF or RF64 file of type WAVE, found `{}`", head.escape_ascii()));
    }
    let whole = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let (mut format, mut wide_size) = (None, None);
    loop {
        let mut tag = [0u8; 8];
        read_all(source, &mut tag)?;
        let len = u32::from_le_bytes([tag[4], tag[5], tag[6], tag[7]]);
        match &tag[..4] {
            b"fmt " => format = Some(read_format(source, len)?),
            b"ds64" if wide => {
                let mut sizes = [0u8; 16];
                if len < 28 {
                    return Err(format!("a ds64 chunk of {len} bytes (28 at least)"));
                }
                read_all(source, &mut sizes)?;
                wide_size = Some(sizes[8..].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
                skip(source, u64::from(len) - 16)?;
            }
            b"data" => {
                let format = format.ok_or("expected a chunk `fmt ` before the sound, found none")?;
                let size = match (wide, len) {
                    (true, UNKNOWN) => Some(wide_size.ok_or("a RF64 file without the sizes of a chunk `ds64`")?),
                    // Programs that write into a pipe leave the sizes open, as all ones or as zeros.
                    (false, UNKNOWN) => None,
                    (false, 0) if whole == 0 => None,
                    _ => Some(u64::from(len)),
                };
                return Ok((format, size));
            }
            // Chunks are padded to an even number of bytes.
            _ => skip(source, u64::from(len) + u64::from(len % 2))?,
        }
        if &tag[..4] == b"fmt " || &tag[..4] == b"ds64" {
            skip(source, u64::from(len % 2))?;
        }
    }
}

fn read_format<R: Read>(source: &mut Counting<R>, len: u32) -> Result<WavFormat, String> {
    if len < 16 {
        return Err(format!("a format of {len} bytes (16 at least)"));
    }
    let mut bytes = [0u8; 40];
    let known = (len as usize).min(40);
    read_all(source, &mut bytes[..known])?;
    skip(source, u64::from(len) - known as u64)?;
    let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let (mut tag, channels, frame, bits) = (word(0), word(2), word(12), word(14));
    // WAVE_FORMAT_EXTENSIBLE: the tag is the start of a GUID.
    if tag == 0xfffe {
        if known < 40 || bytes[26..40] != *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71" {
            return Err("expected PCM or float samples, found a format of its own".into());
        }
        tag = word(24);
    }
    if channels == 0 || channels > MOST_CHANNELS {
        return Err(format!("expected 1 to {MOST_CHANNELS} channels, found {channels}"));
    }
    // A value has as many whole bytes as it needs, and stands in their upper bits.
    let width = if bits <= 64 { 8 * bits.div_ceil(8) } else { 0 };
    let known = match tag {
        1 => matches!(width, 8 | 16 | 24 | 32),
        3 => matches!(bits, 32 | 64),
        _ => {
            let name = match tag {
                2 | 17 => " (ADPCM)",
                6 => " (A-law)",
                7 => " (µ-law)",
                85 => " (MP3)",
                _ => "",
            };
            return Err(format!(
                "expected PCM or float samples, found format {tag:#06x}{name}; convert the file to PCM"
            ));
        }
    };
    if !known || u32::from(frame) != u32::from(channels) * u32::from(width / 8) {
        return Err(format!("values of {bits} bits in frames of {frame} bytes and {channels} channels are not read"));
    }
    let rate = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    Ok(WavFormat { channels: usize::from(channels), rate, bits: usize::from(width), float: tag == 3 })
}

fn skip<R: Read>(source: &mut Counting<R>, len: u64) -> Result<(), String> {
    let skipped = io::copy(&mut Read::take(source, len), &mut io::sink()).map_err(|e| e.to_string())?;
    if skipped < len {
        return Err(format!("a chunk is cut, {} bytes are missing; fetch the file again", len - skipped));
    }
    Ok(())
}

fn read_all<R: Read>(source: &mut Counting<R>, out: &mut [u8]) -> Result<(), String> {
    source.read_exact(out).map_err(|e| format!("the file is cut before its sound ({e}); fetch it again"))
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

struct Counting<R> {
    inner: R,
    at: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::{Wav, WavError};

    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = name.to_vec();
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn format(tag: u16, channels: u16, bits: u16) -> Vec<u8> {
        let frame = channels * bits.div_ceil(8);
        let mut bytes = Vec::new();
        bytes.extend([tag, channels].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend([8000, 8000 * u32::from(frame)].iter().flat_map(|v: &u32| v.to_le_bytes()));
        bytes.extend([frame, bits].iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WAVE", &body].concat()
    }

    fn read(bytes: &[u8]) -> Result<Vec<f32>, WavError> {
        let mut wav = Wav::open("x.wav", bytes)?;
        let (mut all, mut out) = (Vec::new(), vec![0.0; 4 * wav.format().channels]);
        loop {
            let frames = wav.next_frames(&mut out)?;
            all.extend(&out[..frames * wav.format().channels]);
            if frames < 4 {
                return Ok(all);
            }
        }
    }

    #[test]
    fn every_depth_and_channel_count() {
        let wav = |tag, channels, bits, data: &[u8]| {
            riff(&[chunk(b"fmt ", &format(tag, channels, bits)), chunk(b"data", data)])
        };
        assert_eq!(read(&wav(1, 1, 8, &[0, 128, 192])).unwrap(), [-1.0, 0.0, 0.5]);
        assert_eq!(read(&wav(1, 2, 16, &[0, 0x80, 0, 0x40])).unwrap(), [-1.0, 0.5]);
        assert_eq!(read(&wav(1, 3, 24, &[0, 0, 0x80, 0, 0, 0x40, 0, 0, 0xc0])).unwrap(), [-1.0, 0.5, -0.5]);
        assert_eq!(read(&wav(1, 1, 32, &[0, 0, 0, 0x80, 0, 0, 0, 0x20])).unwrap(), [-1.0, 0.25]);
        assert_eq!(read(&wav(1, 1, 12, &[0, 0x40])).unwrap(), [0.5]);
        assert_eq!(read(&wav(3, 1, 32, &1.25f32.to_le_bytes())).unwrap(), [1.25]);
        assert_eq!(read(&wav(3, 1, 64, &(-0.1f64).to_le_bytes())).unwrap(), [-0.1]);
        let long: Vec<u8> = (0..100_001u32 * 2).map(|i| i as u8).collect();
        assert_eq!(read(&wav(1, 1, 16, &long)).unwrap().len(), 100_001);
        assert!(read(&wav(1, 1, 16, b"")).unwrap().is_empty());
        assert_eq!(read(&wav(1, 1, 16, &[0, 0x40, 7])).unwrap(), [0.5], "part of a frame");
        for (tag, bits, word) in [(85, 16, "MP3"), (1, 40, "40 bits"), (3, 16, "16 bits"), (7, 8, "µ-law")] {
            let message = read(&wav(tag, 1, bits, b"")).unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("x.wav, offset"), "{message}");
        }
        assert!(read(&wav(1, 0, 16, b"")).unwrap_err().to_string().contains("channels"));
    }

    #[test]
    fn extensible_formats_odd_chunks_and_open_sizes() {
        let mut extensible = format(0xfffe, 1, 16);
        extensible.extend(b"\x16\0\x10\0\x04\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71");
        let chunks =
            [chunk(b"LIST", b"odd"), chunk(b"fmt ", &extensible), chunk(b"fact", b"x"), chunk(b"data", &[0, 0x40])];
        let whole = riff(&chunks);
        assert_eq!(read(&whole).unwrap(), [0.5]);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        extensible[24] = 85;
        assert!(read(&riff(&[chunk(b"fmt ", &extensible)])).unwrap_err().to_string().contains("MP3"));
        extensible[30] = 1;
        assert!(read(&riff(&[chunk(b"fmt ", &extensible)])).unwrap_err().to_string().contains("of its own"));
        let mut open = riff(&[chunk(b"fmt ", &format(1, 1, 16)), chunk(b"data", &[0, 0x40])]);
        let at = open.len() - 6;
        open[at..at + 4].fill(0xff);
        assert_eq!(read(&open).unwrap(), [0.5]);
        assert_eq!(Wav::open("x", open.as_slice()).unwrap().frames_left(), None);
        open[at..at + 4].fill(0);
        assert!(read(&open).unwrap().is_empty());
        open[4..8].fill(0);
        assert_eq!(read(&open).unwrap(), [0.5]);
        open[at..at + 4].copy_from_slice(&0x7fff_fff0u32.to_le_bytes());
        assert!(read(&open).unwrap_err().to_string().contains("cut"));
        assert!(read(&riff(&[chunk(b"data", b"12")])).unwrap_err().to_string().contains("before the sound"));
    }

    #[test]
    fn sizes_of_64_bits() {
        let mut sizes = vec![0; 28];
        sizes[8] = 2;
        let mut wide = riff(&[chunk(b"ds64", &sizes), chunk(b"fmt ", &format(1, 1, 16)), chunk(b"data", &[0, 0x40])]);
        wide.extend(b"tail that is no sound");
        wide[..4].copy_from_slice(b"RF64");
        wide[4..8].fill(0xff);
        let at = 12 + 36 + 24 + 4;
        wide[at..at + 4].fill(0xff);
        assert_eq!(read(&wide).unwrap(), [0.5]);
        wide[12 + 8 + 8 + 7] = 0x7f;
        assert!(read(&wide).unwrap_err().to_string().contains("cut"));
        wide[12] = b'x';
        assert!(read(&wide).unwrap_err().to_string().contains("ds64"));
    }
}
