//! Nguyen, Le, Vu & Phung, "Dual discriminator generative adversarial nets", NIPS 2017, with the denoising feature
//! matching of Warde-Farley & Bengio, ICLR 2017, which the former propose as future work. D1, D2 = softplus(d) ≥ 0;
//! φ(x) is the input of D1's last layer.

use super::dfm::{learn_to_denoise, match_denoised};
use super::{Game, Losses};
use crate::loss::{log_softplus, mean, softplus};

/// One step: both discriminators ascend D2GAN's equation (1), and the denoiser descends E_x ‖φ(x) − r(φ(x) + n)‖², n ~
/// N(0, I); then the generator, with fresh noise, descends its terms of equation (1) and λ E_z ‖φ(G(z)) − r(φ(G(z)))‖²
/// with r(φ(G(z))) held constant.
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let (alpha, beta) = (game.parameter("alpha"), game.parameter("beta"));
    let discriminator = game.each_round(t, |game, round| {
        let loss = game.move_discriminators_once(round, |d| {
            let j1 = mean(&alpha * log_softplus(d[0].real)) - mean(softplus(d[0].fake));
            let j2 = mean(&beta * log_softplus(d[1].fake)) - mean(softplus(d[1].real));
            -(j1 + j2)
        });
        learn_to_denoise(game, round);
        loss
    });
    let lambda = game.parameter("denoising");
    let generator = match_denoised(game, t, &lambda, |[d1, d2]| mean(&beta * log_softplus(d2)) - mean(softplus(d1)));
    Losses { discriminator, generator }
}
