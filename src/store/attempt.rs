//! Cohorts and their attempts: how an attempt starts and ends, and what happens to its members.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, Transaction};

use super::register::{parse_id, parse_status};
use super::scorings::Scorings;
use super::{Store, StoreError, bulk, files, losses};
use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};
use sweep_system::clock::now;
use sweep_wire::PROTOCOL;
use sweep_wire::check::Check;
use sweep_wire::event::Outcome;
use sweep_wire::home::{AttemptFolder, Home};
use sweep_wire::log::{self, LogError, Reader};
use sweep_wire::status::Change;

/// How an attempt ended, as its worker reported or because it died without a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Every member has ended.
    Finished,
    /// Stopped on request, after a checkpoint.
    Stopped,
    /// The device has too little memory for this cohort.
    OutOfMemory,
    /// An error that concerns the whole cohort.
    Failed,
    /// An error that a retry will not fix.
    Refused,
    /// The worker disappeared without a last event.
    Died,
}

impl AttemptOutcome {
    const ALL: [AttemptOutcome; 6] = [
        AttemptOutcome::Finished,
        AttemptOutcome::Stopped,
        AttemptOutcome::OutOfMemory,
        AttemptOutcome::Failed,
        AttemptOutcome::Refused,
        AttemptOutcome::Died,
    ];

    /// Returns the name in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            AttemptOutcome::Finished => "finished",
            AttemptOutcome::Stopped => "stopped",
            AttemptOutcome::OutOfMemory => "out_of_memory",
            AttemptOutcome::Failed => "failed",
            AttemptOutcome::Refused => "refused",
            AttemptOutcome::Died => "died",
        }
    }

    pub(super) fn parse(text: &str) -> Result<AttemptOutcome, StoreError> {
        let found = AttemptOutcome::ALL.into_iter().find(|outcome| outcome.name() == text);
        found.ok_or_else(|| {
            StoreError::corrupt("the outcome", text, AttemptOutcome::ALL.map(AttemptOutcome::name).join(", "))
        })
    }
}

impl From<Outcome> for AttemptOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Finished => AttemptOutcome::Finished,
            // Not an error of the cohort; the message says why.
            Outcome::Stopped | Outcome::Reached | Outcome::NoSpace => AttemptOutcome::Stopped,
            Outcome::OutOfMemory => AttemptOutcome::OutOfMemory,
            Outcome::Failed => AttemptOutcome::Failed,
            Outcome::Refused => AttemptOutcome::Refused,
        }
    }
}

/// What happens to the members that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// They wait to be continued.
    Release,
    /// They failed for good.
    Fail,
}

/// The end of an attempt as the orchestrator recorded it: the content of `attempt-<n>/end.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// A message for people; empty when finished.
    pub message: String,
    /// The last lines of the worker's stderr; empty when finished.
    pub stderr: String,
    /// What happens to the members that have not ended.
    pub members: Members,
    /// When, in seconds since the Unix epoch.
    pub at: f64,
}

impl AttemptEnd {
    /// Writes it next to the attempt's event log, so `sweep rebuild` knows what no worker could report. Call it before
    /// [`Store::end_attempt`].
    pub fn save(&self, attempt: &AttemptFolder) -> Result<(), StoreError> {
        files::write_json(&attempt.end(), self)
    }

    /// Reads what [`AttemptEnd::save`] wrote; `None` if there is no file.
    pub fn load(attempt: &AttemptFolder) -> Result<Option<AttemptEnd>, StoreError> {
        files::read_json(&attempt.end(), "the end of an attempt")
    }

    /// Creates the end of a worker whose orchestrator is gone, too.
    pub(super) fn orphaned(at: f64) -> AttemptEnd {
        AttemptEnd {
            outcome: AttemptOutcome::Died,
            message: "its orchestrator ended before it".to_owned(),
            stderr: String::new(),
            members: Members::Release,
            at,
        }
    }
}

impl Store {
    /// Ends an attempt after all of its log is ingested. An outcome that the worker reported itself is kept. Members
    /// that have not ended are released or fail. Returns the jobs whose state this changed.
    pub async fn end_attempt(
        &self,
        cohort: CohortId,
        attempt: u32,
        end: &AttemptEnd,
    ) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.write().await?;
        let changed = end_attempt(&mut transaction, cohort, attempt, end).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Applies a change to those `jobs` whose state allows it, and returns them. For decisions of a user, use
    /// [`Store::decide`].
    pub async fn change(&self, jobs: &[JobId], to: Change) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.write().await?;
        let changed = change(&mut transaction, jobs, to, "").await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Ends attempts that an earlier orchestrator left open, after reading their logs to the end; their unfinished jobs
    /// wait to be continued. Returns these jobs. In a damaged log, events before the damage count. Call it at the start
    /// of an orchestrator, while no other runs.
    pub async fn release_stale(&self, home: &Home) -> Result<Vec<JobId>, StoreError> {
        if let Some(before) = self.claim(home).await? {
            let (before, home) = (before.display(), home.display());
            tracing::warn!("the runs of this database were in {before}; they are in {home} now");
        }
        // The database may have a worker's last event but not the orchestrator's reaction to it, so its jobs still
        // count as running. Only a job's latest attempt matters: the end of an earlier one has had its effect, and the
        // user may have retried the job since.
        let open: Vec<OpenAttempt> = sqlx::query_as(
            "SELECT a.cohort, a.number, c.directory, a.log_offset, a.log_events, a.pid IS NOT NULL AS started, b.steps \
             FROM attempts AS a JOIN cohorts AS c ON c.id = a.cohort JOIN blueprints AS b ON b.id = c.blueprint \
             WHERE a.outcome IS NULL OR EXISTS (SELECT 1 FROM members AS m JOIN jobs AS j ON j.id = m.job \
                WHERE m.cohort = a.cohort AND j.state = 'running' \
                AND NOT EXISTS (SELECT 1 FROM members AS om JOIN attempts AS o ON o.cohort = om.cohort WHERE om.job = \
                j.id AND \
                    iif(o.cohort = a.cohort, o.number > a.number, o.started_at > a.started_at))) ORDER BY a.started_at",
        )
        .fetch_all(self.pool())
        .await?;
        let mut ends = Vec::new();
        for open in open {
            let (cohort, attempt) = (parse_id(&open.cohort)?, open.number);
            let directory = home.run_in(Path::new(&open.directory)).attempt(attempt);
            let mut end = AttemptEnd::orphaned(now());
            if let Some(error) = self.read_rest(cohort, &open, &directory).await? {
                tracing::warn!("{error}; the events before it are used");
                end.message = error;
            }
            let known = AttemptEnd::load(&directory).or_else(|error| match error {
                StoreError::Format { .. } => {
                    tracing::warn!("{error}; its worker is recorded as died");
                    Ok(None)
                }
                error => Err(error),
            });
            let end = match known? {
                Some(end) => end,
                None => {
                    // Saved for a rebuild; a deleted folder is not created again.
                    if files::is_directory(directory.path())? {
                        end.save(&directory)?;
                    }
                    end
                }
            };
            ends.push((cohort, attempt, end));
        }
        // Only after all logs are read: a job may be in an earlier cohort, too, whose end must not release it before
        // that.
        let mut released = Vec::new();
        for (cohort, attempt, end) in ends {
            released.extend(self.end_attempt(cohort, attempt, &end).await?);
        }
        Ok(released)
    }
}

impl Store {
    /// Ingests the part of an attempt's log that is not in the database. Returns an error message if the log is damaged
    /// after that.
    async fn read_rest(
        &self,
        cohort: CohortId,
        open: &OpenAttempt,
        directory: &AttemptFolder,
    ) -> Result<Option<String>, StoreError> {
        let order = files::read_order(&directory.order()).or_else(|error| match error {
            StoreError::Format { .. } => {
                tracing::warn!("{error}; its log is checked against the database instead");
                Ok(None)
            }
            error => Err(error),
        });
        let check = match order? {
            Some(order) => Check::of(&order),
            None => self.check(cohort, open, directory).await?,
        };
        let check = check.going_on(open.log_events as u64, open.started);
        let mut reader = Reader::new(directory.events(), check, open.log_offset as u64);
        loop {
            match reader.read() {
                Ok(batch) => {
                    self.ingest(cohort, open.number, &batch.records, batch.offset).await?;
                    if !batch.more {
                        return Ok(None);
                    }
                }
                Err(error @ LogError::Garbage { .. }) => return Ok(Some(error.to_string())),
                Err(error @ LogError::Io { .. }) => return Err(error.into()),
            }
        }
    }
}

impl Store {
    /// Returns the check for an attempt's log if its order is damaged or gone.
    async fn check(
        &self,
        cohort: CohortId,
        open: &OpenAttempt,
        directory: &AttemptFolder,
    ) -> Result<Check, StoreError> {
        let members: Vec<String> = sqlx::query_scalar("SELECT job FROM members WHERE cohort = ?")
            .bind(cohort.to_string())
            .fetch_all(self.pool())
            .await?;
        let members = members.iter().map(|job| parse_id(job)).collect::<Result<Vec<JobId>, _>>()?;
        let mut names: HashMap<JobId, JobId> = self.renamed().await?;
        names.retain(|_, job| members.contains(job));
        names.extend(members.iter().map(|job| (*job, *job)));
        let header = log::head(&directory.events()).ok().and_then(|head| head.header);
        let protocol = header.map_or(PROTOCOL, |header| header.protocol);
        Ok(Check::new(protocol, (cohort, open.number), open.steps as u64, names))
    }
}

row! {
    /// An attempt that an earlier orchestrator may not have ended.
    struct OpenAttempt {
        cohort: String,
        number: u32,
        directory: String,
        log_offset: i64,
        log_events: i64,
        started: bool,
        steps: i64,
    }
}

/// Implements [`Store::end_attempt`].
pub(super) async fn end_attempt(
    transaction: &mut Transaction<'static, Sqlite>,
    cohort: CohortId,
    attempt: u32,
    end: &AttemptEnd,
) -> Result<Vec<JobId>, StoreError> {
    let ended = sqlx::query(
        "UPDATE attempts SET outcome = coalesce(outcome, ?), message = iif(outcome IS NULL, ?, message), stderr = ?, \
         ended_at = coalesce(ended_at, ?) WHERE cohort = ? AND number = ?",
    )
    .bind(end.outcome.name())
    .bind(&end.message)
    .bind(&end.stderr)
    .bind(end.at)
    .bind(cohort.to_string())
    .bind(attempt)
    .execute(&mut **transaction)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(StoreError::NoAttempt { cohort, attempt });
    }
    let members: Vec<(String,)> = sqlx::query_as("SELECT job FROM members WHERE cohort = ? AND gone = 0")
        .bind(cohort.to_string())
        .fetch_all(&mut **transaction)
        .await?;
    let members = members.iter().map(|(job,)| parse_id(job)).collect::<Result<Vec<JobId>, _>>()?;
    match end.members {
        Members::Release => change(transaction, &members, Change::Release, "").await,
        Members::Fail => change(transaction, &members, Change::Fail, &end.message).await,
    }
}

/// Adds a cohort with its members in order, and returns whether it is new. In a known cohort, members that were
/// cancelled and are not in `without` become members again. `directory` is relative to the home directory.
pub(super) async fn insert_cohort(
    transaction: &mut Transaction<'static, Sqlite>,
    cohort: &Cohort,
    parents: &[CohortId],
    without: &[JobId],
    directory: &Path,
) -> Result<bool, StoreError> {
    let scoring = Scorings::default().id(transaction, &cohort.scores).await?;
    let new = sqlx::query(
        "INSERT OR IGNORE INTO cohorts (id, ordinal, blueprint, directory, scoring) \
         VALUES (?, (SELECT coalesce(max(ordinal), 0) + 1 FROM cohorts), ?, ?, ?)",
    )
    .bind(cohort.id.to_string())
    .bind(cohort.blueprint.id().to_string())
    .bind(directory.to_string_lossy().as_ref())
    .bind(scoring)
    .execute(&mut **transaction)
    .await?;
    sqlx::query("DELETE FROM parents WHERE cohort = ?").bind(cohort.id.to_string()).execute(&mut **transaction).await?;
    for (place, parent) in parents.iter().enumerate() {
        sqlx::query("INSERT INTO parents (cohort, place, parent) VALUES (?, ?, ?)")
            .bind(cohort.id.to_string())
            .bind(place as i64)
            .bind(parent.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    if new.rows_affected() == 0 {
        // The scores asked for may have changed since, and a cohort that continued another may now begin at its start.
        sqlx::query("UPDATE cohorts SET scoring = ?1 WHERE id = ?2 AND scoring <> ?1")
            .bind(scoring)
            .bind(cohort.id.to_string())
            .execute(&mut **transaction)
            .await?;
    } else {
        let members: Vec<_> = cohort.members.iter().enumerate().collect();
        let head = "INSERT INTO members (cohort, position, job, gone) ";
        let gone: HashSet<&JobId> = without.iter().collect();
        bulk::insert(transaction, head, &members, "", |row, (position, (job, _))| {
            row.push_bind(cohort.id.to_string()).push_bind(*position as i64).push_bind(job.to_string());
            row.push_bind(gone.contains(job));
        })
        .await?;
        return Ok(true);
    }
    for (job, _) in cohort.members.iter().filter(|(job, _)| !without.contains(job)) {
        sqlx::query("UPDATE members SET gone = 0 WHERE cohort = ? AND job = ? AND gone = 1")
            .bind(cohort.id.to_string())
            .bind(job.to_string())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(false)
}

/// Copies to each job the results during training of the shorter job whose last state it continues.
pub(super) async fn carry_over(
    transaction: &mut Transaction<'static, Sqlite>,
    after: &[(JobId, JobId)],
) -> Result<(), StoreError> {
    for (job, earlier) in after {
        // Not those at the shorter job's last step: the longer job measures there itself if asked to.
        sqlx::query(
            "INSERT OR IGNORE INTO scores SELECT ?, s.step, s.metric, s.ask, s.kind, s.value, s.std, s.protocol FROM \
            scores AS s \
             JOIN jobs AS j ON j.id = s.job JOIN blueprints AS b ON b.id = j.blueprint WHERE s.job = ? AND s.step < \
             b.steps",
        )
        .bind(job.to_string())
        .bind(earlier.to_string())
        .execute(&mut **transaction)
        .await?;
        sqlx::query(
            "INSERT OR IGNORE INTO samples SELECT ?, s.step, s.path FROM samples AS s JOIN jobs AS j ON j.id = s.job \
             JOIN blueprints AS b ON b.id = j.blueprint WHERE s.job = ? AND s.step < b.steps",
        )
        .bind(job.to_string())
        .bind(earlier.to_string())
        .execute(&mut **transaction)
        .await?;
        losses::carry_over(transaction, *job, *earlier).await?;
    }
    Ok(())
}

/// Adds an attempt of a cohort.
pub(super) async fn insert_attempt(
    transaction: &mut Transaction<'static, Sqlite>,
    cohort: CohortId,
    number: u32,
    slot: &str,
    at: f64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO attempts (cohort, number, slot, started_at) VALUES (?, ?, ?, ?)")
        .bind(cohort.to_string())
        .bind(number)
        .bind(slot)
        .bind(at)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Applies `to` to those `jobs` whose state allows it, with the message. Returns the changed jobs.
pub(super) async fn change(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: &[JobId],
    to: Change,
    message: &str,
) -> Result<Vec<JobId>, StoreError> {
    let mut changed = Vec::new();
    for &job in jobs {
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
            .bind(job.to_string())
            .fetch_optional(&mut **transaction)
            .await?;
        let Some(state) = state else { continue };
        let Some(after) = parse_status(&state)?.after(to) else { continue };
        sqlx::query("UPDATE jobs SET state = ?, message = ? WHERE id = ?")
            .bind(after.name())
            .bind(message)
            .bind(job.to_string())
            .execute(&mut **transaction)
            .await?;
        changed.push(job);
    }
    Ok(changed)
}
