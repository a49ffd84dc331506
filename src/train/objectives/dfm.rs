//! Warde-Farley & Bengio, "Improving generative adversarial networks with denoising feature matching", ICLR 2017. D(x)
//! = σ(d(x)), φ(x) is the input of D's last layer, and the denoiser r recovers features from noisy ones.

use super::{Game, Losses};
use crate::game::{Role, Round};
use crate::loss::{Column, Logits, PerMember, Terms, mean, softplus};
use crate::play::{Latent, squared_distance};

/// One step: the discriminator moves as in the GAN of Goodfellow et al., and the denoiser descends E_x ‖φ(x) − r(φ(x) +
/// n)‖², n ~ N(0, I); then the generator, with fresh noise, descends E_z [−log D(G(z)) + λ ‖φ(G(z)) − r(φ(G(z)))‖²], in
/// which r(φ(G(z))) is constant: features move to the denoiser's output, and the gradient does not flow through the
/// denoiser.
pub(crate) fn step(game: &mut Game, t: u64) -> Losses {
    let discriminator = game.each_round(t, |game, round| {
        let loss = game.move_discriminators_once(round, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)));
        learn_to_denoise(game, round);
        loss
    });
    let lambda = game.parameter("denoising");
    let generator = match_denoised(game, t, &lambda, |d: [Logits; 1]| mean(softplus(-d[0])));
    Losses { discriminator, generator }
}

/// The denoiser's move: learns to recover the first discriminator's features of real samples from noisy ones.
pub(crate) fn learn_to_denoise(game: &mut Game, round: Round) {
    game.play(round, |play| {
        let x = play.real();
        let [d] = play.discriminator(0, [&x]);
        let features = d.features.detach();
        let noisy = &features + play.normal_like(&features, 0);
        let clean = play.denoiser(&noisy);
        play.descend(&squared_distance(&features, &clean), &[Role::Denoiser]);
    });
}

/// The generator's moves at step `t`: on the loss that `formula` makes of the discriminators' logits, plus the distance
/// of the first one's features to the denoiser's output for them, which is constant.
pub(crate) fn match_denoised<const D: usize>(
    game: &mut Game,
    t: u64,
    lambda: &Column,
    formula: impl Fn([Logits; D]) -> Terms,
) -> PerMember {
    game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let z = play.noise();
            let [fake] = play.generator([Latent::Noise(&z)]);
            let d: [_; D] = std::array::from_fn(|i| {
                let [opinion] = play.discriminator(i, [&fake]);
                opinion
            });
            let clean = play.denoiser(&d[0].features).detach();
            let opinions = play.loss(d.each_ref().map(|d| &d.output), &formula);
            let loss = opinions + play.column(lambda) * squared_distance(&d[0].features, &clean);
            play.descend(&loss, &[Role::Generator])
        })
    })
}
