//! `high_quality`: the share of samples close enough to the nearest mode to hit it. The mixture itself scores 1 −
//! e^(−4.5) = 0.98889 in any number of dimensions.

/// Returns the share of `samples` that are among `hits` (from [`super::modes::hit_gaussians`]). NaN if there are no
/// samples.
pub fn high_quality(hits: &[u64], samples: usize) -> f64 {
    hits.iter().sum::<u64>() as f64 / samples as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::hit_gaussians;
    use sweep_numerics::random::{Purpose, Stream};
    use sweep_spec::dataset::{Covariance, Gaussians, Layout};

    #[test]
    fn the_mixture_itself_reaches_the_maximum() {
        let variances: &[f64] = &[4.0, 0.01, 1.0];
        let means: &[f64] = &[0.0, 0.0, 0.0, 50.0, 0.0, 7.0];
        let offsets: &[f64] = &[0.0, 30.0, -60.0];
        let each = Gaussians { covariance: Covariance::Each(variances), ..Gaussians::of(Layout::Means(means), 1.0, 3) };
        let manifolds = Gaussians::of(Layout::Manifolds { offsets, noise_dims: 40 }, 0.5, 60);
        let line = Gaussians::of(Layout::Means(&[0.0, 20.0, -20.0]), 2.0, 1);
        let wide = |dims| Gaussians { dims, ..Gaussians::RING };
        for mixture in [Gaussians::RING, Gaussians::GRID, wide(3), wide(16), each, manifolds, line] {
            let n = 1_000_000 / mixture.dims.max(10);
            let (means, variances) = (mixture.means(), mixture.variances());
            let mut points = vec![0.0; mixture.dims * n];
            Stream::new(1, Purpose::Reference, 0).fill_normal(&mut points);
            for (k, point) in points.chunks_mut(mixture.dims).enumerate() {
                let mean = &means[k % mixture.modes() * mixture.dims..];
                for ((value, mean), variance) in point.iter_mut().zip(mean).zip(&variances) {
                    *value = (f64::from(*value) * variance.sqrt() + mean) as f32;
                }
            }
            let share = high_quality(&hit_gaussians(&points, &mixture), n);
            let ceiling = 1.0 - f64::exp(-4.5);
            // Five standard errors.
            assert!(
                (share - ceiling).abs() < 5.0 * (ceiling * (1.0 - ceiling) / n as f64).sqrt(),
                "{mixture}: {share}"
            );
        }
        assert!(high_quality(&[0, 0], 0).is_nan());
    }
}
