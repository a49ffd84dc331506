//! The published files of data sets: names, sizes and checksums.

use std::path::Path;

use md5::{Digest, Md5};
use sha1::Sha1;

use super::checksum::Checksum;
use super::error::Flaw;
use super::hex::hex;
use super::idx::Idx;
use super::records::{self, RECORD};
use super::stl10;
use sweep_spec::dataset::Dataset;

/// A data set that consists of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSet {
    /// Handwritten digits.
    Mnist,
    /// Pieces of clothing.
    FashionMnist,
    /// Small colour photographs.
    Cifar10,
    /// Larger photographs without labels.
    Stl10,
}

/// How closely files are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Large files only by their size.
    Quick,
    /// Every byte.
    Full,
}

/// A published file.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishedFile {
    /// Its name without `.gz`.
    pub name: &'static str,
    /// Its contents, uncompressed.
    pub contents: Contents,
}

/// The contents of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// An array of bytes in the format of MNIST.
    Idx {
        /// Its sizes, outermost first.
        dims: &'static [usize],
        /// MD5 of all bytes.
        md5: &'static str,
    },
    /// Records in the format of CIFAR-10.
    Records {
        /// The number of records in the published file. A file with fewer is a smaller data set, and is used with a
        /// warning.
        most: usize,
        /// SHA-1 of all bytes of the published file.
        sha1: &'static str,
    },
    /// Images in the format of STL-10, read piece by piece.
    Large {
        /// MD5 of all bytes.
        md5: &'static str,
    },
}

/// Images and labels for training and for testing, in this order.
type Files = [PublishedFile; 4];

const fn files(md5: [&'static str; 4]) -> Files {
    let [train_images, train_labels, test_images, test_labels] = md5;
    [
        idx("train-images-idx3-ubyte", &[60_000, 28, 28], train_images),
        idx("train-labels-idx1-ubyte", &[60_000], train_labels),
        idx("t10k-images-idx3-ubyte", &[10_000, 28, 28], test_images),
        idx("t10k-labels-idx1-ubyte", &[10_000], test_labels),
    ]
}

const fn idx(name: &'static str, dims: &'static [usize], md5: &'static str) -> PublishedFile {
    PublishedFile { name, contents: Contents::Idx { dims, md5 } }
}

const fn batch(name: &'static str, sha1: &'static str) -> PublishedFile {
    PublishedFile { name, contents: Contents::Records { most: 10_000, sha1 } }
}

static MNIST: Files = files([
    "6bbc9ace898e44ae57da46a324031adb",
    "a25bea736e30d166cdddb491f175f624",
    "2646ac647ad5339dbf082846283269ea",
    "27ae3e4e09519cfbb04c329615203637",
]);

static FASHION_MNIST: Files = files([
    "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "9018921c3c673c538a1fc5bad174d6f9",
    "8181f5470baa50b63fa0f6fddb340f0a",
    "15d484375f8d13e6eb1aabb0c3f46965",
]);

/// The authors only publish a checksum of the archive. Those of the files are from Apache MXNet
/// (`gluon.data.vision.CIFAR10`), which checks them each time it reads the files.
static CIFAR10: [PublishedFile; 6] = [
    batch("data_batch_1.bin", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
    batch("data_batch_2.bin", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
    batch("data_batch_3.bin", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
    batch("data_batch_4.bin", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
    batch("data_batch_5.bin", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
    batch("test_batch.bin", "67eb016db431130d61cd03c7ad570b013799c88c"),
];

static STL10: [PublishedFile; 1] =
    [PublishedFile { name: "unlabeled_X.bin", contents: Contents::Large { md5: stl10::MD5 } }];

impl FileSet {
    /// All data sets of this kind.
    pub const ALL: [FileSet; 4] = [FileSet::Mnist, FileSet::FashionMnist, FileSet::Cifar10, FileSet::Stl10];

    /// Returns the files of `dataset`, if it consists of files.
    pub fn of(dataset: &Dataset) -> Option<Self> {
        match dataset {
            Dataset::Gaussians(_) | Dataset::Toy(_) | Dataset::Own(_) => None,
            Dataset::Mnist | Dataset::Mnist1k => Some(FileSet::Mnist),
            Dataset::FashionMnist => Some(FileSet::FashionMnist),
            Dataset::Cifar10 => Some(FileSet::Cifar10),
            Dataset::Stl10 => Some(FileSet::Stl10),
        }
    }

    /// Returns the data set as in a sweep file.
    pub fn dataset(self) -> Dataset {
        match self {
            FileSet::Mnist => Dataset::Mnist,
            FileSet::FashionMnist => Dataset::FashionMnist,
            FileSet::Cifar10 => Dataset::Cifar10,
            FileSet::Stl10 => Dataset::Stl10,
        }
    }

    /// Returns its name, as in a sweep file.
    pub fn name(self) -> &'static str {
        self.dataset().name()
    }

    /// Returns the files with training samples, then those with test samples. Images come before labels if these have
    /// separate files.
    pub fn files(self) -> &'static [PublishedFile] {
        match self {
            FileSet::Mnist => &MNIST,
            FileSet::FashionMnist => &FASHION_MNIST,
            FileSet::Cifar10 => &CIFAR10,
            FileSet::Stl10 => &STL10,
        }
    }

    /// Returns the number of training and of test samples, as published.
    pub fn samples(self) -> (usize, usize) {
        match self {
            FileSet::Mnist | FileSet::FashionMnist => (60_000, 10_000),
            FileSet::Cifar10 => (50_000, 10_000),
            FileSet::Stl10 => (stl10::PUBLISHED, 0),
        }
    }
}

impl PublishedFile {
    /// Returns the size of the uncompressed file in bytes.
    pub fn bytes(&self) -> usize {
        match self.contents {
            Contents::Idx { dims, .. } => 4 + 4 * dims.len() + dims.iter().product::<usize>(),
            Contents::Records { most, .. } => most * RECORD,
            Contents::Large { .. } => stl10::PUBLISHED * stl10::IMAGE,
        }
    }

    /// Returns the checksum of the uncompressed file.
    pub fn checksum(&self) -> Checksum {
        match self.contents {
            Contents::Idx { md5, .. } | Contents::Large { md5 } => Checksum::Md5(md5),
            Contents::Records { sha1, .. } => Checksum::Sha1(sha1),
        }
    }

    /// Returns the number of images in the file at `path`, without loading them.
    pub(super) fn check_large(&self, path: &Path, depth: Depth) -> Result<usize, Flaw> {
        let count = stl10::count(path.metadata()?.len())?;
        if let (Contents::Large { md5 }, Depth::Full) = (self.contents, depth) {
            let found = stl10::digest(path)?;
            if found != md5 {
                return Err(Flaw::Checksum { expected: self.checksum(), found });
            }
        }
        Ok(count)
    }

    /// Returns the array in `contents`, if it is the published one of `set`.
    pub(super) fn check(&self, set: FileSet, contents: Vec<u8>) -> Result<Idx, Flaw> {
        let (dims, md5) = match self.contents {
            Contents::Idx { dims, md5 } => (dims, md5),
            Contents::Records { most, sha1 } => {
                let found = hex(&Sha1::digest(&contents), "");
                let records = records::parse(contents, most)?;
                let other = records.dims[0] == most && found != sha1;
                return if other { Err(Flaw::Checksum { expected: self.checksum(), found }) } else { Ok(records) };
            }
            Contents::Large { .. } => return Err(Flaw::Io(std::io::ErrorKind::FileTooLarge.into())),
        };
        let found = hex(&Md5::digest(&contents), "");
        // Check the shape first, because its errors name a position. The checksum finds files that are wrong despite
        // having the right shape.
        let dims: Vec<_> = dims.iter().map(|&size| Some(size)).collect();
        let idx = Idx::parse(contents, &dims)?;
        if found == md5 {
            return Ok(idx);
        }
        let mut others = FileSet::ALL.into_iter().filter(|&other| other != set);
        Err(
            match others.find(|other| {
                other.files().iter().any(|file| matches!(file.checksum(), Checksum::Md5(md5) if md5 == found))
            }) {
                Some(other) => Flaw::Swapped { set: set.name(), other: other.name() },
                None => Flaw::Checksum { expected: self.checksum(), found },
            },
        )
    }
}
