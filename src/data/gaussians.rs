//! Mixtures of 2-D Gaussians with equal weights, drawn afresh for each batch.

use super::{DataError, Real};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::dataset::Gaussians;

/// Modes are drawn in pieces of this many, from a lane each, since a stream cannot be entered in the middle.
const PIECE: usize = 1024;

/// A mixture of Gaussians that can be drawn from.
#[derive(Clone, Debug)]
pub struct Mixture {
    centres: Vec<[f32; 2]>,
    deviation: f32,
}

impl Mixture {
    /// The mixture of `layout`.
    ///
    /// # Errors
    /// Where it has no mode, or numbers that are no numbers.
    pub fn new(layout: &Gaussians) -> Result<Self, DataError> {
        let covariance = layout.covariance();
        let centres: Vec<[f32; 2]> = layout.centres().iter().map(|c| c.map(|x| x as f32)).collect();
        let finite =
            centres.as_flattened().iter().all(|x| x.is_finite()) && covariance.is_finite() && covariance >= 0.0;
        if centres.is_empty() || !finite {
            return Err(DataError::Mixture { modes: centres.len(), covariance });
        }
        Ok(Mixture { centres, deviation: covariance.sqrt() as f32 })
    }

    fn draw(&self, seed: u64, purpose: Purpose, index: u64, out: &mut [f32]) {
        Stream::new(seed, purpose, index).fill_normal(out);
        let mut modes = [0; PIECE];
        for (piece, points) in out.chunks_mut(2 * PIECE).enumerate() {
            let points = points.as_chunks_mut::<2>().0;
            // Lane 0 is the normals'. Lanes would wrap at 67 million points, which no batch has.
            let modes = &mut modes[..points.len()];
            Stream::lane(seed, purpose, (piece + 1) as u16, index).fill_below(self.centres.len() as u32, modes);
            for (point, &mut mode) in points.iter_mut().zip(modes) {
                let [x, y] = self.centres[mode as usize];
                *point = [x + self.deviation * point[0], y + self.deviation * point[1]];
            }
        }
    }
}

impl Real for Mixture {
    fn features(&self) -> usize {
        2
    }

    fn batch(&self, seed: u64, index: u64, out: &mut [f32]) {
        debug_assert!(out.len().is_multiple_of(2), "a batch of {} values is no batch of points", out.len());
        self.draw(seed, Purpose::Data, index, out);
    }

    fn reference(&self, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; 2 * n];
        self.draw(0, Purpose::Reference, 0, &mut out);
        out
    }

    fn others(&self, n: usize, _after: usize) -> Option<Vec<f32>> {
        let mut out = vec![0.0; 2 * n];
        self.draw(0, Purpose::Reference, 1, &mut out);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of points and mean, variance and correlation of the coordinates about each centre.
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
                    let sigma2 = layout.covariance();
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

    #[test]
    fn a_mixture_of_nothing_is_refused() {
        let error = |layout| Mixture::new(&layout).unwrap_err().to_string();
        assert!(error(Gaussians::Ring { modes: 0, radius: 2.0, covariance: 0.02 }).contains("found 0 modes"));
        assert!(error(Gaussians::Grid { side: 2, spacing: 2.0, covariance: -1.0 }).contains("covariance -1"));
        assert!(error(Gaussians::Grid { side: 2, spacing: f64::NAN, covariance: 1.0 }).contains("finite centres"));
    }
}
