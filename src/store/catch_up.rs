//! Adds attempts that are missing from the database because another program had it locked until their orchestrator was
//! killed, and the decisions made in the meantime.

use std::collections::HashSet;
use std::path::PathBuf;

use super::decisions::Decisions;
use super::rebuild::{attempts, begin, finish, in_turn};
use super::register::parse_id;
use super::{NewSweep, Store, StoreError, files};
use sweep_spec::id::CohortId;
use sweep_wire::home::Home;

impl Store {
    /// Adds the attempts in `home` that are not in this database, in order and with users' decisions in between, as a
    /// rebuild would. Returns their number. Adds none if the database does not have the current sweeps of `home`: then
    /// it is an older copy and lacks more than attempts. No orchestrator may run at the same time.
    ///
    /// # Errors
    ///
    /// If a file or the database cannot be read or written, or the database belongs to another home directory.
    pub async fn catch_up(&self, home: &Home) -> Result<usize, StoreError> {
        let unknown: HashSet<PathBuf> = self.unknown_attempts(home).await?.into_iter().collect();
        let mut warnings = Vec::new();
        let mut decisions =
            Decisions::load(home, &mut warnings)?.of(&self.renamed().await?).since(self.known_until().await?);
        let open = self.open_attempts().await?;
        // A worker may know of decisions that the database lacks, and have made a checkpoint without cancelled members.
        let is_behind = !unknown.is_empty() || !(open.is_empty() || decisions.is_empty());
        if !is_behind || !self.has_sweeps(home).await? {
            return Ok(0);
        }
        let mut found = attempts(home, &mut warnings)?;
        let is_open = |cohort, number| open.contains(&(cohort, number));
        found.retain(|found| unknown.contains(found.folder.path()) || is_open(found.order.cohort, found.order.attempt));
        in_turn(&mut found);
        for attempt in &found {
            decisions.replay(self, attempt.started_at, None).await?;
            if unknown.contains(attempt.folder.path()) {
                begin(self, attempt, false).await?;
            }
            finish(self, attempt, &mut decisions, &mut warnings).await?;
        }
        decisions.replay(self, f64::INFINITY, None).await?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(unknown.len())
    }

    /// Whether the database has the current version of every sweep of `home`.
    async fn has_sweeps(&self, home: &Home) -> Result<bool, StoreError> {
        let known = self.sweeps().await?;
        for path in files::sweeps(home)? {
            let is_known =
                |new: &NewSweep| known.iter().any(|sweep| (&sweep.name, sweep.updated_at) == (&new.name, new.at));
            if !NewSweep::load(&path).is_ok_and(|new| is_known(&new)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the latest start or end of any attempt, in seconds since the Unix epoch; 0 if there are none.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn known_until(&self) -> Result<f64, StoreError> {
        let latest: Option<f64> =
            sqlx::query_scalar("SELECT max(max(coalesce(ended_at, 0.0), started_at)) FROM attempts")
                .fetch_one(self.pool())
                .await?;
        Ok(latest.unwrap_or(0.0))
    }

    /// Returns the attempts that have not ended.
    async fn open_attempts(&self) -> Result<HashSet<(CohortId, u32)>, StoreError> {
        let rows: Vec<(String, u32)> =
            sqlx::query_as("SELECT cohort, number FROM attempts WHERE ended_at IS NULL").fetch_all(self.pool()).await?;
        rows.into_iter().map(|(cohort, number)| Ok((parse_id(&cohort)?, number))).collect()
    }
}
