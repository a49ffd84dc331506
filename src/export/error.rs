//! Why an export fails.

use std::io;
use std::path::{Path, PathBuf};

/// Why an export fails.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The program lacks the format.
    #[error(
        "this sweep was built without Parquet: build it with `cargo build --release --features parquet`, or export \
         as csv"
    )]
    NotBuilt,
    /// What was named is no place for it.
    #[error("{0}")]
    Usage(String),
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The server was not reached, or what it said makes no sense.
    #[error("{address}: no answer of an MLflow server: {why}")]
    NoServer {
        /// What was asked.
        address: String,
        /// What came of it.
        why: String,
    },
    /// The server refused.
    #[error("{address}: the server says {status}: {message}")]
    Refused {
        /// What was asked.
        address: String,
        /// As HTTP has it.
        status: u16,
        /// Its word for it, such as `RESOURCE_DOES_NOT_EXIST`.
        code: String,
        /// In its words.
        message: String,
    },
}

impl ExportError {
    /// Whether something else has to be asked for.
    pub fn is_usage(&self) -> bool {
        matches!(self, ExportError::NotBuilt | ExportError::Usage(_))
    }

    /// Why a file cannot be written.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> ExportError + use<> {
        let path = path.to_owned();
        |source| ExportError::Write { path, source }
    }
}
