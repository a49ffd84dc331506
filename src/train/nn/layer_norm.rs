//! Layer normalisation (Ba et al. 2016) over the values of each sample; for maps, over all their pixels and channels.
//!
//! For one member on the CPU it is one loop over memory: features and channels are last. K members' vectors `[K, N, F]`
//! and maps `[N, K, C, H, W]` use libtorch.

use tch::{Kind, Tensor};

use super::activation::{activate, deactivate, traced};
use super::batch_norm::beside;
use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use crate::kernel::layer_norm;
use sweep_spec::arch::Activation;
use sweep_tensor::host::{Number, values, values_mut};

/// Added to the variance, as in PyTorch.
const EPSILON: f64 = 1e-5;

/// Normalises each sample, then scales and shifts each feature or map, then applies the activation. Like PyTorch's
/// `LayerNorm`, or `GroupNorm` with one group.
#[derive(Debug)]
pub(super) struct LayerNorm {
    features: i64,
    activation: Option<Activation>,
}

/// The normalised values, the output, 1/σ of each sample, and work space.
const NORMAL: usize = 0;
const Y: usize = 1;
const INVERSE: usize = 2;
const DOT: usize = 3;

impl LayerNorm {
    /// For `features` features or maps.
    pub(super) fn new(features: u32, activation: Option<Activation>) -> Self {
        LayerNorm { features: features.into(), activation }
    }
}

fn host_forward<T: Number>(view: &View, x: &Tensor, saved: &mut Saved) -> Tensor {
    let mut normal = saved.room(NORMAL, &x.size(), x);
    let mut y = saved.room(Y, &x.size(), x);
    let mut inverse = saved.room(INVERSE, &x.size()[..1], x);
    let affine = (values::<T>(&view.weights[0]), values(&view.weights[1]));
    let outputs = (values_mut(&mut normal), values_mut(&mut y));
    layer_norm::forward(values(x), affine, EPSILON, outputs, values_mut(&mut inverse));
    y
}

fn host_backward<T: Number>(view: &View, mut dy: Tensor, need: Need, saved: &mut Saved) -> Tensor {
    let mut dot = saved.room(DOT, &dy.size(), &dy);
    let (mut dscale, mut dshift) = (view.grads[0].shallow_clone(), view.grads[1].shallow_clone());
    let grads = need.weights.then(|| (values_mut(&mut dscale), values_mut(&mut dshift)));
    let kept = (values::<T>(saved.kept(NORMAL)), values(saved.kept(INVERSE)), values(&view.weights[0]));
    layer_norm::backward(values_mut(&mut dy), kept, grads, values_mut(&mut dot));
    dy
}

/// The dimensions of one sample's values.
fn along(x: &Tensor) -> &'static [i64] {
    match x.dim() {
        5 => &[2, 3, 4],
        4 => &[1, 2, 3],
        _ => &[-1],
    }
}

/// The normalised values and 1/σ of each sample.
fn normalised(x: &Tensor) -> (Tensor, Tensor) {
    let x = x - x.mean_dim(along(x), true, None::<Kind>);
    let variance = x.square().mean_dim(along(&x), true, None::<Kind>);
    let inverse = (variance + EPSILON).rsqrt();
    (x * &inverse, inverse)
}

fn backward_all(view: &View, dy: &Tensor, need: Need, saved: &Saved) -> Tensor {
    let (normal, inverse) = (saved.kept(NORMAL), saved.kept(INVERSE));
    if need.weights {
        let others: &[i64] = if dy.dim() == 5 { &[0, 3, 4] } else { &[-2] };
        let _ = (dy * normal).sum_intlist_out(&view.grads[0], others, false, None::<Kind>);
        let _ = dy.sum_intlist_out(&view.grads[1], others, false, None::<Kind>);
    }
    let dy = dy * beside(&view.weights[0], dy);
    let mean = |tensor: &Tensor| tensor.mean_dim(along(tensor), true, None::<Kind>);
    // The gradient of the normalised value with respect to x: two projections are subtracted.
    (&dy - mean(&dy) - normal * mean(&(&dy * normal))) * inverse
}

impl Layer for LayerNorm {
    fn shapes(&self) -> Vec<Variable> {
        vec![Variable::filled("weight", vec![self.features], 1.0), Variable::filled("bias", vec![self.features], 0.0)]
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let y = match (view.host, x.kind()) {
            (true, Kind::Double) => host_forward::<f64>(view, x, saved),
            (true, _) => host_forward::<f32>(view, x, saved),
            (false, _) => {
                let (normal, inverse) = normalised(x);
                let _ = saved.keep(INVERSE, inverse);
                saved.keep(NORMAL, normal) * beside(&view.weights[0], x) + beside(&view.weights[1], x)
            }
        };
        let y = activate(y, None, self.activation, view.host);
        saved.keep(Y, y)
    }

    fn traced(&self, given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        traced(&(normalised(x).0 * beside(&given.weights[0], x) + beside(&given.weights[1], x)), self.activation)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let dy = deactivate(dy, saved.kept(Y), self.activation, view.host);
        let dx = match (view.host, dy.kind()) {
            (true, Kind::Double) => host_backward::<f64>(view, dy, need, saved),
            (true, _) => host_backward::<f32>(view, dy, need, saved),
            (false, _) => backward_all(view, &dy, need, saved),
        };
        need.input.then_some(dx)
    }
}
