//! Where arrays lie: .npy, .npz, .safetensors, folders of pictures.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::SafeTensors;
use zip::ZipArchive;

use super::{Numbers, NumbersError, wrong};
use crate::dtype::Dtype;
use crate::npy::Header;
use crate::picture;

/// Endings of the pictures in a folder.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// Which of the arrays in a file is meant.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name, as somebody says.
    pub key: Option<&'a str>,
    /// The flag that says so.
    pub flag: &'static str,
    /// What it is usually called.
    pub usual: &'static str,
}

/// Reads the array at `path`, of several in one file that which is `wanted`.
///
/// # Errors
///
/// Where it cannot be read, is damaged, or several arrays have other names.
pub fn read(path: &Path, wanted: Wanted) -> Result<Numbers, NumbersError> {
    let alone = |found: Numbers| match wanted.key {
        Some(_) => Err(wrong(path, format!("what lies here has no names: leave {} out", wanted.flag))),
        None => Ok(found),
    };
    if path.is_dir() {
        return pictures(path).and_then(alone);
    }
    let bytes = fs::read(path).map_err(|source| NumbersError::Read { path: path.to_owned(), source })?;
    if bytes.starts_with(b"\x93NUMPY") {
        return npy(path, &bytes).and_then(alone);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return npz(path, &bytes, wanted);
    }
    if let Ok(file) = SafeTensors::deserialize(&bytes) {
        return tensor(path, &file, wanted);
    }
    let what = "expected an array by numpy.save or numpy.savez, a file of safetensors, or a folder of pictures";
    Err(wrong(path, format!("{what}; found neither")))
}

fn npy(path: &Path, bytes: &[u8]) -> Result<Numbers, NumbersError> {
    let flawed = |flaw| NumbersError::Npy { path: path.to_owned(), flaw };
    let header = Header::parse(bytes).map_err(flawed)?;
    header.check(bytes.len() as u64).map_err(flawed)?;
    let Header { dtype, dims, offset, fortran } = header;
    let bytes = &bytes[offset..];
    let bytes = if fortran { row_by_row(bytes, &dims, dtype.width()) } else { bytes.to_vec() };
    Ok(Numbers { path: path.to_owned(), dims, dtype, bytes, files: Vec::new() })
}

/// Values of `width` bytes whose first dimension is the fastest, with the last as the fastest.
fn row_by_row(bytes: &[u8], dims: &[usize], width: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = vec![0; dims.len()];
    for _ in 0..bytes.len() / width {
        let place = at.iter().zip(dims).rev().fold(0, |place, (at, size)| place * size + at);
        out.extend(&bytes[place * width..][..width]);
        for (at, size) in at.iter_mut().zip(dims).rev() {
            *at += 1;
            if at != size {
                break;
            }
            *at = 0;
        }
    }
    out
}

/// Which of the arrays in a file is meant.
fn choose(path: &Path, names: &[String], wanted: Wanted) -> Result<String, NumbersError> {
    let Wanted { key, flag, usual } = wanted;
    let found = match (key, names) {
        (Some(key), _) => names.iter().find(|name| *name == key),
        (None, [only]) => Some(only),
        (None, _) => names.iter().find(|name| *name == usual),
    };
    found.cloned().ok_or_else(|| {
        let names = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
        let what = match key {
            Some(key) => format!("no array is called `{key}`"),
            None => format!("none of several arrays is called `{usual}`"),
        };
        wrong(path, format!("{what}; arrays in it: {names}; name one with {flag}"))
    })
}

fn npz(path: &Path, bytes: &[u8], wanted: Wanted) -> Result<Numbers, NumbersError> {
    let broken = |error: zip::result::ZipError| wrong(path, format!("the archive is damaged or not whole: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect();
    names.sort_unstable();
    let name = choose(path, &names, wanted)?;
    let entry = archive.by_name(&format!("{name}.npy")).map_err(broken)?;
    let mut values = Vec::new();
    // An archive says how long its parts are: what is longer is damaged, and not read to the end.
    let size = entry.size();
    entry
        .take(size.saturating_add(1))
        .read_to_end(&mut values)
        .map_err(|error| wrong(path, format!("`{name}` is damaged: {error}")))?;
    npy(&path.join(name), &values)
}

fn tensor(path: &Path, file: &SafeTensors, wanted: Wanted) -> Result<Numbers, NumbersError> {
    let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    names.sort_unstable();
    let name = choose(path, &names, wanted)?;
    let view = file.tensor(&name).map_err(|error| wrong(path, error.to_string()))?;
    let dtype = Dtype::of_tensor(view.dtype()).ok_or_else(|| {
        wrong(
            path,
            format!("`{name}` has values of {:?}: convert it to F32, or to another that NumPy knows", view.dtype()),
        )
    })?;
    let (dims, bytes) = (view.shape().to_vec(), view.data().to_vec());
    Ok(Numbers { path: path.join(name), dims, dtype, bytes, files: Vec::new() })
}

/// All pictures of a folder, in the order of their names: `[n, 3, height, width]`.
fn pictures(folder: &Path) -> Result<Numbers, NumbersError> {
    let failed = |source| NumbersError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    let one = |path: &PathBuf| {
        let bytes = fs::read(path).map_err(|source| NumbersError::Read { path: path.clone(), source })?;
        let picture = picture::open(&bytes).map_err(|what| wrong(path, what))?;
        Ok((picture.width() as usize, picture.height() as usize, picture.into_raw()))
    };
    let all = paths.par_iter().map(one).collect::<Result<Vec<_>, NumbersError>>()?;
    let Some(&(width, height, _)) = all.first() else {
        return Err(wrong(folder, "no PNG or JPEG lies in this folder"));
    };
    let mut bytes = Vec::with_capacity(all.len() * 3 * width * height);
    for (path, (wide, high, pixels)) in paths.iter().zip(&all) {
        if (*wide, *high) != (width, height) {
            let first = paths[0].display();
            return Err(wrong(
                path,
                format!("{wide}×{high} pixels, but {first} has {width}×{height}: make them one size"),
            ));
        }
        for channel in 0..3 {
            bytes.extend(pixels.iter().skip(channel).step_by(3));
        }
    }
    let dims = vec![all.len(), 3, height, width];
    Ok(Numbers { path: folder.to_owned(), dims, dtype: Dtype::U8, bytes, files: paths })
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;
    use crate::npy::tests::{fortran, npy as array};
    use crate::picture::tests::png;

    const SAMPLES: Wanted = Wanted { key: None, flag: "--key", usual: "samples" };

    fn named(key: &str) -> Wanted<'_> {
        Wanted { key: Some(key), ..SAMPLES }
    }

    pub fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    pub fn of(bytes: &[u8]) -> Result<Numbers, String> {
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
        // 2 × 3 × 2, each value its place in rows.
        let columns = [0.0f32, 6.0, 2.0, 8.0, 4.0, 10.0, 1.0, 7.0, 3.0, 9.0, 5.0, 11.0];
        let numbers = of(&fortran(array("<f4", "(2, 3, 2)", &f32s(&columns)))).unwrap();
        assert_eq!(numbers.rows().unwrap(), ((0..12).map(f64::from).collect(), 6));
    }

    #[test]
    fn archives_are_read_by_name() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
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
        assert!(key.ends_with("what lies here has no names: leave --key out"), "{key}");
        fs::write(folder.path().join("c.png"), png(5, 5)).unwrap();
        let error = read(folder.path(), SAMPLES).unwrap_err().to_string();
        assert!(error.contains("c.png: 5×5 pixels, but ") && error.contains("a.PNG has 5×4"), "{error}");
        fs::write(folder.path().join("c.png"), "?").unwrap();
        assert!(read(folder.path(), SAMPLES).unwrap_err().to_string().contains("expected a JPEG"));
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path(), SAMPLES).unwrap_err().to_string().contains("no PNG or JPEG"));
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
                let _ = (numbers.rows(), numbers.points(), numbers.label_counts(3));
                let _ = numbers.images([1, 2, 1], Some((0.0, 1.0)));
            }
        });
    }
}
