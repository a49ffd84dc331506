//! The canonical form: the bytes that are hashed into ids.
//!
//! JSON with sorted keys, no white space and the shortest form of every float. Whatever is spelled differently but means the same
//! (`1` and `1.0` for a learning rate, the order of keys) has one canonical form, because it is made from the typed values and not from
//! the YAML.

use serde::Serialize;

/// Changes whenever the canonical form does, or the numbers that a job gives: an old id is never taken for a new one.
pub const FORMAT: u32 = 4;

/// The canonical bytes of `value`, headed by the format version and by `kind`.
pub fn bytes<T: Serialize>(kind: &str, value: &T) -> Vec<u8> {
    // serde_json's map is a BTreeMap: going through `Value` sorts the keys.
    let value = serde_json::to_value(value).expect("spec types have string keys and finite floats");
    format!("sweep/{FORMAT}/{kind}:{value}").into_bytes()
}

/// [`bytes`] of a value whose keys are sorted already, which takes a tenth of the time.
pub fn bytes_of_sorted<T: Serialize>(kind: &str, value: &T) -> Vec<u8> {
    let mut bytes = format!("sweep/{FORMAT}/{kind}:").into_bytes();
    serde_json::to_writer(&mut bytes, value).expect("spec types have string keys and finite floats");
    debug_assert_eq!(bytes, self::bytes(kind, value), "keys are sorted");
    bytes
}
