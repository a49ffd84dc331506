//! Batch normalisation (Ioffe & Szegedy 2015) over the N samples of one batch of one member.

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, Shape, View};

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
    /// Over `features` features.
    pub fn new(features: u32) -> Self {
        BatchNorm { features: features.into() }
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
        // [.., F] -> [.., 1, F], to go with [.., N, F].
        let row = |tensor: &Tensor| tensor.unsqueeze(-2);
        let (scale, shift) = (row(&view.weights[0]), row(&view.weights[1]));
        let (mean, var) = (&view.buffers[0], &view.buffers[1]);
        if !pass.training {
            let y = (x - row(mean)) * (row(var) + EPSILON).rsqrt() * scale + shift;
            return (y, Vec::new());
        }
        let n = x.size()[x.dim() - 2] / pass.groups;
        let (mut normal, mut inverse) = (Vec::new(), Vec::new());
        for group in 0..pass.groups {
            let x = x.narrow(-2, group * n, n);
            let centre = x.mean_dim([-2].as_slice(), true, None::<tch::Kind>);
            let x = x - &centre;
            let variance = x.square().mean_dim([-2].as_slice(), true, None::<tch::Kind>);
            let (mut mean, mut var) = (mean.shallow_clone(), var.shallow_clone());
            let _ = mean.lerp_(&centre.squeeze_dim(-2), MOMENTUM);
            // The running variance is the unbiased one, as in PyTorch.
            let _ = var.lerp_(&(variance.squeeze_dim(-2) * (n as f64 / (n - 1) as f64)), MOMENTUM);
            let factor = (variance + EPSILON).rsqrt();
            normal.push(x * &factor);
            inverse.push(factor);
        }
        let normal = if pass.groups == 1 { normal.remove(0) } else { Tensor::cat(&normal, -2) };
        let y = &normal * scale + shift;
        let mut saved = inverse;
        saved.push(normal);
        (y, saved)
    }

    fn backward(&self, view: &View, mut saved: Saved, dy: Tensor, need: Need) -> Option<Tensor> {
        let normal = saved.pop().expect("a backward pass follows a training pass");
        let inverse = saved;
        let dot = &dy * &normal;
        if need.weights {
            let _ = dot.sum_intlist_out(&view.grads[0], [-2].as_slice(), false, None::<tch::Kind>);
            let _ = dy.sum_intlist_out(&view.grads[1], [-2].as_slice(), false, None::<tch::Kind>);
        }
        need.input.then(|| {
            let groups = inverse.len() as i64;
            let n = dy.size()[dy.dim() - 2] / groups;
            let scale = view.weights[0].unsqueeze(-2);
            let parts: Vec<Tensor> = (0..groups)
                .map(|group| {
                    let part = |tensor: &Tensor| tensor.narrow(-2, group * n, n);
                    let mean = |tensor: &Tensor| part(tensor).mean_dim([-2].as_slice(), true, None::<tch::Kind>);
                    // The gradient with respect to x of the normalised value: two projections are taken out.
                    let centred = part(&dy) - mean(&dy) - part(&normal) * mean(&dot);
                    centred * (&inverse[group as usize] * &scale)
                })
                .collect();
            if groups == 1 { parts.into_iter().next().expect("one group") } else { Tensor::cat(&parts, -2) }
        })
    }
}
