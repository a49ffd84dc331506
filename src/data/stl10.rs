//! The binary format of STL-10: images of 3×96×96 bytes, each channel column by column. They are used at 32×32: each
//! pixel is the mean of a 3×3 block, rounded.

use std::io::{self, Read};
use std::path::Path;

use md5::{Digest, Md5};

use super::hex::hex;
use super::regular;

/// Pixels per side on disk.
const SIDE: usize = 96;
/// Pixels per side of a block.
const BLOCK: usize = 3;
/// Pixels per side of a sample.
pub(super) const SMALL: usize = SIDE / BLOCK;
/// Bytes per image on disk.
pub(super) const IMAGE: usize = 3 * SIDE * SIDE;
/// Number of images in the published file.
pub(super) const PUBLISHED: usize = 100_000;
/// MD5 of the published file.
pub(super) const MD5: &str = "5242ba1fed5e4be9e1e742405eb56ca4";

/// What is wrong with an STL-10 file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StlError {
    /// It has no images.
    #[error("expected images of {IMAGE} bytes, but the file is empty")]
    Empty,
    /// The last image is truncated.
    #[error("expected whole images of {IMAGE} bytes, but the image at byte {offset} ends at byte {found}")]
    Torn {
        /// The offset of the last image.
        offset: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// It has too many images.
    #[error(
        "expected at most {PUBLISHED} images of {IMAGE} bytes, but the file continues after byte {}",
        PUBLISHED * IMAGE
    )]
    Long,
}

/// Returns the number of images in a file of `bytes`.
pub(super) fn count(bytes: u64) -> Result<usize, StlError> {
    let images = bytes / IMAGE as u64;
    if bytes == 0 {
        return Err(StlError::Empty);
    }
    if !bytes.is_multiple_of(IMAGE as u64) {
        return Err(StlError::Torn { offset: images * IMAGE as u64, found: bytes });
    }
    if images > PUBLISHED as u64 { Err(StlError::Long) } else { Ok(images as usize) }
}

/// Returns an image of the file row by row, shrunk.
pub(super) fn shrink(image: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * SMALL * SMALL);
    for channel in image.chunks_exact(SIDE * SIDE) {
        for y in 0..SMALL {
            for x in 0..SMALL {
                let column = |dx: usize| &channel[(BLOCK * x + dx) * SIDE + BLOCK * y..][..BLOCK];
                let sum: u16 = (0..BLOCK).flat_map(column).map(|&value| u16::from(value)).sum();
                out.push(((sum + 4) / 9) as u8);
            }
        }
    }
    out
}

/// Returns the MD5 of the whole file.
pub(super) fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut piece) = (regular::open(path)?.0, Md5::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex(&digest.finalize(), "")),
            n => digest.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns an image with `value(channel, row, column)` at each place.
    pub(super) fn image(value: impl Fn(usize, usize, usize) -> u8) -> Vec<u8> {
        (0..IMAGE).map(|at| value(at / (SIDE * SIDE), at % SIDE, at / SIDE % SIDE)).collect()
    }

    #[test]
    fn columns_become_rows_and_blocks_their_mean() {
        let small = shrink(&image(|channel, row, column| (10 * channel + row / 3 + 2 * (column / 3)) as u8));
        for (channel, plane) in small.chunks_exact(SMALL * SMALL).enumerate() {
            for (at, &value) in plane.iter().enumerate() {
                assert_eq!(usize::from(value), 10 * channel + at / SMALL + 2 * (at % SMALL));
            }
        }
        // One pixel of nine in a block: 14 / 9 = 1.6, 13 / 9 = 1.4.
        assert_eq!(shrink(&image(|_, row, column| if (row, column) == (0, 0) { 14 } else { 0 }))[..2], [2, 0]);
        assert_eq!(shrink(&image(|_, row, column| if (row, column) == (2, 5) { 13 } else { 0 }))[..2], [0, 1]);
    }

    #[test]
    fn files_hold_whole_images_and_at_most_as_many_as_the_published_one() {
        let image = IMAGE as u64;
        assert_eq!((count(image), count(100_000 * image)), (Ok(1), Ok(100_000)));
        assert_eq!(count(0), Err(StlError::Empty));
        assert_eq!(count(3 * image - 1), Err(StlError::Torn { offset: 2 * image, found: 3 * image - 1 }));
        assert_eq!(count(100_001 * image), Err(StlError::Long));
    }

    proptest! {
        #[test]
        fn every_length_is_a_number_of_images_or_an_error(bytes in any::<u64>()) {
            match count(bytes) {
                Ok(images) => prop_assert_eq!(images as u64 * IMAGE as u64, bytes),
                Err(error) => prop_assert!(error.to_string().contains("27648 bytes")),
            }
        }
    }
}
