//! The three readings of the MODE score (Che et al. 2017, "Mode regularized generative adversarial networks", section
//! 4.1).
//!
//! As printed, it is the Inception score of the whole set: E KL(p(y|x)‖p̃) = E KL(p(y|x)‖p(y)) + KL(p(y)‖p̃), and the
//! second term cancels for any p̃. Only the other readings penalise a skewed label distribution. p̃ is the label
//! frequencies of the training set.

use super::formula::Measurement;
use super::posterior::{Posterior, kl};

/// The smallest p(y) used in [`mode_score_reversed`].
pub const FLOOR: f64 = 1e-12;

/// Returns a class that no training label has, but some sample does. Then KL(p(y) ‖ p̃) is infinite, so `mode_score` is
/// 0, `mode_score_reversed` is infinite, and `mode_score_printed` is the difference of two infinities.
pub fn unknown_class(posterior: &Posterior, labels: &[f64]) -> Option<usize> {
    posterior.marginal().iter().zip(labels).position(|(&p, &share)| share == 0.0 && p > 0.0)
}

/// Returns `mode_score`: exp(E_x KL(p(y|x) ‖ p(y)) − KL(p(y) ‖ p̃)) (Xu et al. 2018, "An empirical study on evaluation
/// metrics of GANs").
pub fn mode_score(posterior: &Posterior, labels: &[f64]) -> f64 {
    let marginal = posterior.marginal();
    (posterior.mean_kl(&marginal) - kl(&marginal, labels)).exp()
}

/// Returns `mode_score_printed`: exp(E_x KL(p(y|x) ‖ p̃) − KL(p(y) ‖ p̃)).
pub fn mode_score_printed(posterior: &Posterior, labels: &[f64]) -> f64 {
    (posterior.mean_kl(labels) - kl(&posterior.marginal(), labels)).exp()
}

/// Returns [`mode_score_reversed`], with the floor in its protocol.
pub(super) fn reversed(posterior: &Posterior, labels: &[f64]) -> Measurement {
    Measurement::of(mode_score_reversed(posterior, labels)).with("floor", FLOOR)
}

/// Returns `mode_score_reversed`: exp(E_x KL(p(y|x) ‖ p̃) − KL(p̃ ‖ p(y))), with p(y) at least [`FLOOR`].
pub fn mode_score_reversed(posterior: &Posterior, labels: &[f64]) -> f64 {
    // `max` would turn NaN into the floor.
    let floored: Vec<f64> = posterior.marginal().iter().map(|&p| if p < FLOOR { FLOOR } else { p }).collect();
    (posterior.mean_kl(labels) - kl(labels, &floored)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of MNIST training images of each digit.
    const MNIST: [usize; 10] = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];

    fn certain(counts: &[usize]) -> Posterior {
        let mut rows = Vec::new();
        for (label, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                rows.extend((0..counts.len()).map(|class| f64::from(u8::from(class == label))));
            }
        }
        Posterior::from_probabilities(&rows, counts.len())
    }

    fn shares(counts: &[usize]) -> Vec<f64> {
        let total = counts.iter().sum::<usize>() as f64;
        counts.iter().map(|&count| count as f64 / total).collect()
    }

    #[test]
    fn the_maximum_on_mnist() {
        for score in [mode_score, mode_score_printed, mode_score_reversed] {
            let value = score(&certain(&MNIST), &shares(&MNIST));
            assert!((value - 9.98575).abs() < 5e-6, "{value}");
        }
    }

    #[test]
    fn the_readings_differ_on_a_skewed_generator() {
        // Certain of one class of two: E KL(p(y|x)‖p(y)) = 0, KL(p(y)‖p̃) = E KL(p(y|x)‖p̃) = ln 2, and KL(p̃‖p(y)) = ½
        // ln ½ + ½ ln(½/1e-12).
        let (collapsed, labels) = (certain(&[9, 0]), [0.5, 0.5]);
        assert!((mode_score(&collapsed, &labels) - 0.5).abs() < 1e-15);
        assert!((mode_score_printed(&collapsed, &labels) - 1.0).abs() < 1e-15);
        let expected = f64::exp(f64::ln(2.0) - 0.5 * f64::ln(0.5) - 0.5 * f64::ln(0.5 / FLOOR));
        assert!((mode_score_reversed(&collapsed, &labels) - expected).abs() < 1e-12 * expected);
    }

    #[test]
    fn a_class_without_labels_matters_if_samples_have_it() {
        let labels = [0.5, 0.0, 0.5];
        assert_eq!(unknown_class(&certain(&[3, 0, 4]), &labels), None);
        assert!((mode_score(&certain(&[3, 0, 3]), &labels) - 2.0).abs() < 1e-12);
        let strange = certain(&[3, 1, 4]);
        assert_eq!(unknown_class(&strange, &labels), Some(1));
        assert_eq!((mode_score(&strange, &labels), mode_score_reversed(&strange, &labels)), (0.0, f64::INFINITY));
        assert!(mode_score_printed(&strange, &labels).is_nan());
    }

    #[test]
    fn nan_gives_nan() {
        let broken = Posterior::from_probabilities(&[f64::NAN, 0.5, 0.5, 0.5], 2);
        for score in [mode_score, mode_score_printed, mode_score_reversed] {
            assert!(score(&broken, &[0.5, 0.5]).is_nan());
            assert!(score(&Posterior::from_probabilities(&[], 2), &[0.5, 0.5]).is_nan());
        }
    }
}
