//! What a cache is made from.

use std::ops::Range;
use std::path::Path;

use super::{Damaged, Values};
use crate::DataError;
use sweep_spec::own::Shape;

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
}

/// Samples in a form that takes work to read.
pub(crate) trait Input: Sync {
    /// The data set's name, for messages.
    fn name(&self) -> String;

    /// Where it lies, for messages.
    fn path(&self) -> &Path;

    /// Differs where the samples do, and costs little.
    fn fingerprint(&self) -> String;

    /// The shape of one sample.
    fn shape(&self) -> Shape;

    /// How values lie in the cache.
    fn values(&self) -> Values;

    /// The classes.
    fn labelled(&self) -> Labelled;

    /// Number of samples, damaged ones included.
    fn len(&self) -> usize;

    /// Reads some of them, on all threads; tells `done` how many more are.
    ///
    /// # Errors
    /// What is no damage of single samples.
    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError>;

    /// What a user should know each time this is trained on; asked once, at the end.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn notes(&self) -> Result<Vec<String>, DataError>;
}
