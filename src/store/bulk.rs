//! Many rows in one statement: a call into SQLite costs more than a row.

use sqlx::query_builder::{QueryBuilder, Separated};
use sqlx::{Sqlite, Transaction};

use super::StoreError;

/// SQLite takes at most 32,766 parameters in a statement.
const PARAMETERS: usize = 32_000;

/// Runs `head VALUES (…), (…) … tail` for all of `rows`, whose `columns` values `bind` pushes.
pub(super) async fn insert<R>(
    transaction: &mut Transaction<'static, Sqlite>,
    head: &'static str,
    columns: usize,
    rows: &[R],
    tail: &'static str,
    mut bind: impl FnMut(&mut Separated<'_, Sqlite, &'static str>, &R),
) -> Result<(), StoreError> {
    for chunk in rows.chunks(PARAMETERS / columns) {
        let mut query = QueryBuilder::<Sqlite>::new(head);
        query.push_values(chunk, |mut row, value| bind(&mut row, value));
        query.push(tail);
        // Not kept in the statement cache: chunks differ in length.
        query.build().persistent(false).execute(&mut **transaction).await?;
    }
    Ok(())
}
