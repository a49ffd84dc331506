//! Events into rows.

use std::collections::BTreeMap;

use sqlx::{Sqlite, Transaction};

use super::fold::{Attempt, Fold, Job};
use super::register::{parse_id, parse_status};
use super::{Store, StoreError, bulk};
use crate::spec::id::{CohortId, JobId};
use crate::spec::metric::Metric;
use crate::wire::event::{Record, Score};

/// New events of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Ingest<'a> {
    /// The cohort.
    pub cohort: CohortId,
    /// The attempt.
    pub attempt: u32,
    /// What was read from its log; events that are in the database already are ignored.
    pub records: &'a [Record],
    /// Where in the log reading goes on: [`crate::wire::log::Batch::offset`].
    pub offset: u64,
}

impl Store {
    /// Applies events of one attempt to its jobs, scores and samples, and moves its log offset, in one transaction.
    pub async fn ingest(
        &self,
        cohort: CohortId,
        attempt: u32,
        records: &[Record],
        offset: u64,
    ) -> Result<(), StoreError> {
        self.ingest_many(&[Ingest { cohort, attempt, records, offset }]).await
    }

    /// [`Store::ingest`] for several attempts in one transaction: much faster than one each.
    pub async fn ingest_many(&self, batches: &[Ingest<'_>]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for batch in batches {
            ingest(&mut transaction, batch).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Where reading the log of an attempt goes on.
    pub async fn log_offset(&self, cohort: CohortId, attempt: u32) -> Result<u64, StoreError> {
        let offset: Option<i64> = sqlx::query_scalar("SELECT log_offset FROM attempts WHERE cohort = ? AND number = ?")
            .bind(cohort.to_string())
            .bind(attempt)
            .fetch_optional(self.pool())
            .await?;
        offset.map(|offset| offset as u64).ok_or(StoreError::NoAttempt { cohort, attempt })
    }
}

async fn ingest(transaction: &mut Transaction<'static, Sqlite>, batch: &Ingest<'_>) -> Result<(), StoreError> {
    let &Ingest { cohort, attempt, records, offset } = batch;
    let row: Option<(String, i64, i64)> = sqlx::query_as(
        "SELECT c.directory, a.log_events, a.step FROM attempts AS a JOIN cohorts AS c ON c.id = a.cohort \
         WHERE a.cohort = ? AND a.number = ?",
    )
    .bind(cohort.to_string())
    .bind(attempt)
    .fetch_optional(&mut **transaction)
    .await?;
    let Some((directory, events, step)) = row else { return Err(StoreError::NoAttempt { cohort, attempt }) };

    let before = members(transaction, cohort).await?;
    let mut fold = Fold {
        attempt: Attempt { events: events as u64, step: step as u64, ..Attempt::default() },
        jobs: before.clone(),
        ..Fold::default()
    };
    fold.apply(records).map_err(|found| StoreError::Gap { cohort, attempt, expected: fold.attempt.events, found })?;

    write_attempt(transaction, batch, &fold.attempt, offset).await?;
    for (id, job) in fold.jobs.iter().filter(|(id, job)| before.get(id) != Some(job)) {
        sqlx::query("UPDATE jobs SET state = ?, step = ?, seconds = ?, message = ? WHERE id = ?")
            .bind(job.status.name())
            .bind(job.step as i64)
            .bind(job.seconds)
            .bind(&job.message)
            .bind(id.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    write_scores(transaction, fold.scores).await?;
    let samples: Vec<_> = fold.samples.into_iter().collect();
    let head = "INSERT INTO samples (job, step, path) ";
    let tail = " ON CONFLICT (job, step) DO UPDATE SET path = excluded.path";
    bulk::insert(transaction, head, &samples, tail, |row, ((job, step), path)| {
        row.push_bind(job.to_string()).push_bind(*step as i64).push_bind(format!("{directory}/{path}"));
    })
    .await
}

async fn members(
    transaction: &mut Transaction<'static, Sqlite>,
    cohort: CohortId,
) -> Result<BTreeMap<JobId, Job>, StoreError> {
    let rows: Vec<(String, String, i64, Option<f64>, String)> = sqlx::query_as(
        "SELECT j.id, j.state, j.step, j.seconds, j.message FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = ?",
    )
    .bind(cohort.to_string())
    .fetch_all(&mut **transaction)
    .await?;
    let job = |(id, state, step, seconds, message): (String, String, i64, Option<f64>, String)| {
        Ok((parse_id(&id)?, Job { status: parse_status(&state)?, step: step as u64, seconds, message }))
    };
    rows.into_iter().map(job).collect()
}

async fn write_attempt(
    transaction: &mut Transaction<'static, Sqlite>,
    batch: &Ingest<'_>,
    attempt: &Attempt,
    offset: u64,
) -> Result<(), StoreError> {
    let key = (batch.cohort.to_string(), batch.attempt);
    sqlx::query(
        "UPDATE attempts SET log_offset = max(log_offset, ?), log_events = ?, step = ?, rate = coalesce(?, rate) \
         WHERE cohort = ? AND number = ?",
    )
    .bind(offset as i64)
    .bind(attempt.events as i64)
    .bind(attempt.step as i64)
    .bind(attempt.rate)
    .bind(&key.0)
    .bind(key.1)
    .execute(&mut **transaction)
    .await?;
    if let Some(started) = &attempt.started {
        sqlx::query(
            "UPDATE attempts SET started_at = ?, pid = ?, host = ?, device = ? WHERE cohort = ? AND number = ?",
        )
        .bind(started.at)
        .bind(started.pid)
        .bind(&started.host)
        .bind(&started.device)
        .bind(&key.0)
        .bind(key.1)
        .execute(&mut **transaction)
        .await?;
    }
    if let Some((at, outcome, message)) = &attempt.ended {
        sqlx::query("UPDATE attempts SET ended_at = ?, outcome = ?, message = ? WHERE cohort = ? AND number = ?")
            .bind(at)
            .bind(outcome.name())
            .bind(message)
            .bind(&key.0)
            .bind(key.1)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn write_scores(
    transaction: &mut Transaction<'static, Sqlite>,
    scores: BTreeMap<(JobId, Metric, u64), Score>,
) -> Result<(), StoreError> {
    let mut protocols: BTreeMap<String, i64> = BTreeMap::new();
    let mut rows = Vec::with_capacity(scores.len());
    for ((job, metric, step), score) in scores {
        let json = score.protocol.to_string();
        let protocol = match protocols.get(&json) {
            Some(&id) => id,
            None => {
                // The update that changes nothing is there for RETURNING, which says nothing about an ignored row.
                let id = sqlx::query_scalar(
                    "INSERT INTO protocols (json) VALUES (?) ON CONFLICT (json) DO UPDATE SET json = excluded.json RETURNING id",
                )
                .bind(&json)
                .fetch_one(&mut **transaction)
                .await?;
                protocols.insert(json, id);
                id
            }
        };
        rows.push((job, step, metric, score.value, score.std, protocol));
    }
    let head = "INSERT INTO scores (job, step, metric, kind, value, std, protocol) ";
    let tail = " ON CONFLICT (job, metric, step) DO UPDATE SET kind = excluded.kind, value = excluded.value, std = excluded.std, \
                protocol = excluded.protocol";
    bulk::insert(transaction, head, &rows, tail, |row, (job, step, metric, value, std, protocol)| {
        let (kind, value) = kind(*value);
        row.push_bind(job.to_string()).push_bind(*step as i64).push_bind(metric.name()).push_bind(kind);
        row.push_bind(value).push_bind(std.filter(|std| std.is_finite())).push_bind(*protocol);
    })
    .await
}

/// How a float is stored: SQLite turns NaN into NULL, so its kind stands beside it.
pub(super) fn kind(value: f64) -> (&'static str, Option<f64>) {
    match value {
        value if value.is_nan() => ("nan", None),
        f64::INFINITY => ("inf", Some(value)),
        f64::NEG_INFINITY => ("-inf", Some(value)),
        value => ("finite", Some(value)),
    }
}
