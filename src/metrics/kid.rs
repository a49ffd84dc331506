//! `kid`: the kernel Inception distance (Bińkowski et al. 2018, "Demystifying MMD GANs"): the unbiased MMD² with the kernel
//! (x·y/d + 1)³, mean and population standard deviation over random subsets.

use tch::{Kind, TchError, Tensor};

use sweep_numerics::random::{Permutation, Purpose, Stream};

/// Subsets, unless one holds everything.
const SUBSETS: u64 = 100;
/// Samples of each side in a subset, where there are as many.
const SUBSET: usize = 1000;
/// The first lane of [`Purpose::Reference`] that subsets are drawn from.
const LANE: u16 = 2;

/// The size of subsets of `generated` and `real` samples.
pub fn subset(generated: usize, real: usize) -> usize {
    SUBSET.min(generated).min(real)
}

/// How many subsets are drawn: all of both sides is one, whatever the order.
pub fn subsets(generated: usize, real: usize) -> u64 {
    if generated == real && generated <= SUBSET { 1 } else { SUBSETS }
}

/// Mean and standard deviation over [`subsets`] subsets of `generated` and `real` features `[n, features]`, drawn without replacement
/// and fixed by `seed`. NaN where a feature is not finite or one side has fewer than 2 samples.
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
    let one = |index| mmd(&part(generated, sizes[0], LANE, index)?, &part(real, sizes[1], LANE + 1, index)?);
    let values = (0..subsets(sizes[0], sizes[1])).map(one).collect::<Result<Vec<f64>, TchError>>()?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    Ok((mean, variance.sqrt()))
}

/// The unbiased MMD² between `a` and `b` `[n, features]`, at least 2 samples each, in float64. May be below 0.
pub fn mmd(a: &Tensor, b: &Tensor) -> Result<f64, TchError> {
    let (a, b) = (a.f_to_kind(Kind::Double)?, b.f_to_kind(Kind::Double)?);
    let width = a.size()[1] as f64;
    let kernel = |x: &Tensor, y: &Tensor| {
        let k = x.f_matmul(&y.f_transpose(0, 1)?)? / width + 1.0;
        // A power takes ten times as long.
        k.f_square()?.f_mul(&k)
    };
    let apart = |x: &Tensor| {
        let (n, k) = (x.size()[0] as f64, kernel(x, x)?);
        let sum = k.f_sum(Kind::Double)? - k.f_trace()?;
        Ok::<_, TchError>(sum.double_value(&[]) / (n * (n - 1.0)))
    };
    Ok(apart(&a)? + apart(&b)? - 2.0 * kernel(&a, &b)?.f_mean(Kind::Double)?.double_value(&[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(n: i64, lane: u16) -> Tensor {
        let mut values = vec![0.0f32; 4 * n as usize];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Tensor::from_slice(&values).reshape([n, 4])
    }

    #[test]
    fn two_points_a_side_have_a_closed_form() {
        // k(x, y) = (x y + 1)³ in one dimension: k(1, 2) = 27, k(0, 3) = 1, and between them 1, 64, 1, 343.
        let (a, b) = (Tensor::from_slice(&[1.0, 2.0]).reshape([2, 1]), Tensor::from_slice(&[0.0, 3.0]).reshape([2, 1]));
        assert_eq!(mmd(&a, &b).unwrap(), 27.0 + 1.0 - 2.0 * (1.0 + 64.0 + 1.0 + 343.0) / 4.0);
        assert_eq!(kid(&a, &b, 0).unwrap(), (28.0 - 204.5, 0.0));
    }

    #[test]
    fn it_is_about_0_between_samples_of_one_distribution_and_far_from_it_otherwise() {
        let (a, b) = (features(3000, 10), features(2500, 11));
        let (mean, std) = kid(&a, &b, 0).unwrap();
        // Subsets of few thousands overlap, so that their mean is not much less uncertain than one.
        assert!(mean.abs() < 3.0 * std && std > 0.0, "{mean} ± {std}");
        let (mean, std) = kid(&(&a + 1.0), &b, 0).unwrap();
        assert!(mean > 10.0 * std, "{mean} ± {std}");
        assert_ne!(kid(&a, &b, 1).unwrap().0, kid(&a, &b, 0).unwrap().0);
    }

    #[test]
    fn what_has_no_value_is_nan() {
        let a = features(10, 0);
        assert!(kid(&(&a * f64::NAN), &a, 0).unwrap().0.is_nan());
        assert!(kid(&a.narrow(0, 0, 1), &a, 0).unwrap().0.is_nan());
    }
}
