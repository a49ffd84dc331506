//! Decisions of a user about jobs and the current run: cancelling, retrying, pausing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::database::{block_on, with_store};
use crate::job_choice::chosen_jobs;
use crate::{Failure, Places};
use sweep_report::format::plural;
use sweep_run::{Answer, Lock, Request};
use sweep_spec::id::JobId;
use sweep_store::{Decision, Store};
use sweep_wire::home::Home;
use sweep_wire::status::Status;

/// Which jobs to retry.
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// Jobs of this sweep. `None`: jobs of all sweeps if `jobs` names some, otherwise of the sweep that was run last.
    pub sweep: Option<String>,
    /// Failed jobs.
    pub failed: bool,
    /// Cancelled jobs.
    pub cancelled: bool,
    /// Jobs with these ids, or these first characters of ids.
    pub jobs: Vec<String>,
}

/// Jobs that wait again.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Their number.
    pub jobs: usize,
    /// The files of their sweeps.
    pub files: Vec<String>,
}

/// Lets failed or cancelled jobs wait again. The next run trains them.
///
/// # Errors
///
/// There are none, or a run is at work.
pub fn retry(places: &Places, again: &Again) -> Result<Waiting, Failure> {
    let home = places.absolute_home()?;
    let (files, jobs, others) = with_store(places, async |store| {
        let sweeps = match (&again.sweep, again.jobs.is_empty()) {
            // They may belong to any sweep.
            (None, true) => store.sweeps().await?,
            (name, _) => vec![store.sweep(name.as_deref()).await?],
        };
        let wanted = |state: Status| match state {
            Status::Failed => again.failed || !again.jobs.is_empty(),
            Status::Cancelled => again.cancelled || !again.jobs.is_empty(),
            Status::Pending
            | Status::Running
            | Status::Done
            | Status::Diverged
            | Status::Collapsed
            | Status::Pruned => false,
        };
        let (mut files, mut jobs, mut others) = (Vec::new(), BTreeSet::new(), HashMap::new());
        for sweep in sweeps {
            let states = chosen_jobs(&store, &sweep.name, &again.jobs).await?;
            let before = jobs.len();
            for (job, state) in states {
                if wanted(state) {
                    jobs.insert(job);
                } else {
                    others.insert(job, state);
                }
            }
            files.extend((jobs.len() > before).then_some(sweep.file));
        }
        Ok((files, Vec::from_iter(jobs), others))
    })?;
    if jobs.is_empty() {
        return Err(Failure::usage(format!("there is nothing to retry: {}", stand(others.into_values()))));
    }
    let changed = block_on(decide(places, &home, &jobs, Decision::Retry))?.len();
    Ok(Waiting { jobs: changed, files })
}

/// Cancels unfinished jobs of a sweep; with `prefixes` of ids, only those. `sweep`: `None` means the one that was run
/// last. Returns how many were cancelled.
///
/// # Errors
///
/// There are none, or the current run does not answer.
pub fn cancel(places: &Places, sweep: Option<&str>, prefixes: &[String]) -> Result<usize, Failure> {
    let home = places.absolute_home()?;
    let (sweep, jobs, ended) = with_store(places, async |store| {
        let sweep = store.sweep(sweep).await?.name;
        let states = chosen_jobs(&store, &sweep, prefixes).await?;
        let (ended, open): (Vec<_>, Vec<_>) = states.into_iter().partition(|(_, state)| state.is_final());
        let open: Vec<JobId> = open.into_iter().map(|(job, _)| job).collect();
        Ok((sweep, open, ended))
    })?;
    if jobs.is_empty() {
        let stand = stand(ended.into_iter().map(|(_, state)| state));
        return Err(Failure::usage(format!("there is nothing to cancel: {stand}")));
    }
    let cancelled = match sweep_run::ask(&home, &Request::Cancel(jobs.clone())).map_err(Failure::environment)? {
        Answer::Done => with_store(places, async |store| {
            // Some may have ended in the meantime. A locked database learns of the others later.
            let states = store.states(&sweep).await?;
            let ended =
                |job: &JobId| states.get(job).is_some_and(|state| state.is_final() && *state != Status::Cancelled);
            Ok(jobs.iter().filter(|job| !ended(job)).count())
        })?,
        Answer::Silent => return Err(unanswered(&home)),
        Answer::Nobody => block_on(decide(places, &home, &jobs, Decision::Cancel))?.len(),
    };
    if cancelled == 0 {
        let stand = with_store(places, async |store| {
            let states = store.states(&sweep).await?;
            Ok(stand(jobs.iter().filter_map(|job| states.get(job).copied())))
        })?;
        return Err(Failure::usage(format!("nothing was cancelled: by now, {stand}")));
    }
    Ok(cancelled)
}

/// Makes the workers of the current run checkpoint and stop, until it is [resumed](resume).
///
/// # Errors
///
/// No run is at work, or it does not answer.
pub fn pause(places: &Places) -> Result<(), Failure> {
    ask(places, &Request::Pause)
}

/// Lets a paused run continue.
///
/// # Errors
///
/// No run is at work, or it does not answer.
pub fn resume(places: &Places) -> Result<(), Failure> {
    ask(places, &Request::Resume)
}

fn ask(places: &Places, request: &Request) -> Result<(), Failure> {
    let home = places.absolute_home()?;
    match sweep_run::ask(&home, request).map_err(Failure::environment)? {
        Answer::Done => Ok(()),
        Answer::Nobody => Err(Failure::environment(format!(
            "no run is at work in {}: `sweep run FILE` starts one, --home names another place",
            home.display()
        ))),
        Answer::Silent => Err(unanswered(&home)),
    }
}

/// A run is there, but does not carry out the request.
fn unanswered(home: &Home) -> Failure {
    Failure::environment(format!(
        "the run in {} does not answer: its process may be suspended or very busy; {} names it",
        home.display(),
        home.lock().display()
    ))
}

/// Describes jobs by status: `1 job is done, 3 jobs are running`.
fn stand(states: impl Iterator<Item = Status>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    states.for_each(|state| *counts.entry(state.name()).or_default() += 1);
    let parts =
        counts.iter().map(|(state, n)| format!("{} {} {state}", plural(*n, "job"), if *n == 1 { "is" } else { "are" }));
    if counts.is_empty() { "there are no jobs".to_owned() } else { parts.collect::<Vec<_>>().join(", ") }
}

/// Applies the decision to those of `jobs` that it can apply to, and returns them. No run may be at work.
async fn decide(places: &Places, home: &Home, jobs: &[JobId], decision: Decision) -> Result<Vec<JobId>, Failure> {
    let _lock = Lock::take(home).map_err(Failure::environment)?;
    let workplace = places.workplace(home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, home).map_err(Failure::environment)?;
    let store = Store::open(&database).await?;
    let changed = store.decide(home, jobs, decision).await.map_err(Failure::from);
    workplace.publish().await?;
    store.close().await;
    changed
}
