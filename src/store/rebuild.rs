//! Recreating the database from the home directory.

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
pub(super) struct Found {
    pub(super) order: Order,
    /// Where the cohort's folder is, relative to the home directory.
    place: PathBuf,
    run: RunFolder,
    pub(super) folder: AttemptFolder,
    pub(super) started_at: f64,
}

/// What an attempt has left behind.
pub(super) enum End {
    /// All members that were left have ended.
    Settled,
    /// Members may wait to go on.
    Open,
    /// Generators, which a cohort leaves when it has finished, and a log that does not end.
    Cut,
}

/// Makes the database `path` anew from `home/sweeps/*.json`, `home/runs/*/attempt-*/` and `home/runs/*/rescore-*.jsonl`. It is built beside
/// `path` and takes its place when it is complete; the earlier database stays as `<path>.bak-<seconds>`. No orchestrator may run
/// meanwhile.
///
/// What users decided in `home/decisions.jsonl` is done at its time among the attempts.
///
/// # Errors
///
/// Where a file cannot be read, since it may be sound, and where `path` is something else than a database of this program. Then the earlier
/// database stays where it is.
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
        // A cohort that was over goes on only when the user wants its failed jobs tried again.
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
            rebuilt.warnings.push(format!("{path}: the log is {what}: jobs that it had finished train again"));
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

/// Sorts attempts by when they were made: a job may go from one cohort to another. Where a clock was set back, those of one cohort
/// have their numbers.
pub(super) fn in_turn(found: &mut [Found]) {
    found.sort_by_key(|attempt| (attempt.order.cohort, attempt.order.attempt));
    let mut latest = HashMap::new();
    found.sort_by_cached_key(|attempt| {
        let latest = latest.entry(attempt.order.cohort).or_insert(0.0_f64);
        *latest = latest.max(attempt.started_at);
        // Of numbers that are not negative, the order of the bits is theirs.
        latest.to_bits()
    });
}

pub(super) fn attempts(home: &Home, warnings: &mut Vec<String>) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    for run in files::runs(home)? {
        for (_, folder) in files::attempts(&run)? {
            if files::is_directory(folder.path())? {
                match read(home, &run, folder) {
                    Ok(Some(attempt)) => found.push(attempt),
                    // Without an order no worker was told to do anything.
                    Ok(None) => {}
                    Err(error) => warnings.push(damage(error)?),
                }
            }
        }
    }
    Ok(found)
}

/// What is wrong with the content of a file, in words. One that cannot be read may be sound: that is an error still.
fn damage(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::Format { .. } | StoreError::Log(LogError::Garbage { .. }) => Ok(error.to_string()),
        error => Err(error),
    }
}

fn read(home: &Home, run: &RunFolder, folder: AttemptFolder) -> Result<Option<Found>, StoreError> {
    let file = folder.order();
    let Some(order) = files::read_order(&file)? else { return Ok(None) };
    // What is wrong with a log is said when its turn comes.
    let head = log::head(&folder.events()).unwrap_or_default();
    let modified = || fs::metadata(&file).and_then(|metadata| metadata.modified()).ok();
    let modified = || modified().map(seconds);
    let started_at =
        order.at.or_else(|| head.records.first().map(|record| record.at)).or_else(modified).unwrap_or_else(now);
    let place = run.path().strip_prefix(home.path()).unwrap_or(run.path()).to_owned();
    Ok(Some(Found { order, place, run: run.clone(), folder, started_at }))
}

/// Makes an attempt known, after a retry of its failed jobs if the user wanted one.
pub(super) async fn begin(store: &Store, found: &Found, retry: bool) -> Result<(), StoreError> {
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
    attempt::insert_attempt(&mut transaction, id, number, &slot, found.started_at).await?;
    transaction.commit().await.map_err(StoreError::from)
}

/// Does what a known attempt has reported, as far as that is not known, and ends it.
pub(super) async fn finish(
    store: &Store,
    found: &Found,
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
        // The orchestrator writes no end where the worker's word was enough.
        (None, Some(Event::Ended { outcome: Outcome::Finished, .. })) => End::Settled,
        (None, Some(Event::Ended { .. })) => End::Open,
        // What is damaged is said below.
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

/// Ingests the log of an attempt up to its end, or to where it is none. Its last event, and what is wrong with what follows.
async fn events(
    store: &Store,
    found: &Found,
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
    // All that it reported came before.
    while let Some((decided, Some(_))) = decisions.next((cohort, attempt), &members) {
        decisions.replay(store, decided, Some(&members)).await?;
    }
    Ok((last, None))
}

impl Store {
    /// Whether jobs of a cohort need more training.
    async fn is_open(&self, cohort: CohortId) -> Result<bool, StoreError> {
        let sql = "SELECT DISTINCT j.state FROM members AS m JOIN jobs AS j ON j.id = m.job WHERE m.cohort = ? AND m.gone = 0";
        let states: Vec<String> = sqlx::query_scalar(sql).bind(cohort.to_string()).fetch_all(self.pool()).await?;
        let states = states.iter().map(|state| parse_status(state)).collect::<Result<Vec<_>, _>>()?;
        Ok(states.iter().any(|state| !state.is_final()))
    }
}

fn members_of(order: &Order) -> HashSet<JobId> {
    order.members.iter().map(|member| member.id).collect()
}

/// The scores that were computed anew, in the order in which they were: those of one cohort have their numbers.
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

/// Puts `new` into the place of `old`; returns where the earlier file is.
fn replace(new: &Database, old: &Database) -> Result<Option<PathBuf>, StoreError> {
    let rename = |from: &Path, to: &Path, survives| match whole::rename(from, to, survives) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).map_err(|source| StoreError::File { path: from.to_owned(), source }),
    };
    let mut at = now() as u64;
    let mut backup = old.replaced(at);
    // Another of the same second, or of a clock that was set back, stays.
    while backup.files().iter().any(|file| fs::symlink_metadata(file).is_ok()) {
        at += 1;
        backup = old.replaced(at);
    }
    // What is not yet in the file itself is in the files beside it. What the old ones held was durable, or is not to be had.
    rename(&old.log(), &backup.log(), Survives::Kill)?;
    rename(&old.index(), &backup.index(), Survives::Kill)?;
    let had = rename(old.path(), backup.path(), Survives::Kill)?;
    rename(new.path(), old.path(), Survives::PowerCut)?;
    Ok(had.then(|| backup.path().to_owned()))
}
