//! Maxout (Goodfellow et al. 2013): the maximum of each group of consecutive features or maps.

use tch::{Kind, Tensor};

use super::{Given, Layer, Need, Pass, Saved, View};
use crate::kernel::maxout;
use sweep_tensor::host::{values, values_mut};

/// The maximum of each `pieces` features or maps; it gets the whole gradient.
#[derive(Debug)]
pub(super) struct Maxout {
    pieces: i64,
}

/// The input, the output, the gradient of the input, and the index of the maximum.
const X: usize = 0;
const Y: usize = 1;
const DX: usize = 2;
const WHICH: usize = 3;

impl Maxout {
    /// For groups of `pieces`.
    pub(super) fn new(pieces: u32) -> Self {
        Maxout { pieces: pieces.into() }
    }

    /// The dimension of features or maps.
    fn dimension(x: &Tensor) -> i64 {
        if x.dim() == 5 { 2 } else { x.dim() as i64 - 1 }
    }

    /// The maxima and their indices.
    fn largest(&self, x: &Tensor) -> (Tensor, Tensor) {
        let dimension = Maxout::dimension(x);
        x.unflatten(dimension, [-1, self.pieces]).max_dim(dimension + 1, false)
    }
}

impl Layer for Maxout {
    fn forward(&self, view: &View, x: &Tensor, _pass: &Pass, saved: &mut Saved) -> Tensor {
        let x = saved.keep(X, x.shallow_clone());
        if !view.host {
            let (y, which) = self.largest(&x);
            let _ = saved.keep(WHICH, which);
            return y;
        }
        let mut shape = x.size();
        shape[Maxout::dimension(&x) as usize] /= self.pieces;
        let mut y = saved.room(Y, &shape, &x);
        match x.kind() {
            Kind::Double => maxout::forward::<f64>(values(&x), self.pieces as usize, values_mut(&mut y)),
            _ => maxout::forward::<f32>(values(&x), self.pieces as usize, values_mut(&mut y)),
        }
        y
    }

    fn traced(&self, _given: &Given, x: &Tensor, _pass: &Pass) -> Tensor {
        self.largest(x).0
    }

    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        if !need.input {
            return None;
        }
        let x = saved.kept(X).shallow_clone();
        if !view.host {
            let dimension = Maxout::dimension(&x);
            let parts = x.unflatten(dimension, [-1, self.pieces]).size();
            let which = saved.kept(WHICH);
            let dx = Tensor::value_selecting_reduction_backward(&dy, dimension + 1, which, parts, false);
            return Some(dx.view_as(&x));
        }
        let mut dx = saved.room(DX, &x.size(), &x);
        match x.kind() {
            Kind::Double => {
                maxout::backward::<f64>(values(&dy), values(&x), self.pieces as usize, values_mut(&mut dx));
            }
            _ => maxout::backward::<f32>(values(&dy), values(&x), self.pieces as usize, values_mut(&mut dx)),
        }
        Some(dx)
    }
}
