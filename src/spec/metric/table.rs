//! The table of scores. To add one, add an entry here and its formula to the registry in `metrics/`; the compiler asks
//! for the latter.

use serde::{Deserialize, Serialize};

use super::Direction::{Higher, Lower};
use super::cost;
use super::{Description, Needs, Unit};
use crate::keys::score::{AT_LEAST, BINS, MMD_BANDWIDTH, PROJECTIONS, RANGE, SINKHORN_REG, SPLITS};

macro_rules! scores {
    ($($metric:ident = $name:literal, $help:literal { $($field:ident: $value:expr,)* })*) => {
        /// A score that this program computes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Metric {
            $(#[doc = $help] #[serde(rename = $name)] $metric,)*
        }

        impl Metric {
            /// All scores, in the order in which tables show them.
            pub const ALL: [Metric; [$(Metric::$metric),*].len()] = [$(Metric::$metric),*];

            /// Returns everything about the score except its formula.
            pub fn description(self) -> &'static Description {
                match self {
                    $(Metric::$metric => {
                        const OF: &Description = &Description { name: $name, help: $help, $($field: $value,)* };
                        OF
                    })*
                }
            }
        }
    };
}

/// Why the neighbourhood scores are at version 2.
const EXACT_DISTANCES: &str =
    "distances lost digits far from the first sample, and equal samples were at a distance above 0";

scores! {
    Wasserstein = "wasserstein",
    "exact W1 (earth mover's distance) between generated and real samples, with equal weights on either side" {
        better: Lower, unit: Unit::Data, needs: Needs::Part, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::wasserstein,
    }
    SlicedWasserstein = "sliced_wasserstein", "W1 along random directions, averaged (Bonneel et al. 2015)" {
        better: Lower, unit: Unit::Data, needs: Needs::Part, keys: &[PROJECTIONS.described()], least: 1, draws: true,
        changes: &[], cost: cost::sliced,
    }
    Sinkhorn = "sinkhorn", "transport cost of the entropic optimal transport plan (Cuturi 2013)" {
        better: Lower, unit: Unit::Data, needs: Needs::Part, keys: &[SINKHORN_REG.described()], least: 1, draws: false,
        changes: &[], cost: cost::sinkhorn,
    }
    SymmetricKl = "symmetric_kl", "mean of both KL divergences between 2-D histograms" {
        better: Lower, unit: Unit::Nats, needs: Needs::Plane, keys: &[BINS.described(), RANGE.described()], least: 1,
        draws: false, changes: &[], cost: cost::histograms,
    }
    ModesCovered = "modes_covered", "number of modes or classes hit by at least `at_least` samples" {
        better: Higher, unit: Unit::Modes, needs: Needs::Hits, keys: &[AT_LEAST.described()], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    HighQuality = "high_quality", "share of samples that hit a mode: within 3 σ in two dimensions, otherwise within \
        the radius that holds the same share of the mode" {
        better: Higher, unit: Unit::Share, needs: Needs::Modes, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    InceptionScore = "inception_score",
    "exp(E KL(p(y|x) ‖ p(y))), mean and standard deviation over splits (Salimans et al. 2016)" {
        better: Higher, unit: Unit::Number, needs: Needs::Probabilities, keys: &[SPLITS.described()], least: 1,
        draws: false, changes: &[], cost: cost::of_probabilities,
    }
    ModeScore = "mode_score",
    "exp(E KL(p(y|x) ‖ p(y)) − KL(p(y) ‖ p̃)), p̃ the label frequencies of the training set (Xu et al. 2018)" {
        better: Higher, unit: Unit::Number, needs: Needs::Labels, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::of_probabilities,
    }
    ModeScorePrinted = "mode_score_printed",
    "exp(E KL(p(y|x) ‖ p̃) − KL(p(y) ‖ p̃)), as Che et al. 2017 print it, which is the Inception score of one split" {
        better: Higher, unit: Unit::Number, needs: Needs::Labels, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::of_probabilities,
    }
    ModeScoreReversed = "mode_score_reversed", "exp(E KL(p(y|x) ‖ p̃) − KL(p̃ ‖ p(y)))" {
        better: Higher, unit: Unit::Number, needs: Needs::Labels, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::of_probabilities,
    }
    ModeKl = "mode_kl", "KL divergence of the histogram of hit modes or classes from equal shares, or from the weights \
        of a mixture" {
        better: Lower, unit: Unit::Nats, needs: Needs::Hits, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    Frechet = "frechet",
    "Fréchet distance of Gaussian fits to features: FID if the features are Inception's (Heusel et al. 2017)" {
        // One sample has no covariance.
        better: Lower, unit: Unit::SquaredData, needs: Needs::Features, keys: &[], least: 2, draws: false,
        changes: &[], cost: cost::frechet,
    }
    Kid = "kid", "unbiased MMD² of features with the kernel (x·y/d + 1)³, mean over subsets (Bińkowski et al. 2018)" {
        // One sample does not make a pair.
        better: Lower, unit: Unit::Number, needs: Needs::Features, keys: &[], least: 2, draws: true,
        changes: &[], cost: cost::kid,
    }
    Precision = "precision", "share of generated samples within the real manifold (Kynkäänniemi et al. 2019)" {
        better: Higher, unit: Unit::Share, needs: Needs::Neighbours, keys: &[], least: 1, draws: false,
        changes: &[EXACT_DISTANCES], cost: cost::nothing_more,
    }
    Recall = "recall", "share of real samples within the generated manifold (Kynkäänniemi et al. 2019)" {
        better: Higher, unit: Unit::Share, needs: Needs::Neighbours, keys: &[], least: 1, draws: false,
        changes: &[EXACT_DISTANCES], cost: cost::nothing_more,
    }
    Density = "density", "number of real neighbourhoods a generated sample is in, divided by k (Naeem et al. 2020)" {
        better: Higher, unit: Unit::Number, needs: Needs::Neighbours, keys: &[], least: 1, draws: false,
        changes: &[EXACT_DISTANCES], cost: cost::nothing_more,
    }
    Coverage = "coverage", "share of real samples with a generated one in their neighbourhood (Naeem et al. 2020)" {
        better: Higher, unit: Unit::Share, needs: Needs::Neighbours, keys: &[], least: 1, draws: false,
        changes: &[EXACT_DISTANCES], cost: cost::nothing_more,
    }    ModeForwardKl = "mode_forward_kl",
    "KL divergence of the true shares of modes or classes from those of hits, with one added to each count" {
        better: Lower, unit: Unit::Nats, needs: Needs::Shares, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    ModeJsd = "mode_jsd", "Jensen–Shannon divergence of the shares of hit modes or classes and the true ones; ln 2 at \
        most" {
        better: Lower, unit: Unit::Nats, needs: Needs::Shares, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    ModeTvd = "mode_tvd", "total variation distance of the shares of hit modes or classes and the true ones" {
        better: Lower, unit: Unit::Share, needs: Needs::Shares, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    LogLikelihood = "log_likelihood", "mean log density of generated samples under the mixture of the real samples" {
        better: Higher, unit: Unit::Nats, needs: Needs::Density, keys: &[], least: 1, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    Mmd = "mmd", "unbiased MMD² with the kernel exp(−‖x − y‖²/2h²) (Gretton et al. 2012)" {
        // One sample does not make a pair.
        better: Lower, unit: Unit::Number, needs: Needs::Features, keys: &[MMD_BANDWIDTH.described()], least: 2,
        draws: false, changes: &[], cost: cost::mmd,
    }
    NnAccuracy = "nn_accuracy",
    "accuracy of telling real from generated samples by the nearest other sample: mean of both sides (Lopez-Paz & \
    Oquab 2017)" {
        better: Lower, unit: Unit::Share, needs: Needs::Nearest, keys: &[], least: 2, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    NnAccuracyReal = "nn_accuracy_real", "share of real samples whose nearest other sample is real (Xu et al. 2018)" {
        better: Lower, unit: Unit::Share, needs: Needs::Nearest, keys: &[], least: 2, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    NnAccuracyGenerated = "nn_accuracy_generated",
    "share of generated samples whose nearest other sample is generated (Xu et al. 2018)" {
        better: Lower, unit: Unit::Share, needs: Needs::Nearest, keys: &[], least: 2, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
    Authenticity = "authenticity",
    "share of generated samples farther from the nearest training sample than that is from the next one (Alaa et al. \
    2022)" {
        better: Higher, unit: Unit::Share, needs: Needs::Training, keys: &[], least: 2, draws: false,
        changes: &[], cost: cost::nothing_more,
    }
}
