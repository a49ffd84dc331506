//! Arrays that other programs wrote, to be scored: .npy, .npz, .safetensors, or a folder of pictures of one size.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::SafeTensors;
use zip::ZipArchive;

use super::npy::{Dtype, Header, NpyError};
use super::picture;

/// Endings of the pictures in a folder.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// How far a value may be outside of its range, as a share of it: rounding.
const SLACK: f64 = 1e-6;

/// An array.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    path: PathBuf,
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    Doubles(Vec<f64>),
    Whole(Vec<i64>),
}

/// Why an array cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no sound array of NumPy.
    #[error("{}: {flaw}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: NpyError,
    },
    /// It is something else.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
}

/// Reads the array at `path`. Of several in one file it is the one that is called `key`, or where that is not given, `usual`.
///
/// # Errors
///
/// Where it cannot be read, is damaged, or several arrays have other names.
pub fn read(path: &Path, key: Option<&str>, usual: &str) -> Result<Numbers, NumbersError> {
    if path.is_dir() {
        return pictures(path);
    }
    let bytes = fs::read(path).map_err(|source| NumbersError::Read { path: path.to_owned(), source })?;
    if bytes.starts_with(b"\x93NUMPY") {
        return npy(path, &bytes);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return npz(path, &bytes, key, usual);
    }
    if let Ok(file) = SafeTensors::deserialize(&bytes) {
        return tensor(path, &file, key, usual);
    }
    let what = "expected an array by numpy.save or numpy.savez, a file of safetensors, or a folder of pictures";
    Err(wrong(path, format!("{what}; found neither")))
}

fn wrong(path: &Path, what: impl Into<String>) -> NumbersError {
    NumbersError::Wrong { path: path.to_owned(), what: what.into() }
}

fn npy(path: &Path, bytes: &[u8]) -> Result<Numbers, NumbersError> {
    let flawed = |flaw| NumbersError::Npy { path: path.to_owned(), flaw };
    let header = Header::parse(bytes).map_err(flawed)?;
    header.check(bytes.len() as u64).map_err(flawed)?;
    let values = numbers(header.dtype, &bytes[header.offset..]);
    Ok(Numbers { path: path.to_owned(), dims: header.dims, values })
}

/// Little-endian values one after another.
fn numbers(dtype: Dtype, bytes: &[u8]) -> Values {
    let fours = || bytes.as_chunks::<4>().0.iter();
    let eights = || bytes.as_chunks::<8>().0.iter();
    match dtype {
        Dtype::U8 => Values::Bytes(bytes.to_vec()),
        Dtype::F32 => Values::Floats(fours().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::F64 => Values::Doubles(eights().map(|bytes| f64::from_le_bytes(*bytes)).collect()),
        Dtype::I32 => Values::Whole(fours().map(|bytes| i32::from_le_bytes(*bytes).into()).collect()),
        Dtype::I64 => Values::Whole(eights().map(|bytes| i64::from_le_bytes(*bytes)).collect()),
    }
}

/// Which of the arrays in a file is meant.
fn choose(path: &Path, names: &[String], key: Option<&str>, usual: &str) -> Result<String, NumbersError> {
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
        wrong(path, format!("{what}; arrays in it: {names}; name one with --key"))
    })
}

fn npz(path: &Path, bytes: &[u8], key: Option<&str>, usual: &str) -> Result<Numbers, NumbersError> {
    let broken = |error: zip::result::ZipError| wrong(path, format!("the archive is damaged or not whole: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    let mut names: Vec<String> =
        archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect();
    names.sort_unstable();
    let name = choose(path, &names, key, usual)?;
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

fn tensor(path: &Path, file: &SafeTensors, key: Option<&str>, usual: &str) -> Result<Numbers, NumbersError> {
    let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    names.sort_unstable();
    let name = choose(path, &names, key, usual)?;
    let view = file.tensor(&name).map_err(|error| wrong(path, error.to_string()))?;
    let dtype = match view.dtype() {
        safetensors::Dtype::U8 => Dtype::U8,
        safetensors::Dtype::F32 => Dtype::F32,
        safetensors::Dtype::F64 => Dtype::F64,
        safetensors::Dtype::I32 => Dtype::I32,
        safetensors::Dtype::I64 => Dtype::I64,
        other => {
            let what = format!("`{name}` has values of {other:?}; expected F32, F64, U8, I32 or I64: convert it");
            return Err(wrong(path, what));
        }
    };
    Ok(Numbers { path: path.join(name), dims: view.shape().to_vec(), values: numbers(dtype, view.data()) })
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
    let mut values = Vec::with_capacity(all.len() * 3 * width * height);
    for (path, (wide, high, pixels)) in paths.iter().zip(&all) {
        if (*wide, *high) != (width, height) {
            let first = paths[0].display();
            return Err(wrong(
                path,
                format!("{wide}×{high} pixels, but {first} has {width}×{height}: make them one size"),
            ));
        }
        for channel in 0..3 {
            values.extend(pixels.iter().skip(channel).step_by(3));
        }
    }
    Ok(Numbers { path: folder.to_owned(), dims: vec![all.len(), 3, height, width], values: Values::Bytes(values) })
}

impl Numbers {
    /// Samples.
    pub fn count(&self) -> usize {
        self.dims.first().copied().unwrap_or(0)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn value(&self, at: usize) -> f64 {
        match &self.values {
            Values::Bytes(values) => values[at].into(),
            Values::Floats(values) => values[at].into(),
            Values::Doubles(values) => values[at],
            Values::Whole(values) => values[at] as f64,
        }
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::Bytes(values) => values.len(),
            Values::Floats(values) => values.len(),
            Values::Doubles(values) => values.len(),
            Values::Whole(values) => values.len(),
        }
    }

    /// Rows of finite numbers `[n, width]`, whatever their inner dimensions.
    ///
    /// # Errors
    ///
    /// Where there is none, or a value is not finite.
    pub fn rows(&self) -> Result<(Vec<f64>, usize), NumbersError> {
        let width = self.dims.iter().skip(1).product();
        if self.dims.len() < 2 || self.count() == 0 || width == 0 {
            return Err(wrong(&self.path, format!("expected rows [N, values], found shape {:?}", self.dims)));
        }
        let values: Vec<f64> = (0..self.len()).map(|at| self.value(at)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let (row, column) = (at / width, at % width);
                Err(wrong(&self.path, format!("row {row}, value {column} is {}: expected finite numbers", values[at])))
            }
            None => Ok((values, width)),
        }
    }

    /// Images `[n, channels, height, width]` in [−1, 1], of a `shape`; `range` is what −1 and 1 stand for, 0 and 255 in bytes.
    ///
    /// # Errors
    ///
    /// Where the shape is another, floats come without a range, or a value is outside of it.
    pub fn images(&self, shape: [usize; 3], range: Option<(f64, f64)>) -> Result<Vec<f32>, NumbersError> {
        let [channels, height, width] = shape;
        let (size, n) = (channels * height * width, self.count());
        let inner = self.dims.get(1..).unwrap_or_default();
        let planes = inner == [channels, height, width]
            || inner == [size]
            || (channels == 1 && inner == [height, width])
            || (channels == 1 && inner == [height, width, 1]);
        let pixels = channels == 3 && inner == [height, width, 3] && !planes;
        let grey = channels == 1 && inner == [3, height, width] && !planes;
        if n == 0 || !(planes || pixels || grey) {
            let expected = match channels {
                1 => format!("[N, 1, {height}, {width}], [N, {height}, {width}] or [N, {size}]"),
                _ => format!("[N, {channels}, {height}, {width}], [N, {height}, {width}, {channels}] or [N, {size}]"),
            };
            return Err(wrong(&self.path, format!("expected images {expected}, found shape {:?}", self.dims)));
        }
        let (low, high) = match (&self.values, range) {
            (_, Some(range)) => range,
            (Values::Bytes(_), None) => (0.0, 255.0),
            _ => {
                let what =
                    "images of floats need to say what is black and what is white: add --range -1,1, 0,1 or 0,255";
                return Err(wrong(&self.path, what));
            }
        };
        let stored = if grey { 3 * size } else { size };
        let mut out = Vec::with_capacity(n * size);
        for sample in 0..n {
            for at in 0..size {
                let (channel, pixel) = (at / (height * width), at % (height * width));
                let place = sample * stored + if pixels { pixel * channels + channel } else { at };
                let value = self.value(place);
                let slack = SLACK * (high - low);
                if !(low - slack..=high + slack).contains(&value) {
                    let what =
                        format!("sample {sample} has a value of {value}: expected {low} to {high}, as --range says");
                    return Err(wrong(&self.path, what));
                }
                if grey && (1..3).any(|other| self.value(place + other * size) != value) {
                    return Err(wrong(&self.path, format!("sample {sample} has colours: expected grey pictures")));
                }
                out.push((2.0 * (value - low) / (high - low) - 1.0).clamp(-1.0, 1.0) as f32);
            }
        }
        Ok(out)
    }

    /// How often each label occurs among `[n]` labels from 0 on.
    ///
    /// # Errors
    ///
    /// Where these are no labels.
    pub fn label_counts(&self, classes: usize) -> Result<Vec<f64>, NumbersError> {
        let mut counts = vec![0.0; classes];
        if self.len() == 0 || self.len() != self.count() {
            return Err(wrong(&self.path, format!("expected labels [N], found shape {:?}", self.dims)));
        }
        for at in 0..self.len() {
            let label = self.value(at);
            if label.fract() != 0.0 || !(0.0..classes as f64).contains(&label) {
                let what = format!("label {at} is {label}: expected whole numbers from 0 to {}", classes - 1);
                return Err(wrong(&self.path, what));
            }
            counts[label as usize] += 1.0;
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::npy::tests::npy as array;
    use super::super::picture::tests::png;
    use super::*;

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn of(bytes: &[u8]) -> Result<Numbers, String> {
        read(file(bytes).path(), None, "samples").map_err(|error| error.to_string())
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
        assert_eq!(read(tensors.path(), Some("b"), "samples").unwrap().rows().unwrap(), expected);
        assert_eq!(read(tensors.path(), None, "a").unwrap().rows().unwrap(), expected);
        let error = read(tensors.path(), None, "samples").unwrap_err().to_string();
        assert!(
            error.ends_with("none of several arrays is called `samples`; arrays in it: `a`, `b`; name one with --key")
        );
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
        assert_eq!(read(whole.path(), None, "samples").unwrap().rows().unwrap().0, [1.0]);
        assert_eq!(read(whole.path(), Some("other"), "samples").unwrap().rows().unwrap().0, [2.0]);
        for length in 4..bytes.len() {
            assert!(of(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
        }
    }

    #[test]
    fn images_come_in_several_shapes_and_ranges() {
        let grey = [0.0f32, 1.0, 0.5, 0.25];
        for dims in ["(1, 2, 2)", "(1, 1, 2, 2)", "(1, 4)", "(1, 2, 2, 1)"] {
            let numbers = of(&array("<f4", dims, &f32s(&grey))).unwrap();
            assert_eq!(numbers.images([1, 2, 2], Some((0.0, 1.0))).unwrap(), [-1.0, 1.0, 0.0, -0.5]);
        }
        let bytes: Vec<u8> = (0..12).map(|i| i * 20).collect();
        let images = |dims| of(&array("|u1", dims, &bytes)).unwrap().images([3, 2, 2], None).unwrap();
        let (planes, pixels) = (images("(1, 3, 2, 2)"), images("(1, 2, 2, 3)"));
        assert_eq!((planes[1], pixels[1]), (40.0 / 255.0 - 1.0, 120.0 / 255.0 - 1.0));

        let error = |dims, range| {
            let numbers = of(&array("<f4", dims, &f32s(&grey))).unwrap();
            numbers.images([1, 2, 2], range).unwrap_err().to_string()
        };
        assert!(error("(1, 2, 2)", None).contains("add --range -1,1"));
        assert!(error("(1, 2, 2)", Some((0.0, 0.9))).contains("sample 0 has a value of 1: expected 0 to 0.9"));
        assert!(
            error("(2, 2)", Some((0.0, 1.0)))
                .contains("expected images [N, 1, 2, 2], [N, 2, 2] or [N, 4], found shape [2, 2]")
        );
    }

    #[test]
    fn pictures_of_a_folder_are_of_one_size() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.png", "a.PNG"] {
            fs::write(folder.path().join(name), png(5, 4)).unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
        let numbers = read(folder.path(), None, "samples").unwrap();
        assert_eq!(numbers.dims, [2, 3, 4, 5]);
        let images = numbers.images([3, 4, 5], None).unwrap();
        assert!((f64::from(images[1]) - (4.0 / 127.5 - 1.0)).abs() < 1e-6);
        assert!(numbers.images([1, 4, 5], None).unwrap_err().to_string().contains("has colours"));
        fs::write(folder.path().join("c.png"), png(5, 5)).unwrap();
        let error = read(folder.path(), None, "samples").unwrap_err().to_string();
        assert!(error.contains("c.png: 5×5 pixels, but ") && error.contains("a.PNG has 5×4"), "{error}");
        fs::write(folder.path().join("c.png"), "?").unwrap();
        assert!(read(folder.path(), None, "samples").unwrap_err().to_string().contains("expected a JPEG"));
        let empty = tempfile::tempdir().unwrap();
        assert!(read(empty.path(), None, "samples").unwrap_err().to_string().contains("no PNG or JPEG"));
    }

    #[test]
    fn what_is_no_number_is_named_with_its_place() {
        let error = of(&array("<f4", "(2, 2)", &f32s(&[0.0, 1.0, 2.0, f32::INFINITY]))).unwrap().rows().unwrap_err();
        assert!(error.to_string().ends_with("row 1, value 1 is inf: expected finite numbers"));
        assert!(of(&array("<f4", "(4,)", &f32s(&[0.0; 4]))).unwrap().rows().is_err());
        assert!(of(b"nonsense").unwrap_err().ends_with("found neither"));
        let labels: Vec<u8> = vec![0, 2, 2, 1];
        let labels = of(&array("|u1", "(4,)", &labels)).unwrap();
        assert_eq!(labels.label_counts(3).unwrap(), [1.0, 1.0, 2.0]);
        assert!(
            labels
                .label_counts(2)
                .unwrap_err()
                .to_string()
                .contains("label 1 is 2: expected whole numbers from 0 to 1")
        );
    }
}
