//! Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", ICML 2017, algorithm 1. The critic D has no sigmoid.

use super::{Game, Losses};
use crate::loss::{logit, mean};

/// One step: the critic ascends E D(x) − E D(G(z)), as often as the blueprint says (the paper: 5 times), its weights cut to [−c, c]
/// after each time; then the generator, with fresh noise, ascends E D(G(z)).
pub fn step(game: &mut Game, t: u64) -> Losses {
    let clip = game.parameter("clip");
    let discriminator = game.each_round(t, |game, round| {
        let loss = game.move_discriminators_once(round, |d| mean(logit(d[0].fake)) - mean(logit(d[0].real)));
        game.clip_discriminators(&clip);
        loss
    });
    let generator = game.move_generator(t, |d| -mean(logit(d[0])));
    Losses { discriminator, generator }
}
