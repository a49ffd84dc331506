//! Finished jobs, whose last states a longer job may continue.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::register::parse_id;
use super::{Store, StoreError};
use sweep_spec::id::{BlueprintId, CohortId, JobId};

impl Store {
    /// Returns the blueprints of the built-in trainer with their steps.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn lengths(&self) -> Result<BTreeMap<BlueprintId, u64>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT id, steps FROM blueprints WHERE objective <> 'own'").fetch_all(self.pool()).await?;
        rows.into_iter().map(|(id, steps)| Ok((parse_id(&id)?, steps as u64))).collect()
    }

    /// Returns the jobs that need no more training.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn ended_jobs(&self) -> Result<HashSet<JobId>, StoreError> {
        let sql = "SELECT id FROM jobs WHERE state NOT IN ('pending', 'running')";
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.pool()).await?;
        rows.iter().map(|id| parse_id(id)).collect()
    }

    /// Returns those of `jobs` that were finished once, whatever their status now: they have scores at their last
    /// steps.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn were_done(&self, jobs: impl Iterator<Item = JobId>) -> Result<HashSet<JobId>, StoreError> {
        let mut found = HashSet::new();
        let sql = "SELECT EXISTS (SELECT 1 FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint JOIN scores AS s \
            ON s.job = j.id \
                   AND s.step = b.steps WHERE j.id = ?)";
        for job in jobs {
            if sqlx::query_scalar(sql).bind(job.to_string()).fetch_one(self.pool()).await? {
                found.insert(job);
            }
        }
        Ok(found)
    }

    /// Returns the jobs of own trainers that have results.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn own_done(&self) -> Result<HashSet<JobId>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT j.id FROM blueprints AS b JOIN jobs AS j ON j.blueprint = b.id WHERE b.objective = 'own' AND \
            j.state IN ('done', 'diverged')",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|id| parse_id(id)).collect()
    }

    /// Returns the finished jobs of a blueprint with the cohorts in which they ended.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn done_of(&self, blueprint: BlueprintId) -> Result<HashMap<JobId, CohortId>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT j.id, c.id FROM jobs AS j JOIN members AS m ON m.job = j.id AND m.gone = 0 JOIN cohorts AS c ON \
            c.id = m.cohort \
             WHERE j.blueprint = ? AND j.state = 'done' ORDER BY c.ordinal",
        )
        .bind(blueprint.to_string())
        .fetch_all(self.pool())
        .await?;
        // If there are several cohorts, the last one remains.
        rows.into_iter().map(|(job, cohort)| Ok((parse_id(&job)?, parse_id(&cohort)?))).collect()
    }
}
