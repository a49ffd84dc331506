//! Whether somebody is at work on a database, seen from outside.

use std::path::Path;

use super::{Lock, is_far, is_paused};
use sweep_wire::home::Home;

/// The orchestrator of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orchestrator {
    /// None is there. One that was killed leaves jobs that seem to run.
    Absent,
    /// One trains, or writes.
    AtWork,
    /// One waits for `sweep resume`.
    Paused,
}

impl Orchestrator {
    /// That of `database`, whose runs are in `home`. Neither waits nor keeps anything.
    pub fn of(database: &Path, home: &Home) -> Self {
        // Where locks cannot be read (another user's home) the database is all there is to go by.
        let holder = match Lock::database_holder(database) {
            // Another machine's database is not this one.
            Ok(None) if is_far(home) => Lock::holder(home),
            holder => holder,
        };
        match holder {
            Ok(None) => Orchestrator::Absent,
            // Nor can it be seen there whether it is paused.
            Ok(Some(_)) | Err(_) if is_paused(home).unwrap_or(false) => Orchestrator::Paused,
            Ok(Some(_)) | Err(_) => Orchestrator::AtWork,
        }
    }
}
