//! What the orchestrator writes to the database. All of it is in files of the home directory first, so it can wait
//! while another program has the database locked.

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

/// A new attempt, and its cohort if that is new. [`super::rebuild()`] gets the same from the attempt's order.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// The cohort.
    pub cohort: Arc<Cohort>,
    /// The cohorts the members were in before, whose checkpoints they continue.
    pub parents: Vec<CohortId>,
    /// Members that are no longer trained.
    pub without: Vec<JobId>,
    /// Members with the shorter jobs whose last states they continue. They take over the results of these during
    /// training.
    pub after: Vec<(JobId, JobId)>,
    /// The cohort's directory, relative to the home directory.
    pub directory: PathBuf,
    /// The orchestrator's name for its slot.
    pub slot: String,
    /// Its number, from 1 on: one more than the cohort's last attempt.
    pub number: u32,
    /// When it starts, in seconds since the Unix epoch; later than all attempts before it.
    pub at: f64,
}

/// One change to write to the database.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new attempt. Its members start running with the worker's first event.
    Start(NewAttempt),
    /// Events, as for [`Store::ingest`].
    Events {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// New events.
        records: Vec<Record>,
        /// The log offset where reading continues.
        offset: u64,
    },
    /// The end of an attempt, as for [`Store::end_attempt`].
    End {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// How it ended.
        end: AttemptEnd,
    },
    /// A worker's stderr that became known only after [`Write::End`].
    Words {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// The last lines.
        stderr: String,
    },
    /// A decision about those jobs whose state allows it; [`super::note`] has recorded it.
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
    /// Applies all `writes` in order, in one transaction.
    ///
    /// # Errors
    ///
    /// If anything fails. Then nothing is written.
    pub async fn record(&self, writes: &[Write]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for writes in writes.chunk_by(|a, b| a.events().is_some() && b.events().is_some()) {
            match &writes[0] {
                // Reports of several attempts are written together, in few statements.
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

    /// Returns the number of attempts of each cohort.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn attempts_made(&self) -> Result<HashMap<CohortId, u32>, StoreError> {
        let rows: Vec<(String, u32)> =
            sqlx::query_as("SELECT cohort, max(number) FROM attempts GROUP BY cohort").fetch_all(self.pool()).await?;
        rows.into_iter().map(|(cohort, number)| Ok((parse_id(&cohort)?, number))).collect()
    }

    /// From now on, gives up after `patience` if another program has the database locked: [`StoreError::is_locked`].
    ///
    /// # Errors
    ///
    /// If SQLite refuses.
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
