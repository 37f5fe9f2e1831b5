//! The windows of a part as a network sees them: cut out of its recording and normalised by that recording's mean and
//! deviation (task specification §10.2). Knows no label, no loss and no file.

use crate::artifacts::dataset::Array;
use crate::artifacts::samples::Part;
use crate::tasks::ecg::scored::RECORDING;
use safetensors::Dtype;

/// Name of the array with the first sample of each window, counted within its recording.
pub const START: &str = "start";
/// Name of the array (`u64`, one more than recordings) with the first sample of each recording in `x`.
pub const OFFSET: &str = "offset";

/// Windows to be cut.
pub struct Signal<'a> {
    x: &'a Array,
    /// Where each window starts in `x`.
    at: Vec<u64>,
    recording: Vec<u32>,
    /// Mean and population deviation of each recording.
    moments: Vec<(f64, f64)>,
    window: usize,
}

impl<'a> Signal<'a> {
    /// Checks the arrays of a part; every later access is then within bounds.
    pub fn open(name: &str, part: &'a Part, window: usize) -> Result<Self, String> {
        let wrong = |expected: String| format!("ecg, part `{name}`: expected {expected}");
        let offsets = u64s(part.array(OFFSET)?).ok_or_else(|| wrong(format!("`{OFFSET}` of U64")))?;
        let (starts, recording) = (part.array(START)?.to_u32()?, part.array(RECORDING)?.to_u32()?);
        let samples = part.x.shape.iter().product::<usize>() as u64;
        let rising = offsets.windows(2).all(|pair| pair[0] < pair[1]);
        if !rising || offsets.first() != Some(&0) || offsets.last() != Some(&samples) {
            return Err(wrong(format!("`{OFFSET}` to rise from 0 to {samples}, the samples of `x`")));
        }
        if starts.len() != part.rows() || recording.len() != part.rows() {
            let (rows, found) = (part.rows(), (starts.len(), recording.len()));
            return Err(wrong(format!("as many starts and recordings as the {rows} windows, found {found:?}")));
        }
        let mut at = Vec::with_capacity(starts.len());
        for (row, (start, recording)) in starts.iter().zip(&recording).enumerate() {
            let recording = *recording as usize;
            let bounds = offsets.get(recording).zip(offsets.get(recording + 1));
            let start = bounds.map(|(first, end)| (first + u64::from(*start), *end));
            match start {
                Some((start, end)) if start + window as u64 <= end => at.push(start),
                _ => return Err(wrong(format!("window {row} to lie within recording {recording}"))),
            }
        }
        let mut moments = Vec::with_capacity(offsets.len() - 1);
        for (number, pair) in offsets.windows(2).enumerate() {
            let moment = moment(&part.x, pair[0] as usize, pair[1] as usize)?;
            if !(moment.1 > 0.0 && moment.1.is_finite()) {
                return Err(wrong(format!("values that differ in recording {number}")));
            }
            moments.push(moment);
        }
        Ok(Signal { x: &part.x, at, recording, moments, window })
    }

    /// Appends one window.
    pub fn append(&self, row: usize, out: &mut Vec<f32>) -> Result<(), String> {
        let (first, start) = (out.len(), self.at[row] as usize);
        self.x.append_f32(start, start + self.window, out)?;
        let (mean, deviation) = self.moments[self.recording[row] as usize];
        for value in &mut out[first..] {
            *value = ((f64::from(*value) - mean) / deviation) as f32;
        }
        Ok(())
    }
}

fn u64s(array: &Array) -> Option<Vec<u64>> {
    let value = |b: &[u8]| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    (array.dtype == Dtype::U64).then(|| array.bytes.chunks_exact(8).map(value).collect())
}

/// Mean and population deviation, in double precision; exact sums where the values are whole.
fn moment(x: &Array, start: usize, end: usize) -> Result<(f64, f64), String> {
    let n = (end - start) as f64;
    if x.dtype == Dtype::I16 {
        let bytes = &x.bytes[2 * start..2 * end];
        let (mut sum, mut squares) = (0i64, 0i64);
        for pair in bytes.chunks_exact(2) {
            let value = i64::from(i16::from_le_bytes([pair[0], pair[1]]));
            sum += value;
            squares += value * value;
        }
        // n·Σx² − (Σx)² cannot be cancelled away in whole numbers
        let spread = (end - start) as i128 * i128::from(squares) - i128::from(sum) * i128::from(sum);
        return Ok((sum as f64 / n, (spread as f64).sqrt() / n));
    }
    let mut values = Vec::with_capacity(end - start);
    x.append_f32(start, end, &mut values)?;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
    Ok((mean, (squares / n).sqrt()))
}
