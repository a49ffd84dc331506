//! Losses: in the tables, in the view, and read back.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use sweep_spec::blueprint::Blueprint;

/// Returns the same sweep with another number of steps.
fn of_steps(mut sweep: NewSweep, steps: u64) -> NewSweep {
    for entry in &mut sweep.entries {
        let mut built_in = entry.job.blueprint.built_in().unwrap().clone();
        built_in.train.steps = steps;
        entry.job.blueprint = Arc::new(Blueprint::BuiltIn(built_in));
        entry.id = entry.job.id();
    }
    sweep
}

async fn read(store: &Store, sweep: &str) -> HashMap<JobId, Vec<Series>> {
    let sweep = store.sweep(Some(sweep)).await.unwrap();
    let mut results = store.results(&sweep).await.unwrap();
    store.read_losses(&mut results).await.unwrap();
    results.losses
}

/// Formats a series.
fn said(series: &Series) -> String {
    format!("{} {:?} {:?}", series.name, series.steps, series.values)
}

#[tokio::test]
async fn every_value_is_in_the_view_and_read_again() {
    let (store, cohort) = begun(&sweep("s", &[0.1], &[0.1], 2)).await;
    let (one, other) = (cohort.members[0].0, cohort.members[1].0);
    let mut points = Losses::default();
    points.push(10, [("loss_d", 1.386_294_4), ("output_real_2", f64::NEG_INFINITY)]);
    points.push(20, [("loss_d", f64::NAN)]);
    points.push(30, [("loss_d", f64::INFINITY), ("output_real_2", -1e-7)]);
    let events = [started(0), Event::Losses { job: one, points }, losses(other, [(10, 2.0)])];
    store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();

    type Row = (i64, String, String, Option<f64>, Option<String>);
    let sql = "SELECT step, metric, kind, value, protocol FROM history WHERE job = ? ORDER BY metric, step";
    let rows: Vec<Row> = sqlx::query_as(sql).bind(one.to_string()).fetch_all(store.pool()).await.unwrap();
    let row = |step, metric: &str, kind: &str, value| (step, metric.to_owned(), kind.to_owned(), value, None);
    let expected = [
        row(10, "loss_d", "finite", Some(1.3863)),
        row(20, "loss_d", "nan", None),
        row(30, "loss_d", "inf", Some(f64::INFINITY)),
        row(10, "output_real_2", "-inf", Some(f64::NEG_INFINITY)),
        row(30, "output_real_2", "finite", Some(-1e-7)),
    ];
    assert_eq!(rows, expected);
    let named =
        "SELECT DISTINCT sweep, variant, objective, dataset, seed FROM history WHERE metric = 'loss_d' AND job = ?";
    let named: (String, String, String, String, i64) =
        sqlx::query_as(named).bind(other.to_string()).fetch_one(store.pool()).await.unwrap();
    assert_eq!(named, ("s".into(), "D2GAN".into(), "d2gan".into(), "gaussians".into(), 1));

    let found = read(&store, "s").await;
    let of = |job| found[&job].iter().map(said).collect::<Vec<_>>();
    assert_eq!(of(one), ["loss_d [10, 20, 30] [1.3863, NaN, inf]", "output_real_2 [10, 30] [-inf, -1e-7]"]);
    assert_eq!(of(other), ["loss_d [10] [2.0]"]);
}

#[tokio::test]
async fn what_comes_again_changes_nothing_and_a_job_has_no_more_points_than_it_may() {
    // Of 2000 steps, multiples of 8 are kept.
    let sweep = of_steps(sweep("s", &[0.1], &[0.1], 1), 2000);
    let (store, cohort) = begun(&sweep).await;
    let job = cohort.members[0].0;
    let chunk = |steps: std::ops::RangeInclusive<u64>| losses(job, steps.map(|step| (step, step as f64)));
    let mut seq = 0;
    let mut ingest = |event: Event| {
        let record = Record { seq, at: 1.0, event };
        seq += 1;
        record
    };
    let pieces = [started(0), chunk(1..=900), chunk(500..=1200), chunk(100..=200), chunk(1201..=2000), chunk(1..=2000)];
    let expected: Vec<u64> = (1..=250).map(|i| 8 * i).collect();
    for event in pieces {
        store.ingest(cohort.id, 1, &[ingest(event)], 1).await.unwrap();
    }
    let found = read(&store, "s").await;
    assert_eq!(found[&job][0].steps[..], expected);
    assert!(found[&job][0].values.iter().zip(&expected).all(|(value, step)| *value == *step as f32));
    let before = dump(&store).await;
    store.ingest(cohort.id, 1, &[ingest(chunk(8..=1999))], 1).await.unwrap();
    let losses = |rows: &[String]| rows.iter().filter(|row| row.starts_with("losses")).cloned().collect::<Vec<_>>();
    assert_eq!(losses(&dump(&store).await), losses(&before));
    assert_eq!(losses(&before).len(), 1);
}

#[tokio::test]
async fn a_longer_job_has_what_it_would_have_kept_of_the_shorter_one() {
    let (short, long) = (sweep("short", &[0.1], &[0.1], 1), of_steps(sweep("long", &[0.1], &[0.1], 1), 1000));
    let (store, cohort) = begun(&short).await;
    let job = cohort.members[0].0;
    let mut events = vec![started(0), losses(job, (1..=100).map(|step| (step, step as f64)))];
    events.push(Event::Sampled { job, step: 50, path: "samples/early.png".into() });
    events.push(Event::Sampled { job, step: 100, path: "samples/late.png".into() });
    store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();

    store.register(&long).await.unwrap();
    let longer = super::cohort(&long);
    let after = longer.members[0].0;
    for _ in 0..2 {
        let mut new = new_attempt(&store, &longer, &[cohort.id], &[], "runs/l".into(), "cpu".into()).await;
        new.after = vec![(after, job)];
        store.record(&[Write::Start(new)]).await.unwrap();
    }
    store.ingest(longer.id, 1, &records([started(100), losses(after, [(100, 0.5), (104, 0.25)])]), 1).await.unwrap();
    let found = read(&store, "long").await;
    // Multiples of 4 are kept; its own losses stay.
    let steps: Vec<u64> = (1..=26).map(|i| 4 * i).collect();
    let values: Vec<f32> = (1..=24).map(|i| 4.0 * i as f32).chain([0.5, 0.25]).collect();
    assert_eq!((&found[&after][0].steps[..], &found[&after][0].values), (&steps[..], &values));
    assert_eq!(read(&store, "short").await[&job][0].steps.len(), 100, "the shorter one keeps its own");
    let drawn: Vec<(i64, String)> = sqlx::query_as("SELECT step, path FROM samples WHERE job = ? ORDER BY step")
        .bind(after.to_string())
        .fetch_all(store.pool())
        .await
        .unwrap();
    assert_eq!(drawn, [(50, "runs/c/samples/early.png".to_owned())]);
}
