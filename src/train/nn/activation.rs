//! Element-wise functions, on their own or at the end of another layer.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, View};
use crate::kernel::dense;
use sweep_spec::arch::{Activation, SELU};
use sweep_tensor::host::{values, values_mut};

/// y ← f(y + b), in place if possible; `y` `[.., N, F]`, b `[.., F]` or none.
pub(super) fn activate(mut y: Tensor, bias: Option<&Tensor>, activation: Option<Activation>, host: bool) -> Tensor {
    if host {
        match y.kind() {
            Kind::Double => dense::activate::<f64>(values_mut(&mut y), bias.map(values), activation),
            _ => dense::activate::<f32>(values_mut(&mut y), bias.map(values), activation),
        }
        return y;
    }
    if let Some(bias) = bias {
        let _ = y.g_add_(&bias.unsqueeze(-2));
    }
    match activation {
        None => y,
        Some(Activation::Relu) => y.relu_(),
        Some(Activation::LeakyRelu { slope }) => y.clamp_min(0.0) + y.clamp_max(0.0) * slope,
        Some(Activation::Elu) => y.elu_(),
        Some(Activation::Tanh) => y.tanh_(),
        Some(Activation::Sigmoid) => y.sigmoid_(),
        Some(Activation::Softplus) => y.softplus(),
        Some(Activation::Selu) => y.selu_(),
        Some(Activation::Gelu) => y.gelu("none"),
        Some(Activation::Silu) => y.silu_(),
    }
}

/// f(y), with operations that autograd can differentiate repeatedly.
pub(super) fn traced(y: &Tensor, activation: Option<Activation>) -> Tensor {
    match activation {
        None => y.shallow_clone(),
        Some(Activation::Relu) => y.relu(),
        Some(Activation::LeakyRelu { slope }) => y.clamp_min(0.0) + y.clamp_max(0.0) * slope,
        Some(Activation::Elu) => y.elu(),
        Some(Activation::Tanh) => y.tanh(),
        Some(Activation::Sigmoid) => y.sigmoid(),
        Some(Activation::Softplus) => y.softplus(),
        Some(Activation::Selu) => y.selu(),
        Some(Activation::Gelu) => y.gelu("none"),
        Some(Activation::Silu) => y.silu(),
    }
}

/// Returns the gradient before the activation, given the gradient after it and the output `y` (or the input, if the
/// slope cannot be computed from the output). In place if possible.
pub(super) fn deactivate(mut dy: Tensor, y: &Tensor, activation: Option<Activation>, host: bool) -> Tensor {
    let Some(activation) = activation else { return dy };
    if host {
        match y.kind() {
            Kind::Double => dense::deactivate::<f64>(values_mut(&mut dy), values(y), activation),
            _ => dense::deactivate::<f32>(values_mut(&mut dy), values(y), activation),
        }
        return dy;
    }
    match activation {
        Activation::Relu => y.threshold_backward(&dy, 0.0),
        Activation::LeakyRelu { slope } => y.leaky_relu_backward(&dy, slope, true),
        // d (eˣ − 1) = eˣ.
        Activation::Elu => dy * (y.clamp_max(0.0) + 1.0),
        Activation::Tanh => Tensor::tanh_backward(&dy, y),
        Activation::Sigmoid => Tensor::sigmoid_backward(&dy, y),
        // d softplus = sigmoid(x) = 1 − e^(−y).
        Activation::Softplus => dy * -(-y).special_expm1(),
        Activation::Selu => Tensor::elu_backward(&dy, SELU[0], SELU[1], 1.0, true, y),
        Activation::Gelu => y.gelu_backward(&dy, "none"),
        Activation::Silu => y.silu_backward(&dy),
    }
}

/// The output, and the input or output from which the slope is computed.
const Y: usize = 0;
const OF_SLOPE: usize = 1;

impl Layer for Activation {
    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let mut y = saved.room(Y, &x.size(), x);
        y.copy_(x);
        let y = saved.keep(Y, activate(y, None, Some(*self), view.host));
        let _ = saved.keep(OF_SLOPE, if self.slope_follows_from_value() { &y } else { x }.shallow_clone());
        y
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        traced(x, Some(*self))
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| deactivate(dy, saved.kept(OF_SLOPE), Some(*self), view.host))
    }
}
