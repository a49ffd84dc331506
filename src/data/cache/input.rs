//! The input that a cache is made from.

use std::ops::Range;
use std::path::Path;

use super::{Damaged, Fingerprint, Values};
use crate::DataError;
use sweep_spec::own_data::Shape;

/// Approximate bytes per piece. A whole piece is in memory at once.
const PIECE: usize = 8 << 20;
/// The most samples per piece, so interruptions lose little and progress is visible.
pub(super) const MOST: usize = 2048;

/// The labels of samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labelled {
    /// The names of the classes, by label. If empty, samples have no labels, and 0 is stored instead.
    pub classes: Vec<String>,
}

/// Some samples, in order.
pub(crate) struct Block {
    /// As stored in the cache.
    pub samples: Vec<u8>,
    /// One per sample.
    pub labels: Vec<u16>,
    /// The samples that were left out.
    pub damaged: Vec<Damaged>,
    /// The checksum of the input that was read for them, like that of [`Input::digest`].
    pub source: blake3::Hash,
}

/// User settings for samples, in addition to their path.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Form {
    /// Height and width to which images are scaled.
    pub size: Option<u32>,
    /// The values that map to −1 and 1.
    pub range: Option<(f64, f64)>,
}

/// Samples in a form that is slow to read.
pub(crate) trait Input: Sync {
    /// Returns the name of the data set.
    fn name(&self) -> String;

    /// Returns its path.
    fn path(&self) -> &Path;

    /// Returns the user's settings for it.
    fn form(&self) -> Form;

    /// Returns the metadata of its files when it was opened.
    fn fingerprint(&self) -> &Fingerprint;

    /// Returns the metadata of its files now.
    ///
    /// # Errors
    /// If they no longer exist.
    fn look_again(&self) -> Result<Fingerprint, DataError>;

    /// Returns the shape of one sample.
    fn shape(&self) -> Shape;

    /// Returns how values are stored in the cache.
    fn values(&self) -> Values;

    /// Returns the classes.
    fn labelled(&self) -> Labelled;

    /// Returns the number of samples, including damaged ones.
    fn len(&self) -> usize;

    /// Describes what is there but is not a sample.
    fn left_out(&self) -> Option<String>;

    /// Reads some samples, on all threads. Calls `done` with the number of further samples done.
    ///
    /// # Errors
    /// For all errors except damage to single samples.
    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError>;

    /// Returns the checksum of everything that [`Input::read`] reads for these samples, without producing them.
    ///
    /// # Errors
    /// If they cannot be read.
    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError>;

    /// Returns what a user should know whenever these samples are used. Called once, at the end.
    ///
    /// # Errors
    /// If they cannot be read.
    fn notes(&self) -> Result<Vec<String>, DataError>;
}

/// Returns the number of samples per piece.
pub(super) fn part(input: &dyn Input) -> usize {
    let bytes = input.shape().dims().iter().product::<usize>() * input.values().width();
    (PIECE / bytes.max(1)).clamp(16, MOST)
}
