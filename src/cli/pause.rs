//! `sweep pause` and `sweep resume`: a run leaves its devices to others for a while.

use super::progress::say;
use super::{Exit, Failure, Global};
use sweep_run::{Answer, Request};
use sweep_wire::home::Home;

#[derive(clap::Args)]
#[command(long_about = "\
Pause the run that is at work: its workers stop after a checkpoint, so that their devices and memory are free, and none is started until \
`sweep resume`. The run itself stays, and waits.")]
pub(crate) struct PauseArgs {}

#[derive(clap::Args)]
#[command(long_about = "Let the run that was paused go on from its checkpoints.")]
pub(crate) struct ResumeArgs {}

pub(crate) fn pause(global: &Global, _args: PauseArgs) -> Result<Exit, Failure> {
    ask(global, &Request::Pause, "paused: workers checkpoint and stop; `sweep resume` goes on")
}

pub(crate) fn resume(global: &Global, _args: ResumeArgs) -> Result<Exit, Failure> {
    ask(global, &Request::Resume, "the run goes on")
}

fn ask(global: &Global, request: &Request, done: &str) -> Result<Exit, Failure> {
    let home = global.absolute_home()?;
    match sweep_run::ask(&home, request).map_err(Failure::environment)? {
        Answer::Done => {
            say(done);
            Ok(Exit::Ok)
        }
        Answer::Nobody => Err(Failure::environment(format!(
            "no run is at work in {}: `sweep run FILE` starts one, --home names another place",
            home.display()
        ))),
        Answer::Silent => Err(unanswered(&home)),
    }
}

/// A run is there, and does not do what it is asked for.
pub(super) fn unanswered(home: &Home) -> Failure {
    Failure::environment(format!(
        "the run in {} does not answer: its process may be stopped or very busy; {} says which it is",
        home.display(),
        home.lock().display()
    ))
}
