//! Raw data of Darcy flow: makes files of the official layout by the process that made the official ones
//! (task specification §13.7). Knows no preparation.

use crate::data::counts::Counts;
use crate::data::mat5_writer::{end_variable, start_single, write_header, write_values};
use crate::data::synthetic::{Purpose, Stream};
use crate::stages::context::{Context, Progress, StageError};
use crate::tasks::contract::generator::Generator;
use crate::tasks::darcy::field::FieldMaker;
use crate::tasks::darcy::solver::Solver;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Every sample's relative residual must be below this (task specification §13.13).
pub const RESIDUAL_GATE: f64 = 1e-6;
/// Fields solved between two looks at the clock of checkpoints.
const BATCH: usize = 32;
/// Bytes held while the samples are turned into column-major order.
const TURN: usize = 32 << 20;

/// See `contract/generator.rs`.
pub struct DarcyGenerator;

/// One file to make: its samples come from these splits, in this order.
struct Part {
    name: String,
    splits: Vec<(&'static str, u64)>,
}

impl Generator for DarcyGenerator {
    /// Writes `piececonst_r<grid>_N<samples>_smooth1.mat` (training, then validation samples) and `…_smooth2.mat` (test):
    /// `coeff` and `sol`, single precision, (samples, grid, grid). An interrupted run goes on after the last saved batch.
    fn generate(&self, counts: &Counts, seed: Option<u64>, context: &mut dyn Context) -> Result<(), StageError> {
        let grid = counts.get("grid");
        let (train, validation, test) = (counts.get("train"), counts.get("validation"), counts.get("test"));
        if !(3..=4096).contains(&grid) || train + validation == 0 || test == 0 {
            return Err(StageError::Data(format!(
                "darcy: expected data.grid in 3 to 4096 and at least one training and one test sample, found grid {grid}, \
                 train {train}, validation {validation}, test {test}"
            )));
        }
        let parts = [
            Part {
                name: format!("piececonst_r{grid}_N{}_smooth1.mat", train + validation),
                splits: vec![("train", train as u64), ("val", validation as u64)],
            },
            Part { name: format!("piececonst_r{grid}_N{test}_smooth2.mat"), splits: vec![("test", test as u64)] },
        ];
        let samples: Vec<(&str, u64)> = parts
            .iter()
            .flat_map(|part| &part.splits)
            .flat_map(|(split, n)| (0..*n).map(move |i| (*split, i)))
            .collect();
        let folder = context.scratch()?;
        solve_all(&folder, grid, &samples, seed, context)?;
        let mut first = 0;
        for part in &parts {
            let count = part.splits.iter().map(|(_, n)| *n as usize).sum();
            let mut output = context.create(&part.name)?;
            write_header(&mut output)?;
            for variable in ["coeff", "sol"] {
                turn(&folder.join(variable), grid, first, count, variable, &mut output)?;
            }
            output.close()?;
            first += count;
        }
        for variable in ["coeff", "sol"] {
            std::fs::remove_file(folder.join(variable))?;
        }
        Ok(())
    }
}

/// Coefficient and solution of one sample, each column by column (the order that `turn` wants).
fn sample(
    maker: &FieldMaker,
    solver: &Solver,
    grid: usize,
    split: &str,
    index: u64,
    seed: Option<u64>,
) -> Result<[Vec<u8>; 2], StageError> {
    let a = maker.draw(&mut Stream::new("darcy", split, Purpose::Content, index, seed));
    let solution = solver.solve(&a).map_err(|e| StageError::Code(format!("darcy, {split} {index}: {e}")))?;
    if solution.residual > RESIDUAL_GATE {
        return Err(StageError::Code(format!(
            "darcy, {split} {index}: relative residual {:.1e}, expected at most {RESIDUAL_GATE:.0e}",
            solution.residual
        )));
    }
    let columns = |values: &[f64]| {
        let order = (0..grid).flat_map(|j| (0..grid).map(move |i| i * grid + j));
        order.flat_map(|at| (values[at] as f32).to_le_bytes()).collect()
    };
    Ok([columns(&a), columns(&solution.u)])
}

/// Solves the samples into the scratch files `coeff` and `sol`, one sample after the other.
fn solve_all(
    folder: &Path,
    grid: usize,
    samples: &[(&str, u64)],
    seed: Option<u64>,
    context: &mut dyn Context,
) -> Result<(), StageError> {
    let bytes = (4 * grid * grid) as u64;
    let saved = context.restore()?.and_then(|state| String::from_utf8(state).ok()?.parse::<usize>().ok()).unwrap_or(0);
    let mut files = Vec::new();
    let mut done = saved.min(samples.len());
    for variable in ["coeff", "sol"] {
        let path = folder.join(variable);
        let file = File::options().create(true).write(true).truncate(false).open(path)?;
        done = done.min((file.metadata()?.len() / bytes) as usize);
        files.push(BufWriter::new(file));
    }
    for file in &mut files {
        file.get_ref().set_len(done as u64 * bytes)?;
        file.seek(SeekFrom::End(0))?;
    }
    let (maker, solver) = (FieldMaker::new(grid), Solver::new(grid));
    while done < samples.len() {
        let batch = &samples[done..samples.len().min(done + BATCH)];
        // An indexed parallel iterator keeps the order, whatever thread solves which sample.
        let solved: Vec<_> = batch
            .to_vec()
            .into_par_iter()
            .map(|(split, index)| sample(&maker, &solver, grid, split, index, seed))
            .collect::<Result<_, _>>()?;
        for fields in solved {
            for (file, field) in files.iter_mut().zip(fields) {
                file.write_all(&field)?;
            }
        }
        done += batch.len();
        context.progress(Progress { unit: "field", done: done as u64, total: samples.len() as u64, note: "" });
        if context.save_due() || context.stop_asked() {
            for file in &mut files {
                file.flush()?;
                file.get_ref().sync_data()?;
            }
            context.save(done.to_string().as_bytes())?;
        }
        if context.stop_asked() {
            return Err(StageError::Interrupted);
        }
    }
    for file in &mut files {
        file.flush()?;
    }
    Ok(())
}

/// Writes `count` samples from `first` on as a variable of shape (count, grid, grid), where the sample index varies fastest.
fn turn(
    path: &Path,
    grid: usize,
    first: usize,
    count: usize,
    name: &str,
    output: &mut dyn Write,
) -> Result<(), StageError> {
    let dims = [count as u32, grid as u32, grid as u32];
    start_single(output, name, &dims)
        .map_err(|e| StageError::Data(format!("darcy: {e}; set fewer samples or a smaller grid")))?;
    let mut file = File::open(path)?;
    let columns = (TURN / (4 * grid * count)).clamp(1, grid);
    for start in (0..grid).step_by(columns) {
        let width = columns.min(grid - start) * grid;
        let mut bytes = vec![0u8; 4 * width];
        let mut turned = vec![0f32; width * count];
        for n in 0..count {
            file.seek(SeekFrom::Start(4 * ((first + n) * grid * grid + start * grid) as u64))?;
            file.read_exact(&mut bytes)?;
            for (at, value) in bytes.chunks_exact(4).enumerate() {
                turned[at * count + n] = f32::from_le_bytes([value[0], value[1], value[2], value[3]]);
            }
        }
        write_values(output, &turned)?;
    }
    end_variable(output, &dims)?;
    Ok(())
}
