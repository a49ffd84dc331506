//! Reading what `sweep status` shows: jobs by state, and what runs.

use std::collections::{BTreeMap, HashMap};

use super::register::{parse_id, parse_status};
use super::{Store, StoreError};
use sweep_spec::id::{BlueprintId, CohortId};
use sweep_wire::status::Status;

/// How far a sweep is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The sweep's name.
    pub sweep: String,
    /// How many of its jobs stand where. A job that stands in several entries counts once.
    pub states: BTreeMap<Status, usize>,
    /// Model-steps that its unfinished jobs still need.
    pub steps_left: u64,
    /// What runs of it.
    pub running: Vec<Running>,
}

/// An attempt that runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The cohort.
    pub cohort: CohortId,
    /// The attempt.
    pub attempt: u32,
    /// Where.
    pub slot: String,
    /// On what, in words; empty before the worker's first event.
    pub device: String,
    /// Members, and those of them that still train.
    pub members: (usize, usize),
    /// Steps done, and to do in all.
    pub step: (u64, u64),
    /// Model-steps per second, the last reported.
    pub rate: Option<f64>,
    /// Since when, in seconds since the Unix epoch.
    pub started_at: f64,
}

impl Running {
    /// Seconds until this cohort is done, at the last reported rate.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Some(self.step.1.saturating_sub(self.step.0) as f64 * self.members.1 as f64 / rate)
    }
}

impl Store {
    /// Seconds that jobs of trainers of the user's own took that are done, on average, by their blueprints.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn own_seconds(&self) -> Result<HashMap<BlueprintId, f64>, StoreError> {
        let sql = "SELECT j.blueprint, avg(j.seconds) FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint \
                   WHERE b.objective = 'own' AND j.state = 'done' AND j.seconds IS NOT NULL GROUP BY j.blueprint";
        let rows: Vec<(String, f64)> = sqlx::query_as(sql).fetch_all(self.pool()).await?;
        rows.into_iter().map(|(id, seconds)| Ok((parse_id(&id)?, seconds))).collect()
    }
}

impl Progress {
    /// Jobs of the sweep.
    pub fn jobs(&self) -> usize {
        self.states.values().sum()
    }

    /// Jobs that need no more training.
    pub fn ended(&self) -> usize {
        self.states.iter().filter(|(status, _)| status.is_final()).map(|(_, count)| count).sum()
    }

    /// Seconds until all is done, at the last reported rates of what runs now.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate: f64 = self.running.iter().filter_map(|running| running.rate).sum();
        (rate > 0.0).then(|| self.steps_left as f64 / rate)
    }
}

impl Store {
    /// How far a sweep is.
    pub async fn progress(&self, sweep: &str) -> Result<Progress, StoreError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT j.state, count(*), sum(max(b.steps - j.step, 0)) FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint \
             WHERE j.id IN (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) GROUP BY j.state",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let (mut states, mut steps_left) = (BTreeMap::new(), 0);
        for (state, count, steps) in rows {
            let status = parse_status(&state)?;
            states.insert(status, count as usize);
            if !status.is_final() {
                steps_left += steps as u64;
            }
        }
        Ok(Progress { sweep: sweep.to_owned(), states, steps_left, running: self.running(sweep).await? })
    }

    async fn running(&self, sweep: &str) -> Result<Vec<Running>, StoreError> {
        let rows: Vec<RunningRow> = sqlx::query_as(
            "SELECT a.cohort, a.number, a.slot, a.device, count(*) AS members, sum(j.state = 'running') AS training, \
             a.step, b.steps, a.rate, a.started_at \
             FROM attempts AS a JOIN cohorts AS c ON c.id = a.cohort JOIN blueprints AS b ON b.id = c.blueprint \
             JOIN members AS m ON m.cohort = a.cohort JOIN jobs AS j ON j.id = m.job \
             WHERE a.outcome IS NULL AND EXISTS (SELECT 1 FROM members AS m2 JOIN entries AS e ON e.job = m2.job \
                JOIN sweeps AS s ON s.id = e.sweep WHERE m2.cohort = a.cohort AND s.name = ?) \
             GROUP BY a.cohort, a.number ORDER BY a.slot, a.started_at",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(RunningRow::running).collect()
    }
}

row! {
    struct RunningRow {
        cohort: String,
        number: u32,
        slot: String,
        device: String,
        members: i64,
        training: i64,
        step: i64,
        steps: i64,
        rate: Option<f64>,
        started_at: f64,
    }
}

impl RunningRow {
    fn running(self) -> Result<Running, StoreError> {
        Ok(Running {
            cohort: parse_id(&self.cohort)?,
            attempt: self.number,
            slot: self.slot,
            device: self.device,
            members: (self.members as usize, self.training as usize),
            step: (self.step as u64, self.steps as u64),
            rate: self.rate,
            started_at: self.started_at,
        })
    }
}
