//! `frechet`: the Fréchet distance between Gaussian fits to features (Heusel et al. 2017, "GANs trained by a two
//! time-scale update rule converge to a local Nash equilibrium", eq. 6).
//!
//! ‖m₁ − m₂‖² + Tr(C₁ + C₂ − 2 (C₁ C₂)^½). A covariance (ddof 1) is kept as a factor R with C = RᵀR, computed from the
//! centred features themselves. Then Tr (C₁ C₂)^½ is the sum of the singular values of R₁R₂ᵀ. This loses no digits to
//! the square roots of eigenvalues that are 0 up to rounding, of which there are many if there are more features than
//! samples. If the traces nearly cancel, the difference is taken before squaring: it is the least ‖Q₁R₁ − Q₂R₂‖² over
//! all rotations (Bhatia, Jain & Lim 2019, "On the Bures–Wasserstein distance between positive definite matrices",
//! theorem 1).

use tch::{Kind, TchError, Tensor};

use super::MetricError;
use super::features::{Ready, Real};
use super::formula::Measurement;
use super::rows::{Rows, safe_exponent, scaled};
use sweep_tensor::file::Named;
use sweep_tensor::linalg;

/// Rows converted to float64 at a time.
const BLOCK: i64 = 4096;
/// If less than this share of the traces remains, they are considered to cancel.
const CANCELLED: f64 = 1e-4;
/// By what relative error a float32 covariance may fail to be symmetric and positive semidefinite.
const ROUNDED: f64 = 1e-4;

/// Prepares the score against real features. Fits a Gaussian to them unless there is a fit already.
pub(super) fn ready(real: &mut Real) -> Result<Ready, MetricError> {
    let n = real.features.size()[0];
    let fit = match Gaussian::from_parts(real.known, n) {
        Some(fit) => Some(fit),
        None => Gaussian::fit(real.features)?,
    };
    if let Some(fit) = &fit {
        real.known.extend(fit.parts(n));
    }
    Ok(Box::new(move |generated, _| {
        let value = match Gaussian::fit(generated)?.as_ref().zip(fit.as_ref()) {
            Some((generated, real)) => real.frechet(generated)?,
            None => f64::NAN,
        };
        Ok(Measurement::of(value))
    }))
}

/// A Gaussian fitted to features.
#[derive(Debug)]
pub struct Gaussian {
    /// `[2, features]`: the mean is the sum of both rows. The second row is the rounding error of the first.
    mean: Tensor,
    /// `[rows, features]`: the covariance is the product of its transpose with itself.
    factor: Tensor,
    /// The features are 2^exponent times those that `mean` and `factor` describe. 0 except for huge and tiny features.
    exponent: i32,
}

/// Why a mean and a covariance are not valid.
#[derive(Debug, thiserror::Error)]
pub enum MomentsError {
    /// The sizes don't match.
    #[error(
        "expected a mean of d values and a covariance of d rows of d values, found a mean of {mean} values and \
        {rows} rows of {width}"
    )]
    Sizes {
        /// Number of values in the mean.
        mean: usize,
        /// Number of rows of the covariance.
        rows: usize,
        /// Number of values per row.
        width: usize,
    },
    /// The covariance is not symmetric.
    #[error("the covariance is not symmetric")]
    Skew,
    /// The covariance has a negative eigenvalue.
    #[error("the covariance has a negative eigenvalue, {0:e}")]
    Negative(f64),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

impl Gaussian {
    /// Fits `features` `[n, features]` in float64. `None` if one is not finite or n is below 2.
    pub fn fit(features: &Tensor) -> Result<Option<Self>, TchError> {
        let (n, width) = (features.size()[0], features.size()[1]);
        if n < 2 || !finite(features)? {
            return Ok(None);
        }
        // Scaled, so no sum overflows.
        let exponent = -safe_exponent(largest(features)?);
        let blocks = || -> Result<Vec<Tensor>, TchError> { features.f_split(BLOCK, 0) };
        let double = |block: &Tensor| scale(&block.f_to_kind(Kind::Double)?, -exponent);
        let sum = |centre: &Tensor| -> Result<Tensor, TchError> {
            let mut sum = centre.f_zeros_like()?;
            for block in blocks()? {
                sum += (double(&block)? - centre).f_sum_dim_intlist(0, false, Kind::Double)?;
            }
            Ok(sum / n as f64)
        };
        let zeros = Tensor::f_zeros([width], (Kind::Double, features.device()))?;
        let mean = sum(&zeros)?;
        let rest = sum(&mean)?;
        // One block at a time: all of them in float64 may need twice the available memory.
        let mut factor: Option<Tensor> = None;
        for block in blocks()? {
            let centred = (double(&block)? - &mean - &rest) / ((n - 1) as f64).sqrt();
            let stacked = match factor {
                Some(factor) => Tensor::f_cat(&[factor, centred], 0)?,
                None => centred,
            };
            factor = Some(if stacked.size()[0] > width { linalg::triangle(&stacked)? } else { stacked });
        }
        let mean = Tensor::f_stack(&[mean, rest], 0)?;
        Ok(factor.map(|factor| Gaussian { mean, factor, exponent }))
    }

    /// Builds a fit from the `mean` `[d]` and the `covariance` `[d, d]` of features that were measured elsewhere. All
    /// numbers must be finite.
    ///
    /// # Errors
    ///
    /// If they are not valid.
    pub fn from_moments(mean: &[f64], covariance: &Rows) -> Result<Self, MomentsError> {
        let (rows, width) = (covariance.len(), covariance.width());
        if (rows, width) != (mean.len(), mean.len()) {
            return Err(MomentsError::Sizes { mean: mean.len(), rows, width });
        }
        let (mean, covariance) = (Tensor::from_slice(mean), covariance.tensor());
        let size = largest(&covariance)?;
        let skew = largest(&(&covariance - covariance.f_transpose(0, 1)?))?;
        if skew > ROUNDED * size {
            return Err(MomentsError::Skew);
        }
        // Even, so it has an exact square root.
        let exponent = safe_exponent(size) / 2 * 2;
        let (values, factor) = linalg::factor(&scale(&covariance, exponent)?)?;
        let (least, most) = (values[0], values[values.len() - 1]);
        if least < -ROUNDED * most.abs() {
            return Err(MomentsError::Negative(scaled(least, -exponent)));
        }
        let mean = scale(&mean, exponent / 2)?;
        let mean = Tensor::f_stack(&[mean.shallow_clone(), mean.f_zeros_like()?], 0)?;
        Ok(Gaussian { mean, factor, exponent: -exponent / 2 })
    }

    /// Returns its parts by name. The names contain the number `n` of samples that were fitted.
    pub fn parts(&self, n: i64) -> [(String, Tensor); 3] {
        let [mean, factor, exponent] = names(n);
        let power = Tensor::from_slice(&[i64::from(self.exponent)]);
        [(mean, self.mean.shallow_clone()), (factor, self.factor.shallow_clone()), (exponent, power)]
    }

    /// Builds a fit from such parts. `None` if one is missing.
    pub fn from_parts(parts: &Named, n: i64) -> Option<Self> {
        let [mean, factor, exponent] = names(n).map(|name| parts.get(&name).map(Tensor::shallow_clone));
        let exponent = exponent?.int64_value(&[0]) as i32;
        Some(Gaussian { mean: mean?, factor: factor?, exponent })
    }

    /// Returns the number of dimensions.
    pub fn width(&self) -> usize {
        self.mean.size()[1] as usize
    }

    /// Returns the Fréchet distance to `other`, in squared feature units. Infinite if it exceeds float64.
    pub fn frechet(&self, other: &Gaussian) -> Result<f64, TchError> {
        // Bring both to the same units, in which squares neither overflow nor underflow.
        let common = self.exponent.max(other.exponent);
        let [one, two] = [self, other].map(|gaussian| {
            let by = gaussian.exponent - common;
            Ok::<_, TchError>((scale(&gaussian.mean, by)?, scale(&gaussian.factor, by)?))
        });
        let ((mean_1, factor_1), (mean_2, factor_2)) = (one?, two?);
        let apart = (mean_1 - mean_2).f_sum_dim_intlist(0, false, Kind::Double)?;
        let size = largest(&apart)?.max(largest(&factor_1)?).max(largest(&factor_2)?);
        if size == 0.0 {
            return Ok(0.0);
        }
        let unit = -size.log2().ceil() as i32;
        let (apart, r, s) = (scale(&apart, unit)?, scale(&factor_1, unit)?, scale(&factor_2, unit)?);
        let square = |matrix: &Tensor| Ok::<_, TchError>(matrix.f_square()?.f_sum(Kind::Double)?.double_value(&[]));
        let traces = square(&r)? + square(&s)?;
        let product = r.f_matmul(&s.f_transpose(0, 1)?)?;
        let spread = traces - 2.0 * linalg::singular_values(&product)?.f_sum(Kind::Double)?.double_value(&[]);
        let spread = if spread > CANCELLED * traces { spread } else { least(&r, &s)? };
        Ok(scaled(square(&apart)? + spread, 2 * (common - unit)))
    }
}

/// Returns the least ‖Q₁r − Q₂s‖² over all rotations.
fn least(r: &Tensor, s: &Tensor) -> Result<f64, TchError> {
    // Pad to the same number of rows: rows of 0 change nothing.
    let rows = r.size()[0].max(s.size()[0]);
    let tall = |matrix: &Tensor| {
        let [own, width] = matrix.size()[..] else { return Err(TchError::Shape(format!("{:?}", matrix.size()))) };
        Tensor::f_cat(
            &[matrix.shallow_clone(), Tensor::f_zeros([rows - own, width], (Kind::Double, matrix.device()))?],
            0,
        )
    };
    let (r, s) = (tall(r)?, tall(s)?);
    let (u, v) = linalg::rotations(&r.f_matmul(&s.f_transpose(0, 1)?)?)?;
    let apart = u.f_transpose(0, 1)?.f_matmul(&r)? - v.f_transpose(0, 1)?.f_matmul(&s)?;
    Ok(apart.f_square()?.f_sum(Kind::Double)?.double_value(&[]))
}

/// Returns the names of a fit's parts.
fn names(n: i64) -> [String; 3] {
    ["centre", "factor", "exponent"].map(|part| format!("{part}_{n}"))
}

fn finite(tensor: &Tensor) -> Result<bool, TchError> {
    Ok(tensor.f_isfinite()?.f_all()?.int64_value(&[]) != 0)
}

/// Returns the largest absolute value. 0 if there are no values.
fn largest(tensor: &Tensor) -> Result<f64, TchError> {
    if tensor.numel() == 0 { Ok(0.0) } else { Ok(tensor.f_abs()?.f_max()?.double_value(&[])) }
}

/// Multiplies by 2^`exponent`.
fn scale(tensor: &Tensor, exponent: i32) -> Result<Tensor, TchError> {
    if exponent == 0 {
        return Ok(tensor.shallow_clone());
    }
    // In three steps, because 2^exponent itself may exceed float64.
    let third = exponent / 3;
    [third, third, exponent - 2 * third]
        .into_iter()
        .try_fold(tensor.shallow_clone(), |tensor, part| tensor.f_mul_scalar(f64::powi(2.0, part)))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    /// Returns `n` rows with mean exactly 0 and covariance exactly I.
    fn white(n: i64, d: i64, lane: u16) -> Tensor {
        let mut values = vec![0.0f32; (n * d) as usize];
        Stream::lane(11, Purpose::Reference, lane, 0).fill_normal(&mut values);
        let x = Tensor::from_slice(&values).reshape([n, d]).to_kind(Kind::Double);
        let x = &x - x.mean_dim(0, true, Kind::Double);
        let (q, _) = Tensor::linalg_qr(&x, "reduced");
        q * ((n - 1) as f64).sqrt()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        let fit = |x: &Tensor| Gaussian::fit(x).unwrap().unwrap();
        fit(a).frechet(&fit(b)).unwrap()
    }

    #[test]
    fn the_distance_between_isotropic_gaussians_is_known() {
        let (d, scale, shift) = (16, 1.7, 0.3);
        let (a, b) = (white(400, d, 0), white(300, d, 1) * scale + shift);
        let expected = d as f64 * (shift * shift + (1.0 - scale).powi(2));
        assert!((distance(&a, &b) - expected).abs() < 1e-10 * expected);
        assert!((distance(&b, &a) - expected).abs() < 1e-10 * expected);
        assert!(distance(&a, &a) < 1e-11);
    }

    #[test]
    fn it_scales_with_the_square_of_features_within_float64() {
        let (a, b) = (white(400, 4, 0), white(300, 4, 1) * 1.5 + 2.0);
        let plain = distance(&a, &b);
        for power in [-500, -450, 60, 333, 480] {
            let unit = f64::powi(2.0, power);
            let found = distance(&(&a * unit), &(&b * unit));
            assert!((found / unit / unit - plain).abs() < 1e-12 * plain, "{found} at 2^{power}");
        }
        assert_eq!(distance(&(&a * 1e300), &(&b * 1e300)), f64::INFINITY);
        assert_eq!(distance(&(&a * 1e-300), &(&b * 1e-300)), 0.0);
        assert_eq!(distance(&(&a * 0.0), &(&b * 0.0)), 0.0);
        // Their sum exceeds float64, but their difference is 0.
        assert_eq!(distance(&(&a * 0.0 + 1e308), &(&b * 0.0 + 1e308)), 0.0);
    }

    proptest! {
        #[test]
        fn with_one_feature_it_follows_from_means_and_deviations(
            a in vec(-3.0..3.0f64, 2..40),
            b in vec(-3.0..3.0f64, 2..40),
            far in prop_oneof![Just(0.0), -1e6..1e6f64],
            power in -480i32..480,
            rotated in any::<bool>(),
        ) {
            let of = |values: &[f64]| {
                let n = values.len() as f64;
                let mean = values.iter().sum::<f64>() / n;
                (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
            };
            let a: Vec<f64> = a.iter().copied().chain([far]).collect();
            let ((m, s), (l, t)) = (of(&a), of(&b));
            let expected = (m - l).powi(2) + (s - t).powi(2);
            // The same along a direction in three dimensions.
            let direction = if rotated { vec![0.6, 0.0, -0.8] } else { vec![1.0] };
            let tensor = |values: &[f64]| {
                let unit = 2f64.powi(power);
                let all: Vec<f64> = values.iter().flat_map(|x| direction.iter().map(move |d| x * d * unit)).collect();
                Tensor::from_slice(&all).reshape([values.len() as i64, direction.len() as i64])
            };
            let found = distance(&tensor(&a), &tensor(&b)) / 4f64.powi(power);
            let size = m * m + l * l + s * s + t * t;
            prop_assert!((found - expected).abs() <= 1e-11 * size, "{} for {}", found, expected);
        }
    }

    #[test]
    fn the_distance_between_lines_in_space_is_known() {
        // Along unit vectors u and v, with deviations s and t: s² + t² − 2 s t |u·v|.
        let line = |lane: u16, d: usize, deviation: f64| {
            let (n, mut values) = (500, vec![0.0f32; 500 + d]);
            Stream::lane(17, Purpose::Reference, lane, 0).fill_normal(&mut values);
            let direction = Tensor::from_slice(&values[n..]).to_kind(Kind::Double);
            let direction = &direction / direction.norm();
            let along = white(n as i64, 1, lane) * deviation;
            (along.matmul(&direction.unsqueeze(0)), direction)
        };
        for (lane, d) in [(1, 2), (3, 64), (5, 700)] {
            let ((a, u), (b, v)) = (line(lane, d, 1.0), line(lane + 1, d, 0.7));
            let expected = 1.0 + 0.49 - 1.4 * u.dot(&v).double_value(&[]).abs();
            assert!((distance(&a, &b) - expected).abs() < 1e-9 * expected, "{d}: {expected}");
            assert!(distance(&a, &a) < 1e-25 && distance(&a, &(&a + 1e-3 * &u)) > 0.99e-6);
        }
    }

    #[test]
    fn small_differences_are_found() {
        let a = white(600, 16, 0);
        for by in [1e-3, 1e-6, 1e-9] {
            // All deviations grow by this much.
            let expected = 16.0 * by * by;
            let found = distance(&a, &(&a * (1.0 + by)));
            assert!((found - expected).abs() < 1e-5 * expected, "{found} for {expected}");
        }
        // Far from the origin: numbers with at most four decimal digits, whose sums are exact.
        let steps = |x: &Tensor| (x * 1024.0).round() / 1024.0;
        let (near, other) = (steps(&a), steps(&(white(433, 16, 1) * 1.5)));
        let expected = distance(&near, &(&other + 0.5));
        let moved = distance(&(&near + 2f64.powi(40)), &(&other + (2f64.powi(40) + 0.5)));
        assert!((moved - expected).abs() < 1e-9 * expected, "{moved} for {expected}");
    }

    #[test]
    fn moments_are_as_good_as_features() {
        let (a, b) = (white(300, 5, 2) * 2.0 + 1.0, white(200, 5, 3));
        let covariance = (&a - 1.0).tr().matmul(&(&a - 1.0)) / 299.0;
        let given = Gaussian::from_moments(&[1.0; 5], &Rows::of(&covariance).unwrap()).unwrap();
        let found = given.frechet(&Gaussian::fit(&b).unwrap().unwrap()).unwrap();
        let expected = distance(&a, &b);
        assert!((found - expected).abs() < 1e-12 * expected, "{found} {expected}");
        let no = |values: &[f64], width| {
            Gaussian::from_moments(&[0.0, 0.0], &Rows::new(values.to_vec(), width)).unwrap_err()
        };
        assert!(matches!(no(&[1.0, 0.5, 0.0, 1.0], 2), MomentsError::Skew));
        assert!(matches!(no(&[1.0, 2.0, 2.0, 1.0], 2), MomentsError::Negative(least) if (least + 1.0).abs() < 1e-12));
        assert!(matches!(no(&[0.0; 9], 3), MomentsError::Sizes { mean: 2, rows: 3, width: 3 }));
    }

    #[test]
    fn constant_features_do_no_harm() {
        let a = white(400, 4, 0);
        let with_dead =
            |x: &Tensor| Tensor::cat(&[x.shallow_clone(), Tensor::ones([400, 2], (Kind::Double, tch::Device::Cpu))], 1);
        assert!((distance(&with_dead(&a), &with_dead(&(&a + 1.0))) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn there_is_no_fit_to_values_that_are_not_finite() {
        let a = white(10, 3, 0);
        assert!(Gaussian::fit(&(&a * f64::NAN)).unwrap().is_none());
        assert!(Gaussian::fit(&(&a * f64::INFINITY)).unwrap().is_none());
        assert!(Gaussian::fit(&a.narrow(0, 0, 1)).unwrap().is_none());
    }
}
