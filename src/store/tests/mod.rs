//! Tests of the whole module, and what other modules' tests make sweeps with.

mod life;
mod opening;
mod read;
mod replay;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::plan::cohort::Cohort;
use crate::spec::arch::{Activation, Init, Mlp, NoiseDistribution, Norm, Wanted};
use crate::spec::blueprint::{Blueprint, Optimizer, Precision, Score as Scoring, Train};
use crate::spec::dataset::{Dataset, Gaussians};
use crate::spec::id::JobId;
use crate::spec::job::Job;
use crate::spec::knobs::Knob;
use crate::spec::metric::Metric;
use crate::spec::objective::Objective;
use crate::wire::event::{Cause, Event, Outcome, Record, Score};
use crate::wire::status::Status;

/// Runs `work` to its end on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// A blueprint of 100 steps on the ring of Gaussians.
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
    };
    let score = Scoring {
        every: 50,
        samples: 1000,
        metrics: [Metric::ModesCovered, Metric::Wasserstein].into(),
        splits: 1,
        wasserstein_samples: 512,
        ..Scoring::default()
    };
    let noise = (mlp.noise, NoiseDistribution::Normal);
    let model = Wanted::of(objective, 1, [1, 1]).networks(&mlp, noise, Init::Normal { std: 0.02 }).unwrap();
    Arc::new(Blueprint { dataset: Dataset::Gaussians(Gaussians::RING), objective, model, train, score })
}

/// A D2GAN sweep over α × β × seeds.
pub(crate) fn sweep(name: &str, alphas: &[f64], betas: &[f64], seeds: u64) -> NewSweep {
    let blueprint = blueprint(Objective::D2gan);
    let mut entries = Vec::new();
    for &alpha in alphas {
        for &beta in betas {
            for seed in 0..seeds {
                let knobs = [(Knob::Alpha, alpha), (Knob::Beta, beta), (Knob::LrGenerator, 2e-4)].into_iter().collect();
                let job = Job { blueprint: Arc::clone(&blueprint), knobs, seed };
                let axes = [("alpha".to_owned(), alpha.into()), ("beta".to_owned(), beta.into())].into_iter().collect();
                let ordinal = entries.len() as u64;
                entries.push(NewEntry { ordinal, variant: "D2GAN".into(), axes, id: job.id(), job });
            }
        }
    }
    NewSweep { name: name.into(), file: format!("{name}.yaml"), source: format!("sweep: {name}\n"), at: 1.0, entries }
}

/// The cohort of all of a sweep's jobs.
pub(crate) fn cohort(sweep: &NewSweep) -> Cohort {
    Cohort::new(sweep.entries.iter().map(|entry| (entry.id, entry.job.clone())).collect())
}

/// Events numbered from 0.
pub(crate) fn records(events: impl IntoIterator<Item = Event>) -> Vec<Record> {
    let record = |(seq, event)| Record { seq: seq as u64, at: 1000.0 + seq as f64, event };
    events.into_iter().enumerate().map(record).collect()
}

pub(crate) fn started(step: u64) -> Event {
    Event::Started { step, pid: 7, host: "here".into(), device: "cpu".into() }
}

pub(crate) fn score(metric: Metric, value: f64) -> Score {
    Score { metric, value, std: None, protocol: serde_json::json!({"samples": 1000, "version": 1}) }
}

/// What a worker reports that trains `cohort`: the first member diverges, the second fails, the others are done.
fn story(cohort: &Cohort) -> Vec<Record> {
    let ids: Vec<_> = cohort.members.iter().map(|(id, _)| *id).collect();
    let floor = Event::Floor { scores: vec![score(Metric::Wasserstein, 0.09), score(Metric::ModesCovered, f64::NAN)] };
    let mut events = vec![started(0), floor, Event::Progress { step: 25, rate: 100.0 }];
    events.push(Event::JobFailed { job: ids[0], step: 30, cause: Cause::Diverged, message: "loss is NaN".into() });
    events.push(Event::JobFailed { job: ids[1], step: 40, cause: Cause::Failed, message: "disk full".into() });
    for step in [50, 100] {
        for (index, &job) in ids[2..].iter().enumerate() {
            let value = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1, 0.2, 0.3][index % 6];
            let scores = vec![score(Metric::Wasserstein, value), score(Metric::ModesCovered, index as f64)];
            events.push(Event::Scored { job, step, scores, seconds: 0.1 });
            events.push(Event::Sampled { job, step, path: format!("samples/{job}-{step}.png") });
        }
        events.push(Event::Checkpointed { step });
    }
    events.extend(ids[2..].iter().map(|&job| Event::JobDone { job, step: 100, seconds: 1.5 }));
    events.push(Event::Ended { outcome: Outcome::Finished, message: String::new() });
    records(events)
}

/// Every row of every table as text, in order. Numbers that the database gives are replaced by what they stand for.
pub(crate) async fn dump(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_sqlx*' ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(store.pool()).await.unwrap();
    for table in tables {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(columns)).fetch_all(store.pool()).await.unwrap();
        let value = |column: &String| match (table.as_str(), column.as_str()) {
            ("protocols" | "sweeps", "id") => "''".to_owned(),
            ("scores" | "floors", "protocol") => "(SELECT json FROM protocols WHERE id = protocol)".to_owned(),
            ("entries", "sweep") => "(SELECT name FROM sweeps WHERE id = sweep)".to_owned(),
            (_, column) => format!("quote({column})"),
        };
        let columns: Vec<String> = columns.iter().map(value).collect();
        let sql = format!("SELECT '{table}: ' || concat_ws('|', {}) FROM {table} ORDER BY 1", columns.join(", "));
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(store.pool()).await.unwrap();
        lines.extend(rows);
    }
    lines
}

async fn begun(sweep: &NewSweep) -> (Store, Cohort) {
    let store = Store::open_in_memory().await.unwrap();
    store.register(sweep).await.unwrap();
    let cohort = cohort(sweep);
    assert_eq!(start(&store, &cohort, "runs/c").await, 1);
    (store, cohort)
}

/// Makes a new attempt of a cohort known; its number.
pub(crate) async fn start(store: &Store, cohort: &Cohort, directory: impl Into<PathBuf>) -> u32 {
    let (cohort, directory) = (Arc::new(cohort.clone()), directory.into());
    store
        .record(&[], &[NewAttempt { cohort, parent: None, without: Vec::new(), directory, slot: "cpu".to_owned() }])
        .await
        .unwrap()[0]
        .number
}
