//! Tests: every routine of the cell gives the same bits by this CPU's instructions and in plain Rust.

use crate::ops::mixed_cell::blend::{Blend, Blends, Linear, Rectify, WHOLE};
use crate::ops::mixed_cell::mix::{Mix, MixGradient, Place};
use crate::ops::mixed_cell::pools::{Pools, PoolsBackward};
use crate::ops::mixed_cell::sums::{AddMoments, Dots, Gate, Moment, PieceDots};
use crate::ops::mixed_cell::taps::{Correlate, Rows, TapGradient, Taps, Target};
use crate::ops::simd::{LANES, Plain, Routine, dispatch};

/// Numbers of many sizes, some equal, some 0.
fn draw(stream: u32, count: usize) -> Vec<f32> {
    let number = |i: usize| {
        let h = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(stream.wrapping_mul(974_593));
        let h = (h ^ (h >> 15)).wrapping_mul(2_246_822_519);
        ((h >> 20) as f32 / 512.0 - 4.0) * if h & 7 == 0 { 0.0 } else { 1.0 }
    };
    (0..count).map(number).collect()
}

fn call<R: Routine>(plain: bool, routine: R) -> R::Output {
    // SAFETY: plain Rust needs no instructions.
    if plain { unsafe { routine.run::<Plain>() } } else { dispatch(routine) }
}

/// `run(plain)` returns all that a routine wrote.
fn same(what: &str, run: impl Fn(bool) -> Vec<f32>) {
    let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect::<Vec<_>>();
    let found = run(false);
    assert!(found.iter().any(|v| *v != 0.0), "{what}: something is computed");
    assert_eq!(bits(found), bits(run(true)), "{what}");
}

fn singles(sums: &[f64]) -> Vec<f32> {
    sums.iter().flat_map(|v| [*v as f32, f32::from_bits(v.to_bits() as u32)]).collect()
}

/// A lane is cut.
fn mask() -> [f32; LANES] {
    let mut mask = WHOLE;
    mask[5] = 0.0;
    mask
}

#[test]
fn kernels_and_their_gradients() {
    let (height, pad, channels) = (5, 4, 2);
    let kinds = [(1, 1, 1), (2, 1, 1), (3, 1, 1), (5, 1, 1), (3, 1, 2), (5, 1, 2)];
    let kinds = kinds.into_iter().chain([(1, 2, 1), (3, 2, 1), (5, 2, 1), (3, 2, 2), (5, 2, 2)]);
    for (count, step, gap) in kinds {
        for width in [1, 6, 8, 15] {
            let row_step = (width * step + 2 * pad) * LANES;
            let channel_step = height * row_step;
            let values = draw(1, channels * channel_step);
            let source = Rows { values: &values, first: 0, end: height, row_step, channel_step };
            let kernel = draw(2, channels * count * count);
            let first = -((count / 2 * gap) as isize);
            let down = Taps { count, step, first, gap };
            let across = Taps { first: first + pad as isize, ..down };
            let rows = 0..height.div_ceil(step);
            let size = rows.len() * width * LANES;
            let target = Target { start: 0, channel_step: size, row_step: width * LANES, column_step: LANES };
            for add in [false, true] {
                same(&format!("taps {count} {step} {gap}, width {width}"), |plain| {
                    let mut out = draw(3, channels * size);
                    let (rows, columns) = (rows.clone(), 0..width);
                    let (kernel, out_) = (&kernel, &mut out);
                    call(
                        plain,
                        Correlate { source, channels, kernel, down, across, rows, columns, out: out_, target, add },
                    );
                    out
                });
            }
            if count < 3 {
                continue;
            }
            let upstream = draw(4, channels * size);
            let gradient =
                Rows { values: &upstream, first: 0, end: rows.len(), row_step: width * LANES, channel_step: size };
            same(&format!("gradient of taps {count} {step} {gap}, width {width}"), |plain| {
                let mut sums = draw(5, channels * count * count * LANES);
                let (rows, left) = (rows.clone(), 0);
                let sums_ = &mut sums;
                call(plain, TapGradient { source, gradient, left, channels, down, across, rows, width, sums: sums_ });
                sums
            });
        }
    }
}

#[test]
fn mixtures_of_channels() {
    for (ins, outs, rows, width) in [(1, 1, 1, 1), (4, 4, 2, 5), (7, 5, 1, 8), (3, 6, 3, 2)] {
        let (weights, input) = (draw(1, ins * outs), draw(2, ins * rows * width * LANES));
        let size = rows * width * LANES;
        let place = Place { start: 0, channel_step: size, row_step: width * LANES };
        for (add, out_step, in_step) in [(false, ins, 1), (true, 1, outs)] {
            same("mix", |plain| {
                let mut out = draw(3, outs * size);
                let (weights, input, from, to) = (&weights, &input, place, place);
                call(
                    plain,
                    Mix { weights, out_step, in_step, ins, outs, rows, width, input, from, out: &mut out, to, add },
                );
                out
            });
        }
        let gradient = draw(4, outs * size);
        same("gradient of mix", |plain| {
            let mut sums = draw(5, outs * ins * LANES);
            let (gradient, input, positions) = (&gradient, &input, rows * width);
            call(plain, MixGradient { gradient, outs, input, ins, positions, sums: &mut sums });
            sums
        });
    }
}

#[test]
fn weighted_sums() {
    for count in [1, 3, 9] {
        for length in [8, 24, 40, 2008] {
            let arrays: Vec<Vec<f32>> = (0..count).map(|i| draw(i, length)).collect();
            let sources: Vec<(&[f32], f32)> = arrays.iter().map(|a| (a.as_slice(), a[0] + 0.3)).collect();
            for add in [false, true] {
                same("blend", |plain| {
                    let mut out = draw(99, length);
                    let (sources, mask) = (&sources, &mask());
                    call(plain, Blend { sources, constant: 0.7, out: &mut out, add, mask });
                    out
                });
                // arrays that end inside a vector
                let short: Vec<(&[f32], f32)> = sources.iter().map(|(a, f)| (&a[..length - 3], *f)).collect();
                same("blends", |plain| {
                    let mut out = draw(98, length - 3);
                    call(plain, Blends { sources: &short, outs: &mut [&mut out], add });
                    out
                });
            }
        }
    }
    let (g, z) = (draw(1, 80), draw(2, 80));
    same("linear", |plain| {
        let mut out = vec![0.0; 160];
        let channels = [(&g[..], &z[..], [0.1, 0.2, 0.3]), (&z[..], &g[..], [-1.5, 0.7, 0.0])];
        call(plain, Linear { channels: &channels, out: &mut out, mask: &mask() });
        out
    });
    same("rectify", |plain| {
        let mut out = draw(3, 2 * 9 * LANES);
        let (mean, scale, row_step) = (0.3, 1.7, 9 * LANES);
        call(plain, Rectify { input: &g, width: 5, mean, scale, out: &mut out, row_step, pad: 2, mask: &mask() });
        out
    });
}

#[test]
fn sums_over_positions() {
    for vectors in [1, 5, 700] {
        let (a, b, c) = (draw(1, vectors * LANES), draw(2, vectors * LANES), draw(3, vectors * LANES));
        same("moments", |plain| {
            let mut moments = vec![Moment::default()];
            for values in [&a, &b] {
                let (step, length, live, mask) = (0, values.len(), 7, &mask());
                call(plain, AddMoments { values, step, length, live, mask, moments: &mut moments });
            }
            singles(&moments[0].raw(7))
        });
        same("dots", |plain| {
            let mut sums = [0.5; 3];
            call(plain, Dots { g: &a, others: &[(&b, 0.25), (&c, -3.0)], sums: &mut sums });
            singles(&sums)
        });
        same("dots of pieces", |plain| {
            let mut sums = [0.5; 2];
            let (g, others) = ([&a[3..], &b[..7]], [&b[3..], &c[3..], &c[..7], &a[..7]]);
            call(plain, PieceDots { g: &g, others: &others, sums: &mut sums });
            singles(&sums)
        });
        same("gate", |plain| {
            let mut gradient = a.clone();
            let sums = call(plain, Gate { gradient: &mut gradient, z: &b, mean: 0.5 });
            [gradient, singles(&sums)].concat()
        });
    }
}

#[test]
fn pools_and_their_gradients() {
    for (height, width, step_y, step_x) in [(4, 5, 1, 1), (5, 6, 2, 2), (1, 9, 1, 2), (3, 1, 1, 1)] {
        let mut plane = draw(1, height * width * LANES);
        // the largest number wins in both, and NaN stays NaN
        plane[3] = f32::NAN;
        let rows = 0..usize::div_ceil(height, step_y);
        let out_wide = usize::div_ceil(width, step_x) * LANES;
        let size = rows.len() * out_wide;
        let input: Vec<&[f32]> = plane.chunks(width * LANES).collect();
        let pools = |plain: bool| {
            let (mut maxima, mut means) = (vec![0.0; size], vec![0.0; size]);
            let mut line = vec![0.0; 2 * width * LANES];
            let (input, rows, first) = (&input, rows.clone(), 0);
            let (maxima_, means_, line) = (&mut maxima, &mut means, &mut line);
            call(
                plain,
                Pools { input, first, height, width, step_y, step_x, rows, maxima: maxima_, means: means_, line },
            );
            // which NaN comes out is not promised
            [maxima, means].concat().into_iter().map(|v| if v.is_nan() { -77.0 } else { v }).collect::<Vec<f32>>()
        };
        assert!(pools(true).contains(&-77.0));
        same("pools", pools);
        let found = pools(false);
        let (maxima, to_means): (Vec<&[f32]>, _) = (found[..size].chunks(out_wide).collect(), draw(2, size));
        let to_maxima = draw(3, size);
        same("gradient of pools", |plain| {
            let mut out = draw(4, plane.len());
            let mut line = vec![0.0; width * LANES];
            let (input, rows, first, own) = (&input, rows.clone(), 0, 0..height);
            let (maxima, to_maxima, to_means, line) = (&maxima, &to_maxima, &to_means, &mut line);
            let out_ = &mut out;
            call(
                plain,
                PoolsBackward {
                    input,
                    first,
                    height,
                    width,
                    step_y,
                    step_x,
                    rows,
                    maxima,
                    to_maxima,
                    to_means,
                    own,
                    out: out_,
                    line,
                },
            );
            out
        });
    }
}
