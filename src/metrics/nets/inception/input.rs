//! Prepares images for the network: 256 levels, 299×299 pixels by the bilinear interpolation of TensorFlow 1, values in
//! [−1, 1).

use tch::{Device, TchError, Tensor};

/// Pixels per side.
const SIDE: i64 = 299;

/// Images as levels.
#[derive(Debug)]
pub(super) struct Levels {
    /// `[n, channels, height, width]`, integers from 0 to 255.
    pub images: Tensor,
    /// `[n, 1]`, true if a pixel is not finite.
    pub broken: Tensor,
}

impl Levels {
    /// Converts `samples` in [−1, 1], whole images of `shape`. Rounds as when saving an image; values outside the range
    /// become black or white.
    pub(super) fn of(samples: &[f32], shape: [usize; 3]) -> Result<Self, TchError> {
        let level = |&x: &f32| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0);
        let levels: Vec<f32> = samples.iter().map(level).collect();
        let broken = |image: &[f32]| image.iter().any(|x| !x.is_finite());
        let broken: Vec<bool> = samples.chunks(shape.iter().product()).map(broken).collect();
        let [channels, height, width] = shape.map(|size| size as i64);
        Ok(Levels {
            images: Tensor::f_from_slice(&levels)?.f_view([-1, channels, height, width])?,
            broken: Tensor::f_from_slice(&broken)?.f_unsqueeze(1)?,
        })
    }
}

/// Converts `images` `[n, 1 or 3, height, width]` of levels to the network's input `[n, 3, 299, 299]`, on the same
/// device.
pub(super) fn prepare(images: &Tensor) -> Result<Tensor, TchError> {
    let (height, width) = (images.size()[2], images.size()[3]);
    let wide = Axis::new(width, images.device())?.stretch(images, 3)?;
    let mut large = Axis::new(height, images.device())?.stretch(&wide, 2)?;
    large.f_sub_scalar_(128.0)?.f_div_scalar_(128.0)?.f_expand([-1, 3, SIDE, SIDE], false)
}

/// Between which pixels of one side to interpolate.
struct Axis {
    low: Tensor,
    high: Tensor,
    /// How far from low to high, float32 `[299]`.
    share: Tensor,
}

impl Axis {
    /// Maps `size` pixels to 299: pixel i is taken at position i · size / 299, in float32, without the half-pixel shift
    /// of later versions.
    fn new(size: i64, device: Device) -> Result<Self, TchError> {
        let scale = (size as f64 / SIDE as f64) as f32;
        let places: Vec<f32> = (0..SIDE).map(|i| i as f32 * scale).collect();
        let low: Vec<i64> = places.iter().map(|&place| place as i64).collect();
        let high: Vec<i64> = low.iter().map(|&low| (low + 1).min(size - 1)).collect();
        let share: Vec<f32> = places.iter().zip(&low).map(|(&place, &low)| place - low as f32).collect();
        Ok(Axis {
            low: Tensor::f_from_slice(&low)?.f_to_device(device)?,
            high: Tensor::f_from_slice(&high)?.f_to_device(device)?,
            share: Tensor::f_from_slice(&share)?.f_to_device(device)?,
        })
    }

    /// Returns `images` with 299 pixels along `dim`, 2 or 3.
    fn stretch(&self, images: &Tensor, dim: i64) -> Result<Tensor, TchError> {
        let share = if dim == 2 { self.share.f_unsqueeze(1)? } else { self.share.shallow_clone() };
        let low = images.f_index_select(dim, &self.low)?;
        let apart = images.f_index_select(dim, &self.high)?.f_sub_(&low)?.f_mul_(&share)?;
        low.f_add(&apart)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.to_kind(Kind::Float).flatten(0, -1)).unwrap()
    }

    #[test]
    fn pixels_become_the_nearest_levels_and_broken_images_are_marked() {
        let samples = [-1.0, 1.0, -1.5, 7.0, 0.0, 1.0 / 127.5 - 1.0, 0.2, f32::NAN, 0.0, 0.0, f32::NEG_INFINITY, 0.0];
        let levels = Levels::of(&samples, [1, 2, 2]).unwrap();
        assert_eq!(values(&levels.images)[..6], [0.0, 255.0, 0.0, 255.0, 128.0, 1.0]);
        assert_eq!(values(&levels.broken), [0.0, 1.0, 1.0]);
        let all: Vec<f32> = (0..=255).map(|level| level as f32 / 127.5 - 1.0).collect();
        let back = values(&Levels::of(&all, [1, 16, 16]).unwrap().images);
        assert!(back.iter().enumerate().all(|(level, &found)| found == level as f32), "{back:?}");
    }

    #[test]
    fn interpolation_starts_at_the_first_pixel_and_repeats_the_last() {
        let image = Tensor::from_slice(&[0f32, 128.0, 64.0, 255.0]).view([1, 1, 2, 2]);
        let out = prepare(&image).unwrap();
        assert_eq!(out.size(), [1, 3, 299, 299]);
        let at = |y: i64, x: i64| (out.double_value(&[0, 2, y, x]) * 128.0 + 128.0) as f32;
        assert_eq!((at(0, 0), at(298, 298), at(0, 298)), (0.0, 255.0, 128.0));
        // Pixel 75 is at 75 · 2 / 299; from pixel 150 on there is no right neighbour.
        let share = 150.0 / 299.0;
        assert!((at(0, 75) - 128.0 * share).abs() < 1e-4 && (at(75, 0) - 64.0 * share).abs() < 1e-4);
        assert_eq!(at(0, 150), 128.0);
        let same = Tensor::from_slice(&[(5.0 - 128.0) / 128.0f32]).expand([1, 3, 299, 299], false);
        assert_eq!(prepare(&Tensor::full([1, 3, 40, 24], 5.0, (Kind::Float, Device::Cpu))).unwrap(), same);
    }
}
