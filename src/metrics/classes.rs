//! Scores computed from class probabilities.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::evaluated::{Evaluated, Hits, Shares};
use super::formula::{Measurement, Protocol};
use super::posterior::Posterior;
use super::{MetricError, Order, modes};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// Class probabilities of generated images.
pub(crate) struct Classes<'a> {
    /// p(y|x)
    pub posterior: Posterior,
    /// The order in which the images come.
    pub order: Order,
    /// The scoring settings.
    pub score: &'a Score,
    /// p̃ (sums to 1) and its origin, if known.
    labels: Option<(&'a [f64], &'a str)>,
    /// The fields that each protocol starts with.
    how: Protocol,
}

impl<'a> Classes<'a> {
    /// Collects what these probabilities give: the probabilities themselves, and which classes the images hit. `labels`
    /// is the share of each label in the training set, and its origin.
    pub(crate) fn seen(
        posterior: Posterior,
        order: Order,
        score: &'a Score,
        labels: Option<(&'a [f64], &'a str)>,
        how: Protocol,
    ) -> Evaluated<'a> {
        let (counts, samples) = (modes::hit_classes(&posterior), posterior.len());
        let shares = labels.map(|(shares, origin)| Shares::Labels(Cow::Borrowed(shares), origin));
        let hits = Hits { counts, samples, shares, bounded: false, how: how.clone() };
        let classes = Classes { posterior, order, score, labels, how };
        Evaluated { hits: Some(hits), classes: Some(classes), ..Evaluated::default() }
    }

    /// Computes a score from the probabilities.
    pub(crate) fn found(&self, of: fn(&Classes) -> Measurement) -> Measurement {
        of(self).with("samples", self.posterior.len()).said(&self.how)
    }

    /// Computes a score from the probabilities and the labels.
    pub(crate) fn labelled(&self, of: fn(&Posterior, &[f64]) -> Measurement) -> Option<Measurement> {
        let (shares, origin) = self.labels?;
        let found = of(&self.posterior, shares).with("labels", origin).with("samples", self.posterior.len());
        Some(found.said(&self.how))
    }
}

/// Computes the scores that `score` lists, from probabilities supplied by the caller. `labels` is p̃ and its origin. If
/// the rows look sorted, the protocol of the Inception score also gives its value in a random order.
///
/// # Errors
///
/// If a score is not defined on class probabilities, or needs labels and there are none.
pub fn of_given(
    posterior: Posterior,
    score: &Score,
    labels: Option<(&[f64], &str)>,
) -> Result<BTreeMap<Metric, Measurement>, MetricError> {
    let how = Protocol::from_iter([("network".to_owned(), "given".into())]);
    Classes::seen(posterior, Order::Given, score, labels, how).scores(score)
}

/// Returns `given`, the share of each label, scaled to sum to 1. `metric` is the score that needs it.
///
/// # Errors
///
/// If it is missing, or does not have one share per class.
pub fn frequencies(metric: &'static str, given: Option<Vec<f64>>, classes: usize) -> Result<Vec<f64>, MetricError> {
    let wrong = |found: String| MetricError::Labels { metric, expected: classes, found };
    let given = given.ok_or_else(|| wrong("none".to_owned()))?;
    let total: f64 = given.iter().sum();
    if given.len() != classes || !total.is_finite() || total <= 0.0 || given.iter().any(|&share| share < 0.0) {
        return Err(wrong(format!("{given:?}")));
    }
    Ok(given.into_iter().map(|share| share / total).collect())
}
