//! Whether an orchestrator is at work on a database, as other processes see it.

use std::path::Path;

use super::{Lock, is_far, is_paused};
use sweep_wire::home::Home;

/// The orchestrator of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orchestrator {
    /// There is none. One that was killed leaves jobs that seem to run.
    Absent,
    /// It trains or writes.
    AtWork,
    /// It waits for `sweep resume`.
    Paused,
}

impl Orchestrator {
    /// Returns the state of the orchestrator of `database`, whose runs are in `home`. Does not wait and does not block
    /// others.
    pub fn of(database: &Path, home: &Home) -> Self {
        // If locks cannot be read (another user's home), the database is the only source.
        let holder = match Lock::database_holder(database) {
            // Each machine may have its own database for this home, so the home's lock counts.
            Ok(None) if is_far(home) => Lock::holder(home),
            holder => holder,
        };
        match holder {
            Ok(None) => Orchestrator::Absent,
            // Whether it is paused may not be readable, either.
            Ok(Some(_)) | Err(_) if is_paused(home).unwrap_or(false) => Orchestrator::Paused,
            Ok(Some(_)) | Err(_) => Orchestrator::AtWork,
        }
    }
}
