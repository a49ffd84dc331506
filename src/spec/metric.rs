//! Scores: their stable names, which direction is better, and which data they apply to.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;

/// One score. A new one is a variant here and a file in `metrics/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Exact W1 between n generated and n real points, Euclidean cost.
    Wasserstein,
    /// Mean of both KL divergences between 2-D histograms.
    SymmetricKl,
    /// Modes or classes hit by at least one sample.
    ModesCovered,
    /// Share of samples within 3σ of the nearest mode.
    HighQuality,
    /// exp(E KL(p(y|x) ‖ p(y))), mean over splits.
    InceptionScore,
    /// exp(E KL(p(y|x) ‖ p(y)) − KL(p(y) ‖ p̃(y))).
    ModeScore,
    /// exp(E KL(p(y|x) ‖ p̃) − KL(p(y) ‖ p̃)): as printed, which equals the Inception score.
    ModeScorePrinted,
    /// exp(E KL(p(y|x) ‖ p̃) − KL(p̃ ‖ p(y))).
    ModeScoreReversed,
    /// KL(histogram of hit modes ‖ uniform).
    ModeKl,
    /// Fréchet distance of Gaussian fits to features.
    Frechet,
}

/// Which way a score improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
}

impl Metric {
    /// Every metric, in the order in which tables show them.
    pub const ALL: [Metric; 10] = [
        Metric::Wasserstein,
        Metric::SymmetricKl,
        Metric::ModesCovered,
        Metric::HighQuality,
        Metric::InceptionScore,
        Metric::ModeScore,
        Metric::ModeScorePrinted,
        Metric::ModeScoreReversed,
        Metric::ModeKl,
        Metric::Frechet,
    ];

    /// The name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Wasserstein => "wasserstein",
            Metric::SymmetricKl => "symmetric_kl",
            Metric::ModesCovered => "modes_covered",
            Metric::HighQuality => "high_quality",
            Metric::InceptionScore => "inception_score",
            Metric::ModeScore => "mode_score",
            Metric::ModeScorePrinted => "mode_score_printed",
            Metric::ModeScoreReversed => "mode_score_reversed",
            Metric::ModeKl => "mode_kl",
            Metric::Frechet => "frechet",
        }
    }

    /// Which way it improves.
    pub fn better(self) -> Direction {
        match self {
            Metric::Wasserstein | Metric::SymmetricKl | Metric::ModeKl | Metric::Frechet => Direction::Lower,
            Metric::ModesCovered
            | Metric::HighQuality
            | Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed => Direction::Higher,
        }
    }

    /// What one unit of the value is; empty for pure numbers.
    pub fn unit(self) -> &'static str {
        match self {
            Metric::Wasserstein => "data units",
            Metric::SymmetricKl | Metric::ModeKl => "nats",
            Metric::ModesCovered => "modes",
            Metric::HighQuality => "share",
            Metric::Frechet => "squared feature units",
            Metric::InceptionScore | Metric::ModeScore | Metric::ModeScorePrinted | Metric::ModeScoreReversed => "",
        }
    }

    /// Changes when the same samples would give another value.
    pub fn version(self) -> u32 {
        1
    }

    /// Whether the score is defined on this data set.
    pub fn applies(self, dataset: &Dataset) -> bool {
        let (points, digits, stacked) = match dataset {
            Dataset::Gaussians(_) => (true, false, false),
            Dataset::Mnist | Dataset::FashionMnist => (false, true, false),
            Dataset::Mnist1k => (false, false, true),
            // No scoring network knows these.
            Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => (false, false, false),
        };
        match self {
            Metric::Wasserstein | Metric::SymmetricKl | Metric::HighQuality => points,
            Metric::ModesCovered | Metric::ModeKl => points || digits || stacked,
            Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed
            | Metric::Frechet => digits,
        }
    }
}
