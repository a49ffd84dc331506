//! Points in any number of dimensions, in float64, for what is computed without libtorch.

use tch::{Kind, TchError, Tensor};

/// `[n, width]`, row-major.
#[derive(Clone, Debug)]
pub struct Rows {
    values: Vec<f64>,
    width: usize,
}

impl Rows {
    /// Of `values` `[n, width]`.
    ///
    /// # Panics
    ///
    /// When these are no whole number of rows.
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "whole rows of {width}");
        Rows { values, width }
    }

    /// The first `n` rows, or all of fewer, of a matrix.
    pub fn first(matrix: &Tensor, n: usize) -> Result<Self, TchError> {
        let [rows, width] = matrix.size()[..] else { return Err(TchError::Shape(format!("{:?}", matrix.size()))) };
        let part = matrix.f_narrow(0, 0, rows.min(n as i64))?.f_to_kind(Kind::Double)?.f_flatten(0, -1)?;
        Ok(Rows { values: Vec::try_from(part)?, width: width as usize })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Dimensions.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The point `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// All coordinates, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Only the first `n`, or all of fewer.
    pub fn truncate(&mut self, n: usize) {
        self.values.truncate(n * self.width);
    }

    /// Whether every coordinate is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }
}

/// Euclidean distances `[a, b]`, row-major, of each row of `a` to each of `b`: from differences, so that equal points are at distance 0.
pub fn distances(a: &Rows, b: &Rows) -> Vec<f64> {
    let mut out = vec![0.0; a.len() * b.len()];
    for (i, out) in out.chunks_mut(b.len().max(1)).enumerate() {
        squares(a.row(i), &b.values, out);
        out.iter_mut().for_each(|square| *square = square.sqrt());
    }
    out
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn squares(row: &[f64], others: &[f64], out: &mut [f64]) {
    const LANES: usize = 8;
    for (other, out) in others.chunks_exact(row.len()).zip(out) {
        let mut sums = [0.0; LANES];
        let (a, b) = (row.as_chunks::<LANES>(), other.as_chunks::<LANES>());
        for (a, b) in a.0.iter().zip(b.0) {
            for lane in 0..LANES {
                sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
            }
        }
        let rest: f64 = a.1.iter().zip(b.1).map(|(a, b)| (a - b) * (a - b)).sum();
        *out = sums.iter().sum::<f64>() + rest;
    }
}
