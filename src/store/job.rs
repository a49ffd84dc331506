//! Reads one job.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::parameters::{COLUMNS, plain};
use super::register::{parse_id, parse_status};
use super::results::{ScoreRow, Scored, parse_blueprint};
use super::scorings::{all_asked, parse_scores};
use super::{AttemptOutcome, Store, StoreError};
use sweep_spec::blueprint::Score;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::{Job, Scores};
use sweep_spec::parameters::Parameters;
use sweep_wire::status::Status;

/// Everything about one job.
#[derive(Clone, Debug)]
pub struct JobDetails {
    /// Its id.
    pub id: JobId,
    /// Its settings.
    pub job: Job,
    /// Its status.
    pub status: Status,
    /// Steps done.
    pub step: u64,
    /// The steps of the shorter job that it continued; 0 if it began at the start.
    pub after: u64,
    /// Its share of its cohort's training time, once it is done; in seconds.
    pub seconds: Option<f64>,
    /// Why it failed or diverged.
    pub message: String,
    /// The sweeps and variants it belongs to, with its values of the swept keys as JSON.
    pub entries: Vec<(String, String, String)>,
    /// The attempts of its cohorts, in order of time.
    pub attempts: Vec<Attempt>,
    /// Its scores, by step.
    pub scores: Vec<Scored>,
    /// What was asked for, by [`Scored::ask`].
    pub asks: BTreeMap<i64, serde_json::Value>,
    /// The scores its last cohort was asked to measure, and other scores that sweeps ask for at its last step.
    pub asked: Scores,
    /// How they were measured, by [`Scored::protocol`].
    pub protocols: BTreeMap<i64, serde_json::Value>,
    /// Its sample sheets by step: PNGs, relative to the home directory.
    pub samples: Vec<(u64, String)>,
}

/// One attempt of a cohort.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The cohort.
    pub cohort: CohortId,
    /// The cohort's directory, relative to the home directory.
    pub directory: String,
    /// How many jobs train together in it.
    pub members: usize,
    /// Counts from 1 in each cohort.
    pub number: u32,
    /// The slot it ran in.
    pub slot: String,
    /// The host.
    pub host: String,
    /// The device.
    pub device: String,
    /// When it started, in seconds since the Unix epoch.
    pub started_at: f64,
    /// When it ended, in seconds since the Unix epoch.
    pub ended_at: Option<f64>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// A message for people.
    pub message: String,
    /// Its worker's warnings.
    pub warnings: Vec<String>,
    /// The last lines of the worker's stderr, if it did not finish.
    pub stderr: String,
    /// Steps done.
    pub step: u64,
}

impl Store {
    /// Returns at most `most` jobs whose ids start with `prefix`, with variant, seed and state in words.
    pub async fn jobs_beginning(&self, prefix: &str, most: u32) -> Result<Vec<(String, String)>, StoreError> {
        if !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as(
            "SELECT j.id, coalesce(max(e.variant) || ', ', '') || 'seed ' || j.seed || ', ' || j.state FROM jobs AS j \
             LEFT JOIN entries AS e ON e.job = j.id WHERE j.id GLOB ? || '*' GROUP BY j.id ORDER BY j.id LIMIT ?",
        );
        Ok(rows.bind(prefix).bind(most).fetch_all(self.pool()).await?)
    }

    /// Finds the job whose id starts with `prefix`.
    pub async fn find_job(&self, prefix: &str) -> Result<JobId, StoreError> {
        let prefix = prefix.trim().to_ascii_lowercase();
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(StoreError::NoJob(prefix));
        }
        // Every id with the prefix sorts between the prefix and the prefix plus a character after all digits, so this
        // is a search in the primary key. Former ids may be in people's notes.
        let sql = "SELECT id FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' UNION SELECT job FROM renamed WHERE was >= ?1 \
            AND was < ?1 || 'g' \
                   ORDER BY id";
        let found: Vec<String> = sqlx::query_scalar(sql).bind(&prefix).fetch_all(self.pool()).await?;
        match found.as_slice() {
            [] => Err(StoreError::NoJob(prefix)),
            [one] => parse_id(one),
            many => {
                let length = 12.max(prefix.len() + 2);
                let examples = many.iter().take(3).map(|id| id[..length.min(id.len())].to_owned()).collect();
                Err(StoreError::AmbiguousJob { prefix, count: many.len(), examples })
            }
        }
    }

    /// Reads everything about a job.
    pub async fn job(&self, id: JobId) -> Result<JobDetails, StoreError> {
        let key = id.to_string();
        let row: Option<(String, i64, String, i64, Option<f64>, String)> = sqlx::query_as(
            "SELECT b.json, j.seed, j.state, j.step, j.seconds, j.message FROM jobs AS j JOIN blueprints AS b ON b.id \
            = j.blueprint \
             WHERE j.id = ?",
        )
        .bind(&key)
        .fetch_optional(self.pool())
        .await?;
        let Some((json, seed, state, step, seconds, message)) = row else { return Err(StoreError::NoJob(key)) };
        let sql = format!("SELECT {COLUMNS} FROM parameters AS p WHERE p.job = ?");
        let parameters: Vec<(String, f64, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(&key).fetch_all(self.pool()).await?;
        let parameters = parameters.into_iter().map(|(name, number, json)| Ok((name, plain(number, json.as_deref())?)));
        let parameters = parameters.collect::<Result<Parameters, StoreError>>()?;
        let entries = sqlx::query_as(
            "SELECT s.name, e.variant, e.axes FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = ? \
             ORDER BY s.name, e.ordinal",
        )
        .bind(&key)
        .fetch_all(self.pool())
        .await?;
        let rows: Vec<ScoreRow> = sqlx::query_as("SELECT * FROM scores WHERE job = ? ORDER BY step, metric, ask")
            .bind(&key)
            .fetch_all(self.pool())
            .await?;
        let scores = rows.iter().map(ScoreRow::scored).collect::<Result<Vec<_>, StoreError>>()?;
        let protocols = self.protocols(&scores.iter().map(|score| score.protocol).collect()).await?;
        let asks: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, json FROM asks WHERE id IN (SELECT ask FROM scores WHERE job = ?)")
                .bind(&key)
                .fetch_all(self.pool())
                .await?;
        let ask = |(id, json): (i64, String)| {
            let parsed = serde_json::from_str(&json);
            Ok((id, parsed.map_err(|_| StoreError::corrupt("what was asked for", json, "JSON"))?))
        };
        let asked: Vec<(String, bool)> = sqlx::query_as(
            "SELECT g.json, o.place = 0 FROM (SELECT * FROM (SELECT c.scoring AS scoring, 0 AS place, 0 AS ordinal \
            FROM members AS m \
             JOIN cohorts AS c ON c.id = m.cohort WHERE m.job = ?1 ORDER BY c.ordinal DESC LIMIT 1) UNION ALL \
             SELECT scoring, 1, ordinal FROM entries WHERE job = ?1) AS o JOIN scorings AS g ON g.id = o.scoring ORDER \
             BY o.place, o.ordinal",
        )
        .bind(&key)
        .fetch_all(self.pool())
        .await?;
        let parse = |(json, in_training): &(String, bool)| {
            let of = |score: &Arc<Score>| {
                let every = if *in_training { score.every } else { 0 };
                Arc::new(Score { every, ..Score::clone(score) })
            };
            Ok(parse_scores(json)?.iter().map(of).collect())
        };
        let asked = asked.iter().map(parse).collect::<Result<Vec<Scores>, StoreError>>()?;
        // A cohort that ran out of memory continued as halves, all with the same blueprint.
        let after: Option<i64> = sqlx::query_scalar(
            "WITH RECURSIVE origins AS (SELECT id, blueprint FROM cohorts WHERE id = (SELECT c.id FROM members AS m \
             JOIN cohorts AS c ON c.id = m.cohort WHERE m.job = ?1 ORDER BY c.ordinal DESC LIMIT 1) \
             UNION SELECT c.id, c.blueprint FROM origins AS o JOIN parents AS p ON p.cohort = o.id JOIN cohorts AS c \
             ON c.id = p.parent \
             WHERE c.blueprint <> o.blueprint OR EXISTS (SELECT 1 FROM members AS m WHERE m.cohort = c.id AND m.job = \
             ?1)) \
             SELECT max(b.steps) FROM origins AS o JOIN blueprints AS b ON b.id = o.blueprint \
             WHERE o.blueprint <> (SELECT blueprint FROM jobs WHERE id = ?1)",
        )
        .bind(&key)
        .fetch_one(self.pool())
        .await?;
        let samples: Vec<(i64, String)> = sqlx::query_as("SELECT step, path FROM samples WHERE job = ? ORDER BY step")
            .bind(&key)
            .fetch_all(self.pool())
            .await?;
        Ok(JobDetails {
            id,
            job: Job { blueprint: Arc::new(parse_blueprint(&json)?), parameters, seed: seed as u64 },
            status: parse_status(&state)?,
            step: step as u64,
            after: after.unwrap_or(0) as u64,
            seconds,
            message,
            entries,
            attempts: self.attempts(&key).await?,
            scores,
            asks: asks.into_iter().map(ask).collect::<Result<_, StoreError>>()?,
            asked: all_asked(asked.iter().flat_map(|scores| scores.iter())),
            protocols,
            samples: samples.into_iter().map(|(step, path)| (step as u64, path)).collect(),
        })
    }

    async fn attempts(&self, job: &str) -> Result<Vec<Attempt>, StoreError> {
        row! {
            struct Row {
                cohort: String,
                directory: String,
                members: i64,
                number: u32,
                slot: String,
                host: String,
                device: String,
                started_at: f64,
                ended_at: Option<f64>,
                outcome: Option<String>,
                message: String,
                warnings: String,
                stderr: String,
                step: i64,
            }
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.*, c.directory, (SELECT count(*) FROM members WHERE cohort = c.id) AS members \
             FROM members AS m JOIN cohorts AS c ON c.id = m.cohort JOIN attempts AS a ON a.cohort = c.id \
             WHERE m.job = ? ORDER BY a.started_at, a.number",
        )
        .bind(job)
        .fetch_all(self.pool())
        .await?;
        let attempt = |row: Row| {
            Ok(Attempt {
                cohort: parse_id(&row.cohort)?,
                directory: row.directory,
                members: row.members as usize,
                number: row.number,
                slot: row.slot,
                host: row.host,
                device: row.device,
                started_at: row.started_at,
                ended_at: row.ended_at,
                outcome: row.outcome.as_deref().map(AttemptOutcome::parse).transpose()?,
                message: row.message,
                warnings: row.warnings.lines().map(str::to_owned).collect(),
                stderr: row.stderr,
                step: row.step as u64,
            })
        };
        rows.into_iter().map(attempt).collect()
    }
}
