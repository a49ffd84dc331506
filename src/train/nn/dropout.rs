//! Dropout (Srivastava et al. 2014), inverted: kept values are scaled by 1/(1 − rate).

use tch::Tensor;

use super::{Layer, Need, Pass, Saved, View};
use crate::tensor::random::{Purpose, Stream};

/// Drops each value with probability `rate`, by a mask of the member's own stream.
#[derive(Debug)]
pub struct Dropout {
    rate: f64,
    lane: u16,
}

/// The factors of the values, and the output.
const MASK: usize = 0;
const Y: usize = 1;

impl Dropout {
    /// `lane` tells the masks from those of other layers.
    pub fn new(rate: f64, lane: u16) -> Self {
        Dropout { rate, lane }
    }
}

impl Layer for Dropout {
    fn forward(&self, _view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        if !pass.training {
            return x.shallow_clone();
        }
        let each = x.numel() / pass.seeds.len();
        let mut mask = vec![0.0f32; x.numel()];
        let (rate, scale) = (self.rate as f32, (1.0 / (1.0 - self.rate)) as f32);
        for (mask, &seed) in mask.chunks_mut(each).zip(pass.seeds) {
            Stream::lane(seed, Purpose::Dropout, self.lane, pass.draw).fill_uniform(mask);
            mask.iter_mut().for_each(|u| *u = if *u < rate { 0.0 } else { scale });
        }
        let mask = Tensor::from_slice(&mask).view(x.size().as_slice()).to_device(x.device()).to_kind(x.kind());
        let y = x.mul_out(&saved.room(Y, &x.size(), x), &mask);
        let _ = saved.keep(MASK, mask);
        y
    }

    fn backward(&self, _view: &View, mut dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| dy.g_mul_(saved.kept(MASK)))
    }
}
