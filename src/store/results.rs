//! Reads the data for reports.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::register::{parse_id, parse_status};
use super::scorings::parse_scores;
use super::{Series, Span, Store, StoreError};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::metric::Measure;
use sweep_spec::race::Look;
use sweep_wire::status::Status;

/// A registered sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Its name.
    pub name: String,
    /// The path of the YAML file when it was last run.
    pub file: String,
    /// The YAML text.
    pub source: String,
    /// When it was last run, in seconds since the Unix epoch.
    pub updated_at: f64,
    /// The looks taken, if seeds are added until comparisons are decided.
    pub looks: Vec<Look>,
}

/// A sweep with all its entries and their final scores.
#[derive(Clone, Debug)]
pub struct Results {
    /// The sweep.
    pub sweep: Sweep,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
    /// The blueprints of its jobs.
    pub blueprints: BTreeMap<BlueprintId, Arc<Blueprint>>,
    /// How scores were measured, by [`Scored::protocol`].
    pub protocols: BTreeMap<i64, serde_json::Value>,
    /// The scores of a perfect generator, by blueprint, metric and protocol.
    pub floors: BTreeMap<(BlueprintId, Measure, i64), f64>,
    /// The scores it asks for from own trainers.
    pub declared: Vec<Measure>,
    /// How many scores of a metric [`Store::read_curves`] left out because they have another protocol.
    pub apart: BTreeMap<Measure, usize>,
    /// The metrics measured at any step, each with the protocol of most of its scores; only while no job has reached
    /// its last step.
    pub underway: Vec<(Measure, i64)>,
    /// The attempts at its cohorts by start time, if [`Store::read_shown`] has read them.
    pub attempts: Vec<Span>,
    /// When they were read, in seconds since the Unix epoch. Attempts without an end ran at least until then.
    pub as_of: Option<f64>,
    /// Losses, if [`Store::read_losses`] has read them.
    pub losses: HashMap<JobId, Vec<Series>>,
}

/// One job of a sweep.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its position in the expanded file.
    pub ordinal: u64,
    /// The variant.
    pub variant: String,
    /// This job's values of the variant's swept keys.
    pub axes: Arc<BTreeMap<String, serde_json::Value>>,
    /// The job.
    pub job: JobId,
    /// Its blueprint.
    pub blueprint: BlueprintId,
    /// Its seed.
    pub seed: u64,
    /// Its status.
    pub status: Status,
    /// Why it failed or diverged.
    pub message: String,
    /// Steps done.
    pub step: u64,
    /// Its share of its cohort's training time, once it is done; in seconds.
    pub seconds: Option<f64>,
    /// Time of its scorings, in seconds.
    pub scoring: f64,
    /// Its scores at its last planned step, or at the step for which [`Store::read_scores`] has read them.
    pub scores: Vec<Scored>,
    /// Values of a metric by step, if [`Store::read_curves`] has read them.
    pub curves: BTreeMap<Measure, Vec<(u64, f64)>>,
    /// Its sample sheets by step (PNGs, relative to the home directory), if [`Store::read_shown`] has read them.
    pub sheets: Vec<(u64, String)>,
    /// The cohorts it was in, if [`Store::read_shown`] has read them.
    pub cohorts: Vec<CohortId>,
}

/// One score of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The metric.
    pub metric: Measure,
    /// Steps done.
    pub step: u64,
    /// Its value, possibly NaN or infinite.
    pub value: f64,
    /// Standard deviation over the splits of the scoring.
    pub std: Option<f64>,
    /// Scores of different protocols are not comparable.
    pub protocol: i64,
    /// What was asked for. Each metric of a job at a step has one score per request.
    pub ask: i64,
}

row! {
    /// A row of `scores`.
    pub(super) struct ScoreRow {
        metric: String,
        step: i64,
        value: Option<f64>,
        std: Option<f64>,
        protocol: i64,
        ask: i64,
    }
}

impl ScoreRow {
    /// Returns the score; NULL means NaN.
    pub(super) fn scored(&self) -> Result<Scored, StoreError> {
        let (value, step) = (self.value.unwrap_or(f64::NAN), self.step as u64);
        Ok(Scored {
            metric: parse_measure(&self.metric)?,
            step,
            value,
            std: self.std,
            protocol: self.protocol,
            ask: self.ask,
        })
    }
}

impl Store {
    /// Returns all registered sweeps, the most recently run first.
    pub async fn sweeps(&self) -> Result<Vec<Sweep>, StoreError> {
        let rows: Vec<(String, String, String, f64, String)> =
            sqlx::query_as("SELECT name, file, source, updated_at, looks FROM sweeps ORDER BY updated_at DESC, name")
                .fetch_all(self.pool())
                .await?;
        let sweep = |(name, file, source, updated_at, looks): (String, String, String, f64, String)| {
            let expected = "the looks that were taken";
            let looks = serde_json::from_str(&looks).map_err(|_| StoreError::corrupt("the looks", &looks, expected))?;
            Ok(Sweep { name, file, source, updated_at, looks })
        };
        rows.into_iter().map(sweep).collect()
    }

    /// Returns the sweep of this name, or the one that was run last.
    pub async fn sweep(&self, name: Option<&str>) -> Result<Sweep, StoreError> {
        let sweeps = self.sweeps().await?;
        let found = sweeps.iter().find(|sweep| name.is_none_or(|name| sweep.name == name));
        let unknown = || StoreError::NoSweep {
            name: name.unwrap_or_default().to_owned(),
            known: sweeps.iter().map(|sweep| sweep.name.clone()).collect(),
        };
        found.cloned().ok_or_else(unknown)
    }

    /// Reads the entries of a sweep with their final scores.
    pub async fn results(&self, sweep: &Sweep) -> Result<Results, StoreError> {
        let mut entries = self.entries(&sweep.name).await?;
        self.finals(&sweep.name, &mut entries).await?;
        let is_early = entries.iter().all(|entry| entry.scores.is_empty());
        let underway = if is_early { self.underway(&sweep.name).await? } else { Vec::new() };
        let used = entries.iter().flat_map(|entry| &entry.scores).map(|score| score.protocol).collect();
        let protocols = self.protocols(&used).await?;
        let (blueprints, floors) = (self.blueprints(&sweep.name).await?, self.floors(&sweep.name).await?);
        let mut declared: Vec<Measure> = self.declared(&sweep.name).await?.0.into_values().collect();
        declared.sort();
        Ok(Results {
            sweep: sweep.clone(),
            entries,
            blueprints,
            protocols,
            floors,
            declared,
            apart: BTreeMap::new(),
            underway,
            attempts: Vec::new(),
            as_of: None,
            losses: HashMap::new(),
        })
    }

    /// Returns the scores that a sweep asks for from own trainers.
    pub(super) async fn declared(&self, sweep: &str) -> Result<Declared, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT g.json FROM scorings AS g WHERE g.json LIKE '%\"reported\"%' AND EXISTS \
             (SELECT 1 FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ? AND e.scoring = g.id)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let mut declared = Declared::default();
        for json in rows {
            let scores = parse_scores(&json)?;
            let own = scores.iter().flat_map(|score| score.reported.measures());
            declared.0.extend(own.map(|measure| (measure.name().to_owned(), measure)));
        }
        Ok(declared)
    }

    async fn underway(&self, sweep: &str) -> Result<Vec<(Measure, i64)>, StoreError> {
        let sql = "SELECT c.metric, c.protocol FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN asked AS a ON \
            a.scoring = e.scoring \
                   JOIN scores AS c ON c.job = e.job AND c.metric = a.metric AND c.ask = a.ask WHERE s.name = ? \
                   GROUP BY c.metric, c.protocol ORDER BY count(*) DESC, c.protocol";
        let declared = self.declared(sweep).await?;
        let mut found: Vec<(Measure, i64)> = Vec::new();
        self.scan(sql, [sweep], |row| {
            let metric = declared.parse(text(row, 0)?)?;
            if !found.iter().any(|(other, _)| *other == metric) {
                found.push((metric, row.get(1)?));
            }
            Ok(())
        })
        .await?;
        found.sort();
        Ok(found)
    }

    async fn floors(&self, sweep: &str) -> Result<BTreeMap<(BlueprintId, Measure, i64), f64>, StoreError> {
        let rows: Vec<(String, String, i64, Option<f64>)> = sqlx::query_as(
            "SELECT f.blueprint, f.metric, f.protocol, f.value FROM floors AS f WHERE f.blueprint IN \
             (SELECT j.blueprint FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job \
             WHERE s.name = ?)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let floor = |(blueprint, metric, protocol, value): (String, String, i64, Option<f64>)| {
            Ok(((parse_id(&blueprint)?, parse_measure(&metric)?, protocol), value.unwrap_or(f64::NAN)))
        };
        rows.into_iter().map(floor).collect()
    }

    async fn entries(&self, sweep: &str) -> Result<Vec<Entry>, StoreError> {
        let sql = "SELECT e.ordinal, e.variant, e.axes, j.id, j.blueprint, j.seed, j.state, j.step, j.seconds, \
            j.scoring, j.message \
                   FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job WHERE s.name = \
                   ? \
                   ORDER BY e.ordinal";
        let mut entries = Vec::new();
        // Replicates are adjacent and have the same axes.
        let mut last = (String::new(), Arc::default());
        self.scan(sql, [sweep], |row| {
            let axes = text(row, 2)?;
            if axes != last.0 {
                let parsed = serde_json::from_str(axes);
                let parsed = parsed.map_err(|_| StoreError::corrupt("the axes", axes, "a JSON object"))?;
                last = (axes.to_owned(), Arc::new(parsed));
            }
            entries.push(Entry {
                ordinal: row.get::<_, i64>(0)? as u64,
                variant: row.get(1)?,
                axes: Arc::clone(&last.1),
                job: parse_id(text(row, 3)?)?,
                blueprint: parse_id(text(row, 4)?)?,
                seed: row.get::<_, i64>(5)? as u64,
                status: parse_status(text(row, 6)?)?,
                step: row.get::<_, i64>(7)? as u64,
                seconds: row.get(8)?,
                scoring: row.get(9)?,
                message: row.get(10)?,
                scores: Vec::new(),
                curves: BTreeMap::new(),
                sheets: Vec::new(),
                cohorts: Vec::new(),
            });
            Ok(())
        })
        .await?;
        Ok(entries)
    }

    async fn finals(&self, sweep: &str, entries: &mut [Entry]) -> Result<(), StoreError> {
        // A search in the primary key for each requested metric, instead of a scan of all steps.
        let sql = "SELECT e.ordinal, c.metric, c.step, c.value, c.std, c.protocol, c.ask FROM sweeps AS s CROSS JOIN \
            entries AS e \
             CROSS JOIN jobs AS j CROSS JOIN blueprints AS b CROSS JOIN asked AS a CROSS JOIN scores AS c WHERE s.name \
             = ? AND e.sweep = s.id \
             AND j.id = e.job AND b.id = j.blueprint AND a.scoring = e.scoring AND c.job = e.job AND c.metric = \
             a.metric AND c.step = b.steps \
             AND c.ask = a.ask ORDER BY e.ordinal";
        let declared = self.declared(sweep).await?;
        let mut at = 0;
        self.scan(sql, [sweep], |row| {
            let step = row.get::<_, i64>(2)? as u64;
            if let Some(entry) = find(entries, &mut at, row.get(0)?).filter(|entry| entry.has_come_to(step)) {
                entry.scores.push(scored(row, &declared)?);
            }
            Ok(())
        })
        .await
    }

    /// Reads the values of these metrics by step, each under one protocol.
    pub async fn read_curves(&self, results: &mut Results, wanted: &[(Measure, i64)]) -> Result<(), StoreError> {
        let sql = "SELECT e.ordinal, c.step, c.value, c.protocol FROM sweeps AS s CROSS JOIN entries AS e CROSS JOIN \
            asked AS a \
                   CROSS JOIN scores AS c WHERE s.name = ? AND e.sweep = s.id AND a.scoring = e.scoring AND a.metric = \
                   ? AND c.job = e.job \
                   AND c.metric = a.metric AND c.ask = a.ask ORDER BY e.ordinal, c.step";
        for &(metric, protocol) in wanted {
            let (entries, mut at, mut apart) = (&mut results.entries, 0, 0);
            self.scan(sql, (&results.sweep.name, metric.name()), |row| {
                if row.get::<_, i64>(3)? != protocol {
                    apart += 1;
                    return Ok(());
                }
                let value = row.get::<_, Option<f64>>(2)?.unwrap_or(f64::NAN);
                let step = row.get::<_, i64>(1)? as u64;
                if let Some(entry) = find(entries, &mut at, row.get(0)?).filter(|entry| entry.has_come_to(step)) {
                    entry.curves.entry(metric).or_default().push((step, value));
                }
                Ok(())
            })
            .await?;
            results.apart.insert(metric, apart);
        }
        Ok(())
    }

    /// Replaces the scores of each entry with those at the given step; with none if the step is `None`.
    pub async fn read_scores(&self, results: &mut Results, steps: &[Option<u64>]) -> Result<(), StoreError> {
        results.entries.iter_mut().for_each(|entry| entry.scores.clear());
        let wanted: BTreeMap<u64, u64> =
            results.entries.iter().zip(steps).filter_map(|(entry, step)| Some((entry.ordinal, (*step)?))).collect();
        let sql = "SELECT e.ordinal, c.metric, c.step, c.value, c.std, c.protocol, c.ask FROM sweeps AS s CROSS JOIN \
            entries AS e \
                   CROSS JOIN asked AS a CROSS JOIN scores AS c WHERE s.name = ? AND e.sweep = s.id AND a.scoring = \
                   e.scoring \
                   AND c.job = e.job AND c.metric = a.metric AND c.ask = a.ask ORDER BY e.ordinal";
        let declared = self.declared(&results.sweep.name).await?;
        let (entries, mut at) = (&mut results.entries, 0);
        self.scan(sql, [&results.sweep.name], |row| {
            let (ordinal, step) = (row.get::<_, i64>(0)?, row.get::<_, i64>(2)? as u64);
            if wanted.get(&(ordinal as u64)) == Some(&step)
                && let Some(entry) = find(entries, &mut at, ordinal).filter(|entry| entry.has_come_to(step))
            {
                entry.scores.push(scored(row, &declared)?);
            }
            Ok(())
        })
        .await?;
        let used = results.entries.iter().flat_map(|entry| &entry.scores).map(|score| score.protocol).collect();
        results.protocols = self.protocols(&used).await?;
        Ok(())
    }

    /// Returns the steps at which any job of a sweep was scored, in ascending order.
    pub async fn scored_steps(&self, sweep: &str) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT DISTINCT c.step FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN asked AS a ON \
            a.scoring = e.scoring \
                   JOIN scores AS c ON c.job = e.job AND c.metric = a.metric AND c.ask = a.ask WHERE s.name = ? ORDER \
                   BY c.step";
        let steps: Vec<i64> = sqlx::query_scalar(sql).bind(sweep).fetch_all(self.pool()).await?;
        Ok(steps.into_iter().map(|step| step as u64).collect())
    }

    pub(super) async fn blueprints(&self, sweep: &str) -> Result<BTreeMap<BlueprintId, Arc<Blueprint>>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT b.id, b.json FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id \
            = e.job \
             JOIN blueprints AS b ON b.id = j.blueprint WHERE s.name = ?",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(id, json)| Ok((parse_id(&id)?, Arc::new(parse_blueprint(&json)?)))).collect()
    }

    pub(super) async fn protocols(&self, used: &BTreeSet<i64>) -> Result<BTreeMap<i64, serde_json::Value>, StoreError> {
        let mut protocols = BTreeMap::new();
        self.scan("SELECT id, json FROM protocols", [], |row| {
            let (id, json) = (row.get(0)?, text(row, 1)?);
            if used.contains(&id) {
                let parsed = serde_json::from_str(json);
                protocols.insert(id, parsed.map_err(|_| StoreError::corrupt("the protocol", json, "JSON"))?);
            }
            Ok(())
        })
        .await?;
        Ok(protocols)
    }
}

/// Reads a text column.
pub(super) fn text<'a>(row: &'a rusqlite::Row<'_>, column: usize) -> Result<&'a str, StoreError> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// Reads the score in columns 1 to 6; NULL means NaN.
pub(super) fn scored(row: &rusqlite::Row<'_>, declared: &Declared) -> Result<Scored, StoreError> {
    Ok(Scored {
        metric: declared.parse(text(row, 1)?)?,
        step: row.get::<_, i64>(2)? as u64,
        value: row.get::<_, Option<f64>>(3)?.unwrap_or(f64::NAN),
        std: row.get(4)?,
        protocol: row.get(5)?,
        ask: row.get(6)?,
    })
}

impl Entry {
    /// Whether results at this step count for the job. It may have trained a little beyond the step at which it was
    /// stopped early.
    fn has_come_to(&self, step: u64) -> bool {
        has_come_to(self.status, self.step, step)
    }
}

/// Whether results at `step` count for a job with this status that ended at step `last`.
pub(super) fn has_come_to(status: Status, last: u64, step: u64) -> bool {
    !matches!(status, Status::Pruned | Status::Collapsed) || step <= last
}

/// Something with a position in the expanded sweep file.
pub(super) trait Ordered {
    fn ordinal(&self) -> u64;
}

impl Ordered for Entry {
    fn ordinal(&self) -> u64 {
        self.ordinal
    }
}

/// Finds the entry with this ordinal from index `at` on; rows come in the order of the entries.
pub(super) fn find<'a, T: Ordered>(entries: &'a mut [T], at: &mut usize, ordinal: i64) -> Option<&'a mut T> {
    *at += entries[*at..].iter().take_while(|entry| entry.ordinal() < ordinal as u64).count();
    entries.get_mut(*at).filter(|entry| entry.ordinal() == ordinal as u64)
}

/// Parses a column with a metric's name.
pub(super) fn parse_measure(name: &str) -> Result<Measure, StoreError> {
    Measure::named(name).ok_or_else(|| StoreError::corrupt("the score", name, "a name of letters, digits and `_ - .`"))
}

/// The scores a sweep asks for from own trainers, by name, with the direction in which each improves.
#[derive(Debug, Default)]
pub(super) struct Declared(HashMap<String, Measure>);

impl Declared {
    /// Parses a column with a score's name.
    pub(super) fn parse(&self, name: &str) -> Result<Measure, StoreError> {
        match self.0.get(name) {
            Some(measure) => Ok(*measure),
            None => parse_measure(name),
        }
    }
}

/// Parses a column with a blueprint.
pub(super) fn parse_blueprint(json: &str) -> Result<Blueprint, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::corrupt("the blueprint", json, format!("a blueprint of this version ({error})")))
}
