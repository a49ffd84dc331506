//! Element-wise functions.

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, View};
use crate::spec::arch::Activation;
use crate::tensor::kernel;

impl Layer for Activation {
    fn forward(&self, _view: &View, mut x: Tensor, _pass: &Pass) -> (Tensor, Saved) {
        // In place: the layer before keeps its input and not its output. Every derivative below can be had from the output.
        let y = match *self {
            Activation::Relu => x.relu_(),
            Activation::LeakyRelu { slope } => kernel::leaky_relu(x, slope),
            Activation::Tanh => x.tanh_(),
            Activation::Sigmoid => x.sigmoid_(),
            Activation::Softplus => x.softplus(),
        };
        let saved = vec![y.shallow_clone()];
        (y, saved)
    }

    fn backward(&self, _view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let y = saved.pop().expect("forward saved y");
        need.input.then(|| match *self {
            Activation::Relu => y.threshold_backward(&dy, 0.0),
            Activation::LeakyRelu { slope } => y.leaky_relu_backward(&dy, slope, true),
            Activation::Tanh => Tensor::tanh_backward(&dy, &y),
            Activation::Sigmoid => Tensor::sigmoid_backward(&dy, &y),
            // d softplus = sigmoid(x) = 1 − e^(−y).
            Activation::Softplus => dy * -(-y).special_expm1(),
        })
    }
}
