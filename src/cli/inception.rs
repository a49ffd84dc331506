//! The weights of the Inception network in `sweep data`.

use std::path::Path;

use serde_json::{Value, json};

use super::sets::{Condition, shown, size};
use sweep_data::Depth;
use sweep_data::inception::{self, NAME, WeightsFile};

/// What there is of them.
pub(super) struct Weights(Option<WeightsFile>);

impl Weights {
    pub(super) fn of(root: &Path, depth: Depth) -> Self {
        Weights(inception::state(root, depth))
    }

    pub(super) fn condition(&self) -> Condition {
        match &self.0 {
            None => Condition::Missing,
            Some(file) if file.flaw.is_some() => Condition::Damaged,
            Some(_) => Condition::Present,
        }
    }

    /// A row of the table of data sets.
    pub(super) fn row(&self, root: &Path) -> Vec<String> {
        let folder = self.0.as_ref().and_then(|file| file.path.parent());
        let bytes = size(self.0.as_ref().map_or(0, |file| file.bytes));
        [NAME, self.condition().word(), "-", "-", &bytes, &shown(root, folder)].map(str::to_owned).to_vec()
    }

    pub(super) fn as_json(&self) -> Value {
        json!({
            "name": NAME,
            "state": self.condition().word(),
            "path": self.0.as_ref().map(|file| file.path.display().to_string()),
            "bytes": self.0.as_ref().map(|file| file.bytes),
            "problem": self.0.as_ref().and_then(|file| file.flaw.as_ref()).map(ToString::to_string),
        })
    }

    /// The line of a sound file.
    pub(super) fn verified(&self) -> Option<String> {
        let file = self.0.as_ref().filter(|file| file.flaw.is_none())?;
        let checksum = file.sha256().map_or("(no published checksum)".to_owned(), |sha256| format!("SHA-256 {sha256}"));
        Some(format!("ok  {checksum}  {}\n", file.path.display()))
    }

    /// What is wrong and what to do about it; empty where nothing is.
    pub(super) fn advice(&self, root: &Path) -> String {
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
