//! What users decide about jobs: a file of the home directory has it too, since no log of a worker does.

use std::collections::HashSet;
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, Transaction};

use super::attempt::change;
use super::register::parse_status;
use super::{Store, StoreError};
use sweep_spec::id::JobId;
use sweep_system::clock::now;
use sweep_system::whole;
use sweep_wire::home::Home;
use sweep_wire::status::Change;

/// What a user wants of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is not to be trained any more. A cohort that has begun goes on without it.
    Cancel,
    /// It failed or was cancelled, and is to be tried again. A cancelled one is new then: it is in no begun cohort.
    Retry,
}

impl From<Decision> for Change {
    fn from(decision: Decision) -> Change {
        match decision {
            Decision::Cancel => Change::Cancel,
            Decision::Retry => Change::Retry,
        }
    }
}

/// A line of `decisions.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    /// Seconds since the Unix epoch.
    at: f64,
    change: Decision,
    jobs: Vec<JobId>,
}

impl Store {
    /// Does what a user wants with those of `jobs` to which it makes sense, and returns these. First of all, `decisions.jsonl` in the
    /// home directory says so, so that [`super::rebuild()`] knows.
    ///
    /// # Errors
    ///
    /// Where that file or the database cannot be written.
    pub async fn decide(&self, home: &Home, jobs: &[JobId], decision: Decision) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.write().await?;
        let mut concerned = Vec::new();
        for &job in jobs {
            let state: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
                .bind(job.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            let Some(state) = state else { continue };
            if parse_status(&state)?.after(decision.into()).is_some() && !concerned.contains(&job) {
                concerned.push(job);
            }
        }
        if !concerned.is_empty() {
            append(home, &Line { at: now(), change: decision, jobs: concerned.clone() })?;
            apply(&mut transaction, &concerned, decision).await?;
        }
        transaction.commit().await?;
        Ok(concerned)
    }
}

/// Notes in `decisions.jsonl` of the home directory what a user wants with those of `jobs` to which it makes sense, for
/// [`super::rebuild()`]; the database is told by [`super::Write::Decided`]. What [`Store::decide`] does in one.
///
/// # Errors
///
/// Where the file cannot be written.
pub fn note(home: &Home, jobs: &[JobId], decision: Decision) -> Result<(), StoreError> {
    append(home, &Line { at: now(), change: decision, jobs: jobs.to_vec() })
}

/// Does what was decided, in the database alone.
pub(super) async fn apply(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: &[JobId],
    decision: Decision,
) -> Result<(), StoreError> {
    for job in change(transaction, jobs, decision.into(), "").await? {
        if decision == Decision::Cancel {
            sqlx::query("UPDATE members SET gone = 1 WHERE job = ?")
                .bind(job.to_string())
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}

/// Appends a line and makes it durable.
fn append(home: &Home, line: &Line) -> Result<(), StoreError> {
    let path = home.decisions();
    let write = || whole::append_line(&path, &serde_json::to_vec(line)?);
    write().map_err(|source| StoreError::File { path: path.clone(), source })
}

/// Decisions on their way into a new database.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// In the order in which they were made, without what is done. No time is before that of an earlier line.
    lines: Vec<Line>,
}

impl Decisions {
    /// Those of a home directory. Adds to `warnings` what is none.
    pub(super) fn load(home: &Home, warnings: &mut Vec<String>) -> Result<Decisions, StoreError> {
        let path = home.decisions();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|source| StoreError::File { path: path.clone(), source })?,
        };
        let mut lines: Vec<Line> = Vec::new();
        let texts = (1..).zip(text.split(|&byte| byte == b'\n'));
        for (number, text) in texts.filter(|(_, text)| !text.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                Ok(mut line) => {
                    // The clock may have been set back between them.
                    line.at = lines.last().map_or(line.at, |before| line.at.max(before.at));
                    lines.push(line);
                }
                Err(error) => warnings.push(format!("{}, line {number}: not a decision: {error}", path.display())),
            }
        }
        Ok(Decisions { lines })
    }

    /// Only those that were made later than `since`.
    pub(super) fn since(mut self, since: f64) -> Decisions {
        self.lines.retain(|line| line.at > since);
        self
    }

    /// The time of the first decision about one of `jobs` that is not done yet.
    pub(super) fn next(&self, jobs: &HashSet<JobId>) -> Option<f64> {
        self.lines.iter().find(|line| line.jobs.iter().any(|job| jobs.contains(job))).map(|line| line.at)
    }

    /// Does what was decided up to `until`, about these jobs or about all.
    pub(super) async fn replay(
        &mut self,
        store: &Store,
        until: f64,
        about: Option<&HashSet<JobId>>,
    ) -> Result<(), StoreError> {
        let mut transaction = store.write().await?;
        for line in self.lines.iter_mut().take_while(|line| line.at <= until) {
            let due = |job: &mut JobId| about.is_none_or(|about| about.contains(job));
            let jobs: Vec<JobId> = line.jobs.extract_if(.., due).collect();
            apply(&mut transaction, &jobs, line.change).await?;
        }
        transaction.commit().await?;
        self.lines.retain(|line| !line.jobs.is_empty());
        Ok(())
    }
}
