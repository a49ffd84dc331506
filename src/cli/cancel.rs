//! `sweep cancel`: jobs that are not to be trained any more.

use super::chosen::asked;
use super::pause::unanswered;
use super::progress::say;
use super::reading::{block_on, failure, with_store};
use super::retry::{decide, stand};
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_run::{Answer, Request};
use sweep_spec::id::JobId;
use sweep_store::Decision;
use sweep_wire::status::Status;

#[derive(clap::Args)]
#[command(after_help = AFTER, group = clap::ArgGroup::new("which").required(true).multiple(true).args(["sweep", "jobs"]))]
pub(crate) struct Args {
    /// The sweep: all of its jobs that have not ended, unless --job names some
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// A job by its id, or the first characters of it; may be given several times
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID")]
    jobs: Vec<String>,
}

const AFTER: &str = "\
A worker leaves them out at its next look, twice a second between steps, and trains on with the other jobs of their cohort; one of your own
(SWEEP_WORKER) is stopped, and the others go on from its checkpoint. What a job has scored so far stays in the database.
`sweep retry --cancelled` takes it back.";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let home = global.absolute_home()?;
    let (sweep, jobs, ended) = with_store(global, async |store| {
        let sweep = store.sweep(args.sweep.as_deref()).await.map_err(failure)?.name;
        let states = asked(&store, &sweep, &args.jobs).await?;
        let (ended, open): (Vec<_>, Vec<_>) = states.into_iter().partition(|(_, state)| state.is_final());
        let open: Vec<JobId> = open.into_iter().map(|(job, _)| job).collect();
        Ok((sweep, open, ended))
    })?;
    if jobs.is_empty() {
        let stand = stand(ended.into_iter().map(|(_, state)| state));
        return Err(Failure::usage(format!("there is nothing to cancel: {stand}")));
    }
    let cancelled = match sweep_run::ask(&home, &Request::Cancel(jobs.clone())).map_err(Failure::environment)? {
        Answer::Done => with_store(global, async |store| {
            // Some may have ended meanwhile; a database that is locked learns of the others later.
            let states = store.states(&sweep).await.map_err(failure)?;
            let ended =
                |job: &JobId| states.get(job).is_some_and(|state| state.is_final() && *state != Status::Cancelled);
            Ok(jobs.iter().filter(|job| !ended(job)).count())
        })?,
        Answer::Silent => return Err(unanswered(&home)),
        Answer::Nobody => block_on(decide(global, &home, &jobs, Decision::Cancel))?.len(),
    };
    if cancelled == 0 {
        let stand = with_store(global, async |store| {
            let states = store.states(&sweep).await.map_err(failure)?;
            Ok(stand(jobs.iter().filter_map(|job| states.get(job).copied())))
        })?;
        return Err(Failure::usage(format!("nothing was cancelled: meanwhile, {stand}")));
    }
    say(format!("{} cancelled; `sweep retry --cancelled` takes it back", plural(cancelled, "job")));
    Ok(Exit::Ok)
}
