//! Goodfellow et al., "Generative adversarial nets", NIPS 2014, algorithm 1. D(x) = σ(d(x)).

use super::{Game, Losses};
use crate::loss::{mean, softplus};

/// One step: the discriminator ascends E log D(x) + E log(1 − D(G(z))); then the generator, with fresh noise, ascends E log D(G(z)),
/// or, saturating, descends E log(1 − D(G(z))) as in equation (1).
pub fn step(game: &mut Game, t: u64, saturating: bool) -> Losses {
    let discriminator = game.move_discriminators(t, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)));
    let generator = game.move_generator(t, |d| match saturating {
        false => mean(softplus(-d[0])),
        true => -mean(softplus(d[0])),
    });
    Losses { discriminator, generator }
}
