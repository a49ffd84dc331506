//! Wu et al., "Wasserstein divergence for GANs", ECCV 2018, algorithm 1. The critic D has no sigmoid.

use super::{Game, Losses};
use crate::loss::{logit, mean};
use crate::penalty::{Penalty, Points};

/// One step: the critic descends
///
/// E D(G(z)) − E D(x) + k/2 · (E ‖∇D(x)‖ᵖ + E ‖∇D(G(z))‖ᵖ),
///
/// as often as the blueprint says; then the generator, with fresh noise, ascends E D(G(z)). (The paper's signs are the other way round.)
pub fn step(game: &mut Game, t: u64) -> Losses {
    let (k, p) = (game.parameter("gradient_penalty"), game.parameter("penalty_power"));
    let discriminator = game.each_round(t, |game, round| {
        let penalty = Penalty { weight: &k, at: Points::RealAndFake, of: &|slopes| slopes.power(&p) };
        game.move_penalised(round, |d| mean(logit(d[0].fake)) - mean(logit(d[0].real)), Some(penalty))
    });
    let generator = game.move_generator(t, |d| -mean(logit(d[0])));
    Losses { discriminator, generator }
}
