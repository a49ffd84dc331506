//! Reads a file that may be compressed, without trusting what it says about its size.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::error::Flaw;
use super::hex::hex;
use super::regular;

/// The most bytes that deflate can produce from one byte.
const DEFLATE_MAX: usize = 1032;

/// Returns the contents of `path`, unpacked if they are gzip. `length` is the number of bytes that the caller expects.
/// Returns at most one byte more, which is enough to detect a file that is too long. Never reads or allocates more than
/// that needs.
pub(super) fn read(path: &Path, length: usize) -> Result<Vec<u8>, Flaw> {
    let (file, metadata) = regular::open(path)?;
    // gzip of incompressible bytes is larger than these, by less than this.
    let longest = length + length / 64 + 4096;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX).min(longest);
    let mut bytes = Vec::with_capacity(size);
    file.take(longest as u64).read_to_end(&mut bytes)?;
    let named_gz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    if bytes.starts_with(&[0x1f, 0x8b]) {
        gunzip(&bytes, length)
    } else if named_gz {
        let found = if bytes.is_empty() { "an empty file".to_owned() } else { hex(&bytes[..bytes.len().min(4)], " ") };
        Err(Flaw::NotGzip { found })
    } else {
        bytes.truncate(length + 1);
        Ok(bytes)
    }
}

fn gunzip(bytes: &[u8], length: usize) -> Result<Vec<u8>, Flaw> {
    let mut unpacked = Vec::with_capacity((length + 1).min(bytes.len().saturating_mul(DEFLATE_MAX)));
    let mut decoder = MultiGzDecoder::new(Counting { bytes, taken: 0 });
    match decoder.by_ref().take(length as u64 + 1).read_to_end(&mut unpacked) {
        Ok(_) => Ok(unpacked),
        Err(source) => {
            Err(Flaw::Gzip { offset: decoder.get_ref().taken, length: bytes.len(), unpacked: unpacked.len(), source })
        }
    }
}

/// Passes on a few bytes at a time, so the position of an error is known to within that many.
struct Counting<'a> {
    bytes: &'a [u8],
    taken: usize,
}

impl Read for Counting<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = (&self.bytes[self.taken..]).read(out)?;
        self.taken += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read_as(name: &str, contents: &[u8], length: usize) -> Result<Vec<u8>, Flaw> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, contents).unwrap();
        read(&path, length)
    }

    #[test]
    fn plain_and_gzip_files_give_the_same_whatever_they_are_named() {
        let bytes: Vec<u8> = (0..10_000u32).map(|i| ((i * i) >> 5) as u8).collect();
        assert_eq!(read_as("a", &bytes, bytes.len()).unwrap(), bytes);
        assert_eq!(read_as("a.gz", &gz(&bytes), bytes.len()).unwrap(), bytes);
        assert_eq!(read_as("a", &gz(&bytes), bytes.len()).unwrap(), bytes);
        let halves = [gz(&bytes[..4000]), gz(&bytes[4000..])].concat();
        assert_eq!(read_as("a.gz", &halves, bytes.len()).unwrap(), bytes);
    }

    #[test]
    fn a_decompression_bomb_yields_one_byte_too_many_and_no_more() {
        let bomb = gz(&vec![0; 50_000_000]);
        let out = read_as("a.gz", &bomb, 1000).unwrap();
        assert_eq!(out.len(), 1001);
        assert!(out.capacity() < 5000, "{}", out.capacity());
        assert_eq!(read_as("a", &vec![7; 100_000], 1000).unwrap().len(), 1001);
    }

    #[test]
    fn invalid_or_truncated_gzip_is_reported_with_the_position() {
        let error = read_as("a.gz", b"<html>", 100).unwrap_err().to_string();
        assert!(error.contains("found 3c 68 74 6d"), "{error}");
        assert!(read_as("a.gz", b"", 100).unwrap_err().to_string().contains("an empty file"));

        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let whole = gz(&bytes);
        let Err(Flaw::Gzip { offset, length, .. }) = read_as("a.gz", &whole[..whole.len() / 2], bytes.len()) else {
            panic!("half a file was read")
        };
        assert_eq!((offset, length), (whole.len() / 2, whole.len() / 2));

        let mut flipped = whole.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        assert!(matches!(read_as("a.gz", &flipped, bytes.len()), Err(Flaw::Gzip { .. })), "a wrong CRC passed");
    }

    #[test]
    fn a_folder_instead_of_a_file_is_an_error_and_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path(), 10), Err(Flaw::Io(_))));
        assert!(matches!(read(&dir.path().join("none"), 10), Err(Flaw::Io(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_yield_at_most_one_byte_too_many(
            start in prop::sample::select(vec![&b""[..], b"\x1f\x8b", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"]),
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            named in prop::sample::select(vec!["a", "a.gz"]),
        ) {
            match read_as(named, &[start, &bytes].concat(), 50) {
                Ok(out) => prop_assert!(out.len() <= 51 && out.capacity() <= 16_384),
                Err(flaw) => prop_assert!(!flaw.to_string().is_empty()),
            }
        }
    }
}
