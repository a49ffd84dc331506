//! `sweep rebuild`: recreates the database from the run directories.

use std::fs;
use std::path::PathBuf;

use super::on;
use super::progress::say;
use super::reading::{block_on, failure, print};
use super::table::plural;
use super::{Exit, Failure, Global};
use sweep_run::Lock;
use sweep_store::rebuild;

#[derive(clap::Args)]
#[command(long_about = "\
Recreate the database from the run directories: the sweeps in HOME/sweeps, the orders and event logs in HOME/runs, \
those of `sweep rescore` too, and what was cancelled or tried again (HOME/decisions.jsonl). The earlier database is kept beside the new one.")]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Exit, Failure> {
    let there = |path: PathBuf| {
        fs::exists(&path).map_err(|error| Failure::environment(format!("cannot look for {}: {error}", path.display())))
    };
    if !there(global.home.runs())? && !there(global.home.sweeps())? {
        let home = global.home.display();
        return Err(Failure::environment(format!(
            "nothing to rebuild from: {home} has neither `sweeps` nor `runs`; --home names the directory of your runs"
        )));
    }
    let _lock = Lock::take(&global.home).map_err(Failure::environment)?;
    let agents = sweep_run::spool::at_work(&global.home, on::delay(&global.home)?).map_err(Failure::environment)?;
    if agents > 0 {
        return Err(Failure::environment(format!(
            "{} of an earlier run may be at work in {}: the same `sweep run` goes on with them, and without --on sends them away first",
            plural(agents, "agent"),
            global.home.display()
        )));
    }
    let workplace = global.workplace(&global.home)?;
    let path = workplace.database.clone();
    let _database = Lock::take_database(&path, &global.home).map_err(Failure::environment)?;
    let rebuilt = block_on(async {
        let rebuilt = rebuild(&global.home, &path).await.map_err(failure)?;
        workplace.publish().await.map_err(failure)?;
        Ok(rebuilt)
    })?;
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
