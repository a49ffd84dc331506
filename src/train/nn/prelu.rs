//! A leaky ReLU with a learnt slope (He et al. 2015), one for all features.

use tch::{Kind, Tensor};

use super::batch_norm::beside;
use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use crate::kernel::prelu;
use sweep_tensor::host::{Number, values, values_mut};

/// x if x > 0, otherwise slope·x; the slope `[1]` is called weight, as in PyTorch.
#[derive(Debug)]
pub(super) struct Prelu;

/// The initial slope, as in PyTorch.
const SLOPE: f64 = 0.25;

/// The input and the output.
const X: usize = 0;
const Y: usize = 1;

fn host_forward<T: Number>(slope: &Tensor, x: &Tensor, mut y: Tensor) -> Tensor {
    prelu::forward::<T>(values(x), values(slope)[0], values_mut(&mut y));
    y
}

fn host_backward<T: Number>(view: &View, mut dy: Tensor, need: Need, x: &Tensor) -> Tensor {
    let mut grad = view.grads[0].shallow_clone();
    let sum = prelu::backward::<T>(values_mut(&mut dy), values(x), values(&view.weights[0])[0]);
    if need.weights {
        values_mut(&mut grad)[0] = sum;
    }
    dy
}

/// All dimensions except that of the members.
fn of_members(x: &Tensor) -> &'static [i64] {
    if x.dim() == 5 { &[0, 2, 3, 4] } else { &[1, 2] }
}

impl Layer for Prelu {
    fn shapes(&self) -> Vec<Variable> {
        vec![Variable::filled("weight", vec![1], SLOPE)]
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let slope = &view.weights[0];
        let _ = saved.keep(X, x.shallow_clone());
        match (view.host, x.kind()) {
            (true, Kind::Double) => host_forward::<f64>(slope, x, saved.room(Y, &x.size(), x)),
            (true, _) => host_forward::<f32>(slope, x, saved.room(Y, &x.size(), x)),
            (false, _) => x.clamp_min(0.0) + x.clamp_max(0.0) * beside(slope, x),
        }
    }

    fn traced(&self, given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        x.clamp_min(0.0) + x.clamp_max(0.0) * beside(&given.weights[0], x)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let x = saved.kept(X);
        let dx = match (view.host, dy.kind()) {
            (true, Kind::Double) => host_backward::<f64>(view, dy, need, x),
            (true, _) => host_backward::<f32>(view, dy, need, x),
            (false, _) => {
                if need.weights {
                    let sum = (&dy * x.clamp_max(0.0)).sum_dim_intlist(of_members(x), false, None::<Kind>);
                    view.grads[0].shallow_clone().copy_(&sum.unsqueeze(-1));
                }
                dy.where_self(&x.gt(0.0), &(&dy * beside(&view.weights[0], x)))
            }
        };
        need.input.then_some(dx)
    }
}
