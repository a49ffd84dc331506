//! How players move: their optimiser and order, and which of the generator's weights make samples.

use serde::{Deserialize, Serialize};

/// An optimiser; its coefficients are parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam (Kingma & Ba 2015).
    Adam,
    /// RMSprop (Tieleman & Hinton 2012) in PyTorch's form.
    Rmsprop,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with optimism (Daskalakis et al. 2018, algorithm 1), its moments corrected for their bias.
    OptimisticAdam,
}

impl Optimizer {
    /// All optimisers.
    pub const ALL: [Optimizer; 4] = [Optimizer::Adam, Optimizer::Rmsprop, Optimizer::Sgd, Optimizer::OptimisticAdam];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Optimizer::Adam => "adam",
            Optimizer::Rmsprop => "rmsprop",
            Optimizer::Sgd => "sgd",
            Optimizer::OptimisticAdam => "optimistic_adam",
        }
    }

    /// Returns how many numbers it stores per weight.
    pub fn moments(self) -> u64 {
        match self {
            Optimizer::OptimisticAdam => 3,
            Optimizer::Adam => 2,
            Optimizer::Rmsprop | Optimizer::Sgd => 1,
        }
    }
}

/// The order in which players move within a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moves {
    /// First the discriminators, then the generator against the updated discriminators.
    #[default]
    Alternating,
    /// The discriminators' last move in a step and the generator's first one use gradients at the same weights.
    Simultaneous,
}

impl Moves {
    /// Both orders, the default first.
    pub const ALL: [Moves; 2] = [Moves::Alternating, Moves::Simultaneous];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Moves::Alternating => "alternating",
            Moves::Simultaneous => "simultaneous",
        }
    }

    pub(super) fn is_usual(&self) -> bool {
        *self == Moves::default()
    }
}

/// Which of a generator's weights make samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// Their moving average if the job keeps one, else the trained weights.
    #[default]
    Ema,
    /// The trained weights.
    Raw,
}

impl Weights {
    /// Both, the default first.
    pub const ALL: [Weights; 2] = [Weights::Ema, Weights::Raw];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Weights::Ema => "ema",
            Weights::Raw => "raw",
        }
    }

    pub(super) fn is_usual(&self) -> bool {
        *self == Weights::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::Entry;
    use crate::sweep::Sweep;

    fn entries(train: &str, rest: &str) -> Vec<Entry> {
        let text = format!("sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 100{train}}}\n{rest}\n");
        Sweep::parse("f", &text)
            .and_then(|sweep| sweep.expand())
            .unwrap_or_else(|errors| panic!("{train}: {errors}"))
            .entries
    }

    /// A setting added later is not part of jobs that do not use it, so their ids stay the same.
    #[test]
    fn a_job_is_what_it_was_before_there_was_more_to_set() {
        let plain = entries("", "").remove(0);
        for same in [
            ", epsilon: 1e-8, weight_decay: 0, clip_gradient: 0.0, ema: 0, ema_start: 7",
            ", g_steps: 1, moves: alternating, fresh_noise: true",
        ] {
            let entry = entries(same, "").remove(0);
            assert_eq!((&entry.job, entry.id), (&plain.job, plain.id), "{same}");
        }
        assert_eq!(entries("", "score: {weights: raw}").remove(0).score, plain.score);
        let others = [
            "epsilon: 1e-6",
            "weight_decay: 0.01",
            "clip_gradient: 1",
            "ema: 0.99",
            "ema: 0.99, ema_start: 7",
            "g_steps: 2",
            "moves: simultaneous",
            "fresh_noise: false",
            "optimizer: optimistic_adam",
            "adam_betas: [-0.5, 0.9]",
        ];
        let mut ids: Vec<_> = others.iter().map(|other| entries(&format!(", {other}"), "").remove(0).id).collect();
        ids.push(plain.id);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), others.len() + 1);
        // In a sweep, the points that existed before give the same jobs as before.
        for sweep in ["epsilon: [1e-8, 1e-6]", "ema: [0, 0.9]", "weight_decay: [0.1, 0]"] {
            let found = entries("", &format!("grid: {{{sweep}}}"));
            let is_plain = |entry: &&Entry| entry.id == plain.id;
            assert_eq!((found.len(), found.iter().filter(is_plain).count()), (2, 1), "{sweep}");
            assert!(found.iter().all(|entry| entry.axes.len() == 1), "{sweep}");
            assert_eq!(found[0].job.blueprint, found[1].job.blueprint, "{sweep}: they train together");
        }
    }

    /// `ema_start` and `weights` only matter together with an average, whichever of them is swept.
    #[test]
    fn an_average_has_what_belongs_to_it() {
        let found = entries(", ema_start: 50", "grid: {ema: [0, 0.9]}\nscore: {weights: raw}");
        let of = |entry: &Entry| {
            let number = |name| entry.job.parameters.number(name);
            (number("ema"), number("ema_start"), entry.score.weights)
        };
        assert_eq!(
            found.iter().map(of).collect::<Vec<_>>(),
            [(None, None, Weights::Ema), (Some(0.9), Some(50.0), Weights::Raw)]
        );
        let both = entries(", ema: 0.9", "grid: {weights: [ema, raw]}");
        assert_eq!((both[0].id, both.len()), (both[1].id, 2), "one training, two scorings");
        for metric in &both[0].score.metrics {
            assert_ne!(both[0].score.asked(*metric), both[1].score.asked(*metric));
        }
        let text = "sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {steps: 9, ema: 0.9, ema_start: 9}";
        let errors = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap_err().to_string();
        assert!(errors.contains("f:4:40: train.ema_start: the average starts after step 9"), "{errors}");
    }
}
