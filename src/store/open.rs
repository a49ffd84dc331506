//! Opens the database: the only place where it is created, migrated and given its views.

use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr, Sqlite, Transaction};

use super::error::of_environment;
use super::files::{is_there, remove};
use super::{StoreError, former_ids, views};
use sweep_system::disk::shared;
use sweep_system::whole::{self, Survives};
use sweep_wire::database::Database;

/// The files of `migrations/`, in order. sqlx's macro for this would compile sqlx and SQLite a second time, for the
/// compiler.
pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(migrations);

pub(super) fn migrations() -> Migrator {
    let files = [
        ("initial", include_str!("../../migrations/0001_initial.sql")),
        ("scoring", include_str!("../../migrations/0002_scoring.sql")),
        ("parents", include_str!("../../migrations/0003_parents.sql")),
        ("plain", include_str!("../../migrations/0004_plain.sql")),
        ("parameters", include_str!("../../migrations/0005_parameters.sql")),
        ("measured", include_str!("../../migrations/0006_measured.sql")),
        ("own", include_str!("../../migrations/0007_own.sql")),
        ("losses", include_str!("../../migrations/0008_losses.sql")),
        ("looks", include_str!("../../migrations/0009_looks.sql")),
        ("packed", include_str!("../../migrations/0010_packed.sql")),
    ];
    let migration = |(version, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(files).map(migration).collect())
}

/// How long to wait for another program that writes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The results database. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: SqlitePool,
}

impl Store {
    /// Opens the database at `path` for writing. Creates it with its directory if necessary, and updates its tables and
    /// views.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        Store::open_within(path, PATIENCE).await
    }

    /// Opens it in the same way, but gives up after `patience` if another program has the database locked:
    /// [`StoreError::is_locked`]. Once open, it waits as long as usual.
    pub async fn open_within(path: &Path, patience: Duration) -> Result<Store, StoreError> {
        let store = Store::writable(path, patience).await?;
        store.wait_for_locks(PATIENCE).await?;
        Ok(store)
    }

    async fn writable(path: &Path, patience: Duration) -> Result<Store, StoreError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(|source| StoreError::File { path: directory.to_owned(), source })?;
        }
        is_file(path)?;
        let options = options(path)
            .busy_timeout(patience)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may lose the last transactions but cannot damage the file; the logs have them.
            .synchronous(SqliteSynchronous::Normal)
            // Number of 4 kB pages in the WAL before they are moved into the file, which waits for the disk.
            .pragma("wal_autocheckpoint", "8000")
            .statement_cache_capacity(200);
        Store { pool: connect(options, path).await? }.up_to_date(path).await
    }

    /// Opens a database in memory, for tests.
    pub async fn open_in_memory() -> Result<Store, StoreError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        Store { pool: connect(options, path).await? }.up_to_date(path).await
    }

    /// Opens the database at `path` read-only.
    pub async fn open_existing_read_only(path: &Path) -> Result<Store, StoreError> {
        Ok(Store::open_to_read(path).await?.0)
    }

    /// Opens it read-only, and also returns whether it is opened as immutable, in which case changes are not seen.
    pub(super) async fn open_to_read(path: &Path) -> Result<(Store, bool), StoreError> {
        if !is_file(path)? {
            return Err(StoreError::Missing(path.to_owned()));
        }
        // Memory mapping saves a copy of each page. It is off on shared file systems, where another machine may
        // truncate the file, which would kill this process.
        let mapped = if shared(path).is_some() { "0" } else { "2147418112" };
        let readable = options(path).read_only(true).pragma("mmap_size", mapped);
        let (pool, immutable) = match connect(readable, path).await {
            Ok(pool) => (pool, false),
            // In a read-only directory, SQLite cannot create the files that WAL needs next to the database.
            Err(_) if is_alone(path) => (connect(options(path).read_only(true).immutable(true), path).await?, true),
            Err(error) => return Err(error),
        };
        let store = Store { pool };
        store.check_version(path).await?;
        views::ensure_temporary(&store.pool).await?;
        Ok((store, immutable))
    }

    async fn up_to_date(self, path: &Path) -> Result<Store, StoreError> {
        let (found, expected) = (self.version(path).await?, expected());
        if found > expected {
            return Err(StoreError::Newer { path: path.to_owned(), found, expected });
        }
        if (1..expected).contains(&found) {
            // Fails here if it cannot write, before making a backup.
            self.write().await?.rollback().await?;
            let backup = self.back_up(path, found).await?;
            let (path, backup) = (path.display(), backup.display());
            tracing::warn!(
                "updating the tables of {path} to this version of the program; a copy of the old database \
                is {backup}"
            );
        }
        MIGRATIONS.run(&self.pool).await.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) if of_environment(&error) => {
                StoreError::Sql(error)
            }
            source => StoreError::Migrate { path: path.to_owned(), source },
        })?;
        let mut transaction = self.write().await?;
        former_ids::rename(&mut transaction).await?;
        views::ensure(&mut transaction).await?;
        transaction.commit().await?;
        Ok(self)
    }

    /// Writes a copy of the database to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// If it cannot be read or the copy cannot be written.
    pub async fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        sqlx::query("VACUUM INTO ?").bind(as_file(path).to_string_lossy().as_ref()).execute(&self.pool).await?;
        Ok(())
    }

    /// Copies the database, with tables of version `version`, into a file next to it, and returns that file's path.
    async fn back_up(&self, path: &Path, version: i64) -> Result<PathBuf, StoreError> {
        let database = Database::at(path);
        let part = database.copy_part(version);
        remove(&part)?;
        self.copy_to(&part).await?;
        let mut n = 1_u32;
        let backup = loop {
            let backup = database.copy(version, n);
            if !is_there(&backup)? {
                break backup;
            }
            n += 1;
        };
        whole::rename(&part, &backup, Survives::PowerCut)
            .map_err(|source| StoreError::File { path: backup.clone(), source })?;
        Ok(backup)
    }

    async fn check_version(&self, path: &Path) -> Result<(), StoreError> {
        let (path, found, expected) = (path.to_owned(), self.version(path).await?, expected());
        match found.cmp(&expected) {
            Ordering::Less if found == 0 => Err(StoreError::Missing(path)),
            Ordering::Less => Err(StoreError::Older { path, found, expected }),
            // An update was interrupted after its tables were migrated.
            Ordering::Equal if former_ids::are_there(&self.pool).await? => {
                Err(StoreError::Older { path, found: found - 1, expected })
            }
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(StoreError::Newer { path, found, expected }),
        }
    }

    /// Returns the latest migration; 0 if the file is empty.
    pub(super) async fn version(&self, path: &Path) -> Result<i64, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let count = "SELECT count(*), coalesce(sum(name = '_sqlx_migrations'), 0) FROM sqlite_master";
        let (all, ours): (i64, i64) = sqlx::query_as(count).fetch_one(&self.pool).await.map_err(open)?;
        match (all, ours) {
            (0, _) => Ok(0),
            (_, 0) => Err(StoreError::Foreign(path.to_owned())),
            _ => sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
                .fetch_one(&self.pool)
                .await
                .map_err(open),
        }
    }

    /// Waits until everything is written and closes the file.
    pub async fn close(self) {
        // The last connection to close moves the WAL into the file. If others still read, this moves what they no
        // longer need, so the file alone is a complete copy. It waits for nobody; a read-only connection cannot do it
        // and need not.
        let _ = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await;
        self.pool.close().await;
    }

    /// Returns the connection, for reading.
    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Begins a write transaction. It takes the write lock at once, so it cannot fail halfway because another
    /// connection has it.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Whether there is a file at `path`, which may be a database.
///
/// # Errors
///
/// If there is a folder, or it is impossible to tell what is there.
pub(super) fn is_file(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(StoreError::Folder(path.to_owned())),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Hidden { path: path.to_owned(), source }),
    }
}

/// Whether there is no SQLite log next to the database at `path`, so the file has everything.
pub(super) fn is_alone(path: &Path) -> bool {
    fs::exists(Database::at(path).log()).is_ok_and(|there| !there)
}

/// Returns the latest migration of this program.
fn expected() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// Returns the path in a form that SQLite cannot misread: `file:x` would be a URI, and `:memory:` no file.
pub(super) fn as_file(path: &Path) -> PathBuf {
    Path::new(".").join(path)
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(as_file(path)).foreign_keys(true).busy_timeout(PATIENCE)
}

pub(super) async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<SqlitePool, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(open)?;
    // Opening is lazy: only a read shows whether this is a database.
    sqlx::query("SELECT count(*) FROM sqlite_master").execute(&pool).await.map_err(open)?;
    Ok(pool)
}
