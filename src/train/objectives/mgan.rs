//! Hoang, Nguyen, Le & Phung, "MGAN: training generative adversarial nets with multiple generators", ICLR 2018. The
//! generators share all layers except the first ([`sweep_spec::arch::Layer::Mixture`]), and each makes the same number
//! of samples. D(x) = σ(d(x)) and the classifier C of generators share all layers except the last.

use tch::{Kind, Tensor};

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{Column, mean, softplus};
use crate::play::{self, Latent, Play};

/// One step on equation (4), with K generators and π = 1/K,
///
/// min_{G,C} max_D E_x log D(x) + E log(1 − D(G(z))) − β Σₖ πₖ E log Cₖ(Gₖ(z)).
///
/// D ascends it and C descends it; then the generators, with fresh noise, ascend E log D(G(z)) + β Σₖ πₖ E log
/// Cₖ(Gₖ(z)), as in the authors' code: the classifier should be able to tell samples of different generators apart.
pub(super) fn step(game: &mut Game, t: u64, generators: u32) -> Losses {
    let beta = game.parameter("diversity");
    let discriminator = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let (x, z) = (play.real(), play.noise());
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [real, fake] = play.discriminator(0, [&x, &fake]).map(|opinion| opinion.output);
            play.note(0, Some(&logit(&real)), Some(&logit(&fake)));
            let opinions =
                play.loss([&logit(&real), &logit(&fake)], |[real, fake]| mean(softplus(-real)) + mean(softplus(fake)));
            let loss = opinions + origin(play, &beta, &fake, generators);
            play.descend(&loss, &[Role::Discriminator(0)])
        })
    });
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let z = play.noise();
            let [fake] = play.generator([Latent::Noise(&z)]);
            let [fake] = play.discriminator(0, [&fake]).map(|opinion| opinion.output);
            let opinions = play.loss([&logit(&fake)], |[fake]| mean(softplus(-fake)));
            let loss = opinions + origin(play, &beta, &fake, generators);
            play.descend(&loss, &[Role::Generator])
        })
    });
    Losses { discriminator, generator }
}

/// D's logits, `[K, rows, 1]`.
fn logit(output: &Tensor) -> Tensor {
    output.narrow(-1, 0, 1)
}

/// −β E log C of the generator that made each row, `[K]`; generators take turns.
fn origin(play: &Play, beta: &Column, output: &Tensor, generators: u32) -> Tensor {
    let generators = i64::from(generators);
    let logits = output.narrow(-1, 1, generators);
    let turns = logits.log_softmax(-1, None::<Kind>).unflatten(1, [-1, generators]);
    let own = turns.diagonal(0, -2, -1);
    -play.column(beta) * play::mean(&own)
}
