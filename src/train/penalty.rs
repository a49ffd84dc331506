//! Gradient penalties: functions of ‖∇ₓ D(x)‖ that a discriminator's loss has beside what its logits say. Their own gradients are
//! second derivatives, so the discriminator's forward pass runs under autograd for them.

use tch::{Kind, Tensor};

use super::loss::Column;
use super::net::Net;
use super::nn::Pass;

/// Under the root of a norm, whose derivative at 0 would not be finite.
const EPSILON: f64 = 1e-12;

/// The lengths of the gradients ∇ₓ D(x) of a batch, `[K, N]`, in a form that autograd follows.
pub struct Slopes(Tensor);

impl Slopes {
    /// ‖∇ₓ D(x)‖.
    pub fn norm(&self) -> Tensor {
        (&self.0 + EPSILON).sqrt()
    }

    /// ‖∇ₓ D(x)‖².
    pub fn squared(&self) -> Tensor {
        self.0.shallow_clone()
    }
}

/// Adds the gradient of `weight · E f(‖∇ₓ D(x)‖)` over the samples `x`, `[N, F]` or `[K, N, F]`, to those that the last backward pass of
/// `net` wrote. `f` gives one number a sample, `[K, N]`. Returns the penalty, `[K]`.
pub fn add(net: &mut Net, x: &Tensor, pass: &Pass, weight: &Column, f: impl Fn(&Slopes) -> Tensor) -> Tensor {
    let members = net.members();
    let (penalty, gradients) = tch::with_grad(|| {
        let leaves = net.leaves();
        let x = x.detach().set_requires_grad(true);
        let logits = net.traced(&leaves, &x, pass);
        let slopes = Tensor::run_backward(&[logits.sum(logits.kind())], &[&x], true, true);
        let squares = slopes[0].square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
        let weight = Tensor::from_slice(&weight.0).to_kind(x.kind()).to_device(x.device());
        let each = f(&Slopes(squares.view([members, -1])));
        let penalty = each.mean_dim([-1].as_slice(), false, None::<Kind>) * weight;
        let weights: Vec<&Tensor> = leaves.iter().flatten().collect();
        let gradients = Tensor::run_backward(&[penalty.sum(penalty.kind())], &weights, false, false);
        (penalty.detach(), gradients)
    });
    net.add_gradients(&gradients);
    penalty
}
