//! MNIST-1K: three random MNIST digits as the channels of one image, drawn afresh for each batch.

use super::distribution::Draw;
use super::images::Images;
use sweep_numerics::pixels::scale;
use sweep_numerics::random::{Purpose, Stream};

/// Number of channels.
const DIGITS: usize = 3;

/// Digits to be stacked.
#[derive(Clone, Debug)]
pub struct Stacked {
    digits: Images,
}

impl Stacked {
    /// Stacks these digits.
    pub fn new(digits: Images) -> Self {
        Stacked { digits }
    }
}

impl Draw for Stacked {
    fn width(&self) -> usize {
        DIGITS * self.digits.features
    }

    fn draw(&self, seed: u64, purpose: Purpose, index: u64, out: &mut [f32]) {
        let pixels = self.digits.features;
        let mut which = vec![0; out.len() / pixels];
        Stream::new(seed, purpose, index).fill_below(self.digits.len() as u32, &mut which);
        for (channel, digit) in out.chunks_exact_mut(pixels).zip(which) {
            scale(&self.digits.pixels[digit as usize * pixels..][..pixels], channel);
        }
    }

    /// The shares of the digits, which are drawn independently.
    fn shares_of_labels(&self) -> Option<Vec<f64>> {
        Some(self.digits.frequencies())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Real;
    use crate::idx::Idx;

    /// Ten digits of 2 pixels; the first pixel identifies the digit.
    fn digits() -> Stacked {
        let values = (0..10).flat_map(|digit| [digit, 255]).collect();
        let labels = Idx { dims: vec![10], values: (0..10).collect() };
        Stacked::new(Images::new(Idx { dims: vec![10, 2], values }, labels).unwrap())
    }

    #[test]
    fn its_classes_are_those_of_its_digits() {
        let labels = Idx { dims: vec![4], values: vec![0, 2, 2, 2] };
        let digits = Images::new(Idx { dims: vec![4, 2], values: vec![7; 8] }, labels).unwrap();
        assert_eq!(Stacked::new(digits).label_frequencies().unwrap(), [0.25, 0.0, 0.75]);
    }

    fn modes(images: &[f32]) -> Vec<usize> {
        let digit = |x: f32| ((x + 1.0) * 127.5).round() as usize;
        images.chunks(6).map(|image| 100 * digit(image[0]) + 10 * digit(image[2]) + digit(image[4])).collect()
    }

    #[test]
    fn the_thousand_modes_come_equally_often_and_channels_are_independent() {
        let data = digits();
        assert_eq!((data.features(), Real::len(&data)), (6, None));
        let mut images = vec![f32::NAN; 6 * 50_000];
        images.chunks_mut(6 * 500).enumerate().for_each(|(index, batch)| data.batch(7, index as u64, batch));
        for images in [images, data.reference(50_000)] {
            assert!(images.iter().skip(1).step_by(2).all(|&x| x == 1.0));
            let mut counts = vec![0.0f64; 1000];
            modes(&images).into_iter().for_each(|mode| counts[mode] += 1.0);
            // χ² with 999 degrees of freedom has mean 999 and standard deviation 45.
            let chi2: f64 = counts.iter().map(|count| (count - 50.0).powi(2) / 50.0).sum();
            assert!((chi2 - 999.0).abs() < 5.0 * 45.0, "{chi2}");
        }
    }

    #[test]
    fn a_batch_depends_on_seed_and_index_and_nothing_else() {
        let data = digits();
        let draw = |seed, index| {
            let mut out = vec![f32::NAN; 6 * 64];
            data.batch(seed, index, &mut out);
            out
        };
        let base = draw(1, 40);
        assert_eq!(draw(1, 40), base);
        assert_ne!(draw(2, 40), base);
        assert_ne!(draw(1, 41), base);
    }
}
