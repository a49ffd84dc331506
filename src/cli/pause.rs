//! `sweep pause` and `sweep resume`: a run leaves its devices to others for a while.

use super::stderr::say;
use super::{Exit, Failure, Global};
use sweep_operations::decisions;

#[derive(clap::Args)]
#[command(long_about = "\
Pause the run that is at work: its workers stop after a checkpoint, so that their devices and memory are free, and none is started until \
`sweep resume`. The run itself stays, and waits.")]
pub(crate) struct PauseArgs {}

#[derive(clap::Args)]
#[command(long_about = "Let the run that was paused go on from its checkpoints.")]
pub(crate) struct ResumeArgs {}

pub(crate) fn pause(global: &Global, _args: PauseArgs) -> Result<Exit, Failure> {
    decisions::pause(&global.places)?;
    say("paused: workers checkpoint and stop; `sweep resume` goes on");
    Ok(Exit::Ok)
}

pub(crate) fn resume(global: &Global, _args: ResumeArgs) -> Result<Exit, Failure> {
    decisions::resume(&global.places)?;
    say("the run goes on");
    Ok(Exit::Ok)
}
