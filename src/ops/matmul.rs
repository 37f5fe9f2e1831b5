//! One matrix product on one thread; the caller splits the work. Knows no tensor and no shape beyond the matrices.

use gemm::Parallelism;

/// A matrix inside a slice: `values[row * rows + column * columns]`.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    pub values: &'a [T],
    /// Distance between rows.
    pub rows: usize,
    /// Distance between columns.
    pub columns: usize,
}

/// `out[i * out_rows + j] = beta * out + sum over l of left[i, l] * right[l, j]` with `i < m`, `j < n`, `l < k`; `beta` is 1
/// where `add` holds, else 0. The order of summation depends on the shape alone, never on the number of threads.
///
/// Panics where a slice is too short for its matrix.
#[allow(clippy::too_many_arguments)] // three sizes, three matrices: the usual signature
pub fn multiply(
    m: usize,
    n: usize,
    k: usize,
    left: Matrix<'_, f32>,
    right: Matrix<'_, f32>,
    out: &mut [f32],
    out_rows: usize,
    add: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |rows: usize, r: usize, columns: usize, c: usize| (r - 1) * rows + (c - 1) * columns;
    assert!(last(out_rows, m, 1, n) < out.len(), "the product needs a longer output");
    if k > 0 {
        assert!(last(left.rows, m, left.columns, k) < left.values.len(), "left matrix is too short");
        assert!(last(right.rows, k, right.columns, n) < right.values.len(), "right matrix is too short");
    }
    // SAFETY: every index the product touches lies inside its slice, as asserted above, and `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_rows as isize,
            add,
            left.values.as_ptr(),
            left.columns as isize,
            left.rows as isize,
            right.values.as_ptr(),
            right.columns as isize,
            right.rows as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, multiply};

    #[test]
    fn multiplies_with_strides_and_adds() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2 x 3
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]; // 3 x 2
        let mut out = [10.0; 4];
        let (left, right) = (Matrix { values: &a, rows: 3, columns: 1 }, Matrix { values: &b, rows: 2, columns: 1 });
        multiply(2, 2, 3, left, right, &mut out, 2, false);
        assert_eq!(out, [5.0, 11.0, 14.0, 23.0]);
        multiply(2, 2, 3, left, right, &mut out, 2, true);
        assert_eq!(out, [10.0, 22.0, 28.0, 46.0]);
        // aᵀ (3 x 2) times the left column block of b, read through strides
        let mut out = [0.0; 6];
        let (left, right) = (Matrix { values: &a, rows: 1, columns: 3 }, Matrix { values: &b, rows: 2, columns: 1 });
        multiply(3, 2, 2, left, right, &mut out, 2, false);
        assert_eq!(out, [9.0, 4.0, 12.0, 5.0, 15.0, 6.0]);
    }
}
