//! Arrays to be scored that other programs wrote: .npy, .npz, .safetensors, or a folder of pictures of equal size.

mod archive;
mod read;
mod stored;
mod wanted;

use std::path::{Path, PathBuf};

use super::DataError;
use super::dtype::Dtype;
use super::npy::NpyError;
use stored::{Stored, Values};

pub use read::read;
pub use wanted::Wanted;

/// An array whose header has been read. Values are read on request, so an array with a wrong shape takes no memory.
#[derive(Debug)]
pub struct Numbers {
    path: PathBuf,
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
    dtype: Dtype,
    stored: Stored,
    /// What was next to the samples and left out, in words.
    pub left_out: Option<String>,
    /// The memory, in bytes, that its values and everything computed from them may take.
    room: u64,
}

/// Additional bytes needed per value of rows during scoring: a float64, one in random order, and two for neighbours.
const ROWS: usize = 32;
/// Additional bytes needed per value of images: a float32.
const PIXELS: usize = 4;

/// Why an array cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// It is not a valid NumPy array.
    #[error("{}: {flaw}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: NpyError,
    },
    /// It is not a folder of pictures.
    #[error(transparent)]
    Folder(#[from] DataError),
    /// Another problem.
    #[error("{}: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
}

fn wrong(path: &Path, what: impl Into<String>) -> NumbersError {
    NumbersError::Wrong { path: path.to_owned(), what: what.into() }
}

impl Numbers {
    /// Returns the number of samples.
    pub fn count(&self) -> usize {
        self.dims.first().copied().unwrap_or(0)
    }

    /// Returns whether its values are bytes.
    pub fn in_bytes(&self) -> bool {
        self.dtype == Dtype::U8
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the largest relative rounding error of a value, if it exceeds that of float32.
    pub fn rounding(&self) -> f64 {
        self.dtype.rounding()
    }

    /// Reads its values, if there is memory for them and `more` bytes for each.
    fn load(&self, more: usize) -> Result<Values, NumbersError> {
        let each = (self.dtype.width() + more) as u128;
        let needed = self.dims.iter().fold(each, |product, &size| product.saturating_mul(size as u128));
        if needed > self.room.into() {
            let (needed, room) = (needed as f64 / 1e9, self.room as f64 / 1e9);
            let (dtype, dims) = (self.dtype, &self.dims);
            let what = format!(
                "scoring {dtype} of shape {dims:?} takes about {needed:.1} GB of memory, but only {room:.1} GB are \
                available: use fewer samples"
            );
            return Err(wrong(&self.path, what));
        }
        self.stored.load(&self.path, &self.dims, self.dtype)
    }

    /// Describes what is wrong with one sample.
    fn flaw(&self, sample: usize, what: &str) -> NumbersError {
        match self.stored.file(sample) {
            Some(file) => wrong(&file, what),
            None => wrong(&self.path, format!("sample {sample} {what}")),
        }
    }

    /// Returns rows of finite numbers `[n, width]`; inner dimensions are flattened.
    ///
    /// # Errors
    ///
    /// If there are none, they cannot be read, or a value is not finite.
    pub fn rows(&self) -> Result<(Vec<f64>, usize), NumbersError> {
        let width = self.dims.iter().skip(1).fold(1usize, |width, &size| width.saturating_mul(size));
        if self.dims.len() < 2 || self.count() == 0 || width == 0 {
            return Err(wrong(&self.path, format!("expected rows [N, values], found shape {:?}", self.dims)));
        }
        Ok((self.finite(width)?, width))
    }

    /// Returns all values as rows of this `width`, if they are finite.
    fn finite(&self, width: usize) -> Result<Vec<f64>, NumbersError> {
        let stored = self.load(ROWS)?;
        let values: Vec<f64> = (0..stored.len()).map(|at| stored.at(at)).collect();
        self.check_all(&values, width, |value| value.is_finite(), "expected finite numbers")?;
        Ok(values)
    }

    /// Returns all values, row by row.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or one is not finite.
    pub fn values(&self) -> Result<Vec<f64>, NumbersError> {
        self.finite(self.dims.last().copied().unwrap_or(1))
    }

    /// Returns points `[n, dims]`.
    ///
    /// # Errors
    ///
    /// If the shape differs, or a value is not finite in float32.
    pub fn points(&self, dims: usize) -> Result<Vec<f32>, NumbersError> {
        if !matches!(self.dims[..], [n, width] if n > 0 && width == dims) {
            return Err(wrong(&self.path, format!("expected points [N, {dims}], found shape {:?}", self.dims)));
        }
        let (values, width) = self.rows()?;
        let most = format!("expected numbers within the range of float32, up to {:e}", f32::MAX);
        self.check_all(&values, width, |value| (value as f32).is_finite(), &most)?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// Returns an error about the first of the `values` `[n, width]` that is not `fine`.
    fn check_all(
        &self,
        values: &[f64],
        width: usize,
        fine: impl Fn(f64) -> bool,
        expected: &str,
    ) -> Result<(), NumbersError> {
        match values.iter().position(|&value| !fine(value)) {
            Some(at) => {
                let (row, column, value) = (at / width, at % width, values[at]);
                Err(wrong(&self.path, format!("row {row}, value {column} is {value:?}: {expected}")))
            }
            None => Ok(()),
        }
    }

    /// Returns images `[n, channels, height, width]` in [−1, 1] of this `shape`. `range` holds the values that map to
    /// −1 and 1; for bytes, these are 0 and 255.
    ///
    /// # Errors
    ///
    /// If the shape differs, floats come without a range, or a value is outside the range.
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
        let (low, high) = match range {
            Some(range) => range,
            None if self.dtype == Dtype::U8 => (0.0, 255.0),
            None => {
                let what = format!(
                    "for images of {}, the values of black and white must be given: add --range -1,1, 0,1 or 0,255",
                    self.dtype
                );
                return Err(wrong(&self.path, what));
            }
        };
        let stored = if grey { 3 * size } else { size };
        let values = self.load(PIXELS)?;
        let mut out = Vec::with_capacity(n * size);
        for sample in 0..n {
            for at in 0..size {
                let (channel, pixel) = (at / (height * width), at % (height * width));
                let place = sample * stored + if pixels { pixel * channels + channel } else { at };
                let value = values.at(place);
                let Some(scaled) = self.dtype.scaled(value, (low, high)) else {
                    let what = format!("has a value of {value}: expected {low} to {high}, as given by --range");
                    return Err(self.flaw(sample, &what));
                };
                if grey && (1..3).any(|other| values.at(place + other * size) != value) {
                    return Err(self.flaw(sample, "has colours: expected grey pictures"));
                }
                out.push(scaled);
            }
        }
        Ok(out)
    }

    /// Counts how often each label occurs in `[n]` labels, which start at 0.
    ///
    /// # Errors
    ///
    /// If these are not labels.
    pub fn label_counts(&self, classes: usize) -> Result<Vec<f64>, NumbersError> {
        let mut counts = vec![0.0; classes];
        if self.count() == 0 || self.dims.iter().skip(1).any(|&size| size != 1) {
            return Err(wrong(&self.path, format!("expected labels [N], found shape {:?}", self.dims)));
        }
        let values = self.load(0)?;
        for at in 0..values.len() {
            let label = values.at(at);
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
    use super::read::tests::{f32s, of};
    use crate::npy::tests::npy as array;

    #[test]
    fn points_are_pairs_that_float32_holds() {
        let doubles = |values: [f64; 4]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let points = |dims, values| of(&array("<f8", dims, &doubles(values))).unwrap().points(2);
        assert_eq!(points("(2, 2)", [0.5, 1.0, 2.0, 3e38]).unwrap(), [0.5, 1.0, 2.0, 3e38]);
        let huge = points("(2, 2)", [0.0, 1.0, 2.0, -1e300]).unwrap_err().to_string();
        assert!(
            huge.ends_with(
                "row 1, value 1 is -1e300: expected numbers within the range of float32, up to 3.4028235e38"
            ),
            "{huge}"
        );
        for (dims, values, shape) in
            [("(4,)", 4, "[4]"), ("()", 1, "[]"), ("(0, 2)", 0, "[0, 2]"), ("(2, 2, 1)", 4, "[2, 2, 1]")]
        {
            let error = of(&array("<f4", dims, &f32s(&vec![0.0; values]))).unwrap().points(2).unwrap_err().to_string();
            assert!(error.ends_with(&format!("expected points [N, 2], found shape {shape}")), "{error}");
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
    fn values_that_are_not_finite_are_reported_with_their_position() {
        let error = of(&array("<f4", "(2, 2)", &f32s(&[0.0, 1.0, 2.0, f32::INFINITY]))).unwrap().rows().unwrap_err();
        assert!(error.to_string().ends_with("row 1, value 1 is inf: expected finite numbers"));
        assert!(of(&array("<f4", "(4,)", &f32s(&[0.0; 4]))).unwrap().rows().is_err());
        assert!(of(b"nonsense").unwrap_err().ends_with("found bytes 6e 6f 6e 73 65 6e 73 65"));
        assert!(of(b"").unwrap_err().ends_with("found an empty file"));
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
