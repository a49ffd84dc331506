//! Losses over training: one row per job, which grows during training.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlx::query_builder::QueryBuilder;
use sqlx::{Sqlite, Transaction};

use super::register::parse_id;
use super::results::text;
use super::{Results, Store, StoreError, bulk};
use sweep_spec::id::JobId;
use sweep_spec::trace;
use sweep_wire::losses::{Losses, Number};

/// Jobs looked up in one statement.
const JOBS: usize = 200;

/// The course of a number over the training of a job: `loss_d` and `loss_g`, the losses of discriminators and
/// generator; `output_real` and `output_fake`, the discriminator's mean output on real and on generated samples;
/// `output_real_2` and `output_fake_2`, those of a second one.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: Arc<str>,
    /// Steps done, in ascending order; many series share them.
    pub steps: Arc<[u64]>,
    /// A value for each step; may be NaN or infinite.
    pub values: Vec<f32>,
}

impl Store {
    /// Reads the losses of a sweep's jobs, those of one job in the order of their names. Jobs without losses are left
    /// out: they have not trained, or an own trainer or an earlier version of this program trained them.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn read_losses(&self, results: &mut Results) -> Result<(), StoreError> {
        let sql = "SELECT l.job, l.steps, l.series FROM losses AS l WHERE l.job IN \
                   (SELECT e.job FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id WHERE s.name = ?)";
        let all = &mut results.losses;
        // Jobs of the same length have the same steps.
        let mut last: (String, Arc<[u64]>) = (String::new(), Arc::from([]));
        let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
        self.scan(sql, [&results.sweep.name], |row| {
            let (steps, series) = (text(row, 1)?, text(row, 2)?);
            if steps != last.0 {
                last = (steps.to_owned(), parse_steps(steps)?.into());
            }
            let mut found = Vec::new();
            for (name, values) in parse_series(series)? {
                let name = names.entry(name).or_insert_with_key(|name| name.as_str().into());
                found.push(one(Arc::clone(name), &last.1, &values));
            }
            all.insert(parse_id(text(row, 0)?)?, found);
            Ok(())
        })
        .await
    }
}

/// Returns the series at the steps where it has values.
pub(super) fn one(name: Arc<str>, steps: &Arc<[u64]>, values: &[Number]) -> Series {
    let there = steps.iter().zip(values).filter_map(|(step, value)| Some((*step, value.0?)));
    let (at, values): (Vec<u64>, Vec<f32>) = there.unzip();
    let steps = if at.len() == steps.len() { Arc::clone(steps) } else { at.into() };
    Series { name, steps, values }
}

/// Writes losses, replacing those at the same steps.
pub(super) async fn write_losses(
    transaction: &mut Transaction<'static, Sqlite>,
    mut losses: BTreeMap<JobId, Losses>,
) -> Result<(), StoreError> {
    losses.retain(|_, losses| !losses.is_empty());
    let known = known(transaction, losses.keys()).await?;
    let whole = |(job, new): (JobId, Losses)| (job, known.get(&job).cloned().unwrap_or_default().merged(&new));
    let rows: Vec<(JobId, Losses)> = losses.into_iter().map(whole).collect();
    let head = "INSERT INTO losses (job, steps, series) ";
    let tail = " ON CONFLICT (job) DO UPDATE SET steps = excluded.steps, series = excluded.series";
    bulk::insert(transaction, head, &rows, tail, |row, (job, losses)| {
        row.push_bind(job.to_string()).push_bind(json(&losses.steps)).push_bind(json(&losses.series));
    })
    .await
}

/// Copies to `job` the losses of `earlier`, the shorter job whose last state it continues, at the steps where a job of
/// its length records losses. Its own losses stay.
pub(super) async fn carry_over(
    transaction: &mut Transaction<'static, Sqlite>,
    job: JobId,
    earlier: JobId,
) -> Result<(), StoreError> {
    let mut known = known(transaction, [job, earlier].iter()).await?;
    let Some(mut carried) = known.remove(&earlier) else { return Ok(()) };
    let steps: Option<i64> =
        sqlx::query_scalar("SELECT b.steps FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint WHERE j.id = ?")
            .bind(job.to_string())
            .fetch_optional(&mut **transaction)
            .await?;
    let Some(steps) = steps else { return Ok(()) };
    carried.retain(|step| trace::is_kept(step, steps as u64));
    let whole = carried.merged(&known.remove(&job).unwrap_or_default());
    write_losses(transaction, [(job, whole)].into()).await
}

/// Returns the losses of some jobs so far.
async fn known(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: impl Iterator<Item = &JobId>,
) -> Result<HashMap<JobId, Losses>, StoreError> {
    let jobs: Vec<&JobId> = jobs.collect();
    let mut known = HashMap::new();
    for jobs in jobs.chunks(JOBS) {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT job, steps, series FROM losses WHERE job IN (");
        let mut list = query.separated(", ");
        for job in jobs {
            list.push_bind(job.to_string());
        }
        query.push(")");
        let rows: Vec<(String, String, String)> =
            query.build_query_as().persistent(jobs.len() == JOBS).fetch_all(&mut **transaction).await?;
        for (job, steps, series) in rows {
            known.insert(parse_id(&job)?, Losses { steps: parse_steps(&steps)?, series: parse_series(&series)? });
        }
    }
    Ok(known)
}

fn json(value: &impl serde::Serialize) -> String {
    // Numbers and names always fit into JSON.
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn parse_steps(json: &str) -> Result<Vec<u64>, StoreError> {
    let corrupt = |_| StoreError::corrupt("the steps of losses", start(json), "a JSON array of numbers");
    serde_json::from_str(json).map_err(corrupt)
}

pub(super) fn parse_series(json: &str) -> Result<BTreeMap<String, Vec<Number>>, StoreError> {
    let corrupt = |_| StoreError::corrupt("the series of losses", start(json), "a JSON object of arrays of numbers");
    serde_json::from_str(json).map_err(corrupt)
}

/// Returns the start of a long text, enough to recognise it.
fn start(json: &str) -> String {
    json.chars().take(60).collect()
}
