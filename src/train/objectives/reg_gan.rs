//! Che, Li, Jacob, Bengio & Li, "Mode regularized generative adversarial networks", ICLR 2017, section 3.1. D(x) =
//! σ(d(x)); the encoder E makes codes of samples.

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{mean, softplus};
use crate::play::{Latent, squared_distance};

/// One step: the discriminator moves as in the GAN of Goodfellow et al.; then, with fresh noise, the generator descends
/// T_G and the encoder T_E,
///
/// T_G = −E_z log D(G(z)) + T_E,
/// T_E = E_x [λ1 ‖x − G(E(x))‖² − λ2 log D(G(E(x)))]:
///
/// samples generated from real samples' codes should equal these samples and pass for real. More log D is better, so it
/// is subtracted.
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let (lambda1, lambda2) = (game.parameter("reconstruction"), game.parameter("mode_weight"));
    let discriminator = game.move_discriminators(t, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)));
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let (x, z) = (play.real(), play.noise());
            let code = play.encoder(&x);
            let [fake, again] = play.generator([Latent::Noise(&z), Latent::Code(&code)]);
            let [d_fake, d_again] = play.discriminator(0, [&fake, &again]);
            let opinions = play.loss([&d_fake.output, &d_again.output], |[fake, again]| {
                mean(softplus(-fake)) + mean(&lambda2 * softplus(-again))
            });
            let loss = opinions + play.column(&lambda1) * squared_distance(&x, &again);
            play.descend(&loss, &[Role::Generator, Role::Encoder])
        })
    });
    Losses { discriminator, generator }
}
