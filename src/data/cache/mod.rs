//! Samples that took work to make, made once: read from where the user has them, written as they are trained on, mapped into memory.
//!
//! ```text
//! ROOT/cache/lock                  held by the process that is making a cache; others wait
//! ROOT/cache/index/FINGERPRINT     a name, size and time of change of all files that were read -> CONTENT
//! ROOT/cache/making/FINGERPRINT/   samples.bin, labels.bin, and journal.jsonl with a line for each piece that is safely on disk
//! ROOT/cache/CONTENT/              samples.bin, labels.bin, manifest.json: complete, never changed again
//! ```
//!
//! CONTENT is a checksum over the shape and the checksums of all pieces: a data set is known by what is trained on, and lies under the same
//! name wherever it came from. FINGERPRINT has no path in it, so that a folder that moved is found again without being read.

mod build;
mod fingerprint;
mod input;
mod manifest;
mod mapped;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use build::PrepareEvent;
pub(super) use build::{build, known};
pub(super) use fingerprint::{Fingerprint, Stamp};
pub(super) use input::{Block, Input, Labelled};
pub use manifest::{Damaged, Manifest, Values};
pub use mapped::Mapped;

use super::DataError;
use sweep_spec::id::DataId;

/// The folder of all caches.
fn home(root: &Path) -> PathBuf {
    root.join("cache")
}

/// The folder of those that are not finished.
fn making(root: &Path) -> PathBuf {
    home(root).join("making")
}

/// The folder of one.
fn folder(root: &Path, content: DataId) -> PathBuf {
    home(root).join(content.to_string())
}

/// A folder with a manifest: a cache that has been made.
#[derive(Debug)]
pub struct Cached {
    /// Its name.
    pub content: DataId,
    /// Where it is.
    pub folder: PathBuf,
    /// What is in it, or what is wrong with it.
    pub manifest: Result<Manifest, DataError>,
}

/// Bytes of caches under `root` that are being made, or were not finished and go on when their data set is read again.
pub fn unfinished(root: &Path) -> u64 {
    let files = |folder: std::fs::DirEntry| std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
    let folders = std::fs::read_dir(making(root)).into_iter().flatten().flatten();
    folders.flat_map(files).filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// All caches under `root`, in the order of their names.
pub fn list(root: &Path) -> Vec<Cached> {
    let entries = std::fs::read_dir(home(root)).into_iter().flatten().flatten();
    let mut contents: Vec<DataId> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    contents.sort_unstable();
    let cached = |content| Cached {
        content,
        folder: folder(root, content),
        manifest: Mapped::open(root, content).map(|mapped| mapped.manifest().clone()),
    };
    contents.into_iter().map(cached).collect()
}
