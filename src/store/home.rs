//! The home directory that a database belongs to. Its paths are relative to it. With another home directory, logs would
//! not be found, and a rebuild would lose the first one's sweeps.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::open::{connect, is_alone, is_file, options};
use super::{Store, StoreError};
use sweep_wire::home::Home;

/// The first bytes of an SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

impl Store {
    /// Assigns the database to `home`. Returns where its runs were before, if that directory is gone and so was moved.
    ///
    /// # Errors
    ///
    /// If it has the runs of another home directory.
    pub async fn claim(&self, home: &Home) -> Result<Option<PathBuf>, StoreError> {
        let asked = absolute(home.path());
        let recorded = self.check_home(home).await?;
        if recorded.as_ref() == Some(&asked) {
            return Ok(None);
        }
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM home").execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO home (path) VALUES (?)")
            .bind(asked.to_string_lossy().as_ref())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(recorded)
    }

    /// Returns the recorded home directory, if any. It is an error if that is another one than `asked` and still
    /// exists.
    pub(super) async fn check_home(&self, asked: &Home) -> Result<Option<PathBuf>, StoreError> {
        let (recorded, asked) = (self.recorded_home().await?, absolute(asked.path()));
        if let Some(recorded) = recorded.as_ref().filter(|recorded| **recorded != asked) {
            self.check_moved(recorded, &asked).await?;
        }
        Ok(recorded)
    }

    /// Returns the path of the database; empty if it is in memory.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn file(&self) -> Result<PathBuf, StoreError> {
        let file: String = sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_one(self.pool())
            .await?;
        Ok(PathBuf::from(file))
    }

    async fn recorded_home(&self) -> Result<Option<PathBuf>, StoreError> {
        let path: Option<String> = sqlx::query_scalar("SELECT path FROM home").fetch_optional(self.pool()).await?;
        Ok(path.map(PathBuf::from))
    }

    /// Accepts another home directory if the recorded one is gone, so it was moved, or if the database is inside the
    /// new one, so it was copied with it.
    async fn check_moved(&self, recorded: &Path, asked: &Path) -> Result<(), StoreError> {
        // A directory that cannot be accessed is not gone.
        let gone = fs::exists(recorded).is_ok_and(|there| !there);
        if gone || absolute(&self.file().await?).starts_with(asked) {
            return Ok(());
        }
        Err(StoreError::OtherHome { recorded: recorded.to_owned(), asked: asked.to_owned() })
    }
}

/// Refuses to replace the file at `path` with a database of `home` if it is not a database of this program or belongs
/// to another home directory. A database that cannot be read may be replaced.
pub(super) async fn check(path: &Path, home: &Home) -> Result<(), StoreError> {
    if !is_file(path)? {
        return Ok(());
    }
    // The usual database may be damaged.
    if !is_sqlite(path)? && absolute(path) != absolute(&home.database()) {
        return Err(StoreError::NoDatabase(path.to_owned()));
    }
    // Without files next to it, open it as immutable, so reading creates none.
    let readable = options(path).read_only(true).immutable(is_alone(&absolute(path)));
    let Ok(pool) = connect(readable, path).await else { return Ok(()) };
    let store = Store { pool };
    let result = match (store.version(path).await, store.check_home(home).await) {
        (Err(error @ StoreError::Foreign(_)), _) => Err(error),
        (_, Err(error @ StoreError::OtherHome { .. })) => Err(error),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Ok(()),
    };
    store.close().await;
    result
}

/// Whether a file starts like an SQLite database or is empty.
fn is_sqlite(path: &Path) -> Result<bool, StoreError> {
    let read = || {
        let mut start = Vec::new();
        // Reading from anything else may block forever.
        if !fs::metadata(path)?.is_file() {
            return Ok(false);
        }
        File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
        Ok(start.is_empty() || start == MAGIC)
    };
    read().map_err(|source: io::Error| StoreError::File { path: path.to_owned(), source })
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
