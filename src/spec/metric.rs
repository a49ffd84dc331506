//! Scores: their stable names, which direction is better, and which data they apply to.

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::own::Shape;
use super::scoring::ScoringNetwork;

/// One score. A new one is a variant here and a file in `metrics/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Exact W1 between generated and real points, even weights on either side, Euclidean cost.
    Wasserstein,
    /// W1 along random directions, averaged.
    SlicedWasserstein,
    /// Transport cost under the plan of entropic optimal transport.
    Sinkhorn,
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
    /// Unbiased MMD² of features with a cubic kernel, mean over subsets.
    Kid,
    /// Share of generated samples within the real manifold.
    Precision,
    /// Share of real samples within the generated manifold.
    Recall,
    /// How many real neighbourhoods a generated sample is in, over k.
    Density,
    /// Share of real samples with a generated one in their neighbourhood.
    Coverage,
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
    pub const ALL: [Metric; 17] = [
        Metric::Wasserstein,
        Metric::SlicedWasserstein,
        Metric::Sinkhorn,
        Metric::SymmetricKl,
        Metric::ModesCovered,
        Metric::HighQuality,
        Metric::InceptionScore,
        Metric::ModeScore,
        Metric::ModeScorePrinted,
        Metric::ModeScoreReversed,
        Metric::ModeKl,
        Metric::Frechet,
        Metric::Kid,
        Metric::Precision,
        Metric::Recall,
        Metric::Density,
        Metric::Coverage,
    ];

    /// The name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Wasserstein => "wasserstein",
            Metric::SlicedWasserstein => "sliced_wasserstein",
            Metric::Sinkhorn => "sinkhorn",
            Metric::SymmetricKl => "symmetric_kl",
            Metric::ModesCovered => "modes_covered",
            Metric::HighQuality => "high_quality",
            Metric::InceptionScore => "inception_score",
            Metric::ModeScore => "mode_score",
            Metric::ModeScorePrinted => "mode_score_printed",
            Metric::ModeScoreReversed => "mode_score_reversed",
            Metric::ModeKl => "mode_kl",
            Metric::Frechet => "frechet",
            Metric::Kid => "kid",
            Metric::Precision => "precision",
            Metric::Recall => "recall",
            Metric::Density => "density",
            Metric::Coverage => "coverage",
        }
    }

    /// Which way it improves.
    pub fn better(self) -> Direction {
        match self {
            Metric::Wasserstein
            | Metric::SlicedWasserstein
            | Metric::Sinkhorn
            | Metric::SymmetricKl
            | Metric::ModeKl
            | Metric::Frechet
            | Metric::Kid => Direction::Lower,
            Metric::ModesCovered
            | Metric::HighQuality
            | Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed
            | Metric::Precision
            | Metric::Recall
            | Metric::Density
            | Metric::Coverage => Direction::Higher,
        }
    }

    /// What one unit of the value is; empty for pure numbers.
    pub fn unit(self) -> &'static str {
        match self {
            // Of points, the units of the data; of images, of the scoring network's features.
            Metric::Wasserstein | Metric::SlicedWasserstein | Metric::Sinkhorn => "data units",
            Metric::SymmetricKl | Metric::ModeKl => "nats",
            Metric::ModesCovered => "modes",
            Metric::HighQuality | Metric::Precision | Metric::Recall | Metric::Coverage => "share",
            Metric::Frechet => "squared feature units",
            Metric::Kid
            | Metric::Density
            | Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed => "",
        }
    }

    /// Changes when the score is measured in another way, so that samples as they come would give another value: values of two versions are
    /// not averaged. Digits that better arithmetic adds where there were few (`kid` with one feature of 10⁴ deviations was 3·10⁻⁴ off, `frechet`
    /// of rank 1 2·10⁻⁶, transport of samples that are all far from the origin more) are no other way to measure: of samples without such,
    /// values are the same to ten digits, and to part a sweep's seeds for them would tell a difference where there is none.
    pub fn version(self) -> u32 {
        match self {
            // 1: distances lost digits far from the first sample, and equal samples were at a distance above 0.
            Metric::Precision | Metric::Recall | Metric::Density | Metric::Coverage => 2,
            Metric::Wasserstein
            | Metric::SlicedWasserstein
            | Metric::Sinkhorn
            | Metric::SymmetricKl
            | Metric::ModesCovered
            | Metric::ModeKl
            | Metric::HighQuality
            | Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed
            | Metric::Frechet
            | Metric::Kid => 1,
        }
    }

    /// Whether the score is defined on this data set, images of which are seen by `network`.
    pub fn applies(self, dataset: &Dataset, network: Option<ScoringNetwork>) -> bool {
        /// What a score can be made from.
        #[derive(PartialEq)]
        enum Seen {
            /// Points, and the modes of their mixture.
            Mixture,
            /// Points alone.
            Points,
            /// Features and probabilities of the data's own classes.
            Classes,
            /// Features and probabilities of other classes.
            Features,
            /// Three digits an image.
            Digits,
        }
        let seen = match (dataset, network) {
            (Dataset::Gaussians(_), _) => Seen::Mixture,
            (Dataset::Own(own), _) if own.shape == Shape::Points => Seen::Points,
            (Dataset::Mnist1k, _) => Seen::Digits,
            (_, Some(ScoringNetwork::Shipped | ScoringNetwork::OwnLabels)) => Seen::Classes,
            (_, Some(ScoringNetwork::Inception)) => Seen::Features,
            (_, None) => return false,
        };
        match self {
            Metric::Wasserstein
            | Metric::SlicedWasserstein
            | Metric::Sinkhorn
            | Metric::Frechet
            | Metric::Kid
            | Metric::Precision
            | Metric::Recall
            | Metric::Density
            | Metric::Coverage => seen != Seen::Digits,
            Metric::SymmetricKl => seen == Seen::Mixture || seen == Seen::Points,
            Metric::HighQuality => seen == Seen::Mixture,
            Metric::ModesCovered | Metric::ModeKl => seen != Seen::Points && seen != Seen::Features,
            Metric::InceptionScore => seen == Seen::Classes || seen == Seen::Features,
            Metric::ModeScore | Metric::ModeScorePrinted | Metric::ModeScoreReversed => seen == Seen::Classes,
        }
    }

    /// Whether it compares features (or points) with those of real samples, a part of [`Score::wasserstein_samples`] of them.
    ///
    /// [`Score::wasserstein_samples`]: super::blueprint::Score::wasserstein_samples
    pub fn transports(self) -> bool {
        matches!(self, Metric::Wasserstein | Metric::SlicedWasserstein | Metric::Sinkhorn)
    }

    /// Whether it compares with [`Score::real_samples`] real samples.
    ///
    /// [`Score::real_samples`]: super::blueprint::Score::real_samples
    pub fn compares(self) -> bool {
        self.neighbours() || matches!(self, Metric::SymmetricKl | Metric::Frechet | Metric::Kid)
    }

    /// Samples that it takes at least, where it looks at so many `neighbours`.
    pub fn least_samples(self, neighbours: u64) -> u64 {
        match self {
            // One has no covariance, and no pair.
            Metric::Frechet | Metric::Kid => 2,
            // The k neighbours of a sample are others than itself.
            _ if self.neighbours() => neighbours + 1,
            _ => 1,
        }
    }

    /// Whether it looks at nearest neighbours.
    pub fn neighbours(self) -> bool {
        matches!(self, Metric::Precision | Metric::Recall | Metric::Density | Metric::Coverage)
    }
}
