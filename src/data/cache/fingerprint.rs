//! Identifies files, by metadata and by contents.
//!
//! Contents decide. Metadata saves reading files again if it proves that nothing has changed since. It does so on local
//! disks, whose kernel sets the time of change (`ctime`). Unlike the time of the contents (`mtime`), which `touch`,
//! `tar` and `cp -p` can set back, no program can change it.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{fstatfs, statfs};

use crate::regular;
use sweep_spec::id::DataId;
use sweep_system::clock::now;

/// Increased when the same files would give other samples, or are identified in another way.
const FORMAT: u32 = 2;

/// Seconds for which a file must have been unchanged. Times of change have a resolution of up to a second, and changes
/// through mapped memory only show when the kernel writes them to disk, half a minute later.
const SETTLED: i64 = 60;

/// Local file systems that are known to update the time of change with every change: ext2 to 4, XFS, Btrfs, F2FS, ZFS,
/// bcachefs, and the overlay of containers.
const LOCAL: [u32; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x794c_7630];
/// In-memory file systems, tmpfs and ramfs. They do so too, except for changes through mapped memory.
const MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// What the time of change of a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    /// Nothing. Network file systems may show an old time, or none; FAT has none.
    Nothing,
    /// If it differs, the contents may differ.
    Doubt,
    /// If it is the same, the contents are the same.
    Proof,
}

/// The metadata of a file.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    bytes: u64,
    device: u64,
    inode: u64,
    /// Times in seconds and nanoseconds: `mtime` and `ctime`.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Takes the metadata of a file.
    ///
    /// # Errors
    /// If it is not a regular file.
    pub(crate) fn of(metadata: &Metadata) -> io::Result<Self> {
        if let Some(kind) = regular::kind(metadata) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("expected a file, found {kind}")));
        }
        Ok(Stamp {
            bytes: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Returns what the times of a file system tell.
fn word(found: rustix::io::Result<rustix::fs::StatFs>) -> Word {
    let kind = found.map_or(0, |found| (found.f_type as i128 & 0xffff_ffff) as u32);
    if LOCAL.contains(&kind) {
        Word::Proof
    } else if MEMORY.contains(&kind) {
        Word::Doubt
    } else {
        Word::Nothing
    }
}

/// The metadata of all files of a data set.
pub(crate) struct Fingerprint {
    /// What is made of the files, and their layout: everything else that the samples depend on.
    purpose: String,
    /// Names and sizes.
    alike: blake3::Hasher,
    /// Also `mtime`.
    dated: blake3::Hasher,
    /// Also inodes and `ctime`.
    exact: blake3::Hasher,
    bytes: u64,
    files: usize,
    /// The latest time of change, in seconds.
    newest: i64,
    /// The least that times of change tell for any file.
    word: Word,
    devices: Vec<(u64, Word)>,
    /// When the metadata was read.
    taken: i64,
}

impl Fingerprint {
    /// Starts without files, at `path`. `purpose` says what is made of them.
    pub(crate) fn new(purpose: String, path: &Path) -> Self {
        let start = |what: &str| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(format!("sweep samples {FORMAT}: {what}: {purpose}\0").as_bytes());
            hasher
        };
        let (alike, dated, mut exact) = (start("alike"), start("dated"), start("exact"));
        exact.update(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str().as_encoded_bytes());
        let taken = now() as i64;
        let (newest, word, devices) = (i64::MIN, Word::Proof, Vec::new());
        Fingerprint { purpose, alike, dated, exact, bytes: 0, files: 0, newest, word, devices, taken }
    }

    /// Adds a file. `name` is relative to the data set, which is at `path`.
    pub(crate) fn add(&mut self, name: &str, stamp: Stamp, path: &Path) {
        self.add_on(name, stamp, || word(statfs(path)));
    }

    /// Adds an open file.
    pub(crate) fn add_open(&mut self, stamp: Stamp, file: &File) {
        self.add_on("", stamp, || word(fstatfs(file)));
    }

    fn add_on(&mut self, name: &str, stamp: Stamp, word: impl FnOnce() -> Word) {
        let Stamp { bytes, device, inode, modified, changed } = stamp;
        for hasher in [&mut self.alike, &mut self.dated, &mut self.exact] {
            hasher.update(name.as_bytes());
            hasher.update(&[0]);
            hasher.update(&bytes.to_le_bytes());
        }
        for hasher in [&mut self.dated, &mut self.exact] {
            hasher.update(&modified.0.to_le_bytes()).update(&modified.1.to_le_bytes());
        }
        self.exact.update(&device.to_le_bytes()).update(&inode.to_le_bytes());
        self.exact.update(&changed.0.to_le_bytes()).update(&changed.1.to_le_bytes());
        // Links in a folder may lead to several file systems.
        let word = match self.devices.iter().find(|(known, _)| *known == device) {
            Some(&(_, word)) => word,
            None => {
                let word = word();
                self.devices.push((device, word));
                word
            }
        };
        self.word = self.word.min(word);
        self.newest = self.newest.max(changed.0);
        self.bytes = self.bytes.saturating_add(bytes);
        self.files += 1;
    }

    /// Returns a name for files with these names and sizes. If it is unknown, no similar files have been read.
    pub(crate) fn alike(&self) -> String {
        name(&self.alike)
    }

    /// Returns a name for exactly these files, unchanged.
    pub(crate) fn exact(&self) -> String {
        name(&self.exact)
    }

    /// Returns a name for files with these contents: checksums of what was read, part by part.
    pub(crate) fn contents<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> DataId {
        let mut text = format!("sweep samples {FORMAT}: contents: {}", self.purpose);
        for part in parts {
            text.push('\0');
            text.push_str(part);
        }
        DataId::of(text.as_bytes())
    }

    /// Returns whether files with the same [`Fingerprint::exact`] at any later time have the same contents.
    pub(crate) fn is_settled(&self) -> bool {
        self.word == Word::Proof && self.newest.saturating_add(SETTLED) <= self.taken
    }

    /// Returns whether the files have changed until `later`. On network file systems, inodes and times of change are
    /// unreliable, so only the rest is compared.
    pub(crate) fn changed(&self, later: &Fingerprint) -> bool {
        match self.word {
            Word::Proof | Word::Doubt => self.exact() != later.exact(),
            Word::Nothing => name(&self.dated) != name(&later.dated),
        }
    }

    /// Returns whether reading all files takes a negligible time.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes <= 256 << 20 && self.files <= 10_000
    }
}

/// Returns a checksum as a file name.
fn name(hasher: &blake3::Hasher) -> String {
    DataId::of(hasher.finalize().as_bytes()).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Pretends that the files have been unchanged on a local disk for long enough.
    pub(crate) fn settle(mut fingerprint: Fingerprint) -> Fingerprint {
        (fingerprint.word, fingerprint.newest) = (Word::Proof, 0);
        fingerprint
    }

    /// Pretends that the files are where metadata is unreliable.
    pub(crate) fn unsettle(fingerprint: Fingerprint) -> Fingerprint {
        Fingerprint { word: Word::Nothing, ..fingerprint }
    }

    impl Fingerprint {
        pub(crate) fn add_for_test(&mut self, name: &str) {
            self.add_on(name, stamp(), || Word::Proof);
        }
    }

    fn stamp() -> Stamp {
        Stamp { bytes: 9, device: 1, inode: 2, modified: (3, 4), changed: (5, 6) }
    }

    fn of(stamp: Stamp, word: Word) -> Fingerprint {
        let mut fingerprint = Fingerprint::new("test".to_owned(), Path::new("/somewhere"));
        fingerprint.add_on("name", stamp, || word);
        fingerprint
    }

    #[test]
    fn any_metadata_distinguishes_files() {
        let same = of(stamp(), Word::Proof);
        assert_eq!(same.exact(), of(stamp(), Word::Proof).exact());
        for other in [
            Stamp { bytes: 8, ..stamp() },
            Stamp { device: 8, ..stamp() },
            Stamp { inode: 8, ..stamp() },
            Stamp { modified: (3, 8), ..stamp() },
            Stamp { modified: (8, 4), ..stamp() },
            Stamp { changed: (5, 8), ..stamp() },
            Stamp { changed: (8, 6), ..stamp() },
        ] {
            assert_ne!(same.exact(), of(other, Word::Proof).exact());
            assert!(same.changed(&of(other, Word::Proof)));
            assert_eq!(same.alike() == of(other, Word::Proof).alike(), other.bytes == 9, "names and sizes alone");
            let seen = (other.bytes, other.modified) != (9, (3, 4));
            assert_eq!(
                of(stamp(), Word::Nothing).changed(&of(other, Word::Nothing)),
                seen,
                "over a network, inodes come and go"
            );
            assert!(of(stamp(), Word::Doubt).changed(&of(other, Word::Doubt)));
        }
    }

    #[test]
    fn metadata_is_proof_only_for_files_unchanged_for_a_while_on_a_local_disk() {
        let at = |changed: i64, taken: i64, word| {
            let mut fingerprint = of(Stamp { changed: (changed, 0), ..stamp() }, word);
            fingerprint.taken = taken;
            fingerprint.is_settled()
        };
        assert!(at(1000, 1060, Word::Proof) && !at(1000, 1059, Word::Proof));
        assert!(!at(1000, 999, Word::Proof), "a clock that was set back says nothing");
        assert!(!at(1000, 9999, Word::Nothing) && !at(1000, 9999, Word::Doubt));
        let mut two = of(stamp(), Word::Proof);
        two.add_on("on another file system", Stamp { device: 7, ..stamp() }, || Word::Doubt);
        assert!(!two.is_settled());
    }

    #[test]
    fn metadata_of_in_memory_and_kernel_files_is_no_proof() {
        assert_eq!((word(statfs("/proc")), word(statfs("/nonexistent"))), (Word::Nothing, Word::Nothing));
    }
}
