//! Dumoulin et al., "Adversarially learned inference", ICLR 2017. D(x, z) = σ(d(x, z)) judges samples with their codes;
//! the encoder returns the means and log variances of a sample's code.

use tch::Tensor;

use super::{Game, Losses};
use crate::game::Role;
use crate::loss::{mean, softplus};
use crate::play::{Latent, Play};

/// Bounds for log variances of codes, as is usual for encoders (Rombach et al. 2022, "High-resolution image synthesis
/// with latent diffusion models", in their code). There is no gradient beyond them.
const LOG_VARIANCE: [f64; 2] = [-30.0, 20.0];

/// One step of algorithm 1. With ẑ = μ(x) + σ(x) ε, ε ~ N(0, I), the discriminator ascends E log D(x, ẑ) + E log(1 −
/// D(G(z), z)); then the generator and the encoder, with fresh noise, ascend E log(1 − D(x, ẑ)) + E log D(G(z), z).
pub(super) fn step(game: &mut Game, t: u64) -> Losses {
    let discriminator = game.each_round(t, |game, round| {
        game.play(round, |play| {
            let [encoded, generated] = judge(play);
            play.note(0, Some(&encoded), Some(&generated));
            let loss = play.loss([&encoded, &generated], |[encoded, generated]| {
                mean(softplus(-encoded)) + mean(softplus(generated))
            });
            play.descend(&loss, &[Role::Discriminator(0)])
        })
    });
    let generator = game.each_generator_round(t, |game, round| {
        game.play(round, |play| {
            let [encoded, generated] = judge(play);
            let loss = play.loss([&encoded, &generated], |[encoded, generated]| {
                mean(softplus(encoded)) + mean(softplus(-generated))
            });
            play.descend(&loss, &[Role::Generator, Role::Encoder])
        })
    });
    Losses { discriminator, generator }
}

/// The logits of real samples with their codes, and of codes with the samples generated from them.
fn judge(play: &mut Play) -> [Tensor; 2] {
    let (x, z) = (play.real(), play.noise());
    let moments = play.encoder(&x);
    let [mean, log_variance]: [Tensor; 2] = moments.chunk(2, -1).try_into().expect("means and log variances");
    // A discriminator with normalisation does not notice how large codes are, so the encoder would let them grow until
    // they overflow.
    let log_variance = log_variance.clamp(LOG_VARIANCE[0], LOG_VARIANCE[1]);
    let code = &mean + (log_variance * 0.5).exp() * play.normal_like(&mean, 0);
    let [fake] = play.generator([Latent::Noise(&z)]);
    play.joint_discriminator(0, [(&x, &code), (&fake, &z)])
}
