//! The files of a run, by their names.

use std::io;
use std::path::{Path, PathBuf};

use sweep_spec::id::CohortId;

/// The name of the checkpoint in a cohort's directory.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
/// The checkpoint before the newest, in a cohort's directory.
pub(super) const PREVIOUS: &str = "checkpoint.previous.safetensors";

/// A file of the home directory cannot be written, or read where it must be.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct WriteError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Where a cohort's files are, relative to the home directory.
pub fn directory(cohort: CohortId) -> PathBuf {
    Path::new("runs").join(cohort.to_string())
}

/// Where an attempt's log is, relative to the home directory.
pub fn events(cohort: CohortId, number: u32) -> PathBuf {
    directory(cohort).join(format!("attempt-{number}")).join("events.jsonl")
}
