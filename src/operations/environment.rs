//! What the environment says.

use std::env::var_os;
use std::ffi::OsString;

/// What an environment variable says; an empty one says as little as none.
pub fn variable(name: &str) -> Option<OsString> {
    var_os(name).filter(|value| !value.is_empty())
}
