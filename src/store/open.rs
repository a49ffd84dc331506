//! Opening: the one place where the database is created, migrated and given its views.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use super::files::beside;
use super::{StoreError, views};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The results database. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the database at `path` for writing: creates it with its directory, and brings its tables and views up to date.
    pub async fn open(path: &Path) -> Result<Store, StoreError> {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)
                .map_err(|source| StoreError::File { path: directory.to_owned(), source })?;
        }
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may lose the last transactions but cannot damage the file; the logs give them again.
            .synchronous(SqliteSynchronous::Normal)
            // Pages of 4 kB that the log beside the file may have before they are moved into it, which waits for the disk.
            .pragma("wal_autocheckpoint", "8000")
            .statement_cache_capacity(200);
        Store { pool: connect(options, path).await? }.up_to_date(path).await
    }

    /// A database in memory, for tests and trials.
    pub async fn open_in_memory() -> Result<Store, StoreError> {
        let path = Path::new(":memory:");
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        Store { pool: connect(options, path).await? }.up_to_date(path).await
    }

    /// Opens the database at `path` so that nothing can be changed through the connection.
    pub async fn open_existing_read_only(path: &Path) -> Result<Store, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        // Reading through memory saves a copy of each page.
        let readable = options(path).read_only(true).pragma("mmap_size", "2147418112");
        let pool = match connect(readable, path).await {
            Ok(pool) => pool,
            // In a directory where nothing can be written, SQLite cannot make the files that WAL needs beside the database.
            Err(_) if !beside(path, "-wal").exists() => {
                connect(options(path).read_only(true).immutable(true), path).await?
            }
            Err(error) => return Err(error),
        };
        let store = Store { pool };
        store.check_version(path).await?;
        views::ensure_temporary(&store.pool).await?;
        Ok(store)
    }

    async fn up_to_date(self, path: &Path) -> Result<Store, StoreError> {
        MIGRATIONS.run(&self.pool).await.map_err(|source| StoreError::Migrate { path: path.to_owned(), source })?;
        let mut transaction = self.write().await?;
        views::ensure(&mut transaction).await?;
        transaction.commit().await?;
        Ok(self)
    }

    async fn check_version(&self, path: &Path) -> Result<(), StoreError> {
        let expected = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .fetch_one(&self.pool)
            .await
            .map_err(open)?;
        let found: i64 = if tables == 0 {
            0
        } else {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success")
                .fetch_one(&self.pool)
                .await
                .map_err(open)?
        };
        if found == expected { Ok(()) } else { Err(StoreError::Version { path: path.to_owned(), found, expected }) }
    }

    /// Waits until everything is written and closes the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    /// The connection, for reading.
    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// A transaction that writes: it takes the write lock at once, so that it cannot fail half way because another has it.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).foreign_keys(true).busy_timeout(Duration::from_secs(30))
}

async fn connect(options: SqliteConnectOptions, path: &Path) -> Result<SqlitePool, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(open)?;
    // Opening is lazy: only a read tells whether this is a database at all.
    sqlx::query("SELECT count(*) FROM sqlite_master").execute(&pool).await.map_err(open)?;
    Ok(pool)
}

/// Seconds since the Unix epoch.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
