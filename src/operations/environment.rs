//! Environment variables.

use std::env::var_os;
use std::ffi::OsString;

/// Returns the value of an environment variable; `None` if it is unset or empty.
pub fn variable(name: &str) -> Option<OsString> {
    var_os(name).filter(|value| !value.is_empty())
}
