//! `train:`, the length and settings of training.

use super::{Range, Used, keys};
use crate::blueprint::{Checkpoints, Optimizer, Precision};
use crate::moves::Moves;
use crate::settings::Settings;
use crate::value::{MAX_STEPS, SettingValue};

/// Decay rates of running means.
const DECAY: Range = Range::from(0.0).below(1.0);
/// Decay rates that may be negative.
const SIGNED_DECAY: Range = Range::above(-1.0).below(1.0);

/// Both kinds of Adam.
const ADAM: &[Optimizer] = &[Optimizer::Adam, Optimizer::OptimisticAdam];

/// Returns whether there is an average at some step. After a mistake, assumes that there is.
pub(super) fn averages(settings: &Settings) -> bool {
    [&EMA, &EMA_HALF_LIFE].into_iter().any(|key| settings.greatest(key).is_none_or(|most| most > 0.0))
}

keys! { Train:
    /// Training steps. In each, the discriminators move `d_steps` times, and the generator `g_steps` times.
    STEPS: u64 = "steps", whole(1, MAX_STEPS).said("10000");
    /// Number of real samples in a batch, and of generated ones.
    BATCH: u64 = "batch", whole(1, 1 << 14)
        .usually("64; with several generators, a multiple of their number", |s| {
            // The same number for each generator; with more than 64 generators, one each.
            let groups = s.groups().unwrap_or(1);
            Some(SettingValue::count(64 / groups.min(32) * groups))
        });
    /// Discriminator steps before each generator step.
    D_STEPS: u64 = "d_steps", whole(1, 1000).always(|| SettingValue::count(1));
    /// Generator steps after the discriminators' steps, each with fresh noise.
    G_STEPS: u64 = "g_steps", whole(1, 1000).always(|| SettingValue::count(1));
    /// The order of moves. `alternating`: the discriminators move first, then the generator against the updated
    /// discriminators. `simultaneous`: the discriminators' last move in a step and the generator's first one use
    /// gradients at the same weights, as in the code of ALI and PacGAN.
    MOVES: Moves = "moves", choice().always(|| SettingValue::Moves(Moves::Alternating));
    /// Whether the generator gets fresh noise. `false`: it gets the noise of the discriminators' last move, and so the
    /// same samples.
    FRESH_NOISE: bool = "fresh_noise", yes_or_no().always(|| SettingValue::flag(true));
    /// Sets both learning rates.
    LR: f64 = "lr", number(Range::above(0.0)).group(&[LR_GENERATOR.described(), LR_DISCRIMINATOR.described()]);
    /// The generator's learning rate.
    LR_GENERATOR: f64 = "lr_generator", number(Range::above(0.0)).parameter().always(|| SettingValue::number(2e-4));
    /// The learning rate of every discriminator.
    LR_DISCRIMINATOR: f64 = "lr_discriminator", number(Range::above(0.0)).parameter()
        .always(|| SettingValue::number(2e-4));
    /// Sets both of Adam's decay rates: `[0.5, 0.999]`.
    ADAM_BETAS: (f64, f64) = "adam_betas", betas().group(&[ADAM_BETA1.described(), ADAM_BETA2.described()])
        .used(Used::ByOptimizer(ADAM));
    /// Adam's β1, the decay of the mean of gradients. Negative values give negative momentum (Gidel et al. 2019).
    ADAM_BETA1: f64 = "adam_beta1", number(SIGNED_DECAY).parameter().always(|| SettingValue::number(0.5))
        .used(Used::ByOptimizer(ADAM));
    /// Adam's β2, the decay of the mean of squared gradients.
    ADAM_BETA2: f64 = "adam_beta2", number(DECAY).parameter().always(|| SettingValue::number(0.999))
        .used(Used::ByOptimizer(ADAM));
    /// ε, which Adam and RMSprop add to the root of the mean of squared gradients.
    EPSILON: f64 = "epsilon", number(Range::above(0.0)).since(1e-8).always(|| SettingValue::number(1e-8))
        .used(Used::ByOptimizer(&[Optimizer::Adam, Optimizer::OptimisticAdam, Optimizer::Rmsprop]));
    /// RMSprop's α, the decay of the mean of squared gradients.
    RMSPROP_DECAY: f64 = "rmsprop_decay", number(DECAY).parameter().always(|| SettingValue::number(0.99))
        .used(Used::ByOptimizer(&[Optimizer::Rmsprop]));
    /// The momentum of SGD.
    MOMENTUM: f64 = "momentum", number(DECAY).parameter().always(|| SettingValue::number(0.0))
        .used(Used::ByOptimizer(&[Optimizer::Sgd]));
    /// Decoupled weight decay λ, as in AdamW, with every optimiser: before each optimiser step, the player's weights
    /// are multiplied by 1 − lr·λ. This includes biases and the scales of normalisation, as in PyTorch's AdamW.
    WEIGHT_DECAY: f64 = "weight_decay", number(Range::from(0.0)).since(0.0).always(|| SettingValue::number(0.0));
    /// The largest norm of a player's whole gradient. Larger gradients are scaled down to it, as in PyTorch's
    /// clip_grad_norm_. 0 leaves gradients unchanged.
    CLIP_GRADIENT: f64 = "clip_gradient", number(Range::from(0.0)).since(0.0).always(|| SettingValue::number(0.0));
    /// λ of a moving average of the generator's weights: after each generator step, θ̄ ← λθ̄ + (1 − λ)θ. Scores, sheets
    /// and saved generators use the average (see `score.weights`); the statistics of batch normalisation are those of
    /// the trained generator. 0: no average.
    EMA: f64 = "ema", number(DECAY).since(0.0).decides().always(|| SettingValue::number(0.0));
    /// The same as `ema`, given as a number of samples (Karras et al. 2018): a weight's share in the average halves
    /// after the generator has made this many more samples, λ = ½^(batch / half-life), whatever the batch size. Use it
    /// instead of `ema`. 0: no average.
    EMA_HALF_LIFE: f64 = "ema_half_life", number(Range::from(0.0)).since(0.0).decides()
        .always(|| SettingValue::number(0.0));
    /// The training step after which the average starts. Until then, it equals the generator's weights.
    EMA_START: u64 = "ema_start", whole(0, MAX_STEPS).since(0.0).decides().always(|| SettingValue::count(0))
        .used(Used::Where("`ema` or `ema_half_life` above 0", averages));
    /// Sets both optimisers.
    OPTIMIZER: Optimizer = "optimizer", choice()
        .group(&[OPTIMIZER_GENERATOR.described(), OPTIMIZER_DISCRIMINATOR.described()]);
    /// The generator's optimiser.
    OPTIMIZER_GENERATOR: Optimizer = "optimizer_generator", choice()
        .always(|| SettingValue::Optimizer(Optimizer::Adam));
    /// The optimiser of every discriminator.
    OPTIMIZER_DISCRIMINATOR: Optimizer = "optimizer_discriminator", choice()
        .always(|| SettingValue::Optimizer(Optimizer::Adam));
    /// The precision of matrix products and convolutions on a GPU. Weights, moments and losses are always float32.
    PRECISION: Precision = "precision", choice().always(|| SettingValue::Precision(Precision::Float32));
    /// Whether the final checkpoint is kept, so that the same jobs with more steps can continue from it. Not part of a
    /// job.
    CHECKPOINTS: Checkpoints = "checkpoints", choice().usually("`keep` if the state of a job takes up to 1 MiB, else \
        `drop`", |_| None);
}
