//! `sweep rebuild`: rebuilds the database from the run directories.

use super::stderr::say;
use super::stdout::print;
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_operations::rebuild::rebuild;

#[derive(clap::Args)]
#[command(
    long_about = "Rebuild the database from the run directories: from the sweeps in HOME/sweeps, the orders and event \
        logs in HOME/runs, including those of `sweep rescore`, and the record of cancelled and retried jobs \
        (HOME/decisions.jsonl). The earlier database is kept next to the new one."
)]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Exit, Failure> {
    let (path, rebuilt) = rebuild(&global.places)?;
    for warning in &rebuilt.warnings {
        say(format!("warning: left out: {warning}"));
    }
    let (sweeps, attempts) = (plural(rebuilt.sweeps, "sweep"), plural(rebuilt.attempts, "attempt"));
    let mut text = format!("{}: {sweeps}, {attempts}", path.display());
    if rebuilt.rescorings > 0 {
        text.push_str(&format!(", {}", plural(rebuilt.rescorings, "rescoring")));
    }
    text.push('\n');
    if let Some(backup) = &rebuilt.backup {
        text.push_str(&format!("the earlier database is {}\n", backup.display()));
    }
    print(&text)?;
    Ok(Exit::Ok)
}
