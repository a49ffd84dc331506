//! Class probabilities p(y|x) of n samples, and the averages that scores are computed from, in float64.

/// log p(y|x) `[n, classes]`.
#[derive(Clone, Debug)]
pub struct Posterior {
    classes: usize,
    logs: Vec<f64>,
}

impl Posterior {
    /// Computes the softmax of `logits` `[n, classes]`, row-major.
    pub fn from_logits(mut logits: Vec<f64>, classes: usize) -> Self {
        for row in logits.chunks_mut(classes) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = largest + row.iter().map(|logit| (logit - largest).exp()).sum::<f64>().ln();
            row.iter_mut().for_each(|logit| *logit -= log_sum);
        }
        Posterior { classes, logs: logits }
    }

    /// Takes probabilities `[n, classes]`, row-major, each row summing to 1.
    pub fn from_probabilities(probabilities: &[f64], classes: usize) -> Self {
        Posterior { classes, logs: probabilities.iter().map(|p| p.ln()).collect() }
    }

    /// Returns the number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        self.logs.len() / self.classes
    }

    /// Returns whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// Returns the logarithms, one row per sample.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.logs.chunks(self.classes)
    }

    /// Returns the samples `first..last`.
    pub fn slice(&self, first: usize, last: usize) -> Posterior {
        Posterior { classes: self.classes, logs: self.logs[first * self.classes..last * self.classes].to_vec() }
    }

    /// Returns p(y) = E_x p(y|x) `[classes]`. NaN if there are no samples.
    pub fn marginal(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.classes];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, log)| *sum += log.exp());
        }
        sums.into_iter().map(|sum| sum / self.len() as f64).collect()
    }

    /// Returns E_x KL(p(y|x) ‖ q), in nats. NaN if there are no samples.
    pub fn mean_kl(&self, q: &[f64]) -> f64 {
        let log_q: Vec<f64> = q.iter().map(|q| q.ln()).collect();
        let total: f64 = self.rows().map(|row| row.iter().zip(&log_q).map(|(p, q)| term(*p, *q)).sum::<f64>()).sum();
        total / self.len() as f64
    }
}

/// Returns KL(p ‖ q), in nats. 0·log 0 = 0; infinite if q is 0 where p is not.
pub fn kl(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| term(p.ln(), q.ln())).sum()
}

/// Returns p log(p/q), from the logarithms.
fn term(log_p: f64, log_q: f64) -> f64 {
    let p = log_p.exp();
    if p == 0.0 { 0.0 } else { p * (log_p - log_q) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_stable_and_keeps_nan_to_its_row() {
        let posterior = Posterior::from_logits(vec![0.0, f64::ln(3.0), 1e5, -1e5, f64::NAN, 0.0], 2);
        let rows: Vec<Vec<f64>> = posterior.rows().map(|row| row.iter().map(|log| log.exp()).collect()).collect();
        assert!((rows[0][0] - 0.25).abs() < 1e-15 && (rows[0][1] - 0.75).abs() < 1e-15);
        assert_eq!(rows[1], [1.0, 0.0]);
        assert!(rows[2].iter().all(|p| p.is_nan()));
    }

    #[test]
    fn divergences_of_known_distributions() {
        assert_eq!(kl(&[0.5, 0.5, 0.0], &[0.25, 0.25, 0.5]), f64::ln(2.0));
        assert_eq!(kl(&[0.5, 0.5], &[1.0, 0.0]), f64::INFINITY);
        let posterior = Posterior::from_probabilities(&[1.0, 0.0, 0.5, 0.5], 2);
        assert_eq!(posterior.marginal(), [0.75, 0.25]);
        let expected = 0.5 * f64::ln(4.0 / 3.0) + 0.25 * (f64::ln(2.0 / 3.0) + f64::ln(2.0));
        assert!((posterior.mean_kl(&[0.75, 0.25]) - expected).abs() < 1e-15);
    }
}
