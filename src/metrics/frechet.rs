//! `frechet`: the Fréchet distance of Gaussian fits to features (Heusel et al. 2017, "GANs trained by a two time-scale update rule
//! converge to a local Nash equilibrium", eq. 6).
//!
//! ‖m₁ − m₂‖² + Tr(C₁ + C₂ − 2 (C₁ C₂)^½), with Tr (C₁ C₂)^½ = Tr (C₁^½ C₂ C₁^½)^½: symmetric matrices only, so that nothing complex
//! comes up. Covariances have ddof 1.

use tch::{Kind, TchError, Tensor};

use sweep_tensor::file::Named;
use sweep_tensor::linalg;

/// Rows that are taken to float64 at once.
const BLOCK: i64 = 4096;

/// A Gaussian fit to features.
#[derive(Debug)]
pub struct Gaussian {
    /// `[features]`.
    mean: Tensor,
    /// `[features, features]`.
    covariance: Tensor,
}

impl Gaussian {
    /// Fits `features` `[n, features]` in float64. `None` where one is not finite or n is below 2.
    pub fn fit(features: &Tensor) -> Result<Option<Self>, TchError> {
        let n = features.size()[0];
        if n < 2 || features.f_isfinite()?.f_all()?.int64_value(&[]) == 0 {
            return Ok(None);
        }
        let mean = features.f_mean_dim(0, false, Kind::Double)?;
        let mut covariance = Tensor::f_zeros([mean.size()[0]; 2], (Kind::Double, features.device()))?;
        // A block at a time: all of them in float64 may be twice what there is memory for.
        for block in features.f_split(BLOCK, 0)? {
            let centred = block.f_to_kind(Kind::Double)? - &mean;
            covariance += centred.f_transpose(0, 1)?.f_matmul(&centred)?;
        }
        let covariance = covariance / (n - 1) as f64;
        // Huge features may overflow.
        let finite = covariance.f_isfinite()?.f_all()?.int64_value(&[]) != 0;
        Ok(finite.then_some(Gaussian { mean, covariance }))
    }
}

/// The names of a fit's parts.
fn names(n: i64) -> [String; 3] {
    ["mean", "covariance", "root"].map(|part| format!("{part}_{n}"))
}

/// A Gaussian that many others are compared with: the root of its covariance is taken once.
#[derive(Debug)]
pub struct Anchor {
    gaussian: Gaussian,
    root: Tensor,
}

impl Anchor {
    /// What it consists of, by a name with the number `n` of samples that were fitted.
    pub fn parts(&self, n: i64) -> [(String, &Tensor); 3] {
        let [mean, covariance, root] = names(n);
        [(mean, &self.gaussian.mean), (covariance, &self.gaussian.covariance), (root, &self.root)]
    }

    /// From such parts, where they are all there.
    pub fn from_parts(parts: &Named, n: i64) -> Option<Self> {
        let [mean, covariance, root] = names(n).map(|name| parts.get(&name).map(Tensor::shallow_clone));
        Some(Anchor { gaussian: Gaussian { mean: mean?, covariance: covariance? }, root: root? })
    }

    /// Of the fit to real features.
    pub fn new(gaussian: Gaussian) -> Result<Self, TchError> {
        let root = linalg::sqrt(&gaussian.covariance)?;
        Ok(Anchor { gaussian, root })
    }

    /// The Fréchet distance to `other`, in squared feature units.
    pub fn frechet(&self, other: &Gaussian) -> Result<f64, TchError> {
        let apart = (&self.gaussian.mean - &other.mean).f_square()?.f_sum(Kind::Double)?;
        let traces = self.gaussian.covariance.f_trace()? + other.covariance.f_trace()?;
        let product = self.root.f_matmul(&other.covariance)?.f_matmul(&self.root)?;
        let symmetric = (&product + product.f_transpose(0, 1)?) * 0.5;
        // Huge features may overflow only here.
        if symmetric.f_isfinite()?.f_all()?.int64_value(&[]) == 0 {
            return Ok(f64::NAN);
        }
        let cross = linalg::eigenvalues(&symmetric)?.f_clamp_min(0.0)?.f_sqrt()?.f_sum(Kind::Double)?;
        let distance = (apart + traces - cross * 2.0).double_value(&[]);
        // Rounding must not take it below 0; `max` would make 0 of NaN.
        Ok(if distance < 0.0 { 0.0 } else { distance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    /// `n` rows of mean exactly 0 and covariance exactly I.
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
        Anchor::new(fit(a)).unwrap().frechet(&fit(b)).unwrap()
    }

    #[test]
    fn between_isotropic_gaussians_it_is_known() {
        let (d, scale, shift) = (16, 1.7, 0.3);
        let (a, b) = (white(400, d, 0), white(300, d, 1) * scale + shift);
        let expected = d as f64 * (shift * shift + (1.0 - scale).powi(2));
        assert!((distance(&a, &b) - expected).abs() < 1e-10 * expected);
        assert!((distance(&b, &a) - expected).abs() < 1e-10 * expected);
        assert!(distance(&a, &a) < 1e-11);
    }

    #[test]
    fn what_overflows_is_nan() {
        let a = white(400, 4, 0) * 1e100;
        assert!(distance(&a, &(&a * 2.0)).is_nan());
        let b = white(400, 4, 0) * 1e60;
        assert!(distance(&b, &(&b * 2.0)).is_finite());
    }

    #[test]
    fn constant_features_do_no_harm() {
        let a = white(400, 4, 0);
        let with_dead =
            |x: &Tensor| Tensor::cat(&[x.shallow_clone(), Tensor::ones([400, 2], (Kind::Double, tch::Device::Cpu))], 1);
        assert!((distance(&with_dead(&a), &with_dead(&(&a + 1.0))) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_not_finite_has_no_fit() {
        let a = white(10, 3, 0);
        assert!(Gaussian::fit(&(&a * f64::NAN)).unwrap().is_none());
        assert!(Gaussian::fit(&(&a * f64::INFINITY)).unwrap().is_none());
        assert!(Gaussian::fit(&(&a * 1e200)).unwrap().is_none());
        assert!(Gaussian::fit(&a.narrow(0, 0, 1)).unwrap().is_none());
    }
}
