//! Converts pixels for training: small squares with values in [−1, 1].
//!
//! Images are shrunk by averaging the area that each new pixel covers. GANs at 32×32 usually take the central square,
//! whose side is the shorter side of the image, and then apply box averaging (the method that Chrabaszcz et al. (2017)
//! chose among six for ImageNet at 32×32). Apart from the rounding of the longer side, this equals scaling the shorter
//! side and then cropping.

use multiversion::multiversion;

/// Maps a pixel to [−1, 1] as x/127.5 − 1, with one rounding and exact ends.
#[inline(always)]
fn scaled(pixel: u8) -> f32 {
    f32::from(2 * i16::from(pixel) - 255) / 255.0
}

/// Scales `pixels` (bytes) to [−1, 1]. `out` has the same length.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn scale(pixels: &[u8], out: &mut [f32]) {
    for (value, &pixel) in out.iter_mut().zip(pixels) {
        *value = scaled(pixel);
    }
}

/// Crops `rgb`, `[height, width, 3]`, to its central square and resizes it to `[3, size, size]`. Each value is the mean
/// over the area that its pixel covers, rounded half up. The arithmetic is in integers, so every machine gives the same
/// result.
pub fn square(rgb: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
    debug_assert!(width > 0 && height > 0 && size > 0 && rgb.len() == 3 * width * height);
    let side = width.min(height);
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let spans = spans(side, size);
    let mut sums = vec![0u64; 3 * size * size];
    let mut line = vec![0u64; 3 * size];
    for (y, rows) in (0..side).map(|row| (row, &rgb[3 * ((top + row) * width + left)..][..3 * side])) {
        for (out, span) in line.chunks_exact_mut(3).zip(&spans) {
            out.copy_from_slice(&span.sum(rows));
        }
        // The new rows that this old row contributes to. There is more than one only when enlarging, or at a border.
        let first = y * size / side;
        let last = ((y + 1) * size - 1) / side;
        for out in first..=last {
            let weight = overlap(y, out, side, size) as u64;
            for (sum, value) in sums[3 * size * out..][..3 * size].iter_mut().zip(&line) {
                *sum += weight * value;
            }
        }
    }
    let area = (side * side) as u64;
    let plane = size * size;
    let mut out = vec![0; 3 * plane];
    for (at, pixel) in sums.chunks_exact(3).enumerate() {
        for (channel, sum) in pixel.iter().enumerate() {
            out[channel * plane + at] = ((sum + area / 2) / area) as u8;
        }
    }
    out
}

/// Returns how much new pixel `out` covers of old pixel `at`, in 1/`size` of an old pixel.
fn overlap(at: usize, out: usize, side: usize, size: usize) -> usize {
    ((at + 1) * size).min((out + 1) * side) - (at * size).max(out * side)
}

/// The old pixels of a row that one new pixel covers.
struct Span {
    first: usize,
    weights: Vec<u32>,
}

fn spans(side: usize, size: usize) -> Vec<Span> {
    let span = |out: usize| {
        let (first, last) = (out * side / size, ((out + 1) * side - 1) / size);
        Span { first, weights: (first..=last).map(|at| overlap(at, out, side, size) as u32).collect() }
    };
    (0..size).map(span).collect()
}

impl Span {
    /// Returns the weighted sums of red, green and blue.
    fn sum(&self, row: &[u8]) -> [u64; 3] {
        let mut sums = [0u32; 3];
        let pixels = row[3 * self.first..].as_chunks::<3>().0;
        for (pixel, weight) in pixels.iter().zip(&self.weights) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                // At most 255 times the sum of the weights, which is the side. This fits: images have fewer than 2²⁴
                // pixels per side.
                *sum += weight * u32::from(value);
            }
        }
        sums.map(u64::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blocks_are_averaged_and_rounded_half_up() {
        // 4×4 to 2×2; only the red channel has a pattern.
        let rgb: Vec<u8> = (0..16u8).flat_map(|value| [value, 0, 255]).collect();
        let out = square(&rgb, 4, 4, 2);
        // (0 + 1 + 4 + 5) / 4 = 2.5, and so on.
        assert_eq!(out, [3, 5, 11, 13, 0, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn pixels_under_two_new_ones_count_for_both_by_their_share() {
        // 3×3 to 2×2: in both directions, each new pixel covers one whole pixel and half of another.
        let rgb: Vec<u8> = [0, 90, 0, 0, 90, 0, 0, 90, 0].into_iter().flat_map(|value| [value; 3]).collect();
        assert_eq!(square(&rgb, 3, 3, 2)[..4], [30; 4]);
        let larger = square(&[0, 0, 0, 100, 100, 100, 0, 0, 0, 100, 100, 100], 2, 2, 4);
        assert_eq!(larger[..8], [0, 0, 100, 100, 0, 0, 100, 100]);
    }

    #[test]
    fn the_centre_remains() {
        let wide: Vec<u8> =
            (0..2 * 6).flat_map(|at| if at % 6 == 2 || at % 6 == 3 { [200; 3] } else { [0; 3] }).collect();
        assert_eq!(square(&wide, 6, 2, 2), [200; 12]);
        let tall: Vec<u8> =
            (0..2 * 6).flat_map(|at| if at / 2 == 2 || at / 2 == 3 { [200; 3] } else { [0; 3] }).collect();
        assert_eq!(square(&tall, 2, 6, 2), [200; 12]);
    }

    #[test]
    fn pixels_are_scaled_to_minus_one_to_one() {
        assert_eq!((scaled(0), scaled(255)), (-1.0, 1.0));
        for x in 0..=255u8 {
            let exact = f64::from(x) / 127.5 - 1.0;
            assert!((f64::from(scaled(x)) - exact).abs() <= exact.abs() * f64::from(f32::EPSILON) / 2.0, "{x}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_mean_over_areas(
            width in 1usize..40,
            height in 1usize..40,
            size in 1usize..24,
            seed in any::<u64>(),
        ) {
            let value = |at: usize| (seed.wrapping_mul(at as u64 + 1) >> 40) as u8;
            let rgb: Vec<u8> = (0..3 * width * height).map(value).collect();
            let out = square(&rgb, width, height, size);
            let side = width.min(height);
            let (left, top) = ((width - side) / 2, (height - side) / 2);
            // By brute force: split each old pixel into size × size parts; each new pixel is then side × side parts.
            for channel in 0..3 {
                for at in 0..size * size {
                    let (y, x) = (at / size, at % size);
                    let mut sum = 0u64;
                    for small in 0..side * side {
                        let (row, column) = ((y * side + small / side) / size, (x * side + small % side) / size);
                        sum += u64::from(rgb[3 * ((top + row) * width + left + column) + channel]);
                    }
                    let area = (side * side) as u64;
                    prop_assert_eq!(u64::from(out[channel * size * size + at]), (sum + area / 2) / area);
                }
            }
        }
    }
}
