//! What the orchestrator tells the database. All of it is in files of the home directory first, so that it can wait where another
//! program keeps the database locked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::attempt::{carry_over, end_attempt, insert_attempt, insert_cohort};
use super::ingest::{Ingest, ingest};
use super::register::parse_id;
use super::{AttemptEnd, Decision, Store, StoreError, decisions};
use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};
use sweep_wire::event::Record;

/// An attempt to be made known, and its cohort where that is new. An order that says the same is all that [`super::rebuild()`] needs.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// What trains.
    pub cohort: Arc<Cohort>,
    /// The cohorts whose checkpoints the members go on from, in which they were before.
    pub parents: Vec<CohortId>,
    /// Members that are not to be trained any more.
    pub without: Vec<JobId>,
    /// Members with the shorter jobs whose last states they go on from: what was measured of these on their way is theirs.
    pub after: Vec<(JobId, JobId)>,
    /// The cohort's directory, relative to the home directory.
    pub directory: PathBuf,
    /// The orchestrator's name for where it runs.
    pub slot: String,
    /// One more than the last attempt of this cohort has, from 1 on.
    pub number: u32,
    /// When, in seconds since the Unix epoch; later than all attempts before it.
    pub at: f64,
}

/// One thing to put into the database.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new attempt. Its members start with the worker's first event.
    Start(NewAttempt),
    /// What [`Store::ingest`] takes.
    Events {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// New events.
        records: Vec<Record>,
        /// Where in the log reading goes on.
        offset: u64,
    },
    /// What [`Store::end_attempt`] takes.
    End {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// How it ended.
        end: AttemptEnd,
    },
    /// What a worker has said on stderr, where that was known only after [`Write::End`].
    Words {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// The last lines.
        stderr: String,
    },
    /// What becomes of those of some jobs to which it makes sense; [`super::note`] has noted it.
    Decided {
        /// The jobs.
        jobs: Vec<JobId>,
        /// What.
        decision: Decision,
    },
}

impl Write {
    fn events(&self) -> Option<Ingest<'_>> {
        match self {
            Write::Events { cohort, attempt, records, offset } => {
                Some(Ingest { cohort: *cohort, attempt: *attempt, records, offset: *offset })
            }
            Write::Start(_) | Write::End { .. } | Write::Words { .. } | Write::Decided { .. } => None,
        }
    }
}

impl Store {
    /// Does all of `writes` in their order, in one transaction.
    ///
    /// # Errors
    ///
    /// Then nothing of it is done.
    pub async fn record(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for writes in writes.chunk_by(|a, b| a.events().is_some() && b.events().is_some()) {
            match &writes[0] {
                // What several attempts report goes in together, in few statements.
                Write::Events { .. } => {
                    let events: Vec<Ingest<'_>> = writes.iter().filter_map(Write::events).collect();
                    ingest(&mut transaction, &events).await?;
                }
                Write::Start(start) => begin(&mut transaction, start).await?,
                Write::End { cohort, attempt, end } => {
                    end_attempt(&mut transaction, *cohort, *attempt, end).await?;
                }
                Write::Words { cohort, attempt, stderr } => {
                    sqlx::query("UPDATE attempts SET stderr = ? WHERE cohort = ? AND number = ?")
                        .bind(stderr)
                        .bind(cohort.to_string())
                        .bind(attempt)
                        .execute(&mut *transaction)
                        .await?;
                }
                Write::Decided { jobs, decision } => decisions::apply(&mut transaction, jobs, decision).await?,
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// How many attempts each cohort has had.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn attempts_made(&self) -> Result<HashMap<CohortId, u32>, StoreError> {
        let rows: Vec<(String, u32)> =
            sqlx::query_as("SELECT cohort, max(number) FROM attempts GROUP BY cohort").fetch_all(self.pool()).await?;
        rows.into_iter().map(|(cohort, number)| Ok((parse_id(&cohort)?, number))).collect()
    }

    /// From now on gives up after `patience` where another program keeps the database locked: [`StoreError::is_locked`].
    ///
    /// # Errors
    ///
    /// Where SQLite does not do it.
    pub async fn wait_for_locks(&self, patience: Duration) -> Result<(), StoreError> {
        let pragma = format!("PRAGMA busy_timeout = {}", patience.as_millis());
        sqlx::query(AssertSqlSafe(pragma)).execute(self.pool()).await?;
        Ok(())
    }
}

async fn begin(transaction: &mut Transaction<'static, Sqlite>, start: &NewAttempt) -> Result<(), StoreError> {
    let NewAttempt { cohort, parents, without, after, directory, slot, number, at } = start;
    insert_cohort(transaction, cohort, parents, without, directory).await?;
    carry_over(transaction, after).await?;
    insert_attempt(transaction, cohort.id, *number, slot, *at).await
}
