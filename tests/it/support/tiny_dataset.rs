//! Dataset artifacts of a few small samples that a network can learn, made by formula.

use crate::support::memory_context::Blobs;
use nasperf_pipe::artifacts::dataset::{
    Array, DATASET_FILE, DATASET_FORMAT, DatasetMeta, Rows, Split, Target, TaskShape, encode,
};
use nasperf_pipe::seed::Purpose;

fn artifact(meta: &DatasetMeta, parts: &[(&str, Array, Array)]) -> Blobs {
    let mut blobs = Blobs::from([(DATASET_FILE.to_string(), serde_json::to_vec(meta).unwrap())]);
    for (name, x, y) in parts {
        blobs.insert(format!("{name}.safetensors"), encode(&[("x", x), ("y", y)]).unwrap());
    }
    blobs
}

fn meta(task: &str, shape: TaskShape, train: usize, test: usize) -> DatasetMeta {
    let rows = |part: &str, start, end| Rows { part: part.to_string(), start, end };
    DatasetMeta {
        format: DATASET_FORMAT,
        task: task.to_string(),
        shape,
        search: Split { train: rows("train", 0, train - train / 4), score: rows("train", train - train / 4, train) },
        last: Split { train: rows("train", 0, train), score: rows("test", 0, test) },
        source: "embedded:tiny".to_string(),
        class_names: Vec::new(),
        loss: None,
        metric: None,
    }
}

/// Images of `side` per side in `classes` classes: a colour per class under noise.
pub fn images(side: usize, classes: usize, train: usize, test: usize) -> Blobs {
    let part = |name: &str, count: usize| {
        let mut stream = Purpose::new(0, "tiny images", name).at(0);
        let mut pixels = Vec::new();
        let labels: Vec<u32> = (0..count).map(|_| stream.below(classes as u32)).collect();
        for label in &labels {
            for channel in 0..3u32 {
                let colour = 40.0 + 170.0 * f64::from((label >> channel) & 1);
                pixels.extend((0..side * side).map(|_| (colour + 12.0 * stream.normal()).clamp(0.0, 255.0) as u8));
            }
        }
        (Array::u8(&[count, 3, side, side], pixels), Array::u32(&[count], &labels))
    };
    let shape = TaskShape { channels: 3, spatial: vec![side, side], target: Target::Point { classes } };
    let ((x, y), (test_x, test_y)) = (part("train", train), part("test", test));
    artifact(&meta("cifar100", shape, train, test), &[("train", x, y), ("test", test_x, test_y)])
}

/// Series of `length`: waves, one frequency per class.
pub fn series(length: usize, classes: usize, train: usize, test: usize) -> Blobs {
    let part = |name: &str, count: usize| {
        let mut stream = Purpose::new(0, "tiny series", name).at(0);
        let labels: Vec<u32> = (0..count).map(|_| stream.below(classes as u32)).collect();
        let value = |label: u32, at: usize| (f64::from(label + 1) * at as f64 * 0.3).sin() as f32;
        let x: Vec<f32> = labels.iter().flat_map(|label| (0..length).map(move |at| value(*label, at))).collect();
        (Array::f32(&[count, 1, length], &x), Array::u32(&[count], &labels))
    };
    let shape = TaskShape { channels: 1, spatial: vec![length], target: Target::Point { classes } };
    let ((x, y), (test_x, test_y)) = (part("train", train), part("test", test));
    artifact(&meta("satellite", shape, train, test), &[("train", x, y), ("test", test_x, test_y)])
}

/// Fields of `side` per side: the solution is a fixed pattern plus a smoothed coefficient.
pub fn fields(side: usize, train: usize, test: usize) -> Blobs {
    let part = |name: &str, count: usize| {
        let mut stream = Purpose::new(0, "tiny fields", name).at(0);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let level = stream.uniform();
            let field: Vec<f64> = (0..side * side).map(|_| if stream.uniform() < level { 12.0 } else { 3.0 }).collect();
            for (at, coefficient) in field.iter().enumerate() {
                let (row, column) = (at / side, at % side);
                let bump = (row * (side - 1 - row) * column * (side - 1 - column)) as f64;
                y.push((0.1 + bump / (coefficient + 10.0 * level)) as f32);
            }
            x.extend(field.iter().map(|v| *v as f32));
        }
        let shape = [count, 1, side, side];
        (Array::f32(&shape, &x), Array::f32(&shape, &y))
    };
    let shape = TaskShape { channels: 3, spatial: vec![side, side], target: Target::Dense { channels: 1 } };
    let ((x, y), (test_x, test_y)) = (part("train", train), part("test", test));
    artifact(&meta("darcy", shape, train, test), &[("train", x, y), ("test", test_x, test_y)])
}
