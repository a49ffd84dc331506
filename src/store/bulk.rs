//! Many rows in one statement: a call into SQLite costs more than a row.

use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Sqlite, Transaction};

use super::StoreError;

/// Rows in a statement. Full statements are all alike, so that SQLite compiles them once.
const ROWS: usize = 200;

/// Runs `head VALUES (…), (…) … tail` for all of `rows`, whose values `bind` pushes.
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
        query.build().persistent(chunk.len() == ROWS).execute(&mut **transaction).await?;
    }
    Ok(())
}
