//! Sweeps as they were run last.

use std::fs;

use crate::Tell;
use sweep_store::NewSweep;
use sweep_wire::home::Home;

/// The sweep that has this name in `home` until now, if any.
pub(crate) fn previous(home: &Home, name: &str, tell: &Tell) -> Option<NewSweep> {
    let path = home.sweep(name);
    match NewSweep::load(&path) {
        Ok(old) => Some(old),
        // One that cannot be seen may be there.
        Err(error) if fs::exists(&path).unwrap_or(true) => {
            tell.say(format!("warning: {error}; what has changed since is not known"));
            None
        }
        Err(_) => None,
    }
}
