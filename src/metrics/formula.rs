//! Which formula computes which score.

use serde_json::{Map, Value as Json};

use super::classes::Classes;
use super::features::{Part, Ready, Real};
use super::log_likelihood::{Density, log_likelihood};
use super::manifold::Overlap;
use super::posterior::Posterior;
use super::seen::Hits;
use super::two_sample::Accuracy;
use super::{MetricError, authenticity, divergences, frechet, high_quality, inception_score, kid, mmd, mode_score};
use super::{modes, sinkhorn, sliced, symmetric_kl, wasserstein};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// What a protocol says.
pub type Protocol = Map<String, Json>;

/// A value, and how it was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The value.
    pub value: f64,
    /// Its standard deviation, where it is a mean.
    pub std: Option<f64>,
    /// How it was measured.
    pub protocol: Protocol,
    /// What came of these samples alone, for whoever scores one set of them: in protocols it would part the jobs of a sweep.
    pub aside: Protocol,
}

impl Found {
    /// A value of which there is nothing to say.
    pub fn of(value: f64) -> Found {
        Found { value, std: None, protocol: Protocol::new(), aside: Protocol::new() }
    }

    /// With its standard deviation.
    pub fn spread(self, std: f64) -> Found {
        Found { std: Some(std), ..self }
    }

    /// With `what` in its protocol.
    pub fn with(mut self, what: &str, value: impl Into<Json>) -> Found {
        self.protocol.insert(what.to_owned(), value.into());
        self
    }

    /// With what came of these samples alone.
    pub fn and(mut self, what: &str, value: impl Into<Json>) -> Found {
        self.aside.insert(what.to_owned(), value.into());
        self
    }

    /// With what came of these samples alone in its protocol.
    pub fn in_full(mut self) -> Found {
        self.protocol.append(&mut self.aside);
        self
    }

    /// With `how` in its protocol as well.
    pub fn said(mut self, how: &Protocol) -> Found {
        let own = std::mem::replace(&mut self.protocol, how.clone());
        self.protocol.extend(own);
        self
    }
}

/// A formula, by what it is made from: one for each of [`Needs`](sweep_spec::metric::Needs).
pub(crate) enum Formula {
    /// The features of a part of both sides.
    Part(fn(&Part) -> Found),
    /// All features of both sides: what it is ready with once the real ones are known.
    Features(fn(&mut Real) -> Result<Ready, MetricError>),
    /// The same of points of the plane.
    Plane(fn(&mut Real) -> Result<Ready, MetricError>),
    /// How the neighbourhoods of both sides overlap.
    Neighbours(fn(&Overlap) -> f64),
    /// How many samples have their nearest neighbour on their own side.
    Nearest(fn(&Accuracy) -> f64),
    /// All features of both sides, the real ones being all of the training set.
    Training(fn(&mut Real) -> Result<Ready, MetricError>),
    /// Class probabilities.
    Probabilities(fn(&Classes) -> Found),
    /// Class probabilities, and the share of each label.
    Labels(fn(&Posterior, &[f64]) -> Found),
    /// How many samples hit each mode or class.
    Hits(fn(&Hits, &Score) -> Found),
    /// The same, and the true share of each.
    Shares(fn(&[u64], &[f64]) -> Found),
    /// How many samples hit each mode, where modes reach so far and no farther.
    Modes(fn(&Hits) -> f64),
    /// Points, and the density of real ones.
    Density(fn(&Density) -> f64),
}

/// What computes a score.
pub(crate) fn formula(metric: Metric) -> Formula {
    match metric {
        Metric::Wasserstein => Formula::Part(wasserstein::score),
        Metric::SlicedWasserstein => Formula::Part(sliced::score),
        Metric::Sinkhorn => Formula::Part(sinkhorn::score),
        Metric::SymmetricKl => Formula::Plane(symmetric_kl::ready),
        Metric::ModesCovered => Formula::Hits(|hits, score| modes::score(&hits.counts, score)),
        Metric::HighQuality => Formula::Modes(|hits| high_quality::high_quality(&hits.counts, hits.samples)),
        Metric::InceptionScore => Formula::Probabilities(inception_score::score),
        Metric::ModeScore => Formula::Labels(|posterior, labels| Found::of(mode_score::mode_score(posterior, labels))),
        Metric::ModeScorePrinted => {
            Formula::Labels(|posterior, labels| Found::of(mode_score::mode_score_printed(posterior, labels)))
        }
        Metric::ModeScoreReversed => Formula::Labels(mode_score::reversed),
        Metric::ModeKl => Formula::Hits(|hits, _| Found::of(modes::kl(&hits.counts, hits.weights()))),
        Metric::Frechet => Formula::Features(frechet::ready),
        Metric::Kid => Formula::Features(kid::ready),
        Metric::Precision => Formula::Neighbours(|overlap| overlap.precision),
        Metric::Recall => Formula::Neighbours(|overlap| overlap.recall),
        Metric::Density => Formula::Neighbours(|overlap| overlap.density),
        Metric::Coverage => Formula::Neighbours(|overlap| overlap.coverage),
        Metric::ModeForwardKl => Formula::Shares(divergences::forward),
        Metric::ModeJsd => Formula::Shares(|hits, shares| Found::of(divergences::jsd(hits, shares))),
        Metric::ModeTvd => Formula::Shares(|hits, shares| Found::of(divergences::tvd(hits, shares))),
        Metric::LogLikelihood => Formula::Density(log_likelihood),
        Metric::Mmd => Formula::Features(mmd::ready),
        Metric::NnAccuracy => Formula::Nearest(Accuracy::both),
        Metric::NnAccuracyReal => Formula::Nearest(|accuracy| accuracy.real),
        Metric::NnAccuracyGenerated => Formula::Nearest(|accuracy| accuracy.generated),
        Metric::Authenticity => Formula::Training(authenticity::ready),
    }
}
