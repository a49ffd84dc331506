//! Srivastava, Valkov, Russell, Gutmann & Sutton, "VEEGAN: reducing mode collapse in GANs using implicit variational
//! learning", NIPS 2017. D = σ(d(z, x)) judges samples with their noise, with target 1 for the generator's pairs; the
//! reconstructor F, the encoder of this game, maps samples to noise.

use tch::Tensor;

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{mean, softplus};
use crate::play::{self, Latent, Play, squared_distance};

/// One step of algorithm 1: the discriminator descends −E log σ(d(z, G(z))) − E log(1 − σ(d(F(x), x))); the generator
/// and the reconstructor descend
///
/// E d(z, G(z)) + λ E ‖z − F(G(z))‖²,
///
/// with d itself, the log density ratio of the generator's pairs, which does not depend on F. (The paper has λ = 1, and
/// all gradients at the same weights on the same samples, as with `moves: simultaneous` and `fresh_noise: false`.)
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let lambda = game.parameter("noise_reconstruction");
    let discriminator = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let (x, (z, fake)) = (play.real(), generate(play));
            let code = play.encoder(&x);
            let [of_data, of_noise] = play.joint_discriminator(0, [(&x, &code), (&fake, &z)]);
            play.note(0, Some(&of_data), Some(&of_noise));
            let loss = play
                .loss([&of_data, &of_noise], |[of_data, of_noise]| mean(softplus(-of_noise)) + mean(softplus(of_data)));
            play.descend(&loss, &[Role::Discriminator(0)])
        })
    });
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let (z, fake) = generate(play);
            let again = play.encoder(&fake);
            let [of_noise] = play.joint_discriminator(0, [(&fake, &z)]);
            let loss = play::mean(&of_noise) + play.column(&lambda) * squared_distance(&z, &again);
            play.descend(&loss, &[Role::Generator, Role::Encoder])
        })
    });
    Losses { discriminator, generator }
}

/// Noise and the samples generated from it.
fn generate(play: &mut Play) -> (Tensor, Tensor) {
    let z = play.noise();
    let [fake] = play.generator([Latent::Noise(&z)]);
    (z, fake)
}
