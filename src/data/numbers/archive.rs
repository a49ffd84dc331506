//! Archives by numpy.savez. What an entry says about itself is checked before it is inflated.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::stored::Stored;
use super::wanted::{Wanted, choose};
use super::{Numbers, NumbersError, wrong};
use crate::npy::{HEAD, Header};

/// The most bytes that deflate makes of one byte.
const DENSEST: u64 = 1032;

/// Returns the array in the archive at `path` that is `wanted`.
pub(super) fn npz(path: &Path, file: File, wanted: Wanted) -> Result<Numbers, NumbersError> {
    let broken = |error: ZipError| wrong(path, format!("the archive is damaged or truncated: {error}"));
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect();
    names.sort_unstable();
    let name = choose(path, &names, wanted)?;
    let packed = || {
        wrong(
            path,
            format!("`{name}` is compressed in an unusual way: write it with numpy.savez or numpy.savez_compressed"),
        )
    };
    let entry = archive.by_name(&format!("{name}.npy")).map_err(|error| match error {
        ZipError::UnsupportedArchive(_) => packed(),
        error => broken(error),
    })?;
    let (length, inside, mut start) = (entry.size(), path.join(&name), Vec::new());
    // Other packages may enable more compression methods than NumPy uses, with higher expansion.
    if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(packed());
    }
    if length > DENSEST * entry.compressed_size() + HEAD {
        let packed = entry.compressed_size();
        return Err(wrong(
            path,
            format!("`{name}` is damaged: it claims {length} bytes, more than its {packed} compressed bytes can hold"),
        ));
    }
    let damaged = |error| wrong(path, format!("`{name}` is damaged: {error}"));
    entry.take(HEAD).read_to_end(&mut start).map_err(damaged)?;
    let flawed = |flaw| NumbersError::Npy { path: inside.clone(), flaw };
    let header = Header::parse(&start).map_err(flawed)?;
    header.check(length).map_err(flawed)?;
    let Header { dtype, dims, offset, fortran } = header;
    let stored = Stored::entry(archive, format!("{name}.npy"), offset as u64, fortran);
    Ok(Numbers { path: inside, dims, dtype, stored, left_out: None, room: u64::MAX })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::super::read::tests::{SAMPLES, f32s, file, named, of, read};
    use super::*;
    use crate::npy::tests::npy as array;

    #[test]
    fn archives_are_read_by_name() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::FileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, value) in [("samples.npy", 1.0), ("other.npy", 2.0)] {
            archive.start_file(name, options).unwrap();
            archive.write_all(&array("<f4", "(1, 1)", &f32s(&[value]))).unwrap();
        }
        let bytes = archive.finish().unwrap().into_inner();
        let whole = file(&bytes);
        assert_eq!(read(whole.path(), SAMPLES).unwrap().rows().unwrap().0, [1.0]);
        assert_eq!(read(whole.path(), named("other")).unwrap().rows().unwrap().0, [2.0]);
        for length in 4..bytes.len() {
            assert!(of(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    /// An archive with one array of `bytes` zeros, deflated, whose header claims `dims`.
    fn deflated(dims: &str, bytes: usize) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("samples.npy", zip::write::FileOptions::default()).unwrap();
        archive.write_all(&array("|u1", dims, &vec![0; bytes])).unwrap();
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn a_wrong_shape_is_refused_before_inflating() {
        let bomb = deflated("(100, 400000)", 40_000_000);
        assert!(bomb.len() < 50_000);
        let bomb = file(&bomb);
        let most = sweep_fuzz::most_memory(|| {
            let numbers = read(bomb.path(), SAMPLES).unwrap();
            let refused = [numbers.points(2).is_err(), numbers.label_counts(3).is_err()];
            assert_eq!(refused, [true; 2]);
            assert!(numbers.images([3, 28, 28], None).is_err());
        });
        assert!(most < 1_000_000, "{most} bytes");
        assert_eq!(of(&deflated("(3, 2)", 6)).unwrap().points(2).unwrap(), [0.0; 6]);
    }

    #[test]
    fn an_array_too_large_for_memory_is_refused_before_inflating() {
        let bomb = file(&deflated("(5000000, 2)", 10_000_000));
        let refused = |room| super::super::read(bomb.path(), SAMPLES, room).unwrap().points(2).unwrap_err().to_string();
        let most = sweep_fuzz::most_memory(|| {
            let error = refused(329_999_999);
            let expected = "scoring uint8 of shape [5000000, 2] takes about 0.3 GB of memory, but only 0.3 GB are \
                available: \
                use fewer samples";
            assert!(error.ends_with(expected), "{error}");
        });
        assert!(most < 1_000_000, "{most} bytes");
        assert_eq!(super::super::read(bomb.path(), SAMPLES, 330_000_000).unwrap().points(2).unwrap().len(), 10_000_000);
    }

    #[test]
    fn unusual_compression_is_reported() {
        let mut bytes = deflated("(3, 2)", 6);
        // Change the method in both headers to that of bzip2.
        for (signature, place) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
            let at = bytes.windows(4).position(|part| part == signature).unwrap() + place;
            assert_eq!(bytes[at], 8);
            bytes[at] = 12;
        }
        let error = of(&bytes).unwrap_err();
        assert!(error.contains("`samples` is compressed in an unusual way: write it with numpy.savez"), "{error}");
    }

    #[test]
    fn an_archive_that_lies_about_its_sizes_is_refused() {
        let sound = deflated("(1, 100000)", 100_000);
        let place = |bytes: &[u8], signature: &[u8]| bytes.windows(4).position(|part| part == signature).unwrap();
        let size = place(&sound, b"PK\x01\x02") + 24;
        assert_eq!(u32::from_le_bytes(*sound[size..].first_chunk().unwrap()), 100_128);
        for (claimed, expected) in [
            (100_127u32, "the file ends at byte 100127"),
            (u32::MAX - 1, "more than its 195 compressed bytes can hold"),
        ] {
            let mut lie = sound.clone();
            lie[size..size + 4].copy_from_slice(&claimed.to_le_bytes());
            let error = of(&lie).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut damaged = sound.clone();
        let last = place(&sound, b"PK\x01\x02") - 1;
        damaged[last] ^= 1;
        let error = of(&damaged).and_then(|numbers| numbers.rows().map_err(|error| error.to_string())).unwrap_err();
        assert!(error.contains("damaged"), "{error}");
    }
}
