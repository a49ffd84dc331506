//! Numbers in files, and a name for them.

use std::path::Path;

use sweep_data::numbers::{self, Numbers, NumbersError, Wanted};
use sweep_operations::memory::Memory;

/// The array at `path` that is `wanted`, of which no more is read than this machine has memory for.
pub(super) fn array(path: &Path, wanted: Wanted) -> Result<Numbers, NumbersError> {
    numbers::read(path, wanted, Memory::here().alone().unwrap_or(u64::MAX))
}

/// A short name of numbers that no file has a name for.
pub(super) fn short(values: impl Iterator<Item = f64>) -> String {
    let mut hasher = blake3::Hasher::new();
    values.for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    hasher.finalize().to_hex()[..8].to_owned()
}
