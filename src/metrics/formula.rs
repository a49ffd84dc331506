//! Maps each score to its formula.

use serde_json::{Map, Value as Json};

use super::classes::Classes;
use super::evaluated::Hits;
use super::features::{Part, Ready, Real};
use super::log_likelihood::{Density, log_likelihood};
use super::manifold::Overlap;
use super::posterior::Posterior;
use super::two_sample::Accuracy;
use super::{MetricError, authenticity, divergences, frechet, high_quality, inception_score, kid, mmd, mode_score};
use super::{modes, sinkhorn, sliced, symmetric_kl, wasserstein};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// The fields of a protocol.
pub type Protocol = Map<String, Json>;

/// A value, and how it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// The value.
    pub value: f64,
    /// Its standard deviation, if it is a mean.
    pub std: Option<f64>,
    /// How it was measured.
    pub protocol: Protocol,
    /// Results about these samples alone, for callers that score a single set. They are not in protocols, because they
    /// would make the jobs of a sweep incomparable.
    pub aside: Protocol,
}

impl Measurement {
    /// Returns a value without further information.
    pub fn of(value: f64) -> Measurement {
        Measurement { value, std: None, protocol: Protocol::new(), aside: Protocol::new() }
    }

    /// Adds its standard deviation.
    pub fn spread(self, std: f64) -> Measurement {
        Measurement { std: Some(std), ..self }
    }

    /// Adds a field to its protocol.
    pub fn with(mut self, what: &str, value: impl Into<Json>) -> Measurement {
        self.protocol.insert(what.to_owned(), value.into());
        self
    }

    /// Adds a result about these samples alone.
    pub fn and(mut self, what: &str, value: impl Into<Json>) -> Measurement {
        self.aside.insert(what.to_owned(), value.into());
        self
    }

    /// Moves the results about these samples alone into its protocol.
    pub fn in_full(mut self) -> Measurement {
        self.protocol.append(&mut self.aside);
        self
    }

    /// Adds the fields of `how` to its protocol.
    pub fn said(mut self, how: &Protocol) -> Measurement {
        let own = std::mem::replace(&mut self.protocol, how.clone());
        self.protocol.extend(own);
        self
    }
}

/// A formula, by its input: one variant for each of [`Needs`](sweep_spec::metric::Needs).
pub(crate) enum Formula {
    /// Features of a part of both sides.
    Part(fn(&Part) -> Measurement),
    /// All features of both sides. Prepared once the real ones are known.
    Features(fn(&mut Real) -> Result<Ready, MetricError>),
    /// Like `Features`, for points of the plane.
    Plane(fn(&mut Real) -> Result<Ready, MetricError>),
    /// How the neighbourhoods of both sides overlap.
    Neighbours(fn(&Overlap) -> f64),
    /// How many samples have their nearest neighbour on their own side.
    Nearest(fn(&Accuracy) -> f64),
    /// Like `Features`, with all samples of the training set as the real ones.
    Training(fn(&mut Real) -> Result<Ready, MetricError>),
    /// Class probabilities.
    Probabilities(fn(&Classes) -> Measurement),
    /// Class probabilities, and the share of each label.
    Labels(fn(&Posterior, &[f64]) -> Measurement),
    /// How many samples hit each mode or class.
    Hits(fn(&Hits, &Score) -> Measurement),
    /// The number of hits of each mode or class, and its true share.
    Shares(fn(&[u64], &[f64]) -> Measurement),
    /// How many samples hit each mode, for modes with a limited radius.
    Modes(fn(&Hits) -> f64),
    /// Points, and the density of the real distribution.
    Density(fn(&Density) -> f64),
}

/// Returns the formula of a score.
pub(crate) fn formula(metric: Metric) -> Formula {
    match metric {
        Metric::Wasserstein => Formula::Part(wasserstein::score),
        Metric::SlicedWasserstein => Formula::Part(sliced::score),
        Metric::Sinkhorn => Formula::Part(sinkhorn::score),
        Metric::SymmetricKl => Formula::Plane(symmetric_kl::ready),
        Metric::ModesCovered => Formula::Hits(|hits, score| modes::score(&hits.counts, score)),
        Metric::HighQuality => Formula::Modes(|hits| high_quality::high_quality(&hits.counts, hits.samples)),
        Metric::InceptionScore => Formula::Probabilities(inception_score::score),
        Metric::ModeScore => {
            Formula::Labels(|posterior, labels| Measurement::of(mode_score::mode_score(posterior, labels)))
        }
        Metric::ModeScorePrinted => {
            Formula::Labels(|posterior, labels| Measurement::of(mode_score::mode_score_printed(posterior, labels)))
        }
        Metric::ModeScoreReversed => Formula::Labels(mode_score::reversed),
        Metric::ModeKl => Formula::Hits(|hits, _| Measurement::of(modes::kl(&hits.counts, hits.weights()))),
        Metric::Frechet => Formula::Features(frechet::ready),
        Metric::Kid => Formula::Features(kid::ready),
        Metric::Precision => Formula::Neighbours(|overlap| overlap.precision),
        Metric::Recall => Formula::Neighbours(|overlap| overlap.recall),
        Metric::Density => Formula::Neighbours(|overlap| overlap.density),
        Metric::Coverage => Formula::Neighbours(|overlap| overlap.coverage),
        Metric::ModeForwardKl => Formula::Shares(divergences::forward),
        Metric::ModeJsd => Formula::Shares(|hits, shares| Measurement::of(divergences::jsd(hits, shares))),
        Metric::ModeTvd => Formula::Shares(|hits, shares| Measurement::of(divergences::tvd(hits, shares))),
        Metric::LogLikelihood => Formula::Density(log_likelihood),
        Metric::Mmd => Formula::Features(mmd::ready),
        Metric::NnAccuracy => Formula::Nearest(Accuracy::both),
        Metric::NnAccuracyReal => Formula::Nearest(|accuracy| accuracy.real),
        Metric::NnAccuracyGenerated => Formula::Nearest(|accuracy| accuracy.generated),
        Metric::Authenticity => Formula::Training(authenticity::ready),
    }
}
