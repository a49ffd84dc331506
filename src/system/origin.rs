//! The sources that this executable was built from. Executables that work together must have the same.

use std::sync::OnceLock;

/// The environment variable by which one executable tells the other its sources.
pub const VARIABLE: &str = "SWEEP_BUILD";

static SOURCES: OnceLock<&'static str> = OnceLock::new();

/// Sets the sources of this executable; only the first call has an effect.
pub fn remember(sources: &'static str) {
    SOURCES.get_or_init(|| sources);
}

/// Returns a hash of this executable's sources; empty if it was not set, as in tests.
pub fn sources() -> &'static str {
    SOURCES.get().copied().unwrap_or_default()
}
