//! Reads millions of rows.

use super::{Store, StoreError};

impl Store {
    /// Hands the rows of `sql` to `each`, on this thread. With sqlx, a row is a message between two threads and a copy
    /// of each value, about a microsecond; here it is a tenth of that. For reading only.
    pub(super) async fn scan(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut connection = self.pool().acquire().await?;
        let mut locked = connection.lock_handle().await?;
        // SAFETY: the handle belongs to an open connection of the one SQLite that is linked into this program. `locked`
        // keeps all others from using it and outlives `borrowed`, which does not close it.
        let borrowed = unsafe { rusqlite::Connection::from_handle(locked.as_raw_handle().as_ptr()) }?;
        let mut statement = borrowed.prepare(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }
}
