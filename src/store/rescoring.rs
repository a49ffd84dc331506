//! Rescorings: scores computed again from the generators of a cohort. They have a separate log, `rescore-<n>.jsonl`,
//! next to the attempts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempPath;

use super::files::{remove, rescorings};
use super::register::parse_id;
use super::results::{parse_blueprint, parse_measure};
use super::scorings::parse_scores;
use super::{Store, StoreError, ingest};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::former::as_measured;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::Scores;
use sweep_spec::metric::{Measure, Metric};
use sweep_system::whole::{self, Survives};
use sweep_wire::event::{self, Event};
use sweep_wire::home::RunFolder;
use sweep_wire::log::{self, LogError, Writer};

/// Finished jobs of one sweep and one cohort.
#[derive(Clone, Debug)]
pub struct DoneCohort {
    /// The cohort.
    pub cohort: CohortId,
    /// Its directory, relative to the home directory.
    pub directory: PathBuf,
    /// The blueprint that its members share.
    pub blueprint: Arc<Blueprint>,
    /// The jobs with their seeds, in the cohort's order.
    pub jobs: Vec<(JobId, u64)>,
    /// The scores a sweep asks for from each job; one item for each distinct request of its entries.
    pub scores: HashMap<JobId, Vec<Scores>>,
}

/// One way in which a job was measured by one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The metric.
    pub metric: Measure,
    /// How: [`sweep_spec::blueprint::Score::asked`] as JSON.
    pub asked: String,
    /// The steps at which it was.
    pub steps: Arc<BTreeSet<u64>>,
}

/// The log of a running rescoring. Until it is complete, it has a temporary name and is deleted when this is dropped.
#[derive(Debug)]
pub struct RescoreLog {
    log: Writer,
    part: TempPath,
    path: PathBuf,
}

impl RescoreLog {
    /// Begins the next log of `cohort`, whose folder is `run`. Nobody else may begin one there at the same time.
    ///
    /// # Errors
    ///
    /// If the directory cannot be written to.
    pub fn begin(run: &RunFolder, cohort: CohortId) -> Result<Self, StoreError> {
        let number = rescorings(run)?.last().map_or(1, |(number, _)| number + 1);
        let (path, part) = (run.rescoring(number), run.rescoring_part(number));
        // Left by a process that was killed.
        remove(&part)?;
        let log = Writer::create(&part, cohort, number)?;
        let part = TempPath::try_from_path(&part).map_err(|source| StoreError::File { path: part, source })?;
        Ok(RescoreLog { log, part, path })
    }

    /// Appends one event.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, event: Event) -> Result<(), LogError> {
        self.log.append(event)
    }

    /// Makes it durable and gives it its final name.
    fn complete(self) -> Result<PathBuf, StoreError> {
        let RescoreLog { log, part, path } = self;
        drop(log);
        whole::rename(&part, &path, Survives::PowerCut)
            .map_err(|source| StoreError::File { path: path.clone(), source })?;
        Ok(path)
    }
}

impl Store {
    /// Returns the finished jobs of a sweep by cohort.
    pub async fn done(&self, sweep: &str) -> Result<Vec<DoneCohort>, StoreError> {
        let rows: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT c.id, c.directory, c.blueprint, j.id, j.seed FROM cohorts AS c JOIN members AS m ON m.cohort = \
            c.id \
             JOIN jobs AS j ON j.id = m.job WHERE j.state = 'done' AND j.id IN \
                (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) ORDER BY \
                c.ordinal, m.position",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let (blueprints, asked) = (self.blueprints(sweep).await?, self.asked(sweep).await?);
        let mut cohorts: Vec<DoneCohort> = Vec::new();
        for (cohort, directory, blueprint, job, seed) in rows {
            let (cohort, job): (_, JobId) = (parse_id(&cohort)?, parse_id(&job)?);
            if cohorts.last().is_none_or(|last| last.cohort != cohort) {
                let id: BlueprintId = parse_id(&blueprint)?;
                let blueprint = blueprints.get(&id).cloned();
                let blueprint = blueprint
                    .ok_or_else(|| StoreError::corrupt("the blueprint of a cohort", id, "that of its jobs"))?;
                let (directory, scores) = (directory.into(), HashMap::new());
                cohorts.push(DoneCohort { cohort, directory, blueprint, jobs: Vec::new(), scores });
            }
            if let Some(last) = cohorts.last_mut() {
                last.jobs.push((job, seed as u64));
                last.scores.extend(asked.get(&job).map(|scores| (job, scores.clone())));
            }
        }
        Ok(cohorts)
    }

    /// Returns the scores a sweep asks for from each of its jobs.
    async fn asked(&self, sweep: &str) -> Result<HashMap<JobId, Vec<Scores>>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT e.job, g.json FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN scorings AS g ON \
            g.id = e.scoring \
             WHERE s.name = ? ORDER BY e.ordinal",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let mut known: HashMap<String, Scores> = HashMap::new();
        let mut asked: HashMap<JobId, Vec<Scores>> = HashMap::new();
        for (job, json) in rows {
            let scores = match known.get(&json) {
                Some(scores) => Arc::clone(scores),
                None => {
                    let scores = parse_scores(&json)?;
                    known.insert(json, Arc::clone(&scores));
                    scores
                }
            };
            asked.entry(parse_id(&job)?).or_default().push(scores);
        }
        Ok(asked)
    }

    /// Returns the scores (metrics with their settings) that a sweep asks for at the last step of finished jobs and
    /// that were not measured.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn unmeasured(&self, sweep: &str) -> Result<BTreeMap<JobId, BTreeSet<(Measure, String)>>, StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT e.job, a.metric, k.json FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON \
            j.id = e.job \
             JOIN blueprints AS b ON b.id = j.blueprint JOIN asked AS a ON a.scoring = e.scoring JOIN asks AS k ON \
             k.id = a.ask \
             WHERE s.name = ? AND j.state = 'done' AND NOT EXISTS (SELECT 1 FROM scores AS c WHERE c.job = e.job AND \
             c.metric = a.metric \
             AND c.step = b.steps AND c.ask = a.ask)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let mut unmeasured: BTreeMap<JobId, BTreeSet<(Measure, String)>> = BTreeMap::new();
        for (job, metric, asked) in rows {
            unmeasured.entry(parse_id(&job)?).or_default().insert((parse_measure(&metric)?, asked));
        }
        Ok(unmeasured)
    }

    /// Returns everything that was measured of each finished job.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn measured(&self) -> Result<HashMap<JobId, Vec<Measured>>, StoreError> {
        type Row = (String, Option<String>, Option<String>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT j.id, c.metric, k.json, group_concat(c.step) FROM jobs AS j LEFT JOIN scores AS c ON c.job = j.id \
             LEFT JOIN asks AS k ON k.id = c.ask WHERE j.state = 'done' GROUP BY j.id, c.metric, c.ask",
        )
        .fetch_all(self.pool())
        .await?;
        let mut measured: HashMap<JobId, Vec<Measured>> = HashMap::new();
        // Most jobs were measured at the same steps.
        let mut known: HashMap<String, Arc<BTreeSet<u64>>> = HashMap::new();
        for (job, metric, asked, steps) in rows {
            let of = measured.entry(parse_id(&job)?).or_default();
            if let (Some(metric), Some(asked), Some(steps)) = (metric, asked, steps) {
                let parse = |steps: &str| Arc::new(steps.split(',').filter_map(|step| step.parse().ok()).collect());
                let steps = Arc::clone(known.entry(steps).or_insert_with_key(|steps| parse(steps)));
                of.push(Measured { metric: parse_measure(&metric)?, asked, steps });
            }
        }
        Ok(measured)
    }

    /// Completes `log` and puts its scores into the database, in one transaction. They replace the same jobs' scores of
    /// the same metrics at the same steps. Returns their number.
    ///
    /// # Errors
    ///
    /// If the log cannot be completed or contains jobs that are not in its cohort.
    pub async fn rescored(&self, log: RescoreLog) -> Result<usize, StoreError> {
        self.ingest_rescoring(&log.complete()?).await
    }

    /// Puts the scores of a complete log into the database; returns their number.
    pub(super) async fn ingest_rescoring(&self, path: &Path) -> Result<usize, StoreError> {
        self.ingest_log(read(path)?).await
    }

    /// Puts the scores of a complete log into the database; returns their number.
    pub(super) async fn ingest_log(&self, log: Log) -> Result<usize, StoreError> {
        let Log { path, cohort, events, .. } = log;
        let renamed = self.renamed().await?;
        let mut transaction = self.write().await?;
        let sql = "SELECT m.job, c.blueprint, b.json, g.json FROM members AS m JOIN cohorts AS c ON c.id = m.cohort \
            JOIN blueprints AS b ON b.id = c.blueprint \
                   JOIN scorings AS g ON g.id = c.scoring WHERE c.id = ?";
        let members: Vec<(String, String, String, String)> =
            sqlx::query_as(sql).bind(cohort.to_string()).fetch_all(&mut *transaction).await?;
        let (blueprint, dataset, usual) = match members.first() {
            Some((_, id, json, scores)) => {
                (id.clone(), parse_blueprint(json)?.dataset().copied(), parse_scores(scores)?)
            }
            None => (String::new(), None, [].into()),
        };
        // Earlier programs did not record what they asked for.
        let measured = |score: &event::Score| match (usual.first(), &dataset, score.metric.known()) {
            (Some(usual), Some(dataset), Some(metric)) => {
                as_measured(usual, dataset, metric, &score.protocol).asked(metric).to_string()
            }
            _ => ingest::usual(&usual, score.metric),
        };
        let members = members.iter().map(|(job, ..)| parse_id(job)).collect::<Result<BTreeSet<JobId>, _>>()?;
        let (mut scores, mut floors) = (BTreeMap::new(), BTreeMap::new());
        for event in events {
            match event {
                Event::Scored { job, step, scores: found, .. } => {
                    let job = renamed.get(&job).copied().unwrap_or(job);
                    let asked = |score: &event::Score| {
                        score.asked.as_ref().map_or_else(|| measured(score), ToString::to_string)
                    };
                    scores.extend(found.into_iter().map(|score| ((job, score.metric, step, asked(&score)), score)));
                }
                Event::Floor { scores } => {
                    let key = |floor: &event::Score| (blueprint.clone(), floor.metric, floor.protocol.to_string());
                    floors.extend(scores.into_iter().map(|floor| (key(&floor), floor)));
                }
                _ => {}
            }
        }
        if let Some((job, ..)) = scores.keys().find(|(job, ..)| !members.contains(job)) {
            let message = format!("it scores job {job}, which is not a member of cohort {cohort}");
            return Err(StoreError::Format { path, expected: "scores of a known cohort", message });
        }
        let count = scores.len();
        ingest::write_scores(&mut transaction, scores).await?;
        ingest::write_floors(&mut transaction, floors).await?;
        transaction.commit().await?;
        Ok(count)
    }
}

/// A complete log.
pub(super) struct Log {
    path: PathBuf,
    cohort: CohortId,
    /// The time of its last event.
    pub(super) at: f64,
    events: Vec<Event>,
}

impl Log {
    /// Returns the scores of an earlier program, which did not record what was asked for: protocols by job and metric.
    pub(super) fn unnamed(&self) -> impl Iterator<Item = (JobId, Metric, &Value)> {
        let scored = self.events.iter().filter_map(|event| match event {
            Event::Scored { job, scores, .. } => Some((*job, scores)),
            _ => None,
        });
        scored.flat_map(|(job, scores)| {
            let unnamed = scores.iter().filter(|score| score.asked.is_none());
            unnamed.filter_map(move |score| Some((job, score.metric.known()?, &score.protocol)))
        })
    }
}

/// Reads a complete log.
pub(super) fn read(path: &Path) -> Result<Log, StoreError> {
    let format =
        |message: String| StoreError::Format { path: path.to_owned(), expected: "the log of a rescoring", message };
    let (mut cohort, mut at, mut events) = (None, 0.0, Vec::new());
    let (mut offset, mut more) = (0, true);
    while more {
        let batch = log::read(path, offset)?;
        cohort = cohort.or(batch.header.map(|header| header.cohort));
        for record in batch.records {
            if record.seq != events.len() as u64 {
                return Err(format(format!("event {} where {} was expected", record.seq, events.len())));
            }
            at = record.at;
            events.push(record.event);
        }
        // A batch ends before an invalid line; the next read from there reports the error.
        let bytes = fs::metadata(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?.len();
        more = batch.offset > offset && batch.offset < bytes;
        if !more && batch.offset < bytes {
            return Err(format(format!("it ends in the middle of a line, at byte {bytes}")));
        }
        offset = batch.offset;
    }
    let cohort = cohort.ok_or_else(|| format("it has no first line".to_owned()))?;
    Ok(Log { path: path.to_owned(), cohort, at, events })
}
