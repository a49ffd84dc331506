//! Folders inside the folder of data sets for results that take long to compute. They are computed once and shared by
//! all home directories.

use std::path::{Path, PathBuf};

/// Returns the folder for statistics of real images and their scores.
pub fn statistics(root: &Path) -> PathBuf {
    root.join("statistics")
}

/// Returns the folder for classifiers of data sets' own labels.
pub fn classifiers(root: &Path) -> PathBuf {
    root.join("classifiers")
}
