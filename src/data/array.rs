//! A NumPy array as a data set: points, or images of bytes or floats.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::DataError;
use super::cache::{Block, Fingerprint, Form, Input, Labelled, Stamp, Values};
use super::dtype::Dtype;
use super::npy::{HEAD, Header, NpyError};
use super::regular;
use sweep_spec::own_data::{MAX_DIMS, MAX_SIDE, Shape};

/// An array on disk.
pub(super) struct Array {
    path: PathBuf,
    file: File,
    header: Header,
    layout: Layout,
    range: Option<(f64, f64)>,
    fingerprint: Fingerprint,
}

/// What the samples are, and their layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Points([usize; 1]),
    /// One channel after another, as in the cache.
    Planes([usize; 3]),
    /// Channels interleaved, pixel by pixel.
    Pixels([usize; 3]),
}

impl Layout {
    /// Determines the layout from type and shape.
    fn of(header: &Header) -> Result<Layout, NpyError> {
        let colours = |size: usize| size == 1 || size == 3;
        let side = |size: usize| (1..=MAX_SIDE).contains(&size);
        let shape = || NpyError::Shape { dtype: header.dtype, dims: header.dims.clone() };
        match (header.dtype, &header.dims[..]) {
            (dtype, _) if dtype != Dtype::U8 && !dtype.is_float() => Err(shape()),
            (dtype, &[_, dims]) if dtype.is_float() && (1..=MAX_DIMS).contains(&dims) => Ok(Layout::Points([dims])),
            (_, &[_, height, width]) if side(height) && side(width) => Ok(Layout::Planes([1, height, width])),
            (_, &[_, a, b, c]) if side(a) && side(b) && side(c) => match (colours(a), colours(c)) {
                (true, true) => Err(NpyError::Ambiguous(header.dims.clone())),
                (true, false) => Ok(Layout::Planes([a, b, c])),
                (false, true) => Ok(Layout::Pixels([c, a, b])),
                (false, false) => Err(shape()),
            },
            _ => Err(shape()),
        }
    }

    fn shape(self) -> Shape {
        match self {
            Layout::Points(dims) => Shape::Points(dims),
            Layout::Planes(dims) | Layout::Pixels(dims) => Shape::Image(dims),
        }
    }

    /// Returns where value `at` of a sample in the cache is in the sample on disk.
    fn source(self, at: usize) -> usize {
        match self {
            Layout::Points(_) | Layout::Planes(_) => at,
            Layout::Pixels([channels, height, width]) => {
                let (channel, pixel) = (at / (height * width), at % (height * width));
                pixel * channels + channel
            }
        }
    }
}

impl Array {
    /// Opens the array at `path`. In float images, `range` holds the values that map to −1 and 1.
    ///
    /// # Errors
    /// If it is not an array, or neither points nor images.
    pub(crate) fn open(path: &Path, range: Option<(f64, f64)>) -> Result<Self, DataError> {
        let flawed = |flaw| DataError::Npy { path: path.to_owned(), flaw };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => DataError::Place {
                path: path.to_owned(),
                what: "there is no such file".to_owned(),
                advice: "check the path (in a sweep file, relative paths start at the folder of that file)".to_owned(),
            },
            _ => DataError::Read { path: path.to_owned(), source },
        };
        let (file, metadata) = regular::open(path).map_err(failed)?;
        let mut head = Vec::new();
        (&file).take(HEAD).read_to_end(&mut head).map_err(failed)?;
        let header = Header::parse(&head).map_err(flawed)?;
        let layout = Layout::of(&header).map_err(flawed)?;
        if header.fortran {
            return Err(flawed(NpyError::Fortran));
        }
        header.check(metadata.len()).map_err(flawed)?;
        let count = header.dims[0];
        if count == 0 || u32::try_from(count).is_err() {
            return Err(flawed(NpyError::Shape { dtype: header.dtype, dims: header.dims }));
        }
        match (layout, header.dtype, range) {
            (Layout::Points(_), _, None) | (_, Dtype::U8, None) => {}
            (_, dtype, Some(_)) if dtype.is_float() => {}
            (_, _, None) => return Err(flawed(NpyError::NoRange)),
            (_, _, Some(_)) => return Err(flawed(NpyError::Range)),
        }
        if matches!(layout, Layout::Points(_)) && range.is_some() {
            return Err(flawed(NpyError::Range));
        }
        let fingerprint = look(path, &file, &header, range).map_err(failed)?;
        Ok(Array { path: path.to_owned(), file, header, layout, range, fingerprint })
    }

    /// Returns the bytes of samples as they are on disk.
    fn bytes(&self, range: &Range<usize>) -> Result<Vec<u8>, DataError> {
        let each = self.features() * self.header.dtype.width();
        let mut bytes = vec![0; range.len() * each];
        let failed = |source| DataError::Read { path: self.path.clone(), source };
        self.file.read_exact_at(&mut bytes, self.start(range)).map_err(failed)?;
        Ok(bytes)
    }

    /// Returns the offset of their first byte.
    fn start(&self, range: &Range<usize>) -> u64 {
        (self.header.offset + range.start * self.features() * self.header.dtype.width()) as u64
    }

    fn features(&self) -> usize {
        self.header.dims[1..].iter().product()
    }

    /// Returns the float at `bytes`, as used in training.
    fn float(&self, bytes: &[u8]) -> Result<f32, (f64, String)> {
        let value = self.header.dtype.value(bytes);
        match self.range {
            Some((low, high)) => {
                let outside = || (value, format!("a value from {low} to {high}, the `range` in the sweep file"));
                self.header.dtype.scaled(value, (low, high)).ok_or_else(outside)
            }
            None if (value as f32).is_finite() => Ok(value as f32),
            None => Err((value, "a finite number".to_owned())),
        }
    }
}

/// Returns the metadata of the array's file. Its header determines how samples are stored.
fn look(path: &Path, file: &File, header: &Header, range: Option<(f64, f64)>) -> io::Result<Fingerprint> {
    let Header { dtype, dims, offset, fortran: _ } = header;
    let mut fingerprint = Fingerprint::new(format!("npy {range:?} {dtype:?} {dims:?} from {offset}"), path);
    fingerprint.add_open(Stamp::of(&file.metadata()?)?, file);
    Ok(fingerprint)
}

impl Input for Array {
    fn name(&self) -> String {
        "npy".to_owned()
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn form(&self) -> Form {
        Form { size: None, range: self.range }
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn look_again(&self) -> Result<Fingerprint, DataError> {
        let failed = |source| DataError::Read { path: self.path.clone(), source };
        look(&self.path, &self.file, &self.header, self.range).map_err(failed)
    }

    fn shape(&self) -> Shape {
        self.layout.shape()
    }

    fn values(&self) -> Values {
        if self.header.dtype == Dtype::U8 { Values::Bytes } else { Values::Floats }
    }

    fn labelled(&self) -> Labelled {
        Labelled::default()
    }

    fn len(&self) -> usize {
        self.header.dims[0]
    }

    fn left_out(&self) -> Option<String> {
        None
    }

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        let (features, width) = (self.features(), self.header.dtype.width());
        let (bytes, start) = (self.bytes(&range)?, self.start(&range));
        let mut samples = Vec::with_capacity(range.len() * features * self.values().width());
        for (sample, values) in bytes.chunks_exact(features * width).enumerate() {
            for at in (0..features).map(|at| self.layout.source(at)) {
                let value = &values[at * width..][..width];
                if self.header.dtype == Dtype::U8 {
                    samples.extend(value);
                    continue;
                }
                let float = self.float(value).map_err(|(found, expected)| {
                    let offset = start + ((sample * features + at) * width) as u64;
                    let flaw = NpyError::BadValue { offset, sample: range.start + sample, expected, found };
                    DataError::Npy { path: self.path.clone(), flaw }
                })?;
                samples.extend(float.to_le_bytes());
            }
        }
        done(range.len());
        Ok(Block { labels: vec![0; range.len()], samples, damaged: Vec::new(), source: blake3::hash(&bytes) })
    }

    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError> {
        let hash = blake3::hash(&self.bytes(&range)?);
        done(range.len());
        Ok(hash)
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::super::npy::tests::{fortran, npy};
    use super::*;

    fn open(bytes: &[u8], range: Option<(f64, f64)>) -> Result<(Array, tempfile::NamedTempFile), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Array::open(file.path(), range).map(|array| (array, file)).map_err(|error| error.to_string())
    }

    fn floats(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn points_stay_as_they_are() {
        let double: Vec<u8> = [1.5, -2.5, 3.0, 0.1].iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
        let (array, _file) = open(&npy("<f8", "(2, 2)", &double), None).unwrap();
        assert_eq!((array.shape(), array.len(), array.values()), (Shape::Points([2]), 2, Values::Floats));
        assert_eq!(floats(&array.read(1..2, &|_| {}).unwrap().samples), [3.0, 0.1]);
        let (wide, _file) = open(&npy("<f4", "(2, 3)", &f32s(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])), None).unwrap();
        assert_eq!(
            (wide.shape(), floats(&wide.read(1..2, &|_| {}).unwrap().samples)),
            (Shape::Points([3]), vec![3.0, 4.0, 5.0])
        );
        let (line, _file) = open(&npy("<f4", "(3, 1)", &f32s(&[0.0, 1.0, 2.0])), None).unwrap();
        assert_eq!((line.shape(), line.len()), (Shape::Points([1]), 3));
        let (half, _file) = open(&npy(">f2", "(1, 2)", &[0xc1, 0, 0x3c, 0]), None).unwrap();
        assert_eq!(floats(&half.read(0..1, &|_| {}).unwrap().samples), [-2.5, 1.0]);
        let (bad, _file) = open(&npy("<f4", "(2, 2)", &f32s(&[0.0, 1.0, f32::NAN, 1.0])), None).unwrap();
        let error = bad.read(0..2, &|_| {}).err().unwrap().to_string();
        assert!(error.ends_with("byte 136: expected a finite number, found NaN in sample 1"), "{error}");
    }

    #[test]
    fn images_get_their_channels_first() {
        let values: Vec<u8> = (0..12).collect();
        let (array, _file) = open(&npy("|u1", "(1, 2, 2, 3)", &values), None).unwrap();
        assert_eq!(array.shape(), Shape::Image([3, 2, 2]));
        assert_eq!(array.read(0..1, &|_| {}).unwrap().samples, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        let (array, _file) = open(&npy("|u1", "(1, 3, 2, 2)", &values), None).unwrap();
        assert_eq!(array.read(0..1, &|_| {}).unwrap().samples, values);
        let (array, _file) = open(&npy("|u1", "(2, 3, 2)", &values), None).unwrap();
        assert_eq!((array.shape(), array.values()), (Shape::Image([1, 3, 2]), Values::Bytes));
    }

    #[test]
    fn float_images_are_scaled_from_the_range_that_is_stated() {
        let bytes = npy("<f4", "(1, 2, 2)", &f32s(&[0.0, 1.0, 0.5, 0.25]));
        let (array, _file) = open(&bytes, Some((0.0, 1.0))).unwrap();
        assert_eq!(floats(&array.read(0..1, &|_| {}).unwrap().samples), [-1.0, 1.0, 0.0, -0.5]);
        assert!(open(&bytes, None).err().unwrap().contains("add `range: [0, 1]`"));
        let rounded = npy("<f4", "(1, 2, 2)", &f32s(&[-0.0, 1.000_000_1, -1e-8, 0.25]));
        let (array, _file) = open(&rounded, Some((0.0, 1.0))).unwrap();
        assert_eq!(floats(&array.read(0..1, &|_| {}).unwrap().samples), [-1.0, 1.0, -1.0, -0.5]);
        let (narrow, _file) = open(&bytes, Some((0.0, 0.5))).unwrap();
        let error = narrow.read(0..1, &|_| {}).err().unwrap().to_string();
        assert!(
            error.ends_with(
                "byte 132: expected a value from 0 to 0.5, the `range` in the sweep file, found 1 in sample 0"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_same_bytes_with_another_header_are_another_data_set() {
        let name = |descr, dims, range| {
            let (array, _file) = open(&npy(descr, dims, &[0; 48]), range).unwrap();
            let hash = array.digest(0..array.len(), &|_| {}).unwrap().to_hex();
            array.fingerprint().contents([hash.as_str()])
        };
        let unit = Some((0.0, 1.0));
        let all = [
            name("<f4", "(6, 2)", None),
            name(">f4", "(6, 2)", None),
            name("<f2", "(12, 2)", None),
            name("<f8", "(3, 2)", None),
            name("<f4", "(3, 2, 2)", unit),
            name("<f4", "(3, 2, 2)", Some((0.0, 2.0))),
            name("<f4", "(2, 2, 3)", unit),
            name("<f4", "(1, 1, 2, 6)", unit),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
        assert_eq!(name("<f4", "(6, 2)", None), all[0]);
    }

    #[test]
    fn other_shapes_are_refused() {
        for (descr, dims, expected) in [
            ("<f4", "(4,)", "found float32 of shape [4]"),
            ("<f4", "(0, 2)", "found float32 of shape [0, 2]"),
            ("<f4", "(4, 0)", "found float32 of shape [4, 0]"),
            ("<f4", "(1, 4097)", "expected points [N, coordinates] of floats with at most 4096 coordinates"),
            ("|u1", "(4, 2)", "found uint8 of shape [4, 2]"),
            ("<i8", "(1, 5, 5)", "found int64 of shape [1, 5, 5]"),
            ("<f4", "(1, 2, 5, 5)", "found float32 of shape"),
            ("|u1", "(1, 3, 5, 3)", "could have its channels first or last"),
            ("|u1", "(1, 2000, 2)", "found uint8"),
            ("|u1", "(1, 2, 2)", "the file ends at byte 128"),
        ] {
            let error = open(&npy(descr, dims, &[]), None).err().unwrap();
            assert!(error.contains(expected), "{dims}: {error}");
        }
        let points = npy("<f4", "(1, 2)", &f32s(&[0.0; 2]));
        assert!(open(&points, Some((0.0, 1.0))).err().unwrap().contains("leave it out"));
        assert!(
            open(&fortran(npy("<f4", "(3, 2)", &[0; 24])), None).err().unwrap().contains("numpy.ascontiguousarray")
        );
        assert!(Array::open(Path::new("/nonexistent.npy"), None).err().unwrap().to_string().contains("no such file"));
        assert!(Array::open(Path::new("/"), None).is_err());
    }
}
