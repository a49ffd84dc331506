//! What lies in the folder of data sets beside them: what takes long to make, and is made once for all homes.

use std::path::{Path, PathBuf};

/// The folder of what is known of real images: their statistics, and what they score.
pub fn statistics(root: &Path) -> PathBuf {
    root.join("statistics")
}

/// The folder of classifiers of data sets' own labels.
pub fn classifiers(root: &Path) -> PathBuf {
    root.join("classifiers")
}
