//! From the samples of a generator to all scores that a blueprint asks for.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::error::MetricError;
use super::formula::Found;
use super::judge::Judge;
use super::nets::{NetError, Network, Watch};
use super::{Order, Reference, Value};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::metric::{Metric, Needs};

/// How many real samples [`Scorer::new`] wants for `score` on `dataset`; 0 where no score compares with real samples, and `u32::MAX` where one
/// is of all of them. What is trained on where that is a limited number of draws comes beside these, as [`Reference::training`].
pub fn reference_samples(dataset: &Dataset, score: &Score) -> usize {
    let network = score.network(dataset);
    let applying = score.metrics.iter().filter(|metric| metric.applies(dataset, network));
    let of_these =
        applying.map(|metric| metric.needs()).filter(|&needs| needs != Needs::Training || !dataset.is_drawn());
    of_these.map(|needs| needs.real_samples(score)).max().unwrap_or(0) as usize
}

/// Scores samples of one data set. What concerns the real samples alone is computed once, when it is made.
#[derive(Debug)]
pub struct Scorer {
    score: Score,
    features: usize,
    seed: u64,
    data: String,
    judge: Judge,
}

impl Scorer {
    /// Gets ready to score samples of `dataset` as `score` says, against `reference` (see [`reference_samples`]); images are seen by
    /// `network`, and `watch` is told how far that is. Random choices follow `seed`.
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
        let judge = Judge::new(dataset, score, network, reference, watch)?;
        Ok(Scorer { score: score.clone(), features, seed, data, judge })
    }

    /// All scores of `samples` (`[n, features]` row-major; images in [−1, 1]), in the order of their metrics. Samples that are not
    /// finite never fail: they hit no mode, and make every other score NaN. No value but the Inception score's depends on a given order.
    /// Of samples in a given order, which are one set and no job's, protocols say as well what came of these alone. `watch` is told how far it
    /// is, and may end it.
    pub fn score(&self, samples: &[f32], order: Order, watch: &mut Watch) -> Result<Vec<Value>, MetricError> {
        check_shape(samples, self.features)?;
        if watch(0, samples.len() / self.features).is_break() {
            return Err(NetError::Stopped.into());
        }
        let found = self.judge.see(&self.score, samples, order, self.seed, watch)?.scores(&self.score)?;
        Ok(match order {
            Order::Random => values(found, &self.data),
            Order::Given => {
                values(found.into_iter().map(|(metric, found)| (metric, found.in_full())).collect(), &self.data)
            }
        })
    }
}

/// What was found, each with the version of its metric and the name of the real `data` (unless it is empty) in its protocol.
pub fn values(found: BTreeMap<Metric, Found>, data: &str) -> Vec<Value> {
    let one = |(metric, found): (Metric, Found)| {
        let mut protocol = found.protocol;
        protocol.insert("version".to_owned(), json!(metric.version()));
        if !data.is_empty() {
            protocol.insert("data".to_owned(), json!(data));
        }
        Value { metric, value: found.value, std: found.std, protocol: protocol.into() }
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
