//! Scores that compare features of generated samples with those of real samples. For points, the features are the
//! points themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tch::Tensor;

use super::Order;
use super::error::MetricError;
use super::evaluated::Evaluated;
use super::formula::{Formula, Measurement, Protocol, formula};
use super::manifold::{Manifold, Overlap, overlap};
use super::rows::Rows;
use super::two_sample::{Accuracy, NEAREST, accuracy};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::{Metric, Needs};
use sweep_tensor::file::Named;

/// The name under which the features of training samples are kept, if those are not the real samples.
pub(crate) const TRAINING_FEATURES: &str = "training features";

/// A part of both sides, as passed to a formula.
pub(crate) struct Part<'a> {
    /// Generated features.
    pub generated: &'a Rows,
    /// Real ones.
    pub real: &'a Rows,
    /// The scoring settings.
    pub score: &'a Score,
    /// The seed of random choices.
    pub seed: u64,
}

/// Real features, as passed to a formula for its preparation.
pub(crate) struct Real<'a> {
    /// `[n, features]`
    pub features: &'a Tensor,
    /// The scoring settings.
    pub score: &'a Score,
    /// Results from earlier runs. Results that take long to compute are taken from here, or added. Their names contain
    /// n.
    pub known: &'a mut Named,
}

/// A prepared score: a function of generated features `[n, features]` and the seed of random choices. NaN if a feature
/// is not finite, or there are too few samples.
pub(crate) type Ready = Box<dyn Fn(&Tensor, u64) -> Result<Measurement, MetricError>>;

/// Features of real samples, with everything that can be computed from them in advance.
pub struct RealFeatures {
    /// The number of samples.
    n: usize,
    /// The number of features per sample.
    width: usize,
    /// Some of the samples, if a score needs a part.
    part: Option<Rows>,
    /// Present if a score needs neighbours. The inner `None` means that there are too few samples, or one is not
    /// finite.
    manifold: Option<Option<Manifold>>,
    /// The same with the nearest neighbour only.
    nearest: Option<Option<Manifold>>,
    /// The prepared scores on all features, each with the number of real samples it uses.
    ready: BTreeMap<Metric, (usize, Ready)>,
}

impl fmt::Debug for RealFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealFeatures").field("n", &self.n).field("ready", &self.ready.keys()).finish_non_exhaustive()
    }
}

/// Generated features together with real ones.
pub(crate) struct Features<'a> {
    real: &'a RealFeatures,
    generated: Tensor,
    part: Option<Rows>,
    overlap: Option<Option<Overlap>>,
    accuracy: Option<Option<Accuracy>>,
    score: &'a Score,
    seed: u64,
    /// The fields that each protocol starts with.
    how: Protocol,
    /// How many generated and real samples the part was drawn from, if it was drawn.
    drawn_from: [Option<usize>; 2],
}

/// Computes the scores that `score` lists, for `generated` against `real` features from any network. The order of the
/// samples does not matter: parts are drawn at random. `seed` determines all random choices. Announces each score that
/// takes long. If entropic transport did not converge, the protocol says so.
///
/// # Errors
///
/// If there are too few samples.
pub fn compare(
    generated: &Rows,
    real: &Rows,
    score: &Score,
    seed: u64,
    next: &mut dyn FnMut(Metric),
) -> Result<BTreeMap<Metric, Measurement>, MetricError> {
    let points = real.len().min(score.wasserstein_samples as usize);
    let mut known = Named::from([("features".to_owned(), real.shuffled(seed).tensor())]);
    let samples = generated.shuffled(seed).tensor();
    // One neighbour search serves all scores that use neighbours.
    let of = |needs| score.metrics.iter().copied().filter(|metric| metric.needs() == needs).collect::<BTreeSet<_>>();
    let together = [of(Needs::Neighbours), of(Needs::Nearest)];
    let alone = score.metrics.iter().filter(|&metric| !together.iter().any(|metrics| metrics.contains(metric)));
    let alone: Vec<BTreeSet<Metric>> = alone.map(|&metric| BTreeSet::from([metric])).collect();
    let mut all = BTreeMap::new();
    for metrics in alone.into_iter().chain(together) {
        let Some(&first) = metrics.first() else { continue };
        next(first);
        let part = Score { metrics, ..score.clone() };
        let real_features = RealFeatures::new(&mut known, &part, points)?;
        let how = Protocol::from_iter([("features".to_owned(), real.width().into())]);
        let mut features = real_features.combine(samples.shallow_clone(), Order::Random, &part, how, seed)?;
        features.drawn_from = [Some(generated.len()), Some(real.len())];
        let found = Evaluated { features: Some(features), ..Evaluated::default() }.scores(&part)?;
        all.extend(found.into_iter().map(|(metric, found)| (metric, found.in_full())));
    }
    Ok(all)
}

impl RealFeatures {
    /// Prepares the scores that `score` lists for `known["features"]` `[n, features]`; transport uses the first
    /// `points` of them. Scores that don't use features are skipped. [`TRAINING_FEATURES`] are the features of the
    /// training set, if there are any. Results that take long to compute are taken from `known`, or added to it.
    ///
    /// # Errors
    ///
    /// If there are too few samples.
    pub(crate) fn new(known: &mut Named, score: &Score, points: usize) -> Result<Self, MetricError> {
        let all = known["features"].shallow_clone();
        let apart = known.get(TRAINING_FEATURES).map(Tensor::shallow_clone);
        let training = apart.as_ref().unwrap_or(&all);
        let [real, of_training] = [&all, training].map(|features| features.size()[0] as usize);
        for &metric in &score.metrics {
            let least = metric.least_samples(score.neighbours.into()) as usize;
            let (expected, found) = match formula(metric) {
                Formula::Part(_) => (points.max(1), real),
                Formula::Features(_) | Formula::Plane(_) => (least, real),
                Formula::Neighbours(_) | Formula::Nearest(_) => (least, real),
                Formula::Training(_) => (least, of_training),
                Formula::Probabilities(_) | Formula::Labels(_) => continue,
                Formula::Hits(_) | Formula::Shares(_) | Formula::Modes(_) | Formula::Density(_) => continue,
            };
            if found < expected {
                return Err(MetricError::TooFewReal { metric: metric.name(), expected, found });
            }
        }
        let features = all.f_narrow(0, 0, all.size()[0].min(score.real().into()))?;
        let n = features.size()[0] as usize;
        let width = features.size()[1] as usize;
        let mut real = RealFeatures { n, width, part: None, manifold: None, nearest: None, ready: BTreeMap::new() };
        for &metric in &score.metrics {
            match formula(metric) {
                Formula::Part(_) if real.part.is_none() => real.part = Some(Rows::first(&all, points)?),
                Formula::Neighbours(_) if real.manifold.is_none() => {
                    real.manifold = Some(manifold(known, &features, score.neighbours)?);
                }
                Formula::Nearest(_) if real.nearest.is_none() => {
                    real.nearest = Some(manifold(known, &features, NEAREST)?);
                }
                // Not prepared for features outside the plane: a request for it will be an error.
                Formula::Plane(_) if features.size()[1] != 2 => {}
                Formula::Features(ready) | Formula::Plane(ready) => {
                    let of = &mut Real { features: &features, score, known: &mut *known };
                    real.ready.insert(metric, (n, ready(of)?));
                }
                Formula::Training(ready) => {
                    // Names of results contain only the number of samples, so keep those for other features apart.
                    let known = if apart.is_some() { &mut Named::new() } else { &mut *known };
                    let of = &mut Real { features: training, score, known };
                    real.ready.insert(metric, (of_training, ready(of)?));
                }
                Formula::Part(_) | Formula::Neighbours(_) | Formula::Nearest(_) => {}
                Formula::Probabilities(_) | Formula::Labels(_) => {}
                Formula::Hits(_) | Formula::Shares(_) | Formula::Modes(_) | Formula::Density(_) => {}
            }
        }
        Ok(real)
    }

    /// Returns the number of features per sample.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Combines `generated` features `[n, features]`, which come in this `order`, with these. `how` is what each
    /// protocol starts with; `seed` determines random choices.
    pub(crate) fn combine<'a>(
        &'a self,
        mut generated: Tensor,
        order: Order,
        score: &'a Score,
        how: Protocol,
        seed: u64,
    ) -> Result<Features<'a>, MetricError> {
        let mut drawn_from = [None; 2];
        if order == Order::Given {
            drawn_from[0] = Some(generated.size()[0] as usize);
            generated = Rows::of(&generated)?.shuffled(seed).tensor();
        }
        let part = match &self.part {
            Some(_) => Some(Rows::first(&generated, score.wasserstein_samples as usize)?),
            None => None,
        };
        let overlap = match &self.manifold {
            Some(Some(real)) => {
                let generated = Manifold::new(Rows::of(&generated)?, score.neighbours);
                Some(generated.map(|generated| overlap(&generated, real, score.neighbours)))
            }
            Some(None) => Some(None),
            None => None,
        };
        let accuracy = match &self.nearest {
            Some(Some(real)) => {
                let generated = Manifold::new(Rows::of(&generated)?, NEAREST);
                Some(generated.map(|generated| accuracy(&generated, real)))
            }
            Some(None) => Some(None),
            None => None,
        };
        Ok(Features { real: self, generated, part, overlap, accuracy, score, seed, how, drawn_from })
    }
}

/// Returns the neighbourhoods of `features` `[n, features]`. `None` if there are too few, or one is not finite.
pub(super) fn manifold(known: &mut Named, features: &Tensor, neighbours: u32) -> Result<Option<Manifold>, MetricError> {
    let name = format!("neighbours_{neighbours}_{}", features.size()[0]);
    let rows = Rows::of(features)?;
    let manifold = match known.get(&name) {
        Some(radii) => Some(Manifold::with_radii(rows, Vec::try_from(radii)?)),
        None => Manifold::new(rows, neighbours),
    };
    if let Some(radii) = manifold.as_ref().and_then(Manifold::radii) {
        known.insert(name, Tensor::from_slice(radii));
    }
    Ok(manifold)
}

impl Features<'_> {
    /// Computes a score from a part of both sides.
    pub(crate) fn part(&self, of: fn(&Part) -> Measurement) -> Option<Measurement> {
        let (generated, real) = (self.part.as_ref()?, self.real.part.as_ref()?);
        let sizes = [generated.len(), real.len()];
        let mut found = of(&Part { generated, real, score: self.score, seed: self.seed });
        for ((what, size), all) in ["samples", "real"].into_iter().zip(sizes).zip(self.drawn_from) {
            if let Some(all) = all.filter(|&all| all != size) {
                found = found.with(&format!("{what}_drawn_from"), all).with("seed", self.seed);
            }
        }
        Some(self.said(found, sizes))
    }

    /// Computes a prepared score.
    pub(crate) fn all(&self, metric: Metric) -> Option<Result<Measurement, MetricError>> {
        let (real, ready) = self.real.ready.get(&metric)?;
        let sizes = [self.generated.size()[0] as usize, *real];
        Some(ready(&self.generated, self.seed).map(|found| self.said(found, sizes)))
    }

    /// Computes a score from neighbourhoods.
    pub(crate) fn overlap(&self, of: fn(&Overlap) -> f64) -> Option<Measurement> {
        let value = self.overlap.as_ref()?.as_ref().map_or(f64::NAN, of);
        let sizes = [self.generated.size()[0] as usize, self.real.n];
        Some(self.said(Measurement::of(value).with("k", self.score.neighbours), sizes))
    }

    /// Computes a score from nearest neighbours.
    pub(crate) fn accuracy(&self, of: fn(&Accuracy) -> f64) -> Option<Measurement> {
        let value = self.accuracy.as_ref()?.as_ref().map_or(f64::NAN, of);
        let sizes = [self.generated.size()[0] as usize, self.real.n];
        Some(self.said(Measurement::of(value), sizes))
    }

    fn said(&self, found: Measurement, [samples, real]: [usize; 2]) -> Measurement {
        found.with("samples", samples).with("real", real).said(&self.how)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_score_is_announced_once_and_neighbour_scores_together() {
        let rows = |shift: usize| Rows::new((0..80).map(|i| ((i + shift) * 7 % 11) as f64).collect(), 2);
        let metrics = [Metric::Recall, Metric::Kid, Metric::Wasserstein, Metric::Coverage].into();
        let score = Score { metrics, wasserstein_samples: 40, ..Score::default() };
        let mut said = Vec::new();
        let found = compare(&rows(0), &rows(3), &score, 5, &mut |metric| said.push(metric)).unwrap();
        assert_eq!(said, [Metric::Wasserstein, Metric::Kid, Metric::Recall]);
        assert!(found.keys().eq(&score.metrics), "{found:?}");
    }

    #[test]
    fn protocols_say_what_was_drawn_and_from_how_many() {
        let rows = |n: usize| Rows::new((0..n).map(|i| (i * 7 % 11) as f64).collect(), 1);
        let of = |n, m, points| {
            let metrics = [Metric::Wasserstein, Metric::Frechet].into();
            let score = Score { metrics, wasserstein_samples: points, ..Score::default() };
            let found = compare(&rows(n), &rows(m), &score, 5, &mut |_| ()).unwrap();
            [Metric::Wasserstein, Metric::Frechet]
                .map(|metric| serde_json::Value::from(found[&metric].protocol.clone()))
        };
        let [all, _] = of(30, 50, 60);
        assert_eq!(all, json!({"features": 1, "samples": 30, "real": 50, "cost": "euclidean"}));
        let [some, frechet] = of(30, 50, 40);
        let drawn =
            json!({"features": 1, "samples": 30, "real": 40, "real_drawn_from": 50, "seed": 5, "cost": "euclidean"});
        assert_eq!((some, frechet), (drawn, json!({"features": 1, "samples": 30, "real": 50})));
        assert_eq!(of(50, 30, 40)[0]["samples_drawn_from"], 50);
    }
}
