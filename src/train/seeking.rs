//! Mode seeking (Mao, Lee, Tseng, Ma & Yang, "Mode seeking generative adversarial networks for diverse image
//! synthesis", CVPR 2019): a term of the generator's loss that is large if different noise gives the same samples. As
//! in the authors' code, it is the reciprocal of a ratio of means over the batch and all values.

use tch::{Kind, Tensor};

use super::game::Game;
use super::generators;
use super::nn::{Need, Pass};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::keys::job::MODE_SEEKING;
use sweep_tensor::transfer::{self, upload};

/// Added to the ratio, in the authors' code.
const EPSILON: f64 = 1e-5;
/// Separates the second noise of a draw from the first.
const SECOND: u16 = 1;

/// The term for the samples of a generator in its move.
pub(super) struct Sought {
    /// Its value for each member, `[K]`.
    pub value: Tensor,
    /// Its gradients with respect to the samples of the first and the second noise.
    pub gradients: [Tensor; 2],
}

impl Game {
    /// The second noise of a generator's move, in the shape of the first.
    pub(super) fn second_noise(&self, draw: u64) -> Tensor {
        let (seeds, distribution, each) = (&self.seeds, self.distribution, self.z.numel() / self.seeds.len());
        let fill = |k: usize, out: &mut [f32]| {
            generators::fill_noise(distribution, &Stream::lane(seeds[k], Purpose::Noise, SECOND, draw), out);
        };
        let noise = transfer::members(seeds.len(), each, (self.setup.kind, self.setup.device), fill);
        noise.view(self.z.size().as_slice())
    }

    /// The second pass of the generator in a move: it has its own dropout masks, and running statistics don't follow
    /// it.
    pub(super) fn second_pass(draw: u64, seeds: &[u64]) -> Pass<'_> {
        Pass { training: true, groups: 1, untracked: &[0], draw: draw | 1 << 48, seeds }
    }

    /// w / (E|a − b| / E|z1 − z2| + 1e-5), `[K]`, for two batches of noise and their samples, differentiable by
    /// autograd.
    pub(super) fn seeking(&self, noise: [&Tensor; 2], made: [&Tensor; 2]) -> Tensor {
        let members = self.seeds.len() as i64;
        let apart =
            |[a, b]: [&Tensor; 2]| (a - b).abs().reshape([members, -1]).mean_dim([-1].as_slice(), false, None::<Kind>);
        let weight = upload(&self.parameter(MODE_SEEKING.name).0, &[members], (self.setup.kind, self.setup.device));
        weight / (apart(made) / apart(noise) + EPSILON)
    }

    /// The term for the samples `first`, made from the noise of `draw`; `None` if no member's generator has it. The
    /// second pass uses tape 0 of the generator.
    pub(super) fn seek(&mut self, first: &Tensor, draw: u64) -> Option<Sought> {
        if !self.seeks {
            return None;
        }
        let noise = self.second_noise(draw);
        let generator = &mut self.generator;
        generator.tapes.resize_with(generator.tapes.len().max(1), Default::default);
        let second = generator.net.forward(&noise, &Game::second_pass(draw, &self.seeds), &mut generator.tapes[0]);
        tch::with_grad(|| {
            let leaves = [first, &second].map(|made| made.detach().set_requires_grad(true));
            let value = self.seeking([&self.z, &noise], leaves.each_ref());
            let gradients = Tensor::run_backward(&[value.sum(value.kind())], &leaves, false, false);
            let gradients = gradients.try_into().expect("as many as leaves");
            Some(Sought { value: value.detach(), gradients })
        })
    }

    /// Adds the gradients from the second noise to those of the generator's weights.
    pub(super) fn follow_second(&mut self, gradient: Tensor) {
        let generator = &mut self.generator;
        let before = generator.net.grads.copy();
        generator.net.backward(&mut generator.tapes[0], gradient, Need { weights: true, input: false });
        let _ = generator.net.grads.g_add_(&before);
    }
}
