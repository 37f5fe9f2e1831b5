//! DeepSEA's windows from sequences, peaks and a list of tracks. Sequences are read twice: for their lengths, and for the bases
//! of the windows that are wanted. Knows no official file.

use crate::data::archive::{ArchiveError, base_name, decompress};
use crate::data::bed::{Bed, Interval};
use crate::data::fasta::{Fasta, FastaError};
use crate::data::lines::{Lines, TextError};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::preparation::RAW;
use crate::tasks::deepsea::genome::{Bin, Bins, Region, planes, split};
use crate::tasks::deepsea::windows::{Amounts, BASES, SPLITS, Windows, splits};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};

/// Residues read at once.
const BLOCK: usize = 1 << 16;

/// `StageError` with the conversions that readers ask for.
struct Trouble(StageError);

impl From<ArchiveError> for Trouble {
    fn from(error: ArchiveError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<FastaError> for Trouble {
    fn from(error: FastaError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<TextError> for Trouble {
    fn from(error: TextError) -> Self {
        Trouble(StageError::Data(error.to_string()))
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble(StageError::from(error))
    }
}

impl From<StageError> for Trouble {
    fn from(error: StageError) -> Self {
        Trouble(error)
    }
}

fn data<T>(problem: String) -> Result<T, Trouble> {
    Err(Trouble(StageError::Data(problem)))
}

/// The windows of each split, and the names of the tracks in the order of the labels: that of the list, or sorted.
pub fn rebuild(
    sequences: &[String],
    peaks: &[String],
    lists: &[String],
    amounts: Amounts,
    context: &dyn Context,
) -> Result<([Windows; 3], Vec<String>), StageError> {
    let all = || -> Result<([Windows; 3], Vec<String>), Trouble> {
        let mut regions = Vec::new();
        for file in sequences {
            open(file, context, &mut |reader| lengths(file, reader, &mut regions, context))?;
        }
        let listed = tracks(lists, context)?;
        let mut bins = Bins::new(&regions, amounts.length);
        let (names, intervals) = read_peaks(peaks, listed, &mut bins, context)?;
        if names.len() != amounts.labels {
            return data(format!(
                "{}: expected {} tracks, found {}; set data.labels to use these files, or list the tracks in a .txt file",
                if lists.is_empty() { peaks.join(", ") } else { lists.join(", ") },
                amounts.labels,
                names.len()
            ));
        }
        let bins = bins.finish();
        if bins.is_empty() {
            let known: Vec<&str> = regions.iter().take(5).map(|region| region.chromosome.as_str()).collect();
            return data(format!(
                "{}: expected peaks on the sequences of {} ({}), found none of {intervals} there",
                peaks.join(", "),
                sequences.join(", "),
                known.join(", ")
            ));
        }
        let chosen = split(&bins, &regions, amounts.length, amounts.windows).or_else(|(at, found)| {
            let part = &SPLITS[at];
            data(format!(
                "{}: expected {} windows with a label for the {} part, found {found}; set {} to use these files",
                peaks.join(", "),
                amounts.windows[at],
                part.part,
                part.setting
            ))
        })?;
        let windows = cut(sequences, &bins, &chosen, amounts, context)?;
        Ok((windows, names))
    };
    all().map_err(|trouble| trouble.0)
}

/// An input, decompressed.
type Plain<'a> = BufReader<Box<dyn Read + 'a>>;

/// Reads an input to its end.
fn open(
    file: &str,
    context: &dyn Context,
    read: &mut dyn FnMut(Plain<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    if context.stop_asked() {
        return Err(Trouble(StageError::Interrupted));
    }
    context.progress(Progress { unit: "file", done: 0, total: 0, note: file });
    let mut raw = context.open(RAW, file)?;
    let plain = decompress(file, &mut raw)?;
    read(BufReader::with_capacity(BLOCK, plain))?;
    io::copy(&mut raw, &mut io::sink())?;
    Ok(())
}

fn lengths(file: &str, reader: Plain<'_>, regions: &mut Vec<Region>, context: &dyn Context) -> Result<(), Trouble> {
    let mut fasta = Fasta::new(file, reader);
    let mut block = vec![0u8; BLOCK];
    while let Some(title) = fasta.next_record()? {
        let mut length = 0;
        loop {
            let count = fasta.read(&mut block)?;
            if count == 0 {
                break;
            }
            length += count as u64;
            if context.stop_asked() {
                return Err(Trouble(StageError::Interrupted));
            }
        }
        match Region::named(&title, length) {
            Ok(region) => regions.push(region),
            Err(problem) => return data(format!("{file}: {problem}")),
        }
    }
    Ok(())
}

/// Track names, one a line; `None` where there is no list.
fn tracks(lists: &[String], context: &dyn Context) -> Result<Option<Vec<String>>, Trouble> {
    let mut names: Vec<String> = Vec::new();
    for file in lists {
        open(file, context, &mut |reader| {
            let mut lines = Lines::new(file, reader);
            while let Some(line) = lines.next_line()? {
                let name = line.trim().to_string();
                if names.contains(&name) {
                    return Err(lines.error(format!("a track once was expected, found `{name}` again")).into());
                }
                if !name.is_empty() {
                    names.push(name);
                }
            }
            Ok(())
        })?;
    }
    Ok((!lists.is_empty()).then_some(names))
}

/// Puts the peaks into their bins. Gives the names of the tracks, and how many peaks were read. Peaks of tracks that are not
/// listed are passed over: DeepSEA has 919, of which the benchmark takes 36.
fn read_peaks(
    files: &[String],
    listed: Option<Vec<String>>,
    bins: &mut Bins<'_>,
    context: &dyn Context,
) -> Result<(Vec<String>, u64), Trouble> {
    let names: Vec<String> = match (listed, files) {
        (Some(names), _) => names,
        // a pass more: which names there are is known only at its end
        (None, [_]) => {
            let mut found = BTreeSet::new();
            each_peak(files, context, &mut |peak, own| {
                let name = peak.rest.first().map_or(own, String::as_str);
                if !found.contains(name) {
                    found.insert(name.to_string());
                }
            })?;
            found.into_iter().collect()
        }
        (None, _) => files.iter().map(|file| stem(file).to_string()).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    let numbers: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let mut count = 0;
    each_peak(files, context, &mut |peak, own| {
        count += 1;
        // narrowPeak files name every peak: there the file is the track
        let label = peak.rest.first().and_then(|name| numbers.get(name.as_str())).or_else(|| numbers.get(own));
        if let Some(label) = label {
            bins.peak(&peak.chromosome, peak.start, peak.end, *label);
        }
    })?;
    Ok((names, count))
}

/// The name of a file without folders and endings.
fn stem(file: &str) -> &str {
    base_name(file).split('.').next().unwrap_or_default()
}

/// Visits each peak, with the name of its file without endings.
fn each_peak(files: &[String], context: &dyn Context, visit: &mut dyn FnMut(&Interval, &str)) -> Result<(), Trouble> {
    for file in files {
        open(file, context, &mut |reader| {
            let mut bed = Bed::new(file, reader);
            while let Some(peak) = bed.next_interval()? {
                visit(&peak, stem(file));
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Cuts the chosen windows out of the sequences.
fn cut(
    sequences: &[String],
    bins: &[Bin],
    chosen: &[Vec<usize>; 3],
    amounts: Amounts,
    context: &dyn Context,
) -> Result<[Windows; 3], Trouble> {
    let mut windows = splits(amounts, context)?;
    // bins rise by region and place, and so do the chosen ones of all splits together
    let mut order: Vec<(usize, usize)> =
        chosen.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |bin| (*bin, at))).collect();
    order.sort_unstable();
    let mut order = order.into_iter().peekable();
    let mut region = 0;
    let mut out = vec![0u8; BASES * amounts.length];
    for file in sequences {
        open(file, context, &mut |reader| {
            let mut fasta = Fasta::new(file, reader);
            while fasta.next_record()?.is_some() {
                let mut tape = Tape { fasta: &mut fasta, bases: Vec::new(), start: 0 };
                while let Some((bin, at)) = order.next_if(|(bin, _)| bins[*bin].region == region) {
                    if !tape.reach(bins[bin].window, amounts.length)? {
                        return data(format!("{file}: the sequence is shorter than at the first reading"));
                    }
                    planes(tape.window(bins[bin].window, amounts.length), &mut out);
                    windows[at].push_planes(&out)?;
                    let mut labels = vec![0u8; amounts.labels];
                    bins[bin].labels.iter().for_each(|label| labels[*label as usize] = 1);
                    windows[at].push_labels(&labels);
                }
                region += 1;
                if context.stop_asked() {
                    return Err(Trouble(StageError::Interrupted));
                }
            }
            Ok(())
        })?;
    }
    Ok(windows)
}

/// The part of a sequence around the window that is cut.
struct Tape<'a, R> {
    fasta: &'a mut Fasta<R>,
    bases: Vec<u8>,
    /// Place of the first base held.
    start: u64,
}

impl<R: io::BufRead> Tape<'_, R> {
    /// Reads on until the window is held; false where the sequence ends before.
    fn reach(&mut self, window: u64, length: usize) -> Result<bool, FastaError> {
        let mut block = vec![0u8; BLOCK];
        while self.start + (self.bases.len() as u64) < window + length as u64 {
            let passed = window.saturating_sub(self.start).min(self.bases.len() as u64);
            self.bases.drain(..passed as usize);
            self.start += passed;
            let count = self.fasta.read(&mut block)?;
            if count == 0 {
                return Ok(false);
            }
            self.bases.extend_from_slice(&block[..count]);
        }
        Ok(true)
    }

    fn window(&self, window: u64, length: usize) -> &[u8] {
        let at = (window - self.start) as usize;
        &self.bases[at..at + length]
    }
}
