//! Databases of earlier programs, in which scores were part of a job's identity. Their jobs get today's ids. Two jobs
//! that differed only in their scores become one, with the scores of both.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use super::register::{parse_id, parse_status};
use super::scorings::Scorings;
use super::{Store, StoreError, bulk};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::former::{Former, as_measured};
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Job, Scores};
use sweep_spec::metric::Metric;
use sweep_spec::parameters::Parameters;
use sweep_wire::status::Status;

row! {
    #[derive(Default)]
    /// A job.
    struct Known {
        id: String,
        blueprint: String,
        seed: i64,
        state: String,
        step: i64,
        seconds: Option<f64>,
        scoring: f64,
        message: String,
    }
}

/// Gives today's ids to all jobs and blueprints that have former ones.
pub(super) async fn rename(transaction: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    let blueprints = formers(transaction).await?;
    if blueprints.is_empty() {
        return Ok(());
    }
    let mut scorings = Scorings::default();
    let mut scoring: HashMap<&str, i64> = HashMap::new();
    for (was, (former, _)) in &blueprints {
        scoring.insert(was, scorings.id(transaction, &[Arc::new(former.score.clone())]).await?);
        let id = former.blueprint.id().to_string();
        let json = serde_json::to_string(&former.blueprint).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(
            "INSERT OR IGNORE INTO blueprints (id, dataset, objective, steps, json) SELECT ?, dataset, objective, \
            steps, ? FROM blueprints WHERE id = ?",
        )
        .bind(&id)
        .bind(json)
        .bind(was)
        .execute(&mut **transaction)
        .await?;
        for sql in [
            "UPDATE OR IGNORE floors SET blueprint = ? WHERE blueprint = ?",
            "UPDATE cohorts SET blueprint = ? WHERE blueprint = ?",
        ] {
            sqlx::query(sql).bind(&id).bind(was).execute(&mut **transaction).await?;
        }
        sqlx::query("DELETE FROM floors WHERE blueprint = ?").bind(was).execute(&mut **transaction).await?;
    }

    let renamed = jobs(transaction, &blueprints).await?;
    let rows: Vec<_> = renamed.iter().collect();
    sqlx::query(
        "CREATE TEMP TABLE today (was TEXT PRIMARY KEY, id TEXT NOT NULL, usual INTEGER NOT NULL, scoring INTEGER NOT \
        NULL) WITHOUT ROWID",
    )
    .execute(&mut **transaction)
    .await?;
    bulk::insert(
        transaction,
        "INSERT INTO today (was, id, usual, scoring) ",
        &rows,
        "",
        |row, (was, (id, blueprint))| {
            let scoring = scoring[blueprint.as_str()];
            row.push_bind((*was).clone()).push_bind(id.to_string()).push_bind(scoring).push_bind(scoring);
        },
    )
    .await?;
    sqlx::query(
        "UPDATE cohorts SET scoring = coalesce((SELECT t.usual FROM members AS m JOIN today AS t ON t.was = m.job \
        WHERE m.cohort = cohorts.id \
         ORDER BY m.position LIMIT 1), scoring)",
    )
    .execute(&mut **transaction)
    .await?;
    ask_for_all(transaction, &blueprints, &renamed, &mut scorings).await?;
    for sql in [
        "UPDATE entries SET scoring = (SELECT scoring FROM today WHERE was = entries.job), job = (SELECT id FROM today \
        WHERE was = entries.job) \
         WHERE job IN (SELECT was FROM today)",
        "UPDATE members SET job = (SELECT id FROM today WHERE was = members.job) WHERE job IN (SELECT was FROM today)",
        "UPDATE OR IGNORE samples SET job = (SELECT id FROM today WHERE was = samples.job) WHERE job IN (SELECT was \
        FROM today)",
        "UPDATE OR IGNORE losses SET job = (SELECT id FROM today WHERE was = losses.job) WHERE job IN (SELECT was FROM \
        today)",
        "INSERT OR IGNORE INTO parameters SELECT t.id, p.name, p.value, p.json FROM parameters AS p JOIN today AS t ON \
        t.was = p.job",
        // Scores during training are those asked for; at the last step, a rescoring may have measured others.
        "INSERT OR REPLACE INTO scores SELECT t.id, s.step, s.metric, coalesce(a.ask, 0), s.kind, s.value, s.std, \
        s.protocol \
         FROM scores AS s JOIN today AS t ON t.was = s.job JOIN jobs AS j ON j.id = s.job JOIN blueprints AS b ON b.id \
         = j.blueprint \
         LEFT JOIN asked AS a ON a.scoring = iif(s.step = b.steps, t.scoring, t.usual) AND a.metric = s.metric",
        "INSERT INTO renamed SELECT was, id FROM today",
        "DELETE FROM jobs WHERE id IN (SELECT was FROM today)",
        "DELETE FROM blueprints WHERE id NOT IN (SELECT blueprint FROM jobs UNION SELECT blueprint FROM cohorts)",
        "DROP TABLE today",
    ] {
        sqlx::query(sql).execute(&mut **transaction).await?;
    }
    Ok(())
}

/// Makes sweeps ask for everything that `sweep rescore` measured at last steps differently from, or in addition to,
/// what they asked for.
async fn ask_for_all(
    transaction: &mut Transaction<'static, Sqlite>,
    blueprints: &BTreeMap<String, (Former, BlueprintId)>,
    renamed: &BTreeMap<String, (JobId, String)>,
    scorings: &mut Scorings,
) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT s.job, s.metric, p.json FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint JOIN scores AS s ON \
        s.job = j.id AND s.step = b.steps \
         JOIN protocols AS p ON p.id = s.protocol WHERE j.id IN (SELECT was FROM today) ORDER BY s.job",
    )
    .fetch_all(&mut **transaction)
    .await?;
    for rows in rows.chunk_by(|(one, ..), (next, ..)| one == next) {
        let (was, ..) = &rows[0];
        let Some((former, _)) = renamed.get(was).and_then(|(_, blueprint)| blueprints.get(blueprint)) else { continue };
        let (usual, dataset) = (Arc::new(former.score.clone()), former.dataset);
        // Metrics that no longer exist are dropped.
        let found = rows.iter().filter_map(|(_, metric, protocol)| {
            Some((Metric::find(metric)?, serde_json::from_str(protocol).unwrap_or_default()))
        });
        let scores = asked_for(&usual, &dataset, &found.collect());
        if *scores == [usual] {
            continue;
        }
        let scoring = scorings.id(transaction, &scores).await?;
        sqlx::query("UPDATE today SET scoring = ? WHERE was = ?")
            .bind(scoring)
            .bind(was)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Returns scores that ask for everything `found` (protocols by metric) for jobs on `dataset` that were asked to
/// measure `usual`.
pub(super) fn asked_for(usual: &Arc<Score>, dataset: &Dataset, found: &BTreeMap<Metric, serde_json::Value>) -> Scores {
    let others = found.iter().filter_map(|(&metric, protocol)| {
        let score = as_measured(usual, dataset, metric, protocol);
        let is_usual = usual.metrics.contains(&metric) && usual.asked(metric) == score.asked(metric);
        (!is_usual).then_some(score)
    });
    others.fold(vec![Arc::clone(usual)], |scores, score| score.instead(&scores)).into()
}

/// Whether any jobs have ids of earlier programs.
pub(super) async fn are_there(pool: &SqlitePool) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM blueprints WHERE json LIKE '%\"score\":%')";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

/// Returns the blueprints of earlier programs by id, with today's blueprints.
async fn formers(
    transaction: &mut Transaction<'static, Sqlite>,
) -> Result<BTreeMap<String, (Former, BlueprintId)>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, json FROM blueprints WHERE json LIKE '%\"score\":%'")
        .fetch_all(&mut **transaction)
        .await?;
    let mut formers = BTreeMap::new();
    for (id, json) in rows {
        let corrupt = |error: serde_json::Error| {
            StoreError::corrupt("the blueprint", json.as_str(), format!("a blueprint of an earlier version ({error})"))
        };
        let value = serde_json::from_str(&json).map_err(corrupt)?;
        if let Some(former) = Former::of(&value).map_err(corrupt)? {
            let today = former.blueprint.id();
            formers.insert(id, (former, today));
        }
    }
    Ok(formers)
}

/// Inserts today's jobs, and maps former ids to them and their former blueprints.
async fn jobs(
    transaction: &mut Transaction<'static, Sqlite>,
    blueprints: &BTreeMap<String, (Former, BlueprintId)>,
) -> Result<BTreeMap<String, (JobId, String)>, StoreError> {
    let mut parameters: HashMap<String, Vec<(String, f64)>> = HashMap::new();
    let rows: Vec<(String, String, f64)> =
        sqlx::query_as("SELECT job, name, value FROM parameters").fetch_all(&mut **transaction).await?;
    for (job, name, value) in rows {
        parameters.entry(job).or_default().push((name, value));
    }
    let known: Vec<Known> =
        sqlx::query_as("SELECT id, blueprint, seed, state, step, seconds, scoring, message FROM jobs ORDER BY id")
            .fetch_all(&mut **transaction)
            .await?;
    let shared: HashMap<&String, Arc<_>> =
        blueprints.iter().map(|(id, (former, _))| (id, Arc::new(former.blueprint.clone()))).collect();
    let mut renamed = BTreeMap::new();
    let mut today: BTreeMap<JobId, (BlueprintId, Known)> = BTreeMap::new();
    for job in known {
        let Some((_, blueprint)) = blueprints.get(&job.blueprint) else { continue };
        let parameters: Parameters = parameters.remove(&job.id).unwrap_or_default().into_iter().collect();
        let same = Job { blueprint: Arc::clone(&shared[&job.blueprint]), parameters, seed: job.seed as u64 };
        let id = same.id_in(*blueprint);
        renamed.insert(job.id.clone(), (id, job.blueprint.clone()));
        match today.get_mut(&id) {
            Some((_, other)) => *other = further(std::mem::take(other), job)?,
            None => drop(today.insert(id, (*blueprint, job))),
        }
    }
    let rows: Vec<_> = today.into_iter().collect();
    let head = "INSERT INTO jobs (id, blueprint, seed, state, step, seconds, scoring, message) ";
    bulk::insert(transaction, head, &rows, "", |row, (id, (blueprint, job))| {
        row.push_bind(id.to_string()).push_bind(blueprint.to_string()).push_bind(job.seed);
        row.push_bind(job.state.clone()).push_bind(job.step).push_bind(job.seconds).push_bind(job.scoring);
        row.push_bind(job.message.clone());
    })
    .await?;
    Ok(renamed)
}

/// Returns the more advanced of two former jobs that are one job today. Scoring does not affect training.
fn further(one: Known, other: Known) -> Result<Known, StoreError> {
    let rank = |job: &Known| -> Result<_, StoreError> {
        let rank = match parse_status(&job.state)? {
            Status::Done => 3,
            Status::Diverged | Status::Collapsed | Status::Pruned => 2,
            Status::Pending | Status::Running => 1,
            Status::Failed | Status::Cancelled => 0,
        };
        Ok((rank, job.step))
    };
    let scoring = one.scoring + other.scoring;
    let further = if rank(&other)? > rank(&one)? { other } else { one };
    Ok(Known { scoring, ..further })
}

impl Store {
    /// Returns the former ids of jobs with today's ids. Files of earlier programs use the former ids.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn renamed(&self) -> Result<HashMap<JobId, JobId>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT was, job FROM renamed").fetch_all(self.pool()).await?;
        rows.iter().map(|(was, job)| Ok((parse_id(was)?, parse_id(job)?))).collect()
    }

    /// Adds former ids of jobs.
    pub(super) async fn rename(&self, renamed: &HashMap<JobId, JobId>) -> Result<(), StoreError> {
        if renamed.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = renamed.iter().collect();
        let mut transaction = self.write().await?;
        bulk::insert(&mut transaction, "INSERT OR IGNORE INTO renamed (was, job) ", &rows, "", |row, (was, job)| {
            row.push_bind(was.to_string()).push_bind(job.to_string());
        })
        .await?;
        Ok(transaction.commit().await?)
    }
}
