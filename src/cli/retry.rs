//! `sweep retry`: jobs that have failed or were cancelled are trained after all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::chosen::asked;
use super::progress::say;
use super::reading::{block_on, failure, with_store};
use super::table::plural;
use super::words::operands;
use super::{Exit, Failure, Global};
use sweep_run::Lock;
use sweep_spec::id::JobId;
use sweep_store::{Decision, Store};
use sweep_wire::home::Home;
use sweep_wire::status::Status;

#[derive(clap::Args)]
#[command(after_help = AFTER, group = clap::ArgGroup::new("which").required(true).multiple(true).args(["failed", "cancelled", "jobs"]))]
pub(crate) struct Args {
    /// The sweep [default: all; with --job the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// All that have failed
    #[arg(long)]
    failed: bool,
    /// All that were cancelled
    #[arg(long)]
    cancelled: bool,
    /// A job by its id, or the first characters of it; may be given several times
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID")]
    jobs: Vec<String>,
}

const AFTER: &str = "\
The jobs wait again, and the next `sweep run` of their file goes on with them: failed ones from their last checkpoint, cancelled ones from
one that still has them, or from the start. No run may be at work in the same place.";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let home = global.absolute_home()?;
    let (files, jobs, others) = with_store(global, async |store| {
        let sweeps = match (&args.sweep, args.jobs.is_empty()) {
            // Of which sweep they are does not matter.
            (None, true) => store.sweeps().await.map_err(failure)?,
            (name, _) => vec![store.sweep(name.as_deref()).await.map_err(failure)?],
        };
        let wanted = |state: Status| match state {
            Status::Failed => args.failed || !args.jobs.is_empty(),
            Status::Cancelled => args.cancelled || !args.jobs.is_empty(),
            Status::Pending
            | Status::Running
            | Status::Done
            | Status::Diverged
            | Status::Collapsed
            | Status::Pruned => false,
        };
        let (mut files, mut jobs, mut others) = (Vec::new(), BTreeSet::new(), HashMap::new());
        for sweep in sweeps {
            let states = asked(&store, &sweep.name, &args.jobs).await?;
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
        return Err(Failure::usage(format!("there is nothing to try again: {}", stand(others.into_values()))));
    }
    let changed = block_on(decide(global, &home, &jobs, Decision::Retry))?.len();
    let (waits, them) = if changed == 1 { ("waits", "it") } else { ("wait", "them") };
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    say(format!("{} {waits} again: `sweep run {}` trains {them}", plural(changed, "job"), operands(&files)));
    Ok(Exit::Ok)
}

/// Where jobs stand: `1 job is done, 3 jobs are running`.
pub(super) fn stand(states: impl Iterator<Item = Status>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    states.for_each(|state| *counts.entry(state.name()).or_default() += 1);
    let parts =
        counts.iter().map(|(state, n)| format!("{} {} {state}", plural(*n, "job"), if *n == 1 { "is" } else { "are" }));
    if counts.is_empty() { "there are no jobs".to_owned() } else { parts.collect::<Vec<_>>().join(", ") }
}

/// Applies what the user has decided to those of `jobs` to which it makes sense, where no run is at work; returns these.
pub(super) async fn decide(
    global: &Global,
    home: &Home,
    jobs: &[JobId],
    decision: Decision,
) -> Result<Vec<JobId>, Failure> {
    let _lock = Lock::take(home).map_err(Failure::environment)?;
    let workplace = global.workplace(home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, home).map_err(Failure::environment)?;
    let store = Store::open(&database).await.map_err(failure)?;
    let changed = store.decide(home, jobs, decision).await.map_err(failure);
    workplace.publish().await.map_err(failure)?;
    store.close().await;
    changed
}
