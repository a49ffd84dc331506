//! Real samples -> tensors: one file per on-disk format, one registry.
//!
//! A data set that is on disk stays in memory as it is there (bytes) and is converted batch by batch. Which samples a batch holds is
//! a function of the member's seed and the batch's number alone, so every member of a cohort has the data order of its solo run,
//! and resuming needs no state. What takes work to read, or more memory than there may be, is first written as it is trained on: see
//! [`cache`].

mod array;
pub mod cache;
mod catalogue;
mod checksum;
mod drawn;
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
mod known;
mod listing;
pub mod npy;
pub mod numbers;
mod own;
mod parts;
mod picture;
mod records;
pub mod regular;
pub mod root;
mod source;
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
pub use known::{Contents, Depth, FileSet, KnownFile};
pub use npy::NpyError;
pub use own::{Origin, glance, origin, prepare};
pub use records::RecordError;
pub use source::{SourceError, agent as web};
pub use stacked::Stacked;
pub use stl10::StlError;

use sweep_spec::dataset::Dataset;

/// Where real samples come from.
#[expect(clippy::len_without_is_empty, reason = "a data set without a sample cannot be opened")]
pub trait Real: Send + Sync {
    /// Values in one sample.
    fn features(&self) -> usize;

    /// Fills `out`, `[n, features]` row by row, with batch number `index` (0, 1, 2 …) of the member whose seed is `seed`. Pixels are
    /// in [−1, 1]. The length of `out` must be a multiple of the features.
    fn batch(&self, seed: u64, index: u64, out: &mut [f32]);

    /// `n` real samples, `[n, features]`, that scores compare with: the same for all jobs. Fewer where the data set has fewer.
    fn reference(&self, n: usize) -> Vec<f32>;

    /// `n` other real samples, `[n, features]`, none of which is among the first `after` that scores compare with: what a perfect generator
    /// would make. `None` where the data set has not so many.
    fn others(&self, n: usize, after: usize) -> Option<Vec<f32>>;

    /// Number of samples, or none where they are drawn without end.
    fn len(&self) -> Option<usize> {
        None
    }

    /// All training samples, `[n, features]`, where scores compare with others than these.
    fn training(&self) -> Option<&[f32]> {
        None
    }

    /// Writes sample `number` of [`Real::len`], an image in 256 steps of brightness, to `pixels`, and gives its class; `None` where samples
    /// have no classes.
    fn labelled(&self, _number: usize, _pixels: &mut [u8]) -> Option<usize> {
        None
    }

    /// A checksum of all samples with their classes, where these can be had one by one.
    fn content(&self) -> Option<String> {
        None
    }

    /// How often each class occurs, or each class of what is stacked; sums to 1.
    fn label_frequencies(&self) -> Option<Vec<f64>> {
        None
    }
}

/// Opens the training samples of `dataset`. `root` is the folder with one folder a data set, or the one with the files themselves.
///
/// # Errors
/// Where files are missing or not what they should be; the text says which, where in them, and what to do.
pub fn open(dataset: &Dataset, root: &Path) -> Result<Box<dyn Real>, DataError> {
    Ok(match dataset {
        Dataset::Gaussians(mixture) => drawn::drawn(Mixture::new(mixture)?, mixture.limit),
        Dataset::Toy(toy) => drawn::drawn(*toy, toy.limit()),
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

/// STL-10 through its cache, which is made first where there is none.
///
/// # Errors
/// As [`open`], and where the cache cannot be written.
pub fn stl10(root: &Path, events: &(dyn Fn(cache::PrepareEvent<'_>) + Sync)) -> Result<cache::Mapped, DataError> {
    own::stl10(FileSet::Stl10.large(root)?, root, events)
}

/// Training and test images of MNIST with their labels.
///
/// # Errors
/// As [`open`].
pub fn mnist(root: &Path) -> Result<Mnist, DataError> {
    Ok(Mnist { train: FileSet::Mnist.load(root, Split::Train)?, test: FileSet::Mnist.load(root, Split::Test)? })
}
