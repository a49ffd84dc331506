//! Scores that compare features of generated samples with those of real ones. Points are features of themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tch::Tensor;

use super::error::MetricError;
use super::frechet::Gaussian;
use super::manifold::{Manifold, Overlap, overlap};
use super::rows::Rows;
use super::{Order, kid, sinkhorn, sliced, wasserstein};
use sweep_spec::blueprint::Score;
use sweep_spec::metric::Metric;
use sweep_tensor::file::Named;

/// A value, its standard deviation where it is a mean, and how it was measured.
pub type Found = (f64, Option<f64>, Json);

/// Features of real samples, and what can be known of them before there is anything to compare with.
#[derive(Debug)]
pub struct RealFeatures {
    /// `[n, features]`
    features: Tensor,
    /// The first of them, for transport.
    points: Option<Rows>,
    fit: Option<Gaussian>,
    manifold: Option<Manifold>,
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
    let (samples, how) = (generated.shuffled(seed).tensor(), json!({"features": real.width()}));
    // One search for neighbours serves all that look at them.
    let (neighbours, alone): (BTreeSet<Metric>, _) = score.metrics.iter().partition(|metric| metric.neighbours());
    let alone: BTreeSet<Metric> = alone;
    let mut found = BTreeMap::new();
    for metrics in alone.into_iter().map(|metric| BTreeSet::from([metric])).chain([neighbours]) {
        let Some(&first) = metrics.first() else { continue };
        next(first);
        let part = Score { metrics, ..score.clone() };
        let (mut measured, missed) =
            RealFeatures::new(&mut known, &part, points)?.measure(&samples, &part, &how, seed)?;
        if let (Some((.., protocol)), Some(missed)) = (measured.get_mut(&Metric::Sinkhorn), missed) {
            protocol["converged"] = json!(false);
            protocol["marginal_error"] = json!(missed);
        }
        found.extend(measured);
    }
    drawn(&mut found, "real", real.len(), seed);
    drawn(&mut found, "samples", generated.len(), seed);
    Ok(found)
}

/// Says in the protocols of transport, whose number of `what` may be a part of `all`, that it was drawn from these, and by which seed.
fn drawn(found: &mut BTreeMap<Metric, Found>, what: &str, all: usize, seed: u64) {
    for (_, (.., protocol)) in found.iter_mut().filter(|(metric, _)| metric.transports()) {
        if protocol[what] != json!(all) {
            protocol[format!("{what}_drawn_from")] = json!(all);
            protocol["seed"] = json!(seed);
        }
    }
}

/// Gaussian fit, where there are enough features and these are finite.
fn fit(known: &Named, features: &Tensor) -> Result<Option<Gaussian>, MetricError> {
    Ok(match Gaussian::from_parts(known, features.size()[0]) {
        Some(fit) => Some(fit),
        None => Gaussian::fit(features)?,
    })
}

impl RealFeatures {
    /// Gets `known["features"]` `[n, features]` ready for the scores that `score` asks for, transport with the first `points` of them; others
    /// are passed over. What takes long to work out is taken from `known`, or added to it.
    ///
    /// # Errors
    ///
    /// Where there are too few.
    pub fn new(known: &mut Named, score: &Score, points: usize) -> Result<Self, MetricError> {
        let all = known["features"].shallow_clone();
        let found = all.size()[0] as usize;
        for &metric in &score.metrics {
            let expected = if metric.transports() {
                points.max(1)
            } else if matches!(metric, Metric::Frechet | Metric::Kid) || metric.neighbours() {
                metric.least_samples(score.neighbours.into()) as usize
            } else {
                continue;
            };
            if found < expected {
                return Err(MetricError::TooFewReal { metric: metric.name(), expected, found });
            }
        }
        let wants = |needs: fn(Metric) -> bool| score.metrics.iter().any(|&metric| needs(metric));
        let points = match wants(Metric::transports) {
            true => Some(Rows::first(&all, points)?),
            false => None,
        };
        let features = all.f_narrow(0, 0, all.size()[0].min(score.real().into()))?;
        let n = features.size()[0];
        let fit = match wants(|metric| metric == Metric::Frechet) {
            true => fit(known, &features)?,
            false => None,
        };
        if let Some(fit) = &fit {
            known.extend(fit.parts(n));
        }
        let name = format!("neighbours_{}_{n}", score.neighbours);
        let manifold = match (wants(Metric::neighbours), known.get(&name)) {
            (true, Some(radii)) => Some(Manifold::with_radii(Rows::of(&features)?, Vec::try_from(radii)?)),
            (true, None) => Manifold::new(Rows::of(&features)?, score.neighbours),
            (false, _) => None,
        };
        if let Some(radii) = manifold.as_ref().and_then(Manifold::radii) {
            known.insert(name, Tensor::from_slice(radii));
        }
        Ok(RealFeatures { features, points, fit, manifold })
    }

    /// The scores that `score` asks for, of `generated` features `[n, features]` that come in this `order`; `how` begins each protocol, and
    /// random choices follow `seed`. NaN where a feature is not finite, or there are too few.
    pub fn scores(
        &self,
        generated: &Tensor,
        order: Order,
        score: &Score,
        how: &Json,
        seed: u64,
    ) -> Result<BTreeMap<Metric, Found>, MetricError> {
        // How near a plan comes depends on the samples: in protocols it would part the jobs of a sweep.
        let of = |features: &Tensor| Ok::<_, MetricError>(self.measure(features, score, how, seed)?.0);
        match order {
            Order::Random => of(generated),
            Order::Given => {
                let mut found = of(&Rows::of(generated)?.shuffled(seed).tensor())?;
                drawn(&mut found, "samples", generated.size()[0] as usize, seed);
                Ok(found)
            }
        }
    }

    /// The same, and by how much the plan of entropic transport missed its marginals, if it did.
    fn measure(
        &self,
        generated: &Tensor,
        score: &Score,
        how: &Json,
        seed: u64,
    ) -> Result<(BTreeMap<Metric, Found>, Option<f64>), MetricError> {
        let (n, real) = (generated.size()[0] as usize, self.features.size()[0] as usize);
        let protocol = |sizes: [usize; 2], own: Json| {
            let mut protocol = how.clone();
            (protocol["samples"], protocol["real"]) = (json!(sizes[0]), json!(sizes[1]));
            if let (Some(all), Json::Object(own)) = (protocol.as_object_mut(), own) {
                all.extend(own);
            }
            protocol
        };
        let points = match &self.points {
            Some(real) => Some((Rows::first(generated, score.wasserstein_samples as usize)?, real)),
            None => None,
        };
        let overlap = match score.metrics.iter().any(|metric| metric.neighbours()) {
            true => self.overlap(generated, score.neighbours)?,
            false => None,
        };
        let of_overlap =
            |share: fn(Overlap) -> f64| (overlap.map_or(f64::NAN, share), None, json!({"k": score.neighbours}));
        let (mut found, mut missed) = (BTreeMap::new(), None);
        for &metric in &score.metrics {
            let (value, std, own) = match (metric, &points) {
                (Metric::Wasserstein, Some((generated, real))) => {
                    (wasserstein::wasserstein(generated, real), None, json!({}))
                }
                (Metric::SlicedWasserstein, Some((generated, real))) => {
                    let value = sliced::sliced_wasserstein(generated, real, score.projections, seed);
                    (value, None, json!({"projections": score.projections, "seed": seed}))
                }
                (Metric::Sinkhorn, Some((generated, real))) => {
                    let plan = sinkhorn::sinkhorn(generated, real, score.sinkhorn_reg);
                    missed = plan.missed();
                    let (most, tolerance) = (sinkhorn::MOST, sinkhorn::TOLERANCE);
                    let how = json!({"regularization": score.sinkhorn_reg, "iterations": most, "tolerance": tolerance});
                    (plan.cost, None, how)
                }
                (Metric::Frechet, _) => {
                    let value = match Gaussian::fit(generated)?.as_ref().zip(self.fit.as_ref()) {
                        Some((fit, real)) => real.frechet(fit)?,
                        None => f64::NAN,
                    };
                    (value, None, json!({}))
                }
                (Metric::Kid, _) => {
                    let (mean, std) = kid::kid(generated, &self.features, seed)?;
                    let (subset, subsets) = (kid::subset(n, real), kid::subsets(n, real));
                    (mean, Some(std), json!({"subset": subset, "subsets": subsets, "seed": seed}))
                }
                (Metric::Precision, _) => of_overlap(|overlap| overlap.precision),
                (Metric::Recall, _) => of_overlap(|overlap| overlap.recall),
                (Metric::Density, _) => of_overlap(|overlap| overlap.density),
                (Metric::Coverage, _) => of_overlap(|overlap| overlap.coverage),
                // None of features; or transport, which `score` did not ask for when the points were put aside.
                (Metric::Wasserstein | Metric::SlicedWasserstein | Metric::Sinkhorn, None)
                | (Metric::SymmetricKl | Metric::ModesCovered | Metric::ModeKl | Metric::HighQuality, _)
                | (Metric::InceptionScore | Metric::ModeScore | Metric::ModeScorePrinted, _)
                | (Metric::ModeScoreReversed, _) => continue,
            };
            let (sizes, own) = match &points {
                Some((generated, real)) if metric.transports() => {
                    let mut own = own;
                    own["cost"] = json!("euclidean");
                    ([generated.len(), real.len()], own)
                }
                _ => ([n, real], own),
            };
            found.insert(metric, (value, std, protocol(sizes, own)));
        }
        Ok((found, missed))
    }

    /// Of the neighbourhoods of `generated` with those of the real features, where there are enough and these are finite.
    fn overlap(&self, generated: &Tensor, k: u32) -> Result<Option<Overlap>, MetricError> {
        let Some(real) = &self.manifold else { return Ok(None) };
        let generated = Manifold::new(Rows::of(generated)?, k);
        Ok(generated.map(|generated| overlap(&generated, real, k)))
    }
}

#[cfg(test)]
mod tests {
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
            [Metric::Wasserstein, Metric::Frechet].map(|metric| found[&metric].2.clone())
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
