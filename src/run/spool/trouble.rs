//! What goes wrong with files for a while: said now and then, not each time that it is tried again.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is said at most.
const EVERY: Duration = Duration::from_secs(60);

/// What was said last.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<(String, Instant)>);

impl Trouble {
    /// This file could not be written.
    pub(super) fn say(&mut self, path: &Path, error: &io::Error) {
        let what = error.to_string();
        if self.0.as_ref().is_some_and(|(last, at)| *last == what && at.elapsed() < EVERY) {
            return;
        }
        tracing::warn!("{}: {what}; tried again", path.display());
        self.0 = Some((what, Instant::now()));
    }
}
