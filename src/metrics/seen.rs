//! What has been made of generated samples: everything that formulas are made from, as far as these samples have it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::classes::Classes;
use super::error::MetricError;
use super::features::Features;
use super::formula::{Formula, Found, Protocol, formula};
use super::log_likelihood::Density;
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// Of one set of samples.
#[derive(Default)]
pub(crate) struct Seen<'a> {
    /// Their features, beside those of real samples.
    pub features: Option<Features<'a>>,
    /// Probabilities of their classes.
    pub classes: Option<Classes<'a>>,
    /// Which modes or classes they hit.
    pub hits: Option<Hits<'a>>,
    /// Themselves, where the density of real ones is known.
    pub density: Option<Density<'a>>,
}

/// Samples by the mode or class that they hit.
pub(crate) struct Hits<'a> {
    /// How many samples hit each mode.
    pub counts: Vec<u64>,
    /// How many samples there are.
    pub samples: usize,
    /// The share of real samples that each has, where that is known.
    pub shares: Option<Shares<'a>>,
    /// Whether modes reach so far and no farther, so that samples may hit none.
    pub bounded: bool,
    /// What protocols say of it.
    pub how: Protocol,
}

/// The share of real samples that each mode or class has.
pub(crate) enum Shares<'a> {
    /// That of a mixture without weights: all have the same.
    Even,
    /// The weights of a mixture, which have sum 1.
    Weights(&'a [f64]),
    /// That of labels, of sum 1, and where it comes from.
    Labels(Cow<'a, [f64]>, &'a str),
}

impl Seen<'_> {
    /// The scores that `score` asks for.
    ///
    /// # Errors
    ///
    /// Where one of them is made from what there is nothing of, and where one fails.
    pub(crate) fn scores(&self, score: &Score) -> Result<BTreeMap<Metric, Found>, MetricError> {
        score.metrics.iter().map(|&metric| Ok((metric, self.score(metric, score)?))).collect()
    }

    fn score(&self, metric: Metric, score: &Score) -> Result<Found, MetricError> {
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
            Formula::Shares(of) => self.hits.as_ref().and_then(|hits| hits.beside_shares(of)).ok_or(lacks),
            Formula::Modes(of) => {
                let hits = self.hits.as_ref().filter(|hits| hits.bounded);
                hits.map(|hits| hits.said(Found::of(of(hits)))).ok_or(lacks)
            }
            Formula::Density(of) => {
                let found = |density: &Density| Found::of(of(density)).with("samples", density.len());
                self.density.as_ref().map(found).ok_or(lacks)
            }
        }
    }
}

impl Hits<'_> {
    /// The weights of the modes of a mixture that has such: `mode_kl` is of these, and else of even shares, whatever labels there are.
    pub(crate) fn weights(&self) -> Option<&[f64]> {
        match self.shares {
            Some(Shares::Weights(weights)) => Some(weights),
            Some(Shares::Even | Shares::Labels(..)) | None => None,
        }
    }

    fn beside_shares(&self, of: fn(&[u64], &[f64]) -> Found) -> Option<Found> {
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

    fn said(&self, found: Found) -> Found {
        found.with("samples", self.samples).with("modes", self.counts.len()).said(&self.how)
    }
}
