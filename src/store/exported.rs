//! Reading what an export has of a sweep: entry by entry, so that a large sweep takes little memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::losses::{one, parse_series, parse_steps};
use super::parameters::{COLUMNS, plain};
use super::register::{parse_id, parse_status};
use super::results::{Ordered, find, has_come_to, scored, text};
use super::{Scored, Series, Store, StoreError, Sweep};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::parameters::Plain;
use sweep_system::clock::now;
use sweep_wire::status::Status;

/// What all entries of a sweep have together.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The sweep.
    pub sweep: Sweep,
    /// How many entries it has.
    pub entries: usize,
    /// The settings of any of its jobs, parameters and swept keys, by name; whether all values are numbers.
    pub settings: BTreeMap<String, bool>,
    /// The scores that it asks for.
    pub metrics: BTreeSet<String>,
    /// The blueprints of its jobs.
    pub blueprints: BTreeMap<BlueprintId, Arc<Blueprint>>,
    /// How its scores were measured, by [`Scored::protocol`].
    pub protocols: BTreeMap<i64, serde_json::Value>,
}

/// One job that a sweep asks for, with all that was measured of it.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Its place in the expanded file.
    pub ordinal: u64,
    /// The variant.
    pub variant: String,
    /// The swept keys of the variant with this job's values.
    pub axes: BTreeMap<String, serde_json::Value>,
    /// The job.
    pub job: JobId,
    /// Its blueprint.
    pub blueprint: BlueprintId,
    /// Its seed.
    pub seed: u64,
    /// Where it stands.
    pub status: Status,
    /// Why it failed or diverged.
    pub message: String,
    /// Steps done.
    pub step: u64,
    /// Its share of its cohort's training time, once it is done.
    pub seconds: Option<f64>,
    /// Seconds that its scorings took.
    pub scoring: f64,
    /// Its parameters, in the order of their names.
    pub parameters: Vec<(String, Plain)>,
    /// The scores that the sweep asks for, by step.
    pub scores: Vec<Scored>,
    /// How its losses went.
    pub losses: Vec<Series>,
    /// The attempts at its cohorts, the first one first.
    pub stretches: Vec<Stretch>,
}

/// From when until when an attempt was at a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// On which host.
    pub host: String,
    /// On what.
    pub device: String,
    /// From when, in seconds since the Unix epoch.
    pub started_at: f64,
    /// Until when; until now, if it has not ended.
    pub ended_at: f64,
    /// Steps done by then.
    pub step: u64,
}

impl Store {
    /// What all entries of a sweep have together.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn outline(&self, sweep: &Sweep) -> Result<Outline, StoreError> {
        let (mut entries, mut settings, mut last) = (0, BTreeMap::new(), String::new());
        let mut note = |name: &str, is_number: bool| match settings.get_mut(name) {
            Some(all) => *all &= is_number,
            None => drop(settings.insert(name.to_owned(), is_number)),
        };
        let sql =
            "SELECT e.axes FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ? ORDER BY e.ordinal";
        self.scan(sql, [&sweep.name], |row| {
            entries += 1;
            let axes = text(row, 0)?;
            // Replicates stand one after the other and have the same axes.
            if axes != last {
                axes.clone_into(&mut last);
                parse_axes(axes)?.iter().for_each(|(name, value)| note(name, value.is_number()));
            }
            Ok(())
        })
        .await?;
        let sql = "SELECT p.name, min(p.json IS NULL) FROM parameters AS p WHERE p.job IN \
                   (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) \
                   GROUP BY p.name";
        self.scan(sql, [&sweep.name], |row| {
            note(text(row, 0)?, row.get(1)?);
            Ok(())
        })
        .await?;
        let mut metrics = BTreeSet::new();
        let sql = "SELECT DISTINCT a.metric FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id \
                   JOIN asked AS a ON a.scoring = e.scoring \
                   WHERE s.name = ?";
        self.scan(sql, [&sweep.name], |row| {
            metrics.insert(row.get(0)?);
            Ok(())
        })
        .await?;
        let sql = "SELECT DISTINCT c.protocol FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id \
                   JOIN asked AS a ON a.scoring = e.scoring \
                   JOIN scores AS c ON c.job = e.job AND c.metric = a.metric AND c.ask = a.ask WHERE s.name = ?";
        let mut used = BTreeSet::new();
        self.scan(sql, [&sweep.name], |row| {
            used.insert(row.get(0)?);
            Ok(())
        })
        .await?;
        let (blueprints, protocols) = (self.blueprints(&sweep.name).await?, self.protocols(&used).await?);
        Ok(Outline { sweep: sweep.clone(), entries, settings, metrics, blueprints, protocols })
    }

    /// At most `most` entries of a sweep, from ordinal `from` on, in their order.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn exported(&self, sweep: &str, from: u64, most: usize) -> Result<Vec<Exported>, StoreError> {
        let sql = "SELECT e.ordinal, e.variant, e.axes, j.id, j.blueprint, j.seed, j.state, j.message, j.step, \
                   j.seconds, j.scoring \
                   FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job \
                   WHERE s.name = ? AND e.ordinal >= ? ORDER BY e.ordinal LIMIT ?";
        let mut found = Vec::new();
        self.scan(sql, (sweep, from as i64, most as i64), |row| {
            found.push(Exported {
                ordinal: row.get::<_, i64>(0)? as u64,
                variant: row.get(1)?,
                axes: parse_axes(text(row, 2)?)?,
                job: parse_id(text(row, 3)?)?,
                blueprint: parse_id(text(row, 4)?)?,
                seed: row.get::<_, i64>(5)? as u64,
                status: parse_status(text(row, 6)?)?,
                message: row.get(7)?,
                step: row.get::<_, i64>(8)? as u64,
                seconds: row.get(9)?,
                scoring: row.get(10)?,
                parameters: Vec::new(),
                scores: Vec::new(),
                losses: Vec::new(),
                stretches: Vec::new(),
            });
            Ok(())
        })
        .await?;
        let Some(last) = found.last() else { return Ok(found) };
        let which = (sweep, from as i64, last.ordinal as i64);
        self.read_parameters(which, &mut found).await?;
        self.read_all_scores(which, &mut found).await?;
        self.read_all_losses(which, &mut found).await?;
        self.read_stretches(which, &mut found).await?;
        Ok(found)
    }

    async fn read_parameters(&self, which: Which<'_>, found: &mut [Exported]) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT e.ordinal, {COLUMNS} {FROM} CROSS JOIN parameters AS p {WHERE} AND p.job = e.job \
             ORDER BY e.ordinal, p.name"
        );
        let mut at = 0;
        self.scan(&sql, which, |row| {
            if let Some(one) = find(found, &mut at, row.get(0)?) {
                let json: Option<String> = row.get(3)?;
                one.parameters.push((row.get(1)?, plain(row.get(2)?, json.as_deref())?));
            }
            Ok(())
        })
        .await
    }

    async fn read_all_scores(&self, which: Which<'_>, found: &mut [Exported]) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT e.ordinal, c.metric, c.step, c.value, c.std, c.protocol, c.ask {FROM} CROSS JOIN asked AS a \
             CROSS JOIN scores AS c \
             {WHERE} AND a.scoring = e.scoring AND c.job = e.job AND c.metric = a.metric AND c.ask = a.ask \
             ORDER BY e.ordinal, c.step, c.metric"
        );
        let (declared, mut at) = (self.declared(which.0).await?, 0);
        self.scan(&sql, which, |row| {
            let step = row.get::<_, i64>(2)? as u64;
            if let Some(one) = find(found, &mut at, row.get(0)?).filter(|one| has_come_to(one.status, one.step, step)) {
                one.scores.push(scored(row, &declared)?);
            }
            Ok(())
        })
        .await
    }

    async fn read_all_losses(&self, which: Which<'_>, found: &mut [Exported]) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT e.ordinal, l.steps, l.series {FROM} CROSS JOIN losses AS l {WHERE} AND l.job = e.job \
             ORDER BY e.ordinal"
        );
        let mut at = 0;
        self.scan(&sql, which, |row| {
            if let Some(job) = find(found, &mut at, row.get(0)?) {
                let (status, last) = (job.status, job.step);
                let steps = parse_steps(text(row, 1)?)?.into_iter();
                let steps: Arc<[u64]> = steps.take_while(|&step| has_come_to(status, last, step)).collect();
                let series = parse_series(text(row, 2)?)?.into_iter();
                job.losses = series.map(|(name, values)| one(name.into(), &steps, &values)).collect();
            }
            Ok(())
        })
        .await
    }

    async fn read_stretches(&self, which: Which<'_>, found: &mut [Exported]) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT e.ordinal, t.host, t.device, t.started_at, t.ended_at, t.step {FROM} CROSS JOIN members AS m \
             CROSS JOIN attempts AS t \
             {WHERE} AND m.job = e.job AND t.cohort = m.cohort ORDER BY e.ordinal, t.started_at, t.cohort, t.number"
        );
        let (mut at, now) = (0, now());
        self.scan(&sql, which, |row| {
            if let Some(one) = find(found, &mut at, row.get(0)?) {
                one.stretches.push(Stretch {
                    host: row.get(1)?,
                    device: row.get(2)?,
                    started_at: row.get(3)?,
                    ended_at: row.get::<_, Option<f64>>(4)?.unwrap_or(now),
                    step: row.get::<_, i64>(5)? as u64,
                });
            }
            Ok(())
        })
        .await
    }
}

impl Ordered for Exported {
    fn ordinal(&self) -> u64 {
        self.ordinal
    }
}

/// A sweep, and the first and the last of the ordinals that are meant.
type Which<'a> = (&'a str, i64, i64);

const FROM: &str = "FROM sweeps AS s CROSS JOIN entries AS e";
const WHERE: &str = "WHERE s.name = ? AND e.sweep = s.id AND e.ordinal BETWEEN ? AND ?";

fn parse_axes(json: &str) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::corrupt("the axes", json, "a JSON object"))
}
