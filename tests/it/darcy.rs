//! Darcy flow: the solver against a sparse direct one, the generator, and the preparation of real files.

use crate::cholesky::solve;
use crate::containers::golden;
use crate::containers::hdf5::file as hdf5_file;
use crate::data_context::{DataContext, definition, test_data};
use nasperf_pipe::artifacts::dataset::{DatasetMeta, Target, decode};
use nasperf_pipe::data::counts::Counts;
use nasperf_pipe::data::mat5::Mat5;
use nasperf_pipe::data::mat5_writer::{end_variable, start_single, write_header, write_values};
use nasperf_pipe::data::synthetic::{Purpose, Stream};
use nasperf_pipe::stages::context::StageError;
use nasperf_pipe::stages::fetch::{FetchParams, fetch};
use nasperf_pipe::stages::preprocess::{PreprocessParams, preprocess};
use nasperf_pipe::tasks::contract::generator::Generator;
use nasperf_pipe::tasks::contract::preparation::Preparation;
use nasperf_pipe::tasks::darcy::generator::DarcyGenerator;
use nasperf_pipe::tasks::darcy::poisson::Poisson;
use nasperf_pipe::tasks::darcy::preparation::DarcyPreparation;
use nasperf_pipe::tasks::darcy::solver::Solver;
use nasperf_pipe::tasks::darcy::source::DarcySource;
use serde_json::{Value, json};
use std::path::Path;

/// The fields of `tests/golden/darcy/make.py`.
fn coefficient(field: u64, n: i64) -> Vec<f64> {
    let high = |i: i64, j: i64| match field {
        0 => (i / (n / 7 + 1) + j / (n / 5 + 1)) % 2 == 1,
        1 => (2 * i - (n - 1)).pow(2) + 2 * (2 * j - (n - 1)).pow(2) <= (n - 1).pow(2),
        _ => {
            let (bi, bj) = (i * 16 / n, j * 16 / n);
            (bi * 73 + bj * 151 + bi * bj * 31) % 7 < 3
        }
    };
    (0..n * n).map(|at| if high(at / n, at % n) { 12.0 } else { 3.0 }).collect()
}

#[test]
fn the_solver_agrees_with_a_sparse_direct_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/darcy/solutions.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let n = case["n"].as_u64().unwrap() as usize;
        let a = coefficient(case["field"].as_u64().unwrap(), n as i64);
        assert_eq!(a.iter().filter(|a| **a == 12.0).count() as u64, case["high"].as_u64().unwrap());
        let solution = Solver::new(n).solve(&a).unwrap();
        let close = |found: f64, key: &str| {
            let expected = case[key].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 1e-6, "{n}, {key}: {found} {expected}");
        };
        close(solution.u.iter().map(|u| u * u).sum::<f64>().sqrt(), "norm");
        close(solution.u.iter().sum(), "sum");
        close(solution.u.iter().copied().fold(0.0, f64::max), "max");
        let top = case["max"].as_f64().unwrap();
        for point in case["points"].as_array().unwrap() {
            let (i, j) = (point[0].as_u64().unwrap() as usize, point[1].as_u64().unwrap() as usize);
            let expected = point[2].as_f64().unwrap();
            let found = solution.u[i * n + j];
            assert!((found - expected).abs() < 1e-6 * top, "{n}, ({i}, {j}): {found} {expected}");
        }
        assert!(solution.steps <= 25, "the number of steps does not grow with the grid: {}", solution.steps);
    }
}

fn generate(counts: &Counts, seed: Option<u64>, threads: usize) -> DataContext {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut context = DataContext::new();
    pool.install(|| DarcyGenerator.generate(counts, seed, &mut context)).unwrap();
    context
}

fn counts(grid: u64, train: u64, validation: u64, test: u64) -> Counts {
    Counts::of(&[("grid", grid), ("train", train), ("validation", validation), ("test", test)])
}

#[test]
fn the_generator_gives_the_same_bytes_for_any_thread_count_and_after_a_stop() {
    let counts = counts(21, 40, 5, 6);
    let one = generate(&counts, None, 1).digests();
    assert_eq!(one[0].0, "piececonst_r21_N45_smooth1.mat");
    assert_eq!(one[1].0, "piececonst_r21_N6_smooth2.mat");
    assert_eq!(generate(&counts, None, 2).digests(), one);
    assert_eq!(generate(&counts, None, 4).digests(), one);
    assert_ne!(generate(&counts, Some(1), 1).digests(), one);
    let mut context = DataContext::new();
    context.stop_after.set(Some(1));
    assert!(matches!(DarcyGenerator.generate(&counts, None, &mut context), Err(StageError::Interrupted)));
    assert!(context.outputs().is_empty());
    context.stop_after.set(None);
    DarcyGenerator.generate(&counts, None, &mut context).unwrap();
    assert_eq!(context.digests(), one);
    let fields = context.notes.borrow().iter().filter(|note| note.starts_with("field")).count();
    assert_eq!(fields, 2, "the second run made the second batch only");
}

/// Shape (N, n, n) of one variable, values row by row per sample.
fn variable(context: &DataContext, file: &str, name: &str) -> Vec<Vec<f64>> {
    let bytes = context.output(file);
    let mut mat = Mat5::open(file, bytes.as_slice()).unwrap();
    while let Some(mut variable) = mat.next_variable().unwrap() {
        if variable.header.name == name {
            let (count, n) = (variable.header.dims[0] as usize, variable.header.dims[1] as usize);
            let mut all = vec![0.0; count * n * n];
            variable.read(&mut all).unwrap();
            let at = |sample: usize, i: usize, j: usize| all[sample + count * (i + n * j)];
            return (0..count)
                .map(|sample| (0..n * n).map(|point| at(sample, point / n, point % n)).collect())
                .collect();
        }
    }
    panic!("{file} has no {name}");
}

/// The generator checks ‖b − Au‖/‖b‖ ≤ 10⁻⁶ in double precision before it rounds. From the rounded file that residual cannot
/// be read: A magnifies the rounding by up to 8·12·(n−1)². So here the residual is measured after the inverse of the
/// constant-coefficient operator, ‖L⁻¹(b − Au)‖/‖L⁻¹b‖, which does not depend on the grid.
#[test]
fn every_written_sample_satisfies_the_equation() {
    let n = 85;
    let context = generate(&counts(n as u64, 6, 2, 3), None, 2);
    let (m, h2) = (n - 2, 1.0 / ((n - 1) * (n - 1)) as f64);
    let poisson = Poisson::new(m);
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut right = vec![h2; m * m];
    poisson.solve(&mut right, &mut poisson.scratch());
    let mut samples = 0;
    let mut mean = 0.0;
    for file in ["piececonst_r85_N8_smooth1.mat", "piececonst_r85_N3_smooth2.mat"] {
        for (a, u) in variable(&context, file, "coeff").iter().zip(variable(&context, file, "sol")) {
            assert!(a.iter().all(|a| *a == 3.0 || *a == 12.0));
            let mut residual = vec![0.0; m * m];
            for i in 1..=m {
                for j in 1..=m {
                    let here = i * n + j;
                    let flux = |there: usize| 0.5 * (a[here] + a[there]) * (u[here] - u[there]);
                    let left = flux(here - 1) + flux(here + 1) + flux(here - n) + flux(here + n);
                    residual[(i - 1) * m + j - 1] = h2 - left;
                }
            }
            poisson.solve(&mut residual, &mut poisson.scratch());
            let relative = norm(&residual) / norm(&right);
            assert!(relative < 1e-6, "{file}: {relative}");
            assert!(u[..n].iter().chain(&u[n * (n - 1)..]).all(|u| *u == 0.0), "zero border");
            mean += u.iter().sum::<f64>() / (n * n) as f64;
            samples += 1;
        }
    }
    // task specification §13.7: about 0.0055
    assert!((mean / f64::from(samples) - 0.0055).abs() < 0.0008, "{}", mean / f64::from(samples));
}

fn prepare(context: &mut DataContext, changes: &[(&str, Value)]) -> Result<DatasetMeta, StageError> {
    let params = PreprocessParams::from_settings(&definition("darcy", changes), &DarcyPreparation).unwrap();
    let settings = params.to_settings();
    assert_eq!(PreprocessParams::from_settings(&settings, &DarcyPreparation).unwrap(), params);
    preprocess("test", &[], &DarcyPreparation, &params, context)?;
    assert_eq!(context.unfinished(), Vec::<String>::new(), "every input is read to its end");
    Ok(serde_json::from_slice(&context.output("dataset.json")).unwrap())
}

#[test]
fn embedded_data_go_through_the_same_preparation() {
    let changes = [
        ("data.source", json!("embedded")),
        ("data.size", json!("tiny")),
        ("data.grid", json!(21)),
        ("data.stride", json!(5)),
    ];
    let params = FetchParams::from_settings(&definition("darcy", &changes), &DarcySource).unwrap();
    let mut raw = DataContext::new();
    fetch(&DarcySource, &DarcyGenerator, &params, &mut raw).unwrap();
    let mut context = raw.next_stage();
    let meta = prepare(&mut context, &changes).unwrap();
    assert_eq!(meta.source, "embedded:tiny");
    assert_eq!(meta.shape.spatial, vec![5, 5]);
    assert_eq!((meta.shape.channels, &meta.shape.target), (3, &Target::Dense { channels: 1 }));
    assert_eq!((meta.search.train.end, meta.search.score.start, meta.search.score.end), (32, 32, 40));
    assert_eq!((meta.last.train.end, meta.last.score.part.as_str(), meta.last.score.end), (40, "test", 8));
    let expected = variable(&raw, "piececonst_r21_N40_smooth1.mat", "sol");
    let y = decode(&context.output("train.safetensors"), "y").unwrap();
    assert_eq!(y.shape, vec![40, 1, 5, 5]);
    for (index, value) in y.to_f32().unwrap().into_iter().enumerate() {
        let (sample, i, j) = (index / 25, index / 5 % 5, index % 5);
        assert_eq!(f64::from(value), expected[sample][5 * i * 21 + 5 * j]);
    }
}

#[test]
fn real_solver_output_is_read_as_scipy_reads_it() {
    let Some(data) = test_data() else { return };
    let file = |name: &str| data.join("darcy").join(name);
    let raw = || {
        let train = "piececonst_r16_N200_smooth1.mat";
        let test = "piececonst_r16_N50_smooth2.mat";
        DataContext::new().input("raw", train, &file(train)).input("raw", test, &file(test))
    };
    let set = |pairs: &[(&'static str, u64)]| -> Vec<(&'static str, Value)> {
        let files = [("data.source", json!("files"))];
        files.into_iter().chain(pairs.iter().map(|(key, value)| (*key, json!(value)))).collect()
    };
    let right =
        set(&[("data.grid", 16), ("data.stride", 1), ("data.train", 180), ("data.validation", 20), ("data.test", 50)]);
    let mut context = raw();
    let meta = prepare(&mut context, &right).unwrap();
    assert_eq!(meta.source, "files");
    // sum and values (0,0,0), (7,3,11), (49,15,2) by scipy.io.loadmat
    for (part, name, sum, values) in [
        ("train", "x", 382_326.0, [12.0, 12.0, 3.0]),
        ("train", "y", 19_966.901_095_798_21, [1.164_501_4e-5, 0.255_632_64, 0.401_192_16]),
        ("test", "x", 96_711.0, [3.0, 3.0, 12.0]),
        ("test", "y", 4_803.441_901_172_172, [0.000_141_695_87, 0.468_016, 0.092_050_01]),
    ] {
        let array = decode(&context.output(&format!("{part}.safetensors")), name).unwrap();
        let all = array.to_f32().unwrap();
        let at = |n: usize, i: usize, j: usize| all[(n * 16 + i) * 16 + j];
        assert_eq!([at(0, 0, 0), at(7, 3, 11), at(49, 15, 2)], values, "{part} {name}");
        let found: f64 = all.iter().map(|v| f64::from(*v)).sum();
        assert!((found - sum).abs() < 1e-9 * sum, "{part} {name}: {found}");
    }
    for (changes, expected, found, remedy) in [
        (set(&[]), "at least 1000 samples of 421×421", "200 samples of 16×16", "data.grid"),
        (set(&[("data.grid", 16)]), "at least 1000", "found 200", "data.train and data.validation"),
        (
            set(&[("data.grid", 16), ("data.train", 180), ("data.validation", 20)]),
            "at least 100",
            "found 50",
            "data.test",
        ),
    ] {
        let message = prepare(&mut raw(), &changes).unwrap_err().to_string();
        assert!([expected, found, remedy, ".mat"].iter().all(|word| message.contains(word)), "{message}");
    }
}

/// A file with one sample whose `sol` holds `value` in the middle.
fn small_file(folder: &Path, name: &str, variables: &[&str], value: f32) {
    let mut bytes = Vec::new();
    write_header(&mut bytes).unwrap();
    for variable in variables {
        start_single(&mut bytes, variable, &[1, 3, 3]).unwrap();
        write_values(&mut bytes, &[1.0, 1.0, 1.0, 1.0, value, 1.0, 1.0, 1.0, 1.0]).unwrap();
        end_variable(&mut bytes, &[1, 3, 3]).unwrap();
    }
    std::fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn files_that_are_not_darcy_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let run = |names: &[&str]| {
        let mut context = DataContext::new();
        for name in names {
            context = context.input("raw", name, &folder.path().join(name));
        }
        let counts = Counts::of(&[("grid", 3), ("stride", 1), ("train", 1), ("validation", 0), ("test", 1)]);
        DarcyPreparation.prepare(&counts, "files", &mut context).map_err(|e| e.to_string())
    };
    small_file(folder.path(), "good_smooth1.mat", &["Kcoeff", "sol", "coeff"], 2.0);
    small_file(folder.path(), "good_smooth2.mat", &["coeff", "sol"], 2.0);
    run(&["good_smooth1.mat", "good_smooth2.mat"]).unwrap();
    small_file(folder.path(), "nan_smooth2.mat", &["coeff", "sol"], f32::NAN);
    small_file(folder.path(), "half_smooth2.mat", &["coeff", "other"], 2.0);
    std::fs::write(folder.path().join("text_smooth2.mat"), "hello").unwrap();
    let whole = std::fs::read(folder.path().join("good_smooth2.mat")).unwrap();
    std::fs::write(folder.path().join("cut_smooth2.mat"), &whole[..whole.len() - 9]).unwrap();
    for (name, word) in [
        ("nan_smooth2.mat", "finite"),
        ("half_smooth2.mat", "no `sol` (but other)"),
        ("text_smooth2.mat", "header of 128 bytes"),
        ("cut_smooth2.mat", "values before its end"),
        ("elsewhere.mat", "ending in `smooth2.mat`"),
    ] {
        let message = run(&["good_smooth1.mat", name]).unwrap_err();
        assert!(message.contains(word), "{message}");
    }
    let message = run(&["good_smooth1.mat", "good_smooth2.mat", "nan_smooth2.mat"]).unwrap_err();
    assert!(message.contains("expected one file"), "{message}");
    assert!(run(&[]).unwrap_err().contains("found no file"));
}

/// Files of version 7.3 (HDF5, written by h5py), and the same arrays in files of version 5.
#[test]
fn both_versions_of_mat_files_give_the_same_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let (mut new, mut old) = (DataContext::new(), DataContext::new());
    let cases = golden("darcy73.json");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let dims = ["samples", "grid", "grid"].map(|key| case[key].as_u64().unwrap() as u32);
        let (n, area) = (dims[0] as usize, (dims[1] * dims[2]) as usize);
        let grid = dims[1] as usize;
        let mut bytes = Vec::new();
        write_header(&mut bytes).unwrap();
        for variable in ["coeff", "sol"] {
            let rows: Vec<f32> =
                case[variable].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            // MATLAB's order: the sample varies fastest, then x.
            let at = |k: usize| rows[(k % n) * area + (k / n % grid) * grid + k / n / grid];
            start_single(&mut bytes, variable, &dims).unwrap();
            write_values(&mut bytes, &(0..n * area).map(at).collect::<Vec<_>>()).unwrap();
            end_variable(&mut bytes, &dims).unwrap();
        }
        for (version, bytes) in [("5", bytes), ("73", hdf5_file(case))] {
            std::fs::create_dir_all(folder.path().join(version)).unwrap();
            std::fs::write(folder.path().join(version).join(name), bytes).unwrap();
        }
        old = old.input("raw", name, &folder.path().join("5").join(name));
        new = new.input("raw", name, &folder.path().join("73").join(name));
    }
    let counts = Counts::of(&[("grid", 7), ("stride", 3), ("train", 4), ("validation", 1), ("test", 6)]);
    DarcyPreparation.prepare(&counts, "files", &mut old).unwrap();
    DarcyPreparation.prepare(&counts, "files", &mut new).unwrap();
    assert_eq!(new.digests(), old.digests());
    assert_eq!(new.unfinished(), Vec::<String>::new());
    let y = decode(&new.output("train.safetensors"), "y").unwrap().to_f32().unwrap();
    for (k, value) in y.into_iter().enumerate() {
        let (sample, i, j) = (k / 9, k / 3 % 3, k % 3);
        assert_eq!(Some(f64::from(value)), cases[0]["sol"][49 * sample + 21 * i + 3 * j].as_f64(), "{k}");
    }
    // Cut short, it is an error that names the file.
    let whole = hdf5_file(&cases[1]);
    let cut = folder.path().join("cut_smooth2.mat");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let mut context = DataContext::new()
        .input("raw", "piececonst_smooth1.mat", &folder.path().join("73/piececonst_smooth1.mat"))
        .input("raw", "cut_smooth2.mat", &cut);
    let message = DarcyPreparation.prepare(&counts, "files", &mut context).unwrap_err().to_string();
    assert!(message.contains("cut_smooth2.mat") && message.contains("fetch"), "{message}");
}

/// Relative L2 per sample, its mean over samples and the standard error of that.
fn relative_l2(predicted: &[Vec<f64>], truth: &[Vec<f64>]) -> (f64, f64) {
    let errors: Vec<f64> = predicted
        .iter()
        .zip(truth)
        .map(|(p, y)| {
            let difference: f64 = p.iter().zip(y).map(|(p, y)| (p - y).powi(2)).sum();
            (difference / y.iter().map(|y| y * y).sum::<f64>()).sqrt()
        })
        .collect();
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let variance = errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Ridge regression in its dual form on centred features: weights of the training samples for each test sample.
fn ridge(train: &[Vec<f64>], test: &[Vec<f64>], penalty: f64) -> Vec<Vec<f64>> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut matrix: Vec<Vec<f64>> = train.iter().map(|a| train.iter().map(|b| product(a, b)).collect()).collect();
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += penalty;
    }
    let rights = test.iter().map(|x| train.iter().map(|t| product(t, x)).collect()).collect();
    solve(matrix, rights)
}

/// Gate of the task specification, §13.13: ridge on pooled 1/a reaches 0.6 × the mean field's error or less, and with
/// permuted training labels it is no better than the mean field.
#[test]
fn the_small_data_can_be_learned() {
    let context = generate(&counts(85, 200, 50, 50), None, 2);
    let pool = |a: &Vec<f64>| -> Vec<f64> {
        (0..17 * 17)
            .map(|block| {
                let (bi, bj) = (block / 17, block % 17);
                (0..25).map(|k| 1.0 / a[(5 * bi + k / 5) * 85 + 5 * bj + k % 5]).sum::<f64>() / 25.0
            })
            .collect()
    };
    let (first, second) = ("piececonst_r85_N250_smooth1.mat", "piececonst_r85_N50_smooth2.mat");
    let mut x: Vec<Vec<f64>> = variable(&context, first, "coeff").iter().take(200).map(pool).collect();
    let mut x_test: Vec<Vec<f64>> = variable(&context, second, "coeff").iter().map(pool).collect();
    let mean: Vec<f64> = (0..x[0].len()).map(|k| x.iter().map(|row| row[k]).sum::<f64>() / 200.0).collect();
    for row in x.iter_mut().chain(&mut x_test) {
        row.iter_mut().zip(&mean).for_each(|(v, m)| *v -= m);
    }
    let y: Vec<Vec<f64>> = variable(&context, first, "sol").into_iter().take(200).collect();
    let truth = variable(&context, second, "sol");
    let mean_field: Vec<f64> = (0..85 * 85).map(|k| y.iter().map(|row| row[k]).sum::<f64>() / 200.0).collect();
    let trivial = relative_l2(&vec![mean_field.clone(); 50], &truth).0;
    assert!((0.18..0.33).contains(&trivial), "specification: 0.253; found {trivial}");
    let weights = ridge(&x, &x_test, 0.05);
    let predict = |order: &[usize]| -> Vec<Vec<f64>> {
        weights
            .iter()
            .map(|w| {
                let mut out = mean_field.clone();
                for (w, row) in w.iter().zip(order) {
                    out.iter_mut().zip(&y[*row]).zip(&mean_field).for_each(|((o, y), m)| *o += w * (y - m));
                }
                out
            })
            .collect()
    };
    let mut order: Vec<usize> = (0..200).collect();
    let (learned, _) = relative_l2(&predict(&order), &truth);
    assert!(learned <= 0.6 * trivial, "{learned} against {trivial}");
    Stream::new("darcy", "test", Purpose::Label, 0, None).shuffle(&mut order);
    let (permuted, error) = relative_l2(&predict(&order), &truth);
    assert!(permuted >= trivial - 3.0 * error, "{permuted} ± {error} against {trivial}");
    eprintln!("darcy small: ridge {learned:.3}, permuted {permuted:.3}, mean field {trivial:.3}");
}
