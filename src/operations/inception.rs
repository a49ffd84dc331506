//! The weights of the Inception network: what there is of them.

use std::path::Path;

use crate::data_files::Condition;
use sweep_data::Depth;
use sweep_data::inception::{self, NAME, WeightsFile};

/// What there is of them.
pub struct Weights(Option<WeightsFile>);

impl Weights {
    /// Looks for them.
    pub fn of(root: &Path, depth: Depth) -> Self {
        Weights(inception::state(root, depth))
    }

    /// How they are.
    pub fn condition(&self) -> Condition {
        match &self.0 {
            None => Condition::Missing,
            Some(file) if file.flaw.is_some() => Condition::Damaged,
            Some(_) => Condition::Present,
        }
    }

    /// The file, where there is one.
    pub fn file(&self) -> Option<&WeightsFile> {
        self.0.as_ref()
    }

    /// What is wrong and what to do about it; empty where nothing is.
    pub fn advice(&self, root: &Path) -> String {
        match self.0.as_ref().map(|file| (&file.path, &file.flaw)) {
            None => format!(
                "{NAME}, the network behind the Inception score and FID of photographs, is not in {}: run `sweep data fetch {NAME}`, or name \
                 a file that you have with SWEEP_INCEPTION",
                root.display()
            ),
            Some((path, Some(flaw))) => format!(
                "{NAME}: {}: {flaw}; run `sweep data fetch {NAME}` to get a sound one, or name another with SWEEP_INCEPTION",
                path.display()
            ),
            Some((_, None)) => String::new(),
        }
    }
}
