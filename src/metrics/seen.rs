//! What has been made of generated samples: everything that formulas are made from, as far as these samples have it.

use std::collections::BTreeMap;

use super::classes::Classes;
use super::error::MetricError;
use super::features::Features;
use super::formula::{Formula, Found, Protocol, formula};
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
    pub hits: Option<Hits>,
}

/// Samples by the mode or class that they hit.
pub(crate) struct Hits {
    /// How many samples hit each mode.
    pub counts: Vec<u64>,
    /// How many samples there are.
    pub samples: usize,
    /// The share that each mode should have; none: even shares.
    pub shares: Option<&'static [f64]>,
    /// Whether modes reach so far and no farther, so that samples may hit none.
    pub bounded: bool,
    /// What protocols say of it.
    pub how: Protocol,
}

impl Seen<'_> {
    /// The scores that `score` asks for.
    ///
    /// # Errors
    ///
    /// Where one of them is made from what there is nothing of, and where one fails.
    pub fn scores(&self, score: &Score) -> Result<BTreeMap<Metric, Found>, MetricError> {
        score.metrics.iter().map(|&metric| Ok((metric, self.score(metric)?))).collect()
    }

    fn score(&self, metric: Metric) -> Result<Found, MetricError> {
        let lacks = MetricError::Lacks { metric: metric.name(), needs: metric.needs().name() };
        match formula(metric) {
            Formula::Part(of) => self.features.as_ref().and_then(|features| features.part(of)).ok_or(lacks),
            Formula::Features(_) | Formula::Plane(_) => {
                match self.features.as_ref().and_then(|features| features.all(metric)) {
                    Some(found) => found,
                    None => Err(lacks),
                }
            }
            Formula::Neighbours(of) => self.features.as_ref().and_then(|features| features.overlap(of)).ok_or(lacks),
            Formula::Probabilities(of) => self.classes.as_ref().map(|classes| classes.found(of)).ok_or(lacks),
            Formula::Labels(of) => self.classes.as_ref().and_then(|classes| classes.labelled(of)).ok_or(lacks),
            Formula::Hits(of) => self.hits.as_ref().map(|hits| hits.found(of)).ok_or(lacks),
            Formula::Modes(of) => {
                let hits = self.hits.as_ref().filter(|hits| hits.bounded);
                hits.map(|hits| hits.found(of)).ok_or(lacks)
            }
        }
    }
}

impl Hits {
    fn found(&self, of: fn(&Hits) -> f64) -> Found {
        Found::of(of(self)).with("samples", self.samples).with("modes", self.counts.len()).said(&self.how)
    }
}
