//! Element-wise functions, by themselves or at the end of another layer.

use tch::{Kind, Tensor};

use super::{Layer, Need, Pass, Saved, View};
use crate::kernel::dense;
use sweep_spec::arch::Activation;
use sweep_tensor::host::{values, values_mut};

/// y ← f(y + b), in place where memory allows it; `y` `[.., N, F]`, b `[.., F]` or none.
pub fn activate(mut y: Tensor, bias: Option<&Tensor>, activation: Option<Activation>, host: bool) -> Tensor {
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
    }
}

/// f(y), by operations that autograd follows as often as it is asked to.
pub fn traced(y: &Tensor, activation: Option<Activation>) -> Tensor {
    match activation {
        None => y.shallow_clone(),
        Some(Activation::Relu) => y.relu(),
        Some(Activation::LeakyRelu { slope }) => y.clamp_min(0.0) + y.clamp_max(0.0) * slope,
        Some(Activation::Elu) => y.elu(),
        Some(Activation::Tanh) => y.tanh(),
        Some(Activation::Sigmoid) => y.sigmoid(),
        Some(Activation::Softplus) => y.softplus(),
    }
}

/// The gradient before the activation from the gradient behind it and the output `y`, in place where memory allows it.
pub fn deactivate(mut dy: Tensor, y: &Tensor, activation: Option<Activation>, host: bool) -> Tensor {
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
    }
}

impl Layer for Activation {
    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let mut y = saved.room(0, &x.size(), x);
        y.copy_(x);
        let y = activate(y, None, Some(*self), view.host);
        saved.keep(0, y)
    }

    fn traced(&self, _host: bool, _weights: &[Tensor], x: &Tensor, _pass: &Pass) -> Tensor {
        traced(x, Some(*self))
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| deactivate(dy, saved.kept(0), Some(*self), view.host))
    }
}
