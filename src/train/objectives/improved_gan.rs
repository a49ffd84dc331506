//! Salimans et al., "Improved techniques for training GANs", NIPS 2016. D(x) = σ(d(x)) has a layer that compares the
//! samples of a batch (section 3.2, [`sweep_spec::arch::Layer::MinibatchDiscrimination`]); f(x) is the input of its
//! last layer.

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{mean, softplus};
use crate::play::Latent;
use tch::Kind;

/// One step: the discriminator moves as in the GAN of Goodfellow et al.; then the generator, with fresh noise, ascends
/// E log D(G(z)) or, with feature matching, descends ‖E_x f(x) − E_z f(G(z))‖² (section 3.1).
pub(super) fn step(game: &mut Game, t: u64, feature_matching: bool) -> Losses {
    let discriminator = game.move_discriminators(t, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)));
    let generator = match feature_matching {
        false => game.move_generator(t, |d| mean(softplus(-d[0]))),
        true => game.each_generator_round(t, |game, round| {
            game.play(round, |play| {
                let (x, z) = (play.real(), play.noise());
                let [fake] = play.generator([Latent::Noise(&z)]);
                let [d_x, d_fake] = play.discriminator(0, [&x, &fake]);
                let difference =
                    (d_x.features.detach() - d_fake.features).mean_dim([1].as_slice(), false, None::<Kind>);
                let loss = difference.square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
                play.descend(&loss, &[Role::Generator])
            })
        }),
    };
    Losses { discriminator, generator }
}
