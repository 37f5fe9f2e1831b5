//! Numbers that both sides of a golden file make for themselves (tests/golden/formula.py): the file holds results only.

/// `draw` of the script: numbers in −0.5..0.5 with 24 bits, exact in `f32`. `stream` numbers the array.
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

/// `digest` of the script.
fn digest(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut digest = vec![
        values.iter().sum(),
        values.iter().map(|v| v.abs()).sum(),
        values.iter().zip(draw(999_983, n)).map(|(v, d)| v * d).sum(),
    ];
    digest.extend((0..n.min(8)).map(|i| values[i * n / n.min(8)]));
    digest
}

/// `values` has the digest that a golden file holds, to `tolerance` of the array's mean absolute value (of their sum, for
/// the three sums).
pub fn agrees(what: &str, values: &[f64], golden: &[f64], tolerance: f64) {
    let found = digest(values);
    assert_eq!(found.len(), golden.len(), "{what}: {} values do not fit the golden digest", values.len());
    let total = golden[1].max(f64::MIN_POSITIVE);
    let mean = total / values.len() as f64;
    for (i, (f, g)) in found.iter().zip(golden).enumerate() {
        // single values of an array spread around their mean: ten times the mean covers them
        let allowed = tolerance * if i < 3 { total } else { 10.0 * mean + g.abs() };
        assert!(
            (f - g).abs() <= allowed,
            "{what}: entry {i} of the digest is {f} instead of {g} (allowed {allowed:e})"
        );
    }
}
