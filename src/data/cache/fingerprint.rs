//! Which files these are: by what the system says of them, and by their contents.
//!
//! Contents decide. What the system says spares a second reading where it proves that nothing has changed since the first: on a disk of this
//! machine, whose kernel sets the time of change (`ctime`), which no program can set back as `touch`, `tar` and `cp -p` set back that of
//! the contents (`mtime`).

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{fstatfs, statfs};

use crate::regular;
use sweep_spec::id::DataId;
use sweep_system::clock::now;

/// Changes when the same files would give other samples, or are known by something else.
const FORMAT: u32 = 2;

/// Seconds for which a file must have lain unchanged. Times of change have steps, of up to a second; and who writes through mapped memory
/// is seen when the kernel writes it to disk, half a minute later.
const SETTLED: i64 = 60;

/// File systems of this machine that are known to set the time of change with every change: ext2 to 4, XFS, Btrfs, F2FS, ZFS, bcachefs, and
/// the overlay of containers.
const LOCAL: [u32; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x2fc1_2fc1, 0xca45_1a4e, 0x794c_7630];
/// Those in memory, tmpfs and ramfs: they do so, but where a program writes through mapped memory.
const MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// What the time of change of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    /// Nothing: file systems over a network show an old one for a while, or none at all; FAT has none.
    Nothing,
    /// Where it is another, the contents may be others.
    Doubt,
    /// Where it is the same, the contents are the same, too.
    Proof,
}

/// What a file system says of a file.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    bytes: u64,
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds: of the contents, and of anything.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file with this metadata.
    ///
    /// # Errors
    /// Where it is no file.
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

/// What the times of a file system say.
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

/// What the system says of all files of a data set.
pub(crate) struct Fingerprint {
    /// What is made of them, and how they lie: all else that the samples depend on.
    purpose: String,
    /// Names and sizes.
    alike: blake3::Hasher,
    /// And times of the contents.
    dated: blake3::Hasher,
    /// And places and times of change.
    exact: blake3::Hasher,
    bytes: u64,
    files: usize,
    /// The time of the newest change in seconds.
    newest: i64,
    /// What times of change say, at least, of all files.
    word: Word,
    devices: Vec<(u64, Word)>,
    /// When all this was so.
    taken: i64,
}

impl Fingerprint {
    /// Of no file yet, at `path`. `purpose` is what is made of them.
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

    /// Adds a file with its name inside the data set, which lies at `path`.
    pub(crate) fn add(&mut self, name: &str, stamp: Stamp, path: &Path) {
        self.add_on(name, stamp, || word(statfs(path)));
    }

    /// Adds a file that is open.
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
        // A folder may have links to several.
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

    /// A name for files of these names and sizes: where there are none, nothing like it has been read.
    pub(crate) fn alike(&self) -> String {
        name(&self.alike)
    }

    /// A name for these very files, unchanged.
    pub(crate) fn exact(&self) -> String {
        name(&self.exact)
    }

    /// A name for files with these contents: checksums of what was read, part by part.
    pub(crate) fn contents<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> DataId {
        let mut text = format!("sweep samples {FORMAT}: contents: {}", self.purpose);
        for part in parts {
            text.push('\0');
            text.push_str(part);
        }
        DataId::of(text.as_bytes())
    }

    /// Whether files with the same [`Fingerprint::exact`] at any later time have the same contents.
    pub(crate) fn is_settled(&self) -> bool {
        self.word == Word::Proof && self.newest.saturating_add(SETTLED) <= self.taken
    }

    /// Whether the same files, as `later` has them, have been changed in between. Over a network, numbers of files and times of change come
    /// and go, and only the rest is looked at.
    pub(crate) fn changed(&self, later: &Fingerprint) -> bool {
        match self.word {
            Word::Proof | Word::Doubt => self.exact() != later.exact(),
            Word::Nothing => name(&self.dated) != name(&later.dated),
        }
    }

    /// Whether reading all of it takes no time that anybody notices.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes <= 256 << 20 && self.files <= 10_000
    }
}

/// A checksum as a name of a file.
fn name(hasher: &blake3::Hasher) -> String {
    DataId::of(hasher.finalize().as_bytes()).to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As if what it is about had lain there, on a disk of this machine, for as long as is needed.
    pub(crate) fn settle(mut fingerprint: Fingerprint) -> Fingerprint {
        (fingerprint.word, fingerprint.newest) = (Word::Proof, 0);
        fingerprint
    }

    /// As if it lay where the system cannot be believed.
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
    fn whatever_the_system_says_of_a_file_tells_it_from_another() {
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
    fn only_what_has_lain_unchanged_on_a_disk_of_this_machine_is_believed_later() {
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
    fn what_lies_in_memory_or_comes_from_the_kernel_is_not_believed() {
        assert_eq!((word(statfs("/proc")), word(statfs("/nonexistent"))), (Word::Nothing, Word::Nothing));
    }
}
