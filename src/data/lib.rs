//! Loads real samples: one file per on-disk format, one registry.
//!
//! A data set on disk is kept in memory in its original form (bytes) and converted batch by batch. The samples in a
//! batch depend only on the member's seed and the batch's number. So every member of a cohort has the same data order
//! as in its solo run, and resuming needs no state. Data that are slow to read, or may exceed memory, are first written
//! to disk in the form used in training: see [`cache`].

mod array;
pub mod cache;
mod catalogue;
mod checksum;
mod distribution;
mod dtype;
mod error;
mod fetch;
mod file;
mod folder;
mod gaussians;
mod hex;
mod idx;
mod images;
pub mod inception;
mod listing;
pub mod npy;
pub mod numbers;
mod picture;
mod prepare;
mod published;
mod records;
pub mod regular;
pub mod shared_folders;
mod source;
mod split_folders;
mod stacked;
mod stl10;
mod toys;
mod unlabelled;

use std::path::Path;

pub use catalogue::{FileState, Split};
pub use checksum::Checksum;
pub use error::{DataError, Flaw};
pub use fetch::{FetchError, FetchEvent, Fetched, fetch};
pub use gaussians::Mixture;
pub use idx::{Idx, IdxError};
pub use images::{Images, Mnist, Resident};
pub use npy::NpyError;
pub use prepare::{SourceState, inspect, prepare, source_state};
pub use published::{Contents, Depth, FileSet, PublishedFile};
pub use records::RecordError;
pub use source::{SourceError, agent as web};
pub use stacked::Stacked;
pub use stl10::StlError;

use sweep_spec::dataset::Dataset;

/// A source of real samples.
#[expect(clippy::len_without_is_empty, reason = "a data set without a sample cannot be opened")]
pub trait Real: Send + Sync {
    /// Returns the number of values per sample.
    fn features(&self) -> usize;

    /// Fills `out`, `[n, features]` row by row, with batch number `index` (0, 1, 2 …) of the member with seed `seed`.
    /// Pixels are in [−1, 1]. The length of `out` must be a multiple of the features.
    fn batch(&self, seed: u64, index: u64, out: &mut [f32]);

    /// Returns `n` real samples, `[n, features]`, for scores to compare with. They are the same for all jobs. Returns
    /// fewer if the data set has fewer.
    fn reference(&self, n: usize) -> Vec<f32>;

    /// Returns `n` other real samples, `[n, features]`, none of which is among the first `after` that scores compare
    /// with. They are what a perfect generator would produce. `None` if the data set has too few.
    fn others(&self, n: usize, after: usize) -> Option<Vec<f32>>;

    /// Returns the number of samples. `None` if they are drawn endlessly.
    fn len(&self) -> Option<usize> {
        None
    }

    /// Returns all training samples, `[n, features]`, if scores compare with other samples.
    fn training(&self) -> Option<&[f32]> {
        None
    }

    /// Writes sample `number` of [`Real::len`], an image with 256 levels, to `pixels`, and returns its class. `None` if
    /// samples have no classes.
    fn labelled(&self, _number: usize, _pixels: &mut [u8]) -> Option<usize> {
        None
    }

    /// Returns a checksum of all samples with their classes, if they can be read one by one.
    fn content(&self) -> Option<String> {
        None
    }

    /// Returns how often each class occurs (for stacked images, each class of a digit); sums to 1.
    fn label_frequencies(&self) -> Option<Vec<f64>> {
        None
    }
}

/// Opens the training samples of `dataset`. `root` is the folder that contains one folder per data set, or the files
/// themselves.
///
/// # Errors
/// If files are missing or wrong. The text says which, where, and what to do.
pub fn open(dataset: &Dataset, root: &Path) -> Result<Box<dyn Real>, DataError> {
    Ok(match dataset {
        Dataset::Gaussians(mixture) => distribution::draws(Mixture::new(mixture)?, mixture.limit),
        Dataset::Toy(toy) => distribution::draws(*toy, toy.limit()),
        Dataset::Mnist => Box::new(Resident::new(FileSet::Mnist.load(root, Split::Train)?)),
        Dataset::FashionMnist => Box::new(Resident::new(FileSet::FashionMnist.load(root, Split::Train)?)),
        Dataset::Mnist1k => Box::new(Stacked::new(FileSet::Mnist.load(root, Split::Train)?)),
        Dataset::Cifar10 => Box::new(Resident::new(FileSet::Cifar10.load(root, Split::Train)?)),
        Dataset::Stl10 => Box::new(stl10(root, &|_| {})?),
        Dataset::Own(own) => {
            Box::new(cache::Mapped::open(root, own.content.ok_or(DataError::Unread(own.kind.name()))?)?)
        }
    })
}

/// Opens STL-10 through its cache, which is made first if there is none.
///
/// # Errors
/// As for [`open`], and if the cache cannot be written.
pub fn stl10(root: &Path, events: &(dyn Fn(cache::PrepareEvent<'_>) + Sync)) -> Result<cache::Mapped, DataError> {
    prepare::stl10(FileSet::Stl10.large(root)?, root, events)
}

/// Loads training and test images of MNIST, with their labels.
///
/// # Errors
/// As for [`open`].
pub fn mnist(root: &Path) -> Result<Mnist, DataError> {
    Ok(Mnist { train: FileSet::Mnist.load(root, Split::Train)?, test: FileSet::Mnist.load(root, Split::Test)? })
}
