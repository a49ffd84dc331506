//! Registers a sweep: its jobs become rows. Jobs that other sweeps have trained already are found again.

use std::collections::{HashMap, hash_map};
use std::sync::Arc;

use sqlx::{Sqlite, Transaction};

use super::parameters::{Stored, declare};
use super::scorings::Scorings;
use super::{NewSweep, Store, StoreError, bulk};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_wire::status::Status;

/// The result of registering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The status of each job of the sweep.
    pub states: HashMap<JobId, Status>,
}

impl Store {
    /// Adds a sweep, its jobs and its entries to the database, in one transaction. Under a known name, it replaces the
    /// earlier entries; jobs, scores and attempts stay.
    pub async fn register(&self, sweep: &NewSweep) -> Result<Registered, StoreError> {
        let mut transaction = self.write().await?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO sweeps (name, file, source, updated_at, looks) VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO \
            UPDATE \
             SET file = excluded.file, source = excluded.source, updated_at = excluded.updated_at, looks = \
             excluded.looks \
             RETURNING id",
        )
        .bind(&sweep.name)
        .bind(&sweep.file)
        .bind(&sweep.source)
        .bind(sweep.at)
        .bind(serde_json::to_string(&sweep.looks).map_err(|error| sqlx::Error::Encode(error.into()))?)
        .fetch_one(&mut *transaction)
        .await?;

        insert_jobs(&mut transaction, sweep.entries.iter().map(|entry| (entry.id, &entry.job))).await?;
        declare(&mut transaction, sweep).await?;
        sqlx::query("DELETE FROM entries WHERE sweep = ?").bind(id).execute(&mut *transaction).await?;
        let (mut scorings, mut known) = (Scorings::default(), HashMap::new());
        for entry in &sweep.entries {
            // Most entries share the same scores.
            if let hash_map::Entry::Vacant(place) = known.entry(entry.scores.as_ptr()) {
                place.insert(scorings.id(&mut transaction, &entry.scores).await?);
            }
        }
        let head = "INSERT INTO entries (sweep, ordinal, variant, axes, job, scoring) ";
        bulk::insert(&mut transaction, head, &sweep.entries, "", |row, entry| {
            let axes = serde_json::Value::Object(entry.axes.clone()).to_string();
            row.push_bind(id).push_bind(entry.ordinal as i64).push_bind(entry.variant.clone());
            row.push_bind(axes).push_bind(entry.id.to_string()).push_bind(known[&entry.scores.as_ptr()]);
        })
        .await?;
        transaction.commit().await?;
        Ok(Registered { states: self.states(&sweep.name).await? })
    }

    /// Returns the status of each job of a sweep; empty for an unknown sweep.
    pub async fn states(&self, sweep: &str) -> Result<HashMap<JobId, Status>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT DISTINCT j.id, j.state FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id \
            = e.job \
             WHERE s.name = ?",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(|(id, state)| Ok((parse_id(id)?, parse_status(state)?))).collect()
    }
}

/// Adds jobs with their blueprints and parameters; known ones stay as they are.
pub(super) async fn insert_jobs<'a>(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: impl Iterator<Item = (JobId, &'a Job)>,
) -> Result<(), StoreError> {
    // Jobs share blueprints, so each is hashed only once.
    let mut blueprints: HashMap<*const Blueprint, String> = HashMap::new();
    let (mut rows, mut parameters, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for (id, job) in jobs {
        let blueprint = blueprints.entry(Arc::as_ptr(&job.blueprint)).or_insert_with(|| {
            let id = job.blueprint.id().to_string();
            new.push((id.clone(), &job.blueprint));
            id
        });
        let id = id.to_string();
        parameters.extend(job.parameters.iter().map(|(name, value)| (id.clone(), name, value)));
        rows.push((id, blueprint.clone(), i64::try_from(job.seed).map_err(|_| StoreError::Seed(job.seed))?));
    }
    let mut described = Vec::with_capacity(new.len());
    for (id, blueprint) in new {
        let json = serde_json::to_string(&**blueprint).map_err(|error| sqlx::Error::Encode(error.into()))?;
        described.push((id, blueprint, json));
    }
    let head = "INSERT OR IGNORE INTO blueprints (id, dataset, objective, steps, json) ";
    bulk::insert(transaction, head, &described, "", |row, (id, blueprint, json)| {
        row.push_bind(id.clone()).push_bind(blueprint.dataset_name()).push_bind(blueprint.objective_name());
        row.push_bind(blueprint.steps() as i64).push_bind(json.clone());
    })
    .await?;
    let head = "INSERT OR IGNORE INTO jobs (id, blueprint, seed) ";
    bulk::insert(transaction, head, &rows, "", |row, (id, blueprint, seed)| {
        row.push_bind(id.clone()).push_bind(blueprint.clone()).push_bind(*seed);
    })
    .await?;
    let head = "INSERT OR IGNORE INTO parameters (job, name, value, json) ";
    bulk::insert(transaction, head, &parameters, "", |row, (job, name, value)| {
        row.push_bind(job.clone()).push_bind((*name).to_owned());
        match Stored::of(value) {
            Stored::Number(number) => row.push_bind(number).push_bind(None::<String>),
            Stored::Whole(whole) => row.push_bind(whole).push_bind(None::<String>),
            Stored::Flag(flag, json) => row.push_bind(flag).push_bind(json),
            Stored::Text(text, json) => row.push_bind(text).push_bind(json),
        };
    })
    .await
}

/// Parses an id column.
pub(super) fn parse_id<T: std::str::FromStr>(text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("the id", text, "20 hexadecimal characters"))
}

/// Parses a state column.
pub(super) fn parse_status(text: &str) -> Result<Status, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("the job state", text, Status::ALL.map(Status::name).join(", ")))
}
