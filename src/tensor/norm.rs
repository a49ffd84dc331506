//! Batch normalisation of CPU memory: each column of a matrix `[rows, columns]` by itself. Two passes over the memory for the moments
//! and one for the values; sums are of short runs in the numbers' own precision, and of these in float64.

use multiversion::multiversion;
use tch::{Kind, Tensor};

use super::host::{values, values_mut};

/// Rows that are summed up in the numbers' own precision.
const RUN: usize = 64;
/// Narrow matrices are taken as wider ones with fewer rows, up to so many columns: the loops run along the columns.
const WIDE: usize = 256;

/// How many rows of `columns` are taken as one.
fn fold(rows: usize, columns: usize) -> usize {
    let mut fold = 1;
    while columns * fold * 2 <= WIDE && rows.is_multiple_of(fold * 2) {
        fold *= 2;
    }
    fold
}

macro_rules! kernels {
    ($float:ident, $sums:ident, $forward:ident, $backward:ident) => {
        /// The sum of each column of `f(x, dy, column)`, in float64.
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $sums(x: &[$float], dy: &[$float], mean: &[$float], of: Moment) -> Vec<f64> {
            let columns = mean.len();
            let (mut run, mut total) = (vec![0.0 as $float; columns], vec![0.0f64; columns]);
            for (x, dy) in x.chunks(RUN * columns).zip(dy.chunks(RUN * columns)) {
                run.fill(0.0);
                for (x, dy) in x.chunks_exact(columns).zip(dy.chunks_exact(columns)) {
                    let (run, mean) = (&mut run[..columns], &mean[..columns]);
                    match of {
                        Moment::First => (0..columns).for_each(|i| run[i] += x[i]),
                        Moment::Second => (0..columns).for_each(|i| run[i] += (x[i] - mean[i]) * (x[i] - mean[i])),
                        Moment::Mixed => (0..columns).for_each(|i| run[i] += (x[i] - mean[i]) * dy[i]),
                    }
                }
                (0..columns).for_each(|i| total[i] += f64::from(run[i]));
            }
            total
        }

        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $forward(x: &[$float], mean: &[$float], factor: &[$float], shift: &[$float], y: &mut [$float]) {
            let columns = mean.len();
            let (factor, shift) = (&factor[..columns], &shift[..columns]);
            for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
                (0..columns).for_each(|i| y[i] = (x[i] - mean[i]) * factor[i] + shift[i]);
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $backward(dy: &mut [$float], x: &[$float], mean: &[$float], [all, own, slope]: [&[$float]; 3]) {
            let columns = mean.len();
            let (all, own, slope) = (&all[..columns], &own[..columns], &slope[..columns]);
            for (dy, x) in dy.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                (0..columns).for_each(|i| dy[i] = all[i] * dy[i] - own[i] - slope[i] * (x[i] - mean[i]));
            }
        }
    };
}

/// What is summed up.
#[derive(Clone, Copy)]
enum Moment {
    /// x.
    First,
    /// (x − mean)².
    Second,
    /// (x − mean)·dy.
    Mixed,
}

kernels!(f32, sums_f32, forward_f32, backward_f32);
kernels!(f64, sums_f64, forward_f64, backward_f64);

/// Mean and variance (of the population) of each column of a matrix.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Vec<f64>,
    variance: Vec<f64>,
    rows: usize,
}

/// `vector`, `times` times over, as numbers of the other type.
fn repeated<T>(vector: &[f64], times: usize, cast: impl Fn(f64) -> T + Copy) -> Vec<T> {
    (0..times).flat_map(|_| vector.iter().map(move |&value| cast(value))).collect()
}

/// The sums of columns that lie `times` times side by side.
fn folded(sums: Vec<f64>, columns: usize) -> Vec<f64> {
    let mut total = vec![0.0; columns];
    sums.chunks_exact(columns).for_each(|part| total.iter_mut().zip(part).for_each(|(total, part)| *total += part));
    total
}

fn sums(x: &Tensor, dy: &Tensor, mean: &[f64], of: Moment) -> Vec<f64> {
    let columns = mean.len();
    let times = fold(x.numel() / columns, columns);
    let sums = match x.kind() {
        Kind::Double => sums_f64(values(x), values(dy), &repeated(mean, times, |value| value), of),
        _ => sums_f32(values(x), values(dy), &repeated(mean, times, |value| value as f32), of),
    };
    folded(sums, columns)
}

impl Moments {
    /// Of `x`, whose last axis are the columns: a contiguous CPU tensor of float32 or float64, as all here.
    pub fn of(x: &Tensor) -> Moments {
        let columns = *x.size().last().unwrap_or(&1) as usize;
        let rows = x.numel() / columns;
        let over = |sums: Vec<f64>| sums.into_iter().map(|sum| sum / rows as f64).collect::<Vec<_>>();
        // The mean that is subtracted is the rounded one.
        let round = |value: f64| if x.kind() == Kind::Double { value } else { f64::from(value as f32) };
        let mean: Vec<f64> = over(sums(x, x, &vec![0.0; columns], Moment::First)).into_iter().map(round).collect();
        let variance = over(sums(x, x, &mean, Moment::Second));
        Moments { mean, variance, rows }
    }

    /// Moves running statistics `[columns]` towards these by `momentum`; the variance is the unbiased one there, as in PyTorch.
    pub fn record(&self, mean: &mut Tensor, variance: &mut Tensor, momentum: f64) {
        let unbiased = self.rows as f64 / (self.rows as f64 - 1.0);
        let other: Vec<f64> = self.variance.iter().map(|variance| variance * unbiased).collect();
        for (running, new) in [(mean, &self.mean), (variance, &other)] {
            match running.kind() {
                Kind::Double => values_mut::<f64>(running)
                    .iter_mut()
                    .zip(new)
                    .for_each(|(old, new)| *old += momentum * (new - *old)),
                _ => values_mut::<f32>(running)
                    .iter_mut()
                    .zip(new)
                    .for_each(|(old, new)| *old += (momentum * (new - f64::from(*old))) as f32),
            }
        }
    }

    /// Mean and variance as tensors of float64, `[columns]`.
    pub fn save(self) -> [Tensor; 2] {
        [Tensor::from_slice(&self.mean), Tensor::from_slice(&self.variance)]
    }

    /// Those of `x` that [`Moments::save`] gave.
    pub fn load(mean: &Tensor, variance: &Tensor, x: &Tensor) -> Moments {
        let (mean, variance) = (values(mean).to_vec(), values(variance).to_vec());
        Moments { rows: x.numel() / mean.len(), mean, variance }
    }

    fn inverse(&self, epsilon: f64) -> Vec<f64> {
        self.variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect()
    }

    /// (x − mean)/√(variance + ε)·scale + shift into `y`, of the shape of `x`; scale and shift `[columns]`.
    pub fn normalise(&self, x: &Tensor, scale: &Tensor, shift: &Tensor, epsilon: f64, y: &mut Tensor) {
        let columns = self.mean.len();
        let times = fold(self.rows, columns);
        let factor: Vec<f64> = self.inverse(epsilon).iter().zip(numbers(scale)).map(|(a, b)| a * b).collect();
        let shift = numbers(shift);
        match x.kind() {
            Kind::Double => {
                let wide = |vector: &[f64]| repeated(vector, times, |value| value);
                forward_f64(values(x), &wide(&self.mean), &wide(&factor), &wide(&shift), values_mut(y));
            }
            _ => {
                let wide = |vector: &[f64]| repeated(vector, times, |value| value as f32);
                forward_f32(values(x), &wide(&self.mean), &wide(&factor), &wide(&shift), values_mut(y));
            }
        }
    }

    /// The gradients of scale and shift from that of y; where `input`, the gradient of x takes the place of `dy`.
    pub fn backward(
        &self,
        x: &Tensor,
        dy: &mut Tensor,
        scale: &Tensor,
        epsilon: f64,
        input: bool,
    ) -> (Vec<f64>, Vec<f64>) {
        let (columns, n) = (self.mean.len(), self.rows as f64);
        let inverse = self.inverse(epsilon);
        let shift = sums(dy, dy, &vec![0.0; columns], Moment::First);
        let product = sums(x, dy, &self.mean, Moment::Mixed);
        if input {
            // dx = scale/√ · (dy − mean(dy) − x̂·mean(dy·x̂)), where x̂ = (x − mean)/√.
            let all: Vec<f64> = inverse.iter().zip(numbers(scale)).map(|(a, b)| a * b).collect();
            let own: Vec<f64> = all.iter().zip(&shift).map(|(all, sum)| all * sum / n).collect();
            let slope =
                all.iter().zip(&product).zip(&inverse).map(|((all, sum), inverse)| all * sum * inverse * inverse / n);
            let slope: Vec<f64> = slope.collect();
            let times = fold(self.rows, columns);
            match dy.kind() {
                Kind::Double => {
                    let wide = |vector: &[f64]| repeated(vector, times, |value| value);
                    let [all, own, slope] = [&all, &own, &slope].map(|vector| wide(vector));
                    backward_f64(values_mut(dy), values(x), &wide(&self.mean), [&all, &own, &slope]);
                }
                _ => {
                    let wide = |vector: &[f64]| repeated(vector, times, |value| value as f32);
                    let [all, own, slope] = [&all, &own, &slope].map(|vector| wide(vector));
                    backward_f32(values_mut(dy), values(x), &wide(&self.mean), [&all, &own, &slope]);
                }
            }
        }
        (product.iter().zip(&inverse).map(|(sum, inverse)| sum * inverse).collect(), shift)
    }
}

/// The values of a vector.
fn numbers(vector: &Tensor) -> Vec<f64> {
    match vector.kind() {
        Kind::Double => values::<f64>(vector).to_vec(),
        _ => values::<f32>(vector).iter().map(|&value| value.into()).collect(),
    }
}

/// Adds to a vector of float32 or float64, contiguous and on the CPU.
pub fn add(vector: &mut Tensor, more: &[f64]) {
    match vector.kind() {
        Kind::Double => values_mut::<f64>(vector).iter_mut().zip(more).for_each(|(value, more)| *value += more),
        _ => values_mut::<f32>(vector).iter_mut().zip(more).for_each(|(value, more)| *value += *more as f32),
    }
}
