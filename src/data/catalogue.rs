//! Finds and loads data sets that consist of known files, and checks them against their published sizes and checksums.

use std::path::{Path, PathBuf};

use super::error::{DataError, Flaw};
use super::file::read;
use super::idx::Idx;
use super::images::Images;
use super::published::{Contents, Depth, FileSet, PublishedFile};
use super::{records, stl10};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// For testing networks.
    Test,
}

/// The state of one file.
#[derive(Debug)]
pub struct FileState {
    /// The file.
    pub file: &'static PublishedFile,
    /// Its path and size in bytes, if it exists.
    pub found: Option<(PathBuf, u64)>,
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
    /// A remark for users, if it can be used but differs from the published file.
    pub note: Option<String>,
}

impl FileState {
    /// Returns whether the file exists and is the published one.
    pub fn is_sound(&self) -> bool {
        self.found.is_some() && self.flaw.is_none()
    }
}

impl FileSet {
    /// Returns the files of one part.
    fn part(self, split: Split) -> &'static [PublishedFile] {
        let (train, test) = match self {
            FileSet::Mnist | FileSet::FashionMnist => self.files().split_at(2),
            FileSet::Cifar10 => self.files().split_at(5),
            FileSet::Stl10 => (self.files(), &[][..]),
        };
        match split {
            Split::Train => train,
            Split::Test => test,
        }
    }

    /// Returns the folder where `sweep data fetch` puts the files.
    pub fn home(self, root: &Path) -> PathBuf {
        match self {
            FileSet::Mnist | FileSet::FashionMnist => root.join(self.name()),
            FileSet::Cifar10 => root.join("cifar-10-batches-bin"),
            FileSet::Stl10 => root.join("stl10_binary"),
        }
    }

    /// Returns the folders that may hold the files, best first: their own folder, folders of other programs, or `root`
    /// itself.
    fn folders(self, root: &Path) -> [PathBuf; 4] {
        let (alias, inner) = match self {
            FileSet::Mnist => ("MNIST", "MNIST/raw"),
            FileSet::FashionMnist => ("fashion-mnist", "FashionMNIST/raw"),
            FileSet::Cifar10 => ("cifar10", "cifar10/cifar-10-batches-bin"),
            FileSet::Stl10 => ("stl10", "stl10/stl10_binary"),
        };
        [self.home(root), root.join(alias), root.join(inner), root.to_owned()]
    }

    /// Returns the path of `file`. Uncompressed files come first because they load faster. In some copies of MNIST,
    /// names have a dot instead of the dash before `idx`.
    fn locate(self, root: &Path, file: &PublishedFile) -> Option<PathBuf> {
        let dotted = file.name.replace("-idx", ".idx");
        let folders = self.folders(root);
        let endings: &[&str] = if matches!(file.contents, Contents::Large { .. }) { &[""] } else { &["", ".gz"] };
        let mut candidates = folders.iter().flat_map(|folder| {
            endings
                .iter()
                .flat_map(|extension| [file.name, &dotted].map(|name| folder.join(format!("{name}{extension}"))))
        });
        candidates.find(|path| path.is_file())
    }

    /// Reads one file if it exists.
    fn load_file(self, root: &Path, file: &'static PublishedFile) -> Option<(PathBuf, Result<Idx, Flaw>)> {
        let path = self.locate(root, file)?;
        let idx = read(&path, file.bytes()).and_then(|contents| file.check(self, contents));
        // Fashion-MNIST uses the same file names as MNIST. If the user's own folder holds the files of the other data
        // set, ignore them.
        let foreign = matches!(idx, Err(Flaw::Swapped { .. })) && path.parent() == Some(root);
        (!foreign).then_some((path, idx))
    }

    /// Loads images and labels of one part.
    ///
    /// # Errors
    /// If a file is missing, or not the published one.
    pub fn load(self, root: &Path, split: Split) -> Result<Images, DataError> {
        if self == FileSet::Stl10 {
            return Err(DataError::Large(self.name()));
        }
        let found: Vec<_> = self.part(split).iter().map(|file| (file, self.load_file(root, file))).collect();
        let missing: Vec<_> = found.iter().filter(|(_, found)| found.is_none()).map(|(file, _)| file.name).collect();
        if !missing.is_empty() {
            return Err(DataError::Missing { set: self.name(), root: root.to_owned(), files: missing });
        }
        let mut arrays = Vec::new();
        for (file, (path, idx)) in found.into_iter().filter_map(|(file, found)| Some((file, found?))) {
            let idx = idx.map_err(|flaw| DataError::File { set: self.name(), path: path.clone(), flaw })?;
            if let Some(note) = smaller(file, &path, idx.dims[0]) {
                tracing::warn!("{note}");
            }
            arrays.push(idx);
        }
        match self {
            FileSet::Mnist | FileSet::FashionMnist => match <[Idx; 2]>::try_from(arrays) {
                Ok([images, labels]) => Images::new(images, labels),
                Err(_) => Err(DataError::Empty),
            },
            FileSet::Cifar10 => records::images(&arrays),
            FileSet::Stl10 => Err(DataError::Large(self.name())),
        }
    }

    /// Returns the path of the only file of a data set that is not read as a whole.
    ///
    /// # Errors
    /// If it is missing.
    pub(super) fn large(self, root: &Path) -> Result<PathBuf, DataError> {
        let missing = || DataError::Missing {
            set: self.name(),
            root: root.to_owned(),
            files: self.files().iter().map(|file| file.name).collect(),
        };
        self.files().iter().find_map(|file| self.locate(root, file)).ok_or_else(missing)
    }

    /// Reads and checks every file.
    pub fn state(self, root: &Path, depth: Depth) -> Vec<FileState> {
        let state = |file: &'static PublishedFile| {
            let path = match file.contents {
                Contents::Large { .. } => self.locate(root, file).map(|path| (file.check_large(&path, depth), path)),
                Contents::Idx { .. } | Contents::Records { .. } => {
                    self.load_file(root, file).map(|(path, idx)| (idx.map(|idx| idx.dims[0]), path))
                }
            };
            let Some((checked, path)) = path else { return FileState { file, found: None, flaw: None, note: None } };
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            let note = checked.as_ref().ok().and_then(|&count| smaller(file, &path, count));
            FileState { file, found: Some((path, size)), flaw: checked.err(), note }
        };
        self.files().iter().map(state).collect()
    }
}

/// Returns a remark about a file that contains only part of the published samples, if that is allowed.
fn smaller(file: &PublishedFile, path: &Path, found: usize) -> Option<String> {
    let most = match file.contents {
        Contents::Records { most, .. } => most,
        Contents::Large { .. } => stl10::PUBLISHED,
        Contents::Idx { .. } => return None,
    };
    let path = path.display();
    (found < most).then(|| {
        format!(
            "{path} has {found} images, the published file has {most}: scores are not comparable with \
            published ones"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::RECORD;

    /// A label file of the right shape with wrong contents.
    fn labels(count: u32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, 1];
        bytes.extend(count.to_be_bytes());
        bytes.resize(8 + count as usize, 3);
        bytes
    }

    /// Returns the error from loading `contents` as training labels.
    fn refusal(contents: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let file = &FileSet::Mnist.files()[1];
        std::fs::write(dir.path().join(file.name), contents).unwrap();
        let (_, idx) = FileSet::Mnist.load_file(dir.path(), file).unwrap();
        idx.unwrap_err().to_string()
    }

    #[test]
    fn the_catalogue_has_the_published_sizes() {
        let bytes = |set: FileSet| set.files().iter().map(PublishedFile::bytes).collect::<Vec<_>>();
        assert_eq!(bytes(FileSet::Mnist), [47_040_016, 60_008, 7_840_016, 10_008]);
        assert_eq!(bytes(FileSet::Cifar10), [30_730_000; 6]);
        assert_eq!(bytes(FileSet::Stl10), [2_764_800_000]);
        for set in FileSet::ALL {
            assert_eq!(FileSet::of(&set.dataset()), Some(set));
            if set == FileSet::Stl10 {
                continue;
            }
            let (train, test) = set.samples();
            for (split, samples) in [(Split::Train, train), (Split::Test, test)] {
                let bytes: usize = set.part(split).iter().map(PublishedFile::bytes).sum();
                let headers = if set == FileSet::Cifar10 { 0 } else { 16 + 8 };
                assert_eq!(bytes - headers, samples * (set.dataset().features() + 1), "{split:?}");
            }
        }
    }

    #[test]
    fn photographs_come_from_all_files_of_their_part_and_damage_is_reported_with_its_position() {
        let dir = tempfile::tempdir().unwrap();
        let home = FileSet::Cifar10.home(dir.path());
        std::fs::create_dir(&home).unwrap();
        let write = |name: &str, contents: &[u8]| std::fs::write(home.join(name), contents).unwrap();
        for (label, file) in (0..).zip(FileSet::Cifar10.files()) {
            let record: Vec<u8> = std::iter::once(label).chain([10 * label; RECORD - 1]).collect();
            write(file.name, &record.repeat(2));
        }
        let train = FileSet::Cifar10.load(dir.path(), Split::Train).unwrap();
        assert_eq!((train.features, &train.labels[..]), (3072, &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4][..]));
        assert_eq!((train.pixels[0], train.pixels[9 * 3072]), (0, 40));
        assert_eq!(FileSet::Cifar10.load(dir.path(), Split::Test).unwrap().labels, [5, 5]);
        assert!(FileSet::Cifar10.state(dir.path(), Depth::Full).iter().all(FileState::is_sound));

        // As many as in the published file, but different.
        write("test_batch.bin", &[5; 10_000 * RECORD]);
        let error = FileSet::Cifar10.load(dir.path(), Split::Test).unwrap_err().to_string();
        // Computed with sha1sum.
        let found =
            "expected SHA-1 67eb016db431130d61cd03c7ad570b013799c88c, found 504ee88c7d1a07cb1c2304810b3b0806c1ead301";
        assert!(error.contains(found), "{error}");

        write("data_batch_3.bin", &[7; RECORD + 5]);
        let error = FileSet::Cifar10.load(dir.path(), Split::Train).unwrap_err().to_string();
        let place = "data_batch_3.bin: expected whole records of 3073 bytes, but the record at byte 3073 ends \
            at byte 3078";
        assert!(error.contains(place) && error.contains("run `sweep data fetch cifar10`"), "{error}");
        std::fs::remove_file(home.join("data_batch_5.bin")).unwrap();
        let error = FileSet::Cifar10.load(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("data_batch_5.bin is missing"), "{error}");
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_position() {
        assert!(refusal(&labels(60_000)).contains("expected MD5 a25bea736e30d166cdddb491f175f624"));
        assert!(refusal(&labels(59_999)).contains("byte 4: expected dimension 0 to have size 60000, found 59999"));
        assert!(refusal(&labels(60_000)[..60_007]).contains("ends at byte 60007"));
        assert!(refusal(&[labels(60_000), vec![0]].concat()).contains("continues after byte 60008"));
        assert!(refusal(b"<html>404</html>").contains("found magic number 3c 68 74 6d"));
        assert!(refusal(b"").contains("ends at byte 0, within its header of 8 bytes"));
    }

    #[test]
    fn files_are_found_in_their_folder_in_alternative_folders_and_in_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let file = &FileSet::FashionMnist.files()[1];
        let find = || FileSet::FashionMnist.locate(dir.path(), file);
        assert_eq!(find(), None);
        // From the last choice to the first.
        for name in [
            "train-labels.idx1-ubyte.gz",
            "train-labels-idx1-ubyte",
            "FashionMNIST/raw/train-labels-idx1-ubyte.gz",
            "fashion-mnist/train-labels-idx1-ubyte.gz",
            "fashion_mnist/train-labels-idx1-ubyte.gz",
            "fashion_mnist/train-labels.idx1-ubyte",
            "fashion_mnist/train-labels-idx1-ubyte",
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            assert_eq!(find().as_ref(), Some(&path));
        }
    }

    #[test]
    fn missing_files_are_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = FileSet::Mnist.load(dir.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains("t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte are missing"), "{error}");
        assert!(error.contains("run `sweep data fetch mnist`"), "{error}");
        std::fs::write(dir.path().join("t10k-images-idx3-ubyte"), [0; 16]).unwrap();
        let error = FileSet::Mnist.load(dir.path(), Split::Test).unwrap_err().to_string();
        assert!(error.contains(": t10k-labels-idx1-ubyte is missing"), "{error}");
        std::fs::write(dir.path().join("t10k-labels-idx1-ubyte"), labels(10_000)).unwrap();
        let error = FileSet::Mnist.load(dir.path(), Split::Test).unwrap_err().to_string();
        let path = dir.path().join("t10k-images-idx3-ubyte");
        assert!(
            error.starts_with(&format!("{}: byte 0: expected magic number 00 00 08 03", path.display())),
            "{error}"
        );

        let state = FileSet::Mnist.state(dir.path(), Depth::Full);
        assert_eq!(state.iter().map(|file| file.found.is_some()).collect::<Vec<_>>(), [false, false, true, true]);
        assert!(state.iter().all(|file| !file.is_sound()));
    }
}
