//! The user's own SQL, which can only read.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::ptr;

use rusqlite::ffi;
use rusqlite::types::ValueRef;

use super::error::is_environment;
use super::{Store, StoreError};

/// One value of a row, with SQLite's types.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
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

/// Receives the rows of a query one by one, so millions of rows need no memory. Breaks to stop the query.
pub trait Sink {
    /// Receives the names of the columns once, before the first row, even if there are no rows.
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()>;
    /// Receives one row.
    fn row(&mut self, values: Vec<SqlValue>) -> ControlFlow<()>;
}

impl Store {
    /// Runs one SQL statement and hands its rows to `sink`. The statement can only read, even on a writable connection:
    /// SQLite asks `authorize` about every action.
    pub async fn query(&self, sql: &str, sink: &mut impl Sink) -> Result<(), StoreError> {
        let mut connection = self.pool().acquire().await?;
        let mut locked = connection.lock_handle().await?;
        let handle = locked.as_raw_handle().as_ptr();
        // SAFETY: the handle belongs to an open connection of the one SQLite that is linked into this program. `locked`
        // keeps all others from using it and outlives `borrowed`, which does not close it.
        let borrowed = unsafe { rusqlite::Connection::from_handle(handle) }?;
        let _guard = ReadOnly::new(handle);
        run(&borrowed, sql, sink)
    }
}

fn run(connection: &rusqlite::Connection, sql: &str, sink: &mut impl Sink) -> Result<(), StoreError> {
    let mut statement = connection.prepare(sql).map_err(query_error)?;
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(StoreError::Query("this SQL returns no rows: expected one SELECT; queries only read".to_owned()));
    }
    let columns = names.len();
    if sink.columns(names).is_break() {
        return Ok(());
    }
    let mut rows = statement.query([]).map_err(query_error)?;
    while let Some(row) = rows.next().map_err(query_error)? {
        let values = (0..columns).map(|column| Ok(value(row.get_ref(column)?))).collect::<Result<_, StoreError>>()?;
        if sink.row(values).is_break() {
            break;
        }
    }
    Ok(())
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(value) => SqlValue::Integer(value),
        ValueRef::Real(value) => SqlValue::Real(value),
        ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_owned()),
    }
}

/// While it lives, the connection can only read.
struct ReadOnly {
    handle: *mut ffi::sqlite3,
}

impl ReadOnly {
    /// Makes a connection read-only. `handle` must belong to a connection that stays open.
    fn new(handle: *mut ffi::sqlite3) -> Self {
        // SAFETY: the callback has no state.
        unsafe { ffi::sqlite3_set_authorizer(handle, Some(authorize), ptr::null_mut()) };
        ReadOnly { handle }
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        // SAFETY: the connection is still open.
        unsafe { ffi::sqlite3_set_authorizer(self.handle, None, ptr::null_mut()) };
    }
}

/// The pragmas that a statement may use.
const PRAGMAS: [&CStr; 9] = [
    c"table_info",
    c"table_xinfo",
    c"table_list",
    c"index_list",
    c"index_info",
    c"foreign_key_list",
    c"database_list",
    c"function_list",
    c"compile_options",
];

/// Decides whether a statement may perform an action. `first` and `second` are its arguments, depending on the action.
unsafe extern "C" fn authorize(
    _: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    let text = |text: *const c_char| {
        // SAFETY: SQLite passes strings that live as long as this call, or null.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    };
    let allowed = match action {
        ffi::SQLITE_SELECT | ffi::SQLITE_READ | ffi::SQLITE_RECURSIVE => true,
        ffi::SQLITE_FUNCTION => {
            text(second).is_none_or(|name| !name.to_bytes().eq_ignore_ascii_case(b"load_extension"))
        }
        ffi::SQLITE_PRAGMA => text(first).is_some_and(|name| PRAGMAS.contains(&name)),
        _ => false,
    };
    if allowed { ffi::SQLITE_OK } else { ffi::SQLITE_DENY }
}

fn query_error(error: rusqlite::Error) -> StoreError {
    let message = match &error {
        rusqlite::Error::MultipleStatement => "more than one statement: expected one SELECT at a time".to_owned(),
        rusqlite::Error::SqliteFailure(code, _) if is_environment(code.extended_code) => return error.into(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        _ => error.to_string(),
    };
    StoreError::Query(if message.contains("not authorized") || message.contains("prohibited") {
        format!("{message}: queries only read; `sweep run` and `sweep rebuild` write")
    } else if message.contains("no such") {
        format!(
            "{message}: `SELECT * FROM results LIMIT 1` and `SELECT * FROM history LIMIT 1` show the columns there are"
        )
    } else {
        message
    })
}
