//! Scores of class probabilities.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::formula::{Found, Protocol};
use super::posterior::Posterior;
use super::seen::{Hits, Seen, Shares};
use super::{MetricError, Order, modes};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;

/// Probabilities of the classes of generated images.
pub(crate) struct Classes<'a> {
    /// p(y|x)
    pub posterior: Posterior,
    /// In what order the images come.
    pub order: Order,
    /// How they are scored.
    pub score: &'a Score,
    /// p̃, of sum 1, and where it comes from; where that is known.
    labels: Option<(&'a [f64], &'a str)>,
    /// What begins each protocol.
    how: Protocol,
}

impl<'a> Classes<'a> {
    /// What there is of these probabilities: themselves, and which classes the images hit. `labels`: the share of each label in the training
    /// set, and where these come from.
    pub(crate) fn seen(
        posterior: Posterior,
        order: Order,
        score: &'a Score,
        labels: Option<(&'a [f64], &'a str)>,
        how: Protocol,
    ) -> Seen<'a> {
        let (counts, samples) = (modes::hit_classes(&posterior), posterior.len());
        let shares = labels.map(|(shares, origin)| Shares::Labels(Cow::Borrowed(shares), origin));
        let hits = Hits { counts, samples, shares, bounded: false, how: how.clone() };
        let classes = Classes { posterior, order, score, labels, how };
        Seen { hits: Some(hits), classes: Some(classes), ..Seen::default() }
    }

    /// By a formula of the probabilities.
    pub(crate) fn found(&self, of: fn(&Classes) -> Found) -> Found {
        of(self).with("samples", self.posterior.len()).said(&self.how)
    }

    /// By a formula of the labels, too.
    pub(crate) fn labelled(&self, of: fn(&Posterior, &[f64]) -> Found) -> Option<Found> {
        let (shares, origin) = self.labels?;
        let found = of(&self.posterior, shares).with("labels", origin).with("samples", self.posterior.len());
        Some(found.said(&self.how))
    }
}

/// The scores that `score` asks for, of probabilities that somebody else gave; `labels`: p̃, and where it comes from. Of rows that look
/// sorted, the protocol of the Inception score says what it is in a random order.
///
/// # Errors
///
/// Where a score is not of class probabilities, or of labels and there are none.
pub fn of_given(
    posterior: Posterior,
    score: &Score,
    labels: Option<(&[f64], &str)>,
) -> Result<BTreeMap<Metric, Found>, MetricError> {
    let how = Protocol::from_iter([("network".to_owned(), "given".into())]);
    Classes::seen(posterior, Order::Given, score, labels, how).scores(score)
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
