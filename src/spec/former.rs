//! Jobs as earlier versions of this program stored them, when scoring was part of a blueprint and so of a job's id.

use serde_json::Value;

use super::blueprint::{Blueprint, BuiltIn, Score};
use super::dataset::Dataset;
use super::id::{BlueprintId, JobId};
use super::job::Job;
use super::keys::Typed;
use super::keys::score::{REAL_SAMPLES, WASSERSTEIN_SAMPLES};
use super::metric::Metric;
use super::parameters::Parameters;
use super::scoring::ScoringNetwork;

/// A blueprint that an earlier version wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Former {
    /// Its id at that time.
    pub id: BlueprintId,
    /// The part that determines what is trained.
    pub blueprint: Blueprint,
    /// Its real samples.
    pub dataset: Dataset,
    /// How it was scored.
    pub score: Score,
}

impl Former {
    /// Returns the blueprint in `json` if an earlier version wrote it; `None` if it is a current one.
    ///
    /// # Errors
    ///
    /// If it is neither.
    pub fn of(json: &Value) -> serde_json::Result<Option<Former>> {
        let Some(score) = json.get("score") else { return Ok(None) };
        let built_in: BuiltIn = serde_json::from_value(json.clone())?;
        Ok(Some(Former {
            id: BlueprintId::of(format!("sweep/3/blueprint:{json}").as_bytes()),
            dataset: built_in.dataset,
            blueprint: Blueprint::BuiltIn(built_in),
            score: serde_json::from_value(score.clone())?,
        }))
    }

    /// Returns the id that a job with these parameters and this seed had.
    pub fn job(&self, parameters: &Parameters, seed: u64) -> JobId {
        let [id, parameters] = [serde_json::to_value(self.id), serde_json::to_value(parameters)]
            .map(|value| value.expect("ids and parameters have string keys and finite floats"));
        JobId::of(format!("sweep/3/job:[{id},{parameters},{seed}]").as_bytes())
    }

    /// Returns the id that `job`, which must belong to this blueprint, had.
    pub fn was(&self, job: &Job) -> JobId {
        self.job(&job.parameters, job.seed)
    }
}

/// Returns the scoring that gives `metric` as it was measured by `protocol`, for jobs of `dataset` whose scoring was
/// `usual`. Earlier versions did not store the requested settings, and used others if the user changed them later.
pub fn as_measured(usual: &Score, dataset: &Dataset, metric: Metric, protocol: &Value) -> Score {
    let mut score = Score { every: 0, metrics: [metric].into(), ..usual.clone() };
    // The user's own worker has its own protocol.
    if !protocol["version"].is_u64() {
        return score;
    }
    let reads = usual.asked(metric);
    let reads = |key: &Typed<u64>| reads.get(key.name).is_some();
    let count = |name: &str| protocol[name].as_u64().and_then(|count| u32::try_from(count).ok());
    let number = |name: &str| protocol[name].as_f64();
    if let Some(samples) = count("samples") {
        let points = reads(&WASSERSTEIN_SAMPLES);
        if points && samples != usual.samples.min(usual.wasserstein_samples) {
            (score.samples, score.wasserstein_samples) = (samples, samples);
        } else if !points {
            score.samples = samples;
        }
    }
    if let Some(real) = count("real").filter(|real| reads(&REAL_SAMPLES) && *real != score.real()) {
        score.real_samples = Some(real);
    }
    score.neighbours = count("k").unwrap_or(score.neighbours);
    score.bins = count("bins").unwrap_or(score.bins);
    score.range = number("range").unwrap_or(score.range);
    score.splits = count("splits").unwrap_or(score.splits);
    score.projections = count("projections").unwrap_or(score.projections);
    score.sinkhorn_reg = number("regularization").unwrap_or(score.sinkhorn_reg);
    if let Some(name) = protocol["network"].as_str() {
        let network = match name {
            "mnist-conv3" | "fashion-mnist-conv3" => ScoringNetwork::Shipped,
            name if name.starts_with("inception-") => ScoringNetwork::Inception,
            _ => ScoringNetwork::OwnLabels,
        };
        if usual.network(dataset) != Some(network) {
            score.network = Some(network);
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sweep::Sweep;

    /// The ids are those that the last version with scoring in its jobs gave to these jobs.
    #[test]
    fn jobs_are_found_by_what_they_were_called() {
        let text = "sweep: pins
dataset: mnist
model: {generator: [400, 400], discriminator: [256, 256], noise: 100, generator_norm: batch, dropout: 0.5}
train: {steps: 10000, batch: 64, lr: 2e-4}
score: {every: 2000, metrics: [mode_score, frechet]}
seeds: [7]
variants:
  - {name: D2GAN, objective: d2gan, alpha: 0.2, beta: 0.1}
  - {name: GAN, objective: gan, train: {optimizer: sgd, momentum: 0.9}}
  - {name: ring, objective: gan, dataset: gaussians, score: {metrics: [wasserstein, symmetric_kl]}}
";
        let entries = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().entries;
        let was = entries.iter().map(|entry| {
            let mut json = serde_json::to_value(&*entry.job.blueprint).unwrap();
            assert_eq!(Former::of(&json).unwrap(), None, "today's is no former one");
            json["score"] = serde_json::to_value(&*entry.score).unwrap();
            let former = Former::of(&json).unwrap().unwrap();
            assert_eq!((&former.blueprint, &former.score), (&*entry.job.blueprint, &*entry.score));
            let again = Job { blueprint: Arc::new(former.blueprint.clone()), ..entry.job.clone() };
            assert_eq!(again.id(), entry.id);
            format!("{} {}", former.id, former.was(&entry.job))
        });
        assert_eq!(
            was.collect::<Vec<_>>(),
            [
                "a35a9ab30055cead4074 c6c619af45324db03ea1",
                "6084ea3822391a0d521e cf77648340c29c70b1ac",
                "81a293ee5ff98825d76b 83b7148ccb7d66d73ada"
            ]
        );
    }
}
