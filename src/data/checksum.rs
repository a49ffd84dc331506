//! Checksums of published files.

use std::fmt;

/// A checksum of a published file, uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// MD5.
    Md5(&'static str),
    /// SHA-1.
    Sha1(&'static str),
    /// SHA-256.
    Sha256(&'static str),
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::Md5(digits) => write!(f, "MD5 {digits}"),
            Checksum::Sha1(digits) => write!(f, "SHA-1 {digits}"),
            Checksum::Sha256(digits) => write!(f, "SHA-256 {digits}"),
        }
    }
}
