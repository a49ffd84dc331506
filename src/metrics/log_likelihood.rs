//! `log_likelihood`: the mean log density of generated samples under the mixture that real samples are drawn from, in
//! nats per sample.
//!
//! (1/n) Σ ln Σ_k w_k Π_i (2πσ_i²)^(−½) exp(−(x_i − μ_ki)² / 2σ_i²). The inner sum is computed relative to its largest
//! term, so it is finite for all finite samples. The score says how good samples are, but nothing about what is
//! missing. A generator that always produces one centre scores higher than the mixture itself. If modes are far apart,
//! samples of the mixture score minus its entropy, Σ w_k ln w_k − ½ Σ ln(2πeσ_i²). If a coordinate has no noise, there
//! is no density.

use std::f64::consts::TAU;

use sweep_spec::dataset::Gaussians;

/// Points, together with the mixture that real samples are drawn from.
pub(crate) struct Density<'a> {
    /// `[n, dims]`
    pub points: &'a [f32],
    /// The mixture of the real samples, with noise in all coordinates.
    pub mixture: Gaussians,
}

impl Density<'_> {
    /// Returns the number of points.
    pub(crate) fn len(&self) -> usize {
        self.points.len() / self.mixture.dims
    }
}

/// Returns the mean log density. NaN if a coordinate is NaN or there are no points; −∞ if a coordinate is infinite.
pub(crate) fn log_likelihood(of: &Density) -> f64 {
    let mut densities = log_densities(of.points, &of.mixture);
    // Sorted, so the order of points does not change the sum.
    densities.sort_by(f64::total_cmp);
    densities.iter().sum::<f64>() / densities.len() as f64
}

/// Returns ln p(x) of each of `points` `[n, dims]` under a mixture with noise in all coordinates.
pub fn log_densities(points: &[f32], mixture: &Gaussians) -> Vec<f64> {
    let (dims, means, variances) = (mixture.dims, mixture.means(), mixture.variances());
    // Coordinates that are the same for all modes do not distinguish modes. For a ring in 1,200 dimensions, these are
    // all but two.
    let in_common = |&at: &usize| means.iter().skip(at).step_by(dims).all(|&mean| mean == means[at]);
    let (common, apart): (Vec<usize>, Vec<usize>) = (0..dims).partition(in_common);
    let of = |from: &[f64], which: &[usize]| which.iter().map(|&at| from[at]).collect::<Vec<f64>>();
    let precisions: Vec<f64> = variances.iter().map(|variance| 1.0 / variance).collect();
    let [common_precisions, precisions] = [&common, &apart].map(|which| of(&precisions, which));
    let common_mean = of(&means[..dims], &common);
    let means: Vec<Vec<f64>> = means.chunks_exact(dims).map(|mean| of(mean, &apart)).collect();
    let weights: Vec<f64> = match mixture.weights {
        Some(weights) => weights.iter().map(|weight| weight.ln()).collect(),
        None => vec![-(means.len() as f64).ln(); means.len()],
    };
    let top = -0.5 * variances.iter().map(|variance| (TAU * variance).ln()).sum::<f64>();
    let mut terms = vec![0.0; means.len()];
    let density = |point: &[f32]| {
        let point: Vec<f64> = point.iter().map(|&x| x.into()).collect();
        let (shared, here) = (of(&point, &common), of(&point, &apart));
        for ((term, mean), weight) in terms.iter_mut().zip(&means).zip(&weights) {
            *term = weight - 0.5 * squared(&here, mean, &precisions);
        }
        top - 0.5 * squared(&shared, &common_mean, &common_precisions) + log_sum_exp(&terms)
    };
    points.chunks_exact(dims).map(density).collect()
}

/// Returns Σ (x_i − m_i)² / σ_i².
fn squared(point: &[f64], mean: &[f64], precisions: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (points, means, scales) =
        (point.as_chunks::<LANES>(), mean.as_chunks::<LANES>(), precisions.as_chunks::<LANES>());
    for ((x, m), scale) in points.0.iter().zip(means.0).zip(scales.0) {
        for lane in 0..LANES {
            sums[lane] += (x[lane] - m[lane]) * (x[lane] - m[lane]) * scale[lane];
        }
    }
    let rest = points.1.iter().zip(means.1).zip(scales.1).map(|((x, m), scale)| (x - m) * (x - m) * scale);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Returns ln Σ exp(x), relative to the largest term.
fn log_sum_exp(terms: &[f64]) -> f64 {
    // `max` would ignore NaN.
    let largest = terms.iter().fold(f64::NEG_INFINITY, |most, &x| if x > most || x.is_nan() { x } else { most });
    if !largest.is_finite() {
        return largest;
    }
    largest + terms.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sweep_numerics::random::{Purpose, Stream};
    use sweep_spec::dataset::{Covariance, Layout};

    fn of(points: &[f32], mixture: Gaussians) -> f64 {
        log_likelihood(&Density { points, mixture })
    }

    #[test]
    fn one_gaussian_has_its_closed_form() {
        let one = Gaussians::of(Layout::Grid { side: 1, spacing: 1.0 }, 0.25, 2);
        // −‖x‖²/2σ² − ln 2πσ², at 0 and at (3, 4).
        let top = -(TAU * 0.25).ln();
        assert!((of(&[0.0, 0.0], one) - top).abs() < 1e-15);
        assert!((of(&[3.0, 4.0], one) - (top - 50.0)).abs() < 1e-13);
        assert!((of(&[3.0, 4.0, 0.0, 0.0], one) - (top - 25.0)).abs() < 1e-13);
        // Far away, where the density itself is 0.
        let far = of(&[1e19, 0.0], one);
        assert!((far / -(f64::from(1e19f32).powi(2) * 2.0) - 1.0).abs() < 1e-15, "{far}");
    }

    #[test]
    fn the_mixture_itself_scores_minus_its_entropy() {
        let (ring, n) = (Gaussians::RING, 200_000);
        let mut points = vec![0.0; 2 * n];
        Stream::new(1, Purpose::Reference, 0).fill_normal(&mut points);
        let centres = ring.centres();
        for (k, point) in points.chunks_mut(2).enumerate() {
            for (value, centre) in point.iter_mut().zip(centres[k % centres.len()]) {
                *value = (f64::from(*value) * ring.variances()[0].sqrt() + centre) as f32;
            }
        }
        // Modes are 10 σ apart, so overlap is negligible: −ln 8 − ln 2πeσ². ½χ² with two degrees of freedom has
        // variance 1.
        let expected = -(8f64.ln()) - (TAU * 1f64.exp() * ring.variances()[0]).ln();
        let found = of(&points, ring);
        assert!((found - expected).abs() < 5.0 / (n as f64).sqrt(), "{found} for {expected}");
        points.reverse();
        let turned: Vec<f32> = points.chunks(2).flat_map(|p| [p[1], p[0]]).collect();
        assert_eq!(of(&turned, ring), found, "whatever the order");
    }

    /// Computes it from its definition, term by term: a product of normal densities for each mode.
    fn defined(point: &[f32], mixture: &Gaussians) -> f64 {
        let (means, variances) = (mixture.means(), mixture.variances());
        let modes = means.chunks(mixture.dims).enumerate();
        let density = modes.map(|(k, mean)| {
            let weight = mixture.weights.map_or(1.0 / mixture.modes() as f64, |weights| weights[k]);
            let of =
                |((&x, m), v): ((&f32, &f64), &f64)| (-(f64::from(x) - m).powi(2) / (2.0 * v)).exp() / (TAU * v).sqrt();
            weight * point.iter().zip(mean).zip(&variances).map(of).product::<f64>()
        });
        density.sum::<f64>().ln()
    }

    proptest! {
        #[test]
        fn the_density_matches_its_definition_in_any_dimension(
            (dims, modes) in (1..20usize, 1..6usize),
            places in prop::collection::vec(prop_oneof![Just(0.5), -2.0..2.0f64], 120),
            shares in prop::collection::vec(1u32..20, 6),
            variances in prop::collection::vec(0.2..3.0f64, 20),
            noise in prop::collection::vec(-2.0..2.0f32, 100),
            which in 0..4u8,
        ) {
            let leak = |values: Vec<f64>| -> &'static [f64] { Box::leak(values.into()) };
            let total = f64::from(shares[..modes].iter().sum::<u32>());
            let mut mixture = Gaussians::of(Layout::Means(leak(places[..dims * modes].to_vec())), variances[0], dims);
            if which & 1 == 1 {
                mixture.weights = Some(leak(shares[..modes].iter().map(|&share| f64::from(share) / total).collect()));
            }
            if which & 2 == 2 {
                mixture.covariance = Covariance::Each(leak(variances[..dims].to_vec()));
            }
            for (point, found) in noise.chunks_exact(dims).zip(log_densities(&noise, &mixture)) {
                let expected = defined(point, &mixture);
                prop_assert!((found - expected).abs() < 1e-11 * (1.0 + expected.abs()), "{mixture}: {found} for \
                    {expected}");
            }
        }
    }

    #[test]
    fn in_a_thousand_dimensions_it_is_minus_the_entropy() {
        let (dims, n) = (1200, 400);
        let mixture = Gaussians { dims, ..Gaussians::of(Layout::Ring { modes: 3, radius: 50.0 }, 0.25, 2) };
        let weights: &[f64] = &[0.5, 0.25, 0.25];
        let mixture = Gaussians { weights: Some(weights), ..mixture };
        let mut points = vec![0.0; dims * n];
        Stream::new(1, Purpose::Reference, 0).fill_normal(&mut points);
        let means = mixture.means();
        for (k, point) in points.chunks_mut(dims).enumerate() {
            let mode = [0, 1, 0, 2][k % 4];
            for (value, mean) in point.iter_mut().zip(&means[mode * dims..]) {
                *value = (0.5 * f64::from(*value) + mean) as f32;
            }
        }
        let entropy = 1.5 * 2f64.ln() + 0.5 * dims as f64 * (TAU * 1f64.exp() * 0.25).ln();
        let found = of(&points, mixture);
        // ½χ² with 1,200 degrees of freedom has variance 600.
        assert!((found + entropy).abs() < 5.0 * (600.0 / n as f64).sqrt(), "{found} for {}", -entropy);
    }

    #[test]
    fn values_that_are_not_finite() {
        assert!(of(&[f32::NAN, 0.0, 0.0, 2.0], Gaussians::RING).is_nan() && of(&[], Gaussians::RING).is_nan());
        assert_eq!(of(&[f32::INFINITY, 0.0, 0.0, 2.0], Gaussians::RING), f64::NEG_INFINITY);
        assert!(of(&[f32::MAX, -f32::MAX], Gaussians::RING).is_finite());
    }
}
