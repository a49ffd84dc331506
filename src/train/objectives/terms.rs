//! Terms of losses, in forms that neither overflow nor lose the gradient in float32. σ = sigmoid, d = logits.

use tch::Tensor;

/// The mean over the samples of each member: `[K, N]` -> `[K]`.
pub fn mean(x: &Tensor) -> Tensor {
    x.mean_dim([1].as_slice(), false, None::<tch::Kind>)
}

/// log(1 + eˣ) = −log(1 − σ(x)), and softplus(−x) = −log σ(x).
pub fn softplus(x: &Tensor) -> Tensor {
    x.softplus()
}

/// log log(1 + eˣ): the logarithm of a softplus head. In float32 softplus(x) is 0 below −104, so for very negative x its series
/// x − eˣ/2 stands in; at the seam, −15, both agree to 1e-13.
pub fn log_softplus(x: &Tensor) -> Tensor {
    const SEAM: f64 = -15.0;
    // Each branch sees only arguments that are harmless to it: a NaN in the gradient of the branch not taken would spread.
    let near = x.clamp_min(SEAM).softplus().log();
    let low = x.clamp_max(SEAM);
    let far = &low - low.exp() * 0.5;
    near.where_self(&x.ge(SEAM), &far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::host::to_f64;
    use tch::Kind;

    #[test]
    fn log_softplus_is_exact_and_has_its_gradient_everywhere() {
        let x: Vec<f64> = (-300..=120).map(|i| f64::from(i) * 0.5).collect();
        for (kind, tolerance) in [(Kind::Double, 1e-9), (Kind::Float, 2e-6)] {
            let leaf = Tensor::from_slice(&x).to_kind(kind).set_requires_grad(true);
            let y = log_softplus(&leaf);
            let grad = Tensor::run_backward(&[y.sum(kind)], &[&leaf], false, false).remove(0);
            for ((&x, y), grad) in x.iter().zip(to_f64(&y)).zip(to_f64(&grad)) {
                let softplus = if x > 30.0 { x } else { x.exp().ln_1p() };
                let exact = if x < -30.0 { x } else { softplus.ln() };
                let slope = if x < -30.0 { 1.0 } else { 1.0 / (1.0 + (-x).exp()) / softplus };
                assert!((y - exact).abs() <= tolerance * exact.abs().max(1.0), "{kind:?} {x}: {y} against {exact}");
                assert!(
                    (grad - slope).abs() <= tolerance * slope.max(1.0),
                    "{kind:?} {x}: slope {grad} against {slope}"
                );
            }
        }
    }
}
