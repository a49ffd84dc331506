//! `sweep run --detach`: the run itself as a job of Slurm.

use std::env;
use std::fs;

use super::on::Elsewhere;
use super::progress::say;
use super::{Exit, Failure};
use sweep_wire::home::Home;

/// What a run is told that was detached.
const DETACHED: &str = "--detached";
const DETACH: &str = "--detach";

/// Hands the command that was typed to Slurm: it goes on there, and this process ends. `after`: once that job has ended.
///
/// # Errors
///
/// Slurm does not take it, or is not where agents come from.
pub(super) fn submit(home: &Home, elsewhere: &Elsewhere, after: Option<&str>) -> Result<Exit, Failure> {
    let Some(slurm) = &elsewhere.slurm else {
        return Err(Failure::usage("--detach is for --on slurm; elsewhere, start the run in tmux or with nohup"));
    };
    let failed = |error| Failure::environment(format!("{}: {error}", home.logs().display()));
    fs::create_dir_all(home.logs()).map_err(failed)?;
    let job = slurm.detach(&words()?, after);
    let job = job.map_err(|why| Failure::environment(format!("Slurm does not take the run: {why}")))?;
    let log = home.run_log();
    say(format!("the run is job {job} of Slurm: `sweep status` shows how it stands, {} what it says", log.display()));
    Ok(Exit::Ok)
}

/// The command that was typed, as it goes on there.
pub(super) fn words() -> Result<Vec<String>, Failure> {
    let program = env::current_exe().map_err(Failure::environment)?;
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != DETACH && word != DETACHED).chain([DETACHED.to_owned()]);
    Ok(std::iter::once(program.to_string_lossy().into_owned()).chain(words).collect())
}
