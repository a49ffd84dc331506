//! Convolutions of maps, transposed or not.
//!
//! For one member on the CPU they are matrix products: its maps and kernels have a suitable memory layout, and
//! gradients are written to their final place. This is as fast as libtorch's convolutions, and half as fast again for
//! large kernels. For K members they are the channel groups of one libtorch convolution.

use tch::{Kind, Tensor};

use super::activation::{activate, deactivate, traced};
use super::linear::column_sums;
use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use sweep_spec::arch::{Activation, Geometry};
use sweep_spec::blueprint::Precision;
use sweep_tensor::backward::Convolution;
use sweep_tensor::patches::Patches;
use sweep_tensor::precision::bf16;
use sweep_tensor::product::Factor::{Plain, Transposed};
use sweep_tensor::product::{add_product, product};

/// With at least this many channels, and at most this many values in the kernels, libtorch's convolution is a quarter
/// faster than the product.
const DIRECT: (i64, usize) = (32, 1 << 20);

/// A convolution with W `[out, in, k, k]`, or a transposed one with W `[in, out, k, k]`, and b `[out]`, as in PyTorch;
/// followed by an activation.
#[derive(Debug)]
pub(super) struct Conv {
    geometry: Geometry,
    transposed: bool,
    activation: Option<Activation>,
}

/// The input, the output, and the gradient of the input.
const X: usize = 0;
const Y: usize = 1;
const DX: usize = 2;

impl Conv {
    /// A convolution, transposed or not.
    pub(super) fn new(geometry: Geometry, transposed: bool, activation: Option<Activation>) -> Self {
        Conv { geometry, transposed, activation }
    }

    /// The operation on the channels of `groups` members.
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

    /// The positions of the kernel on the larger image: a convolution's input, or a transposed convolution's output.
    fn patches(&self) -> Patches {
        let Geometry { inputs, outputs, kernel, stride, padding, side, output, .. } = self.geometry;
        let (channels, side, places) = if self.transposed { (outputs, output, side) } else { (inputs, side, output) };
        let [side, channels, kernel] = [side, channels, kernel].map(|size| size as usize);
        let [stride, padding, places] = [stride, padding, places].map(|size| size as usize);
        Patches { side, channels, kernel, stride, padding, places }
    }

    /// Computes the smaller images from the larger ones, in `slot`: the product of their rows with the kernels `w`,
    /// `[a, b, k, k]`.
    fn gather(&self, large: &Tensor, w: &Tensor, saved: &mut Saved, slot: usize) -> Tensor {
        let direct = w.size()[0].min(w.size()[1]) >= DIRECT.0 && w.numel() <= DIRECT.1 && w.kind() == Kind::Float;
        if direct {
            let convolution = Convolution { transposed: false, output_padding: 0, ..self.operation(1) };
            let small = convolution.forward(&large.permute([0, 3, 1, 2]), w, None);
            return small.permute([0, 2, 3, 1]).contiguous();
        }
        let (patches, w) = (self.patches(), matrix(w));
        let places = patches.places as i64;
        let small = saved.room(slot, &[large.size()[0], places, places, w.size()[0]], large);
        let flat = pixels(&small);
        patches.gather(large, &w, |first, rows| {
            let _ = product(flat.narrow(0, first, rows.size()[0]), Plain(rows), Transposed(&w));
        });
        small
    }

    /// Computes the larger images from the smaller ones, in `slot`: each pixel adds its part under its kernel.
    fn scatter(&self, small: &Tensor, w: &Tensor, saved: &mut Saved, slot: usize) -> Tensor {
        let (patches, w, flat) = (self.patches(), matrix(w), pixels(small));
        let (side, channels) = (patches.side as i64, patches.channels as i64);
        let mut large = saved.room(slot, &[small.size()[0], side, side, channels], small).zero_();
        patches.scatter(&mut large, &w, |first, rows| {
            let _ = product(rows.shallow_clone(), Plain(&flat.narrow(0, first, rows.size()[0])), Plain(&w));
        });
        large
    }

    /// Writes the gradient of the kernels to `dw`: the product of the smaller images (or their gradient) and the larger
    /// ones.
    fn kernels(&self, small: &Tensor, large: &Tensor, dw: &Tensor) {
        let (flat, dw) = (pixels(small), matrix(dw));
        self.patches().gather(large, &dw, |first, rows| {
            let piece = flat.narrow(0, first, rows.size()[0]);
            let to = if first == 0 { product } else { add_product };
            let _ = to(dw.shallow_clone(), Transposed(&piece), Plain(rows));
        });
    }

    fn backward_one(&self, view: &View, dy: &Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let (x, w) = (saved.kept(X).shallow_clone(), &view.weights[0]);
        if need.weights {
            let (small, large) = if self.transposed { (&x, dy) } else { (dy, &x) };
            self.kernels(small, large, &view.grads[0]);
            if let Some(db) = view.grads.get(1) {
                column_sums(dy, db);
            }
        }
        need.input.then(|| match self.transposed {
            true => self.gather(dy, w, saved, DX),
            false => self.scatter(dy, w, saved, DX),
        })
    }

    fn forward_all(&self, precision: Precision, weights: &[Tensor], x: &Tensor) -> Tensor {
        let members = x.size()[1];
        let bias = weights.get(1).map(|b| b.flatten(0, -1));
        let (operation, x, w) = (self.operation(members), x.flatten(1, 2), grouped(&weights[0]));
        let y = match precision {
            Precision::Float32 | Precision::Tf32 => operation.forward(&x, &w, bias.as_ref()),
            Precision::Bf16 => {
                let y = operation.forward(&bf16(&x), &bf16(&w), None).to_kind(x.kind());
                bias.map_or(y.shallow_clone(), |bias| y + bias.view([1, -1, 1, 1]))
            }
        };
        y.unflatten(1, [members, -1]).contiguous()
    }

    fn backward_all(&self, view: &View, dy: &Tensor, need: Need, saved: &Saved) -> Option<Tensor> {
        let x = saved.kept(X);
        let members = x.size()[1];
        let mask = [need.input, need.weights, need.weights && self.geometry.bias];
        let (operation, dy, x) = (self.operation(members), dy.flatten(1, 2), x.flatten(1, 2));
        let w = grouped(&view.weights[0]);
        let [dx, dw, db] = match view.precision {
            Precision::Float32 | Precision::Tf32 => operation.backward(&dy, &x, &w, mask),
            Precision::Bf16 => {
                let need = [mask[0], mask[1], false];
                let [dx, dw, _] = operation.backward(&bf16(&dy), &bf16(&x), &bf16(&w), need);
                // The bias is not part of the product.
                let db = mask[2].then(|| dy.sum_dim_intlist([0, 2, 3].as_slice(), false, None::<Kind>));
                [dx.map(|dx| dx.to_kind(dy.kind())), dw, db]
            }
        };
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

/// One member's kernels `[a, b, k, k]` in their memory layout, `[a, k·k·b]`.
fn matrix(w: &Tensor) -> Tensor {
    w.permute([0, 2, 3, 1]).flatten(1, -1)
}

/// The kernels of K members, `[K, a, b, k, k]`, as the groups of one convolution, `[K·a, b, k, k]`.
fn grouped(w: &Tensor) -> Tensor {
    w.flatten(0, 1).contiguous()
}

impl Layer for Conv {
    fn shapes(&self) -> Vec<Variable> {
        let Geometry { inputs, outputs, kernel, bias, .. } = self.geometry;
        let [inputs, outputs, kernel] = [inputs, outputs, kernel].map(i64::from);
        let [first, second] = if self.transposed { [inputs, outputs] } else { [outputs, inputs] };
        let weight = Variable::drawn("weight", vec![first, second, kernel, kernel], None);
        let bias = bias.then(|| Variable::filled("bias", vec![outputs], 0.0));
        [weight].into_iter().chain(bias).collect()
    }

    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let (w, b) = (&view.weights[0], view.weights.get(1));
        let _ = saved.keep(X, x.shallow_clone());
        let y = match (view.host, self.transposed) {
            (true, true) => self.scatter(x, w, saved, Y),
            (true, false) => self.gather(x, w, saved, Y),
            (false, _) => self.forward_all(view.precision, &view.weights, x),
        };
        // On the CPU, the activation adds the bias in its pass.
        saved.keep(Y, activate(y, b.filter(|_| view.host), self.activation, view.host))
    }

    fn traced(&self, given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        let weights = given.weights;
        let y = match given.host {
            true => {
                let y = self.operation(1).forward(&x.permute([0, 3, 1, 2]), &weights[0], weights.get(1));
                y.permute([0, 2, 3, 1])
            }
            false => self.forward_all(Precision::Float32, weights, x),
        };
        traced(&y, self.activation)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let dy = deactivate(dy, saved.kept(Y), self.activation, view.host);
        match (need, view.host) {
            (Need { weights: false, input: false }, _) => None,
            (_, true) => self.backward_one(view, &dy, need, saved),
            (_, false) => self.backward_all(view, &dy, need, saved),
        }
    }
}
