//! Computes all scores that a blueprint lists, from the samples of a generator.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::error::MetricError;
use super::evaluator::Evaluator;
use super::formula::Measurement;
use super::nets::{NetError, Network, Watch};
use super::{Order, Reference, ScoreValue};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::metric::{Metric, Needs};

/// Returns how many real samples [`Scorer::new`] needs for `score` on `dataset`. 0 if no score compares with real
/// samples, and `u32::MAX` if one compares with all of them. If training uses a limited number of draws, these are
/// needed in addition, as [`Reference::training`].
pub fn reference_samples(dataset: &Dataset, score: &Score) -> usize {
    let network = score.network(dataset);
    let applying = score.metrics.iter().filter(|metric| metric.applies(dataset, network));
    let of_these =
        applying.map(|metric| metric.needs()).filter(|&needs| needs != Needs::Training || !dataset.is_drawn());
    of_these.map(|needs| needs.real_samples(score)).max().unwrap_or(0) as usize
}

/// Scores samples of one data set. Everything that depends on the real samples alone is computed once, on creation.
#[derive(Debug)]
pub struct Scorer {
    score: Score,
    features: usize,
    seed: u64,
    data: String,
    evaluator: Evaluator,
}

impl Scorer {
    /// Prepares to score samples of `dataset` as `score` says, against `reference` (see [`reference_samples`]).
    /// `network` evaluates images; `watch` is called with the progress of that. `seed` determines random choices.
    pub fn new(
        dataset: &Dataset,
        score: &Score,
        network: Option<Rc<Network>>,
        reference: Reference,
        seed: u64,
        watch: &mut Watch,
    ) -> Result<Scorer, MetricError> {
        let sees = score.network(dataset);
        if let Some(metric) = score.metrics.iter().find(|metric| !metric.applies(dataset, sees)) {
            return Err(MetricError::NotApplicable { metric: metric.name(), dataset: dataset.name() });
        }
        let features = dataset.features();
        check_shape(&reference.samples, features)?;
        check_shape(reference.training.as_deref().unwrap_or_default(), features)?;
        let data = reference.data.clone();
        let evaluator = Evaluator::new(dataset, score, network, reference, watch)?;
        Ok(Scorer { score: score.clone(), features, seed, data, evaluator })
    }

    /// Returns all scores of `samples` (`[n, features]` row-major; images in [−1, 1]), in the order of their metrics.
    /// Samples that are not finite are not an error: they hit no mode, and make every other score NaN. Only the
    /// Inception score depends on a given order. Samples in a given order are a single set that does not belong to a
    /// job, so their protocols also contain results about these samples alone. `watch` is called with the progress, and
    /// may stop the work.
    pub fn score(&self, samples: &[f32], order: Order, watch: &mut Watch) -> Result<Vec<ScoreValue>, MetricError> {
        check_shape(samples, self.features)?;
        if watch(0, samples.len() / self.features).is_break() {
            return Err(NetError::Stopped.into());
        }
        let found = self.evaluator.evaluate(&self.score, samples, order, self.seed, watch)?.scores(&self.score)?;
        Ok(match order {
            Order::Random => values(found, &self.data),
            Order::Given => {
                values(found.into_iter().map(|(metric, found)| (metric, found.in_full())).collect(), &self.data)
            }
        })
    }
}

/// Returns the values with complete protocols: each with the version of its metric and the name of the real `data`
/// (unless it is empty).
pub fn values(found: BTreeMap<Metric, Measurement>, data: &str) -> Vec<ScoreValue> {
    let one = |(metric, found): (Metric, Measurement)| {
        let mut protocol = found.protocol;
        protocol.insert("version".to_owned(), json!(metric.version()));
        if !data.is_empty() {
            protocol.insert("data".to_owned(), json!(data));
        }
        ScoreValue { metric, value: found.value, std: found.std, protocol: protocol.into() }
    };
    found.into_iter().map(one).collect()
}

fn check_shape(samples: &[f32], features: usize) -> Result<(), MetricError> {
    if samples.len().is_multiple_of(features) {
        Ok(())
    } else {
        Err(MetricError::Shape { features, found: samples.len() })
    }
}
