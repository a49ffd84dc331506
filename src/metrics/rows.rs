//! Points in any number of dimensions, in float64, for computations without libtorch.

use tch::{Kind, TchError, Tensor};

use sweep_numerics::random::{Permutation, Purpose, Stream};

/// Squares of coordinates from 2^-WELL to 2^WELL, and of their differences, stay well within float64.
const WELL: i32 = 330;
/// Squared distances outside this range may have lost digits to overflow or underflow.
const SAFE: std::ops::RangeInclusive<f64> = 1e-280..=1e280;
/// The lane of [`Purpose::Reference`] for shuffling rows.
const LANE: u16 = u16::MAX;

/// A matrix `[n, width]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Vec<f64>,
    width: usize,
}

impl Rows {
    /// Takes `values` `[n, width]`.
    ///
    /// # Panics
    ///
    /// If these are not a whole number of rows.
    pub fn new(values: Vec<f64>, width: usize) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "expected whole rows of {width} values");
        Rows { values, width }
    }

    /// Returns the first `n` rows of a matrix, or all if there are fewer.
    pub fn first(matrix: &Tensor, n: usize) -> Result<Self, TchError> {
        let [rows, width] = matrix.size()[..] else { return Err(TchError::Shape(format!("{:?}", matrix.size()))) };
        let part = matrix.f_narrow(0, 0, rows.min(n as i64))?.f_to_kind(Kind::Double)?.f_flatten(0, -1)?;
        Ok(Rows { values: Vec::try_from(part)?, width: width as usize })
    }

    /// Returns all rows of a matrix.
    pub fn of(matrix: &Tensor) -> Result<Self, TchError> {
        Rows::first(matrix, usize::MAX >> 1)
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the number of dimensions.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns point `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// Returns all coordinates, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns whether every coordinate is finite.
    pub fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Returns the rows in a random order that depends on `seed` and on the rows, but not on their given order. So any
    /// first part of them is a random sample, and results don't depend on the given order.
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

    /// Returns the rows as a matrix.
    pub fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.values).reshape([-1, self.width as i64])
    }

    /// Returns whether squared distances between such rows can neither overflow, nor become 0 for different rows.
    pub fn has_safe_squares(&self) -> bool {
        let well = f64::powi(2.0, -WELL)..=f64::powi(2.0, WELL);
        self.values.iter().all(|value| *value == 0.0 || well.contains(&value.abs()))
    }

    /// Multiplies by 2^`exponent`. Only results below the smallest normal number are rounded.
    pub fn scaled(mut self, exponent: i32) -> Rows {
        if exponent != 0 {
            self.values.iter_mut().for_each(|value| *value = scaled(*value, exponent));
        }
        self
    }
}

/// Returns x · 2^`exponent`.
pub fn scaled(x: f64, exponent: i32) -> f64 {
    if x == 0.0 {
        return x;
    }
    // 2^exponent itself may exceed float64 even if the result does not.
    let third = exponent / 3;
    x * f64::powi(2.0, third) * f64::powi(2.0, third) * f64::powi(2.0, exponent - 2 * third)
}

/// Returns the power of 2 by which to scale numbers before computing with their distances. `largest` is the largest of
/// them. The result is 0 except for huge and tiny numbers, which it brings into the range where squares are safe.
pub fn safe_exponent(largest: f64) -> i32 {
    if largest.log2().abs() > f64::from(WELL) { largest_exponent(largest) } else { 0 }
}

/// Returns the power of 2 that brings the largest number to the upper end of the safe range, so that as many small ones
/// as possible are in the range, too.
fn largest_exponent(largest: f64) -> i32 {
    if largest == 0.0 || !largest.is_finite() { 0 } else { WELL - largest.log2().ceil() as i32 }
}

/// Returns the largest absolute value.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Returns the power of 2 by which to scale both sets before computing their distances.
pub fn safe_exponent_of(a: &Rows, b: &Rows) -> i32 {
    safe_exponent(largest(&a.values).max(largest(&b.values)))
}

/// Like [`safe_exponent_of`], for sets in which not all squares are safe.
pub fn largest_exponent_of(a: &Rows, b: &Rows) -> i32 {
    largest_exponent(largest(&a.values).max(largest(&b.values)))
}

/// Returns the Euclidean distances `[a, b]`, row-major, between each row of `a` and each of `b`. They are computed from
/// differences, so equal points are at distance 0.
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

/// Returns the Euclidean distance between two points, without overflow or underflow.
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
        // The expected distances are 3, 4 and 5 at each scale.
        for scale in [1.0, 1e-5, 1e150, 1e-150, 1e154, 1e200, 1e-200, 1e300, 1e-300, 3e-320] {
            let (a, b) = (Rows::new(vec![0.0, scale, 0.0], 3), Rows::new(vec![3.0 * scale, scale, 4.0 * scale], 3));
            let found = distances(&a, &b)[0];
            assert!((found / scale - 5.0).abs() < if scale < 1e-300 { 1e-3 } else { 1e-15 }, "{found} at {scale}");
        }
        let (near, far) = (Rows::new(vec![1e-200, 0.0], 2), Rows::new(vec![0.0, 0.0, 1e200, 0.0], 2));
        assert_eq!(distances(&near, &far), [1e-200, 1e200]);
    }

    #[test]
    fn scaling_by_powers_of_two_is_exact_and_brings_the_largest_into_the_safe_range() {
        for value in [1.0, 1e-10, 1e200, f64::MAX, 1e-200, f64::MIN_POSITIVE, 5e-324] {
            let exponent = safe_exponent(value);
            let there = scaled(value, exponent);
            assert!(Rows::new(vec![there], 1).has_safe_squares(), "{value}: {there}");
            assert_eq!(scaled(there, -exponent), value);
        }
        assert_eq!(
            (safe_exponent(0.0), safe_exponent(f64::INFINITY), safe_exponent(1e99), safe_exponent(1e-99)),
            (0, 0, 0, 0)
        );
        assert_eq!((scaled(0.0, 5000), scaled(1e-300, 5000), scaled(1e300, -5000)), (0.0, f64::INFINITY, 0.0));
    }
}
