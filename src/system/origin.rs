//! From which sources this executable was built: two that work together must be from the same.

use std::sync::OnceLock;

/// The variable by which one executable tells the other which sources it was built from.
pub const VARIABLE: &str = "SWEEP_BUILD";

static SOURCES: OnceLock<&'static str> = OnceLock::new();

/// Has this executable know its sources; only the first call does anything.
pub fn remember(sources: &'static str) {
    SOURCES.get_or_init(|| sources);
}

/// A hash of the sources of this executable; empty where nobody has told, as in tests.
pub fn sources() -> &'static str {
    SOURCES.get().copied().unwrap_or_default()
}
