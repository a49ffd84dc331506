//! `train:`, how long and how.

use super::{Range, Used, keys};
use crate::blueprint::{Checkpoints, Optimizer, Precision};
use crate::value::{MAX_STEPS, Value};

/// Decay rates of means that run over steps.
const DECAY: Range = Range::from(0.0).below(1.0);

keys! { Train:
    /// Steps of the generator.
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
    /// Both learning rates.
    LR: f64 = "lr", number(Range::above(0.0)).group(&[LR_GENERATOR.described(), LR_DISCRIMINATOR.described()]);
    /// The generator's learning rate.
    LR_GENERATOR: f64 = "lr_generator", number(Range::above(0.0)).parameter().always(|| Value::number(2e-4));
    /// The learning rate of every discriminator.
    LR_DISCRIMINATOR: f64 = "lr_discriminator", number(Range::above(0.0)).parameter().always(|| Value::number(2e-4));
    /// Both of Adam's decay rates: `[0.5, 0.999]`.
    ADAM_BETAS: (f64, f64) = "adam_betas", betas().group(&[ADAM_BETA1.described(), ADAM_BETA2.described()])
        .used(Used::ByOptimizer(Optimizer::Adam));
    /// Adam's β1, the decay of the mean of gradients.
    ADAM_BETA1: f64 = "adam_beta1", number(DECAY).parameter().always(|| Value::number(0.5))
        .used(Used::ByOptimizer(Optimizer::Adam));
    /// Adam's β2, the decay of the mean of squared gradients.
    ADAM_BETA2: f64 = "adam_beta2", number(DECAY).parameter().always(|| Value::number(0.999))
        .used(Used::ByOptimizer(Optimizer::Adam));
    /// RMSprop's α, the decay of the mean of squared gradients.
    RMSPROP_DECAY: f64 = "rmsprop_decay", number(DECAY).parameter().always(|| Value::number(0.99))
        .used(Used::ByOptimizer(Optimizer::Rmsprop));
    /// The momentum of SGD.
    MOMENTUM: f64 = "momentum", number(DECAY).parameter().always(|| Value::number(0.0))
        .used(Used::ByOptimizer(Optimizer::Sgd));
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
