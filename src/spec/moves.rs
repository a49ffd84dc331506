//! How players move: by which optimiser and in which order; and which of a generator's weights are looked at.

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
    /// Every one.
    pub const ALL: [Optimizer; 4] = [Optimizer::Adam, Optimizer::Rmsprop, Optimizer::Sgd, Optimizer::OptimisticAdam];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Optimizer::Adam => "adam",
            Optimizer::Rmsprop => "rmsprop",
            Optimizer::Sgd => "sgd",
            Optimizer::OptimisticAdam => "optimistic_adam",
        }
    }

    /// Numbers that it keeps for each weight.
    pub fn moments(self) -> u64 {
        match self {
            Optimizer::OptimisticAdam => 3,
            Optimizer::Adam => 2,
            Optimizer::Rmsprop | Optimizer::Sgd => 1,
        }
    }
}

/// In which order players move in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moves {
    /// The discriminators, then the generator against them as they are then.
    #[default]
    Alternating,
    /// The last of the discriminators' moves in a step and the first of the generator's follow from gradients at the same weights.
    Simultaneous,
}

impl Moves {
    /// Both, the usual one first.
    pub const ALL: [Moves; 2] = [Moves::Alternating, Moves::Simultaneous];

    /// The name in YAML.
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
    /// Their moving average, where there is one; those that train in other jobs.
    #[default]
    Ema,
    /// Those that train.
    Raw,
}

impl Weights {
    /// Both, the usual ones first.
    pub const ALL: [Weights; 2] = [Weights::Ema, Weights::Raw];

    /// The name in YAML.
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

    /// What there was not at first is no part of a job that does without it: jobs have the ids that they had then.
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
        // Swept, the points that were there before are the jobs that they were.
        for sweep in ["epsilon: [1e-8, 1e-6]", "ema: [0, 0.9]", "weight_decay: [0.1, 0]"] {
            let found = entries("", &format!("grid: {{{sweep}}}"));
            let is_plain = |entry: &&Entry| entry.id == plain.id;
            assert_eq!((found.len(), found.iter().filter(is_plain).count()), (2, 1), "{sweep}");
            assert!(found.iter().all(|entry| entry.axes.len() == 1), "{sweep}");
            assert_eq!(found[0].job.blueprint, found[1].job.blueprint, "{sweep}: they train together");
        }
    }

    /// A starting step belongs to an average, and so does the choice of weights, whichever of them is swept.
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
        assert!(errors.contains("f:4:40: train.ema_start: the average begins after step 9"), "{errors}");
    }
}
