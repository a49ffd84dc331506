//! `sweep retry`: retries failed or cancelled jobs.

use super::stderr::say;
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_operations::decisions::{Again, Waiting, retry};
use sweep_system::shell::operands;

#[derive(clap::Args)]
#[command(
    after_help = AFTER,
    group = clap::ArgGroup::new("which").required(true).multiple(true).args(["failed", "cancelled", "jobs"])
)]
pub(crate) struct Args {
    /// The sweep [default: all sweeps; with --job, the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// All failed jobs
    #[arg(long)]
    failed: bool,
    /// All cancelled jobs
    #[arg(long)]
    cancelled: bool,
    /// A job's id, or its first characters; may be given several times
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID")]
    jobs: Vec<String>,
}

const AFTER: &str = "The jobs wait again, and the next `sweep run` of their file trains them: failed ones from their \
    last checkpoint, cancelled ones from a checkpoint that still contains them, or from the start. No run may be at \
    work in the same place.";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { sweep, failed, cancelled, jobs } = args;
    let Waiting { jobs, files } = retry(&global.places, &Again { sweep, failed, cancelled, jobs })?;
    let (waits, them) = if jobs == 1 { ("waits", "it") } else { ("wait", "them") };
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    say(format!("{} {waits} again: `sweep run {}` trains {them}", plural(jobs, "job"), operands(&files)));
    Ok(Exit::Ok)
}
