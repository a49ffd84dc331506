//! Batch normalisation (Ioffe & Szegedy 2015) over the N samples of one batch of one member; for maps, also over their
//! pixels.
//!
//! On the CPU, one member's features are last in both vectors and maps, so this is one loop over memory. K members'
//! vectors `[K, N, F]` and maps `[N, K, C, H, W]` use libtorch.

use tch::{Kind, Tensor};

use super::activation::{activate, deactivate, traced};
use super::{Given, Layer, Need, Pass, Saved, Variable, View};
use crate::kernel::norm;
use sweep_spec::arch::Activation;
use sweep_tensor::backward;
use sweep_tensor::host::{Number, values, values_mut};

/// Added to the variance, as in PyTorch.
const EPSILON: f64 = 1e-5;
/// Weight of a new batch in the running statistics, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// Normalises each feature, then scales and shifts it, then applies the activation.
#[derive(Debug)]
pub(super) struct BatchNorm {
    features: i64,
    activation: Option<Activation>,
}

/// The normalised values, the output, 1/σ of each group, and work space.
const NORMAL: usize = 0;
const Y: usize = 1;
const INVERSE: usize = 2;
const MOMENTS: usize = 3;
const DOT: usize = 4;
const X: usize = 5;

impl BatchNorm {
    /// For `features` features or maps.
    pub(super) fn new(features: u32, activation: Option<Activation>) -> Self {
        BatchNorm { features: features.into(), activation }
    }

    fn host_forward<T: Number>(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let (width, groups) = (self.features as usize, pass.groups);
        let mut normal = saved.room(NORMAL, &x.size(), x);
        let mut y = saved.room(Y, &x.size(), x);
        let mut inverse = saved.room(INVERSE, &[groups, self.features], x);
        let mut moments = saved.room(MOMENTS, &[2, self.features], x);
        let (mut mean, mut var) = (view.buffers[0].shallow_clone(), view.buffers[1].shallow_clone());
        let (mean, var) = (values_mut::<T>(&mut mean), values_mut::<T>(&mut var));
        let each = x.numel() / groups as usize;
        let batches = values::<T>(x).chunks_exact(each).zip(values_mut::<T>(&mut inverse).chunks_exact_mut(width));
        let outputs = values_mut(&mut normal).chunks_exact_mut(each).zip(values_mut(&mut y).chunks_exact_mut(each));
        let n = (each / width) as f64;
        for (((x, inverse), output), group) in batches.zip(outputs).zip(0..) {
            let (centre, variance) = values_mut(&mut moments).split_at_mut(width);
            let affine = (values(&view.weights[0]), values(&view.weights[1]));
            norm::forward(x, affine, EPSILON, output, (centre, variance, inverse));
            if pass.untracked.contains(&group) {
                continue;
            }
            let (weight, unbiased) = (T::of(MOMENTUM), T::of(n / (n - 1.0)));
            for i in 0..width {
                mean[i] += weight * (centre[i] - mean[i]);
                // The running variance is the unbiased one, as in PyTorch.
                var[i] += weight * (variance[i] * unbiased - var[i]);
            }
        }
        y
    }

    fn host_backward<T: Number>(&self, view: &View, mut dy: Tensor, need: Need, saved: &mut Saved) -> Tensor {
        let width = self.features as usize;
        let mut dot = saved.room(DOT, &dy.size(), &dy);
        let mut sums = saved.room(MOMENTS, &[2, self.features], &dy);
        let (mut dscale, mut dshift) = (view.grads[0].shallow_clone(), view.grads[1].shallow_clone());
        let (dscale, dshift) = (values_mut::<T>(&mut dscale), values_mut::<T>(&mut dshift));
        if need.weights {
            // If these gradients are not needed, `grads` may hold those of a pending move.
            dscale.fill(T::of(0.0));
            dshift.fill(T::of(0.0));
        }
        let inverse = values::<T>(saved.kept(INVERSE));
        let each = dy.numel() / (inverse.len() / width);
        let normal = values::<T>(saved.kept(NORMAL)).chunks_exact(each);
        let batches = values_mut::<T>(&mut dy).chunks_exact_mut(each).zip(normal).zip(inverse.chunks_exact(width));
        for ((dy, normal), inverse) in batches {
            let room = (&mut values_mut(&mut dot)[..each], values_mut(&mut sums));
            let grads = need.weights.then_some((&mut *dscale, &mut *dshift));
            norm::backward(dy, (normal, inverse, values(&view.weights[0])), grads, room);
        }
        dy
    }
}

impl Layer for BatchNorm {
    fn shapes(&self) -> Vec<Variable> {
        vec![Variable::filled("weight", vec![self.features], 1.0), Variable::filled("bias", vec![self.features], 0.0)]
    }

    fn buffers(&self) -> Vec<Variable> {
        vec![
            Variable::filled("running_mean", vec![self.features], 0.0),
            Variable::filled("running_var", vec![self.features], 1.0),
        ]
    }

    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        let y = match (pass.training, view.host, x.kind()) {
            (false, ..) => evaluate(view, x),
            (true, true, Kind::Double) => self.host_forward::<f64>(view, x, pass, saved),
            (true, true, _) => self.host_forward::<f32>(view, x, pass, saved),
            (true, false, _) if x.dim() == 5 => forward_maps(view, x, pass, saved),
            (true, false, _) => forward_vectors(view, x, pass, saved),
        };
        let y = activate(y, None, self.activation, view.host);
        saved.keep(Y, y)
    }

    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        // The batch dimension, and the dimensions along which a feature's values lie.
        let (batch, along): (i64, &[i64]) = match x.dim() {
            5 => (0, &[0, 3, 4]),
            4 => (0, &[0, 1, 2]),
            dims => (dims as i64 - 2, &[-2]),
        };
        let normal = |x: Tensor| {
            let x = &x - x.mean_dim(along, true, None::<Kind>);
            let variance = x.square().mean_dim(along, true, None::<Kind>);
            x * (variance + EPSILON).rsqrt()
        };
        let normal = Tensor::cat(&x.chunk(pass.groups, batch).into_iter().map(normal).collect::<Vec<_>>(), batch);
        traced(&(normal * beside(&given.weights[0], x) + beside(&given.weights[1], x)), self.activation)
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        let dy = deactivate(dy, saved.kept(Y), self.activation, view.host);
        let dx = match (view.host, dy.kind()) {
            (true, Kind::Double) => self.host_backward::<f64>(view, dy, need, saved),
            (true, _) => self.host_backward::<f32>(view, dy, need, saved),
            (false, _) if dy.dim() == 5 => backward_maps(view, &dy, need, saved),
            (false, _) => backward_vectors(view, &dy, need, saved),
        };
        need.input.then_some(dx)
    }
}

/// [.., F] -> [.., 1, F], to combine with [.., N, F].
fn row(tensor: &Tensor) -> Tensor {
    tensor.unsqueeze(-2)
}

/// One number per feature or map, in a shape that broadcasts over `x`.
pub(super) fn beside(vector: &Tensor, x: &Tensor) -> Tensor {
    match x.dim() {
        5 => vector.unsqueeze(-1).unsqueeze(-1),
        3 => row(vector),
        _ => vector.shallow_clone(),
    }
}

fn evaluate(view: &View, x: &Tensor) -> Tensor {
    let (scale, shift) = (beside(&view.weights[0], x), beside(&view.weights[1], x));
    let (mean, var) = (beside(&view.buffers[0], x), beside(&view.buffers[1], x));
    (x - mean) * ((var + EPSILON).rsqrt() * scale) + shift
}

/// The same as [`norm::forward`] for K members, on any device. 1/σ is stored as `[groups, .., 1, F]`.
fn forward_vectors(view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
    let (mut mean, mut var) = (view.buffers[0].shallow_clone(), view.buffers[1].shallow_clone());
    let (mut normal, mut inverse) = (Vec::new(), Vec::new());
    for (x, group) in x.chunk(pass.groups, -2).into_iter().zip(0..) {
        let n = x.size()[x.dim() - 2] as f64;
        let centre = x.mean_dim([-2].as_slice(), true, None::<Kind>);
        let x = x - &centre;
        let variance = x.square().mean_dim([-2].as_slice(), true, None::<Kind>);
        if !pass.untracked.contains(&group) {
            let _ = mean.lerp_(&centre.squeeze_dim(-2), MOMENTUM);
            let _ = var.lerp_(&(variance.squeeze_dim(-2) * (n / (n - 1.0))), MOMENTUM);
        }
        let factor = (variance + EPSILON).rsqrt();
        normal.push(x * &factor);
        inverse.push(factor);
    }
    let normal = saved.keep(NORMAL, Tensor::cat(&normal, -2));
    let _ = saved.keep(INVERSE, Tensor::stack(&inverse, 0));
    normal * row(&view.weights[0]) + row(&view.weights[1])
}

/// The same as [`norm::backward`] for K members, on any device.
fn backward_vectors(view: &View, dy: &Tensor, need: Need, saved: &mut Saved) -> Tensor {
    let (normal, inverse) = (saved.kept(NORMAL), saved.kept(INVERSE));
    let dot = dy * normal;
    if need.weights {
        let _ = dot.sum_intlist_out(&view.grads[0], [-2].as_slice(), false, None::<Kind>);
        let _ = dy.sum_intlist_out(&view.grads[1], [-2].as_slice(), false, None::<Kind>);
    }
    let groups = inverse.size()[0];
    let mean = |tensor: &Tensor| tensor.mean_dim([-2].as_slice(), true, None::<Kind>);
    let chunks = dy.chunk(groups, -2).into_iter().zip(normal.chunk(groups, -2)).zip(dot.chunk(groups, -2));
    let parts: Vec<Tensor> = chunks
        .enumerate()
        .map(|(group, ((dy, normal), dot))| {
            // The gradient of the normalised value with respect to x: two projections are subtracted.
            let centred = &dy - mean(&dy) - normal * mean(&dot);
            centred * (inverse.get(group as i64) * row(&view.weights[0]))
        })
        .collect();
    Tensor::cat(&parts, -2)
}

/// Maps `[N, K, C, H, W]`: each channel of each member separately. 1/σ and the mean are stored as `[groups, K·C]`.
fn forward_maps(view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
    let flat = |tensor: &Tensor| tensor.flatten(0, 1);
    let (mean, var) = (&mut view.buffers[0].shallow_clone(), &mut view.buffers[1].shallow_clone());
    // Copies, except for a single member.
    let (means, vars) = (flat(mean), flat(var));
    let (scale, shift) = (flat(&view.weights[0]), flat(&view.weights[1]));
    let batches = x.chunk(pass.groups, 0).into_iter().zip(0..).map(|(x, group)| {
        let (scale, shift) = (Some(&scale), Some(&shift));
        let followed = !pass.untracked.contains(&group);
        let (means, vars) = (followed.then_some(&means), followed.then_some(&vars));
        x.flatten(1, 2).native_batch_norm(scale, shift, means, vars, true, MOMENTUM, EPSILON)
    });
    let (mut normal, mut centres, mut inverse) = (Vec::new(), Vec::new(), Vec::new());
    for (y, centre, factor) in batches {
        normal.push(y);
        centres.push(centre);
        inverse.push(factor);
    }
    mean.copy_(&means.view_as(mean));
    var.copy_(&vars.view_as(var));
    let _ = saved.keep(X, x.shallow_clone());
    let _ = saved.keep(MOMENTS, Tensor::stack(&centres, 0));
    let _ = saved.keep(INVERSE, Tensor::stack(&inverse, 0));
    Tensor::cat(&normal, 0).view_as(x)
}

fn backward_maps(view: &View, dy: &Tensor, need: Need, saved: &mut Saved) -> Tensor {
    let (x, centres, inverse) = (saved.kept(X), saved.kept(MOMENTS), saved.kept(INVERSE));
    let scale = &view.weights[0];
    let groups = inverse.size()[0];
    let (mut d_scale, mut d_shift) = (scale.zeros_like(), scale.zeros_like());
    let chunks = dy.chunk(groups, 0).into_iter().zip(x.chunk(groups, 0)).enumerate();
    let parts: Vec<Tensor> = chunks
        .map(|(group, (dy, x))| {
            let moments = (&centres.get(group as i64), &inverse.get(group as i64));
            let (dy, x) = (dy.flatten(1, 2), x.flatten(1, 2));
            let [dx, dw, db] = backward::batch_norm(&dy, &x, &scale.flatten(0, 1), moments, EPSILON, [true; 3]);
            d_scale += dw.expect("asked for").view_as(scale);
            d_shift += db.expect("asked for").view_as(scale);
            dx.expect("asked for")
        })
        .collect();
    if need.weights {
        view.grads[0].shallow_clone().copy_(&d_scale);
        view.grads[1].shallow_clone().copy_(&d_shift);
    }
    Tensor::cat(&parts, 0).view_as(dy)
}
