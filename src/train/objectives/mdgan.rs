//! Che, Li, Jacob, Bengio & Li, "Mode regularized generative adversarial networks", ICLR 2017, section 3.2: the
//! manifold-diffusion GAN. D1, D2 = σ(d(x)); the encoder E makes codes of samples.

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{Logits, Terms, mean, softplus};
use crate::play::{Latent, squared_distance};

/// One step of algorithm 1. The manifold step brings samples generated from codes to the data: D1 ascends E_x [log
/// D1(x) + log(1 − D1(G(E(x))))], then G and E descend E_x [λ1 ‖x − G(E(x))‖² − λ2 log D1(G(E(x)))]. (The paper has λ1
/// = 1.) The diffusion step, on the same real samples, spreads samples over the manifold: D2 ascends E_x log
/// D2(G(E(x))) + E_z log(1 − D2(G(z))), then G ascends E_z log D2(G(z)).
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let (lambda1, lambda2) = (game.parameter("reconstruction"), game.parameter("mode_weight"));
    let tell_apart = |[real, fake]: [Logits; 2]| -> Terms { mean(softplus(-real)) + mean(softplus(fake)) };

    let d1 = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let x = play.real();
            let code = play.encoder(&x);
            let [again] = play.generator([Latent::Code(&code)]);
            let [d_x, d_again] = play.discriminator(0, [&x, &again]);
            play.note(0, Some(&d_x.output), Some(&d_again.output));
            let loss = play.loss([&d_x.output, &d_again.output], tell_apart);
            play.descend(&loss, &[Role::Discriminator(0)])
        })
    });
    let manifold = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let x = play.real();
            let code = play.encoder(&x);
            let [again] = play.generator([Latent::Code(&code)]);
            let [d_again] = play.discriminator(0, [&again]);
            let opinion = play.loss([&d_again.output], |[again]| mean(&lambda2 * softplus(-again)));
            let loss = opinion + play.column(&lambda1) * squared_distance(&x, &again);
            play.descend(&loss, &[Role::Generator, Role::Encoder])
        })
    });

    let d2 = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let (x, z) = (play.real(), play.noise());
            let code = play.encoder(&x);
            let [again, fake] = play.generator([Latent::Code(&code), Latent::Noise(&z)]);
            let [d_again, d_fake] = play.discriminator(1, [&again, &fake]);
            play.note(1, Some(&d_again.output), Some(&d_fake.output));
            let loss = play.loss([&d_again.output, &d_fake.output], tell_apart);
            play.descend(&loss, &[Role::Discriminator(1)])
        })
    });
    let diffusion = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let z = play.noise();
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [d_fake] = play.discriminator(1, [&fake]);
            let loss = play.loss([&d_fake.output], |[fake]| mean(softplus(-fake)));
            play.descend(&loss, &[Role::Generator])
        })
    });
    Losses { discriminator: d1.plus(&d2.tensor()), generator: manifold.plus(&diffusion.tensor()) }
}
