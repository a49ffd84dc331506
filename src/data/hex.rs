//! Formats bytes as hexadecimal text.

/// Formats bytes as hexadecimal numbers, separated by `separator`.
pub(super) fn hex(bytes: &[u8], separator: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(separator)
}
