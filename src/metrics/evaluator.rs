//! Evaluates the samples of a data set, to produce what formulas are computed from.

use std::rc::Rc;

use tch::Tensor;

use super::classes::{Classes, frequencies};
use super::evaluated::{Evaluated, Hits, Shares};
use super::features::{Features, RealFeatures, TRAINING_FEATURES};
use super::formula::{Formula, Protocol, formula};
use super::log_likelihood::Density;
use super::nets::{Network, Outputs, Watch};
use super::posterior::Posterior;
use super::statistics::Statistics;
use super::{MetricError, Order, Reference, mode_lookup, modes, reference_samples};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_tensor::file::Named;

/// Digits in a stacked image.
const DIGITS: i64 = 3;
/// The origin of the shares of classes.
const TRAINING: &str = "training set";

/// Evaluates samples, prepared for the scores that are requested.
#[derive(Debug)]
pub(crate) enum Evaluator {
    /// No score is requested.
    Nothing,
    /// Evaluates points. Their modes are given if they are known.
    Points(Option<Gaussians>, RealFeatures),
    /// Evaluates images with a network. Shares of labels and features of real images are present if a score needs them.
    Images(Rc<Network>, Option<Vec<f64>>, Option<RealFeatures>),
    /// Evaluates images of three stacked digits, each digit with a network. The features of an image are those of its
    /// three digits, concatenated. Shares of the stacked labels and features of real images are present if a score
    /// needs them.
    Digits(Rc<Network>, Option<Vec<f64>>, Option<RealFeatures>),
}

impl Evaluator {
    /// Like [`Scorer::new`](super::Scorer::new).
    pub(crate) fn new(
        dataset: &Dataset,
        score: &Score,
        network: Option<Rc<Network>>,
        reference: Reference,
        watch: &mut Watch,
    ) -> Result<Evaluator, MetricError> {
        let network = || network.clone().ok_or(MetricError::Blind(dataset.name()));
        let points = |mixture| {
            let named = |name: &str, samples| (name.to_owned(), tensor(samples, dataset.features()));
            let mut known = Named::from([named("features", &reference.samples)]);
            known.extend(reference.training.as_ref().map(|samples| named(TRAINING_FEATURES, samples)));
            let real = RealFeatures::new(&mut known, score, score.wasserstein_samples as usize)?;
            Ok(Evaluator::Points(mixture, real))
        };
        let of_labels = |metric: &&_| matches!(formula(**metric), Formula::Labels(_) | Formula::Shares(_));
        let labels = |network: &Network| match score.metrics.iter().find(of_labels) {
            Some(metric) => {
                frequencies(metric.name(), reference.label_frequencies.clone(), network.classes()).map(Some)
            }
            None => Ok(None),
        };
        match dataset {
            _ if score.metrics.is_empty() => Ok(Evaluator::Nothing),
            Dataset::Gaussians(mixture) => points(Some(*mixture)),
            Dataset::Toy(_) => points(None),
            Dataset::Own(_) if !dataset.is_images() => points(None),
            Dataset::Mnist1k => {
                let network = network()?;
                let real = match reference_samples(dataset, score) {
                    0 => None,
                    _ => Some(real_features(&reference, &network, DIGITS, score, watch)?),
                };
                let shares = labels(&network)?.map(|digits| modes::stacked_shares(&digits));
                Ok(Evaluator::Digits(network, shares, real))
            }
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                let network = network()?;
                let real = match reference_samples(dataset, score) {
                    0 => None,
                    _ => Some(real_features(&reference, &network, 1, score, watch)?),
                };
                let labels = labels(&network)?;
                Ok(Evaluator::Images(network, labels, real))
            }
        }
    }

    /// Evaluates `samples` (row-major) for the scores that `score` lists.
    pub(crate) fn evaluate<'a>(
        &'a self,
        score: &'a Score,
        samples: &'a [f32],
        order: Order,
        seed: u64,
        watch: &mut Watch,
    ) -> Result<Evaluated<'a>, MetricError> {
        match self {
            Evaluator::Nothing => Ok(Evaluated::default()),
            Evaluator::Points(mixture, real) => {
                let features = real.combine(tensor(samples, real.width()), order, score, Protocol::new(), seed)?;
                let hits = mixture.map(|mixture| Hits {
                    counts: modes::hit_gaussians(samples, &mixture),
                    samples: samples.len() / mixture.dims,
                    shares: Some(mixture.weights.map_or(Shares::Even, Shares::Weights)),
                    bounded: true,
                    how: Protocol::from_iter([("radius_sigma".to_owned(), mode_lookup::radius(&mixture).into())]),
                });
                let density = mixture.map(|mixture| Density { points: samples, mixture });
                Ok(Evaluated { features: Some(features), hits, density, classes: None })
            }
            Evaluator::Images(network, labels, real) => {
                let Outputs { logits, features } = network.run(samples, watch)?;
                let features = seen_features(real.as_ref(), features, network, order, score, seed)?;
                let posterior = Posterior::from_logits(logits, network.classes());
                let labels = labels.as_deref().map(|labels| (labels, TRAINING));
                Ok(Evaluated { features, ..Classes::seen(posterior, order, score, labels, how(network)) })
            }
            Evaluator::Digits(network, shares, real) => {
                let Outputs { logits, features } = network.run(samples, watch)?;
                let features = seen_features(real.as_ref(), joined(&features, DIGITS)?, network, order, score, seed)?;
                let posterior = Posterior::from_logits(logits, network.classes());
                let counts = modes::hit_stacked(&posterior);
                let samples = posterior.len() / DIGITS as usize;
                let shares = shares.as_deref().map(|shares| Shares::Labels(shares.into(), TRAINING));
                let hits = Hits { counts, samples, shares, bounded: false, how: how(network) };
                Ok(Evaluated { features, hits: Some(hits), ..Evaluated::default() })
            }
        }
    }
}

/// Returns what protocols say about the network.
fn how(network: &Network) -> Protocol {
    let of = |name: &str, value: &str| (name.to_owned(), value.into());
    Protocol::from_iter([of("network", network.name()), of("checksum", network.checksum())])
}

/// Prepares the features of the real samples for the scores that `score` lists. The network evaluates this many `parts`
/// of each sample, one after another.
fn real_features(
    reference: &Reference,
    network: &Network,
    parts: i64,
    score: &Score,
    watch: &mut Watch,
) -> Result<RealFeatures, MetricError> {
    let mut statistics = Statistics::of(&reference.samples, network, reference.statistics.as_deref(), watch)?;
    let before = statistics.known.len();
    // The statistics on disk have one row per part, so join them here.
    let seen = statistics.known["features"].shallow_clone();
    statistics.known.insert("features".to_owned(), joined(&seen, parts)?);
    let real = RealFeatures::new(&mut statistics.known, score, score.wasserstein_samples as usize)?;
    statistics.known.insert("features".to_owned(), seen);
    if statistics.known.len() > before {
        statistics.save();
    }
    Ok(real)
}

/// Combines `features` of generated samples with those of `real` ones.
fn seen_features<'a>(
    real: Option<&'a RealFeatures>,
    features: Tensor,
    network: &Network,
    order: Order,
    score: &'a Score,
    seed: u64,
) -> Result<Option<Features<'a>>, MetricError> {
    let Some(real) = real else { return Ok(None) };
    let mut how = how(network);
    how.insert("features".to_owned(), features.size()[1].into());
    Ok(Some(real.combine(features, order, score, how, seed)?))
}

/// Joins this many rows into one: `[n · parts, features]` becomes `[n, parts · features]`.
fn joined(features: &Tensor, parts: i64) -> Result<Tensor, MetricError> {
    let [rows, width] = features.size()[..] else { unreachable!("a network gives a row an image") };
    Ok(features.f_reshape([rows / parts, parts * width])?)
}

/// Returns points as a tensor `[n, width]`.
fn tensor(points: &[f32], width: usize) -> Tensor {
    Tensor::from_slice(points).reshape([(points.len() / width) as i64, width as i64])
}
