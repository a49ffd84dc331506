//! Events while samples are prepared.

use std::path::Path;

use super::manifest::Damaged;

/// An event while samples are prepared.
#[derive(Debug)]
pub enum PrepareEvent<'a> {
    /// Another process makes a cache here; this one waits for it.
    Waiting(&'a str),
    /// It starts, or continues after `done` of `total` samples.
    Begun {
        /// The data set's name.
        name: &'a str,
        /// The path of the data set.
        path: &'a Path,
        /// Samples that are done.
        done: usize,
        /// Total number of samples.
        total: usize,
        /// The names of the classes. Empty if samples have no classes.
        classes: &'a [String],
        /// What is in the folder but left out, in words.
        left_out: Option<&'a str>,
    },
    /// Files are read again to compare them, because there is a cache of files that look the same. Followed by `Read`
    /// events.
    Comparing {
        /// The data set's name.
        name: &'a str,
        /// Total number of samples.
        total: usize,
    },
    /// This many more samples have been read.
    Read(usize),
    /// A damaged sample is left out.
    Damaged(&'a Damaged),
}

/// The receiver of events.
pub(super) type Events<'a> = &'a (dyn Fn(PrepareEvent<'_>) + Sync);
