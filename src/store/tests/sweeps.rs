//! Synthetic sweeps and workers' reports, for the tests of this and higher crates.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use sweep_plan::cohort::Cohort;
use sweep_spec::arch::{Activation, Init, Mlp, NoiseDistribution, Norm, Wanted};
use sweep_spec::blueprint::{Blueprint, BuiltIn, Optimizer, Precision, Score as Scoring, Train};
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::{Job, Scores};
use sweep_spec::metric::Metric;
use sweep_spec::moves::Moves;
use sweep_spec::objective::Objective;
use sweep_store::{NewAttempt, NewEntry, NewSweep, Store, Write};
use sweep_wire::event::{Event, Record, Score};

/// Runs `work` to completion on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// Returns a blueprint of 100 steps on the ring of Gaussians.
pub(crate) fn blueprint(objective: Objective) -> Arc<Blueprint> {
    let mlp = Mlp {
        generator: vec![8],
        discriminator: vec![8],
        encoder: vec![],
        denoiser: vec![],
        features: 2,
        noise: 4,
        generator_norm: Norm::None,
        discriminator_norm: Norm::None,
        generator_activation: Activation::Relu,
        discriminator_activation: Activation::Relu,
        dropout: 0.0,
        output: None,
    };
    let train = Train {
        steps: 100,
        batch: 16,
        d_steps: 1,
        generator: Optimizer::Adam,
        discriminator: Optimizer::Adam,
        precision: Precision::Float32,
        g_steps: 1,
        moves: Moves::Alternating,
        fresh_noise: true,
    };
    let noise = (mlp.noise, NoiseDistribution::Normal);
    let model = Wanted::of(objective, 1, [1, 1]).networks(&mlp, noise, Init::Normal { std: 0.02 }).unwrap();
    Arc::new(Blueprint::BuiltIn(BuiltIn::new(Dataset::Gaussians(Gaussians::RING), objective, model, train)))
}

/// Returns the scores to measure: modes and distance, twice in those steps.
pub(crate) fn scoring() -> Scoring {
    Scoring {
        every: 50,
        samples: 1000,
        metrics: [Metric::ModesCovered, Metric::Wasserstein].into(),
        splits: 1,
        wasserstein_samples: 512,
        ..Scoring::default()
    }
}

/// Returns a D2GAN sweep over α × β × seeds.
pub(crate) fn sweep(name: &str, alphas: &[f64], betas: &[f64], seeds: u64) -> NewSweep {
    let (blueprint, scores): (_, Scores) = (blueprint(Objective::D2GAN), [Arc::new(scoring())].into());
    let mut entries = Vec::new();
    for &alpha in alphas {
        for &beta in betas {
            for seed in 0..seeds {
                let parameters = [("alpha", alpha), ("beta", beta), ("lr_generator", 2e-4)].into_iter().collect();
                let job = Job { blueprint: Arc::clone(&blueprint), parameters, seed };
                let axes = [("alpha".to_owned(), alpha.into()), ("beta".to_owned(), beta.into())].into_iter().collect();
                let ordinal = entries.len() as u64;
                let (id, scores) = (job.id(), Arc::clone(&scores));
                entries.push(NewEntry { ordinal, variant: "D2GAN".into(), axes, id, job, scores });
            }
        }
    }
    let (file, source) = (format!("{name}.yaml"), format!("sweep: {name}\n"));
    NewSweep {
        name: name.into(),
        file,
        source,
        at: 1.0,
        entries,
        renamed: HashMap::new(),
        scripts: Default::default(),
        looks: Vec::new(),
        rounds: Vec::new(),
        picked: Vec::new(),
    }
}

/// Returns the cohort of all of a sweep's jobs.
pub(crate) fn cohort(sweep: &NewSweep) -> Cohort {
    let members = sweep.entries.iter().map(|entry| (entry.id, entry.job.clone())).collect();
    Cohort::new(members, Arc::clone(&sweep.entries[0].scores))
}

/// Numbers events from 0.
pub(crate) fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let record = |(seq, event)| Record { seq: seq as u64, at: 1000.0 + seq as f64, event };
    events.into_iter().enumerate().map(record).collect()
}

pub(crate) fn started(step: u64) -> Event {
    Event::Started { step, pid: 7, host: "here".into(), device: "cpu".into() }
}

pub(crate) fn score(metric: Metric, value: f64) -> Score {
    Score {
        metric: metric.into(),
        value,
        std: None,
        protocol: serde_json::json!({"samples": 1000, "version": 1}),
        asked: None,
    }
}

/// Adds a new attempt of a cohort; returns its number.
pub(crate) async fn start(store: &Store, cohort: &Cohort, directory: impl Into<PathBuf>) -> u32 {
    let slot = "cpu".to_owned();
    let new = new_attempt(store, cohort, &[], &[], directory.into(), slot).await;
    let number = new.number;
    store.record(&[Write::Start(new)]).await.unwrap();
    number
}

/// Creates the next attempt of a cohort, starting now.
pub(crate) async fn new_attempt(
    store: &Store,
    cohort: &Cohort,
    parents: &[CohortId],
    without: &[JobId],
    directory: PathBuf,
    slot: String,
) -> NewAttempt {
    let number = store.attempts_made().await.unwrap().get(&cohort.id).copied().unwrap_or(0) + 1;
    let at = sweep_system::clock::now();
    NewAttempt {
        cohort: Arc::new(cohort.clone()),
        parents: parents.to_vec(),
        without: without.to_vec(),
        after: Vec::new(),
        directory,
        slot,
        number,
        at,
    }
}
