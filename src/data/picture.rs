//! Decodes one picture, a JPEG or a PNG, and makes it square and small.
//!
//! As in most programs that read such folders, grey pictures get three equal channels, transparency is dropped, and the
//! orientation recorded by the camera is ignored.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};
use sweep_numerics::pixels::square;

use super::hex::hex;

/// The most bytes of pixels that one byte of a file can stand for. Deflate and runs in progressive JPEGs reach about a
/// thousand.
const DENSEST: u64 = 2048;
/// What headers may claim in addition.
const SLACK: u64 = 1 << 16;
/// The most bytes of pixels.
const MOST: u64 = 1 << 30;
/// The most bytes of a file.
pub(super) const LARGEST: u64 = 1 << 28;

/// Decodes `bytes` to `[3, size, size]`.
///
/// # Errors
/// As for [`open`].
pub(super) fn decode(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let rgb = open(bytes)?;
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(square(&rgb, width, height, size))
}

/// Decodes the picture in `bytes` at its original size.
///
/// # Errors
/// Describes what is wrong, with the position if it is known.
pub(super) fn open(bytes: &[u8]) -> Result<RgbImage, String> {
    let decoder = decoder(bytes)?;
    Ok(DynamicImage::from_decoder(decoder).map_err(|error| broken(&error, bytes))?.into_rgb8())
}

/// Returns height and width of the picture in `bytes`, from its header.
///
/// # Errors
/// Describes what is wrong with the header.
pub(super) fn sizes(bytes: &[u8]) -> Result<[usize; 2], String> {
    let (width, height) = decoder(bytes)?.dimensions();
    Ok([height as usize, width as usize])
}

fn broken(error: &image::ImageError, bytes: &[u8]) -> String {
    format!("{error} (in {} bytes)", bytes.len())
}

/// Reads the header, and returns a decoder for the picture.
fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, String> {
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ if bytes.is_empty() => return Err("the file is empty".to_owned()),
        _ => {
            let found = hex(&bytes[..bytes.len().min(4)], " ");
            return Err(format!("expected a JPEG (ff d8 ff at byte 0) or a PNG (89 50 4e 47), found {found}"));
        }
    };
    if format == ImageFormat::Jpeg {
        whole(bytes)?;
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let claim = DENSEST * bytes.len() as u64 + SLACK;
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(4 * claim.min(MOST));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| broken(&error, bytes))?;
    let ((width, height), needed) = (decoder.dimensions(), decoder.total_bytes());
    if width == 0 || height == 0 {
        return Err(format!("the header claims {width}×{height} pixels"));
    }
    if needed > claim.min(MOST) {
        return Err(format!("the header claims {width}×{height} pixels, more than {} bytes can hold", bytes.len()));
    }
    Ok(decoder)
}

/// Checks that a JPEG is complete: decoders silently fill missing parts with grey.
fn whole(bytes: &[u8]) -> Result<(), String> {
    let cut = || format!("the file ends at byte {} without the end of its image (ff d9)", bytes.len());
    let mut at = 2;
    // Skip the segments before the pixels by their length, because a thumbnail inside one has its own end marker.
    loop {
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        match bytes.get(at..at + 2) {
            Some(&[0xff, 0xda]) => break,
            Some(&[0xff, 0xd9]) => return Err(format!("byte {at}: the image ends before its pixels start")),
            Some(&[0xff, 0x01 | 0xd0..=0xd8]) => at += 2,
            Some(&[0xff, _]) => {
                let length = bytes.get(at + 2..at + 4).ok_or_else(cut)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
            // Some files have bytes between segments. The decoder decides whether that is an error.
            Some(_) => at += 1,
            None => return Err(cut()),
        }
    }
    // Among the pixels, a byte ff is followed by 0 or by a restart marker.
    if bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]) { Ok(()) } else { Err(cut()) }
}

#[cfg(test)]
pub(super) mod tests {
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
    use proptest::prelude::*;

    use super::*;

    /// Returns a picture with a gradient.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(4 * x) as u8, (4 * y) as u8, 100]))
    }

    pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&picture(width, height)).unwrap();
        bytes
    }

    pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture(width, height).write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn both_formats_give_the_same_picture() {
        let (jpeg, png) = (decode(&jpeg(60, 40), 8).unwrap(), decode(&png(60, 40), 8).unwrap());
        assert_eq!(png, square(&picture(60, 40), 60, 40, 8));
        assert!(jpeg.iter().zip(&png).all(|(a, b)| a.abs_diff(*b) <= 3), "{jpeg:?}\n{png:?}");
    }

    #[test]
    fn grey_gets_three_channels_and_transparency_goes() {
        let mut grey = Vec::new();
        JpegEncoder::new(&mut grey).write_image(&[77; 64], 8, 8, ExtendedColorType::L8).unwrap();
        assert_eq!(decode(&grey, 4).unwrap(), [77; 48]);
        let mut clear = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut clear);
        encoder.write_image(&[9, 9, 9, 0].repeat(4), 2, 2, ExtendedColorType::Rgba8).unwrap();
        assert_eq!(decode(&clear, 1).unwrap(), [9; 3]);
    }

    #[test]
    fn a_file_cut_short_anywhere_is_damaged() {
        for whole in [jpeg(24, 24), png(24, 24)] {
            for length in 0..whole.len() - 2 {
                // A PNG is complete before its last chunk, which has 12 bytes and no contents.
                if whole[0] == 0x89 && length + 12 >= whole.len() {
                    continue;
                }
                assert!(decode(&whole[..length], 8).is_err(), "{length} of {} bytes", whole.len());
            }
        }
        let cut = decode(&jpeg(24, 24)[..300], 8).unwrap_err();
        assert!(cut.contains("ends at byte 300"), "{cut}");
        assert_eq!(decode(b"", 8).unwrap_err(), "the file is empty");
        assert!(decode(b"<html>", 8).unwrap_err().ends_with("found 3c 68 74 6d"));
    }

    #[test]
    fn an_end_marker_inside_a_thumbnail_is_not_the_end() {
        let mut bytes = jpeg(24, 24);
        // An application segment that contains the end marker of a JPEG.
        bytes.splice(2..2, [0xff, 0xe1, 0, 4, 0xff, 0xd9]);
        assert!(decode(&bytes, 8).is_ok());
        bytes.truncate(bytes.len() - 2);
        assert!(decode(&bytes, 8).unwrap_err().contains("without the end"));
    }

    #[test]
    fn a_lying_header_costs_no_memory() {
        let mut lie = jpeg(8, 8);
        let at = lie.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        lie[at + 5..at + 9].fill(0xff);
        assert!(decode(&lie, 8).unwrap_err().contains("claims 65535×65535 pixels"));
    }

    #[test]
    fn sizes_are_read_without_pixels() {
        assert_eq!((sizes(&jpeg(9, 7)).unwrap(), sizes(&png(9, 7)).unwrap()), ([7, 9], [7, 9]));
        let bytes = png(2000, 2000);
        assert!(sweep_fuzz::most_memory(|| assert_eq!(sizes(&bytes).unwrap(), [2000, 2000])) < 1_000_000);
    }

    #[test]
    fn mutants_of_pictures() {
        sweep_fuzz::survive(&[jpeg(20, 20), png(20, 20)], |bytes| drop(open(bytes)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_picture_or_an_error(
            start in 0usize..3,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
            tail in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut bytes = [jpeg(20, 20), png(20, 20), Vec::new()][start].clone();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes.extend(tail);
            match decode(&bytes, 8) {
                Ok(out) => prop_assert_eq!(out.len(), 192),
                Err(error) => prop_assert!(!error.is_empty()),
            }
        }
    }
}
