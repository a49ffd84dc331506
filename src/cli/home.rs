//! Where things are: flags beat environment variables (both through clap), which beat defaults.

use std::path::PathBuf;

use super::Global;

impl Global {
    /// Where runs are, unless somebody says otherwise.
    pub(crate) const HOME: &str = "sweep-results";

    /// The results database.
    pub(crate) fn database(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| self.home.join("sweep.db"))
    }

    /// The folder with one folder a data set.
    pub(crate) fn data_root(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| {
            let cache = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
            let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
            cache.unwrap_or_else(std::env::temp_dir).join("sweep").join("data")
        })
    }
}
