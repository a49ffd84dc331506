//! Points in any number of dimensions, in float64, for what is computed without libtorch.

use tch::{Kind, TchError, Tensor};

use sweep_numerics::random::{Permutation, Purpose, Stream};

/// Squares of coordinates from 2^-WELL to 2^WELL, and of their differences, are well within float64.
const WELL: i32 = 330;
/// Squared distances beyond these have lost digits, or all of them, to the limits of float64.
const SAFE: std::ops::RangeInclusive<f64> = 1e-280..=1e280;
/// The lane of [`Purpose::Reference`] that rows are shuffled by.
const LANE: u16 = u16::MAX;

/// `[n, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
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

    /// All rows of a matrix.
    pub fn of(matrix: &Tensor) -> Result<Self, TchError> {
        Rows::first(matrix, usize::MAX >> 1)
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

    /// Whether every coordinate is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// The same rows in a random order, which follows from `seed` and what rows there are, whatever their order: so any first part of them
    /// is a random sample, and nothing that is computed of them depends on the order that they came in.
    pub fn shuffled(&self, seed: u64) -> Rows {
        let mut sorted: Vec<&[f64]> = self.values.chunks_exact(self.width).collect();
        sorted.sort_unstable_by(|a, b| {
            a.iter()
                .zip(*b)
                .map(|(a, b)| a.total_cmp(b))
                .find(|order| order.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let order = Permutation::new(sorted.len().max(1) as u32, &Stream::lane(seed, Purpose::Reference, LANE, 0));
        let values = (0..sorted.len()).flat_map(|place| sorted[order.at(place as u32) as usize]).copied().collect();
        Rows { values, width: self.width }
    }

    /// As a matrix.
    pub fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).reshape([-1, self.width as i64])
    }

    /// Whether no squared distance between rows of such sets can overflow, or vanish where the rows differ.
    pub fn squares_well(&self) -> bool {
        let well = f64::powi(2.0, -WELL)..=f64::powi(2.0, WELL);
        self.values.iter().all(|value| *value == 0.0 || well.contains(&value.abs()))
    }

    /// Times 2^`exponent`, in which nothing is rounded but what ends up below the smallest normal number.
    pub fn scaled(mut self, exponent: i32) -> Rows {
        if exponent != 0 {
            self.values.iter_mut().for_each(|value| *value = scaled(*value, exponent));
        }
        self
    }
}

/// x · 2^`exponent`.
pub fn scaled(x: f64, exponent: i32) -> f64 {
    if x == 0.0 {
        return x;
    }
    // 2^exponent itself may be beyond float64 where the result is not.
    let third = exponent / 3;
    x * f64::powi(2.0, third) * f64::powi(2.0, third) * f64::powi(2.0, exponent - 2 * third)
}

/// The power of 2 to scale numbers by before distances between them are computed, summed and divided, the largest of which is `largest`: one
/// that brings it where squares are well, and 0 for all but the huge and the tiny.
pub fn comfort(largest: f64) -> i32 {
    if largest.log2().abs() > f64::from(WELL) { widest(largest) } else { 0 }
}

/// The power of 2 that brings the largest of some numbers just where squares are well, so that as many of the small ones as can be are, too.
fn widest(largest: f64) -> i32 {
    if largest == 0.0 || !largest.is_finite() { 0 } else { WELL - largest.log2().ceil() as i32 }
}

/// The largest absolute value.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// The power of 2 that both sets are to be scaled by before their distances are computed.
pub fn comfort_of(a: &Rows, b: &Rows) -> i32 {
    comfort(largest(&a.values).max(largest(&b.values)))
}

/// The same of sets of which not all squares are well.
pub fn widest_of(a: &Rows, b: &Rows) -> i32 {
    widest(largest(&a.values).max(largest(&b.values)))
}

/// Euclidean distances `[a, b]`, row-major, of each row of `a` to each of `b`: from differences, so that equal points are at distance 0.
pub fn distances(a: &Rows, b: &Rows) -> Vec<f64> {
    let mut out = vec![0.0; a.len() * b.len()];
    for (i, out) in out.chunks_mut(b.len().max(1)).enumerate() {
        squares(a.row(i), &b.values, out);
        for (j, square) in out.iter_mut().enumerate() {
            *square = if SAFE.contains(square) { square.sqrt() } else { distance(a.row(i), b.row(j)) };
        }
    }
    out
}

/// The Euclidean distance of two points, however far they are or near.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    let far = a.iter().zip(b).fold(0.0, |far: f64, (a, b)| far.max((a - b).abs()));
    if far == 0.0 || !far.is_finite() {
        return far;
    }
    let share = |(a, b): (&f64, &f64)| ((a - b) / far) * ((a - b) / far);
    far * a.iter().zip(b).map(share).sum::<f64>().sqrt()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_depends_on_the_rows_and_not_on_their_order() {
        let rows = Rows::new((0..60).map(|i| f64::from(i * 7 % 11)).collect(), 2);
        let turned = Rows::new(rows.values().chunks(2).rev().flatten().copied().collect(), 2);
        assert_eq!(rows.shuffled(3), turned.shuffled(3));
        assert_ne!(rows.shuffled(3), rows.shuffled(4));
        assert_ne!(rows.shuffled(3).values(), rows.values());
        let sorted = |rows: &Rows| {
            let mut pairs: Vec<[u64; 2]> = rows.values().chunks(2).map(|p| [p[0] as u64, p[1] as u64]).collect();
            pairs.sort_unstable();
            pairs
        };
        assert_eq!(sorted(&rows.shuffled(3)), sorted(&rows), "the same rows");
        assert!(Rows::new(Vec::new(), 2).shuffled(0).is_empty());
    }

    #[test]
    fn distances_hold_at_any_scale() {
        // 3, 4 and 5 at each.
        for scale in [1.0, 1e-5, 1e150, 1e-150, 1e154, 1e200, 1e-200, 1e300, 1e-300, 3e-320] {
            let (a, b) = (Rows::new(vec![0.0, scale, 0.0], 3), Rows::new(vec![3.0 * scale, scale, 4.0 * scale], 3));
            let found = distances(&a, &b)[0];
            assert!((found / scale - 5.0).abs() < if scale < 1e-300 { 1e-3 } else { 1e-15 }, "{found} at {scale}");
        }
        let (near, far) = (Rows::new(vec![1e-200, 0.0], 2), Rows::new(vec![0.0, 0.0, 1e200, 0.0], 2));
        assert_eq!(distances(&near, &far), [1e-200, 1e200]);
    }

    #[test]
    fn scaling_by_powers_of_two_is_exact_and_brings_the_largest_where_it_is_safe() {
        for value in [1.0, 1e-10, 1e200, f64::MAX, 1e-200, f64::MIN_POSITIVE, 5e-324] {
            let exponent = comfort(value);
            let there = scaled(value, exponent);
            assert!(Rows::new(vec![there], 1).squares_well(), "{value}: {there}");
            assert_eq!(scaled(there, -exponent), value);
        }
        assert_eq!((comfort(0.0), comfort(f64::INFINITY), comfort(1e99), comfort(1e-99)), (0, 0, 0, 0));
        assert_eq!((scaled(0.0, 5000), scaled(1e-300, 5000), scaled(1e300, -5000)), (0.0, f64::INFINITY, 0.0));
    }
}
