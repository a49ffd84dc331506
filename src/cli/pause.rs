//! `sweep pause` and `sweep resume`: let a run free its devices for a while.

use super::stderr::say;
use super::{Exit, Failure, Global};
use sweep_operations::decisions;

#[derive(clap::Args)]
#[command(long_about = "Pause the current run. Its workers save checkpoints and stop, which frees their devices and \
    memory. None is started until `sweep resume`. The run itself keeps waiting.")]
pub(crate) struct PauseArgs {}

#[derive(clap::Args)]
#[command(long_about = "Resume the paused run from its checkpoints.")]
pub(crate) struct ResumeArgs {}

pub(crate) fn pause(global: &Global, _args: PauseArgs) -> Result<Exit, Failure> {
    decisions::pause(&global.places)?;
    say("paused: workers checkpoint and stop; `sweep resume` continues");
    Ok(Exit::Ok)
}

pub(crate) fn resume(global: &Global, _args: ResumeArgs) -> Result<Exit, Failure> {
    decisions::resume(&global.places)?;
    say("the run continues");
    Ok(Exit::Ok)
}
