//! Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017, algorithm 1. The critic D has no sigmoid.

use super::{Game, Losses};
use crate::loss::{logit, mean};
use crate::penalty::{Penalty, Points};

/// One step: the critic descends equation (3),
///
/// E D(G(z)) − E D(x) + λ E (‖∇D(x̂)‖ − 1)²,
///
/// x̂ between a real and a generated sample, as often as the blueprint says (the paper: 5 times); then the generator, with fresh noise,
/// ascends E D(G(z)).
pub fn step(game: &mut Game, t: u64) -> Losses {
    let lambda = game.parameter("gradient_penalty");
    let discriminator = game.each_round(t, |game, round| {
        let penalty = Penalty { weight: &lambda, at: Points::Between, of: &|slopes| (slopes.norm() - 1.0).square() };
        game.move_penalised(round, |d| mean(logit(d[0].fake)) - mean(logit(d[0].real)), Some(penalty))
    });
    let generator = game.move_generator(t, |d| -mean(logit(d[0])));
    Losses { discriminator, generator }
}
