//! Scores of points in the plane.

use std::collections::BTreeMap;

use serde_json::json;
use tch::Tensor;

use super::Order;
use super::error::MetricError;
use super::features::{Found, RealFeatures};
use super::symmetric_kl::{self, Histogram, symmetric_kl};
use super::{high_quality, modes};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Gaussians;
use sweep_spec::metric::Metric;
use sweep_tensor::file::Named;

/// What points are compared with.
#[derive(Debug)]
pub struct Points {
    /// The modes, where they are known.
    mixture: Option<Gaussians>,
    real: RealFeatures,
    /// Of the real points, and how many they are.
    histogram: Option<(Histogram, usize)>,
}

impl Points {
    /// For the scores of `score`, against `real` points `[n, 2]`.
    pub fn new(mixture: Option<Gaussians>, score: &Score, real: &[f32]) -> Result<Self, MetricError> {
        let mut histogram = None;
        if score.metrics.contains(&Metric::SymmetricKl) {
            if score.bins == 0 || score.range.is_nan() || score.range <= 0.0 {
                return Err(MetricError::Bins { bins: score.bins, range: score.range });
            }
            let n = (real.len() / 2).min(score.real() as usize);
            let of_real = Histogram::new(&real[..2 * n], score.bins, score.range);
            let too_few = MetricError::TooFewReal { metric: "symmetric_kl", expected: 1, found: 0 };
            histogram = Some((of_real.ok_or(too_few)?, n));
        }
        let mut known = Named::from([("features".to_owned(), tensor(real))]);
        let real = RealFeatures::new(&mut known, score, score.wasserstein_samples as usize)?;
        Ok(Points { mixture, real, histogram })
    }

    /// The scores of `samples` `[n, 2]`.
    pub fn scores(
        &self,
        score: &Score,
        samples: &[f32],
        order: Order,
        seed: u64,
    ) -> Result<BTreeMap<Metric, Found>, MetricError> {
        let n = samples.len() / 2;
        let mut found = self.real.scores(&tensor(samples), order, score, &json!({}), seed)?;
        if let (true, Some((real, points))) = (score.metrics.contains(&Metric::SymmetricKl), &self.histogram) {
            let generated = Histogram::new(samples, score.bins, score.range);
            let value = generated.map_or(f64::NAN, |generated| symmetric_kl(real, &generated));
            let (bins, range, floor) = (score.bins, score.range, symmetric_kl::FLOOR);
            let protocol = json!({"samples": n, "real": points, "bins": bins, "range": range, "floor": floor, "outside": "one bin"});
            found.insert(Metric::SymmetricKl, (value, None, protocol));
        }
        if let Some(mixture) = &self.mixture {
            let hits = modes::hit_gaussians(samples, mixture);
            let protocol = json!({"samples": n, "modes": hits.len(), "radius_sigma": modes::RADIUS});
            let values = [
                (Metric::ModesCovered, modes::covered(&hits)),
                (Metric::ModeKl, modes::kl_to_uniform(&hits)),
                (Metric::HighQuality, high_quality::high_quality(&hits, n)),
            ];
            found.extend(values.map(|(metric, value)| (metric, (value, None, protocol.clone()))));
        }
        Ok(found)
    }
}

fn tensor(points: &[f32]) -> Tensor {
    Tensor::from_slice(points).reshape([points.len() as i64 / 2, 2])
}
