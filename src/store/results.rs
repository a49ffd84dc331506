//! Reading what a report is made of.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::register::{parse_id, parse_status};
use super::{Store, StoreError};
use crate::spec::blueprint::Blueprint;
use crate::spec::id::{BlueprintId, JobId};
use crate::spec::metric::Metric;
use crate::wire::status::Status;

/// A registered sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Its name.
    pub name: String,
    /// Where the YAML was when it was last run.
    pub file: String,
    /// The YAML.
    pub source: String,
    /// When it was last run, in seconds since the Unix epoch.
    pub updated_at: f64,
}

/// A sweep with all its entries and their scores.
#[derive(Clone, Debug)]
pub struct Results {
    /// The sweep.
    pub sweep: Sweep,
    /// Its entries in their order.
    pub entries: Vec<Entry>,
    /// The blueprints of its jobs.
    pub blueprints: BTreeMap<BlueprintId, Arc<Blueprint>>,
    /// How scores were measured, by [`Scored::protocol`].
    pub protocols: BTreeMap<i64, serde_json::Value>,
}

/// One job that a sweep asks for.
#[derive(Clone, Debug)]
pub struct Entry {
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
    /// Steps done.
    pub step: u64,
    /// Its share of its cohort's training time, once it is done.
    pub seconds: Option<f64>,
    /// Its scores at all steps, by step.
    pub scores: Vec<Scored>,
}

/// One score of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Which.
    pub metric: Metric,
    /// Steps done.
    pub step: u64,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// Standard deviation over the splits of this scoring.
    pub std: Option<f64>,
    /// Scores of different protocols are not comparable.
    pub protocol: i64,
}

/// A row of `scores`.
#[derive(sqlx::FromRow)]
pub(super) struct ScoreRow {
    job: String,
    metric: String,
    step: i64,
    value: Option<f64>,
    std: Option<f64>,
    protocol: i64,
}

impl ScoreRow {
    /// The score; NULL stands for NaN.
    pub(super) fn scored(&self) -> Result<Scored, StoreError> {
        let (value, step) = (self.value.unwrap_or(f64::NAN), self.step as u64);
        Ok(Scored { metric: parse_metric(&self.metric)?, step, value, std: self.std, protocol: self.protocol })
    }
}

/// An entry with its job.
#[derive(sqlx::FromRow)]
struct EntryRow {
    variant: String,
    axes: String,
    job: String,
    blueprint: String,
    seed: i64,
    state: String,
    step: i64,
    seconds: Option<f64>,
}

impl EntryRow {
    fn entry(self) -> Result<Entry, StoreError> {
        let axes = serde_json::from_str(&self.axes);
        Ok(Entry {
            axes: axes.map_err(|_| StoreError::corrupt("the axes", &self.axes, "a JSON object"))?,
            variant: self.variant,
            job: parse_id(&self.job)?,
            blueprint: parse_id(&self.blueprint)?,
            seed: self.seed as u64,
            status: parse_status(&self.state)?,
            step: self.step as u64,
            seconds: self.seconds,
            scores: Vec::new(),
        })
    }
}

impl Store {
    /// All registered sweeps, the last run first.
    pub async fn sweeps(&self) -> Result<Vec<Sweep>, StoreError> {
        let rows: Vec<(String, String, String, f64)> =
            sqlx::query_as("SELECT name, file, source, updated_at FROM sweeps ORDER BY updated_at DESC, name")
                .fetch_all(self.pool())
                .await?;
        let sweep = |(name, file, source, updated_at)| Sweep { name, file, source, updated_at };
        Ok(rows.into_iter().map(sweep).collect())
    }

    /// The sweep of this name, or the one that was run last.
    pub async fn sweep(&self, name: Option<&str>) -> Result<Sweep, StoreError> {
        let sweeps = self.sweeps().await?;
        let found = sweeps.iter().find(|sweep| name.is_none_or(|name| sweep.name == name));
        let unknown = || StoreError::NoSweep {
            name: name.unwrap_or_default().to_owned(),
            known: sweeps.iter().map(|sweep| sweep.name.clone()).collect(),
        };
        found.cloned().ok_or_else(unknown)
    }

    /// The entries of a sweep with all their scores.
    pub async fn results(&self, sweep: &Sweep) -> Result<Results, StoreError> {
        let rows: Vec<EntryRow> = sqlx::query_as(
            "SELECT e.variant, e.axes, j.id AS job, j.blueprint, j.seed, j.state, j.step, j.seconds \
             FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job WHERE s.name = ? ORDER BY e.ordinal",
        )
        .bind(&sweep.name)
        .fetch_all(self.pool())
        .await?;
        let mut entries = rows.into_iter().map(EntryRow::entry).collect::<Result<Vec<_>, _>>()?;
        let mut scores = self.scores(&sweep.name).await?;
        for entry in &mut entries {
            entry.scores = scores.get_mut(&entry.job).cloned().unwrap_or_default();
        }
        let blueprints = self.blueprints(&sweep.name).await?;
        Ok(Results { sweep: sweep.clone(), entries, blueprints, protocols: self.protocols(&sweep.name).await? })
    }

    async fn scores(&self, sweep: &str) -> Result<HashMap<JobId, Vec<Scored>>, StoreError> {
        let rows: Vec<ScoreRow> = sqlx::query_as(
            "SELECT job, metric, step, value, std, protocol FROM scores WHERE job IN \
             (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) ORDER BY step, metric",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let mut scores: HashMap<JobId, Vec<Scored>> = HashMap::new();
        for row in rows {
            scores.entry(parse_id(&row.job)?).or_default().push(row.scored()?);
        }
        Ok(scores)
    }

    async fn blueprints(&self, sweep: &str) -> Result<BTreeMap<BlueprintId, Arc<Blueprint>>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT b.id, b.json FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job \
             JOIN blueprints AS b ON b.id = j.blueprint WHERE s.name = ?",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(id, json)| Ok((parse_id(&id)?, Arc::new(parse_blueprint(&json)?)))).collect()
    }

    async fn protocols(&self, sweep: &str) -> Result<BTreeMap<i64, serde_json::Value>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, json FROM protocols WHERE id IN (SELECT c.protocol FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id \
             JOIN scores AS c ON c.job = e.job WHERE s.name = ?)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let parse = |(id, json): (i64, String)| {
            Ok((id, serde_json::from_str(&json).map_err(|_| StoreError::corrupt("the protocol", json, "JSON"))?))
        };
        rows.into_iter().map(parse).collect()
    }
}

/// A metric's name in a column.
pub(super) fn parse_metric(name: &str) -> Result<Metric, StoreError> {
    let found = Metric::ALL.into_iter().find(|metric| metric.name() == name);
    found.ok_or_else(|| StoreError::corrupt("the metric", name, Metric::ALL.map(Metric::name).join(", ")))
}

/// A blueprint in a column.
pub(super) fn parse_blueprint(json: &str) -> Result<Blueprint, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::corrupt("the blueprint", json, format!("a blueprint of this version ({error})")))
}
