//! The IDX format of MNIST: two zero bytes, a type, the number of dimensions, each dimension as a big-endian u32, then
//! the values.

use std::fmt::Write;

/// An array of bytes with its dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes, outermost first.
    pub dims: Vec<usize>,
    /// The values, row by row.
    pub values: Vec<u8>,
}

/// What is wrong with an IDX file. Offsets refer to the uncompressed contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdxError {
    /// It ends inside its header.
    #[error("the file ends at byte {found}, within its header of {expected} bytes")]
    Header {
        /// Bytes in the header.
        expected: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// It has another format, another type of values, or another number of dimensions.
    #[error(
        "byte 0: expected {} ({expected} dimensions of bytes), found {}",
        magic([0, 0, 8, *expected]),
        magic(*found)
    )]
    Magic {
        /// The expected number of dimensions.
        expected: u8,
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A dimension has another size.
    #[error("byte {offset}: expected dimension {axis} to have size {expected}, found {found}")]
    Dimension {
        /// Its offset.
        offset: usize,
        /// The index of the dimension.
        axis: usize,
        /// The expected size.
        expected: usize,
        /// The actual size.
        found: u32,
    },
    /// It has fewer or more bytes than the dimensions imply.
    #[error("the dimensions in the header need {expected} bytes, but the file {}", ending(*expected, *found))]
    Length {
        /// Bytes of header and values together.
        expected: u128,
        /// Bytes in the file.
        found: usize,
    },
}

fn magic(bytes: [u8; 4]) -> String {
    bytes.iter().fold("magic number".to_owned(), |mut text, byte| {
        let _ = write!(text, " {byte:02x}");
        text
    })
}

fn ending(expected: u128, found: usize) -> String {
    if (found as u128) < expected {
        format!("ends at byte {found}")
    } else {
        format!(
            "continues after byte \
        {expected}"
        )
    }
}

impl Idx {
    /// Parses the array in `bytes`. Its dimensions must be `dims`, where `None` stands for any size.
    ///
    /// # Errors
    /// If `bytes` are not exactly such an array.
    pub fn parse(mut bytes: Vec<u8>, dims: &[Option<usize>]) -> Result<Idx, IdxError> {
        let header = 4 + 4 * dims.len();
        let short = IdxError::Header { expected: header, found: bytes.len() };
        let first: [u8; 4] = *bytes.first_chunk().ok_or_else(|| short.clone())?;
        let expected = dims.len() as u8;
        if first != [0, 0, 8, expected] {
            return Err(IdxError::Magic { expected, found: first });
        }
        let (sizes, _) = bytes.get(4..header).ok_or(short)?.as_chunks::<4>();
        let sizes: Vec<u32> = sizes.iter().map(|size| u32::from_be_bytes(*size)).collect();
        for (axis, (&found, expected)) in sizes.iter().zip(dims).enumerate() {
            if let Some(expected) = *expected
                && found as usize != expected
            {
                return Err(IdxError::Dimension { offset: 4 + 4 * axis, axis, expected, found });
            }
        }
        // Saturating: more than four dimensions of up to 2³² may overflow, and no file is that long.
        let values = sizes.iter().fold(1u128, |product, &size| product.saturating_mul(u128::from(size)));
        let expected = values.saturating_add(header as u128);
        if bytes.len() as u128 != expected {
            return Err(IdxError::Length { expected, found: bytes.len() });
        }
        bytes.drain(..header);
        Ok(Idx { dims: sizes.iter().map(|&size| size as usize).collect(), values: bytes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    #[test]
    fn written_arrays_are_read_back() {
        let values: Vec<u8> = (0..24).collect();
        let idx = Idx::parse(file(&[2, 3, 4], &values), &[Some(2), None, Some(4)]).unwrap();
        assert_eq!((idx.dims, idx.values), (vec![2, 3, 4], values));
    }

    #[test]
    fn errors_say_what_was_expected_what_was_found_and_where() {
        let message = |bytes: Vec<u8>, dims: &[Option<usize>]| Idx::parse(bytes, dims).unwrap_err().to_string();
        assert_eq!(message(vec![0, 0], &[None]), "the file ends at byte 2, within its header of 8 bytes");
        assert_eq!(message(vec![0, 0, 8, 1, 0, 0], &[None]), "the file ends at byte 6, within its header of 8 bytes");
        assert_eq!(
            message(b"\x89PNG....".to_vec(), &[None]),
            "byte 0: expected magic number 00 00 08 01 (1 dimensions of bytes), found magic number 89 50 4e 47"
        );
        assert_eq!(
            message(file(&[3, 28, 27], &[]), &[None, Some(28), Some(28)]),
            "byte 12: expected dimension 2 to have size 28, found 27"
        );
        let short = "the dimensions in the header need 18 bytes, but the file ends at byte 17";
        assert_eq!(message(file(&[10], &[0; 9]), &[None]), short);
        let long = "the dimensions in the header need 18 bytes, but the file continues after byte 18";
        assert_eq!(message(file(&[10], &[0; 11]), &[None]), long);
    }

    #[test]
    fn a_lying_header_costs_no_memory() {
        let lie = file(&[u32::MAX; 6], &[1, 2, 3]);
        let Err(IdxError::Length { expected, found: 31 }) = Idx::parse(lie, &[None; 6]) else { panic!("believed") };
        assert_eq!(expected, u128::MAX);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_array_of_their_size_or_an_error(
            ndim in 0u8..5,
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            honest in any::<bool>(),
        ) {
            let mut bytes = vec![0, 0, 8, ndim];
            if honest && ndim > 0 {
                for _ in 1..ndim {
                    bytes.extend(1u32.to_be_bytes());
                }
                bytes.extend((tail.len() as u32).to_be_bytes());
            }
            bytes.extend(&tail);
            let length = bytes.len();
            match Idx::parse(bytes, &vec![None; usize::from(ndim)]) {
                Ok(idx) => {
                    prop_assert_eq!(idx.values.len() + 4 + 4 * idx.dims.len(), length);
                    prop_assert_eq!(idx.dims.iter().product::<usize>(), idx.values.len());
                }
                Err(error) => {
                    prop_assert!(!honest || ndim == 0, "{}", error);
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }

        #[test]
        fn bytes_without_a_header_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let honest = bytes.starts_with(&[0, 0, 8, 3]);
            prop_assert!(honest || Idx::parse(bytes, &[None, Some(28), Some(28)]).is_err());
        }
    }

    #[test]
    fn mutants_of_idx_files() {
        let file = |dims: &[u32], values: usize| {
            let header = [0, 0, 8, dims.len() as u8].into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes()));
            header.chain((0..values).map(|value| value as u8)).collect::<Vec<u8>>()
        };
        sweep_fuzz::survive(&[file(&[2, 28, 28], 1568), file(&[5], 5), file(&[0, 28, 28], 0)], |bytes| {
            let _ = Idx::parse(bytes.to_vec(), &[None, Some(28), Some(28)]);
            let _ = Idx::parse(bytes.to_vec(), &[None]);
        });
    }
}
