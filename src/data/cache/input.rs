//! What a cache is made from.

use std::ops::Range;
use std::path::Path;

use super::{Damaged, Fingerprint, Values};
use crate::DataError;
use sweep_spec::own::Shape;

/// Bytes of a piece, about. A piece is in memory as a whole.
const PIECE: usize = 8 << 20;
/// Samples of a piece at most, so that little is lost and progress is seen.
pub(super) const MOST: usize = 2048;

/// Whether samples have classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labelled {
    /// The classes' names, by label; empty: samples have no labels, and 0 stands for none.
    pub classes: Vec<String>,
}

/// Some samples, in order.
pub(crate) struct Block {
    /// As they will lie in the cache.
    pub samples: Vec<u8>,
    /// One a sample.
    pub labels: Vec<u16>,
    /// What was left out.
    pub damaged: Vec<Damaged>,
    /// The checksum of what was read for them: as [`Input::digest`] gives it.
    pub source: blake3::Hash,
}

/// What the user says of samples beside their place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Form {
    /// Height and width that images get.
    pub size: Option<u32>,
    /// What −1 and 1 stand for.
    pub range: Option<(f64, f64)>,
}

/// Samples in a form that takes work to read.
pub(crate) trait Input: Sync {
    /// The data set's name.
    fn name(&self) -> String;

    /// Where it lies.
    fn path(&self) -> &Path;

    /// What the user says of it beside that.
    fn form(&self) -> Form;

    /// What the system said of its files when it was opened.
    fn fingerprint(&self) -> &Fingerprint;

    /// What the system says of its files now.
    ///
    /// # Errors
    /// Where they are not there any more.
    fn look_again(&self) -> Result<Fingerprint, DataError>;

    /// The shape of one sample.
    fn shape(&self) -> Shape;

    /// How values lie in the cache.
    fn values(&self) -> Values;

    /// The classes.
    fn labelled(&self) -> Labelled;

    /// Number of samples, damaged ones included.
    fn len(&self) -> usize;

    /// What lies there and is no sample, in words.
    fn left_out(&self) -> Option<String>;

    /// Reads some of them, on all threads; tells `done` how many more are.
    ///
    /// # Errors
    /// What is no damage of single samples.
    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError>;

    /// The checksum of all that [`Input::read`] reads for these samples, without making them.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError>;

    /// What a user should know each time this is trained on; asked once, at the end.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn notes(&self) -> Result<Vec<String>, DataError>;
}

/// Samples of a piece.
pub(super) fn part(input: &dyn Input) -> usize {
    let bytes = input.shape().dims().iter().product::<usize>() * input.values().width();
    (PIECE / bytes.max(1)).clamp(16, MOST)
}
