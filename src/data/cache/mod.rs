//! Caches samples that are slow to produce. They are read once from the user's files, written as they are used in
//! training, and then mapped into memory.
//!
//! ```text
//! ROOT/cache/lock                  held by the process that is making a cache; others wait
//! ROOT/cache/index/NAME            maps what was read to CONTENT, under three names: a checksum of its contents; one
//! of
//!                                  the names and sizes of its files, so files without a match are not compared; and
//!                                  one
//!                                  of all their metadata
//! ROOT/cache/making/PLACE/         samples.bin, labels.bin, journal.jsonl with a line for each piece that is on disk,
//!                                  and head.json, which describes the input
//! ROOT/cache/CONTENT/              samples.bin, labels.bin, manifest.json: complete, never changed again
//! ```
//!
//! CONTENT is a checksum of the shape and the checksums of all pieces. So a data set is identified by the samples used
//! in training, wherever it came from. Files at a path are identified by their contents: if they look like files that
//! were read before, they are read again and compared (`fingerprint.rs` says when this is not necessary). So a folder
//! that was moved is recognised without decoding it again.

mod build;
mod event;
mod fingerprint;
mod input;
mod manifest;
mod mapped;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};

pub(super) use build::{build, checksum, known, made_of};
pub use event::PrepareEvent;
pub(super) use fingerprint::{Fingerprint, Stamp};
pub(super) use input::{Block, Form, Input, Labelled};
pub use manifest::{Damaged, Manifest, Values};
pub use mapped::Mapped;

use super::DataError;
use sweep_spec::id::DataId;

/// Returns the folder of all caches.
fn home(root: &Path) -> PathBuf {
    root.join("cache")
}

/// Returns the folder that maps inputs to caches.
fn index(root: &Path) -> PathBuf {
    home(root).join("index")
}

/// Returns the folder of unfinished caches.
pub fn unfinished_dir(root: &Path) -> PathBuf {
    home(root).join("making")
}

/// Returns the folder of one cache.
fn folder(root: &Path, content: DataId) -> Folder {
    Folder(home(root).join(content.to_string()))
}

/// A folder with samples: a cache, or one that is being made.
#[derive(Clone, Debug)]
struct Folder(PathBuf);

impl Folder {
    /// Returns its path.
    fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the file with the samples, one after another.
    fn samples(&self) -> PathBuf {
        self.0.join("samples.bin")
    }

    /// Returns the file with their labels.
    fn labels(&self) -> PathBuf {
        self.0.join("labels.bin")
    }

    /// Returns the file that describes a finished cache.
    fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// Returns the file with a line for each piece that is on disk.
    fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// Returns the file that describes the input.
    fn head(&self) -> PathBuf {
        self.0.join("head.json")
    }
}

/// A folder with a manifest: a finished cache.
#[derive(Debug)]
pub struct Cached {
    /// Its name.
    pub content: DataId,
    /// Its path.
    pub folder: PathBuf,
    /// Its contents, or what is wrong with it.
    pub manifest: Result<Manifest, DataError>,
}

/// Returns the bytes of unfinished caches under `root`: those being made, and those that will be continued when their
/// data set is read again.
pub fn unfinished_bytes(root: &Path) -> u64 {
    let files = |folder: std::fs::DirEntry| std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
    let folders = std::fs::read_dir(unfinished_dir(root)).into_iter().flatten().flatten();
    folders.flat_map(files).filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Removes a cache. A process that has mapped it keeps it until that process ends. The data set is read again when it
/// is next needed.
///
/// # Errors
///
/// If that is not permitted.
pub fn remove(root: &Path, content: DataId) -> std::io::Result<()> {
    let folder = folder(root, content);
    // The manifest goes first, so a crash does not leave something that looks like a cache.
    for file in [folder.manifest(), folder.samples(), folder.labels()] {
        sweep_system::whole::remove(&file)?;
    }
    std::fs::remove_dir_all(folder.path())
}

/// Returns all caches under `root`, sorted by name.
pub fn list(root: &Path) -> Vec<Cached> {
    let entries = std::fs::read_dir(home(root)).into_iter().flatten().flatten();
    let mut contents: Vec<DataId> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    contents.sort_unstable();
    let cached = |content| Cached {
        content,
        folder: folder(root, content).0,
        manifest: Mapped::open(root, content).map(|mapped| mapped.manifest().clone()),
    };
    contents.into_iter().map(cached).collect()
}
