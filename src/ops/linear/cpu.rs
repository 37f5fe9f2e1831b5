//! Rows times weights in f32: matrix products over fixed groups of rows.

use crate::ops::linear::Sizes;
use crate::ops::matmul::{Matrix, multiply};
use crate::ops::operator::Sink;
use rayon::prelude::{IndexedParallelIterator, ParallelIterator, ParallelSlice, ParallelSliceMut};

/// Multiplications per task: about 20 µs.
const TASK: usize = 1 << 20;

/// Rows of one task where each row costs `cost` multiplications; a constant of the shapes.
fn rows_per_task(cost: usize) -> usize {
    (TASK / cost.max(1)).max(8)
}

/// The matrix of rows of `columns` values side by side.
fn rows(values: &[f32], columns: usize) -> Matrix<'_, f32> {
    Matrix { values, rows: columns, columns: 1 }
}

/// The same, transposed.
fn turned(values: &[f32], columns: usize) -> Matrix<'_, f32> {
    Matrix { values, rows: 1, columns }
}

pub fn forward(sizes: Sizes, x: &[f32], weight: &[f32], bias: Option<&[f32]>, out: &mut [f32]) {
    let Sizes { inputs: i, outputs: o, .. } = sizes;
    let group = rows_per_task(i * o);
    out.par_chunks_mut(group * o).zip(x.par_chunks(group * i)).for_each(|(out, x)| {
        if let Some(bias) = bias {
            out.chunks_exact_mut(o).for_each(|row| row.copy_from_slice(bias));
        }
        multiply(out.len() / o, o, i, rows(x, i), turned(weight, i), out, o, bias.is_some());
    });
}

pub fn backward(sizes: Sizes, x: &[f32], weight: &[f32], g: &[f32], sinks: &mut [Option<Sink<'_, f32>>]) {
    let Sizes { images: n, inputs: i, outputs: o, .. } = sizes;
    if let Some(Sink { values, add }) = &mut sinks[0] {
        let group = rows_per_task(i * o);
        values.par_chunks_mut(group * i).zip(g.par_chunks(group * o)).for_each(|(dx, g)| {
            multiply(dx.len() / i, i, o, rows(g, o), rows(weight, i), dx, i, *add);
        });
    }
    if let Some(Sink { values, add }) = &mut sinks[1] {
        let group = rows_per_task(n * i);
        values.par_chunks_mut(group * i).enumerate().for_each(|(task, dw)| {
            multiply(dw.len() / i, i, n, turned(&g[task * group..], o), rows(x, i), dw, i, *add);
        });
    }
    if let Some(Some(db)) = sinks.get_mut(2) {
        let mut sums = vec![0f64; o];
        for row in g.chunks_exact(o) {
            sums.iter_mut().zip(row).for_each(|(sum, g)| *sum += f64::from(*g));
        }
        sums.iter().enumerate().for_each(|(at, sum)| db.put(at, *sum as f32));
    }
}
