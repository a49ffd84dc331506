//! What somebody who watches asks for: whether anything has changed, a job's sample sheet, and why jobs failed. Nothing here keeps a writer
//! from its work: each read is a transaction of its own.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::open::is_alone;
use super::register::parse_id;
use super::{Store, StoreError};
use sweep_spec::id::JobId;

/// A database that others write to, open for reading.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    store: Store,
    /// The file that is open.
    file: File,
    /// What SQLite counts up when another connection commits.
    version: i64,
}

/// Which file lies at a path, as far as it tells whether the open one is still the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    /// Device and number of the file: a rebuild puts another one in its place.
    which: (u64, u64),
    /// Length, and time of the last change in nanoseconds, of one that is read as if nobody wrote to it, since SQLite cannot make files beside
    /// it; with whether somebody has made them since. That connection would never see a change.
    fixed: Option<(u64, i64, bool)>,
}

impl Watched {
    /// Opens the database at `path` so that nothing can be changed through the connection.
    ///
    /// # Errors
    ///
    /// As [`Store::open_existing_read_only`].
    pub async fn open(path: &Path) -> Result<Watched, StoreError> {
        // Before it is opened: who replaces it in between is seen in the next look.
        let before = metadata(path)?;
        let (store, immutable) = Store::open_to_read(path).await?;
        let version = store.data_version().await?;
        Ok(Watched { path: path.to_owned(), store, file: File::of(path, &before, immutable), version })
    }

    /// Whether anything has been written since the last look, or since it was opened. Where another file lies there by now, that is open then.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read any more.
    pub async fn changed(&mut self) -> Result<bool, StoreError> {
        if File::of(&self.path, &metadata(&self.path)?, self.file.fixed.is_some()) != self.file {
            *self = Watched::open(&self.path).await?;
            return Ok(true);
        }
        let version = self.store.data_version().await?;
        Ok(std::mem::replace(&mut self.version, version) != version)
    }

    /// The database. Clones share its connection.
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
    /// A number that is another one once another connection has committed.
    async fn data_version(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(self.pool()).await?)
    }

    /// Where a job's sample sheet of this step is: a PNG, relative to the home directory. `None` where there is none.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn sample(&self, job: JobId, step: u64) -> Result<Option<String>, StoreError> {
        // A step that no integer of the database can be is one that no sheet is of.
        let Ok(step) = i64::try_from(step) else { return Ok(None) };
        let sql = "SELECT path FROM samples WHERE job = ? AND step = ?";
        Ok(sqlx::query_scalar(sql).bind(job.to_string()).bind(step).fetch_optional(self.pool()).await?)
    }

    /// The jobs of a sweep that have failed, each with why, in the order of its file.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn failed(&self, sweep: &str) -> Result<Vec<(JobId, String)>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT j.id, j.message FROM sweeps AS s JOIN entries AS e ON e.sweep = s.id JOIN jobs AS j ON j.id = e.job \
             WHERE s.name = ? AND j.state = 'failed' GROUP BY j.id ORDER BY min(e.ordinal)",
        )
        .bind(sweep)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter().map(|(id, message)| Ok((parse_id(&id)?, message))).collect()
    }

    /// The last lines on stderr of the job's last worker that left any; empty where none did.
    ///
    /// # Errors
    ///
    /// Where the database cannot be read.
    pub async fn last_words(&self, job: JobId) -> Result<String, StoreError> {
        let words: Option<String> = sqlx::query_scalar(
            "SELECT a.stderr FROM members AS m JOIN attempts AS a ON a.cohort = m.cohort WHERE m.job = ? AND trim(a.stderr) <> '' \
             ORDER BY a.started_at DESC, a.number DESC LIMIT 1",
        )
        .bind(job.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(words.unwrap_or_default())
    }
}
