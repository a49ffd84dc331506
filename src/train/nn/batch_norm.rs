//! Batch normalisation (Ioffe & Szegedy 2015) over the N samples of one batch of one member; of maps over their pixels, too.
//!
//! One member's features lie last, in vectors and in maps alike: that is one loop over CPU memory. K members' vectors `[K, N, F]` and
//! maps `[N, K, C, H, W]` go through libtorch.

use tch::{Kind, Tensor};

use super::{Layer, Need, Pass, Saved, Shape, View};
use crate::tensor::backward;
use crate::tensor::norm::{self, Moments};

/// Added to the variance, as in PyTorch.
const EPSILON: f64 = 1e-5;
/// Weight of a new batch in the running statistics, as in PyTorch.
const MOMENTUM: f64 = 0.1;

/// Normalises each feature, then scales and shifts it.
#[derive(Debug)]
pub struct BatchNorm {
    features: i64,
}

impl BatchNorm {
    /// Over `features` features, or maps.
    pub fn new(features: u32) -> Self {
        BatchNorm { features: features.into() }
    }
}

/// One of the batches that lie one after another along the axis of samples.
#[derive(Clone, Copy)]
struct Group {
    axis: i64,
    index: i64,
    size: i64,
}

impl Group {
    /// All groups of `x`.
    fn all(x: &Tensor, groups: i64) -> impl Iterator<Item = Group> + use<> {
        let axis = if x.dim() == 3 { 1 } else { 0 };
        let size = x.size()[axis as usize] / groups;
        (0..groups).map(move |index| Group { axis, index, size })
    }

    fn of(self, x: &Tensor) -> Tensor {
        x.narrow(self.axis, self.index * self.size, self.size)
    }
}

/// A vector of each feature, so shaped that it goes with `x`.
fn beside(vector: &Tensor, x: &Tensor) -> Tensor {
    match x.dim() {
        3 => vector.unsqueeze(1),
        5 => vector.unsqueeze(-1).unsqueeze(-1),
        _ => vector.shallow_clone(),
    }
}

impl Layer for BatchNorm {
    fn shapes(&self) -> Vec<Shape> {
        vec![("weight", vec![self.features]), ("bias", vec![self.features])]
    }

    fn buffers(&self) -> Vec<(Shape, f64)> {
        vec![(("running_mean", vec![self.features]), 0.0), (("running_var", vec![self.features]), 1.0)]
    }

    fn forward(&self, view: &View, x: Tensor, pass: &Pass) -> (Tensor, Saved) {
        let (scale, shift) = (&view.weights[0], &view.weights[1]);
        let (mean, var) = (&mut view.buffers[0].shallow_clone(), &mut view.buffers[1].shallow_clone());
        if !pass.training {
            let factor = beside(&((&*var + EPSILON).rsqrt() * scale), &x);
            return ((&x - beside(mean, &x)) * factor + beside(shift, &x), Vec::new());
        }
        let y = x.empty_like();
        let mut saved = Vec::new();
        for group in Group::all(&x, pass.groups) {
            let (x, mut y) = (group.of(&x), group.of(&y));
            match x.dim() {
                3 => {
                    let centre = x.mean_dim([1].as_slice(), true, None::<Kind>);
                    let centred = x - &centre;
                    let variance = centred.square().mean_dim([1].as_slice(), true, None::<Kind>);
                    let _ = mean.lerp_(&centre.squeeze_dim(1), MOMENTUM);
                    // The running variance is the unbiased one, as in PyTorch.
                    let unbiased = group.size as f64 / (group.size - 1) as f64;
                    let _ = var.lerp_(&(variance.squeeze_dim(1) * unbiased), MOMENTUM);
                    let inverse = (variance + EPSILON).rsqrt();
                    y.copy_(&(centred * (&inverse * beside(scale, &y)) + beside(shift, &y)));
                    saved.extend([centre, inverse]);
                }
                5 => {
                    // Copies, but for a single member.
                    let (means, vars) = (mean.flatten(0, 1), var.flatten(0, 1));
                    let (scale, shift) = (scale.flatten(0, 1), shift.flatten(0, 1));
                    let (normal, centre, inverse) = x.flatten(1, 2).native_batch_norm(
                        Some(scale),
                        Some(shift),
                        Some(means.shallow_clone()),
                        Some(vars.shallow_clone()),
                        true,
                        MOMENTUM,
                        EPSILON,
                    );
                    mean.copy_(&means.view_as(mean));
                    var.copy_(&vars.view_as(var));
                    y.copy_(&normal.view_as(&y));
                    saved.extend([centre, inverse]);
                }
                _ => {
                    let moments = Moments::of(&x);
                    moments.record(mean, var, MOMENTUM);
                    moments.normalise(&x, scale, shift, EPSILON, &mut y);
                    saved.extend(moments.save());
                }
            }
        }
        saved.push(x);
        (y, saved)
    }

    fn backward(&self, view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let x = saved.pop().expect("a backward pass follows a training pass");
        let scale = &view.weights[0];
        let groups = saved.len() as i64 / 2;
        // The gradients of scale and shift, summed over the batches.
        let (mut d_scale, mut d_shift) = (scale.zeros_like(), scale.zeros_like());
        for (group, moments) in Group::all(&x, groups).zip(saved.chunks(2)) {
            let (x, mut dy) = (group.of(&x), group.of(&dy));
            let (centre, inverse) = (&moments[0], &moments[1]);
            match x.dim() {
                3 => {
                    let normal = (x - centre) * inverse;
                    let dot = &dy * &normal;
                    let mean = |tensor: &Tensor| tensor.mean_dim([1].as_slice(), true, None::<Kind>);
                    d_scale += dot.sum_dim_intlist([1].as_slice(), false, None::<Kind>);
                    d_shift += dy.sum_dim_intlist([1].as_slice(), false, None::<Kind>);
                    if need.input {
                        // The gradient with respect to x of the normalised value: two projections are taken out.
                        let centred = &dy - mean(&dy) - normal * mean(&dot);
                        dy.copy_(&(centred * (inverse * beside(scale, &dy))));
                    }
                }
                5 => {
                    let mask = [need.input, need.weights, need.weights];
                    let (flat, saved) = (scale.flatten(0, 1), (centre, inverse));
                    let [dx, dw, db] =
                        backward::batch_norm(&dy.flatten(1, 2), &x.flatten(1, 2), &flat, saved, EPSILON, mask);
                    if let (Some(dw), Some(db)) = (dw, db) {
                        d_scale += dw.view_as(scale);
                        d_shift += db.view_as(scale);
                    }
                    if let Some(dx) = dx {
                        dy.copy_(&dx.view_as(&dy));
                    }
                }
                _ => {
                    let moments = Moments::load(centre, inverse, &x);
                    let (dw, db) = moments.backward(&x, &mut dy, scale, EPSILON, need.input);
                    norm::add(&mut d_scale, &dw);
                    norm::add(&mut d_shift, &db);
                }
            }
        }
        if need.weights {
            view.grads[0].shallow_clone().copy_(&d_scale);
            view.grads[1].shallow_clone().copy_(&d_shift);
        }
        need.input.then_some(dy)
    }
}
