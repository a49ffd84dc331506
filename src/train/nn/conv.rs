//! Convolutions of maps, transposed or not.
//!
//! libtorch's kernels do both directions. One member's images and weights lie with their channels last, as they suit a CPU; those of K
//! members are the channel groups of one convolution.

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, Shape, View};
use crate::spec::arch::Geometry;
use crate::tensor::backward::Convolution;

/// A convolution, W `[out, in, k, k]`, or a transposed one, W `[in, out, k, k]`, b `[out]`, as in PyTorch.
#[derive(Debug)]
pub struct Conv {
    geometry: Geometry,
    transposed: bool,
}

impl Conv {
    /// A convolution.
    pub fn new(geometry: Geometry) -> Self {
        Conv { geometry, transposed: false }
    }

    /// A transposed convolution.
    pub fn transposed(geometry: Geometry) -> Self {
        Conv { geometry, transposed: true }
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

    fn forward(&self, view: &View, x: Tensor, _pass: &Pass) -> (Tensor, Saved) {
        let members = (x.dim() == 5).then(|| x.size()[1]);
        let bias = view.weights.get(1).map(|b| b.flatten(0, -1));
        let operation = self.operation(members.unwrap_or(1));
        let y = operation.forward(&channels(&x), &grouped(&view.weights[0]), bias.as_ref());
        (images(y, members), vec![x])
    }

    fn backward(&self, view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let x = saved.pop().expect("forward saved x");
        let members = (x.dim() == 5).then(|| x.size()[1]);
        let mask = [need.input, need.weights, need.weights && self.geometry.bias];
        if mask == [false; 3] {
            return None;
        }
        let operation = self.operation(members.unwrap_or(1));
        let [dx, dw, db] = operation.backward(&channels(&dy), &channels(&x), &grouped(&view.weights[0]), mask);
        for (grad, computed) in view.grads.iter().zip([dw, db]) {
            if let Some(computed) = computed {
                grad.shallow_clone().copy_(&computed.view_as(grad));
            }
        }
        dx.map(|dx| images(dx, members))
    }
}
