//! Where things are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Failure;
use sweep_run::Workplace;
use sweep_wire::home::Home;

/// Where runs, results and data sets are.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where runs, samples and the database are.
    pub home: Home,
    /// The results database, where that is not in `home`.
    pub db: Option<PathBuf>,
    /// The folder with one folder a data set, where that is not in the user's cache.
    pub data: Option<PathBuf>,
}

impl Places {
    /// Where runs are, unless somebody says otherwise.
    pub const HOME: &str = "sweep-results";

    /// The results database, for reading.
    pub fn database(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| sweep_run::readable(&self.home))
    }

    /// The same for writing. The lock of `home` must be held.
    ///
    /// # Errors
    ///
    /// As [`Workplace::take`].
    pub fn workplace(&self, home: &Home) -> Result<Workplace, Failure> {
        Workplace::take(home, self.db.as_deref()).map_err(Failure::environment)
    }

    /// The home directory, wherever this process goes.
    ///
    /// # Errors
    ///
    /// Where the current directory is gone.
    pub fn absolute_home(&self) -> Result<Home, Failure> {
        Ok(Home::new(absolute(self.home.path())?))
    }

    /// The folder with one folder a data set.
    ///
    /// # Errors
    ///
    /// Where nothing says where it is.
    pub fn data_root(&self) -> Result<PathBuf, Failure> {
        root(self.data.as_deref(), |name| env::var_os(name)).ok_or_else(|| Failure::environment(NOWHERE))
    }
}

/// A folder that anybody can make first, such as one in the shared temporary directory, is no place for what is trusted later.
const NOWHERE: &str =
    "where data sets are is not known, since HOME is not set: set it, or name the folder with --data or SWEEP_DATA";

/// The same path, wherever this process goes.
///
/// # Errors
///
/// Where the current directory is gone.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::environment(format!("{}: {error}", path.display())))
}

/// The folder of data sets: the `named` one, or one in the user's cache.
fn root(named: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative one is to be ignored (XDG Base Directory Specification).
    let cache = || path("XDG_CACHE_HOME").filter(|cache| cache.is_absolute());
    let cache = || cache().or_else(|| Some(path("HOME")?.join(".cache")));
    named.map(Path::to_owned).or_else(|| Some(cache()?.join("sweep").join("data")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sets_are_in_the_cache_of_the_user_and_nowhere_without_one() {
        let of = |named: Option<&str>, variables: &[(&str, &str)]| {
            let value = |name: &str| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into());
            root(named.map(Path::new), value).map(|root| root.display().to_string()).unwrap_or_default()
        };
        assert_eq!(of(Some("d"), &[("HOME", "/h")]), "d");
        assert_eq!(of(None, &[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), "/c/sweep/data");
        assert_eq!(of(None, &[("HOME", "/h"), ("XDG_CACHE_HOME", "")]), "/h/.cache/sweep/data");
        assert_eq!(of(None, &[("HOME", "/h"), ("XDG_CACHE_HOME", "c")]), "/h/.cache/sweep/data");
        for none in [&[][..], &[("HOME", "")], &[("XDG_CACHE_HOME", "c")]] {
            assert_eq!(of(None, none), "");
        }
    }
}
