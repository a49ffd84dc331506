//! What is told while samples are made ready.

use std::path::Path;

use super::manifest::Damaged;

/// What goes on while samples are made ready.
#[derive(Debug)]
pub enum PrepareEvent<'a> {
    /// Another process makes a cache here; this one waits for it.
    Waiting(&'a str),
    /// It begins, or goes on after `done` of `total`.
    Begun {
        /// The data set's name.
        name: &'a str,
        /// Where it lies.
        path: &'a Path,
        /// Samples that are ready.
        done: usize,
        /// Samples in all.
        total: usize,
        /// The classes' names; none where samples have no classes.
        classes: &'a [String],
        /// What lies there and is left out, in words.
        left_out: Option<&'a str>,
    },
    /// Files are read again, since there are samples of some that look like them; `Read` then tells of these.
    Comparing {
        /// The data set's name.
        name: &'a str,
        /// Samples in all.
        total: usize,
    },
    /// So many more samples have been read.
    Read(usize),
    /// A sample is left out.
    Damaged(&'a Damaged),
}

/// Where events go.
pub(super) type Events<'a> = &'a (dyn Fn(PrepareEvent<'_>) + Sync);
