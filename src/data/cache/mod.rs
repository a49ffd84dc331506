//! Samples that took work to make, made once: read from where the user has them, written as they are trained on, mapped into memory.
//!
//! ```text
//! ROOT/cache/lock                  held by the process that is making a cache; others wait
//! ROOT/cache/index/NAME            what was read -> CONTENT, under three names: a checksum of its contents; one of the names and sizes of its
//!                                  files, so that what nothing is like need not be compared; and one of all that the system says of them
//! ROOT/cache/making/PLACE/         samples.bin, labels.bin, journal.jsonl with a line for each piece that is safely on disk, and head.json,
//!                                  which says of what
//! ROOT/cache/CONTENT/              samples.bin, labels.bin, manifest.json: complete, never changed again
//! ```
//!
//! CONTENT is a checksum over the shape and the checksums of all pieces: a data set is known by what is trained on, and lies under the same
//! name wherever it came from. What is at a path is known by its contents: files that look like some that were read are read again and compared
//! (`fingerprint.rs` says when that is spared), and so a folder that moved is found again without being decoded.

mod build;
mod event;
mod fingerprint;
mod input;
mod making;
mod manifest;
mod mapped;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(super) use build::{build, checksum, known, made_of};
pub use event::PrepareEvent;
pub(super) use fingerprint::{Fingerprint, Stamp};
pub(super) use input::{Block, Form, Input, Labelled};
pub use manifest::{Damaged, Manifest, Values};
pub use mapped::Mapped;

use super::DataError;
use sweep_spec::id::DataId;

/// The folder of all caches.
fn home(root: &Path) -> PathBuf {
    root.join("cache")
}

/// The folder in which they are found by what they were made from.
fn index(root: &Path) -> PathBuf {
    home(root).join("index")
}

/// The folder of those that are not finished.
pub fn making(root: &Path) -> PathBuf {
    home(root).join("making")
}

/// The folder of one.
fn folder(root: &Path, content: DataId) -> Folder {
    Folder(home(root).join(content.to_string()))
}

/// A folder with samples: a cache, or one that is being made.
#[derive(Clone, Debug)]
struct Folder(PathBuf);

impl Folder {
    /// Where it is.
    fn path(&self) -> &Path {
        &self.0
    }

    /// Samples, one after another.
    fn samples(&self) -> PathBuf {
        self.0.join("samples.bin")
    }

    /// Their labels.
    fn labels(&self) -> PathBuf {
        self.0.join("labels.bin")
    }

    /// What is in a finished one.
    fn manifest(&self) -> PathBuf {
        self.0.join("manifest.json")
    }

    /// The file with a line for each piece that is safely on disk.
    fn journal(&self) -> PathBuf {
        self.0.join("journal.jsonl")
    }

    /// The file that says from what.
    fn head(&self) -> PathBuf {
        self.0.join("head.json")
    }
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

/// Removes a cache; what is mapped of it stays until its process ends. The data set is read again when it is needed next.
///
/// # Errors
///
/// Where that is not allowed.
pub fn remove(root: &Path, content: DataId) -> std::io::Result<()> {
    let folder = folder(root, content);
    // First what makes it one: what is left of it after a crash is none, then.
    for file in [folder.manifest(), folder.samples(), folder.labels()] {
        sweep_system::whole::remove(&file)?;
    }
    std::fs::remove_dir_all(folder.path())
}

/// All caches under `root`, in the order of their names.
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
