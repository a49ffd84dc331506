//! `kid`: the kernel Inception distance (Bińkowski et al. 2018, "Demystifying MMD GANs"). It is the unbiased MMD² with
//! the kernel (x·y/d + 1)³, given as mean and population standard deviation over random subsets.
//!
//! The sum over pairs of different samples includes only those pairs: the kernel of a sample with itself may be larger
//! than all others by more digits than float64 has. Terms that cancel are never computed. With x = c + u and y = c + v,
//! A = c·c/d + 1, α = c·u/d, α' = c·v/d and β = u·v/d, the kernel is (A + α + α' + β)³. Terms of A, of x alone and of y
//! alone cancel in an MMD². With c the median and S = A + α + α', what remains is β (3S² + 3Sβ + β²) + αα' (6A + 3α +
//! 3α').

use std::ops::Range;

use multiversion::multiversion;
use tch::{Kind, TchError, Tensor};

use super::MetricError;
use super::features::{Ready, Real};
use super::formula::Measurement;
use super::rows::scaled;
use sweep_numerics::random::{Permutation, Purpose, Stream};

/// Number of subsets, unless a single one holds everything.
const SUBSETS: u64 = 100;
/// Samples of each side in a subset, if there are enough.
const SUBSET: usize = 1000;
/// The first lane of [`Purpose::Reference`] for drawing subsets.
const LANE: u16 = 2;

/// Prepares the score against real features.
pub(super) fn ready(real: &mut Real) -> Result<Ready, MetricError> {
    let real = real.features.shallow_clone();
    Ok(Box::new(move |generated, seed| {
        let (mean, std) = kid(generated, &real, seed)?;
        let [n, m] = [generated, &real].map(|features| features.size()[0] as usize);
        let found = Measurement::of(mean).spread(std).with("subset", subset(n, m)).with("subsets", subsets(n, m));
        Ok(found.with("seed", seed))
    }))
}

/// Returns the size of subsets of `generated` and `real` samples.
pub fn subset(generated: usize, real: usize) -> usize {
    SUBSET.min(generated).min(real)
}

/// Returns the number of subsets. It is one if that holds all samples of both sides.
pub fn subsets(generated: usize, real: usize) -> u64 {
    if generated == real && generated <= SUBSET { 1 } else { SUBSETS }
}

/// Returns mean and standard deviation over [`subsets`] subsets of `generated` and `real` features `[n, features]`. The
/// subsets are drawn without replacement and determined by `seed`. NaN if a feature is not finite or one side has fewer
/// than 2 samples.
pub fn kid(generated: &Tensor, real: &Tensor, seed: u64) -> Result<(f64, f64), TchError> {
    let sizes = [generated, real].map(|features| features.size()[0] as usize);
    let size = subset(sizes[0], sizes[1]);
    let finite = |features: &Tensor| Ok::<_, TchError>(features.f_isfinite()?.f_all()?.int64_value(&[]) != 0);
    if size < 2 || !finite(generated)? || !finite(real)? {
        return Ok((f64::NAN, f64::NAN));
    }
    let part = |features: &Tensor, n: usize, lane: u16, index: u64| {
        let order = Permutation::new(n as u32, &Stream::lane(seed, Purpose::Reference, lane, index));
        let picks: Vec<i64> = (0..size as u32).map(|place| order.at(place).into()).collect();
        features.f_index_select(0, &Tensor::from_slice(&picks).to_device(features.device()))
    };
    let (down, centre) = (down(generated, real)?, middle(generated, real)?);
    let one = |index| {
        let (generated, real) = (part(generated, sizes[0], LANE, index)?, part(real, sizes[1], LANE + 1, index)?);
        reduced(&generated, &real, &centre, down)
    };
    let values = (0..subsets(sizes[0], sizes[1])).map(one).collect::<Result<Vec<f64>, TchError>>()?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Ok((scaled(mean, 6 * down), scaled(variance.sqrt(), 6 * down)))
}

/// Returns the unbiased MMD² between `a` and `b` `[n, features]` in float64. Each has at least 2 samples. It may be
/// negative, and is infinite if it exceeds float64.
pub fn mmd(a: &Tensor, b: &Tensor) -> Result<f64, TchError> {
    let down = down(a, b)?;
    Ok(scaled(reduced(a, b, &middle(a, b)?, down)?, 6 * down))
}

/// Returns the power of 2 to divide by, for features that are too large for sixth powers.
fn down(a: &Tensor, b: &Tensor) -> Result<i32, TchError> {
    /// Sixth powers of numbers up to 2^MOST are safe.
    const MOST: i32 = 150;
    let largest = |x: &Tensor| Ok::<_, TchError>(x.f_abs()?.f_max()?.double_value(&[]));
    let exponent = largest(a)?.max(largest(b)?).log2().ceil() as i32;
    Ok(exponent.saturating_sub(MOST).max(0))
}

/// Returns the median of each feature over some samples of both sides. It is near most samples, and outliers don't move
/// it.
fn middle(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let some = |x: &Tensor| x.f_narrow(0, 0, x.size()[0].min(SUBSET as i64))?.f_to_kind(Kind::Double);
    Ok(Tensor::f_cat(&[some(a)?, some(b)?], 0)?.f_median_dim(0, false)?.0)
}

/// Returns the MMD² in units of 2^(6 `down`), relative to `centre`.
fn reduced(a: &Tensor, b: &Tensor, centre: &Tensor, down: i32) -> Result<f64, TchError> {
    let (a, b) = (a.f_to_kind(Kind::Double)?, b.f_to_kind(Kind::Double)?);
    let unit = f64::powi(2.0, -down);
    let (a, b) = (a * unit, b * unit);
    let width = a.size()[1] as f64;
    let centre = centre * unit;
    // The kernel's constant 1 is scaled like the squares.
    let base = (centre.f_square()?.f_sum(Kind::Double)? / width + unit * unit).double_value(&[]);
    let (a, b) = (a - &centre, b - &centre);
    let sum = |u: &Tensor, v: &Tensor, all: bool| {
        let alone = |side: &Tensor| Vec::<f64>::try_from(side.f_mv(&centre)? / width);
        let beta = u.f_matmul(&v.f_transpose(0, 1)?)?.f_flatten(0, -1)? / width;
        Ok::<_, TchError>(kernels(&Vec::<f64>::try_from(beta)?, &alone(u)?, &alone(v)?, base, all))
    };
    let within = |x: &Tensor| {
        let n = x.size()[0] as f64;
        Ok::<_, TchError>(sum(x, x, false)? / (n * (n - 1.0)))
    };
    let between = sum(&a, &b, true)? / (a.size()[0] * b.size()[0]) as f64;
    Ok(within(&a)? + within(&b)? - 2.0 * between)
}

/// Sums what remains of the kernels: over all pairs, or only over pairs with different indices. `beta` is `[n, m]`,
/// `alpha` `[n]` and `others` `[m]`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn kernels(beta: &[f64], alpha: &[f64], others: &[f64], base: f64, all: bool) -> f64 {
    const LANES: usize = 8;
    let mut total = 0.0;
    for (i, (row, alpha)) in beta.chunks_exact(others.len()).zip(alpha).enumerate() {
        let one = |beta: f64, other: f64| {
            let both = alpha + other;
            let s = both + base;
            beta * (3.0 * s * (s + beta) + beta * beta) + 3.0 * alpha * other * (both + 2.0 * base)
        };
        let some = |places: Range<usize>| {
            let (row, others) = (row[places.clone()].as_chunks::<LANES>(), others[places].as_chunks::<LANES>());
            let mut sums = [0.0; LANES];
            for (beta, other) in row.0.iter().zip(others.0) {
                for lane in 0..LANES {
                    sums[lane] += one(beta[lane], other[lane]);
                }
            }
            let rest = row.1.iter().zip(others.1).map(|(&beta, &other)| one(beta, other));
            sums.iter().sum::<f64>() + rest.sum::<f64>()
        };
        total += if all { some(0..others.len()) } else { some(0..i) + some(i + 1..others.len()) };
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn features(n: i64, lane: u16) -> Tensor {
        let mut values = vec![0.0f32; 4 * n as usize];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Tensor::from_slice(&values).reshape([n, 4])
    }

    #[test]
    fn two_points_per_side_have_a_closed_form() {
        // k(x, y) = (x y + 1)³ in one dimension: k(1, 2) = 27, k(0, 3) = 1; across the sides 1, 64, 1, 343.
        let (a, b) = (Tensor::from_slice(&[1.0, 2.0]).reshape([2, 1]), Tensor::from_slice(&[0.0, 3.0]).reshape([2, 1]));
        assert_eq!(mmd(&a, &b).unwrap(), 27.0 + 1.0 - 2.0 * (1.0 + 64.0 + 1.0 + 343.0) / 4.0);
        assert_eq!(kid(&a, &b, 0).unwrap(), (28.0 - 204.5, 0.0));
    }

    #[test]
    fn it_is_about_0_for_equal_distributions_and_large_otherwise() {
        let (a, b) = (features(3000, 10), features(2500, 11));
        let (mean, std) = kid(&a, &b, 0).unwrap();
        // Subsets of a few thousand samples overlap, so their mean is not much more certain than one of them.
        assert!(mean.abs() < 3.0 * std && std > 0.0, "{mean} ± {std}");
        let (mean, std) = kid(&(&a + 1.0), &b, 0).unwrap();
        assert!(mean > 10.0 * std, "{mean} ± {std}");
        assert_ne!(kid(&a, &b, 1).unwrap().0, kid(&a, &b, 0).unwrap().0);
    }

    /// Computes it exactly with integers, as differences of sums of all kernels.
    fn of_integers(a: &[[i64; 2]], b: &[[i64; 2]]) -> f64 {
        // 2 (x·y/2 + 1), cubed, is 8 times the kernel.
        let kernel = |x: &[i64; 2], y: &[i64; 2]| i128::from(x[0] * y[0] + x[1] * y[1] + 2).pow(3);
        let sum =
            |a: &[[i64; 2]], b: &[[i64; 2]]| a.iter().flat_map(|x| b.iter().map(move |y| kernel(x, y))).sum::<i128>();
        let own = |a: &[[i64; 2]]| sum(a, a) - a.iter().map(|x| kernel(x, x)).sum::<i128>();
        let (n, m) = (a.len() as i128, b.len() as i128);
        let all =
            own(a) * m * m * (m - 1) * n + own(b) * n * n * (n - 1) * m - 2 * sum(a, b) * n * m * (n - 1) * (m - 1);
        all as f64 / 8.0 / (n * n * m * m * (n - 1) * (m - 1)) as f64
    }

    #[test]
    fn it_agrees_with_integer_arithmetic_despite_outliers() {
        let points = |lane, n: usize, shift: i64| -> Vec<[i64; 2]> {
            let mut out = vec![0; 2 * n];
            Stream::lane(8, Purpose::Reference, lane, 0).fill_below(7, &mut out);
            out.chunks(2).map(|p| [i64::from(p[0]) + shift, i64::from(p[1]) - shift]).collect()
        };
        let tensor =
            |points: &[[i64; 2]]| Tensor::from_slice(points.as_flattened()).reshape([-1, 2]).to_kind(Kind::Double);
        for (shift, outlier) in [(0, 0), (0, 10_000), (0, 30_000), (500, 0), (3000, 7)] {
            let (mut a, b) = (points(1, 40, shift), points(2, 30, shift));
            a[0][0] += outlier;
            let (found, expected) = (mmd(&tensor(&a), &tensor(&b)).unwrap(), of_integers(&a, &b));
            assert!((found - expected).abs() < 1e-9 * expected.abs(), "{shift}, {outlier}: {found} for {expected}");
        }
    }

    /// Integers near 0 or far from it, some equal, and single ones far from the others.
    fn whole(n: Range<usize>, shift: i64) -> impl Strategy<Value = Vec<[i64; 2]>> {
        let number =
            move || prop_oneof![12 => -9i64..10, 2 => Just(3), 1 => -20_000i64..20_000].prop_map(move |x| x + shift);
        vec([number(), number()], n)
    }

    proptest! {
        #[test]
        fn it_agrees_with_integer_arithmetic(
            (a, b) in (-1500i64..1500).prop_flat_map(|shift| (whole(2..12, shift), whole(2..12, shift))),
        ) {
            let tensor = |points: &[[i64; 2]]| {
                Tensor::from_slice(points.as_flattened()).reshape([-1, 2]).to_kind(Kind::Double)
            };
            let (found, expected) = (mmd(&tensor(&a), &tensor(&b)).unwrap(), of_integers(&a, &b));
            // The sum is as large as the largest kernel relative to the centre; the result may be much smaller.
            let middle = |axis: usize| {
                let mut all: Vec<i64> = a.iter().chain(&b).map(|p| p[axis]).collect();
                all.sort_unstable();
                all[(all.len() - 1) / 2] as f64
            };
            let c = [middle(0), middle(1)];
            let far = |p: &[i64; 2]| ((p[0] as f64 - c[0]).powi(2) + (p[1] as f64 - c[1]).powi(2)).sqrt();
            let most = a.iter().chain(&b).map(far).fold(0.0, f64::max);
            let base = c[0].hypot(c[1]);
            let size = most * most * ((base + most).powi(2) + 1.0).powi(2);
            let margin = 1e-13 * size + 1e-12 * expected.abs();
            prop_assert!((found - expected).abs() <= margin, "{} for {}", found, expected);
        }
    }

    #[test]
    fn it_grows_with_the_sixth_power_of_huge_and_the_second_of_tiny_features() {
        let (a, b) = (features(50, 3), features(60, 4) + 0.5);
        let of = |unit: f64| mmd(&(a.to_kind(Kind::Double) * unit), &(b.to_kind(Kind::Double) * unit)).unwrap();
        let (huge, tiny) = (2f64.powi(160), 2f64.powi(-160));
        let ratio = of(huge * 2.0) / of(huge);
        assert!((ratio - 64.0).abs() < 1e-9, "{ratio}");
        let ratio = of(tiny * 2.0) / of(tiny);
        assert!((ratio - 4.0).abs() < 1e-9 && of(tiny) > 0.0, "{ratio}");
        assert_eq!((of(1e150), of(1e300), of(1e-300)), (f64::INFINITY, f64::INFINITY, 0.0));
        let (mean, std) = kid(&(a.to_kind(Kind::Double) * 1e300), &(&b * 1.0).to_kind(Kind::Double), 0).unwrap();
        assert!(mean.is_infinite() && std.is_infinite(), "no difference of infinities: {mean} ± {std}");
        // One subset of equal samples: the difference is 0, whatever the unit.
        let one = Tensor::full([6, 3], 2f64.powi(980), (Kind::Double, tch::Device::Cpu));
        assert_eq!(kid(&one, &one, 0).unwrap(), (0.0, 0.0));
    }

    #[test]
    fn undefined_values_are_nan() {
        let a = features(10, 0);
        assert!(kid(&(&a * f64::NAN), &a, 0).unwrap().0.is_nan());
        assert!(kid(&a.narrow(0, 0, 1), &a, 0).unwrap().0.is_nan());
    }
}
