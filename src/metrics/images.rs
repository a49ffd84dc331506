//! Scores of images, from what a scoring network makes of them.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::Order;
use super::error::MetricError;
use super::features::{Found, RealFeatures};
use super::nets::{Network, Outputs, Watch};
use super::posterior::Posterior;
use super::{inception_score, mode_score, modes};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// What images are compared with, and what sees them.
#[derive(Debug)]
pub struct Images {
    network: Rc<Network>,
    /// p̃, of sum 1; empty where no score needs it.
    labels: Vec<f64>,
    /// Where a score compares with real images.
    real: Option<RealFeatures>,
}

impl Images {
    /// For the scores of `score`, seen by `network`, against the features of real images, and the share of each label among these.
    pub fn new(
        network: Rc<Network>,
        score: &Score,
        real: Option<RealFeatures>,
        labels: Option<Vec<f64>>,
    ) -> Result<Self, MetricError> {
        let mode_scores = [Metric::ModeScore, Metric::ModeScorePrinted, Metric::ModeScoreReversed];
        let labels = match mode_scores.iter().find(|metric| score.metrics.contains(metric)) {
            Some(metric) => frequencies(metric.name(), labels, network.classes())?,
            None => Vec::new(),
        };
        Ok(Images { network, labels, real })
    }

    /// The scores of `samples`, pixels in [−1, 1].
    pub fn scores(
        &self,
        score: &Score,
        samples: &[f32],
        order: Order,
        seed: u64,
        watch: &mut Watch,
    ) -> Result<BTreeMap<Metric, Found>, MetricError> {
        let Outputs { logits, features } = self.network.run(samples, watch)?;
        let how = json!({"network": self.network.name(), "checksum": self.network.checksum()});
        let mut features_how = how.clone();
        features_how["features"] = json!(features.size()[1]);
        let mut found = match &self.real {
            Some(real) => real.scores(&features, order, score, &features_how, seed)?,
            None => BTreeMap::new(),
        };
        let posterior = Posterior::from_logits(logits, self.network.classes());
        found.extend(of_classes(&posterior, order, score, &self.labels, "training set", &how));
        Ok(found)
    }
}

/// The scores of class probabilities that `score` asks for; `labels` is p̃, and comes from `origin`. `how` begins each protocol. Of rows in a
/// given order that look sorted, the protocol of the Inception score says what it is in a random order.
pub fn of_classes(
    posterior: &Posterior,
    order: Order,
    score: &Score,
    labels: &[f64],
    origin: &str,
    how: &Json,
) -> BTreeMap<Metric, Found> {
    let hits = modes::hit_classes(posterior);
    let with = |key: &str, value: Json| {
        let mut protocol = how.clone();
        protocol["samples"] = json!(posterior.len());
        protocol[key] = value;
        protocol
    };
    let one = |metric: Metric| {
        let labelled = || with("labels", json!(origin));
        let modes = || with("modes", json!(posterior.classes()));
        let (value, std, protocol) = match metric {
            Metric::InceptionScore => {
                let (mean, std) = inception_score::inception_score(posterior, score.splits);
                let mut protocol = with("splits", json!(score.splits));
                if let (Order::Given, Some(other)) = (order, inception_score::in_random_order(posterior, score.splits))
                {
                    protocol["in_random_order"] = json!(other);
                }
                (mean, Some(std), protocol)
            }
            Metric::ModeScore => (mode_score::mode_score(posterior, labels), None, labelled()),
            Metric::ModeScorePrinted => (mode_score::mode_score_printed(posterior, labels), None, labelled()),
            Metric::ModeScoreReversed => {
                let mut protocol = labelled();
                protocol["floor"] = json!(mode_score::FLOOR);
                (mode_score::mode_score_reversed(posterior, labels), None, protocol)
            }
            Metric::ModesCovered => (modes::covered(&hits), None, modes()),
            Metric::ModeKl => (modes::kl_to_uniform(&hits), None, modes()),
            Metric::Wasserstein
            | Metric::SlicedWasserstein
            | Metric::Sinkhorn
            | Metric::SymmetricKl
            | Metric::HighQuality
            | Metric::Frechet
            | Metric::Kid
            | Metric::Precision
            | Metric::Recall
            | Metric::Density
            | Metric::Coverage => return None,
        };
        Some((metric, (value, std, protocol)))
    };
    score.metrics.iter().filter_map(|&metric| one(metric)).collect()
}

/// `given`, the share of each label, scaled to sum 1; `metric` is what needs it.
///
/// # Errors
///
/// Where there is none, or not one for each class.
pub fn frequencies(metric: &'static str, given: Option<Vec<f64>>, classes: usize) -> Result<Vec<f64>, MetricError> {
    let wrong = |found: String| MetricError::Labels { metric, expected: classes, found };
    let given = given.ok_or_else(|| wrong("none".to_owned()))?;
    let total: f64 = given.iter().sum();
    if given.len() != classes || !total.is_finite() || total <= 0.0 || given.iter().any(|&share| share < 0.0) {
        return Err(wrong(format!("{given:?}")));
    }
    Ok(given.into_iter().map(|share| share / total).collect())
}
