//! Cohorts that were started and not finished.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::parameters::{COLUMNS, plain};
use super::register::{parse_id, parse_status};
use super::results::parse_blueprint;
use super::scorings::parse_scores;
use super::{AttemptOutcome, Store, StoreError};
use sqlx::AssertSqlSafe;
use sweep_plan::cohort::Cohort;
use sweep_spec::blueprint::Blueprint;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::{CohortId, DataId, JobId};
use sweep_spec::job::{Job, Scores};
use sweep_spec::parameters::Plain;
use sweep_wire::status::Status;

/// A cohort that was started and has unfinished members. It continues with the members in its checkpoint.
#[derive(Clone, Debug)]
pub struct Resumable {
    /// Its number in order of creation.
    pub ordinal: u64,
    /// All members in order, including those that have ended.
    pub cohort: Cohort,
    /// The cohorts whose checkpoints it continues, as long as it has none of its own.
    pub parents: Vec<CohortId>,
    /// The status of each member. One that was cancelled in this cohort is cancelled here, even if it is retried
    /// elsewhere.
    pub states: Vec<Status>,
    /// Its directory, relative to the home directory.
    pub directory: PathBuf,
    /// Attempts so far.
    pub attempts: u32,
    /// How the last attempt ended; `None` while it runs.
    pub last: Option<AttemptOutcome>,
    /// Steps done by the last attempt.
    pub step: u64,
}

row! {
    struct Row {
        id: String,
        ordinal: i64,
        directory: String,
        json: String,
        scores: String,
        number: u32,
        outcome: Option<String>,
        step: i64,
    }
}

impl Store {
    /// Returns the cohorts of a sweep that had an attempt and have unfinished members. A job that has since been put
    /// into a later cohort does not count for the earlier one, so no job is unfinished in two of the returned cohorts.
    pub async fn resumable(&self, sweep: &str) -> Result<Vec<Resumable>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT c.id, c.ordinal, c.directory, b.json, g.json AS scores, a.number, a.outcome, a.step \
             FROM cohorts AS c JOIN blueprints AS b ON b.id = c.blueprint JOIN scorings AS g ON g.id = c.scoring \
             JOIN attempts AS a ON a.cohort = c.id AND a.number = (SELECT max(number) FROM attempts WHERE cohort = \
             c.id) \
             WHERE c.id IN (SELECT cohort FROM ( \
                SELECT m.cohort, max(mc.ordinal) FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j \
                ON j.id = e.job \
                JOIN members AS m ON m.job = j.id AND m.gone = 0 JOIN cohorts AS mc ON mc.id = m.cohort \
                WHERE s.name = ? AND j.state IN ('pending', 'running') GROUP BY j.id)) \
             ORDER BY c.ordinal",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        let mut resumable = Vec::new();
        for Row { id, ordinal, directory, json, scores, number: attempts, outcome, step } in rows {
            let shared = (Arc::new(parse_blueprint(&json)?), parse_scores(&scores)?);
            let (cohort, states) = self.composition(&id, shared).await?;
            let last = outcome.as_deref().map(AttemptOutcome::parse).transpose()?;
            let directory = PathBuf::from(directory);
            let parents: Vec<String> = sqlx::query_scalar("SELECT parent FROM parents WHERE cohort = ? ORDER BY place")
                .bind(&id)
                .fetch_all(self.pool())
                .await?;
            let parents = parents.iter().map(|parent| parse_id(parent)).collect::<Result<Vec<CohortId>, _>>()?;
            resumable.push(Resumable {
                ordinal: ordinal as u64,
                cohort,
                parents,
                states,
                directory,
                attempts,
                last,
                step: step as u64,
            });
        }
        Ok(resumable)
    }

    /// Returns the directories, relative to the home directory, of cohorts whose checkpoints are no longer needed: no
    /// member waits, trains, or has failed and may be retried.
    pub async fn spent(&self) -> Result<Vec<PathBuf>, StoreError> {
        let directories: Vec<String> = sqlx::query_scalar(
            "SELECT c.directory FROM cohorts AS c WHERE NOT EXISTS (SELECT 1 FROM members AS m JOIN jobs AS j ON j.id \
            = m.job \
             WHERE m.cohort = c.id AND m.gone = 0 AND j.state IN ('pending', 'running', 'failed')) ORDER BY c.ordinal",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(directories.into_iter().map(PathBuf::from).collect())
    }

    /// Returns the cohorts whose members belong to no sweep and neither wait nor train: their directories, relative to
    /// the home directory, with the members.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn unasked(&self) -> Result<Vec<(PathBuf, Vec<JobId>)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.directory, m.job FROM cohorts AS c JOIN members AS m ON m.cohort = c.id WHERE NOT EXISTS \
             (SELECT 1 FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = c.id AND \
             (j.state IN ('pending', 'running') OR EXISTS (SELECT 1 FROM entries AS e WHERE e.job = j.id))) \
             ORDER BY c.ordinal, m.position",
        )
        .fetch_all(self.pool())
        .await?;
        let mut cohorts: Vec<(PathBuf, Vec<JobId>)> = Vec::new();
        for (directory, job) in rows {
            let (directory, job) = (PathBuf::from(directory), parse_id(&job)?);
            match cohorts.last_mut() {
                Some((last, jobs)) if *last == directory => jobs.push(job),
                _ => cohorts.push((directory, vec![job])),
            }
        }
        Ok(cohorts)
    }

    /// Returns the directories of all cohorts, relative to the home directory.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn cohorts(&self) -> Result<Vec<PathBuf>, StoreError> {
        let sql = "SELECT directory FROM cohorts ORDER BY ordinal";
        let directories: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.pool()).await?;
        Ok(directories.into_iter().map(PathBuf::from).collect())
    }

    /// Returns the data sets from files that jobs of sweeps train on.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn own_data(&self) -> Result<BTreeSet<DataId>, StoreError> {
        let sql = "SELECT DISTINCT b.json FROM entries AS e JOIN jobs AS j ON j.id = e.job JOIN blueprints AS b ON \
            b.id = j.blueprint";
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.pool()).await?;
        let mut found = BTreeSet::new();
        for json in rows {
            let blueprint: Blueprint = serde_json::from_str(&json)
                .map_err(|error| StoreError::corrupt("the blueprint of a job", error, "one that this program knows"))?;
            if let Some(Dataset::Own(own)) = blueprint.dataset() {
                found.extend(own.content);
            }
        }
        Ok(found)
    }

    /// Whether any member of a cohort has a former id from an earlier program.
    async fn has_renamed(&self, cohort: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM members AS m JOIN renamed AS r ON r.job = m.job WHERE m.cohort = ?)";
        Ok(sqlx::query_scalar(sql).bind(cohort).fetch_one(self.pool()).await?)
    }

    /// Returns the members of a cohort in order, with their states.
    async fn composition(
        &self,
        cohort: &str,
        (blueprint, scores): (Arc<Blueprint>, Scores),
    ) -> Result<(Cohort, Vec<Status>), StoreError> {
        let mut parameters: HashMap<String, Vec<(String, Plain)>> = HashMap::new();
        let sql = format!(
            "SELECT p.job, {COLUMNS} FROM members AS m JOIN parameters AS p ON p.job = m.job WHERE m.cohort = ?"
        );
        let rows: Vec<(String, String, f64, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind(cohort).fetch_all(self.pool()).await?;
        for (job, name, number, json) in rows {
            parameters.entry(job).or_default().push((name, plain(number, json.as_deref())?));
        }
        let rows: Vec<(String, i64, String)> = sqlx::query_as(
            "SELECT j.id, j.seed, iif(m.gone, 'cancelled', j.state) FROM members AS m JOIN jobs AS j ON j.id = m.job \
            WHERE m.cohort = ? ORDER BY m.position",
        )
        .bind(cohort)
        .fetch_all(self.pool())
        .await?;
        let (mut members, mut states) = (Vec::new(), Vec::new());
        for (id, seed, state) in rows {
            let parameters = parameters.remove(&id).unwrap_or_default().into_iter().collect();
            members.push((parse_id(&id)?, Job { blueprint: Arc::clone(&blueprint), parameters, seed: seed as u64 }));
            states.push(parse_status(&state)?);
        }
        if members.is_empty() {
            return Err(StoreError::corrupt("the cohort", cohort, "one with members"));
        }
        let (id, made) = (parse_id(cohort)?, Cohort::new(members, scores));
        if made.id != id && !self.has_renamed(cohort).await? {
            return Err(StoreError::corrupt("the cohort", cohort, format!("{}, the hash of its members", made.id)));
        }
        // A cohort from an earlier program keeps the id in its folder's name.
        Ok((Cohort { id, ..made }, states))
    }
}
