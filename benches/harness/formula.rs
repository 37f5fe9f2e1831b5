//! Data by formula, as `tests/golden/formula.py` and `benches/peer/weights.py` make them on the other side, and digests of
//! results: a peer's `check` and ours are compared before anything is timed. The test of this file is that comparison.

use serde_json::Value;

/// Numbers in −0.5..0.5 with 24 bits. `stream` numbers the array.
pub fn draw(stream: u64, count: usize) -> Vec<f64> {
    let number = |i: u64| {
        let mut h = i.wrapping_mul(2_654_435_761).wrapping_add(stream.wrapping_mul(974_593)).wrapping_add(12_345);
        for _ in 0..3 {
            h = (h ^ (h >> 15)).wrapping_mul(2_246_822_519) & 0xFFFF_FFFF;
        }
        (h >> 8) as f64 / f64::from(1 << 24) - 0.5
    };
    (0..count as u64).map(number).collect()
}

/// Start values of parameter number `index` of a network in PyTorch's order.
pub fn start(index: usize, name: &str, shape: &[usize]) -> Vec<f32> {
    let (scale, shift) = match shape {
        [o, _, kernel @ ..] if !kernel.is_empty() => {
            ((24.0 / (o * kernel.iter().product::<usize>()) as f64).sqrt(), 0.0)
        }
        [_, i] => (2.0 / (*i as f64).sqrt(), 0.0),
        _ if name.ends_with("bias") => (0.2, 0.0),
        _ => (0.2, 1.0),
    };
    let draws = draw(index as u64, shape.iter().product());
    draws.into_iter().map(|u| (shift + scale * u) as f32).collect()
}

/// A batch of inputs of so many values.
pub fn inputs(batch: u64, count: usize) -> Vec<f32> {
    draw(1000 + batch, count).into_iter().map(|u| (4.0 * u) as f32).collect()
}

/// How far `values` are from a digest of the other side: the three sums relative to the sum of absolute values, single
/// values relative to ten times their mean. Means below `noise` count as that: the gradient of a bias before a batch norm is 0
/// but for rounding.
pub fn deviation(values: &[f32], digest: &Value, noise: f64) -> f64 {
    let golden: Vec<f64> = digest.as_array().expect("a digest").iter().map(|v| v.as_f64().expect("a number")).collect();
    let n = values.len();
    let value = |i: usize| f64::from(values[i]);
    let mut found = vec![0.0; 3];
    for (i, d) in draw(999_983, n).into_iter().enumerate() {
        found[0] += value(i);
        found[1] += value(i).abs();
        found[2] += value(i) * d;
    }
    found.extend((0..n.min(8)).map(|i| value(i * n / n.min(8))));
    assert_eq!(found.len(), golden.len(), "{n} values do not fit the digest");
    let total = golden[1].max(noise * n as f64).max(f64::MIN_POSITIVE);
    let scale = |i: usize| if i < 3 { total } else { 10.0 * total / n as f64 + golden[i].abs() };
    (0..found.len()).map(|i| (found[i] - golden[i]).abs() / scale(i)).fold(0.0, f64::max)
}

/// Largest difference of `values` from a list of the other side, however it is nested, relative to the largest value.
pub fn apart(values: &[f32], other: &Value) -> f64 {
    fn flat(value: &Value) -> Vec<f64> {
        match value {
            Value::Array(parts) => parts.iter().flat_map(flat).collect(),
            number => vec![number.as_f64().expect("a number")],
        }
    }
    let other = flat(other);
    let largest = other.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    assert_eq!(values.len(), other.len());
    values.iter().zip(other).map(|(v, o)| (f64::from(*v) - o).abs() / largest).fold(0.0, f64::max)
}
