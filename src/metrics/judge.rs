//! What looks at the samples of a data set, and what formulas can be made from there.

use std::rc::Rc;

use tch::Tensor;

use super::classes::{Classes, frequencies};
use super::features::RealFeatures;
use super::formula::{Formula, Protocol, formula};
use super::nets::{Network, Outputs, Watch};
use super::posterior::Posterior;
use super::seen::{Hits, Seen};
use super::statistics::Statistics;
use super::{MetricError, Order, Reference, modes, nearest, reference_samples};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_tensor::file::Named;

/// Whoever looks, ready for the scores that are asked for.
#[derive(Debug)]
pub(crate) enum Judge {
    /// Nobody: nothing is asked for.
    Nothing,
    /// Of points, whose modes may be known.
    Points(Option<Gaussians>, RealFeatures),
    /// Of images, by what a network makes of them. Their labels' shares, and the features of real ones, are there where a score needs them.
    Images(Rc<Network>, Option<Vec<f64>>, Option<RealFeatures>),
    /// Of images of three digits, by what a network makes of each digit.
    Digits(Rc<Network>),
}

impl Judge {
    /// As [`Scorer::new`](super::Scorer::new).
    pub fn new(
        dataset: &Dataset,
        score: &Score,
        network: Option<Rc<Network>>,
        reference: Reference,
        watch: &mut Watch,
    ) -> Result<Judge, MetricError> {
        let network = || network.clone().ok_or(MetricError::Blind(dataset.name()));
        let points = |mixture| {
            let mut known = Named::from([("features".to_owned(), tensor(&reference.samples, dataset.features()))]);
            let real = RealFeatures::new(&mut known, score, score.wasserstein_samples as usize)?;
            Ok(Judge::Points(mixture, real))
        };
        match dataset {
            _ if score.metrics.is_empty() => Ok(Judge::Nothing),
            Dataset::Gaussians(mixture) => points(Some(*mixture)),
            Dataset::Toy(_) => points(None),
            Dataset::Own(_) if !dataset.is_images() => points(None),
            Dataset::Mnist1k => Ok(Judge::Digits(network()?)),
            Dataset::Mnist | Dataset::FashionMnist | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                let network = network()?;
                let real = match reference_samples(dataset, score) {
                    0 => None,
                    _ => Some(real_features(&reference, &network, score, watch)?),
                };
                let of_labels = |metric: &&_| matches!(formula(**metric), Formula::Labels(_));
                let labels = match score.metrics.iter().find(of_labels) {
                    Some(metric) => Some(frequencies(metric.name(), reference.label_frequencies, network.classes())?),
                    None => None,
                };
                Ok(Judge::Images(network, labels, real))
            }
        }
    }

    /// What there is of `samples`, row-major, for the scores that `score` asks for.
    pub fn see<'a>(
        &'a self,
        score: &'a Score,
        samples: &[f32],
        order: Order,
        seed: u64,
        watch: &mut Watch,
    ) -> Result<Seen<'a>, MetricError> {
        match self {
            Judge::Nothing => Ok(Seen::default()),
            Judge::Points(mixture, real) => {
                let features = real.beside(tensor(samples, real.width()), order, score, Protocol::new(), seed)?;
                let hits = mixture.map(|mixture| Hits {
                    counts: modes::hit_gaussians(samples, &mixture),
                    samples: samples.len() / mixture.dims,
                    shares: mixture.weights,
                    bounded: true,
                    how: Protocol::from_iter([("radius_sigma".to_owned(), nearest::radius(&mixture).into())]),
                });
                Ok(Seen { features: Some(features), hits, classes: None })
            }
            Judge::Images(network, labels, real) => {
                let Outputs { logits, features } = network.run(samples, watch)?;
                let features = match real {
                    Some(real) => {
                        let mut how = how(network);
                        how.insert("features".to_owned(), features.size()[1].into());
                        Some(real.beside(features, order, score, how, seed)?)
                    }
                    None => None,
                };
                let posterior = Posterior::from_logits(logits, network.classes());
                let labels = labels.as_deref().map(|labels| (labels, "training set"));
                Ok(Seen { features, ..Classes::seen(posterior, order, score, labels, how(network)) })
            }
            Judge::Digits(network) => {
                let Outputs { logits, .. } = network.run(samples, watch)?;
                let posterior = Posterior::from_logits(logits, network.classes());
                let counts = modes::hit_stacked(&posterior);
                let samples = posterior.len() / 3;
                let hits = Hits { counts, samples, shares: None, bounded: false, how: how(network) };
                Ok(Seen { hits: Some(hits), ..Seen::default() })
            }
        }
    }
}

/// What protocols say of what sees images.
fn how(network: &Network) -> Protocol {
    let of = |name: &str, value: &str| (name.to_owned(), value.into());
    Protocol::from_iter([of("network", network.name()), of("checksum", network.checksum())])
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

/// Points `[n, width]`.
fn tensor(points: &[f32], width: usize) -> Tensor {
    Tensor::from_slice(points).reshape([(points.len() / width) as i64, width as i64])
}
