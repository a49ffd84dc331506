//! The run itself as a Slurm job.

use std::fs;

use crate::run::agents::Elsewhere;
use crate::{Failure, Tell};
use sweep_wire::home::Home;

/// Hands a command to Slurm. The run continues there, and this process ends. `after`: starts when that job has ended.
///
/// # Errors
///
/// Slurm does not accept it, or Slurm is not what starts agents.
pub(crate) fn submit(
    home: &Home,
    elsewhere: &Elsewhere,
    (command, after): (&[String], Option<&str>),
    tell: &Tell,
) -> Result<(), Failure> {
    let Some(slurm) = &elsewhere.slurm else {
        return Err(Failure::usage("--detach is for --on slurm; elsewhere, start the run in tmux or with nohup"));
    };
    let failed = |error| Failure::environment(format!("{}: {error}", home.logs().display()));
    fs::create_dir_all(home.logs()).map_err(failed)?;
    let job = slurm.detach(command, after);
    let job = job.map_err(|why| Failure::environment(format!("Slurm does not accept the run: {why}")))?;
    let log = home.run_log();
    tell.say(format!(
        "the run is job {job} of Slurm: `sweep status` shows its progress, and its messages are in {}",
        log.display()
    ));
    Ok(())
}
