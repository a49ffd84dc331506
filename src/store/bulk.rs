//! Writes many rows in one statement, because a call into SQLite costs more than a row.

use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Sqlite, Transaction};

use super::StoreError;

/// Rows per statement. Statements with the same number of rows are identical, so SQLite compiles each once.
const ROWS: usize = 200;
const SHORT: usize = 4;

/// Runs `head VALUES (…), (…) … tail` for all of `rows`, whose values `bind` pushes: an `INSERT`, or an
/// `UPDATE … FROM`.
pub(super) async fn insert<R>(
    transaction: &mut Transaction<'static, Sqlite>,
    head: &'static str,
    rows: &[R],
    tail: &'static str,
    mut bind: impl FnMut(&mut Separated<'_, Sqlite, &'static str>, &R),
) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS) {
        let mut query = QueryBuilder::<Sqlite>::new(head);
        query.push_values(chunk, |mut row, value| bind(&mut row, value));
        query.push(tail);
        query.build().persistent(chunk.len() == ROWS || chunk.len() <= SHORT).execute(&mut **transaction).await?;
    }
    Ok(())
}
