//! The blueprint: everything that fixes a job's tensor shapes and program. Jobs of one blueprint can train as one cohort.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::arch::Model;
use super::canonical;
use super::dataset::Dataset;
use super::id::BlueprintId;
use super::metric::Metric;
use super::objective::Objective;

/// What the members of a cohort share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blueprint {
    /// The real samples.
    pub dataset: Dataset,
    /// The game.
    pub objective: Objective,
    /// The players' networks.
    pub model: Model,
    /// How long and how.
    pub train: Train,
    /// What is scored, and when.
    pub score: Score,
}

/// Training: everything but the knobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// Generator steps.
    pub steps: u64,
    /// Real samples in a batch, and generated ones.
    pub batch: u32,
    /// Discriminator steps before each generator step.
    pub d_steps: u32,
    /// The generator's optimiser.
    pub generator: Optimizer,
    /// The optimiser of every discriminator.
    pub discriminator: Optimizer,
    /// How products are computed. The usual one is not written, so that jobs have the ids that they had when there was no other.
    #[serde(default, skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
}

/// How products (of matrices, and convolutions) are computed on a GPU. Weights, moments and losses are float32 in all of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// In float32; everywhere.
    #[default]
    Float32,
    /// From inputs with 10 bits of mantissa, summed in float32: NVIDIA's TensorFloat-32. GPUs from before Ampere compute in float32.
    Tf32,
    /// From inputs in bfloat16, summed in float32; a convolution's output is rounded to bfloat16.
    Bf16,
}

impl Precision {
    /// All of them, the usual one first.
    pub const ALL: [Precision; 3] = [Precision::Float32, Precision::Tf32, Precision::Bf16];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    fn is_usual(&self) -> bool {
        *self == Precision::default()
    }

    /// Whether only a GPU computes so.
    pub fn needs_gpu(self) -> bool {
        match self {
            Precision::Float32 => false,
            Precision::Tf32 | Precision::Bf16 => true,
        }
    }
}

/// An optimiser; its coefficients are knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma & Ba 2015), ε = 1e-8.
    Adam,
    /// RMSprop (Tieleman & Hinton 2012) in PyTorch's form, ε = 1e-8.
    Rmsprop,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// Scoring: which metrics, when and from how many samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Steps between scorings; the last step is always scored. 0: only the last.
    pub every: u64,
    /// Generated samples that are scored.
    pub samples: u32,
    /// Which scores.
    pub metrics: BTreeSet<Metric>,
    /// Consecutive splits of the Inception score.
    pub splits: u32,
    /// Bins along each axis of the 2-D histograms.
    pub bins: u32,
    /// The 2-D histograms cover [−range, range]².
    pub range: f64,
    /// Points a side of the exact Wasserstein distance.
    pub wasserstein_samples: u32,
}

impl Blueprint {
    /// The hash of the canonical form.
    pub fn id(&self) -> BlueprintId {
        BlueprintId::of(&canonical::bytes("blueprint", self))
    }

    /// The steps at which a job is scored, in order; the last is `train.steps`.
    pub fn score_steps(&self) -> impl Iterator<Item = u64> + '_ {
        let (every, steps) = (self.score.every, self.train.steps);
        let between = (steps - 1).checked_div(every).unwrap_or(0);
        (1..=between).map(move |n| n * every).chain(std::iter::once(steps))
    }
}

impl Optimizer {
    /// Every one.
    pub const ALL: [Optimizer; 3] = [Optimizer::Adam, Optimizer::Rmsprop, Optimizer::Sgd];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Optimizer::Adam => "adam",
            Optimizer::Rmsprop => "rmsprop",
            Optimizer::Sgd => "sgd",
        }
    }

    /// Numbers that it keeps for each weight.
    pub fn moments(self) -> u64 {
        match self {
            Optimizer::Adam => 2,
            Optimizer::Rmsprop | Optimizer::Sgd => 1,
        }
    }
}
