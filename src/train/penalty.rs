//! Gradient penalties: functions of ‖∇ₓ D(x)‖ that a discriminator's loss has beside what its logits say. Their own gradients are
//! second derivatives, so the discriminator's forward pass runs under autograd for them.

use tch::{Kind, Tensor};

use super::loss::Column;
use super::net::Net;
use super::nn::Pass;
use sweep_tensor::transfer::upload;

/// Under the root of a norm, whose derivative at 0 would not be finite.
const EPSILON: f64 = 1e-12;

/// weight · E f(‖∇ₓ D(x)‖).
#[derive(Clone, Copy)]
pub struct Penalty<'a> {
    /// The weight, of each member's own.
    pub weight: &'a Column,
    /// Where the slopes are looked at.
    pub at: Points,
    /// f: one number a sample, `[K, N]`.
    pub of: &'a dyn Fn(&Slopes) -> Tensor,
}

/// Samples x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// εx + (1 − ε)G(z), with one ε ~ U[0, 1) a sample: between a real sample and a generated one.
    Between,
    /// x + ½su with u ~ U[0, 1) for each number, s the standard deviation of all numbers of the batch: around the real samples.
    AroundReal,
    /// The real and the generated samples; the mean is over both.
    RealAndFake,
}

/// The squared lengths of the gradients ∇ₓ D(x) of a batch, `[K, N]`, in a form that autograd follows.
pub struct Slopes(Tensor);

impl Slopes {
    /// ‖∇ₓ D(x)‖.
    pub fn norm(&self) -> Tensor {
        (&self.0 + EPSILON).sqrt()
    }

    /// ‖∇ₓ D(x)‖ᵖ, p above 2 of each member's own.
    pub fn power(&self, p: &Column) -> Tensor {
        let halves: Vec<f64> = p.0.iter().map(|p| p / 2.0).collect();
        self.0.pow(&upload(&halves, &[halves.len() as i64, 1], (self.0.kind(), self.0.device())))
    }
}

/// Adds the gradient of `penalty` at the samples `x`, `[N, F]` or `[K, N, F]`, to those that the last backward pass of `net` wrote. Returns
/// the penalty, `[K]`.
pub fn add(net: &mut Net, x: &Tensor, pass: &Pass, penalty: &Penalty) -> Tensor {
    let members = net.members();
    let weight = upload(&penalty.weight.0, &[members], (x.kind(), x.device()));
    let (value, gradient) = tch::with_grad(|| {
        let leaf = net.leaf();
        let x = x.detach().set_requires_grad(true);
        let logits = net.traced(&leaf, &x, pass);
        let slopes = Tensor::run_backward(&[logits.sum(logits.kind())], &[&x], true, true);
        let squares = slopes[0].square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
        let each = (penalty.of)(&Slopes(squares.view([members, -1])));
        let value = each.mean_dim([-1].as_slice(), false, None::<Kind>) * weight;
        let gradient = Tensor::run_backward(&[value.sum(value.kind())], &[leaf], false, false).remove(0);
        (value.detach(), gradient)
    });
    let _ = net.grads.g_add_(&gradient);
    value
}
