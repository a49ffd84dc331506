//! Reporting: appends an event to the log and prints a line on stdout that tells the orchestrator to read the log.

use std::io::Write;
use std::path::Path;

use sweep_spec::id::CohortId;
use sweep_wire::event::Event;
use sweep_wire::log::{LogError, Writer};

/// The log of one attempt.
pub(crate) struct Report {
    log: Writer,
    written: u64,
}

impl Report {
    /// Starts the log at `path`.
    pub(crate) fn start(path: &Path, cohort: CohortId, attempt: u32) -> Result<Self, LogError> {
        Ok(Report { log: Writer::create(path, cohort, attempt)?, written: 0 })
    }

    /// Flushes what was appended to the disk.
    pub(crate) fn sync(&mut self) -> Result<(), LogError> {
        self.log.sync()
    }

    /// Appends `event`.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), LogError> {
        self.log.append(event)?;
        self.written += 1;
        // If nobody reads stdout, training continues: the orchestrator reads the log when it is back.
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{}", self.written).and_then(|()| stdout.flush());
        Ok(())
    }
}
