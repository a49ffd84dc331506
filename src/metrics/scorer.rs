//! From the samples of a generator to all scores that a blueprint asks for.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::digits::Digits;
use super::error::MetricError;
use super::features::{Found, RealFeatures};
use super::images::Images;
use super::nets::{NetError, Network, Watch};
use super::points::Points;
use super::statistics::Statistics;
use super::{Order, Reference, Value};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::metric::Metric;

/// How many real samples [`Scorer::new`] wants for `score` on `dataset`; 0 where no score compares with real samples.
pub fn reference_samples(dataset: &Dataset, score: &Score) -> usize {
    let needed = |metric: &Metric| {
        if metric.transports() {
            score.wasserstein_samples
        } else if metric.compares() {
            score.real()
        } else {
            0
        }
    };
    let network = score.network(dataset);
    let applying = score.metrics.iter().filter(|metric| metric.applies(dataset, network));
    applying.map(needed).max().unwrap_or(0) as usize
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

#[derive(Debug)]
enum Judge {
    Points(Box<Points>),
    Images(Box<Images>),
    Digits(Digits),
    /// Nothing is asked for.
    Nothing,
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
        let data = reference.data.clone();
        let network = || network.clone().ok_or(MetricError::Blind(dataset.name()));
        let judge = match dataset {
            _ if score.metrics.is_empty() => Judge::Nothing,
            Dataset::Gaussians(mixture) => {
                Judge::Points(Box::new(Points::new(Some(*mixture), score, &reference.samples)?))
            }
            Dataset::Own(_) if !dataset.is_images() => {
                Judge::Points(Box::new(Points::new(None, score, &reference.samples)?))
            }
            Dataset::Mnist1k => Judge::Digits(Digits(network()?)),
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                let network = network()?;
                let compares = |metric: &Metric| metric.compares() || metric.transports();
                let real = match score.metrics.iter().any(compares) {
                    true => Some(real_features(&reference, &network, score, watch)?),
                    false => None,
                };
                Judge::Images(Box::new(Images::new(network, score, real, reference.label_frequencies)?))
            }
        };
        Ok(Scorer { score: score.clone(), features, seed, data, judge })
    }

    /// All scores of `samples` (`[n, features]` row-major; images in [−1, 1]), in the order of their metrics. Samples that are not
    /// finite never fail: they hit no mode, and make every other score NaN. No value but the Inception score's depends on a given order.
    /// `watch` is told how far it is, and may end it.
    pub fn score(&self, samples: &[f32], order: Order, watch: &mut Watch) -> Result<Vec<Value>, MetricError> {
        check_shape(samples, self.features)?;
        if watch(0, samples.len() / self.features).is_break() {
            return Err(NetError::Stopped.into());
        }
        let found = match &self.judge {
            Judge::Points(points) => points.scores(&self.score, samples, order, self.seed)?,
            Judge::Images(images) => images.scores(&self.score, samples, order, self.seed, watch)?,
            Judge::Digits(digits) => digits.scores(samples, watch)?,
            Judge::Nothing => BTreeMap::new(),
        };
        Ok(values(found, &self.score, &self.data))
    }
}

/// Features of the real images, ready for the scores that `score` asks for.
fn real_features(
    reference: &Reference,
    network: &Network,
    score: &Score,
    watch: &mut Watch,
) -> Result<RealFeatures, MetricError> {
    let mut statistics = Statistics::of(&reference.samples, network, reference.statistics.as_deref(), watch)?;
    let before = statistics.known.len();
    let real = RealFeatures::new(&mut statistics.known, score, score.wasserstein_samples as usize)?;
    if statistics.known.len() > before {
        statistics.save();
    }
    Ok(real)
}

/// What `score` asks for of what was found, each with the version of its metric and the name of the real `data` (unless it is empty) in its
/// protocol.
pub fn values(mut found: BTreeMap<Metric, Found>, score: &Score, data: &str) -> Vec<Value> {
    let one = |&metric: &Metric| {
        let (value, std, mut protocol) = found.remove(&metric)?;
        protocol["version"] = json!(metric.version());
        if !data.is_empty() {
            protocol["data"] = json!(data);
        }
        Some(Value { metric, value, std, protocol })
    };
    score.metrics.iter().filter_map(one).collect()
}

fn check_shape(samples: &[f32], features: usize) -> Result<(), MetricError> {
    if samples.len().is_multiple_of(features) {
        Ok(())
    } else {
        Err(MetricError::Shape { features, found: samples.len() })
    }
}
