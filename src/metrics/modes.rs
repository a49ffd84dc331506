//! `modes_covered` and `mode_kl`, and the definition of a hit.
//!
//! A sample of a mixture hits its nearest mode if it is within a certain number of σ of it (Mahalanobis distance,
//! strictly less). Otherwise it hits none. In the plane the number is 3, the usual convention since Srivastava et al.
//! 2017 (VEEGAN). In other dimensions it is chosen to hold the same share of a mode: see `mode_lookup`. An image hits
//! its most probable class, or none if one of its probabilities is NaN.

use super::formula::Measurement;
use super::mode_lookup::Nearest;
use super::posterior::Posterior;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Gaussians;

/// Returns how many of `points` `[n, dims]` hit each mode.
pub fn hit_gaussians(points: &[f32], mixture: &Gaussians) -> Vec<u64> {
    let mut hits = vec![0; mixture.modes()];
    Nearest::new(mixture).hits(points).flatten().for_each(|mode| hits[mode] += 1);
    hits
}

/// Returns how many images hit each class.
pub fn hit_classes(posterior: &Posterior) -> Vec<u64> {
    let mut hits = vec![0; posterior.classes()];
    posterior.rows().filter_map(most_probable).for_each(|class| hits[class] += 1);
    hits
}

/// Returns how many images of three stacked digits hit each of the 1,000 modes. `posterior` has one row per digit,
/// three per image.
pub fn hit_stacked(posterior: &Posterior) -> Vec<u64> {
    let classes = posterior.classes();
    let digits: Vec<Option<usize>> = posterior.rows().map(most_probable).collect();
    let mut hits = vec![0; classes.pow(3)];
    for image in digits.as_chunks::<3>().0 {
        if let [Some(a), Some(b), Some(c)] = *image {
            hits[(a * classes + b) * classes + c] += 1;
        }
    }
    hits
}

/// Returns the index of the largest value, the first if there are several. `None` if one is NaN.
fn most_probable(row: &[f64]) -> Option<usize> {
    let best = (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]))?;
    row.iter().all(|value| !value.is_nan()).then_some(best)
}

/// Returns the share of each of the 1,000 modes of three digits, drawn independently with these `shares`.
pub fn stacked_shares(shares: &[f64]) -> Vec<f64> {
    shares.iter().flat_map(|a| shares.iter().flat_map(move |b| shares.iter().map(move |c| a * b * c))).collect()
}

/// Returns `modes_covered`: the number of modes with at least this many hits. Many papers require one hit, some more
/// (20 of 2,500 samples, or a share of them), because one sample of 25,000 does not show that a generator has learned a
/// mode.
pub fn covered(hits: &[u64], at_least: u32) -> f64 {
    hits.iter().filter(|&&count| count >= u64::from(at_least)).count() as f64
}

/// Returns `modes_covered` with the setting from `score`. Its protocol contains the required number of hits if it is
/// more than one.
pub(super) fn score(hits: &[u64], score: &Score) -> Measurement {
    match score.at_least {
        None => Measurement::of(covered(hits, 1)),
        Some(least) => Measurement::of(covered(hits, least)).with("at_least", least),
    }
}

/// Returns `mode_kl`: KL(histogram of hit modes ‖ shares of the modes), in nats, with 0·log 0 = 0. Without `shares`,
/// all modes have equal shares. NaN if nothing is hit, because then there is no histogram.
pub fn kl(hits: &[u64], shares: Option<&[f64]>) -> f64 {
    let Some(shares) = shares else { return kl_to_uniform(hits) };
    let total = hits.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return f64::NAN;
    }
    let hit = hits.iter().zip(shares).filter(|(count, _)| **count > 0);
    let terms = hit.map(|(&count, expected)| {
        let share = count as f64 / total;
        share * (share / expected).ln()
    });
    terms.sum::<f64>().max(0.0)
}

/// Returns `mode_kl` for modes with equal shares.
pub fn kl_to_uniform(hits: &[u64]) -> f64 {
    let total = hits.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return f64::NAN;
    }
    let terms = hits.iter().filter(|&&count| count > 0).map(|&count| {
        let share = count as f64 / total;
        share * (share * hits.len() as f64).ln()
    });
    // Rounding must not push it below its minimum.
    terms.sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_hits_the_nearest_mode_within_three_sigma() {
        let ring = Gaussians::RING;
        let sigma = ring.sigma().unwrap();
        let at = |r: f64| [0.0, (2.0 + r * sigma) as f32];
        let points =
            [at(0.0), at(2.99), at(-2.99), at(3.01), [2.0, 0.0], [f32::NAN, 2.0], [f32::INFINITY, 0.0]].concat();
        let hits = hit_gaussians(&points, &ring);
        assert_eq!(hits, [3, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!([1, 2, 3, 4].map(|least| covered(&hits, least)), [2.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn an_image_hits_its_most_probable_class() {
        let rows = [0.1, 0.7, 0.2, 0.6, 0.2, 0.2, f64::NAN, 0.5, 0.5, 0.5, 0.5, 0.0];
        assert_eq!(hit_classes(&Posterior::from_probabilities(&rows, 3)), [2, 1, 0]);
    }

    #[test]
    fn a_stacked_image_hits_the_mode_of_its_three_digits() {
        let rows = [0.1, 0.9, 0.8, 0.2, 0.3, 0.7, 0.9, 0.1, f64::NAN, 0.5, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1, 0.6, 0.4];
        let hits = hit_stacked(&Posterior::from_probabilities(&rows, 2));
        assert_eq!(hits, [1, 0, 0, 0, 0, 1, 0, 0], "101, nothing, 000");
    }

    #[test]
    fn three_digits_are_drawn_independently() {
        let shares = stacked_shares(&[0.5, 0.25, 0.25]);
        assert_eq!((shares.len(), shares[0], shares[1], shares[26]), (27, 0.125, 0.0625, 0.015625));
        assert_eq!(shares.iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn the_kl_of_known_histograms() {
        assert_eq!(kl_to_uniform(&[7; 8]), 0.0);
        assert!((kl_to_uniform(&[0, 0, 5, 0]) - f64::ln(4.0)).abs() < 1e-15);
        assert!((kl_to_uniform(&[3, 3, 0, 0]) - f64::ln(2.0)).abs() < 1e-15);
        assert!(kl_to_uniform(&[0, 0]).is_nan());
    }

    #[test]
    fn the_kl_to_weights_matches_its_definition() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(kl(&[20, 30, 50], Some(&[0.2, 0.3, 0.5])), 0.0);
        // ½ ln(½ / 0.2) + ½ ln(½ / 0.5)
        close(kl(&[7, 0, 7], Some(&[0.2, 0.3, 0.5])), 0.5 * f64::ln(2.5));
        close(kl(&[0, 1, 0], Some(&[0.2, 0.3, 0.5])), -f64::ln(0.3));
        close(kl(&[1, 2, 3, 0], Some(&[0.25; 4])), kl(&[1, 2, 3, 0], None));
        assert!(kl(&[0, 0], Some(&[0.5, 0.5])).is_nan());
    }

    #[test]
    fn uniform_on_k_of_1000_modes() {
        // ln(1000/K), plus about (K − 1)/2N for the noise of N samples.
        use sweep_numerics::random::{Purpose, Stream};
        let (k, n) = (400, 25_600);
        let mut modes = vec![0; n];
        Stream::new(5, Purpose::Reference, 0).fill_below(k, &mut modes);
        let mut hits = vec![0; 1000];
        modes.iter().for_each(|&mode| hits[mode as usize] += 1);
        let expected = f64::ln(1000.0 / f64::from(k)) + f64::from(k - 1) / (2 * n) as f64;
        assert!((kl_to_uniform(&hits) - expected).abs() < 2e-3);
    }
}
