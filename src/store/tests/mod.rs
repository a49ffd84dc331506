//! Tests of the whole crate.

mod life;
mod live;
mod losses;
mod opening;
mod read;
mod replay;
mod sweeps;
mod write;

use std::path::{Path, PathBuf};

use super::*;
use sweep_plan::cohort::Cohort;
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_spec::metric::Metric;
use sweep_wire::event::{Cause, Event, Outcome, Record};
use sweep_wire::home::{AttemptFolder, Home, RunFolder};
use sweep_wire::losses::Losses;
use sweep_wire::status::Status;
pub(crate) use sweeps::*;

/// Returns the home directory at `path`.
fn at(path: impl AsRef<Path>) -> Home {
    Home::new(path.as_ref())
}

/// Returns the report of a worker that trains `cohort`: the first member diverges, the second fails, the others finish.
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
            let value = if index % 2 == 0 { f64::NAN } else { index as f64 };
            events.push(losses(job, (1..=step / 10).map(|i| (10 * i, value + step as f64))));
        }
        events.push(Event::Checkpointed { step });
    }
    events.extend(ids[2..].iter().map(|&job| Event::JobDone { job, step: 100, seconds: 1.5 }));
    events.push(Event::Ended { outcome: Outcome::Finished, message: String::new() });
    records(events)
}

/// Returns a worker's report of the discriminators' loss.
fn losses(job: JobId, values: impl IntoIterator<Item = (u64, f64)>) -> Event {
    let mut points = Losses::default();
    values.into_iter().for_each(|(step, value)| points.push(step, [("loss_d", value)]));
    Event::Losses { job, points }
}

/// Returns every row of every table as text, in order. Numbers assigned by the database are replaced by what they refer
/// to.
pub(super) async fn dump(store: &Store) -> Vec<String> {
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
