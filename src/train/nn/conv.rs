//! Convolutions of maps, transposed or not.
//!
//! One member's are products of matrices, since its maps and kernels lie as those want them, and its gradients come where they
//! belong: that is as fast as libtorch's convolutions, and faster by half where kernels are large. Those of K members are the channel
//! groups of one convolution of libtorch's.

use tch::{Kind, Tensor};

use super::{Layer, Need, Pass, Saved, Shape, View};
use crate::spec::arch::Geometry;
use crate::tensor::backward::Convolution;
use crate::tensor::patches::Patches;

/// Channels from which, and values of the kernels up to which libtorch's convolution is a quarter faster than the product.
const DIRECT: (i64, usize) = (32, 1 << 20);

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

    /// The places of the kernel on the larger image: a convolution's input, or a transposed one's output.
    fn patches(&self) -> Patches {
        let Geometry { inputs, outputs, kernel, stride, padding, side, output, .. } = self.geometry;
        let (channels, side, places) = if self.transposed { (outputs, output, side) } else { (inputs, side, output) };
        let [side, channels, kernel] = [side, channels, kernel].map(|size| size as usize);
        let [stride, padding, places] = [stride, padding, places].map(|size| size as usize);
        Patches { side, channels, kernel, stride, padding, places }
    }

    /// The smaller images from the larger ones: the product of their rows with the kernels `w`, `[a, b, k, k]`, on top of `b`.
    fn gather(&self, large: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        let direct = w.size()[0].min(w.size()[1]) >= DIRECT.0 && w.numel() <= DIRECT.1 && w.kind() == Kind::Float;
        if direct {
            let convolution = Convolution { transposed: false, output_padding: 0, ..self.operation(1) };
            return convolution.forward(&large.permute([0, 3, 1, 2]), w, b).permute([0, 2, 3, 1]).contiguous();
        }
        let places = self.patches().places as i64;
        let small = Tensor::empty([large.size()[0], places, places, w.size()[0]], (large.kind(), large.device()));
        let (flat, w) = (pixels(&small), matrix(w));
        self.patches().gather(large, &w, |first, rows| {
            let piece = flat.narrow(0, first, rows.size()[0]);
            let _ = match b {
                Some(b) => b.addmm_out(&piece, rows, &w.tr()),
                None => rows.mm_out(&piece, &w.tr()),
            };
        });
        small
    }

    /// The larger images from the smaller ones: what each of these adds to the pixels under its kernel, on top of `b`.
    fn scatter(&self, small: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        let Patches { side, channels, .. } = self.patches();
        let shape = [small.size()[0], side as i64, side as i64, channels as i64];
        let mut large = Tensor::empty(shape, (small.kind(), small.device()));
        match b {
            Some(b) => large.copy_(b),
            None => large = large.zero_(),
        }
        let (flat, w) = (pixels(small), matrix(w));
        self.patches().scatter(&mut large, &w, |first, rows| {
            let _ = flat.narrow(0, first, rows.size()[0]).mm_out(rows, &w);
        });
        large
    }

    /// The gradient of the kernels into `dw`: what the smaller images (or their gradient) and the larger ones have together.
    fn kernels(&self, small: &Tensor, large: &Tensor, dw: &Tensor) {
        let (flat, mut dw) = (pixels(small), matrix(dw));
        self.patches().gather(large, &dw.shallow_clone(), |first, rows| {
            let piece = flat.narrow(0, first, rows.size()[0]);
            let _ = match first {
                0 => piece.tr().mm_out(&dw, rows),
                _ => dw.addmm_(&piece.tr(), rows),
            };
        });
    }

    fn forward_one(&self, view: &View, x: &Tensor) -> Tensor {
        let (w, b) = (&view.weights[0], view.weights.get(1));
        if self.transposed { self.scatter(x, w, b) } else { self.gather(x, w, b) }
    }

    fn backward_one(&self, view: &View, x: &Tensor, dy: &Tensor, need: Need) -> Option<Tensor> {
        let w = &view.weights[0];
        if need.weights {
            let (small, large) = if self.transposed { (x, dy) } else { (dy, x) };
            self.kernels(small, large, &view.grads[0]);
            if let Some(db) = view.grads.get(1) {
                let _ = pixels(dy).sum_intlist_out(db, [0].as_slice(), false, None::<Kind>);
            }
        }
        need.input.then(|| if self.transposed { self.gather(dy, w, None) } else { self.scatter(dy, w, None) })
    }

    fn forward_all(&self, view: &View, x: &Tensor) -> Tensor {
        let members = x.size()[1];
        let bias = view.weights.get(1).map(|b| b.flatten(0, -1));
        let y = self.operation(members).forward(&x.flatten(1, 2), &grouped(&view.weights[0]), bias.as_ref());
        y.unflatten(1, [members, -1])
    }

    fn backward_all(&self, view: &View, x: &Tensor, dy: &Tensor, need: Need) -> Option<Tensor> {
        let members = x.size()[1];
        let mask = [need.input, need.weights, need.weights && self.geometry.bias];
        let w = grouped(&view.weights[0]);
        let [dx, dw, db] = self.operation(members).backward(&dy.flatten(1, 2), &x.flatten(1, 2), &w, mask);
        for (grad, computed) in view.grads.iter().zip([dw, db]) {
            if let Some(computed) = computed {
                grad.shallow_clone().copy_(&computed.view_as(grad));
            }
        }
        dx.map(|dx| dx.unflatten(1, [members, -1]).contiguous())
    }
}

/// Images `[n, side, side, channels]` as a matrix of their pixels.
fn pixels(images: &Tensor) -> Tensor {
    images.flatten(0, 2)
}

/// One member's kernels `[a, b, k, k]` as they lie in memory, `[a, k·k·b]`.
fn matrix(w: &Tensor) -> Tensor {
    w.permute([0, 2, 3, 1]).flatten(1, -1)
}

/// The kernels of K members, `[K, a, b, k, k]`, as the groups of one convolution, `[K·a, b, k, k]`.
fn grouped(w: &Tensor) -> Tensor {
    w.flatten(0, 1).contiguous()
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
        let y = if x.dim() == 4 { self.forward_one(view, &x) } else { self.forward_all(view, &x) };
        (y, vec![x])
    }

    fn backward(&self, view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let x = saved.pop().expect("forward saved x");
        match (x.dim(), need) {
            (_, Need { weights: false, input: false }) => None,
            (4, _) => self.backward_one(view, &x, &dy, need),
            _ => self.backward_all(view, &x, &dy, need),
        }
    }
}
