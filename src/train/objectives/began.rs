//! Berthelot, Schumm & Metz, "BEGAN: boundary equilibrium generative adversarial networks", 2017. The critic D is an
//! auto-encoder.

use tch::Tensor;

use super::{Game, Losses};
use crate::game::Role;
use crate::play::{Latent, Play, mean};

/// One step of section 3.3, with the loss L(v) = |v − D(v)| of a sample v, averaged over its values: the critic
/// descends L(x) − k L(G(z)); then the generator, with fresh noise, descends L(G(z)); then each member's k, which
/// starts at 0, follows the balance, k ← k + λ (γ L(x) − L(G(z))), within [0, 1].
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let (gamma, lambda) = (game.parameter("diversity_ratio"), game.parameter("balance_rate"));
    let k = game.kept("k").copy();
    let mut of_real = None;
    let discriminator = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let (x, z) = (play.real(), play.noise());
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [real, fake] = losses(play, [&x, &fake]);
            play.note(0, Some(&real), Some(&fake));
            of_real = Some(real.detach());
            play.descend(&(real - &k * fake), &[Role::Discriminator(0)])
        })
    });
    let of_real = of_real.expect("at least one round");
    let mut next = k.copy();
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let z = play.noise();
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [loss] = losses(play, [&fake]);
            let balance = play.column(&gamma) * &of_real - loss.detach();
            next = (&k + play.column(&lambda) * balance).clamp(0.0, 1.0);
            play.descend(&loss, &[Role::Generator])
        })
    });
    *game.kept("k") = next;
    Losses { discriminator, generator }
}

/// E |v − D(v)| of each batch, `[K]`.
fn losses<const B: usize>(play: &mut Play, batches: [&Tensor; B]) -> [Tensor; B] {
    let decoded = play.discriminator(0, batches);
    let loss = |i: usize| mean(&(play.pack(batches[i]) - &decoded[i].output).abs());
    std::array::from_fn(loss)
}
