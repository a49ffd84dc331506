//! A database and the files next to it. Only this module knows their names.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The suffixes of SQLite's log and its index.
const WAL: &str = "-wal";
const SHM: &str = "-shm";
/// The suffix of the lock file.
const LOCK: &str = ".lock";
/// The suffixes of a successor, and of a replaced database before its time.
const NEW: &str = ".new";
const REPLACED: &str = ".bak-";

/// A database and the files next to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database(PathBuf);

impl Database {
    /// Returns the database at `path`.
    pub fn at(path: &Path) -> Self {
        Database(path.to_owned())
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns SQLite's log (WAL), with changes that are not in the file yet.
    pub fn log(&self) -> PathBuf {
        self.beside(WAL)
    }

    /// Returns SQLite's index of that log, which holds the locks of its connections.
    pub fn index(&self) -> PathBuf {
        self.beside(SHM)
    }

    /// Returns all its files while it is open.
    pub fn files(&self) -> [PathBuf; 3] {
        [self.0.clone(), self.log(), self.index()]
    }

    /// Returns the lock file of its writer, which is separate from SQLite's own locks.
    pub fn lock(&self) -> PathBuf {
        self.beside(LOCK)
    }

    /// Returns the database that is to replace it.
    pub fn successor(&self) -> Database {
        Database(self.beside(NEW))
    }

    /// Returns its name after it is replaced, at this time in seconds since the Unix epoch.
    pub fn replaced(&self, seconds: u64) -> Database {
        Database(self.beside(&format!("{REPLACED}{seconds}")))
    }

    /// Returns its backup number `number` (from 1 on), made before an update from `version`.
    pub fn copy(&self, version: i64, number: u32) -> PathBuf {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        self.beside(&format!(".v{version}{number}.bak"))
    }

    /// Returns such a backup while it is incomplete.
    pub fn copy_part(&self, version: i64) -> PathBuf {
        self.beside(&format!(".v{version}.part"))
    }

    /// Whether a file of this name in the same folder is an earlier state of this database: a [copy](Database::copy) or
    /// a [replaced](Database::replaced) one.
    pub fn is_earlier(&self, name: &OsStr) -> bool {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let own = self.0.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
        let ending = name.as_encoded_bytes().strip_prefix(own).and_then(|ending| str::from_utf8(ending).ok());
        let Some(ending) = ending else { return false };
        if let Some(seconds) = ending.strip_prefix(REPLACED) {
            return is_number([WAL, SHM].into_iter().find_map(|of| seconds.strip_suffix(of)).unwrap_or(seconds));
        }
        let version = ending.strip_prefix(".v").and_then(|version| version.strip_suffix(".bak"));
        version.is_some_and(|version| version.splitn(2, '-').all(is_number))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_earlier_versions_put_them() {
        let database = Database::at(Path::new("d/x.db"));
        assert_eq!(database.files(), ["d/x.db", "d/x.db-wal", "d/x.db-shm"].map(PathBuf::from));
        assert_eq!(database.lock(), Path::new("d/x.db.lock"));
        assert_eq!(database.successor().log(), Path::new("d/x.db.new-wal"));
        assert_eq!(database.replaced(9).index(), Path::new("d/x.db.bak-9-shm"));
        assert_eq!([database.copy(3, 1), database.copy(3, 2)], ["d/x.db.v3.bak", "d/x.db.v3-2.bak"].map(PathBuf::from));
        assert_eq!(database.copy_part(3), Path::new("d/x.db.v3.part"));
    }

    #[test]
    fn what_it_was_before_is_known_by_its_name() {
        let database = Database::at(Path::new("d/x.db"));
        let is_earlier = |name: &str| database.is_earlier(OsStr::new(name));
        let replaced = database.replaced(1_790_000_000);
        let names = [database.copy(3, 1), database.copy(12, 30)].into_iter().chain(replaced.files());
        for path in names {
            assert!(is_earlier(path.file_name().unwrap().to_str().unwrap()), "{}", path.display());
        }
        let own =
            database.files().into_iter().chain([database.lock(), database.copy_part(3), database.successor().log()]);
        for path in own {
            assert!(!is_earlier(path.file_name().unwrap().to_str().unwrap()), "{}", path.display());
        }
        for other in [
            "y.db.v3.bak",
            "x.db.bak-",
            "x.db.bak-my",
            "x.db.v.bak",
            "x.db.v3-.bak",
            "x.db.v3-2-1.bak",
            "x.db.vold.bak",
            "x.db.bak",
            "x.db.v3.bak.gz",
            "",
        ] {
            assert!(!is_earlier(other), "{other}");
        }
    }
}
