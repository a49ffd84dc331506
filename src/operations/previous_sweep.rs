//! Sweeps as they were last run.

use std::fs;

use crate::Tell;
use sweep_store::NewSweep;
use sweep_wire::home::Home;

/// Returns the sweep that has this name in `home` until now, if any.
pub(crate) fn previous(home: &Home, name: &str, tell: &Tell) -> Option<NewSweep> {
    let path = home.sweep(name);
    match NewSweep::load(&path) {
        Ok(old) => Some(old),
        // A sweep file that cannot be checked may exist.
        Err(error) if fs::exists(&path).unwrap_or(true) => {
            tell.say(format!("warning: {error}; cannot tell what has changed since"));
            None
        }
        Err(_) => None,
    }
}
