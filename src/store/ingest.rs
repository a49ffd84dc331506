//! Turns events into rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::{Sqlite, Transaction};

use super::attempt_state::{Attempt, AttemptState, Job};
use super::losses::write_losses;
use super::register::{parse_id, parse_status};
use super::scorings::{asks, parse_scores};
use super::{Store, StoreError, bulk};
use sweep_spec::blueprint;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Scores;
use sweep_spec::metric::Measure;
use sweep_spec::trace;
use sweep_wire::event::{Record, Score};
use sweep_wire::losses::Losses;

/// New events of one attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ingest<'a> {
    /// The cohort.
    pub(super) cohort: CohortId,
    /// The attempt.
    pub(super) attempt: u32,
    /// Events from its log; those already in the database are ignored.
    pub(super) records: &'a [Record],
    /// The log offset where reading continues: [`sweep_wire::log::Batch::offset`].
    pub(super) offset: u64,
}

impl Store {
    /// Applies events of one attempt to its jobs, scores and samples, and advances its log offset, in one transaction.
    pub async fn ingest(
        &self,
        cohort: CohortId,
        attempt: u32,
        records: &[Record],
        offset: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        ingest(&mut transaction, &[Ingest { cohort, attempt, records, offset }]).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Returns the offset where reading an attempt's log continues.
    pub async fn log_offset(&self, cohort: CohortId, attempt: u32) -> Result<u64, StoreError> {
        let offset: Option<i64> = sqlx::query_scalar("SELECT log_offset FROM attempts WHERE cohort = ? AND number = ?")
            .bind(cohort.to_string())
            .bind(attempt)
            .fetch_optional(self.pool())
            .await?;
        offset.map(|offset| offset as u64).ok_or(StoreError::NoAttempt { cohort, attempt })
    }
}

/// Job, metric, step, and what was asked for.
pub(super) type Key = (JobId, Measure, u64, String);

/// Blueprint, metric, and protocol.
pub(super) type Floor = (String, Measure, String);

/// Scores, paths of samples by job and step, and losses.
#[derive(Default)]
struct News {
    scores: BTreeMap<Key, Score>,
    samples: BTreeMap<(JobId, u64), String>,
    floors: BTreeMap<Floor, Score>,
    losses: BTreeMap<JobId, Losses>,
}

/// Applies the reports of several attempts.
pub(super) async fn ingest(
    transaction: &mut Transaction<'static, Sqlite>,
    batches: &[Ingest<'_>],
) -> Result<(), StoreError> {
    let mut news = News::default();
    for batch in batches {
        apply(transaction, batch, &mut news).await?;
    }
    write_scores(transaction, news.scores).await?;
    write_floors(transaction, news.floors).await?;
    write_losses(transaction, news.losses).await?;
    let samples: Vec<_> = news.samples.into_iter().collect();
    let head = "INSERT INTO samples (job, step, path) ";
    let tail = " ON CONFLICT (job, step) DO UPDATE SET path = excluded.path";
    bulk::insert(transaction, head, &samples, tail, |row, ((job, step), path)| {
        row.push_bind(job.to_string()).push_bind(*step as i64).push_bind(path.clone());
    })
    .await
}

/// Applies the reports of one attempt to the attempt and its jobs; adds scores and samples to `news`.
async fn apply(
    transaction: &mut Transaction<'static, Sqlite>,
    batch: &Ingest<'_>,
    news: &mut News,
) -> Result<(), StoreError> {
    let &Ingest { cohort, attempt, records, .. } = batch;
    let (Place { directory, blueprint, steps, scores }, known) = known(transaction, cohort, attempt).await?;
    let before = known.jobs.clone();
    let mut state = known;
    state.apply(records).map_err(|found| StoreError::Gap { cohort, attempt, expected: state.attempt.events, found })?;

    write_attempt(transaction, batch, &state.attempt).await?;
    let changed: Vec<_> = state.jobs.iter().filter(|(id, job)| before.get(id) != Some(job)).collect();
    let head = "UPDATE jobs SET state = new.column2, step = new.column3, seconds = new.column4, \
         message = new.column5, scoring = new.column6 FROM (";
    bulk::insert(transaction, head, &changed, ") AS new WHERE id = new.column1", |row, (id, job)| {
        row.push_bind(id.to_string()).push_bind(job.status.name()).push_bind(job.step as i64);
        row.push_bind(job.seconds).push_bind(job.message.clone()).push_bind(job.scoring);
    })
    .await?;
    let usual = |metric| usual(&scores, metric);
    let key = |(job, metric, step, asked): (_, _, _, Option<String>)| {
        (job, metric, step, asked.unwrap_or_else(|| usual(metric)))
    };
    news.scores.extend(state.scores.into_iter().map(|(of, score)| (key(of), score)));
    let path = |(key, path)| (key, format!("{directory}/{path}"));
    news.samples.extend(state.samples.into_iter().map(path));
    for (job, mut losses) in state.losses {
        losses.retain(|step| trace::is_kept(step, steps));
        let known = news.losses.remove(&job).unwrap_or_default();
        news.losses.insert(job, known.merged(&losses));
    }
    let floors = state.floors.into_iter();
    news.floors.extend(floors.map(|((metric, protocol), floor)| ((blueprint.clone(), metric, protocol), floor)));
    Ok(())
}

/// A cohort's folder and what its members share.
struct Place {
    directory: String,
    blueprint: String,
    /// Steps of the whole training.
    steps: u64,
    /// The scores asked for.
    scores: Scores,
}

/// Returns what is asked for `metric` if the event does not say.
pub(super) fn usual(scores: &[Arc<blueprint::Score>], metric: Measure) -> String {
    let first = scores.iter().find(|score| score.measures().any(|other| other == metric));
    first.map_or_else(|| "{}".to_owned(), |score| score.asks(metric).to_string())
}

/// Returns the cohort's place and the current state of an attempt and its jobs.
async fn known(
    transaction: &mut Transaction<'static, Sqlite>,
    cohort: CohortId,
    attempt: u32,
) -> Result<(Place, AttemptState), StoreError> {
    let rows: Vec<Known> = sqlx::query_as(
        "SELECT c.directory, c.blueprint, b.steps AS steps, g.json AS scores, a.log_events, a.step AS attempt_step, \
        m.gone, j.id, j.state, j.step, j.seconds, j.scoring, \
         j.message FROM attempts AS a JOIN cohorts AS c ON c.id = a.cohort JOIN blueprints AS b ON b.id = c.blueprint \
         JOIN scorings AS g ON g.id = c.scoring JOIN members AS m ON m.cohort = c.id JOIN jobs AS j ON j.id = m.job \
         WHERE a.cohort = ? AND a.number = ?",
    )
    .bind(cohort.to_string())
    .bind(attempt)
    .fetch_all(&mut **transaction)
    .await?;
    let Some(first) = rows.first() else { return Err(StoreError::NoAttempt { cohort, attempt }) };
    let scores = parse_scores(&first.scores)?;
    let (directory, blueprint) = (first.directory.clone(), first.blueprint.clone());
    let place = Place { directory, blueprint, steps: first.steps as u64, scores };
    let (events, step) = (first.log_events as u64, first.attempt_step as u64);
    let job = |Known { id, state, step, seconds, scoring, message, .. }: Known| {
        Ok((parse_id(&id)?, Job { status: parse_status(&state)?, step: step as u64, seconds, scoring, message }))
    };
    // A member that was cancelled here may be in another cohort by now.
    let jobs = rows.into_iter().filter(|row| !row.gone).map(job).collect::<Result<_, StoreError>>()?;
    Ok((
        place,
        AttemptState { attempt: Attempt { events, step, ..Attempt::default() }, jobs, ..AttemptState::default() },
    ))
}

row! {
    /// A member of a cohort, in a row with the state of an attempt.
    struct Known {
        directory: String,
        blueprint: String,
        steps: i64,
        scores: String,
        log_events: i64,
        attempt_step: i64,
        gone: bool,
        id: String,
        state: String,
        step: i64,
        seconds: Option<f64>,
        scoring: f64,
        message: String,
    }
}

async fn write_attempt(
    transaction: &mut Transaction<'static, Sqlite>,
    batch: &Ingest<'_>,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let (started, ended) = (attempt.started.as_ref(), attempt.ended.as_ref());
    sqlx::query(
        "UPDATE attempts SET log_offset = max(log_offset, ?), log_events = ?, step = ?, rate = coalesce(?, rate), \
         started_at = coalesce(?, started_at), pid = coalesce(?, pid), host = coalesce(?, host), device = coalesce(?, \
         device), \
         ended_at = coalesce(?, ended_at), outcome = coalesce(?, outcome), message = coalesce(?, message), \
         warnings = warnings || ? \
         WHERE cohort = ? AND number = ?",
    )
    .bind(batch.offset as i64)
    .bind(attempt.events as i64)
    .bind(attempt.step as i64)
    .bind(attempt.rate)
    .bind(started.map(|started| started.at))
    .bind(started.map(|started| started.pid))
    .bind(started.map(|started| &started.host))
    .bind(started.map(|started| &started.device))
    .bind(ended.map(|(at, ..)| at))
    .bind(ended.map(|(_, outcome, _)| outcome.name()))
    .bind(ended.map(|(.., message)| message))
    .bind(attempt.warnings.iter().map(|line| format!("{}\n", line.replace('\n', " "))).collect::<String>())
    .bind(batch.cohort.to_string())
    .bind(batch.attempt)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Writes scores, replacing those with the same request.
pub(super) async fn write_scores(
    transaction: &mut Transaction<'static, Sqlite>,
    scores: BTreeMap<Key, Score>,
) -> Result<(), StoreError> {
    let rows: Vec<_> =
        scores.into_iter().map(|(key, score)| (key, score.value, score.std, score.protocol.to_string())).collect();
    let ids = protocols(transaction, rows.iter().map(|(.., protocol)| protocol.as_str()).collect()).await?;
    let asks = asks(transaction, rows.iter().map(|((.., asked), ..)| asked.as_str()).collect()).await?;
    let head = "INSERT INTO scores (job, step, metric, ask, kind, value, std, protocol) ";
    let tail = " ON CONFLICT (job, metric, step, ask) DO UPDATE SET kind = excluded.kind, value = excluded.value, std \
        = excluded.std, \
                protocol = excluded.protocol";
    bulk::insert(transaction, head, &rows, tail, |row, ((job, metric, step, asked), value, std, protocol)| {
        let (kind, value) = kind(*value);
        row.push_bind(job.to_string()).push_bind(*step as i64).push_bind(metric.name()).push_bind(asks[asked]);
        row.push_bind(kind).push_bind(value).push_bind(std.filter(|std| std.is_finite())).push_bind(ids[protocol]);
    })
    .await
}

pub(super) async fn write_floors(
    transaction: &mut Transaction<'static, Sqlite>,
    floors: BTreeMap<Floor, Score>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = floors.into_iter().map(|(key, floor)| (key, floor.value, floor.std)).collect();
    let ids = protocols(transaction, rows.iter().map(|((.., protocol), ..)| protocol.as_str()).collect()).await?;
    let head = "INSERT INTO floors (blueprint, metric, kind, value, std, protocol) ";
    let tail = " ON CONFLICT (blueprint, metric, protocol) DO UPDATE SET kind = excluded.kind, value = excluded.value, \
        std = excluded.std";
    bulk::insert(transaction, head, &rows, tail, |row, ((blueprint, metric, protocol), value, std)| {
        let (kind, value) = kind(*value);
        row.push_bind(blueprint.clone()).push_bind(metric.name()).push_bind(kind);
        row.push_bind(value).push_bind(std.filter(|std| std.is_finite())).push_bind(ids[protocol]);
    })
    .await
}

/// Returns the ids of protocols; new protocols get one.
async fn protocols(
    transaction: &mut Transaction<'static, Sqlite>,
    used: BTreeSet<&str>,
) -> Result<HashMap<String, i64>, StoreError> {
    let mut ids = HashMap::with_capacity(used.len());
    for json in used {
        // Most are known, so looking first avoids writing to the table each time.
        let known = sqlx::query_scalar("SELECT id FROM protocols WHERE json = ?")
            .bind(json)
            .fetch_optional(&mut **transaction)
            .await?;
        let id = match known {
            Some(id) => id,
            None => {
                sqlx::query_scalar("INSERT INTO protocols (json) VALUES (?) RETURNING id")
                    .bind(json)
                    .fetch_one(&mut **transaction)
                    .await?
            }
        };
        ids.insert(json.to_owned(), id);
    }
    Ok(ids)
}

/// Returns a float's kind and value as stored: SQLite turns NaN into NULL, so its kind is stored next to it.
pub(super) fn kind(value: f64) -> (&'static str, Option<f64>) {
    match value {
        value if value.is_nan() => ("nan", None),
        f64::INFINITY => ("inf", Some(value)),
        f64::NEG_INFINITY => ("-inf", Some(value)),
        value => ("finite", Some(value)),
    }
}
