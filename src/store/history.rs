//! The results of a sweep's jobs by step, which decide which jobs are stopped early.

use std::collections::HashMap;

use super::losses::{parse_series, parse_steps};
use super::register::{parse_id, parse_status};
use super::results::text;
use super::{Store, StoreError};
use serde_json::Value;
use sweep_spec::id::JobId;
use sweep_wire::event::Score;
use sweep_wire::losses::Losses;
use sweep_wire::status::Status;

/// A job of a sweep, with its results so far.
#[derive(Clone, Debug)]
pub struct History {
    /// Its status.
    pub status: Status,
    /// Steps done.
    pub step: u64,
    /// The scores that the sweep asks for, by step in ascending order, without protocols.
    pub scores: Vec<(u64, Score)>,
    /// Its losses, if they were requested.
    pub losses: Losses,
}

impl Store {
    /// Reads the jobs of a sweep, with their `losses` if wanted, which takes longer.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn history(&self, sweep: &str, losses: bool) -> Result<HashMap<JobId, History>, StoreError> {
        let mut all: HashMap<JobId, History> = HashMap::new();
        let jobs = "SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?";
        self.scan(&format!("SELECT id, state, step FROM jobs WHERE id IN ({jobs})"), [sweep], |row| {
            let (status, step) = (parse_status(text(row, 1)?)?, row.get::<_, i64>(2)? as u64);
            all.insert(
                parse_id(text(row, 0)?)?,
                History { status, step, scores: Vec::new(), losses: Losses::default() },
            );
            Ok(())
        })
        .await?;
        if losses {
            self.scan(&format!("SELECT job, steps, series FROM losses WHERE job IN ({jobs})"), [sweep], |row| {
                if let Some(job) = all.get_mut(&parse_id::<JobId>(text(row, 0)?)?) {
                    job.losses = Losses { steps: parse_steps(text(row, 1)?)?, series: parse_series(text(row, 2)?)? };
                }
                Ok(())
            })
            .await?;
        }
        let declared = self.declared(sweep).await?;
        let sql = "SELECT DISTINCT c.job, c.step, c.metric, c.value, k.json FROM sweeps AS s CROSS JOIN entries AS e \
            CROSS JOIN asked AS a \
                   CROSS JOIN scores AS c CROSS JOIN asks AS k WHERE s.name = ? AND e.sweep = s.id AND a.scoring = \
                   e.scoring AND c.job = e.job \
                   AND c.metric = a.metric AND c.ask = a.ask AND k.id = a.ask ORDER BY c.job, c.step, c.metric, k.id";
        self.scan(sql, [sweep], |row| {
            let json = text(row, 4)?;
            let asked =
                serde_json::from_str(json).map_err(|_| StoreError::corrupt("what is asked for", json, "JSON"))?;
            let value = row.get::<_, Option<f64>>(3)?.unwrap_or(f64::NAN);
            let metric = declared.parse(text(row, 2)?)?;
            let score = Score { metric, value, std: None, protocol: Value::Null, asked: Some(asked) };
            if let Some(job) = all.get_mut(&parse_id::<JobId>(text(row, 0)?)?) {
                job.scores.push((row.get::<_, i64>(1)? as u64, score));
            }
            Ok(())
        })
        .await?;
        Ok(all)
    }
}
