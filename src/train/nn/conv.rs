//! Convolutions of maps, transposed or not.
//!
//! libtorch's kernels do both directions. One member's images and weights lie with their channels last, as they suit a CPU; those of K
//! members are the channel groups of one convolution.

use tch::Tensor;

use super::activation::{activate, deactivate};
use super::linear::column_sums;
use super::{Layer, Need, Pass, Saved, Shape, View};
use crate::spec::arch::{Activation, Geometry};
use crate::tensor::backward::Convolution;

/// A convolution, W `[out, in, k, k]`, or a transposed one, W `[in, out, k, k]`, b `[out]`, as in PyTorch, with the activation behind it.
#[derive(Debug)]
pub struct Conv {
    geometry: Geometry,
    transposed: bool,
    activation: Option<Activation>,
}

/// The input and the output.
const X: usize = 0;
const Y: usize = 1;

impl Conv {
    /// A convolution, transposed or not.
    pub fn new(geometry: Geometry, transposed: bool, activation: Option<Activation>) -> Self {
        Conv { geometry, transposed, activation }
    }

    /// The operation on the channels of so many members.
    fn operation(&self, groups: i64) -> Convolution {
        let Geometry { stride, padding, .. } = self.geometry;
        let output_padding = if self.transposed { self.geometry.output_padding() } else { 0 };
        Convolution {
            stride: stride.into(),
            padding: padding.into(),
            transposed: self.transposed,
            output_padding: output_padding.into(),
            groups,
        }
    }
}

/// K of `[N, K, C, H, W]`.
fn members(x: &Tensor) -> Option<i64> {
    (x.dim() == 5).then(|| x.size()[1])
}

/// Images `[N, H, W, C]` or `[N, K, C, H, W]` as libtorch wants them, `[N, K·C, H, W]`.
fn channels(x: &Tensor) -> Tensor {
    match x.dim() {
        4 => x.permute([0, 3, 1, 2]),
        _ => x.flatten(1, 2),
    }
}

/// The way back, for images of K members where `members` is K.
fn images(x: Tensor, members: Option<i64>) -> Tensor {
    match members {
        None => x.permute([0, 2, 3, 1]).contiguous(),
        Some(members) => x.unflatten(1, [members, -1]).contiguous(),
    }
}

/// Weights `[a, b, k, k]`, or `[K, a, b, k, k]` as the groups of one convolution, `[K·a, b, k, k]`.
fn grouped(w: &Tensor) -> Tensor {
    match w.dim() {
        4 => w.shallow_clone(),
        _ => w.flatten(0, 1).contiguous(),
    }
}

impl Layer for Conv {
    fn shapes(&self) -> Vec<Shape> {
        let Geometry { inputs, outputs, kernel, bias, .. } = self.geometry;
        let [inputs, outputs, kernel] = [inputs, outputs, kernel].map(i64::from);
        let [first, second] = if self.transposed { [inputs, outputs] } else { [outputs, inputs] };
        let weight = ("weight", vec![first, second, kernel, kernel]);
        if bias { vec![weight, ("bias", vec![outputs])] } else { vec![weight] }
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let members = members(x);
        let bias = view.weights.get(1);
        // On the CPU the bias is added in the pass of the activation.
        let flat = bias.filter(|_| !view.host).map(|b| b.flatten(0, -1));
        let operation = self.operation(members.unwrap_or(1));
        let y = images(operation.forward(&channels(x), &grouped(&view.weights[0]), flat.as_ref()), members);
        let _ = saved.keep(X, x.shallow_clone());
        saved.keep(Y, activate(y, bias.filter(|_| view.host), self.activation, view.host))
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let dy = deactivate(dy, saved.kept(Y), self.activation, view.host);
        let x = saved.kept(X);
        let members = members(x);
        let mask = [need.input, need.weights, need.weights && self.geometry.bias && !view.host];
        if need.weights && self.geometry.bias && view.host {
            column_sums(&dy, &view.grads[1]);
        }
        if mask == [false; 3] {
            return None;
        }
        let operation = self.operation(members.unwrap_or(1));
        let [dx, dw, db] = operation.backward(&channels(&dy), &channels(x), &grouped(&view.weights[0]), mask);
        for (grad, computed) in view.grads.iter().zip([dw, db]) {
            if let Some(computed) = computed {
                grad.shallow_clone().copy_(&computed.view_as(grad));
            }
        }
        dx.map(|dx| images(dx, members))
    }
}
