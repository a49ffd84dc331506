//! NumPy's format: a header (`\x93NUMPY`, a version, its length, and a Python dictionary with three keys), then the
//! values.

use std::io::{self, Seek, Write};

use zip::CompressionMethod;
use zip::write::FileOptions;

use super::dtype::Dtype;

/// The most bytes of a header. NumPy's own have 118.
const MOST: usize = 1 << 16;
/// Values written at a time.
const PIECE: usize = 1 << 14;
/// Bytes at the start of a file that contain the whole header.
pub const HEAD: u64 = MOST as u64 + 12;

/// The contents of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type of values.
    pub dtype: Dtype,
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
    /// The offset of the values.
    pub offset: usize,
    /// Whether the first dimension varies fastest, rather than the last.
    pub fortran: bool,
}

/// What is wrong with an array.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NpyError {
    /// It has another format.
    #[error("byte 0: expected a NumPy array (93 4e 55 4d 50 59), found {0}; write one with numpy.save")]
    Magic(String),
    /// The version of the format is unknown.
    #[error("byte 6: expected version 1, 2 or 3 of the format, found {0}")]
    Version(u8),
    /// It ends inside its header.
    #[error("the file ends at byte {found}, within its header of {expected} bytes")]
    Header {
        /// Bytes of the header.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// The dictionary is not one that NumPy writes.
    #[error("byte {offset}: expected {expected} in the header, found `{found}`")]
    Syntax {
        /// The offset.
        offset: usize,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The values have an unsupported type.
    #[error(
        "expected values of bool, int8 to int64, uint8 to uint64, or float16 to float64, found `{0}`; convert them \
        with .astype(numpy.float32)"
    )]
    Dtype(String),
    /// It is stored column by column.
    #[error("the array is in Fortran order; write it with numpy.save(path, numpy.ascontiguousarray(array))")]
    Fortran,
    /// The length of the file does not match the header.
    #[error(
        "the shape {dims:?} needs {expected} bytes, but the file {}; save the array again",
        if u128::from(*found) < *expected { format!("ends at byte {found}") } else { format!("continues after byte \
            {expected}") }
    )]
    Length {
        /// The number of bytes according to the header.
        expected: u128,
        /// The shape.
        dims: Vec<usize>,
        /// Bytes in the file.
        found: u64,
    },
    /// It contains neither points nor images.
    #[error(
        "expected points [N, coordinates] of floats with at most 4096 coordinates, or images [N, height, width], [N, 1 \
        or 3, height, width] or [N, height, width, 1 or 3] with sides \
         of at most 1024, found {dtype} of shape {dims:?}"
    )]
    Shape {
        /// The type of values.
        dtype: Dtype,
        /// The shape.
        dims: Vec<usize>,
    },
    /// The channels could be first or last.
    #[error(
        "the shape {0:?} could have its channels first or last; write the images as [N, height, width] or with \
        channels at one end only"
    )]
    Ambiguous(Vec<usize>),
    /// Float images without a range.
    #[error(
        "for float images, the values of black and white must be given: add `range: [0, 1]` or `range: [-1, 1]` next \
        to `path`"
    )]
    NoRange,
    /// A range without float images.
    #[error("only float images have a `range`; leave it out")]
    Range,
    /// A value that cannot be used.
    #[error("byte {offset}: expected {expected}, found {found} in sample {sample}")]
    BadValue {
        /// The offset.
        offset: u64,
        /// The index of the sample.
        sample: usize,
        /// What was expected.
        expected: String,
        /// What was found.
        found: f64,
    },
}

impl Header {
    /// Parses the header at the start of `bytes`, which may contain more, or be truncated.
    ///
    /// # Errors
    /// If it is not a header, or describes something that this program cannot read.
    pub fn parse(bytes: &[u8]) -> Result<Header, NpyError> {
        if !bytes.starts_with(b"\x93NUMPY") {
            let first = &bytes[..bytes.len().min(6)];
            let found = if first.is_empty() { "an empty file".to_owned() } else { super::hex::hex(first, " ") };
            return Err(NpyError::Magic(found));
        }
        let short = |expected| NpyError::Header { expected, found: bytes.len() };
        let version = *bytes.get(6).ok_or(short(10))?;
        let (start, length) = match version {
            1 => (10, bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
            2 | 3 => (12, bytes.get(8..12).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)),
            _ => return Err(NpyError::Version(version)),
        };
        let offset = start + length.ok_or(short(start))?;
        if offset > MOST {
            return Err(NpyError::Header { expected: offset, found: bytes.len().min(MOST) });
        }
        let text = bytes.get(start..offset).ok_or(short(offset))?;
        let (descr, fortran, dims) = Dictionary { text, at: 0, start }.read()?;
        let dtype = Dtype::of_numpy(&descr).ok_or(NpyError::Dtype(descr))?;
        // With a single column, both orders are the same.
        let fortran = fortran && dims.iter().filter(|&&size| size != 1).count() > 1;
        Ok(Header { dtype, dims, offset, fortran })
    }

    /// Returns the bytes of all values.
    pub fn bytes(&self) -> u128 {
        let values = self.dims.iter().fold(1u128, |product, &size| product.saturating_mul(size as u128));
        values.saturating_mul(self.dtype.width() as u128)
    }

    /// Checks the length of the file.
    ///
    /// # Errors
    /// If `found`, the file's length, differs from what the shape needs.
    pub fn check(&self, found: u64) -> Result<(), NpyError> {
        let expected = self.bytes().saturating_add(self.offset as u128);
        let dims = self.dims.clone();
        if u128::from(found) == expected { Ok(()) } else { Err(NpyError::Length { expected, dims, found }) }
    }
}

/// Writes `values`, row-major, as an array with this `shape` of little-endian float32.
///
/// # Errors
/// If their number does not match, or `out` fails.
pub fn write_f32(out: &mut impl Write, values: &[f32], shape: &[usize]) -> io::Result<()> {
    if shape.iter().product::<usize>() != values.len() {
        let message = format!("{} values do not fit the shape {shape:?}", values.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // A Python tuple with a single entry ends in a comma.
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if sizes.len() == 1 { "," } else { "" };
    let shape = format!("({}{comma})", sizes.join(", "));
    let mut dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // Values start at a multiple of 64 bytes, as in NumPy.
    let padded = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
    dictionary.extend(std::iter::repeat_n(' ', padded - 1 - dictionary.len()));
    dictionary.push('\n');
    out.write_all(b"\x93NUMPY\x01\x00")?;
    out.write_all(&(dictionary.len() as u16).to_le_bytes())?;
    out.write_all(dictionary.as_bytes())?;
    // In pieces, because each write to `out` may be expensive.
    let mut piece = Vec::with_capacity(PIECE * 4);
    values.chunks(PIECE).try_for_each(|values| {
        piece.clear();
        piece.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        out.write_all(&piece)
    })
}

/// Writes arrays by name into an archive like that of numpy.savez, each as [`write_f32`] does.
///
/// # Errors
/// If an array does not have its shape, or `out` fails.
pub fn write_npz(out: &mut (impl Write + Seek), arrays: &[(&str, &[f32], &[usize])]) -> io::Result<()> {
    let mut archive = zip::ZipWriter::new(out);
    for (name, values, shape) in arrays {
        let is_large = 4 * values.len() as u64 > u64::from(u32::MAX / 2);
        let options = FileOptions::default().compression_method(CompressionMethod::Stored).large_file(is_large);
        archive.start_file(format!("{name}.npy"), options).map_err(io::Error::from)?;
        write_f32(&mut archive, values, shape)?;
    }
    archive.finish().map_err(io::Error::from)?.flush()
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }`.
struct Dictionary<'a> {
    text: &'a [u8],
    at: usize,
    start: usize,
}

impl Dictionary<'_> {
    fn read(&mut self) -> Result<(String, bool, Vec<usize>), NpyError> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{', "`{`")?;
        while !self.take(b'}') {
            let key = self.text()?;
            self.expect(b':', "`:`")?;
            match key.as_str() {
                "descr" => descr = Some(self.text()?),
                "fortran_order" => fortran = Some(self.flag()?),
                "shape" => shape = Some(self.tuple()?),
                _ => return Err(self.wrong("`descr`, `fortran_order` or `shape`")),
            }
            if !self.take(b',') {
                self.expect(b'}', "`,` or `}`")?;
                break;
            }
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok((descr, fortran, shape)),
            _ => Err(self.wrong("`descr`, `fortran_order` and `shape`")),
        }
    }

    fn rest(&mut self) -> &[u8] {
        self.at += self.text[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        &self.text[self.at..]
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn wrong(&mut self, expected: &'static str) -> NpyError {
        let rest = self.rest();
        let found = String::from_utf8_lossy(&rest[..rest.len().min(16)]).into_owned();
        NpyError::Syntax { offset: self.start + self.at, expected, found }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), NpyError> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn text(&mut self) -> Result<String, NpyError> {
        let quote = self.rest().first().copied().filter(|byte| matches!(byte, b'\'' | b'"'));
        let quote = quote.ok_or_else(|| self.wrong("a text in quotes"))?;
        let rest = &self.text[self.at + 1..];
        let length = rest.iter().position(|&byte| byte == quote).ok_or_else(|| {
            self.wrong(
                "the closing quote of a \
            text",
            )
        })?;
        self.at += length + 2;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn flag(&mut self) -> Result<bool, NpyError> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.wrong("`True` or `False`"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, NpyError> {
        self.expect(b'(', "`(`")?;
        let mut sizes = Vec::new();
        while !self.take(b')') {
            let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&self.rest()[..digits]).ok().and_then(|digits| digits.parse().ok());
            sizes.push(number.ok_or_else(|| self.wrong("a size"))?);
            self.at += digits;
            // Python 2 wrote some integers like this: 20L.
            self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
            if !self.take(b',') {
                self.expect(b')', "`,` or `)`")?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns an array as NumPy writes it.
    pub(crate) fn npy(descr: &str, dims: &str, values: &[u8]) -> Vec<u8> {
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {dims}, }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(values);
        bytes
    }

    #[test]
    fn arrays_are_written_like_numpy() {
        for rows in [0, 1, 9, 10, 1000] {
            let values: Vec<f32> = (0..2 * rows).map(|i| 1.0 / (1.0 + i as f32)).collect();
            let mut bytes = Vec::new();
            write_f32(&mut bytes, &values, &[rows, 2]).unwrap();
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(bytes, npy("<f4", &format!("({rows}, 2)"), &raw));
            let header = Header::parse(&bytes).unwrap();
            assert_eq!((&header.dims[..], header.check(bytes.len() as u64)), (&[rows, 2][..], Ok(())));
        }
    }

    #[test]
    fn headers_say_type_shape_and_place() {
        let header = Header::parse(&npy("<f4", "(60000, 28, 28)", &[])).unwrap();
        let dtype = Dtype::of_numpy("<f4").unwrap();
        assert_eq!(header, Header { dtype, dims: vec![60_000, 28, 28], offset: 128, fortran: false });
        assert_eq!(Header::parse(&npy("|u1", "(7,)", &[])).unwrap().dims, [7]);
        assert_eq!(Header::parse(&npy("<f8", "()", &[])).unwrap().dims, [0; 0]);
        let mut second = npy("<f4", "(1, 2)", &[]);
        second[6] = 2;
        second.splice(8..10, 118u32.to_le_bytes());
        assert_eq!(Header::parse(&second).unwrap().offset, 130);
    }

    /// Returns the same array, marked as stored column by column.
    pub(crate) fn fortran(mut array: Vec<u8>) -> Vec<u8> {
        let at = array.windows(6).position(|bytes| bytes == b"False,").unwrap();
        array[at..at + 6].copy_from_slice(b"True ,");
        array
    }

    #[test]
    fn with_one_column_the_order_does_not_matter() {
        let order = |dims| Header::parse(&fortran(npy("<f4", dims, &[]))).unwrap().fortran;
        assert!(order("(3, 2)") && !order("(3, 1)") && !order("(5,)") && !order("()"));
    }

    #[test]
    fn arrays_from_python_2_are_read() {
        for (dims, expected) in [("(20L, 2L)", vec![20, 2]), ("(7L,)", vec![7]), ("(3, 28L, 28)", vec![3, 28, 28])] {
            assert_eq!(Header::parse(&npy("<f8", dims, &[])).unwrap().dims, expected);
        }
        for wrong in ["(20LL, 2)", "(L, 2)", "(20 L, 2)", "(20l, 2)"] {
            assert!(Header::parse(&npy("<f8", wrong, &[])).is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_say_what_was_expected_what_was_found_and_where() {
        let message = |bytes: &[u8]| Header::parse(bytes).unwrap_err().to_string();
        assert!(message(b"").contains("found an empty file"));
        assert!(message(b"PK\x03\x04").contains("byte 0: expected a NumPy array"));
        assert_eq!(message(&npy("<f4", "(1,)", &[])[..50]), "the file ends at byte 50, within its header of 128 bytes");
        assert!(message(&npy("<c8", "(1,)", &[])).contains("found `<c8`"));
        assert!(message(&npy("<f4", "(1 2)", &[])).contains("expected `,` or `)` in the header, found `2), }"));
        let long = Header::parse(&npy("<f4", "(3, 2)", &[])).unwrap().check(130).unwrap_err().to_string();
        assert_eq!(long, "the shape [3, 2] needs 152 bytes, but the file ends at byte 130; save the array again");
        let long = Header::parse(&npy("<f4", "(3, 2)", &[])).unwrap().check(153).unwrap_err().to_string();
        assert!(long.contains("but the file continues after byte 152"), "{long}");
    }

    #[test]
    fn a_lying_header_costs_no_memory() {
        let mut lie = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
        lie.extend([b' '; 100]);
        assert!(matches!(Header::parse(&lie), Err(NpyError::Header { .. })));
        let huge = Header::parse(&npy("<f8", "(18446744073709551615, 18446744073709551615, 9)", &[])).unwrap();
        assert!(huge.check(128).is_err());
        assert!(Header::parse(&npy("<f8", "(18446744073709551616,)", &[])).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_header_or_an_error(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            whole in any::<bool>(),
            at in any::<prop::sample::Index>(),
        ) {
            let mut file = npy("<f4", "(10, 2)", &bytes);
            if whole {
                let at = at.index(file.len());
                file[at] = file[at].wrapping_add(1);
            } else {
                file = [b"\x93NUMPY\x01\x00".as_slice(), &bytes].concat();
            }
            match Header::parse(&file) {
                Ok(header) => prop_assert!(header.offset <= file.len()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
            let _ = Header::parse(&bytes);
        }
    }
}
