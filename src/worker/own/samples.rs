//! Samples that a trainer of the user's own leaves, and their scores.

use std::path::{Path, PathBuf};

use sweep_data::numbers::{Numbers, NumbersError, Wanted, read};
use sweep_spec::dataset::Dataset;
use sweep_wire::home::left_samples;

/// Bytes that samples may take.
const ROOM: u64 = 16 << 30;
/// What −1 and 1 stand for in images of floats: the range of the real ones.
const RANGE: (f64, f64) = (-1.0, 1.0);

/// The samples at `path`, `[n, features]` row-major, of the shape that those of `dataset` have.
///
/// # Errors
///
/// Where they cannot be read, or have another shape.
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

/// Why samples that a trainer has left cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum LeftError {
    /// There are none.
    #[error("{}: there is neither samples.npy nor a folder samples", .0.display())]
    None(PathBuf),
    /// They are not what was expected.
    #[error(transparent)]
    Numbers(#[from] NumbersError),
    /// There are fewer than are scored.
    #[error("{} has {count} samples, and `score.samples` asks for {wanted}", path.display())]
    Few {
        /// Where they are.
        path: PathBuf,
        /// How many.
        count: usize,
        /// How many are scored.
        wanted: usize,
    },
}

/// The first `wanted` of the samples at `path`, as [`samples`] reads them.
pub(super) fn first(path: &Path, dataset: &Dataset, wanted: usize) -> Result<Vec<f32>, LeftError> {
    let mut found = samples(path, dataset)?;
    let (features, count) = (dataset.features(), found.len() / dataset.features());
    if count < wanted {
        return Err(LeftError::Few { path: path.to_owned(), count, wanted });
    }
    found.truncate(wanted * features);
    Ok(found)
}

/// The same of those that were left in `dir`.
pub(crate) fn of_job(dir: &Path, dataset: &Dataset, wanted: usize) -> Result<Vec<f32>, LeftError> {
    first(&left_samples(dir).ok_or_else(|| LeftError::None(dir.to_owned()))?, dataset, wanted)
}
