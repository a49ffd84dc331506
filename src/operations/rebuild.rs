//! Rebuilds the database from the run directories.

use std::fs;
use std::path::PathBuf;

use crate::database::block_on;
use crate::run::agents;
use crate::{Failure, Places};
use sweep_report::format::plural;
use sweep_run::Lock;
use sweep_store::Rebuilt;

/// Rebuilds the database of `places`, and keeps the earlier one next to it. Returns its path, and what it contains.
///
/// # Errors
///
/// There is nothing to rebuild it from, or a run is at work.
pub fn rebuild(places: &Places) -> Result<(PathBuf, Rebuilt), Failure> {
    let there = |path: PathBuf| {
        fs::exists(&path).map_err(|error| Failure::environment(format!("cannot look for {}: {error}", path.display())))
    };
    if !there(places.home.runs())? && !there(places.home.sweeps())? {
        let home = places.home.display();
        return Err(Failure::environment(format!(
            "nothing to rebuild from: {home} has neither `sweeps` nor `runs`; --home names the directory of your runs"
        )));
    }
    let _lock = Lock::take(&places.home).map_err(Failure::environment)?;
    let agents = sweep_run::spool::at_work(&places.home, agents::delay(&places.home)?).map_err(Failure::environment)?;
    if agents > 0 {
        return Err(Failure::environment(format!(
            "{} of an earlier run may be at work in {}: the same `sweep run` continues with them; without --on, it \
            dismisses them first",
            plural(agents, "agent"),
            places.home.display()
        )));
    }
    let workplace = places.workplace(&places.home)?;
    let path = workplace.database.clone();
    let _database = Lock::take_database(&path, &places.home).map_err(Failure::environment)?;
    let rebuilt = block_on(async {
        let rebuilt = sweep_store::rebuild(&places.home, &path).await?;
        workplace.publish().await?;
        Ok(rebuilt)
    })?;
    Ok((path, rebuilt))
}
