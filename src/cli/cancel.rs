//! `sweep cancel`: cancels jobs.

use super::stderr::say;
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_operations::decisions::cancel;

#[derive(clap::Args)]
#[command(
    after_help = AFTER,
    group = clap::ArgGroup::new("which").required(true).multiple(true).args(["sweep", "jobs"])
)]
pub(crate) struct Args {
    /// The sweep: cancels all of its unfinished jobs, unless --job names some
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// A job's id, or its first characters; may be given several times
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID")]
    jobs: Vec<String>,
}

const AFTER: &str = "Workers check for cancelled jobs twice a second between steps, and go on with the other jobs of \
    the cohort. A worker of your own (SWEEP_WORKER) is stopped, and the others continue from its checkpoint. Scores \
    that a job has so far stay in the database. `sweep retry --cancelled` undoes the cancellation.";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let cancelled = cancel(&global.places, args.sweep.as_deref(), &args.jobs)?;
    say(format!("{} cancelled; `sweep retry --cancelled` undoes that", plural(cancelled, "job")));
    Ok(Exit::Ok)
}
