//! `high_quality`: the share of 2-D samples within 3σ of the nearest mode. The mixture itself has 1 − e^(−4.5) = 0.98889.

/// The share of `samples` that are among `hits` (of [`super::modes::hit_gaussians`]); NaN of no samples.
pub fn high_quality(hits: &[u64], samples: usize) -> f64 {
    hits.iter().sum::<u64>() as f64 / samples as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modes::hit_gaussians;
    use sweep_numerics::random::{Purpose, Stream};
    use sweep_spec::dataset::Gaussians;

    #[test]
    fn the_mixture_itself_reaches_the_ceiling() {
        let n = 100_000;
        for mixture in [Gaussians::RING, Gaussians::GRID] {
            let centres = mixture.centres();
            let mut points = vec![0.0; 2 * n];
            Stream::new(1, Purpose::Reference, 0).fill_normal(&mut points);
            for (k, point) in points.chunks_mut(2).enumerate() {
                for (value, centre) in point.iter_mut().zip(centres[k % centres.len()]) {
                    *value = (f64::from(*value) * mixture.covariance().sqrt() + centre) as f32;
                }
            }
            let share = high_quality(&hit_gaussians(&points, &mixture), n);
            let ceiling = 1.0 - f64::exp(-4.5);
            // Five standard errors.
            assert!((share - ceiling).abs() < 5.0 * (ceiling * (1.0 - ceiling) / n as f64).sqrt(), "{share}");
        }
        assert!(high_quality(&[0, 0], 0).is_nan());
    }
}
