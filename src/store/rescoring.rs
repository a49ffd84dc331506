//! Scores that were computed anew from the generators of a cohort: a log of their own, `rescore-<n>.jsonl`, beside the attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use super::files::{remove, rescorings};
use super::register::parse_id;
use super::{Store, StoreError, ingest};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_system::whole::{self, Survives};
use sweep_wire::event::Event;
use sweep_wire::home::RunFolder;
use sweep_wire::log::{self, LogError, Writer};

/// Jobs of one sweep that are done, of one cohort.
#[derive(Clone, Debug)]
pub struct DoneCohort {
    /// The cohort.
    pub cohort: CohortId,
    /// Its directory, relative to the home directory.
    pub directory: PathBuf,
    /// What its members share.
    pub blueprint: Arc<Blueprint>,
    /// The jobs with their seeds, in the cohort's order.
    pub jobs: Vec<(JobId, u64)>,
}

/// The log of a rescoring on its way. Until it is complete it has a temporary name, and is gone when this is dropped.
#[derive(Debug)]
pub struct RescoreLog {
    log: Writer,
    part: TempPath,
    path: PathBuf,
}

impl RescoreLog {
    /// The next one of `cohort`, whose folder is `run`. Nobody else may begin one there meanwhile.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be written to.
    pub fn begin(run: &RunFolder, cohort: CohortId) -> Result<Self, StoreError> {
        let number = rescorings(run)?.last().map_or(1, |(number, _)| number + 1);
        let (path, part) = (run.rescoring(number), run.rescoring_part(number));
        // Of a process that was killed.
        remove(&part)?;
        let log = Writer::create(&part, cohort, number)?;
        let part = TempPath::try_from_path(&part).map_err(|source| StoreError::File { path: part, source })?;
        Ok(RescoreLog { log, part, path })
    }

    /// Appends one event.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn append(&mut self, event: Event) -> Result<(), LogError> {
        self.log.append(event)
    }

    /// Makes it durable, and gives it its name.
    fn complete(self) -> Result<PathBuf, StoreError> {
        let RescoreLog { log, part, path } = self;
        drop(log);
        whole::rename(&part, &path, Survives::PowerCut)
            .map_err(|source| StoreError::File { path: path.clone(), source })?;
        Ok(path)
    }
}

impl Store {
    /// The jobs of a sweep that are done, by cohort.
    pub async fn done(&self, sweep: &str) -> Result<Vec<DoneCohort>, StoreError> {
        let rows: Vec<(String, String, String, String, i64)> = sqlx::query_as(
            "SELECT c.id, c.directory, c.blueprint, j.id, j.seed FROM cohorts AS c JOIN members AS m ON m.cohort = c.id \
             JOIN jobs AS j ON j.id = m.job WHERE j.state = 'done' AND j.id IN \
                (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?) ORDER BY c.ordinal, m.position",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let blueprints = self.blueprints(sweep).await?;
        let mut cohorts: Vec<DoneCohort> = Vec::new();
        for (cohort, directory, blueprint, job, seed) in rows {
            let (cohort, job) = (parse_id(&cohort)?, (parse_id(&job)?, seed as u64));
            match cohorts.last_mut() {
                Some(last) if last.cohort == cohort => last.jobs.push(job),
                _ => {
                    let id: BlueprintId = parse_id(&blueprint)?;
                    let blueprint = blueprints.get(&id).cloned();
                    let blueprint = blueprint
                        .ok_or_else(|| StoreError::corrupt("the blueprint of a cohort", id, "that of its jobs"))?;
                    cohorts.push(DoneCohort { cohort, directory: directory.into(), blueprint, jobs: vec![job] });
                }
            }
        }
        Ok(cohorts)
    }

    /// Completes `log` and puts its scores into the database, in one transaction. They take the place of those that the same jobs have of
    /// the same metrics at the same steps. Returns how many they are.
    ///
    /// # Errors
    ///
    /// Where the log cannot be completed, or is of jobs that are not in its cohort.
    pub async fn rescored(&self, log: RescoreLog) -> Result<usize, StoreError> {
        self.ingest_rescoring(&log.complete()?).await
    }

    /// Puts the scores of a complete log into the database; how many they are.
    pub(super) async fn ingest_rescoring(&self, path: &Path) -> Result<usize, StoreError> {
        let (cohort, events) = read(path)?;
        let mut transaction = self.write().await?;
        let sql = "SELECT m.job, c.blueprint FROM members AS m JOIN cohorts AS c ON c.id = m.cohort WHERE c.id = ?";
        let members: Vec<(String, String)> =
            sqlx::query_as(sql).bind(cohort.to_string()).fetch_all(&mut *transaction).await?;
        let blueprint = members.first().map_or(String::new(), |(_, blueprint)| blueprint.clone());
        let members = members.iter().map(|(job, _)| parse_id(job)).collect::<Result<BTreeSet<JobId>, _>>()?;
        let (mut scores, mut floors) = (BTreeMap::new(), BTreeMap::new());
        for event in events {
            match event {
                Event::Scored { job, step, scores: found, .. } => {
                    scores.extend(found.into_iter().map(|score| ((job, score.metric, step), score)));
                }
                Event::Floor { scores } => {
                    floors.extend(scores.into_iter().map(|floor| ((blueprint.clone(), floor.metric), floor)));
                }
                _ => {}
            }
        }
        if let Some((job, ..)) = scores.keys().find(|(job, ..)| !members.contains(job)) {
            let message = format!("it scores job {job}, and cohort {cohort} has no such member");
            return Err(StoreError::Format { path: path.to_owned(), expected: "scores of a known cohort", message });
        }
        let count = scores.len();
        ingest::write_scores(&mut transaction, scores).await?;
        ingest::write_floors(&mut transaction, floors).await?;
        transaction.commit().await?;
        Ok(count)
    }
}

/// Whose events a complete log holds, and these.
fn read(path: &Path) -> Result<(CohortId, Vec<Event>), StoreError> {
    let format =
        |message: String| StoreError::Format { path: path.to_owned(), expected: "the log of a rescoring", message };
    let (mut cohort, mut events) = (None, Vec::new());
    let (mut offset, mut more) = (0, true);
    while more {
        let batch = log::read(path, offset)?;
        cohort = cohort.or(batch.header.map(|header| header.cohort));
        for record in batch.records {
            if record.seq != events.len() as u64 {
                return Err(format(format!("event {} where {} was expected", record.seq, events.len())));
            }
            events.push(record.event);
        }
        // A batch ends before a line that is no event; the next read from there says what is wrong.
        let bytes = fs::metadata(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?.len();
        more = batch.offset > offset && batch.offset < bytes;
        if !more && batch.offset < bytes {
            return Err(format(format!("it ends in the middle of a line, at byte {bytes}")));
        }
        offset = batch.offset;
    }
    Ok((cohort.ok_or_else(|| format("it has no first line".to_owned()))?, events))
}
