//! `inception_score`: exp(E_x KL(p(y|x) ‖ p(y))) (Salimans et al. 2016, "Improved techniques for training GANs", section 4).

use super::posterior::Posterior;

/// Mean and population standard deviation over `splits` consecutive parts (at most one a sample, at least one). The parts are those of
/// the usual tools: from ⌊i n/splits⌋ to ⌊(i + 1) n/splits⌋. NaN where a probability is NaN or there are no samples.
pub fn inception_score(posterior: &Posterior, splits: u32) -> (f64, f64) {
    let n = posterior.len();
    let splits = (splits as usize).clamp(1, n.max(1));
    let scores: Vec<f64> = (0..splits)
        .map(|i| {
            let part = posterior.slice(i * n / splits, (i + 1) * n / splits);
            part.mean_kl(&part.marginal()).exp()
        })
        .collect();
    let mean = scores.iter().sum::<f64>() / splits as f64;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / splits as f64;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(labels: impl Iterator<Item = usize>, classes: usize) -> Posterior {
        let rows: Vec<f64> =
            labels.flat_map(|label| (0..classes).map(move |class| f64::from(u8::from(class == label)))).collect();
        Posterior::from_probabilities(&rows, classes)
    }

    #[test]
    fn a_constant_predictor_has_1_and_uniform_certainty_the_number_of_classes() {
        let constant = Posterior::from_probabilities(&[0.2, 0.3, 0.5].repeat(60), 3);
        let (mean, std) = inception_score(&constant, 10);
        assert!((mean - 1.0).abs() < 1e-14 && std < 1e-14);
        let (mean, std) = inception_score(&one_hot((0..1000).map(|i| i % 10), 10), 10);
        assert!((mean - 10.0).abs() < 1e-12 && std < 1e-12);
    }

    #[test]
    fn splits_are_consecutive_and_the_deviation_is_the_population_s() {
        // The first half knows one class (score 1), the second two (score 2).
        let posterior = one_hot((0..40).map(|i| if i < 20 { 0 } else { i % 2 }), 2);
        let (mean, std) = inception_score(&posterior, 2);
        assert!((mean - 1.5).abs() < 1e-14 && (std - 0.5).abs() < 1e-14);
        // More splits than samples are as many as samples, each of score 1.
        assert_eq!(inception_score(&one_hot(0..3, 3), 10), (1.0, 0.0));
    }

    #[test]
    fn nan_and_nothing_give_nan() {
        let mut rows = [0.5, 0.5].repeat(20);
        rows[7] = f64::NAN;
        assert!(inception_score(&Posterior::from_probabilities(&rows, 2), 10).0.is_nan());
        assert!(inception_score(&Posterior::from_probabilities(&[], 2), 10).0.is_nan());
    }
}
