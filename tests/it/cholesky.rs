//! Linear systems of the hand-made baselines that gate the generators.

/// Solves matrix·x = right for a symmetric positive definite matrix and each right side.
pub fn solve(mut matrix: Vec<Vec<f64>>, mut rights: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..n {
        for j in 0..=i {
            let sum = matrix[i][j] - product(&matrix[i][..j], &matrix[j][..j]);
            matrix[i][j] = if i == j { sum.sqrt() } else { sum / matrix[j][j] };
        }
    }
    for w in &mut rights {
        for i in 0..n {
            w[i] = (w[i] - product(&matrix[i][..i], &w[..i])) / matrix[i][i];
        }
        for i in (0..n).rev() {
            w[i] /= matrix[i][i];
            for k in 0..i {
                w[k] -= matrix[i][k] * w[i];
            }
        }
    }
    rights
}
