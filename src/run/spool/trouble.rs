//! Temporary problems with files. They are reported now and then, not each time that a write is retried.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// The least time between two reports.
const EVERY: Duration = Duration::from_secs(60);

/// The last report.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<(String, Instant)>);

impl Trouble {
    /// Reports that this file could not be written.
    pub(super) fn say(&mut self, path: &Path, error: &io::Error) {
        let what = error.to_string();
        if self.0.as_ref().is_some_and(|(last, at)| *last == what && at.elapsed() < EVERY) {
            return;
        }
        tracing::warn!("{}: {what}; retrying", path.display());
        self.0 = Some((what, Instant::now()));
    }
}
