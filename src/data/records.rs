//! The binary format of CIFAR-10: records of a label and 3×32×32 pixels, channel by channel, row by row.

use super::DataError;
use super::idx::Idx;
use super::images::Images;

/// Values per image.
const PIXELS: usize = 3 * 32 * 32;
/// Bytes per record.
pub(super) const RECORD: usize = 1 + PIXELS;
/// Number of classes.
const CLASSES: u8 = 10;

/// What is wrong with a file of records. Offsets refer to the uncompressed contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It has no records.
    #[error("expected records of {RECORD} bytes, but the file is empty")]
    Empty,
    /// The last record is truncated.
    #[error("expected whole records of {RECORD} bytes, but the record at byte {offset} ends at byte {found}")]
    Torn {
        /// The offset of the last record.
        offset: usize,
        /// Bytes in the file.
        found: usize,
    },
    /// It has too many records.
    #[error("expected at most {most} records of {RECORD} bytes, but the file continues after byte {}", most * RECORD)]
    Long {
        /// The most records it may have.
        most: usize,
    },
    /// A byte is not a label.
    #[error("byte {offset}: expected a label from 0 to 9 at the start of a record, found {found}")]
    Label {
        /// The offset.
        offset: usize,
        /// What was found.
        found: u8,
    },
}

/// Parses the records in `contents`, `[n, RECORD]`, at most `most`.
///
/// # Errors
/// If `contents` are not whole records with a valid label each.
pub(super) fn parse(contents: Vec<u8>, most: usize) -> Result<Idx, RecordError> {
    let (records, torn) = contents.as_chunks::<RECORD>();
    if contents.len() > most * RECORD {
        return Err(RecordError::Long { most });
    }
    let count = records.len();
    if contents.is_empty() {
        return Err(RecordError::Empty);
    }
    if !torn.is_empty() {
        return Err(RecordError::Torn { offset: count * RECORD, found: contents.len() });
    }
    match records.iter().position(|record| record[0] >= CLASSES) {
        Some(at) => Err(RecordError::Label { offset: at * RECORD, found: records[at][0] }),
        None => Ok(Idx { dims: vec![count, RECORD], values: contents }),
    }
}

/// Returns all images of several files, in order.
///
/// # Errors
/// If there are none.
pub(super) fn images(files: &[Idx]) -> Result<Images, DataError> {
    let records = || files.iter().flat_map(|file| file.values.as_chunks::<RECORD>().0);
    let labels: Vec<u8> = records().map(|record| record[0]).collect();
    let pixels: Vec<u8> = records().flat_map(|record| &record[1..]).copied().collect();
    let n = labels.len();
    Images::new(Idx { dims: vec![n, PIXELS], values: pixels }, Idx { dims: vec![n], values: labels })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(label: u8, pixel: u8) -> Vec<u8> {
        let mut record = vec![pixel; RECORD];
        record[0] = label;
        record
    }

    #[test]
    fn labels_and_pixels_are_taken_apart_over_several_files() {
        let first = parse([record(3, 10), record(0, 20)].concat(), 2).unwrap();
        let second = parse(record(9, 30), 2).unwrap();
        let images = images(&[first, second]).unwrap();
        assert_eq!((images.features, &images.labels[..]), (3072, &[3, 0, 9][..]));
        for (image, value) in images.pixels.chunks(3072).zip([10, 20, 30]) {
            assert!(image.iter().all(|&pixel| pixel == value));
        }
        assert_eq!(images.pixels.len(), 3 * 3072);
    }

    #[test]
    fn errors_say_what_was_expected_what_was_found_and_where() {
        let message = |contents: Vec<u8>| parse(contents, 2).unwrap_err().to_string();
        let torn = |offset, found| {
            format!("expected whole records of 3073 bytes, but the record at byte {offset} ends at byte {found}")
        };
        assert_eq!(message(Vec::new()), "expected records of 3073 bytes, but the file is empty");
        assert_eq!(message(record(1, 1)[..3072].to_vec()), torn(0, 3072));
        assert_eq!(message([record(1, 1), vec![2]].concat()), torn(3073, 3074));
        assert!(message(record(1, 1).repeat(3)).ends_with("the file continues after byte 6146"));
        let label = message([record(1, 1), record(10, 1)].concat());
        assert_eq!(label, "byte 3073: expected a label from 0 to 9 at the start of a record, found 10");
    }

    #[test]
    fn mutants_of_batches() {
        sweep_fuzz::survive(&[record(3, 9), record(9, 1).repeat(2)], |bytes| drop(parse(bytes.to_vec(), 2)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_whole_records_or_an_error_with_a_position(
            records in 0usize..3,
            bytes in proptest::collection::vec(any::<u8>(), 0..50),
            label in any::<u8>(),
        ) {
            let contents = [record(label, 9).repeat(records), bytes].concat();
            let length = contents.len();
            match parse(contents, 2) {
                Ok(idx) => {
                    prop_assert_eq!(&idx.dims, &[records, RECORD]);
                    prop_assert!(label < CLASSES && idx.values.len() == length);
                }
                Err(RecordError::Empty) => prop_assert_eq!(length, 0),
                Err(RecordError::Torn { offset, found }) => prop_assert!(offset < found && found == length),
                Err(RecordError::Long { most }) => prop_assert!(length > most * RECORD),
                Err(RecordError::Label { offset, found }) => prop_assert!(offset < length && found == label),
            }
        }
    }
}
