//! The evaluated samples: all inputs of formulas, as far as these samples have them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::classes::Classes;
use super::error::MetricError;
use super::features::Features;
use super::formula::{Formula, Measurement, Protocol, formula};
use super::log_likelihood::Density;
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// The inputs of formulas for one set of samples.
#[derive(Default)]
pub(crate) struct Evaluated<'a> {
    /// Their features, with those of real samples.
    pub features: Option<Features<'a>>,
    /// Their class probabilities.
    pub classes: Option<Classes<'a>>,
    /// Which modes or classes they hit.
    pub hits: Option<Hits<'a>>,
    /// The samples themselves, if the density of the real distribution is known.
    pub density: Option<Density<'a>>,
}

/// Samples counted by the mode or class that they hit.
pub(crate) struct Hits<'a> {
    /// The number of samples that hit each mode.
    pub counts: Vec<u64>,
    /// The number of samples.
    pub samples: usize,
    /// The share of real samples in each mode, if known.
    pub shares: Option<Shares<'a>>,
    /// Whether modes have a limited radius, so samples may hit none.
    pub bounded: bool,
    /// What protocols say about it.
    pub how: Protocol,
}

/// The share of real samples in each mode or class.
pub(crate) enum Shares<'a> {
    /// A mixture without weights: all shares are equal.
    Even,
    /// The weights of a mixture, which sum to 1.
    Weights(&'a [f64]),
    /// The shares of labels, which sum to 1, and their origin.
    Labels(Cow<'a, [f64]>, &'a str),
}

impl Evaluated<'_> {
    /// Computes the scores that `score` lists.
    ///
    /// # Errors
    ///
    /// If the input of a score is missing, or a score fails.
    pub(crate) fn scores(&self, score: &Score) -> Result<BTreeMap<Metric, Measurement>, MetricError> {
        score.metrics.iter().map(|&metric| Ok((metric, self.score(metric, score)?))).collect()
    }

    fn score(&self, metric: Metric, score: &Score) -> Result<Measurement, MetricError> {
        let lacks = MetricError::Lacks { metric: metric.name(), needs: metric.needs().name() };
        match formula(metric) {
            Formula::Part(of) => self.features.as_ref().and_then(|features| features.part(of)).ok_or(lacks),
            Formula::Features(_) | Formula::Plane(_) | Formula::Training(_) => {
                match self.features.as_ref().and_then(|features| features.all(metric)) {
                    Some(found) => found,
                    None => Err(lacks),
                }
            }
            Formula::Neighbours(of) => self.features.as_ref().and_then(|features| features.overlap(of)).ok_or(lacks),
            Formula::Nearest(of) => self.features.as_ref().and_then(|features| features.accuracy(of)).ok_or(lacks),
            Formula::Probabilities(of) => self.classes.as_ref().map(|classes| classes.found(of)).ok_or(lacks),
            Formula::Labels(of) => self.classes.as_ref().and_then(|classes| classes.labelled(of)).ok_or(lacks),
            Formula::Hits(of) => self.hits.as_ref().map(|hits| hits.said(of(hits, score))).ok_or(lacks),
            Formula::Shares(of) => self.hits.as_ref().and_then(|hits| hits.with_shares(of)).ok_or(lacks),
            Formula::Modes(of) => {
                let hits = self.hits.as_ref().filter(|hits| hits.bounded);
                hits.map(|hits| hits.said(Measurement::of(of(hits)))).ok_or(lacks)
            }
            Formula::Density(of) => {
                let found = |density: &Density| Measurement::of(of(density)).with("samples", density.len());
                self.density.as_ref().map(found).ok_or(lacks)
            }
        }
    }
}

impl Hits<'_> {
    /// Returns the weights of the modes, for a mixture that has them. `mode_kl` uses these; otherwise it uses equal
    /// shares, even if there are labels.
    pub(crate) fn weights(&self) -> Option<&[f64]> {
        match self.shares {
            Some(Shares::Weights(weights)) => Some(weights),
            Some(Shares::Even | Shares::Labels(..)) | None => None,
        }
    }

    fn with_shares(&self, of: fn(&[u64], &[f64]) -> Measurement) -> Option<Measurement> {
        let found = match self.shares.as_ref()? {
            Shares::Even => of(&self.counts, &vec![1.0 / self.counts.len() as f64; self.counts.len()]),
            Shares::Weights(weights) => of(&self.counts, weights),
            Shares::Labels(shares, _) => of(&self.counts, shares),
        };
        let origin = match self.shares.as_ref()? {
            Shares::Even | Shares::Weights(_) => "mixture",
            Shares::Labels(_, origin) => *origin,
        };
        Some(self.said(found.with("shares", origin)))
    }

    fn said(&self, found: Measurement) -> Measurement {
        found.with("samples", self.samples).with("modes", self.counts.len()).said(&self.how)
    }
}
