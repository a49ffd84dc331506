//! Reads what `sweep status` shows: jobs by state, and running attempts.

use std::collections::{BTreeMap, HashMap};

use super::register::{parse_id, parse_status};
use super::{Store, StoreError};
use sweep_spec::id::{BlueprintId, CohortId};
use sweep_wire::status::Status;

/// The progress of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The sweep's name.
    pub sweep: String,
    /// Its jobs by status. A job in several entries counts once.
    pub states: BTreeMap<Status, usize>,
    /// The work left for its unfinished jobs.
    pub left: Vec<Left>,
    /// Its running attempts.
    pub running: Vec<Running>,
}

/// The work left for the jobs of a blueprint.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// The blueprint.
    pub blueprint: BlueprintId,
    /// Whether an own trainer trains it, which alone knows what a step is.
    pub own: bool,
    /// Model-steps left.
    pub steps: u64,
    /// Seconds per model-step in a slot, from the finished jobs.
    pub pace: Option<f64>,
}

/// A running attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// The cohort.
    pub cohort: CohortId,
    /// Its blueprint.
    pub blueprint: BlueprintId,
    /// The attempt.
    pub attempt: u32,
    /// Its slot.
    pub slot: String,
    /// Its device, in words; empty before the worker's first event.
    pub device: String,
    /// All members, and those that still train.
    pub members: (usize, usize),
    /// Steps done, and steps in all.
    pub step: (u64, u64),
    /// Model-steps per second, as last reported.
    pub rate: Option<f64>,
    /// When it started, in seconds since the Unix epoch.
    pub started_at: f64,
}

impl Running {
    /// Estimates the seconds until this cohort is done, at the last reported rate.
    pub fn seconds_left(&self) -> Option<f64> {
        let rate = self.rate.filter(|rate| *rate > 0.0)?;
        Some(self.step.1.saturating_sub(self.step.0) as f64 * self.members.1 as f64 / rate)
    }
}

impl Store {
    /// Returns the average training time of finished jobs of own trainers by blueprint, in seconds.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn own_seconds(&self) -> Result<HashMap<BlueprintId, f64>, StoreError> {
        let sql = "SELECT j.blueprint, avg(j.seconds) FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint \
                   WHERE b.objective = 'own' AND j.state = 'done' AND j.seconds IS NOT NULL GROUP BY j.blueprint";
        let rows: Vec<(String, f64)> = sqlx::query_as(sql).fetch_all(self.pool()).await?;
        rows.into_iter().map(|(id, seconds)| Ok((parse_id(&id)?, seconds))).collect()
    }
}

impl Progress {
    /// Counts the jobs of the sweep.
    pub fn jobs(&self) -> usize {
        self.states.values().sum()
    }

    /// Counts the jobs that need no more training.
    pub fn ended(&self) -> usize {
        self.states.iter().filter(|(status, _)| status.is_final()).map(|(_, count)| count).sum()
    }

    /// Estimates the seconds until everything is done in the slots that are busy now, from the last reported rates of
    /// running attempts or the times of finished jobs. Blueprints without such data are assumed to be as fast as the
    /// average of the others, own trainers separately; `None` if that is unknown, too.
    pub fn seconds_left(&self) -> Option<f64> {
        let rates = |of: &Left| -> Vec<f64> {
            let of = self.running.iter().filter(|running| running.blueprint == of.blueprint);
            of.filter_map(|running| running.rate.filter(|rate| *rate > 0.0)).collect()
        };
        let pace = |of: &Left| match rates(of) {
            rates if rates.is_empty() => of.pace,
            rates => Some(rates.len() as f64 / rates.iter().sum::<f64>()),
        };
        let usual = |own: bool| {
            let known: Vec<f64> = self.left.iter().filter(|of| of.own == own).filter_map(pace).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let open = self.left.iter().filter(|of| of.steps > 0);
        let seconds =
            open.map(|of| Some(of.steps as f64 * pace(of).or_else(|| usual(of.own))?)).sum::<Option<f64>>()?;
        let last = self.running.iter().filter_map(Running::seconds_left).fold(0.0, f64::max);
        (!self.running.is_empty()).then(|| (seconds / self.running.len() as f64).max(last))
    }
}

impl Store {
    /// The progress of a sweep.
    pub async fn progress(&self, sweep: &str) -> Result<Progress, StoreError> {
        let rows: Vec<(String, String, bool, i64, i64, Option<f64>)> = sqlx::query_as(
            "SELECT j.state, b.id, b.objective = 'own', count(*), sum(max(b.steps - j.step, 0)), avg(j.seconds) / \
            b.steps \
             FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint \
             WHERE j.id IN (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) GROUP \
             BY j.state, b.id",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let (mut states, mut left) = (BTreeMap::new(), BTreeMap::new());
        for (state, blueprint, own, count, steps, pace) in rows {
            let status = parse_status(&state)?;
            *states.entry(status).or_default() += count as usize;
            let blueprint = parse_id(&blueprint)?;
            let of = left.entry(blueprint).or_insert(Left { blueprint, own, steps: 0, pace: None });
            of.steps += if status.is_final() { 0 } else { steps as u64 };
            of.pace = pace.filter(|_| status == Status::Done).or(of.pace);
        }
        let left = left.into_values().collect();
        Ok(Progress { sweep: sweep.to_owned(), states, left, running: self.running(sweep).await? })
    }

    async fn running(&self, sweep: &str) -> Result<Vec<Running>, StoreError> {
        let rows: Vec<RunningRow> = sqlx::query_as(
            "SELECT a.cohort, c.blueprint, a.number, a.slot, a.device, count(*) AS members, sum(j.state = 'running') \
            AS training, \
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
        blueprint: String,
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
            blueprint: parse_id(&self.blueprint)?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn blueprint(of: u8) -> BlueprintId {
        parse_id(&format!("{of:020x}")).unwrap()
    }

    fn left(of: u8, own: bool, steps: u64, pace: Option<f64>) -> Left {
        Left { blueprint: blueprint(of), own, steps, pace }
    }

    fn running(of: u8, step: (u64, u64), rate: Option<f64>) -> Running {
        Running {
            cohort: parse_id(&format!("{of:020x}")).unwrap(),
            blueprint: blueprint(of),
            attempt: 1,
            slot: "cpu".into(),
            device: String::new(),
            members: (1, 1),
            step,
            rate,
            started_at: 0.0,
        }
    }

    fn seconds(left: Vec<Left>, running: Vec<Running>) -> Option<f64> {
        Progress { sweep: "s".into(), states: BTreeMap::new(), left, running }.seconds_left()
    }

    #[test]
    fn time_left_knows_how_fast_each_blueprint_is() {
        // 30 steps of 2 s each and 3,000 of 1 ms, in two slots.
        let (slow, fast) = (|pace| left(1, true, 30, pace), |pace| left(2, false, 3000, pace));
        let at_work = || vec![running(1, (0, 30), Some(0.5)), running(2, (0, 10), Some(1000.0))];
        assert_eq!(seconds(vec![slow(None), fast(None)], at_work()), Some(60.0), "the longest of what runs");
        let both = || vec![running(1, (25, 30), None), running(1, (25, 30), Some(0.5))];
        assert_eq!(seconds(vec![slow(None), fast(Some(0.001))], both()), Some(31.5));
        // Running attempts count more than finished ones.
        assert_eq!(seconds(vec![slow(Some(100.0)), fast(Some(0.001))], both()), Some(31.5));
        // A step of an own trainer says nothing about a built-in one.
        assert_eq!(seconds(vec![slow(None), fast(None)], both()), None);
        assert_eq!(seconds(vec![slow(None), fast(Some(0.001)), left(3, false, 1000, None)], both()), Some(32.0));
        assert_eq!(seconds(vec![slow(Some(2.0)), fast(Some(0.001))], Vec::new()), None, "nothing runs");
    }
}
