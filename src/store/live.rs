//! Queries for watching a sweep: whether anything has changed, a job's sample sheet, and why jobs failed. None of them
//! blocks a writer: each read is a separate transaction.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::open::is_alone;
use super::register::parse_id;
use super::{Store, StoreError};
use sweep_spec::id::JobId;

/// A database that others write to, opened for reading.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    store: Store,
    /// The file that is open.
    file: File,
    /// SQLite increments it when another connection commits.
    version: i64,
}

/// The identity of a file, to tell whether the open one is still the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    /// Device and inode: a rebuild replaces the file.
    which: (u64, u64),
    /// Set if the file is opened as immutable because SQLite cannot create files next to it: its length, the time of
    /// its last change in nanoseconds, and whether those files exist by now. Such a connection never sees a change.
    fixed: Option<(u64, i64, bool)>,
}

impl Watched {
    /// Opens the database at `path` read-only.
    ///
    /// # Errors
    ///
    /// As [`Store::open_existing_read_only`].
    pub async fn open(path: &Path) -> Result<Watched, StoreError> {
        // Before opening it, so a replacement in between is noticed at the next look.
        let before = metadata(path)?;
        let (store, immutable) = Store::open_to_read(path).await?;
        let version = store.data_version().await?;
        Ok(Watched { path: path.to_owned(), store, file: File::of(path, &before, immutable), version })
    }

    /// Whether anything has been written since the last call or since it was opened. If the file has been replaced, the
    /// new one is opened.
    ///
    /// # Errors
    ///
    /// If the database can no longer be read.
    pub async fn changed(&mut self) -> Result<bool, StoreError> {
        if File::of(&self.path, &metadata(&self.path)?, self.file.fixed.is_some()) != self.file {
            *self = Watched::open(&self.path).await?;
            return Ok(true);
        }
        let version = self.store.data_version().await?;
        Ok(std::mem::replace(&mut self.version, version) != version)
    }

    /// Returns the database. Clones share its connection.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl File {
    fn of(path: &Path, found: &Metadata, immutable: bool) -> File {
        let changed = || (found.len(), found.mtime() * 1_000_000_000 + found.mtime_nsec(), is_alone(path));
        File { which: (found.dev(), found.ino()), fixed: immutable.then(changed) }
    }
}

fn metadata(path: &Path) -> Result<Metadata, StoreError> {
    fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => StoreError::Missing(path.to_owned()),
        _ => StoreError::Hidden { path: path.to_owned(), source },
    })
}

impl Store {
    /// Returns a number that changes when another connection commits.
    async fn data_version(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(self.pool()).await?)
    }

    /// Returns the path of a job's sample sheet at this step: a PNG, relative to the home directory. `None` if there is
    /// none.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn sample(&self, job: JobId, step: u64) -> Result<Option<String>, StoreError> {
        // A step too large for the database's integers has no sheet.
        let Ok(step) = i64::try_from(step) else { return Ok(None) };
        let sql = "SELECT path FROM samples WHERE job = ? AND step = ?";
        Ok(sqlx::query_scalar(sql).bind(job.to_string()).bind(step).fetch_optional(self.pool()).await?)
    }

    /// Returns the failed jobs of a sweep with the reasons, in the order of its file.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn failed(&self, sweep: &str) -> Result<Vec<(JobId, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT j.id, j.message FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = \
            e.job \
             WHERE s.name = ? AND j.state = 'failed' GROUP BY j.id ORDER BY min(e.ordinal)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(id, message)| Ok((parse_id(&id)?, message))).collect()
    }

    /// Returns the last lines of stderr from the job's last worker that wrote any; empty if none did.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn last_words(&self, job: JobId) -> Result<String, StoreError> {
        let words: Option<String> = sqlx::query_scalar(
            "SELECT a.stderr FROM members AS m JOIN attempts AS a ON a.cohort = m.cohort WHERE m.job = ? AND \
            trim(a.stderr) <> '' \
             ORDER BY a.started_at DESC, a.number DESC LIMIT 1",
        )
        .bind(job.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(words.unwrap_or_default())
    }
}
