//! Finds arrays in .npy, .npz and .safetensors files and folders of pictures. Reads headers only, not values.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use safetensors::tensor::Metadata;

use super::stored::{Stored, first_size};
use super::wanted::{Wanted, choose};
use super::{Numbers, NumbersError, archive, wrong};
use crate::dtype::Dtype;
use crate::listing::Listing;
use crate::npy::{HEAD, Header};
use crate::regular;

/// The most bytes of a safetensors header, as in its own library.
const TENSORS: u64 = 100_000_000;

/// Finds the array at `path`. If a file has several, `wanted` says which one. Values are not read yet. When they are,
/// they and everything computed from them may take `room` bytes of memory.
///
/// # Errors
///
/// If it cannot be read, is damaged, or none of several arrays has the wanted name.
pub fn read(path: &Path, wanted: Wanted, room: u64) -> Result<Numbers, NumbersError> {
    Ok(Numbers { room, ..find(path, wanted)? })
}

fn find(path: &Path, wanted: Wanted) -> Result<Numbers, NumbersError> {
    let alone = |found: Numbers| match wanted.key {
        Some(_) => Err(wrong(path, format!("it does not contain named arrays: leave out {}", wanted.flag))),
        None => Ok(found),
    };
    if path.is_dir() {
        return pictures(path).and_then(alone);
    }
    let failed = |source| NumbersError::Read { path: path.to_owned(), source };
    let (file, metadata) = regular::open(path).map_err(failed)?;
    let mut start = Vec::new();
    (&file).take(HEAD).read_to_end(&mut start).map_err(failed)?;
    if start.starts_with(b"\x93NUMPY") {
        return npy(path, file, &start, metadata.len()).and_then(alone);
    }
    if start.starts_with(b"PK\x03\x04") {
        return archive::npz(path, file, wanted);
    }
    // safetensors: the length of the header, then the header, which is a map.
    if start.get(8) == Some(&b'{') || path.extension().is_some_and(|ending| ending == "safetensors") {
        return tensor(path, file, &start, metadata.len(), wanted);
    }
    let what = "expected a file by numpy.save or numpy.savez, a safetensors file, or a folder of pictures";
    let found = if start.is_empty() {
        "an empty file".to_owned()
    } else {
        format!("bytes {}", crate::hex::hex(&start[..start.len().min(8)], " "))
    };
    Err(wrong(path, format!("{what}; found {found}")))
}

fn npy(path: &Path, file: File, start: &[u8], length: u64) -> Result<Numbers, NumbersError> {
    let flawed = |flaw| NumbersError::Npy { path: path.to_owned(), flaw };
    let header = Header::parse(start).map_err(flawed)?;
    header.check(length).map_err(flawed)?;
    let Header { dtype, dims, offset, fortran } = header;
    let stored = Stored::Part { file, offset: offset as u64, fortran };
    Ok(Numbers { path: path.to_owned(), dims, dtype, stored, left_out: None, room: u64::MAX })
}

fn tensor(path: &Path, file: File, start: &[u8], length: u64, wanted: Wanted) -> Result<Numbers, NumbersError> {
    let damaged = |what: String| wrong(path, format!("not a valid safetensors file: {what}"));
    let Some(first) = start.first_chunk::<8>() else {
        return Err(damaged(format!(
            "expected the header length in the first 8 bytes, but the file ends at byte {length}"
        )));
    };
    let size = u64::from_le_bytes(*first);
    let data = size.saturating_add(8);
    if data > length {
        return Err(damaged(format!("its header should have {size} bytes, but the file ends at byte {length}")));
    }
    if size > TENSORS {
        return Err(damaged(format!("its header should have {size} bytes, expected at most {TENSORS}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact_at(&mut header, 8).map_err(|source| NumbersError::Read { path: path.to_owned(), source })?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| damaged(format!("its header is damaged: {error}")))?;
    let whole = data.saturating_add(header.data_len() as u64);
    if whole != length {
        let ending = if length < whole { "ends at" } else { "continues to" };
        return Err(damaged(format!("its header describes {whole} bytes, but the file {ending} byte {length}")));
    }
    let mut names = header.offset_keys();
    names.sort_unstable();
    let name = choose(path, &names, wanted)?;
    let Some(info) = header.info(&name) else { return Err(damaged(format!("`{name}` is not described"))) };
    let dtype = Dtype::of_tensor(info.dtype).ok_or_else(|| {
        let found = info.dtype;
        wrong(
            path,
            format!(
                "`{name}` has values of type {found:?}: convert it to F32, or to another type that NumPy \
            supports"
            ),
        )
    })?;
    let ((from, _), dims) = (info.data_offsets, info.shape.clone());
    let stored = Stored::Part { file, offset: data + from as u64, fortran: false };
    Ok(Numbers { path: path.join(name), dims, dtype, stored, left_out: None, room: u64::MAX })
}

/// Returns all pictures in a folder, sorted by name: `[n, 3, height, width]`, all as large as the first.
fn pictures(folder: &Path) -> Result<Numbers, NumbersError> {
    let listing = Listing::open(folder, "score".to_owned())?;
    let ([height, width], left_out) = (first_size(&listing)?, listing.left_out());
    let dims = vec![listing.len(), 3, height, width];
    Ok(Numbers {
        path: folder.to_owned(),
        dims,
        dtype: Dtype::U8,
        stored: Stored::Pictures(Box::new(listing)),
        left_out,
        room: u64::MAX,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::npy::tests::{fortran, npy as array};
    use crate::picture::tests::png;

    pub(crate) const SAMPLES: Wanted = Wanted { key: None, flag: "--key", usual: "samples" };

    pub(crate) fn named(key: &str) -> Wanted<'_> {
        Wanted { key: Some(key), ..SAMPLES }
    }

    pub(crate) fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    pub(crate) fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    pub(crate) fn read(path: &Path, wanted: Wanted) -> Result<Numbers, NumbersError> {
        super::read(path, wanted, u64::MAX)
    }

    pub(crate) fn of(bytes: &[u8]) -> Result<Numbers, String> {
        read(file(bytes).path(), SAMPLES).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_read_from_every_format() {
        let values = [1.0f32, 2.0, 3.0, 4.5];
        let expected = (vec![1.0, 2.0, 3.0, 4.5], 2);
        assert_eq!(of(&array("<f4", "(2, 2)", &f32s(&values))).unwrap().rows().unwrap(), expected);
        let whole: Vec<u8> = [1i64, -2].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(of(&array("<i8", "(2, 1)", &whole)).unwrap().rows().unwrap(), (vec![1.0, -2.0], 1));

        let data = f32s(&values);
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &data).unwrap();
        let bytes = safetensors::serialize([("a", view.clone()), ("b", view)], None).unwrap();
        let tensors = file(&bytes);
        assert_eq!(read(tensors.path(), named("b")).unwrap().rows().unwrap(), expected);
        assert_eq!(read(tensors.path(), Wanted { usual: "a", ..SAMPLES }).unwrap().rows().unwrap(), expected);
        let error = read(tensors.path(), SAMPLES).unwrap_err().to_string();
        assert!(
            error.ends_with("none of several arrays is called `samples`; arrays in it: `a`, `b`; name one with --key")
        );
    }

    #[test]
    fn columns_first_is_read_as_rows_first() {
        // 2 × 3 × 2; each value is its index in row-major order.
        let columns = [0.0f32, 6.0, 2.0, 8.0, 4.0, 10.0, 1.0, 7.0, 3.0, 9.0, 5.0, 11.0];
        let numbers = of(&fortran(array("<f4", "(2, 3, 2)", &f32s(&columns)))).unwrap();
        assert_eq!(numbers.rows().unwrap(), ((0..12).map(f64::from).collect(), 6));
    }

    #[test]
    fn pictures_of_a_folder_are_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.PNG"] {
            fs::write(folder.path().join(name), png(5, 4)).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
        let numbers = read(folder.path(), SAMPLES).unwrap();
        assert_eq!(numbers.dims, [2, 3, 4, 5]);
        let images = numbers.images([3, 4, 5], None).unwrap();
        assert!((f64::from(images[1]) - (4.0 / 127.5 - 1.0)).abs() < 1e-6);
        let colours = numbers.images([1, 4, 5], None).unwrap_err().to_string();
        assert!(colours.ends_with("a.PNG: has colours: expected grey pictures"), "{colours}");
        let range = numbers.images([3, 4, 5], Some((0.0, 50.0))).unwrap_err().to_string();
        assert!(range.contains("a.PNG: has a value of 100"), "{range}");
        let key = read(folder.path(), named("samples")).unwrap_err().to_string();
        assert!(key.ends_with("it does not contain named arrays: leave out --key"), "{key}");
        fs::write(folder.path().join("c.png"), png(5, 5)).unwrap();
        let error = || read(folder.path(), SAMPLES).unwrap().images([3, 4, 5], None).unwrap_err().to_string();
        assert!(error().contains("c.png: 5×5 pixels, but ") && error().contains("a.PNG has 5×4"), "{}", error());
        fs::write(folder.path().join("c.png"), "?").unwrap();
        assert!(error().contains("c.png: expected a JPEG"), "{}", error());
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path(), SAMPLES).unwrap_err().to_string().contains("expected pictures"));
    }

    #[test]
    fn folders_are_read_as_data_sets_are() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["cat/b.png", "cat/.hidden.png", "dog/a.png", "dog/more/c.png", "notes.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, png(5, 4)).unwrap();
        }
        std::os::unix::fs::symlink("nowhere", folder.path().join("cat/gone.png")).unwrap();
        let numbers = read(folder.path(), SAMPLES).unwrap();
        assert_eq!(numbers.images([3, 4, 5], None).unwrap().len(), 3 * 60);
        let left_out = "1 hidden, 1 of other formats (.txt: 1, such as notes.txt), a broken link (gone.png)";
        assert_eq!(numbers.left_out.unwrap(), left_out);
        fs::rename(folder.path().join("cat"), folder.path().join("train")).unwrap();
        fs::rename(folder.path().join("dog"), folder.path().join("test")).unwrap();
        let error = read(folder.path(), SAMPLES).unwrap_err().to_string();
        assert!(error.contains("parts of a data set") && error.ends_with("/train"), "{error}");
    }

    #[test]
    fn overflowing_shapes_are_refused() {
        for dims in ["(0, 4611686018427387904, 8)", "(3, 4611686018427387904, 8, 0)"] {
            let numbers = of(&array("<f4", dims, &[])).unwrap();
            assert!(numbers.rows().unwrap_err().to_string().contains("expected rows [N, values], found shape"));
            assert!(
                numbers.points(2).is_err()
                    && numbers.label_counts(3).is_err()
                    && numbers.images([1, 2, 2], None).is_err()
            );
        }
    }

    #[test]
    fn long_lists_of_names_are_shortened() {
        let names: Vec<String> = (0..12).map(|i| format!("a{i:02}")).collect();
        let said = |count: usize| choose(Path::new("x"), &names[..count], SAMPLES).unwrap_err().to_string();
        assert!(said(12).ends_with("`a08`, `a09` and 2 more; name one with --key"), "{}", said(12));
        assert!(said(10).ends_with("`a08`, `a09`; name one with --key") && said(0).contains("in it: none;"));
    }

    #[test]
    fn only_regular_files_are_read() {
        let error = read(Path::new("/dev/zero"), SAMPLES).unwrap_err().to_string();
        assert!(error.ends_with("expected a file, found a device"), "{error}");
        // A sparse file as large as a disk.
        let huge = tempfile::NamedTempFile::new().unwrap();
        huge.as_file().set_len(1 << 42).unwrap();
        assert!(read(huge.path(), SAMPLES).unwrap_err().to_string().ends_with("found bytes 00 00 00 00 00 00 00 00"));
        huge.as_file().write_all_at(&array("<f4", "(2, 2)", &[]), 0).unwrap();
        assert!(read(huge.path(), SAMPLES).unwrap_err().to_string().contains("continues after byte 144"));
    }

    #[test]
    fn errors_of_damaged_safetensors_say_what_is_wrong() {
        let file = |header: &str, data: usize| {
            [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
        };
        let two = r#"{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
        assert_eq!(of(&file(two, 16)).unwrap().rows().unwrap().0, [0.0; 4]);
        let whole = 8 + two.len();
        for (bytes, expected) in [
            (
                file(two, 15),
                format!("its header describes {} bytes, but the file ends at byte {}", whole + 16, whole + 15),
            ),
            (
                file(two, 17),
                format!("its header describes {} bytes, but the file continues to byte {}", whole + 16, whole + 17),
            ),
            (
                file(two, 0)[..30].to_vec(),
                format!("its header should have {} bytes, but the file ends at byte 30", two.len()),
            ),
            (file("{\"a\":", 0), "its header is damaged: EOF".to_owned()),
            (file(&two.replace("F32", "F33"), 16), "its header is damaged: unknown variant `F33`".to_owned()),
            (
                file(&two.replace("[2,2]", "[2,3]"), 16),
                "its header is damaged: invalid shape, data type, or offset".to_owned(),
            ),
            (
                file(&two.replace("[0,16]", "[16,0]"), 16),
                "its header is damaged: invalid offset for tensor `a`".to_owned(),
            ),
        ] {
            let error = of(&bytes).unwrap_err();
            assert!(error.contains("not a valid safetensors file") && error.contains(&expected), "{error}");
        }
        let named = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
        fs::write(named.path(), "abc").unwrap();
        let error = read(named.path(), SAMPLES).unwrap_err().to_string();
        assert!(
            error.ends_with("expected the header length in the first 8 bytes, but the file ends at byte 3"),
            "{error}"
        );
    }

    #[test]
    fn mutants_of_arrays_and_tensors() {
        let npy = |descr: &str, shape: &str, values: &[u8]| {
            let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            let length = (dictionary.len() as u16).to_le_bytes();
            [b"\x93NUMPY\x01\x00", length.as_slice(), dictionary.as_bytes(), values].concat()
        };
        let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &[0; 16]).unwrap();
        let corpus = [
            npy("<f4", "(2, 2)", &[0; 16]),
            npy(">i8", "(3,)", &[7; 24]),
            npy("|b1", "(2, 1, 2)", &[1; 4]),
            safetensors::serialize([("samples", tensor)], None).unwrap(),
        ];
        sweep_fuzz::survive_as_file(&corpus, |path| {
            let wanted = Wanted { key: None, flag: "--key", usual: "samples" };
            if let Ok(numbers) = read(path, wanted) {
                let _ = (numbers.rows(), numbers.points(2), numbers.label_counts(3));
                let _ = numbers.images([1, 2, 1], Some((0.0, 1.0)));
            }
        });
    }
}
