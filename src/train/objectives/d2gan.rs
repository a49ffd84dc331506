//! Nguyen, Le, Vu & Phung, "Dual discriminator generative adversarial nets", NIPS 2017. D1, D2 = softplus(d) ≥ 0.

use super::{Game, Losses};
use crate::loss::{log_softplus, mean, softplus};

/// One step on equation (1),
///
/// min_G max_{D1,D2} J = α E_x log D1(x) − E_z D1(G(z)) − E_x D2(x) + β E_z log D2(G(z)).
///
/// Both discriminators ascend J on the same batches; then the generator, with fresh noise, descends the terms of J that it is in.
/// α and β multiply the logarithms alone.
pub fn step(game: &mut Game, t: u64) -> Losses {
    let (alpha, beta) = (game.parameter("alpha"), game.parameter("beta"));
    let discriminator = game.move_discriminators(t, |d| {
        let (d1, d2) = (d[0], d[1]);
        let j1 = mean(&alpha * log_softplus(d1.real)) - mean(softplus(d1.fake));
        let j2 = mean(&beta * log_softplus(d2.fake)) - mean(softplus(d2.real));
        -(j1 + j2)
    });
    let generator = game.move_generator(t, |d| mean(&beta * log_softplus(d[1])) - mean(softplus(d[0])));
    Losses { discriminator, generator }
}
