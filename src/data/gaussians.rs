//! Mixtures of Gaussians, drawn afresh for each batch.

use super::DataError;
use super::distribution::Draw;
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::dataset::{Covariance, Gaussians};

/// Modes are drawn in pieces of this many, each from its own lane, because a stream cannot be entered in the middle.
const PIECE: usize = 1024;

/// A mixture of Gaussians to draw from.
#[derive(Clone, Debug)]
pub struct Mixture {
    /// `[modes, dims]`
    means: Vec<f32>,
    /// The standard deviation of each coordinate, up to the last one that has noise.
    deviations: Vec<f32>,
    dims: usize,
    modes: usize,
    /// Where the share of each mode except the last ends, among all 32-bit words. `None` for equal shares.
    ends: Option<Vec<u32>>,
}

impl Mixture {
    /// Builds the mixture that `mixture` describes.
    ///
    /// # Errors
    /// If it has no mode, or contains numbers that are not finite.
    pub fn new(mixture: &Gaussians) -> Result<Self, DataError> {
        let (dims, modes) = (mixture.dims, mixture.modes());
        let covariance = match mixture.covariance {
            Covariance::Even(variance) => variance,
            Covariance::Each(variances) => variances.iter().copied().fold(f64::INFINITY, f64::min),
        };
        let fine = dims > 0 && modes > 0 && covariance.is_finite() && covariance >= 0.0;
        let means: Vec<f32> = if fine { mixture.means().iter().map(|&x| x as f32).collect() } else { Vec::new() };
        if !fine || means.iter().any(|x| !x.is_finite()) {
            return Err(DataError::Mixture { modes, covariance });
        }
        let variances = mixture.variances();
        let deviations = variances[..mixture.noise_dims()].iter().map(|variance| variance.sqrt() as f32);
        let ends = mixture.weights.map(|weights| {
            let mut sum = 0.0;
            weights[..modes - 1]
                .iter()
                .map(|weight| {
                    sum += weight;
                    (sum * f64::from(u32::MAX)).round() as u32
                })
                .collect()
        });
        Ok(Mixture { means, deviations: deviations.collect(), dims, modes, ends })
    }

    /// Picks a mode for each entry of `modes`.
    fn pick(&self, stream: &Stream, modes: &mut [u32]) {
        match &self.ends {
            None => stream.fill_below(self.modes as u32, modes),
            Some(ends) => {
                stream.fill_below(u32::MAX, modes);
                modes.iter_mut().for_each(|mode| *mode = ends.partition_point(|end| end <= mode) as u32);
            }
        }
    }
}

impl Draw for Mixture {
    fn width(&self) -> usize {
        self.dims
    }

    fn draw(&self, seed: u64, purpose: Purpose, index: u64, out: &mut [f32]) {
        let (dims, noisy) = (self.dims, self.deviations.len());
        let points = out.len() / dims;
        Stream::new(seed, purpose, index).fill_normal(&mut out[..points * noisy]);
        if noisy < dims {
            // Move points to their final places, last first, so none is overwritten before it is moved.
            (0..points).rev().for_each(|point| out.copy_within(point * noisy..(point + 1) * noisy, point * dims));
        }
        let mut modes = [0; PIECE];
        for (piece, points) in out.chunks_mut(dims * PIECE).enumerate() {
            // Lane 0 is for the normals. Lanes would wrap at 67 million points, more than any batch has.
            let modes = &mut modes[..points.len() / dims];
            self.pick(&Stream::lane(seed, purpose, (piece + 1) as u16, index), modes);
            for (point, &mut mode) in points.chunks_exact_mut(dims).zip(modes) {
                let mean = &self.means[mode as usize * dims..][..dims];
                let (noise, rest) = point.split_at_mut(noisy);
                for ((value, mean), deviation) in noise.iter_mut().zip(mean).zip(&self.deviations) {
                    *value = mean + deviation * *value;
                }
                rest.copy_from_slice(&mean[noisy..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Real;
    use sweep_spec::dataset::Layout;

    /// Returns the number of points, and mean, variance and correlation of the coordinates around each centre.
    fn moments(layout: &Gaussians, points: &[f32]) -> Vec<(usize, [f64; 2], [f64; 2], f64)> {
        let centres = layout.centres();
        let mut per_mode = vec![Vec::new(); centres.len()];
        for point in points.as_chunks::<2>().0 {
            let d = |c: &[f64; 2]| (f64::from(point[0]) - c[0]).powi(2) + (f64::from(point[1]) - c[1]).powi(2);
            let nearest = (0..centres.len()).min_by(|&a, &b| d(&centres[a]).total_cmp(&d(&centres[b]))).unwrap();
            per_mode[nearest]
                .push([f64::from(point[0]) - centres[nearest][0], f64::from(point[1]) - centres[nearest][1]]);
        }
        per_mode
            .iter()
            .map(|offsets| {
                let n = offsets.len() as f64;
                let mean = [0, 1].map(|i| offsets.iter().map(|o| o[i]).sum::<f64>() / n);
                let variance = [0, 1].map(|i| offsets.iter().map(|o| (o[i] - mean[i]).powi(2)).sum::<f64>() / n);
                let product = offsets.iter().map(|o| (o[0] - mean[0]) * (o[1] - mean[1])).sum::<f64>() / n;
                (offsets.len(), mean, variance, product / (variance[0] * variance[1]).sqrt())
            })
            .collect()
    }

    #[test]
    fn points_have_the_centres_the_covariance_and_equal_modes() {
        for layout in [Gaussians::RING, Gaussians::GRID] {
            let mixture = Mixture::new(&layout).unwrap();
            let mut batches = vec![0.0; 2 * 400 * 500];
            for (index, batch) in batches.chunks_mut(2 * 500).enumerate() {
                mixture.batch(3, index as u64, batch);
            }
            for points in [batches, mixture.reference(200_000)] {
                let modes = layout.centres().len() as f64;
                let expected = 200_000.0 / modes;
                for (mode, (count, mean, variance, correlation)) in moments(&layout, &points).into_iter().enumerate() {
                    let n = count as f64;
                    assert!(
                        (n - expected).abs() < 5.0 * (expected * (1.0 - 1.0 / modes)).sqrt(),
                        "mode {mode}: {n} points"
                    );
                    let sigma2 = layout.variances()[0];
                    for axis in [0, 1] {
                        assert!(mean[axis].abs() < 5.0 * (sigma2 / n).sqrt(), "mode {mode}: mean {mean:?}");
                        let error = (variance[axis] - sigma2).abs();
                        assert!(error < 5.0 * sigma2 * (2.0 / n).sqrt(), "mode {mode}: variance {variance:?}");
                    }
                    assert!(correlation.abs() < 5.0 / n.sqrt(), "mode {mode}: correlation {correlation}");
                }
            }
        }
    }

    #[test]
    fn a_batch_depends_on_seed_and_index_and_nothing_else() {
        let mixture = Mixture::new(&Gaussians::RING).unwrap();
        let draw = |seed, index, n: usize| {
            let mut out = vec![f32::NAN; 2 * n];
            mixture.batch(seed, index, &mut out);
            out
        };
        let base = draw(1, 7, 3000);
        assert_eq!(draw(1, 7, 3000), base);
        assert_eq!(draw(1, 7, 10), base[..20], "a shorter batch is the beginning of a longer one");
        assert_ne!(draw(2, 7, 3000), base);
        assert_ne!(draw(1, 8, 3000), base);
        assert_ne!(mixture.reference(3000), draw(0, 0, 3000), "scores compare with other points than those trained on");
    }

    /// Compares with the definition, in float64: the share of each mode, and mean and covariance of its samples.
    #[test]
    fn samples_in_any_dimension_have_the_given_weights_means_and_variances() {
        let weights: &[f64] = &[0.5, 0.2, 0.3];
        let apart: &[f64] = &[0.0, 0.0, 0.0, 0.0, 40.0, 0.0, -5.0, 1.0, -40.0, 9.0, 0.0, 0.0];
        let variances: &[f64] = &[1.0, 0.25, 4.0, 0.01];
        let offsets: &[f64] = &[0.0, 30.0, -60.0];
        let ring = Gaussians { dims: 16, ..Gaussians::of(Layout::Ring { modes: 3, radius: 50.0 }, 0.5, 2) };
        let cases = [
            ring,
            Gaussians { weights: Some(weights), ..ring },
            Gaussians {
                weights: Some(weights),
                covariance: Covariance::Each(variances),
                ..Gaussians::of(Layout::Means(apart), 1.0, 4)
            },
            Gaussians::of(Layout::Means(&[0.0, 20.0, -20.0]), 2.0, 1),
            Gaussians { weights: Some(weights), ..Gaussians::of(Layout::Manifolds { offsets, noise_dims: 4 }, 1.0, 7) },
        ];
        let n = 60_000;
        for (case, described) in cases.into_iter().enumerate() {
            let mixture = Mixture::new(&described).unwrap();
            let dims = described.dims;
            let mut drawn = vec![f32::NAN; n * dims];
            drawn.chunks_mut(500 * dims).enumerate().for_each(|(index, batch)| mixture.batch(3, index as u64, batch));
            let (means, variances) = (described.means(), described.variances());
            let weights = described.weights.map_or(vec![1.0 / 3.0; 3], <[f64]>::to_vec);
            for points in [drawn, mixture.reference(n)] {
                let mut modes: Vec<Vec<Vec<f64>>> = vec![Vec::new(); 3];
                for point in points.chunks(dims) {
                    let offset = |k: usize| -> Vec<f64> {
                        point.iter().zip(&means[k * dims..]).map(|(&x, mean)| f64::from(x) - mean).collect()
                    };
                    let square = |k: &usize| offset(*k).iter().map(|x| x * x).sum::<f64>();
                    let nearest = (0..3).min_by(|a, b| square(a).total_cmp(&square(b))).unwrap();
                    modes[nearest].push(offset(nearest));
                }
                for (offsets, weight) in modes.iter().zip(&weights) {
                    let count = offsets.len() as f64;
                    let error = (count - n as f64 * weight).abs();
                    assert!(
                        error < 5.0 * (n as f64 * weight * (1.0 - weight)).sqrt(),
                        "case {case}: {count} of {weight}"
                    );
                    for i in 0..dims {
                        let mean = offsets.iter().map(|o| o[i]).sum::<f64>() / count;
                        // Allows for the noise and for float32 rounding of the position itself.
                        let close = 1e-5 + 5.0 * (variances[i] / count).sqrt();
                        assert!(mean.abs() < close, "case {case}: mean {mean} of coordinate {i}");
                        for j in 0..=i {
                            let found = offsets.iter().map(|o| o[i] * o[j]).sum::<f64>() / count;
                            let (expected, times) = if i == j { (variances[i], 2.0) } else { (0.0, 1.0) };
                            let close = 1e-5 + 5.0 * (times * variances[i] * variances[j] / count).sqrt();
                            assert!((found - expected).abs() < close, "case {case}: {found} at {i}, {j}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn manifold_coordinates_without_noise_are_exact_and_equal() {
        let mixture = Mixture::new(&Gaussians::MANIFOLDS).unwrap();
        let points = mixture.reference(300);
        let offsets = [-1.0, -0.5, 0.0, 0.5, -2.0, -2.5, 10.0, 0.25, -13.0, -5.5];
        let mut seen = [0; 10];
        for point in points.chunks(1200) {
            let mode = offsets.iter().position(|&offset| point[700] == offset).expect("a published offset");
            seen[mode] += 1;
            assert!(point[700..].iter().all(|&x| x == offsets[mode]));
            let mean = point[..700].iter().sum::<f32>() / 700.0;
            assert!((mean - offsets[mode]).abs() < 5.0 / 700.0f32.sqrt(), "{mean}");
        }
        assert!(seen.iter().all(|&n| n > 9), "{seen:?}");
        let mut batch = vec![f32::NAN; 1200 * 2100];
        mixture.batch(4, 1, &mut batch);
        let mut shorter = vec![f32::NAN; 1200 * 1030];
        mixture.batch(4, 1, &mut shorter);
        assert!(shorter == batch[..1200 * 1030], "a shorter batch is the beginning of a longer one");
    }

    #[test]
    fn a_mixture_of_nothing_is_refused() {
        let error = |layout, covariance| Mixture::new(&Gaussians::of(layout, covariance, 2)).unwrap_err().to_string();
        assert!(error(Layout::Ring { modes: 0, radius: 2.0 }, 0.02).contains("found 0 modes"));
        assert!(error(Layout::Grid { side: 2, spacing: 2.0 }, -1.0).contains("covariance -1"));
        assert!(error(Layout::Grid { side: 2, spacing: f64::NAN }, 1.0).contains("finite centres"));
    }
}
