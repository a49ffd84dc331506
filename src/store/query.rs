//! SQL of the user's own.

use std::ops::ControlFlow;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef};

use super::{Store, StoreError};

/// One value of a row, as SQLite has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A float; may be infinite.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// Takes the rows of a query one by one, so that millions of them need no memory. Breaks when it wants no more.
pub trait Sink {
    /// The names of the columns, once, before the first row, also when there is none.
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()>;
    /// One row.
    fn row(&mut self, values: Vec<Value>) -> ControlFlow<()>;
}

impl Store {
    /// Runs one SQL statement and hands its rows to `sink`. Whether it may change anything is the connection's affair: open the
    /// store read-only.
    pub async fn query(&self, sql: &str, sink: &mut impl Sink) -> Result<(), StoreError> {
        let mut connection = self.pool().acquire().await?;
        let statement = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await.map_err(query_error)?;
        let names: Vec<String> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        if names.is_empty() {
            return Err(StoreError::Query("this SQL has no result: expected one SELECT; queries only read".to_owned()));
        }
        if sink.columns(names.clone()).is_break() {
            return Ok(());
        }
        let mut rows = statement.query().fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(query_error)? {
            if !row.columns().iter().map(|column| column.name()).eq(names.iter()) {
                return Err(StoreError::Query("more than one SELECT: expected one at a time".to_owned()));
            }
            let values = (0..row.len()).map(|index| value(&row, index)).collect::<Result<_, _>>()?;
            if sink.row(values).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn value(row: &sqlx::sqlite::SqliteRow, index: usize) -> Result<Value, StoreError> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" => Value::Integer(row.try_get_unchecked(index)?),
        "REAL" => Value::Real(row.try_get_unchecked(index)?),
        "BLOB" => Value::Blob(row.try_get_unchecked(index)?),
        _ => Value::Text(row.try_get_unchecked(index)?),
    })
}

fn query_error(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(database) = &error else { return StoreError::Sql(error) };
    let message = database.message();
    StoreError::Query(if message.contains("readonly") {
        format!("{message}: queries only read; `sweep run` and `sweep rebuild` write")
    } else if message.contains("no such") {
        format!(
            "{message}: `SELECT * FROM results LIMIT 1` and `SELECT * FROM history LIMIT 1` show the columns there are"
        )
    } else {
        message.to_owned()
    })
}
