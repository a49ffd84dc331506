//! What tells, without reading them, whether files are those that have been read before.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use sweep_spec::id::DataId;

/// Changes when the same files would give other samples.
const FORMAT: u32 = 1;

/// What a file system says of a file.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    bytes: u64,
    changed: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// Of the file with this metadata.
    ///
    /// # Errors
    /// Where it is no file.
    pub fn of(metadata: &Metadata) -> io::Result<Self> {
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a file, found a folder or a device"));
        }
        Ok(Stamp { bytes: metadata.len(), changed: metadata.mtime(), nanoseconds: metadata.mtime_nsec() })
    }
}

/// Names, sizes and times of change of files, and what is made of them.
pub(crate) struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    /// Of no file yet. `purpose` is what is made of them.
    pub fn new(purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("sweep samples {FORMAT}: {purpose}\0").as_bytes());
        Fingerprint(hasher)
    }

    /// Adds a file with its name inside the data set.
    pub fn add(&mut self, name: &str, stamp: Stamp) {
        self.0.update(name.as_bytes());
        self.0.update(&[0]);
        for number in [stamp.bytes as i64, stamp.changed, stamp.nanoseconds] {
            self.0.update(&number.to_le_bytes());
        }
    }

    /// As a name of a file.
    pub fn text(&self) -> String {
        DataId::of(self.0.finalize().as_bytes()).to_string()
    }
}
