//! Dropout (Srivastava et al. 2014), inverted: kept values are scaled by 1/(1 − rate).

use tch::Tensor;

use super::{Given, Layer, Need, Pass, Saved, View};
use sweep_numerics::random::{Purpose, Stream};
use sweep_tensor::transfer;

/// Drops each value with probability `rate`, with a mask from the member's own stream.
#[derive(Debug)]
pub(super) struct Dropout {
    rate: f64,
    lane: u16,
}

/// The mask of factors, and the output.
const MASK: usize = 0;
const Y: usize = 1;

impl Dropout {
    /// `lane` separates the masks from those of other layers.
    pub(super) fn new(rate: f64, lane: u16) -> Self {
        Dropout { rate, lane }
    }

    /// Factors for all values, from each member's own stream: drawn in the memory order of one member's values on the
    /// CPU.
    fn mask(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let members = pass.seeds.len();
        let (rate, scale) = (self.rate as f32, (1.0 / (1.0 - self.rate)) as f32);
        let mask = transfer::members(members, x.numel() / members, (x.kind(), x.device()), |k, mask| {
            Stream::lane(pass.seeds[k], Purpose::Dropout, self.lane, pass.draw).fill_uniform(mask);
            mask.iter_mut().for_each(|u| *u = if *u < rate { 0.0 } else { scale });
        });
        match x.size()[..] {
            // Maps of K members have another layout.
            [n, k, c, h, w] => mask.view([k, n, h, w, c]).permute([1, 0, 4, 2, 3]).contiguous(),
            _ => mask.view(x.size().as_slice()),
        }
    }
}

impl Layer for Dropout {
    fn forward(&self, _view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor {
        if !pass.training {
            return x.shallow_clone();
        }
        let mask = self.mask(x, pass);
        let y = x.mul_out(&saved.room(Y, &x.size(), x), &mask);
        let _ = saved.keep(MASK, mask);
        y
    }

    fn traced(&self, _given: &Given, x: &Tensor, pass: &Pass) -> Tensor {
        x * self.mask(x, pass)
    }

    fn backward(&self, _view: &View, mut dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor> {
        need.input.then(|| dy.g_mul_(saved.kept(MASK)))
    }
}
