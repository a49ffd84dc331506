//! What a sweep file says about scores: what sees images, the scores of a data set, and what each of them reads.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::blueprint::Score;
use super::dataset::{Dataset, Gaussians};
use super::error::Mistakes;
use super::keys::Key;
use super::metric::Metric;
use super::own::Shape;
use super::settings::{Place, Settings};
use super::value::Value;

/// A network that makes class probabilities and features of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoringNetwork {
    /// The classifier of digits, or of clothing, that this program brings along.
    Shipped,
    /// The Inception network of the usual tools, whose weights are a file.
    Inception,
    /// A classifier trained on the data set's own labels.
    #[serde(rename = "self")]
    OwnLabels,
}

impl ScoringNetwork {
    /// All of them.
    pub const ALL: [ScoringNetwork; 3] =
        [ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            ScoringNetwork::Shipped => "shipped",
            ScoringNetwork::Inception => "inception",
            ScoringNetwork::OwnLabels => "self",
        }
    }

    /// Values of its last layer but one, which are the features of an image of so many `channels`.
    pub const fn features(self, channels: usize) -> usize {
        match self {
            ScoringNetwork::Inception => 2048,
            ScoringNetwork::Shipped | ScoringNetwork::OwnLabels => {
                if channels == 1 {
                    64
                } else {
                    128
                }
            }
        }
    }

    /// Classes that it tells apart, where these are not the data set's own.
    pub const fn classes(self) -> Option<usize> {
        match self {
            ScoringNetwork::Inception => Some(1008),
            ScoringNetwork::Shipped | ScoringNetwork::OwnLabels => None,
        }
    }

    /// Those that can see samples of `dataset`, the usual one first; none where samples are points.
    pub fn of(dataset: &Dataset) -> &'static [ScoringNetwork] {
        match dataset {
            Dataset::Mnist | Dataset::FashionMnist => {
                &[ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels]
            }
            Dataset::Mnist1k => &[ScoringNetwork::Shipped],
            Dataset::Cifar10 => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            // Without labels.
            Dataset::Stl10 => &[ScoringNetwork::Inception],
            Dataset::Own(own) => match own.shape {
                Shape::Points => &[],
                // Whether there are labels shows when they are read.
                Shape::Image(_) => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            },
            Dataset::Gaussians(_) => &[],
        }
    }

    /// What sees samples of `dataset` unless a file says otherwise.
    pub fn usual(dataset: &Dataset) -> Option<ScoringNetwork> {
        ScoringNetwork::of(dataset).first().copied()
    }
}

/// The scores that read a key of `score`; `None` for a key that all jobs, or none, have.
pub fn readers(key: Key) -> Option<Vec<Metric>> {
    let readers: Vec<Metric> = Metric::ALL.into_iter().filter(|metric| metric.reads(key)).collect();
    (!readers.is_empty()).then_some(readers)
}

impl Settings {
    /// What sees images, where the data set has such.
    pub(super) fn network(&self) -> Option<ScoringNetwork> {
        match self.get(Key::Classifier) {
            Some(Value::Network(network)) => Some(network),
            _ => None,
        }
    }

    /// Whether a score of the job reads `key` of `score`.
    pub(super) fn scores_with(&self, key: Key) -> bool {
        // After a mistake nobody knows.
        if !self.sound(&[Key::Metrics, Key::Dataset, Key::Classifier]) {
            return true;
        }
        let metrics = self.metrics();
        match readers(key) {
            Some(readers) => readers.iter().any(|metric| metrics.contains(metric)),
            None => !metrics.is_empty() && self.dataset().is_some_and(|dataset| dataset.is_images()),
        }
    }

    /// What no score reads is at its default, so that it cannot make two jobs of one.
    pub(super) fn score(&self, dataset: &Dataset) -> Score {
        let value = |key| if self.matters(key) { self.get(key) } else { self.usual(key) };
        let count = |key| match value(key) {
            Some(Value::Count(count)) => count as u32,
            _ => 0,
        };
        let number = |key| match value(key) {
            Some(Value::Number(number)) => number,
            _ => 0.0,
        };
        // Scoring less often than once is scoring at the end.
        let every = self.count(Key::Every);
        let (samples, real) = (count(Key::Samples), count(Key::RealSamples));
        Score {
            every: if every >= self.count(Key::Steps) { 0 } else { every },
            samples,
            metrics: self.metrics(),
            splits: count(Key::Splits),
            bins: count(Key::Bins),
            range: number(Key::Range),
            wasserstein_samples: count(Key::WassersteinSamples),
            real_samples: (real != samples).then_some(real),
            projections: count(Key::Projections),
            sinkhorn_reg: number(Key::SinkhornReg),
            neighbours: count(Key::Neighbours),
            network: self
                .network()
                .filter(|&network| self.matters(Key::Classifier) && ScoringNetwork::usual(dataset) != Some(network)),
        }
    }

    /// Scores that the data do not have, and settings of scores that do not fit together.
    pub(super) fn check_score(&self, variant: &Place, mistakes: &mut Mistakes) {
        let Some(dataset) = self.dataset() else { return };
        let network = self.network();
        let known = ScoringNetwork::of(&dataset);
        if let Some(network) = network.filter(|network| self.matters(Key::Classifier) && !known.contains(network)) {
            let place = self.place(&[Key::Classifier], variant);
            let message = format!("`{}` cannot see the images of {}", network.name(), dataset.name());
            let names: Vec<&str> = known.iter().map(|network| network.name()).collect();
            mistakes.advise(&*place.path, &place.span, message, format!("take `{}`", names.join("` or `")));
            return;
        }
        for metric in self.metrics().into_iter().filter(|metric| !metric.applies(&dataset, network)) {
            let place = self.place(&[Key::Metrics], variant);
            let message = match network {
                Some(ScoringNetwork::Inception) if known.contains(&ScoringNetwork::OwnLabels) => {
                    format!("`{}` is of the data set's own classes, which Inception does not know", metric.name())
                }
                _ => format!("`{}` is not defined on {}", metric.name(), dataset.name()),
            };
            let names: Vec<_> = Metric::ALL.iter().filter(|m| m.applies(&dataset, network)).map(|m| m.name()).collect();
            let mut help = format!("scores of {}: {}", dataset.name(), names.join(", "));
            if known.contains(&ScoringNetwork::OwnLabels) && metric.applies(&dataset, Some(ScoringNetwork::OwnLabels)) {
                help.push_str("; or `classifier: self`, which is trained on its labels");
            }
            mistakes.advise(&*place.path, &place.span, message, help);
        }
        let samples = self.count(Key::Samples);
        for key in [Key::Splits, Key::WassersteinSamples] {
            if self.matters(key) && self.sound(&[key, Key::Samples]) && self.count(key) > samples {
                let place = self.place(&[key, Key::Samples], variant);
                let message = format!("{} {} of {samples} samples", self.count(key), key.name());
                mistakes.advise(&*place.path, &place.span, message, format!("make it at most `samples` ({samples})"));
            }
        }
        for metric in self.metrics() {
            let least = metric.least_samples(self.count(Key::Neighbours));
            for key in [Key::Samples, Key::RealSamples] {
                // As many as there are samples, unless a file says otherwise: said once.
                if (key == Key::Samples || metric.reads(key) && self.count(key) != samples)
                    && self.sound(&[key, Key::Samples, Key::Neighbours])
                    && self.count(key) < least
                {
                    let place = self.place(&[key, Key::Samples], variant);
                    let message = format!("`{}` needs at least {least} {}", metric.name(), key.name());
                    mistakes.add(&*place.path, &place.span, message);
                }
            }
        }
    }
}

/// The scores of a data set unless a file names others.
pub(super) fn default_metrics(dataset: &Dataset) -> BTreeSet<Metric> {
    match dataset {
        Dataset::Gaussians(_) => {
            BTreeSet::from([Metric::Wasserstein, Metric::SymmetricKl, Metric::ModesCovered, Metric::HighQuality])
        }
        Dataset::Mnist | Dataset::FashionMnist => BTreeSet::from([
            Metric::InceptionScore,
            Metric::ModeScore,
            Metric::ModesCovered,
            Metric::ModeKl,
            Metric::Frechet,
        ]),
        Dataset::Mnist1k => BTreeSet::from([Metric::ModesCovered, Metric::ModeKl]),
        // What sees them is large, and not there until it is fetched: nobody gets it without asking.
        Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => BTreeSet::new(),
    }
}

/// 4, or as much more as it takes to have all modes with three standard deviations inside.
pub(super) fn default_range(dataset: Dataset) -> f64 {
    match dataset {
        Dataset::Gaussians(gaussians) => {
            let furthest = gaussians.centres().into_iter().flatten().fold(0.0, |far: f64, x| far.max(x.abs()));
            (furthest + 3.0 * Gaussians::covariance(&gaussians).sqrt()).ceil().max(4.0)
        }
        Dataset::Mnist
        | Dataset::FashionMnist
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10
        | Dataset::Own(_) => 4.0,
    }
}
