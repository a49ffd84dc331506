//! Recreates the database from the home directory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::decisions::Decisions;
use super::files::remove;
use super::register::{insert_jobs, parse_id, parse_status};
use super::{AttemptEnd, Members, NewSweep, Store, StoreError, attempt, files, home, rescoring};
use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Job;
use sweep_spec::metric::Metric;
use sweep_system::clock::{now, seconds};
use sweep_system::whole::{self, Survives};
use sweep_wire::check::Check;
use sweep_wire::database::Database;
use sweep_wire::event::{Event, Outcome, Record};
use sweep_wire::home::{AttemptFolder, Home, RunFolder};
use sweep_wire::log::{self, LogError, Reader};
use sweep_wire::order::{Member, Order};
use sweep_wire::status::Change;

/// The result of [`rebuild`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rebuilt {
    /// Sweeps registered again.
    pub sweeps: usize,
    /// Attempts read from their orders and events.
    pub attempts: usize,
    /// Logs of rescorings read.
    pub rescorings: usize,
    /// Where the earlier database is now.
    pub backup: Option<PathBuf>,
    /// What could not be read and is missing from the new database.
    pub warnings: Vec<String>,
}

/// One attempt found in the home directory.
pub(super) struct FoundAttempt {
    pub(super) order: Order,
    /// The cohort's folder, relative to the home directory.
    place: PathBuf,
    run: RunFolder,
    pub(super) folder: AttemptFolder,
    pub(super) started_at: f64,
}

/// How an attempt left its cohort.
pub(super) enum End {
    /// All remaining members have ended.
    Settled,
    /// Members may wait to be continued.
    Open,
    /// The log does not end, but the cohort saved its generators, which it does when it finishes.
    Cut,
}

/// Recreates the database `path` from `home/sweeps/*.json`, `home/runs/*/attempt-*/` and `home/runs/*/rescore-*.jsonl`.
/// It is built next to `path` and replaces it when it is complete; the earlier database stays as
/// `<path>.bak-<seconds>`. No orchestrator may run at the same time.
///
/// Users' decisions in `home/decisions.jsonl` are applied in order of time between the attempts.
///
/// # Errors
///
/// If a file cannot be read, because it may be intact, or if `path` is not a database of this program. Then the earlier
/// database stays in place.
pub async fn rebuild(home: &Home, path: &Path) -> Result<Rebuilt, StoreError> {
    home::check(path, home).await?;
    let new = Database::at(path).successor();
    new.files().iter().try_for_each(|path| remove(path))?;
    let store = Store::open(new.path()).await?;
    store.claim(home).await?;
    let mut rebuilt = Rebuilt::default();

    let rescorings = rescorings(home, &mut rebuilt.warnings)?;
    let mut measured: BTreeMap<JobId, BTreeMap<Metric, Value>> = BTreeMap::new();
    for (job, metric, protocol) in rescorings.iter().flat_map(rescoring::Log::unnamed) {
        measured.entry(job).or_default().insert(metric, protocol.clone());
    }
    let mut sweeps = Vec::new();
    for path in files::sweeps(home)? {
        match NewSweep::load_measured(&path, &measured) {
            Ok(sweep) => sweeps.push(sweep),
            Err(error) => rebuilt.warnings.push(damage(error)?),
        }
    }
    sweeps.sort_by(|a, b| a.at.total_cmp(&b.at));
    for sweep in &sweeps {
        store.register(sweep).await?;
        store.rename(&sweep.renamed).await?;
    }
    rebuilt.sweeps = sweeps.len();
    let mut renamed: HashMap<JobId, JobId> =
        sweeps.iter().flat_map(|sweep| &sweep.renamed).map(|(a, b)| (*a, *b)).collect();

    let mut found = attempts(home, &mut rebuilt.warnings)?;
    in_turn(&mut found);
    for attempt in &found {
        renamed.extend(attempt.order.renamed());
    }
    let mut decisions = Decisions::load(home, &mut rebuilt.warnings)?.of(&renamed);
    let (mut settled, mut cut) = (HashSet::new(), Vec::new());
    for attempt in &found {
        decisions.replay(&store, attempt.started_at, None).await?;
        let cohort = attempt.order.cohort;
        // A finished cohort continues only if the user retries its failed jobs.
        let retry = settled.remove(&cohort);
        begin(&store, attempt, retry).await?;
        match finish(&store, attempt, &mut decisions, &mut rebuilt.warnings).await? {
            End::Settled => drop(settled.insert(cohort)),
            End::Open => {}
            End::Cut => cut.push(attempt),
        }
    }
    decisions.replay(&store, f64::INFINITY, None).await?;
    for attempt in cut {
        if store.is_open(attempt.order.cohort).await? {
            let log = attempt.folder.events();
            let (what, path) = (if files::is_there(&log)? { "cut" } else { "missing" }, log.display());
            rebuilt
                .warnings
                .push(format!("{path}: the log is {what}: jobs that it had finished will be trained again"));
        }
    }
    rebuilt.attempts = found.len();
    for log in rescorings {
        match store.ingest_log(log).await {
            Ok(_) => rebuilt.rescorings += 1,
            Err(error) => rebuilt.warnings.push(damage(error)?),
        }
    }
    store.close().await;

    rebuilt.backup = replace(&new, &Database::at(path))?;
    Ok(rebuilt)
}

/// Sorts attempts by time, because a job may move from one cohort to another. Attempts of one cohort are in the order
/// of their numbers, even if the clock was set back.
pub(super) fn in_turn(found: &mut [FoundAttempt]) {
    found.sort_by_key(|attempt| (attempt.order.cohort, attempt.order.attempt));
    let mut latest = HashMap::new();
    found.sort_by_cached_key(|attempt| {
        let latest = latest.entry(attempt.order.cohort).or_insert(0.0_f64);
        *latest = latest.max(attempt.started_at);
        // Non-negative floats have the same order as their bits.
        latest.to_bits()
    });
}

pub(super) fn attempts(home: &Home, warnings: &mut Vec<String>) -> Result<Vec<FoundAttempt>, StoreError> {
    let mut found = Vec::new();
    for run in files::runs(home)? {
        for (_, folder) in files::attempts(&run)? {
            if files::is_directory(folder.path())? {
                match read(home, &run, folder) {
                    Ok(Some(attempt)) => found.push(attempt),
                    // Without an order, no worker was started.
                    Ok(None) => {}
                    Err(error) => warnings.push(damage(error)?),
                }
            }
        }
    }
    Ok(found)
}

/// Turns an error about the content of a file into a warning. A file that cannot be read may be intact, so that remains
/// an error.
fn damage(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::Format { .. } | StoreError::Log(LogError::Garbage { .. }) => Ok(error.to_string()),
        error => Err(error),
    }
}

fn read(home: &Home, run: &RunFolder, folder: AttemptFolder) -> Result<Option<FoundAttempt>, StoreError> {
    let file = folder.order();
    let Some(order) = files::read_order(&file)? else { return Ok(None) };
    // Errors in the log are reported when the log is ingested.
    let head = log::head(&folder.events()).unwrap_or_default();
    let modified = || fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    let modified = || modified().map(seconds);
    let started_at =
        order.at.or_else(|| head.records.first().map(|record| record.at)).or_else(modified).unwrap_or_else(now);
    let place = run.path().strip_prefix(home.path()).unwrap_or(run.path()).to_owned();
    Ok(Some(FoundAttempt { order, place, run: run.clone(), folder, started_at }))
}

/// Adds an attempt, after retrying its failed jobs if the user wanted that.
pub(super) async fn begin(store: &Store, found: &FoundAttempt, retry: bool) -> Result<(), StoreError> {
    let Order { cohort: id, attempt: number, .. } = found.order;
    let blueprint = Arc::new(found.order.blueprint.clone());
    let job = |member: &Member| Job {
        blueprint: Arc::clone(&blueprint),
        parameters: member.parameters.clone(),
        seed: member.seed,
    };
    let members = found.order.members.iter().map(|member| (member.id, job(member))).collect();
    let scores = found.order.scores.iter().cloned().map(Arc::new).collect();
    let cohort = Cohort { id, blueprint: Arc::clone(&blueprint), scores, members };

    let mut transaction = store.write().await?;
    insert_jobs(&mut transaction, cohort.members.iter().map(|(id, job)| (*id, job))).await?;
    let Order { parents, without, .. } = &found.order;
    let parents: Vec<CohortId> = parents.iter().map(|parent| parent.cohort).collect();
    let new = attempt::insert_cohort(&mut transaction, &cohort, &parents, without, &found.place).await?;
    let after = found.order.members.iter().filter_map(|member| Some((member.id, member.after?)));
    attempt::carry_over(&mut transaction, &after.collect::<Vec<_>>()).await?;
    transaction.commit().await?;
    store.rename(&found.order.renamed()).await?;
    if new || retry {
        // A failed job is in another cohort only if the user retried it.
        let failed: Vec<String> = sqlx::query_scalar(
            "SELECT j.id FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = ? AND m.gone = 0 AND \
            j.state = 'failed'",
        )
        .bind(id.to_string())
        .fetch_all(store.pool())
        .await?;
        let mut failed = failed.iter().map(|id| parse_id(id)).collect::<Result<Vec<JobId>, _>>()?;
        failed.retain(|job| !found.order.without.contains(job));
        store.change(&failed, Change::Retry).await?;
    }
    let mut transaction = store.write().await?;
    let slot = found.order.slot.clone().unwrap_or_else(|| found.order.device.to_string());
    attempt::insert_attempt(&mut transaction, id, number, &slot, found.started_at).await?;
    transaction.commit().await.map_err(StoreError::from)
}

/// Ingests the rest of an attempt's reports and ends the attempt.
pub(super) async fn finish(
    store: &Store,
    found: &FoundAttempt,
    decisions: &mut Decisions,
    warnings: &mut Vec<String>,
) -> Result<End, StoreError> {
    let Order { cohort: id, attempt: number, .. } = found.order;
    let (last, damaged) = events(store, found, decisions).await?;
    let at = last.as_ref().map_or(found.started_at, |record| record.at);
    let end = match AttemptEnd::load(&found.folder) {
        Err(error) => {
            warnings.push(damage(error)?);
            None
        }
        Ok(end) => end,
    };
    let until = end.as_ref().map_or(at, |end| end.at);
    decisions.replay(store, until, Some(&members_of(&found.order))).await?;
    let kept = found.run.generators();
    let left = match (&end, last.map(|record| record.event)) {
        (Some(AttemptEnd { members: Members::Fail, .. }), _) => End::Settled,
        (Some(_), _) => End::Open,
        // The orchestrator writes no end if the worker's report was enough.
        (None, Some(Event::Ended { outcome: Outcome::Finished, .. })) => End::Settled,
        (None, Some(Event::Ended { .. })) => End::Open,
        // Damage is reported below.
        (None, _) if damaged.is_none() && files::is_there(&kept)? => End::Cut,
        (None, _) => End::Open,
    };
    let mut died = AttemptEnd::orphaned(at);
    if let Some(damaged) = damaged {
        died.message.clone_from(&damaged);
        warnings.push(damaged);
    }
    store.end_attempt(id, number, &end.unwrap_or(died)).await?;
    Ok(left)
}

/// Ingests the log of an attempt up to its end or to the first damage. Returns its last event and the error, if any.
async fn events(
    store: &Store,
    found: &FoundAttempt,
    decisions: &mut Decisions,
) -> Result<(Option<Record>, Option<String>), StoreError> {
    let Order { cohort, attempt, .. } = found.order;
    let members = members_of(&found.order);
    let mut reader = Reader::new(found.folder.events(), Check::of(&found.order), 0);
    let mut last = None;
    loop {
        let batch = match reader.read() {
            Err(error @ LogError::Garbage { .. }) => return Ok((last, Some(error.to_string()))),
            other => other?,
        };
        let mut rest = &batch.records[..];
        while let Some((decided, taken)) = decisions.next((cohort, attempt), &members)
            && let Some(after) = rest.iter().position(|record| match taken {
                Some(taken) => record.seq >= taken,
                None => record.at > decided,
            })
        {
            store.ingest(cohort, attempt, &rest[..after], 0).await?;
            decisions.replay(store, decided, Some(&members)).await?;
            rest = &rest[after..];
        }
        store.ingest(cohort, attempt, rest, batch.offset).await?;
        last = batch.records.into_iter().next_back().or(last);
        if !batch.more {
            break;
        }
    }
    // All its reports came before.
    while let Some((decided, Some(_))) = decisions.next((cohort, attempt), &members) {
        decisions.replay(store, decided, Some(&members)).await?;
    }
    Ok((last, None))
}

impl Store {
    /// Whether jobs of a cohort need more training.
    async fn is_open(&self, cohort: CohortId) -> Result<bool, StoreError> {
        let sql = "SELECT DISTINCT j.state FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = ? AND \
            m.gone = 0";
        let states: Vec<String> = sqlx::query_scalar(sql).bind(cohort.to_string()).fetch_all(self.pool()).await?;
        let states = states.iter().map(|state| parse_status(state)).collect::<Result<Vec<_>, _>>()?;
        Ok(states.iter().any(|state| !state.is_final()))
    }
}

fn members_of(order: &Order) -> HashSet<JobId> {
    order.members.iter().map(|member| member.id).collect()
}

/// Reads the logs of rescorings in order of time; those of one cohort in the order of their numbers.
fn rescorings(home: &Home, warnings: &mut Vec<String>) -> Result<Vec<rescoring::Log>, StoreError> {
    let mut logs = Vec::new();
    for run in files::runs(home)? {
        let mut latest = 0.0_f64;
        for (_, path) in files::rescorings(&run)? {
            match rescoring::read(&path) {
                Ok(mut log) => {
                    latest = latest.max(log.at);
                    log.at = latest;
                    logs.push(log);
                }
                Err(error) => warnings.push(damage(error)?),
            }
        }
    }
    logs.sort_by(|one, other| one.at.total_cmp(&other.at));
    Ok(logs)
}

/// Replaces `old` with `new`; returns where the earlier file is now.
fn replace(new: &Database, old: &Database) -> Result<Option<PathBuf>, StoreError> {
    let rename = |from: &Path, to: &Path, survives| match whole::rename(from, to, survives) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).map_err(|source| StoreError::File { path: from.to_owned(), source }),
    };
    let mut at = now() as u64;
    let mut backup = old.replaced(at);
    // A backup from the same second, or from before the clock was set back, is not overwritten.
    while backup.files().iter().any(|file| fs::symlink_metadata(file).is_ok()) {
        at += 1;
        backup = old.replaced(at);
    }
    // Changes not yet in the file itself are in the files next to it. Those of the old ones were durable, or are lost
    // anyway.
    rename(&old.log(), &backup.log(), Survives::Kill)?;
    rename(&old.index(), &backup.index(), Survives::Kill)?;
    let had = rename(old.path(), backup.path(), Survives::Kill)?;
    rename(new.path(), old.path(), Survives::PowerCut)?;
    Ok(had.then(|| backup.path().to_owned()))
}
