//! `sweep cancel`: jobs that are not to be trained any more.

use super::stderr::say;
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_operations::decisions::cancel;

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
    let cancelled = cancel(&global.places, args.sweep.as_deref(), &args.jobs)?;
    say(format!("{} cancelled; `sweep retry --cancelled` takes it back", plural(cancelled, "job")));
    Ok(Exit::Ok)
}
