//! `train:`, how long and how.

use super::{Range, Used, keys};
use crate::blueprint::{Checkpoints, Optimizer, Precision};
use crate::moves::Moves;
use crate::settings::Settings;
use crate::value::{MAX_STEPS, Value};

/// Decay rates of means that run over steps.
const DECAY: Range = Range::from(0.0).below(1.0);
/// The same where each may be taken off the one before.
const SIGNED_DECAY: Range = Range::above(-1.0).below(1.0);

/// The two kinds of Adam.
const ADAM: &[Optimizer] = &[Optimizer::Adam, Optimizer::OptimisticAdam];

/// Whether there is an average at some step; after a mistake nobody knows.
pub(super) fn averages(settings: &Settings) -> bool {
    [&EMA, &EMA_HALF_LIFE].into_iter().any(|key| settings.greatest(key).is_none_or(|most| most > 0.0))
}

keys! { Train:
    /// Steps of training: in each the discriminators move `d_steps` times, and the generator `g_steps` times.
    STEPS: u64 = "steps", whole(1, MAX_STEPS).said("10000");
    /// Real samples in a batch, and generated ones.
    BATCH: u64 = "batch", whole(1, 1 << 14)
        .usually("64, or, of several generators, as many as go evenly into them", |s| {
            // As many for each; with more generators than 64, one.
            let groups = s.groups().unwrap_or(1);
            Some(Value::count(64 / groups.min(32) * groups))
        });
    /// Steps of the discriminators before each step of the generator.
    D_STEPS: u64 = "d_steps", whole(1, 1000).always(|| Value::count(1));
    /// Steps of the generator after those of the discriminators, each with fresh noise.
    G_STEPS: u64 = "g_steps", whole(1, 1000).always(|| Value::count(1));
    /// The order of moves. `alternating`: the discriminators, then the generator against them as they are then. `simultaneous`: the last of the
    /// discriminators' moves in a step and the first of the generator's follow from gradients at the same weights, as in the code of ALI and PacGAN.
    MOVES: Moves = "moves", choice().always(|| Value::Moves(Moves::Alternating));
    /// Whether the generator moves on fresh noise; `false`: on that of the discriminators' last move, so that it sees the same samples again.
    FRESH_NOISE: bool = "fresh_noise", yes_or_no().always(|| Value::flag(true));
    /// Both learning rates.
    LR: f64 = "lr", number(Range::above(0.0)).group(&[LR_GENERATOR.described(), LR_DISCRIMINATOR.described()]);
    /// The generator's learning rate.
    LR_GENERATOR: f64 = "lr_generator", number(Range::above(0.0)).parameter().always(|| Value::number(2e-4));
    /// The learning rate of every discriminator.
    LR_DISCRIMINATOR: f64 = "lr_discriminator", number(Range::above(0.0)).parameter().always(|| Value::number(2e-4));
    /// Both of Adam's decay rates: `[0.5, 0.999]`.
    ADAM_BETAS: (f64, f64) = "adam_betas", betas().group(&[ADAM_BETA1.described(), ADAM_BETA2.described()])
        .used(Used::ByOptimizer(ADAM));
    /// Adam's β1, the decay of the mean of gradients; below 0 for negative momentum (Gidel et al. 2019).
    ADAM_BETA1: f64 = "adam_beta1", number(SIGNED_DECAY).parameter().always(|| Value::number(0.5))
        .used(Used::ByOptimizer(ADAM));
    /// Adam's β2, the decay of the mean of squared gradients.
    ADAM_BETA2: f64 = "adam_beta2", number(DECAY).parameter().always(|| Value::number(0.999))
        .used(Used::ByOptimizer(ADAM));
    /// ε, which Adam and RMSprop add to the root of the mean of squared gradients.
    EPSILON: f64 = "epsilon", number(Range::above(0.0)).since(1e-8).always(|| Value::number(1e-8))
        .used(Used::ByOptimizer(&[Optimizer::Adam, Optimizer::OptimisticAdam, Optimizer::Rmsprop]));
    /// RMSprop's α, the decay of the mean of squared gradients.
    RMSPROP_DECAY: f64 = "rmsprop_decay", number(DECAY).parameter().always(|| Value::number(0.99))
        .used(Used::ByOptimizer(&[Optimizer::Rmsprop]));
    /// The momentum of SGD.
    MOMENTUM: f64 = "momentum", number(DECAY).parameter().always(|| Value::number(0.0))
        .used(Used::ByOptimizer(&[Optimizer::Sgd]));
    /// Decoupled weight decay λ (AdamW's, with every optimiser): before each of its steps, each player's weights shrink to (1 − lr·λ) times what
    /// they were. All of them, biases and the scales of normalisation included, as by PyTorch's AdamW.
    WEIGHT_DECAY: f64 = "weight_decay", number(Range::from(0.0)).since(0.0).always(|| Value::number(0.0));
    /// The largest norm of a player's whole gradient, which is scaled down to it where it is larger, as by PyTorch's clip_grad_norm_; 0 leaves
    /// gradients as they are.
    CLIP_GRADIENT: f64 = "clip_gradient", number(Range::from(0.0)).since(0.0).always(|| Value::number(0.0));
    /// λ of a moving average of the generator's weights: after each of its steps, θ̄ ← λθ̄ + (1 − λ)θ. Scores, sheets and the generators
    /// that training leaves are of the average (`score.weights`); batch normalisation's statistics are those of the generator that trains. 0:
    /// none.
    EMA: f64 = "ema", number(DECAY).since(0.0).decides().always(|| Value::number(0.0));
    /// The same said by samples (Karras et al. 2018): a weight counts half after the generator has made so many more, λ = ½^(batch / half-life),
    /// whatever the batch is. Instead of `ema`. 0: none.
    EMA_HALF_LIFE: f64 = "ema_half_life", number(Range::from(0.0)).since(0.0).decides().always(|| Value::number(0.0));
    /// Steps of training before the average begins: until then it is the generator's weights themselves.
    EMA_START: u64 = "ema_start", whole(0, MAX_STEPS).since(0.0).decides().always(|| Value::count(0))
        .used(Used::Where("`ema` or `ema_half_life` above 0", averages));
    /// Both optimisers.
    OPTIMIZER: Optimizer = "optimizer", choice().group(&[OPTIMIZER_GENERATOR.described(), OPTIMIZER_DISCRIMINATOR.described()]);
    /// The generator's optimiser.
    OPTIMIZER_GENERATOR: Optimizer = "optimizer_generator", choice().always(|| Value::Optimizer(Optimizer::Adam));
    /// The optimiser of every discriminator.
    OPTIMIZER_DISCRIMINATOR: Optimizer = "optimizer_discriminator", choice().always(|| Value::Optimizer(Optimizer::Adam));
    /// How products are computed on a GPU. Weights, moments and losses are float32 in all of these.
    PRECISION: Precision = "precision", choice().always(|| Value::Precision(Precision::Float32));
    /// Whether the state in which training ends stays, so that the same jobs with more steps go on from it. No part of a job.
    CHECKPOINTS: Checkpoints = "checkpoints", choice().usually("`keep` where the state of a job takes up to 1 MiB, else `drop`", |_| None);
}
