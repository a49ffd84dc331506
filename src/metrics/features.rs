//! Scores that compare features of generated samples with those of real ones. Points are features of themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tch::Tensor;

use super::error::MetricError;
use super::frechet::{Anchor, Gaussian};
use super::manifold::{Manifold, overlap};
use super::rows::Rows;
use super::{kid, sinkhorn, sliced, wasserstein};
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
    anchor: Option<Anchor>,
    manifold: Option<Manifold>,
}

/// The scores that `score` asks for, of `generated` against `real` features of any network; random choices follow `seed`. Says
/// what comes next before each that takes its own time. Of entropic transport that did not converge the protocol says so.
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
    let tensor = |rows: &Rows| Tensor::from_slice(rows.values()).reshape([-1, rows.width() as i64]);
    let (generated, mut known) = (tensor(generated), Named::from([("features".to_owned(), tensor(real))]));
    let how = json!({"features": real.width()});
    // One search for neighbours serves all that look at them.
    let (neighbours, alone): (BTreeSet<Metric>, _) = score.metrics.iter().partition(|metric| metric.neighbours());
    let alone: BTreeSet<Metric> = alone;
    let mut found = BTreeMap::new();
    for metrics in alone.into_iter().map(|metric| BTreeSet::from([metric])).chain([neighbours]) {
        let Some(&first) = metrics.first() else { continue };
        next(first);
        let part = Score { metrics, ..score.clone() };
        let (mut measured, missed) = RealFeatures::new(&mut known, &part)?.measure(&generated, &part, &how, seed)?;
        if let (Some((.., protocol)), Some(missed)) = (measured.get_mut(&Metric::Sinkhorn), missed) {
            protocol["converged"] = json!(false);
            protocol["marginal_error"] = json!(missed);
        }
        found.extend(measured);
    }
    Ok(found)
}

impl RealFeatures {
    /// Gets `known["features"]` `[n, features]` ready for the scores that `score` asks for; others are passed over. What takes long to
    /// work out is taken from `known`, or added to it.
    ///
    /// # Errors
    ///
    /// Where there are too few.
    pub fn new(known: &mut Named, score: &Score) -> Result<Self, MetricError> {
        let all = known["features"].shallow_clone();
        let found = all.size()[0] as usize;
        for &metric in &score.metrics {
            let expected = if metric.transports() {
                score.wasserstein_samples.max(1) as usize
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
            true => Some(Rows::first(&all, score.wasserstein_samples as usize)?),
            false => None,
        };
        let features = all.f_narrow(0, 0, all.size()[0].min(score.real().into()))?;
        let n = features.size()[0];
        let anchor = match wants(|metric| metric == Metric::Frechet) {
            true => match Anchor::from_parts(known, n) {
                Some(anchor) => Some(anchor),
                None => Gaussian::fit(&features)?.map(Anchor::new).transpose()?,
            },
            false => None,
        };
        if let Some(anchor) = &anchor {
            known.extend(anchor.parts(n).map(|(name, part)| (name, part.shallow_clone())));
        }
        let name = format!("radii_{}_{n}", score.neighbours);
        let manifold = match (wants(Metric::neighbours), known.get(&name)) {
            (true, Some(radii)) => Some(Manifold::with_radii(features.shallow_clone(), radii.shallow_clone())),
            (true, None) => Manifold::new(&features, score.neighbours)?,
            (false, _) => None,
        };
        if let Some(manifold) = &manifold {
            known.insert(name, manifold.radii().shallow_clone());
        }
        Ok(RealFeatures { features, points, anchor, manifold })
    }

    /// The scores that `score` asks for, of `generated` features `[n, features]`; `how` begins each protocol, and random choices follow
    /// `seed`. NaN where a feature is not finite, or there are too few.
    pub fn scores(
        &self,
        generated: &Tensor,
        score: &Score,
        how: &Json,
        seed: u64,
    ) -> Result<BTreeMap<Metric, Found>, MetricError> {
        // How near a plan comes depends on the samples: in protocols it would part the jobs of a sweep.
        Ok(self.measure(generated, score, how, seed)?.0)
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
        let protocol = |own: Json| {
            let mut protocol = how.clone();
            if let (Some(all), Json::Object(own)) = (protocol.as_object_mut(), own) {
                all.extend(own);
            }
            protocol
        };
        let (mut found, mut missed) = (BTreeMap::new(), None);
        let wanted = |metric| score.metrics.contains(&metric);
        if let Some(real) = &self.points {
            let points = n.min(real.len());
            let mut real = real.clone();
            real.truncate(points);
            let generated = Rows::first(generated, points)?;
            let sizes = json!({"samples": points, "real": points, "cost": "euclidean"});
            let with = |key: &str, value: Json| {
                let mut own = sizes.clone();
                own[key] = value;
                own
            };
            for &metric in score.metrics.iter().filter(|metric| metric.transports()) {
                let (value, own) = match metric {
                    Metric::SlicedWasserstein => {
                        let mut own = with("projections", json!(score.projections));
                        own["seed"] = json!(seed);
                        (sliced::sliced_wasserstein(&generated, &real, score.projections, seed), own)
                    }
                    Metric::Sinkhorn => {
                        let mut own = with("regularization", json!(score.sinkhorn_reg));
                        own["iterations"] = json!(sinkhorn::MOST);
                        own["tolerance"] = json!(sinkhorn::TOLERANCE);
                        let plan = sinkhorn::sinkhorn(&generated, &real, score.sinkhorn_reg);
                        missed = plan.missed();
                        (plan.cost, own)
                    }
                    _ => (wasserstein::wasserstein(&generated, &real), sizes.clone()),
                };
                found.insert(metric, (value, None, protocol(own)));
            }
        }
        let sizes = json!({"samples": n, "real": real});
        if wanted(Metric::Frechet) {
            let value = match Gaussian::fit(generated)?.as_ref().zip(self.anchor.as_ref()) {
                Some((fit, anchor)) => anchor.frechet(fit)?,
                None => f64::NAN,
            };
            found.insert(Metric::Frechet, (value, None, protocol(sizes.clone())));
        }
        if wanted(Metric::Kid) {
            let (mean, std) = kid::kid(generated, &self.features, seed)?;
            let mut own = sizes.clone();
            own["subset"] = json!(kid::subset(n, real));
            own["subsets"] = json!(kid::subsets(n, real));
            own["seed"] = json!(seed);
            found.insert(Metric::Kid, (mean, Some(std), protocol(own)));
        }
        if score.metrics.iter().any(|metric| metric.neighbours()) {
            let k = score.neighbours;
            let overlap = match Manifold::new(generated, k)?.as_ref().zip(self.manifold.as_ref()) {
                Some((generated, real)) => Some(overlap(generated, real, k)?),
                None => None,
            };
            let mut own = sizes;
            own["k"] = json!(k);
            for &metric in score.metrics.iter().filter(|metric| metric.neighbours()) {
                let value = overlap.map_or(f64::NAN, |overlap| match metric {
                    Metric::Precision => overlap.precision,
                    Metric::Recall => overlap.recall,
                    Metric::Density => overlap.density,
                    _ => overlap.coverage,
                });
                found.insert(metric, (value, None, protocol(own.clone())));
            }
        }
        Ok((found, missed))
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
}
