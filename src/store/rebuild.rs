//! Recreating the database from the home directory.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::decisions::Decisions;
use super::files::{beside, list, remove};
use super::open::now;
use super::register::{insert_jobs, parse_id};
use super::{AttemptEnd, Members, NewSweep, Store, StoreError, attempt, files, home, rescoring};
use crate::plan::cohort::Cohort;
use crate::spec::id::JobId;
use crate::spec::job::Job;
use crate::wire::check::Check;
use crate::wire::event::{Event, Outcome, Record};
use crate::wire::log::{self, LogError, Reader};
use crate::wire::order::{Member, Order};
use crate::wire::status::Change;

/// What [`rebuild`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rebuilt {
    /// Sweeps registered again.
    pub sweeps: usize,
    /// Attempts whose orders and events were read.
    pub attempts: usize,
    /// Logs of scores that were computed anew.
    pub rescorings: usize,
    /// Where the earlier database is now.
    pub backup: Option<PathBuf>,
    /// What could not be read, and so is not in the new database.
    pub warnings: Vec<String>,
}

/// One attempt as it lies in the home directory.
struct Found {
    order: Order,
    /// The cohort's directory, relative to the home directory.
    directory: PathBuf,
    /// The attempt's directory.
    path: PathBuf,
    started_at: f64,
}

/// Makes the database `path` anew from `home/sweeps/*.json`, `home/runs/*/attempt-*/` and `home/runs/*/rescore-*.jsonl`. It is built beside
/// `path` and takes its place when it is complete; the earlier database stays as `<path>.bak-<seconds>`. No orchestrator may run
/// meanwhile.
///
/// What users decided in `home/decisions.jsonl` is done at its time among the attempts.
pub async fn rebuild(home: &Path, path: &Path) -> Result<Rebuilt, StoreError> {
    let new = beside(path, ".new");
    for extension in ["", "-wal", "-shm"] {
        remove(&beside(&new, extension))?;
    }
    home::check(path, home).await?;
    let store = Store::open(&new).await?;
    store.claim(home).await?;
    let mut rebuilt = Rebuilt::default();

    let mut sweeps = Vec::new();
    for path in list(&home.join("sweeps"))? {
        if path.extension().is_some_and(|extension| extension == "json") {
            match NewSweep::load(&path) {
                Ok(sweep) => sweeps.push(sweep),
                Err(error) => rebuilt.warnings.push(error.to_string()),
            }
        }
    }
    sweeps.sort_by(|a, b| a.at.total_cmp(&b.at));
    for sweep in &sweeps {
        store.register(sweep).await?;
    }
    rebuilt.sweeps = sweeps.len();

    let mut found = attempts(home, &mut rebuilt.warnings)?;
    in_turn(&mut found);
    let mut decisions = Decisions::load(home, &mut rebuilt.warnings)?;
    let mut settled = HashSet::new();
    for attempt in &found {
        decisions.replay(&store, attempt.started_at, None).await?;
        let cohort = attempt.order.cohort;
        // A cohort that was over goes on only when the user wants its failed jobs tried again.
        let retry = settled.remove(&cohort);
        if replay(&store, attempt, retry, &mut decisions, &mut rebuilt.warnings).await? {
            settled.insert(cohort);
        }
    }
    decisions.replay(&store, f64::INFINITY, None).await?;
    rebuilt.attempts = found.len();
    rescore(&store, home, &mut rebuilt).await?;
    store.close().await;

    rebuilt.backup = replace(&new, path)?;
    Ok(rebuilt)
}

/// Sorts attempts by when they were made: a job may go from one cohort to another. Where a clock was set back, those of one cohort
/// have their numbers.
fn in_turn(found: &mut [Found]) {
    found.sort_by_key(|attempt| (attempt.order.cohort, attempt.order.attempt));
    let mut latest = HashMap::new();
    found.sort_by_cached_key(|attempt| {
        let latest = latest.entry(attempt.order.cohort).or_insert(0.0_f64);
        *latest = latest.max(attempt.started_at);
        // Of numbers that are not negative, the order of the bits is theirs.
        latest.to_bits()
    });
}

fn attempts(home: &Path, warnings: &mut Vec<String>) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    for cohort in list(&home.join("runs"))? {
        for path in list(&cohort)? {
            let is_attempt = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("attempt-"));
            if is_attempt && path.is_dir() {
                match read(home, &cohort, &path) {
                    Ok(Some(attempt)) => found.push(attempt),
                    // Without an order no worker was told to do anything.
                    Ok(None) => {}
                    Err(error) => warnings.push(error.to_string()),
                }
            }
        }
    }
    Ok(found)
}

fn read(home: &Path, cohort: &Path, path: &Path) -> Result<Option<Found>, StoreError> {
    let file = path.join("order.json");
    let Some(order) = files::read_json::<Order>(&file, "an order")? else { return Ok(None) };
    let events = path.join("events.jsonl");
    // What is wrong with a log is said when its turn comes.
    let head = log::head(&events).unwrap_or_default();
    let modified = || fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    let modified = || modified()?.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs_f64());
    let started_at =
        order.at.or_else(|| head.records.first().map(|record| record.at)).or_else(modified).unwrap_or_else(now);
    let directory = cohort.strip_prefix(home).unwrap_or(cohort).to_owned();
    Ok(Some(Found { order, directory, path: path.to_owned(), started_at }))
}

/// Replays one attempt, after a retry of its failed jobs if the user wanted one. Whether it settled all members that were left.
async fn replay(
    store: &Store,
    found: &Found,
    retry: bool,
    decisions: &mut Decisions,
    warnings: &mut Vec<String>,
) -> Result<bool, StoreError> {
    let Order { cohort: id, attempt: number, .. } = found.order;
    let blueprint = Arc::new(found.order.blueprint.clone());
    let job =
        |member: &Member| Job { blueprint: Arc::clone(&blueprint), knobs: member.knobs.clone(), seed: member.seed };
    let members = found.order.members.iter().map(|member| (member.id, job(member))).collect();
    let cohort = Cohort { id, blueprint: Arc::clone(&blueprint), members };

    let mut transaction = store.write().await?;
    insert_jobs(&mut transaction, cohort.members.iter().map(|(id, job)| (*id, job))).await?;
    let Order { parent, without, .. } = &found.order;
    let new = attempt::insert_cohort(&mut transaction, &cohort, *parent, without, &found.directory).await?;
    transaction.commit().await?;
    if new || retry {
        // A failed job is put into another cohort only when the user wants it tried again.
        let failed: Vec<String> = sqlx::query_scalar(
            "SELECT j.id FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = ? AND m.gone = 0 AND j.state = 'failed'",
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
    attempt::insert_attempt(&mut transaction, id, Some(number), &slot, found.started_at).await?;
    transaction.commit().await?;
    let (last, damage) = events(store, found, decisions).await?;
    let at = last.as_ref().map_or(found.started_at, |record| record.at);
    let end = AttemptEnd::load(&found.path).unwrap_or_else(|error| {
        warnings.push(error.to_string());
        None
    });
    let until = end.as_ref().map_or(at, |end| end.at);
    decisions.replay(store, until, Some(&members_of(&found.order))).await?;
    let settled = match (&end, last.map(|record| record.event)) {
        (Some(end), _) => end.members == Members::Fail,
        // The orchestrator writes no end where the worker's word was enough.
        (None, last) => matches!(last, Some(Event::Ended { outcome: Outcome::Finished, .. })),
    };
    let mut died = AttemptEnd::orphaned(at);
    if let Some(damage) = damage {
        died.message.clone_from(&damage);
        warnings.push(damage);
    }
    store.end_attempt(id, number, &end.unwrap_or(died)).await?;
    Ok(settled)
}

/// Ingests the log of an attempt up to its end, or to where it is none. Its last event, and what is wrong with what follows.
async fn events(
    store: &Store,
    found: &Found,
    decisions: &mut Decisions,
) -> Result<(Option<Record>, Option<String>), StoreError> {
    let Order { cohort, attempt, .. } = found.order;
    let members = members_of(&found.order);
    let mut reader = Reader::new(found.path.join("events.jsonl"), Check::of(&found.order), 0);
    let mut last = None;
    loop {
        let batch = match reader.read() {
            Err(error @ LogError::Garbage { .. }) => return Ok((last, Some(error.to_string()))),
            other => other?,
        };
        let mut rest = &batch.records[..];
        while let Some(decided) = decisions.next(&members)
            && let Some(after) = rest.iter().position(|record| record.at > decided)
        {
            store.ingest(cohort, attempt, &rest[..after], 0).await?;
            decisions.replay(store, decided, Some(&members)).await?;
            rest = &rest[after..];
        }
        store.ingest(cohort, attempt, rest, batch.offset).await?;
        last = batch.records.into_iter().next_back().or(last);
        if !batch.more {
            return Ok((last, None));
        }
    }
}

fn members_of(order: &Order) -> HashSet<JobId> {
    order.members.iter().map(|member| member.id).collect()
}

/// Reads the scores that were computed anew, of each cohort in the order in which they were.
async fn rescore(store: &Store, home: &Path, rebuilt: &mut Rebuilt) -> Result<(), StoreError> {
    for cohort in list(&home.join("runs"))? {
        for (_, log) in rescoring::logs(&cohort)? {
            match store.ingest_rescoring(&log).await {
                Ok(_) => rebuilt.rescorings += 1,
                Err(error @ (StoreError::Log(_) | StoreError::Format { .. })) => {
                    rebuilt.warnings.push(error.to_string())
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Puts `new` into the place of `path`; returns where the earlier file is.
fn replace(new: &Path, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let rename = |from: &Path, to: &Path| match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).map_err(|source| StoreError::File { path: from.to_owned(), source }),
    };
    let backup = beside(path, &format!(".bak-{}", now() as u64));
    // What is not yet in the file itself is in the files beside it.
    rename(&beside(path, "-wal"), &beside(&backup, "-wal"))?;
    rename(&beside(path, "-shm"), &beside(&backup, "-shm"))?;
    let had = rename(path, &backup)?;
    rename(new, path)?;
    Ok(had.then_some(backup))
}
