//! Arrays in files, and short names for numbers.

use std::path::Path;

use sweep_data::numbers::{self, Numbers, NumbersError, Wanted};
use sweep_operations::memory::Memory;

/// Reads the `wanted` array at `path`, if this machine has enough memory for it.
pub(super) fn array(path: &Path, wanted: Wanted) -> Result<Numbers, NumbersError> {
    numbers::read(path, wanted, Memory::here().alone().unwrap_or(u64::MAX))
}

/// A short name for numbers without a file name.
pub(super) fn short(values: impl Iterator<Item = f64>) -> String {
    let mut hasher = blake3::Hasher::new();
    values.for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    hasher.finalize().to_hex()[..8].to_owned()
}
