//! Sounds to log-mel maps, in batches: pieces of one second of clips, whole maps of background noise. Maps go to scratch files
//! as they come and are found again by name. Knows no label and no archive.

use crate::data::archive::base_name;
use crate::data::signal::chunks::{CHUNK, chunk, chunk_starts, tiled};
use crate::data::signal::log_mel::{BANDS, LogMel, LogMelScratch, frames};
use crate::data::signal::resample::{can_resample, resample};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Samples per second of a map's sound (task specification §6.2).
pub const RATE: u32 = 22_050;
/// Frames of a piece.
pub const FRAMES: usize = CHUNK / 220 + 1;
/// Bytes of a piece's map.
pub const PIECE: u64 = 4 * (BANDS * FRAMES) as u64;
/// Samples held before they are turned into maps together.
const BATCH: usize = 6_000_000;

/// A sound that was turned into maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    pub path: String,
    /// Number of its first map, and how many it has; of noise: first frame, and how many.
    pub first: u64,
    pub count: u64,
}

/// A sound that waits.
struct Waiting {
    path: String,
    noise: bool,
    rate: u32,
    samples: Vec<f32>,
}

/// What is made of sounds so far.
pub struct Sounds {
    mel: LogMel,
    /// Cut every sound as the publishers' clips are; otherwise what is no longer than a piece is one piece already.
    cut_all: bool,
    waiting: Vec<Waiting>,
    held: usize,
    pieces: BufWriter<File>,
    noise: BufWriter<File>,
    /// Clips by the last component of their path.
    clips: BTreeMap<String, Vec<Sound>>,
    noises: Vec<Sound>,
    next: (u64, u64),
}

impl Sounds {
    pub fn new(scratch: &Path, cut_all: bool) -> io::Result<Sounds> {
        let file = || Ok::<_, io::Error>(BufWriter::with_capacity(1 << 16, tempfile::tempfile_in(scratch)?));
        Ok(Sounds {
            mel: LogMel::new(RATE),
            cut_all,
            waiting: Vec::new(),
            held: 0,
            pieces: file()?,
            noise: file()?,
            clips: BTreeMap::new(),
            noises: Vec::new(),
            next: (0, 0),
        })
    }

    /// Takes a sound in: one channel of samples in −1..1. The error says what is wrong with it.
    pub fn push(&mut self, path: &str, noise: bool, rate: u32, samples: Vec<f32>) -> Result<(), SoundError> {
        let wrong = |problem: String| Err(SoundError::Sound { file: path.to_string(), problem });
        if samples.is_empty() {
            return wrong("samples were expected, found none".into());
        }
        if !can_resample(rate, RATE) {
            return wrong(format!("a rate near {RATE} Hz was expected, found {rate} Hz"));
        }
        if let Some(at) = samples.iter().position(|s| !s.is_finite()) {
            return wrong(format!("sample {at} is not finite"));
        }
        self.held += samples.len();
        self.waiting.push(Waiting { path: path.to_string(), noise, rate, samples });
        if self.held >= BATCH { self.flush() } else { Ok(()) }
    }

    /// Turns what waits into maps.
    fn flush(&mut self) -> Result<(), SoundError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.held = 0;
        // an indexed parallel iterator keeps the order, whatever thread makes which map
        let room = || self.mel.scratch();
        let maps: Vec<Vec<f32>> =
            waiting.par_iter().map_init(room, |room, sound| maps(&self.mel, room, sound, self.cut_all)).collect();
        for (sound, maps) in waiting.into_iter().zip(maps) {
            let (next, size) = if sound.noise { (&mut self.next.1, BANDS) } else { (&mut self.next.0, BANDS * FRAMES) };
            let found = Sound { path: sound.path, first: *next, count: (maps.len() / size) as u64 };
            *next += found.count;
            let output = if sound.noise { &mut self.noise } else { &mut self.pieces };
            for piece in maps.chunks(1 << 14) {
                output.write_all(&piece.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
            }
            if sound.noise {
                self.noises.push(found);
            } else {
                self.clips.entry(base_name(&found.path).to_string()).or_default().push(found);
            }
        }
        Ok(())
    }

    /// After the last sound.
    pub fn finish(mut self) -> Result<Maps, SoundError> {
        self.flush()?;
        let file = |writer: BufWriter<File>| writer.into_inner().map_err(|e| SoundError::Disk(e.into_error()));
        self.noises.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Maps { pieces: file(self.pieces)?, noise: file(self.noise)?, clips: self.clips, noises: self.noises })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    #[error("{file}: {problem}")]
    Sound { file: String, problem: String },
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// The maps of one sound, one after the other: 96 × 101 values for each piece, or 96 × all frames of noise.
fn maps(mel: &LogMel, room: &mut LogMelScratch, sound: &Waiting, cut_all: bool) -> Vec<f32> {
    let changed;
    let samples = if sound.rate == RATE {
        &sound.samples
    } else {
        // the benchmark's clips were stored in 16 bits after the change of rate (task specification §6.2)
        let stored = |s: &f32| (s * 32_768.0).round().clamp(-32_768.0, 32_767.0) / 32_768.0;
        changed = resample(&sound.samples, sound.rate, RATE).iter().map(stored).collect::<Vec<f32>>();
        &changed
    };
    if sound.noise {
        return mel.transform(samples);
    }
    let pieces: Vec<Vec<f32>> = if !cut_all && samples.len() <= CHUNK {
        vec![tiled(samples, CHUNK)]
    } else {
        chunk_starts(samples.len()).into_iter().map(|start| chunk(samples, start)).collect()
    };
    let size = BANDS * frames(CHUNK);
    let mut out = vec![0.0; pieces.len() * size];
    for (piece, map) in pieces.iter().zip(out.chunks_exact_mut(size)) {
        mel.transform_into(piece, room, map);
    }
    out
}

/// All maps, found by name.
pub struct Maps {
    pieces: File,
    noise: File,
    clips: BTreeMap<String, Vec<Sound>>,
    /// Sorted by path.
    pub noises: Vec<Sound>,
}

/// Why a sound was not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is none of this name.
    None,
    /// These agree equally well with the path.
    Several(Vec<String>),
}

impl Maps {
    /// The clip at `path`. Folders before it may differ from those of the list (task specification §15): the clip whose path
    /// agrees in the most components from the end is meant.
    pub fn find(&self, path: &str) -> Result<&Sound, Missing> {
        let path = path.replace('\\', "/");
        let candidates = self.clips.get(base_name(&path)).map_or(&[][..], Vec::as_slice);
        let agreement =
            |sound: &Sound| sound.path.rsplit('/').zip(path.rsplit('/')).take_while(|(a, b)| a == b).count();
        let best = candidates.iter().map(agreement).max().unwrap_or(0);
        let mut found = candidates.iter().filter(|sound| agreement(sound) == best);
        match (found.next(), found.next()) {
            (None, _) => Err(Missing::None),
            (Some(sound), None) => Ok(sound),
            (Some(a), Some(b)) => Err(Missing::Several(vec![a.path.clone(), b.path.clone()])),
        }
    }

    /// How many clips there are.
    pub fn clips(&self) -> usize {
        self.clips.values().map(Vec::len).sum()
    }

    /// Copies the maps of a clip to `output`.
    pub fn copy(&self, sound: &Sound, output: &mut dyn Write) -> io::Result<()> {
        copy(&self.pieces, sound.first * PIECE, sound.count * PIECE, output)
    }

    /// Copies the map of a noise to `output`.
    pub fn copy_noise(&self, sound: &Sound, output: &mut dyn Write) -> io::Result<()> {
        let frame = 4 * BANDS as u64;
        copy(&self.noise, sound.first * frame, sound.count * frame, output)
    }
}

fn copy(mut file: &File, start: u64, len: u64, output: &mut dyn Write) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut BufReader::with_capacity(1 << 16, file.take(len)), output)?;
    if copied == len { Ok(()) } else { Err(io::Error::other("a scratch file is shorter than it was written")) }
}

#[cfg(test)]
mod tests {
    use super::{FRAMES, Missing, Sounds};
    use crate::data::signal::log_mel::{LogMel, frames};

    fn sine(length: usize, step: f32) -> Vec<f32> {
        (0..length).map(|n| (n as f32 * step).sin() * 0.5).collect()
    }

    #[test]
    fn clips_are_cut_and_found_by_the_end_of_their_path() {
        let folder = tempfile::tempdir().unwrap();
        for (cut_all, pieces) in [(false, 1), (true, 2)] {
            let mut sounds = Sounds::new(folder.path(), cut_all).unwrap();
            sounds.push("data/a/x.wav", false, 22_050, sine(22_050, 0.1)).unwrap();
            sounds.push("data/b/x.wav", false, 22_050, sine(50_000, 0.2)).unwrap();
            sounds.push("data/noise/n.wav", true, 22_050, sine(7000, 0.3)).unwrap();
            sounds.push("y.wav", false, 44_100, sine(8000, 0.05)).unwrap();
            let maps = sounds.finish().unwrap();
            assert_eq!((maps.find("elsewhere/a/x.wav").unwrap().count, maps.clips()), (pieces, 3));
            // 50,000 samples: 0, 11025, …, 44100
            assert_eq!(maps.find("b/x.wav").unwrap().count, 5);
            assert!(matches!(maps.find("c/x.wav"), Err(Missing::Several(_))));
            assert_eq!(maps.find("noise/n.wav"), Err(Missing::None));
            let (mut piece, mut noise) = (Vec::new(), Vec::new());
            maps.copy(maps.find("y.wav").unwrap(), &mut piece).unwrap();
            assert_eq!(piece.len(), 4 * 96 * FRAMES);
            maps.copy_noise(&maps.noises[0], &mut noise).unwrap();
            let expected = LogMel::new(22_050).transform(&sine(7000, 0.3));
            let expected: Vec<u8> = expected.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(noise, expected);
            assert_eq!(maps.noises[0].count, frames(7000) as u64);
        }
    }

    #[test]
    fn what_is_no_sound_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut sounds = Sounds::new(folder.path(), false).unwrap();
        for (rate, samples, word) in
            [(22_050, vec![], "found none"), (0, vec![0.0], "0 Hz"), (22_050, vec![f32::NAN], "finite")]
        {
            let message = sounds.push("bad.wav", false, rate, samples).unwrap_err().to_string();
            assert!(message.contains("bad.wav") && message.contains(word), "{message}");
        }
    }
}
