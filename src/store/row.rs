//! Reads rows of queries into structs. sqlx's macro for this would compile sqlx and SQLite a second time, for the
//! compiler.

/// Defines a struct whose fields are read from the columns of the same names.
macro_rules! row {
    ($(#[$doc:meta])* $visible:vis struct $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        $visible struct $name { $($field: $type,)* }

        impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for $name {
            fn from_row(row: &sqlx::sqlite::SqliteRow) -> sqlx::Result<$name> {
                Ok($name { $($field: sqlx::Row::try_get(row, stringify!($field))?,)* })
            }
        }
    };
}
