//! Samples that a trainer of your own saves.

use std::path::{Path, PathBuf};

use sweep_data::numbers::{Numbers, NumbersError, Wanted, read};
use sweep_spec::dataset::Dataset;
use sweep_wire::home::left_samples;

/// Largest size of samples, in bytes.
const ROOM: u64 = 16 << 30;
/// The values that map to −1 and 1 in images of floats: the range of the real images.
const RANGE: (f64, f64) = (-1.0, 1.0);

/// Reads the samples at `path`, `[n, features]` row-major, in the shape of `dataset`.
///
/// # Errors
///
/// If they cannot be read or have another shape.
fn samples(path: &Path, dataset: &Dataset) -> Result<Vec<f32>, NumbersError> {
    let wanted = Wanted { key: None, flag: "the name `samples`", usual: "samples" };
    let numbers: Numbers = read(path, wanted, ROOM)?;
    match *dataset.shape() {
        [channels, height, width] => {
            let range = (!numbers.in_bytes()).then_some(RANGE);
            numbers.images([channels, height, width], range)
        }
        _ => numbers.points(dataset.features()),
    }
}

/// Why saved samples cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum LeftError {
    /// There are none.
    #[error("{}: found neither samples.npy nor a folder samples", .0.display())]
    None(PathBuf),
    /// They have another shape or format.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// There are fewer than `score.samples`.
    #[error("{} has {count} samples, but `score.samples` needs {wanted}", path.display())]
    Few {
        /// The file or folder.
        path: PathBuf,
        /// How many samples it has.
        count: usize,
        /// How many are scored.
        wanted: usize,
    },
}

/// Reads the first `wanted` samples at `path`.
pub(super) fn first(path: &Path, dataset: &Dataset, wanted: usize) -> Result<Vec<f32>, LeftError> {
    let mut found = samples(path, dataset)?;
    let (features, count) = (dataset.features(), found.len() / dataset.features());
    if count < wanted {
        return Err(LeftError::Few { path: path.to_owned(), count, wanted });
    }
    found.truncate(wanted * features);
    Ok(found)
}

/// Reads the first `wanted` samples that a job saved in `dir`.
pub(crate) fn of_job(dir: &Path, dataset: &Dataset, wanted: usize) -> Result<Vec<f32>, LeftError> {
    first(&left_samples(dir).ok_or_else(|| LeftError::None(dir.to_owned()))?, dataset, wanted)
}
