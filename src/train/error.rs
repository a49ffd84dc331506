//! Errors of the files that training saves.

use std::io;
use std::path::{Path, PathBuf};

use sweep_tensor::file::FileError;

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The checkpoint.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is invalid.
    #[error("{path}: {message}")]
    Unusable {
        /// The checkpoint.
        path: PathBuf,
        /// What was expected and what was found.
        message: String,
    },
}

impl CheckpointError {
    pub(super) fn at(path: &Path) -> impl Fn(FileError) -> CheckpointError {
        |error| match error {
            FileError::Io(source) => CheckpointError::Io { path: path.to_owned(), source },
            FileError::Unusable(message) => CheckpointError::Unusable { path: path.to_owned(), message },
        }
    }
}
