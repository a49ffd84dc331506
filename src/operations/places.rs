//! Where runs, results and data sets are.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Failure;
use sweep_run::Workplace;
use sweep_wire::home::Home;

/// Where runs, results and data sets are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder of runs, samples and the database.
    pub home: Home,
    /// The results database, if it is not in `home`.
    pub db: Option<PathBuf>,
    /// The folder of data sets, if it is not in the user's cache.
    pub data: Option<PathBuf>,
}

impl Places {
    /// The default home directory.
    pub const HOME: &str = "sweep-results";

    /// Returns the results database, for reading.
    pub fn database(&self) -> PathBuf {
        self.db.clone().unwrap_or_else(|| sweep_run::readable(&self.home))
    }

    /// Returns the results database, for writing. The caller must hold the lock of `home`.
    ///
    /// # Errors
    ///
    /// See [`Workplace::take`].
    pub fn workplace(&self, home: &Home) -> Result<Workplace, Failure> {
        Workplace::take(home, self.db.as_deref()).map_err(Failure::environment)
    }

    /// Returns the absolute path of the home directory.
    ///
    /// # Errors
    ///
    /// The current directory no longer exists.
    pub fn absolute_home(&self) -> Result<Home, Failure> {
        Ok(Home::new(absolute(self.home.path())?))
    }

    /// Returns the folder of data sets, which has one folder for each.
    ///
    /// # Errors
    ///
    /// Nothing says where it is.
    pub fn data_root(&self) -> Result<PathBuf, Failure> {
        root(self.data.as_deref(), |name| env::var_os(name)).ok_or_else(|| Failure::environment(NOWHERE))
    }
}

/// Data sets are trusted later, so their folder must not be one that anyone could create first, such as one in the
/// shared temporary directory.
const NOWHERE: &str =
    "cannot find the folder of data sets, since HOME is not set: set it, or name the folder with --data or SWEEP_DATA";

/// Makes a path absolute.
///
/// # Errors
///
/// The current directory no longer exists.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::environment(format!("{}: {error}", path.display())))
}

/// Returns the folder of data sets: the `named` one, or one in the user's cache.
fn root(named: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // Relative paths are to be ignored (XDG Base Directory Specification).
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
