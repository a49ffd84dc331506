//! The canonical form: the bytes that are hashed into ids.
//!
//! JSON with sorted keys, no white space and the shortest form of each float. It is made from the typed values and not
//! from the YAML, so different spellings of the same thing (`1` and `1.0` for a learning rate, the order of keys) have
//! the same canonical form.

use serde::Serialize;

/// Changes whenever the canonical form or the results of jobs change, so that an old id is never taken for a new one.
pub const FORMAT: u32 = 4;

/// Returns the canonical bytes of `value`, headed by the format version and `kind`.
pub fn bytes<T: Serialize>(kind: &str, value: &T) -> Vec<u8> {
    // serde_json's map is a BTreeMap, so converting to `Value` sorts the keys.
    let value = serde_json::to_value(value).expect("spec types have string keys and finite floats");
    format!("sweep/{FORMAT}/{kind}:{value}").into_bytes()
}

/// The same as [`bytes`] for a value whose keys are already sorted. Takes a tenth of the time.
pub fn bytes_of_sorted<T: Serialize>(kind: &str, value: &T) -> Vec<u8> {
    let mut bytes = format!("sweep/{FORMAT}/{kind}:").into_bytes();
    serde_json::to_writer(&mut bytes, value).expect("spec types have string keys and finite floats");
    debug_assert_eq!(bytes, self::bytes(kind, value), "keys are sorted");
    bytes
}
