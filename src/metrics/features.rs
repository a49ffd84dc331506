//! Scores that compare features of generated samples with those of real ones. Points are features of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tch::Tensor;

use super::Order;
use super::error::MetricError;
use super::formula::{Formula, Found, Protocol, formula};
use super::manifold::{Manifold, Overlap, overlap};
use super::rows::Rows;
use super::seen::Seen;
use super::two_sample::{Accuracy, NEAREST, accuracy};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::{Metric, Needs};
use sweep_tensor::file::Named;

/// What the features of training samples are called among what is known, where they are others than the real ones.
pub(crate) const TRAINING_FEATURES: &str = "training features";

/// A part of both sides, as a formula is given it.
pub(crate) struct Part<'a> {
    /// Generated features.
    pub generated: &'a Rows,
    /// Real ones.
    pub real: &'a Rows,
    /// How they are scored.
    pub score: &'a Score,
    /// What random choices follow.
    pub seed: u64,
}

/// Real features, as a formula is given them to get ready.
pub(crate) struct Real<'a> {
    /// `[n, features]`
    pub features: &'a Tensor,
    /// How they are scored.
    pub score: &'a Score,
    /// What is known of them from before. What takes long to work out is taken from here, or added, by a name with n in it.
    pub known: &'a mut Named,
}

/// A score that is ready for generated features `[n, features]`, and a seed that random choices follow. NaN where a feature is not finite, or
/// there are too few.
pub(crate) type Ready = Box<dyn Fn(&Tensor, u64) -> Result<Found, MetricError>>;

/// Features of real samples, and what can be known of them before there is anything to compare with.
pub struct RealFeatures {
    /// How many there are.
    n: usize,
    /// How many values each has.
    width: usize,
    /// Some of them, where a score needs a part.
    part: Option<Rows>,
    /// Where a score needs neighbours; none inside where these are too few, or not finite.
    manifold: Option<Option<Manifold>>,
    /// The same where a score needs the nearest one alone.
    nearest: Option<Option<Manifold>>,
    /// The scores of all of them, and of how many real ones each is.
    ready: BTreeMap<Metric, (usize, Ready)>,
}

impl fmt::Debug for RealFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealFeatures").field("n", &self.n).field("ready", &self.ready.keys()).finish_non_exhaustive()
    }
}

/// Generated features beside real ones.
pub(crate) struct Features<'a> {
    real: &'a RealFeatures,
    generated: Tensor,
    part: Option<Rows>,
    overlap: Option<Option<Overlap>>,
    accuracy: Option<Option<Accuracy>>,
    score: &'a Score,
    seed: u64,
    /// What begins each protocol.
    how: Protocol,
    /// How many generated and real ones there were for the part to be drawn from, where it was.
    drawn_from: [Option<usize>; 2],
}

/// The scores that `score` asks for, of `generated` against `real` features of any network, whatever the order of both. What looks at a part of
/// them draws it at random; that, like all random choices, follows `seed`. Says what comes next before each that takes its own time. Of
/// entropic transport that did not converge the protocol says so.
///
/// # Errors
///
/// Where there are too few.
pub fn compare(
    generated: &Rows,
    real: &Rows,
    score: &Score,
    seed: u64,
    next: &mut dyn FnMut(Metric),
) -> Result<BTreeMap<Metric, Found>, MetricError> {
    let points = real.len().min(score.wasserstein_samples as usize);
    let mut known = Named::from([("features".to_owned(), real.shuffled(seed).tensor())]);
    let samples = generated.shuffled(seed).tensor();
    // One search for neighbours serves all that look at them.
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
        let mut features = real_features.beside(samples.shallow_clone(), Order::Random, &part, how, seed)?;
        features.drawn_from = [Some(generated.len()), Some(real.len())];
        let found = Seen { features: Some(features), ..Seen::default() }.scores(&part)?;
        all.extend(found.into_iter().map(|(metric, found)| (metric, found.in_full())));
    }
    Ok(all)
}

impl RealFeatures {
    /// Gets `known["features"]` `[n, features]` ready for the scores that `score` asks for, transport with the first `points` of them; those
    /// that are not of features are passed over. [`TRAINING_FEATURES`] are those of the training set, if there are such. What takes long to work out is taken from `known`, or added to it.
    ///
    /// # Errors
    ///
    /// Where there are too few.
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
                // Not ready where they are of more than the plane: whoever asks is told.
                Formula::Plane(_) if features.size()[1] != 2 => {}
                Formula::Features(ready) | Formula::Plane(ready) => {
                    let of = &mut Real { features: &features, score, known: &mut *known };
                    real.ready.insert(metric, (n, ready(of)?));
                }
                Formula::Training(ready) => {
                    // Names of what is known of features have their number alone.
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

    /// Values of each.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// `generated` features `[n, features]` that come in this `order`, beside these; `how` begins each protocol, and random choices follow
    /// `seed`.
    pub(crate) fn beside<'a>(
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

/// The neighbourhoods of `features` `[n, features]`; none where they are too few, or not finite.
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
    /// By a formula of a part.
    pub(crate) fn part(&self, of: fn(&Part) -> Found) -> Option<Found> {
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

    /// The score of all that is ready.
    pub(crate) fn all(&self, metric: Metric) -> Option<Result<Found, MetricError>> {
        let (real, ready) = self.real.ready.get(&metric)?;
        let sizes = [self.generated.size()[0] as usize, *real];
        Some(ready(&self.generated, self.seed).map(|found| self.said(found, sizes)))
    }

    /// By a formula of neighbourhoods.
    pub(crate) fn overlap(&self, of: fn(&Overlap) -> f64) -> Option<Found> {
        let value = self.overlap.as_ref()?.as_ref().map_or(f64::NAN, of);
        let sizes = [self.generated.size()[0] as usize, self.real.n];
        Some(self.said(Found::of(value).with("k", self.score.neighbours), sizes))
    }

    /// By a formula of nearest neighbours.
    pub(crate) fn accuracy(&self, of: fn(&Accuracy) -> f64) -> Option<Found> {
        let value = self.accuracy.as_ref()?.as_ref().map_or(f64::NAN, of);
        let sizes = [self.generated.size()[0] as usize, self.real.n];
        Some(self.said(Found::of(value), sizes))
    }

    fn said(&self, found: Found, [samples, real]: [usize; 2]) -> Found {
        found.with("samples", samples).with("real", real).said(&self.how)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_score_is_announced_once_and_what_looks_at_neighbours_together() {
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
