//! The weights of the Inception network: whether they are there and intact.

use std::path::Path;

use crate::data_files::Condition;
use sweep_data::Depth;
use sweep_data::inception::{self, NAME, WeightsFile};

/// The weights that are there.
pub struct Weights(Option<WeightsFile>);

impl Weights {
    /// Looks for them.
    pub fn of(root: &Path, depth: Depth) -> Self {
        Weights(inception::state(root, depth))
    }

    /// Returns their condition.
    pub fn condition(&self) -> Condition {
        match &self.0 {
            None => Condition::Missing,
            Some(file) if file.flaw.is_some() => Condition::Damaged,
            Some(_) => Condition::Present,
        }
    }

    /// Returns the file, if there is one.
    pub fn file(&self) -> Option<&WeightsFile> {
        self.0.as_ref()
    }

    /// Returns what is wrong and what to do about it; empty if nothing is.
    pub fn advice(&self, root: &Path) -> String {
        match self.0.as_ref().map(|file| (&file.path, &file.flaw)) {
            None => format!(
                "{NAME}, the network behind the Inception score and FID of photographs, is not in {}: run `sweep data \
                fetch {NAME}`, or name a file that you have with SWEEP_INCEPTION",
                root.display()
            ),
            Some((path, Some(flaw))) => format!(
                "{NAME}: {}: {flaw}; run `sweep data fetch {NAME}` to get an intact one, or name another with \
                SWEEP_INCEPTION",
                path.display()
            ),
            Some((_, None)) => String::new(),
        }
    }
}
