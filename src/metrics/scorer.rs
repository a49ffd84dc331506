//! From the samples of a generator to all scores that a blueprint asks for.

use serde_json::{Value as Json, json};

use super::frechet::{Anchor, Gaussian};
use super::nets::classifier::{CLASSES, Classifier, FEATURES, NetError, Outputs};
use super::posterior::Posterior;
use super::symmetric_kl::{self, Histogram, symmetric_kl};
use super::{Reference, Value, high_quality, inception_score, mode_score, modes, wasserstein};
use crate::spec::blueprint::Score;
use crate::spec::dataset::{Dataset, Gaussians};
use crate::spec::metric::Metric;

/// Why samples cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// The score makes no sense for the data.
    #[error("{metric} is not defined on data set `{dataset}`: leave it out of `score.metrics`")]
    NotApplicable {
        /// The score.
        metric: &'static str,
        /// The data set.
        dataset: &'static str,
    },
    /// The reference is too small.
    #[error("{metric} needs at least {expected} real samples, found {found}")]
    TooFewReal {
        /// The score.
        metric: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The label distribution is missing or malformed.
    #[error(
        "{metric} needs the frequency of each of the {expected} labels in the training set, none negative; found {found}"
    )]
    Labels {
        /// The score.
        metric: &'static str,
        /// Classes.
        expected: usize,
        /// What was given.
        found: String,
    },
    /// Values that are no whole number of samples.
    #[error("expected samples of {features} values each, found {found} values in all")]
    Shape {
        /// Values in one sample.
        features: usize,
        /// Values in all.
        found: usize,
    },
    /// A histogram without cells.
    #[error("expected at least 1 bin and a range above 0 for symmetric_kl, found {bins} bins and range {range}")]
    Bins {
        /// Bins along an axis.
        bins: u32,
        /// Half the width of the histogram.
        range: f64,
    },
    /// The scoring network failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// libtorch refused.
    #[error("scoring: {0}")]
    Torch(#[from] tch::TchError),
}

/// How many real samples [`Scorer::new`] wants for `score` on `dataset`: those of the first Wasserstein and histogram points, or
/// as many images as are generated for the Fréchet distance; 0 where no score compares with real samples.
pub fn reference_samples(dataset: &Dataset, score: &Score) -> usize {
    let needed = |metric: &Metric| match metric {
        Metric::Wasserstein => score.wasserstein_samples,
        Metric::SymmetricKl | Metric::Frechet => score.samples,
        Metric::ModesCovered
        | Metric::HighQuality
        | Metric::InceptionScore
        | Metric::ModeScore
        | Metric::ModeScorePrinted
        | Metric::ModeScoreReversed
        | Metric::ModeKl => 0,
    };
    score.metrics.iter().filter(|metric| metric.applies(dataset)).map(needed).max().unwrap_or(0) as usize
}

/// Scores samples of one data set. What concerns the real samples alone is computed once, when it is made.
#[derive(Debug)]
pub struct Scorer {
    score: Score,
    features: usize,
    judge: Judge,
}

#[derive(Debug)]
enum Judge {
    Plane(Plane),
    Images(Box<Images>),
    /// Three digits an image.
    Stacked(Box<Classifier>),
    /// Data that no score is known for.
    Nothing,
}

#[derive(Debug)]
struct Plane {
    mixture: Gaussians,
    /// The first `wasserstein_samples` real points.
    real: Vec<f32>,
    /// Of all real points, and how many they are.
    histogram: Option<(Histogram, usize)>,
}

#[derive(Debug)]
struct Images {
    classifier: Classifier,
    /// p̃, of sum 1; empty where no score needs it.
    labels: Vec<f64>,
    /// The fit to the real features, and how many they are.
    anchor: Option<(Anchor, usize)>,
}

impl Scorer {
    /// Gets ready to score samples of `dataset` as `score` says, against `reference` (see [`reference_samples`]).
    pub fn new(dataset: &Dataset, score: &Score, reference: Reference) -> Result<Scorer, MetricError> {
        if let Some(metric) = score.metrics.iter().find(|metric| !metric.applies(dataset)) {
            return Err(MetricError::NotApplicable { metric: metric.name(), dataset: dataset.name() });
        }
        let features = dataset.features();
        check_shape(&reference.samples, features)?;
        let judge = match dataset {
            Dataset::Gaussians(mixture) => Judge::Plane(Plane::new(*mixture, score, reference)?),
            Dataset::Mnist | Dataset::FashionMnist => Judge::Images(Box::new(Images::new(dataset, score, reference)?)),
            Dataset::Mnist1k => Judge::Stacked(Box::new(Classifier::shipped(dataset)?)),
            Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => Judge::Nothing,
        };
        Ok(Scorer { score: score.clone(), features, judge })
    }

    /// All scores of `samples` (`[n, features]` row-major; images in [−1, 1]), in the order of their metrics. Samples that are not
    /// finite never fail: they hit no mode, and make every other score NaN.
    pub fn score(&self, samples: &[f32]) -> Result<Vec<Value>, MetricError> {
        check_shape(samples, self.features)?;
        match &self.judge {
            Judge::Plane(plane) => plane.score(&self.score, samples),
            Judge::Images(images) => images.score(&self.score, samples),
            Judge::Stacked(classifier) => stacked(classifier, &self.score, samples),
            Judge::Nothing => Ok(Vec::new()),
        }
    }
}

impl Plane {
    fn new(mixture: Gaussians, score: &Score, reference: Reference) -> Result<Self, MetricError> {
        let mut real = reference.samples;
        let found = real.len() / 2;
        let mut histogram = None;
        if score.metrics.contains(&Metric::SymmetricKl) {
            if score.bins == 0 || score.range.is_nan() || score.range <= 0.0 {
                return Err(MetricError::Bins { bins: score.bins, range: score.range });
            }
            let n = found.min(score.samples as usize);
            let of_real = Histogram::new(&real[..2 * n], score.bins, score.range);
            let too_few = MetricError::TooFewReal { metric: "symmetric_kl", expected: 1, found: 0 };
            histogram = Some((of_real.ok_or(too_few)?, n));
        }
        let expected = score.wasserstein_samples as usize;
        if score.metrics.contains(&Metric::Wasserstein) && found < expected.max(1) {
            return Err(MetricError::TooFewReal { metric: "wasserstein", expected: expected.max(1), found });
        }
        real.truncate(2 * expected);
        Ok(Plane { mixture, real, histogram })
    }

    fn score(&self, score: &Score, samples: &[f32]) -> Result<Vec<Value>, MetricError> {
        let n = samples.len() / 2;
        let hits = modes::hit_gaussians(samples, &self.mixture);
        let hit = || json!({"samples": n, "modes": hits.len(), "radius_sigma": modes::RADIUS});
        let one = |metric: Metric| {
            let (value, protocol) = match metric {
                Metric::Wasserstein => {
                    let points = n.min(self.real.len() / 2);
                    let value = wasserstein::wasserstein(&samples[..2 * points], &self.real[..2 * points]);
                    (value, json!({"samples": points, "real": points, "cost": "euclidean"}))
                }
                Metric::SymmetricKl => {
                    let (real, points) = match &self.histogram {
                        Some((real, points)) => (Some(real), *points),
                        None => (None, 0),
                    };
                    let generated = Histogram::new(samples, score.bins, score.range);
                    let value = real.zip(generated.as_ref()).map_or(f64::NAN, |(a, b)| symmetric_kl(a, b));
                    let (bins, range, floor) = (score.bins, score.range, symmetric_kl::FLOOR);
                    let outside = "one bin";
                    let protocol = json!({"samples": n, "real": points, "bins": bins, "range": range, "floor": floor, "outside": outside});
                    (value, protocol)
                }
                Metric::ModesCovered => (modes::covered(&hits), hit()),
                Metric::ModeKl => (modes::kl_to_uniform(&hits), hit()),
                Metric::HighQuality => (high_quality::high_quality(&hits, n), hit()),
                Metric::InceptionScore
                | Metric::ModeScore
                | Metric::ModeScorePrinted
                | Metric::ModeScoreReversed
                | Metric::Frechet => {
                    return Err(MetricError::NotApplicable { metric: metric.name(), dataset: "gaussians" });
                }
            };
            Ok(Value { metric, value, std: None, protocol: versioned(metric, protocol) })
        };
        score.metrics.iter().map(|&metric| one(metric)).collect()
    }
}

impl Images {
    fn new(dataset: &Dataset, score: &Score, reference: Reference) -> Result<Self, MetricError> {
        let classifier = Classifier::shipped(dataset)?;
        let mode_scores = [Metric::ModeScore, Metric::ModeScorePrinted, Metric::ModeScoreReversed];
        let labels = match mode_scores.iter().find(|metric| score.metrics.contains(metric)) {
            Some(metric) => frequencies(metric.name(), reference.label_frequencies)?,
            None => Vec::new(),
        };
        let mut anchor = None;
        if score.metrics.contains(&Metric::Frechet) {
            let features = classifier.run(&reference.samples)?.features;
            let found = features.size()[0] as usize;
            let fit = Gaussian::fit(&features)?;
            let too_few = MetricError::TooFewReal { metric: "frechet", expected: 2, found };
            anchor = Some((Anchor::new(fit.ok_or(too_few)?)?, found));
        }
        Ok(Images { classifier, labels, anchor })
    }

    fn score(&self, score: &Score, samples: &[f32]) -> Result<Vec<Value>, MetricError> {
        let Outputs { logits, features } = self.classifier.run(samples)?;
        let posterior = Posterior::from_logits(logits, CLASSES);
        let n = posterior.len();
        let hits = modes::hit_classes(&posterior);
        let network = json!({"samples": n, "network": self.classifier.name(), "checksum": self.classifier.checksum()});
        let with = |key: &str, value: Json| {
            let mut protocol = network.clone();
            protocol[key] = value;
            protocol
        };
        let one = |metric: Metric| {
            let mut std = None;
            let (value, protocol) = match metric {
                Metric::InceptionScore => {
                    let (mean, deviation) = inception_score::inception_score(&posterior, score.splits);
                    std = Some(deviation);
                    (mean, with("splits", json!(score.splits)))
                }
                Metric::ModeScore => {
                    (mode_score::mode_score(&posterior, &self.labels), with("labels", json!("training set")))
                }
                Metric::ModeScorePrinted => {
                    (mode_score::mode_score_printed(&posterior, &self.labels), with("labels", json!("training set")))
                }
                Metric::ModeScoreReversed => {
                    let value = mode_score::mode_score_reversed(&posterior, &self.labels);
                    let mut protocol = with("labels", json!("training set"));
                    protocol["floor"] = json!(mode_score::FLOOR);
                    (value, protocol)
                }
                Metric::ModesCovered => (modes::covered(&hits), with("modes", json!(CLASSES))),
                Metric::ModeKl => (modes::kl_to_uniform(&hits), with("modes", json!(CLASSES))),
                Metric::Frechet => {
                    let fit = Gaussian::fit(&features)?;
                    let value = match fit.as_ref().zip(self.anchor.as_ref()) {
                        Some((fit, (anchor, _))) => anchor.frechet(fit)?,
                        None => f64::NAN,
                    };
                    let mut protocol = with("features", json!(FEATURES));
                    protocol["real"] = json!(self.anchor.as_ref().map_or(0, |(_, real)| *real));
                    (value, protocol)
                }
                Metric::Wasserstein | Metric::SymmetricKl | Metric::HighQuality => {
                    return Err(MetricError::NotApplicable { metric: metric.name(), dataset: "images" });
                }
            };
            Ok(Value { metric, value, std, protocol: versioned(metric, protocol) })
        };
        score.metrics.iter().map(|&metric| one(metric)).collect()
    }
}

/// Scores of `samples` `[n, 3, 28, 28]`: each channel is judged by itself.
fn stacked(classifier: &Classifier, score: &Score, samples: &[f32]) -> Result<Vec<Value>, MetricError> {
    let Outputs { logits, .. } = classifier.run(samples)?;
    let posterior = Posterior::from_logits(logits, CLASSES);
    let hits = modes::hit_stacked(&posterior);
    let (n, modes) = (posterior.len() / 3, hits.len());
    let protocol =
        json!({"samples": n, "network": classifier.name(), "checksum": classifier.checksum(), "modes": modes});
    let one = |metric: Metric| {
        let value = match metric {
            Metric::ModesCovered => modes::covered(&hits),
            Metric::ModeKl => modes::kl_to_uniform(&hits),
            Metric::Wasserstein
            | Metric::SymmetricKl
            | Metric::HighQuality
            | Metric::InceptionScore
            | Metric::ModeScore
            | Metric::ModeScorePrinted
            | Metric::ModeScoreReversed
            | Metric::Frechet => {
                return Err(MetricError::NotApplicable { metric: metric.name(), dataset: "mnist_1k" });
            }
        };
        Ok(Value { metric, value, std: None, protocol: versioned(metric, protocol.clone()) })
    };
    score.metrics.iter().map(|&metric| one(metric)).collect()
}

/// `protocol`, an object, with the version of the metric.
fn versioned(metric: Metric, mut protocol: Json) -> Json {
    protocol["version"] = json!(metric.version());
    protocol
}

/// `given`, scaled to sum 1.
fn frequencies(metric: &'static str, given: Option<Vec<f64>>) -> Result<Vec<f64>, MetricError> {
    let wrong = |found: String| MetricError::Labels { metric, expected: CLASSES, found };
    let given = given.ok_or_else(|| wrong("none".to_owned()))?;
    let total: f64 = given.iter().sum();
    if given.len() != CLASSES || !total.is_finite() || total <= 0.0 || given.iter().any(|&share| share < 0.0) {
        return Err(wrong(format!("{given:?}")));
    }
    Ok(given.into_iter().map(|share| share / total).collect())
}

fn check_shape(samples: &[f32], features: usize) -> Result<(), MetricError> {
    if samples.len().is_multiple_of(features) {
        Ok(())
    } else {
        Err(MetricError::Shape { features, found: samples.len() })
    }
}
