//! `mode_forward_kl`, `mode_jsd` and `mode_tvd`: how far the shares of hit modes or classes are from the true shares.
//!
//! With n_k hits out of N on mode k, of K modes with true shares p_k, and q_k = n_k / N:
//!
//! - `mode_forward_kl` = Σ p_k ln(p_k / q'_k), q'_k = (n_k + 1) / (N + K). One lost mode would make Σ p_k ln(p_k / q_k)
//!   infinite, however good the rest is. Adding one to each count (Laplace's rule) reduces its cost to about p_k ln(N
//!   p_k).
//! - `mode_jsd` = ½ Σ p_k ln(p_k / m_k) + ½ Σ q_k ln(q_k / m_k), m_k = (p_k + q_k) / 2 (Lin 1991). It is between 0 and
//!   ln 2, whatever is lost.
//! - `mode_tvd` = ½ Σ |p_k − q_k|. It is between 0 and 1: the share of samples that would have to belong to other
//!   modes.
//!
//! 0·ln 0 = 0. Samples that hit nothing do not count in q. If no sample hits anything, there is no q, and all three are
//! NaN. The divergence in the other direction, called "reverse KL" in papers, is
//! [`mode_kl`](super::modes::kl_to_uniform), for equal shares.

use super::formula::Measurement;

/// Added to each count of hits in `mode_forward_kl`.
const ADDED: u64 = 1;

/// Returns `mode_forward_kl` for `hits` `[K]` and the true `shares` `[K]`, which sum to 1.
pub fn forward_kl(hits: &[u64], shares: &[f64]) -> f64 {
    if hits.iter().all(|&count| count == 0) {
        return f64::NAN;
    }
    let total = (hits.iter().sum::<u64>() + ADDED * hits.len() as u64) as f64;
    let smoothed = hits.iter().map(|&count| (count + ADDED) as f64 / total);
    // Rounding must not push it below its minimum.
    shares.iter().zip(smoothed).map(|(&p, q)| term(p, q)).sum::<f64>().max(0.0)
}

/// Returns `mode_forward_kl` with the fields of its protocol.
pub(super) fn forward(hits: &[u64], shares: &[f64]) -> Measurement {
    Measurement::of(forward_kl(hits, shares)).with("added", ADDED)
}

/// Returns `mode_jsd`.
pub fn jsd(hits: &[u64], shares: &[f64]) -> f64 {
    let Some(found) = histogram(hits) else { return f64::NAN };
    let half = |p: f64, q: f64| 0.5 * term(p, 0.5 * (p + q));
    let sum: f64 = shares.iter().zip(found).map(|(&p, q)| half(p, q) + half(q, p)).sum();
    sum.clamp(0.0, std::f64::consts::LN_2)
}

/// Returns `mode_tvd`.
pub fn tvd(hits: &[u64], shares: &[f64]) -> f64 {
    let Some(found) = histogram(hits) else { return f64::NAN };
    (0.5 * shares.iter().zip(found).map(|(p, q)| (p - q).abs()).sum::<f64>()).min(1.0)
}

/// Returns p ln(p / q).
fn term(p: f64, q: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * (p / q).ln() }
}

/// Returns the shares of all hits. `None` if there are no hits.
fn histogram(hits: &[u64]) -> Option<impl Iterator<Item = f64>> {
    let total = hits.iter().sum::<u64>() as f64;
    (total > 0.0).then(|| hits.iter().map(move |&count| count as f64 / total))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-15, "{found} for {expected}");
    }

    #[test]
    fn known_histograms() {
        let even = [0.25; 4];
        for (of, zero) in [(forward_kl as fn(&[u64], &[f64]) -> f64, 0.0), (jsd, 0.0), (tvd, 0.0)] {
            assert_eq!(of(&[7; 4], &even), zero);
            assert!(of(&[1, 2, 3, 2], &[0.125, 0.25, 0.375, 0.25]) < 0.03);
            assert!(of(&[0; 4], &even).is_nan());
        }
        // One mode of four is hit: q' = 5/8 and three times 1/8; m = 5/8 and three times 1/8; three quarters belong
        // elsewhere.
        near(forward_kl(&[4, 0, 0, 0], &even), 0.25 * (0.4f64).ln() + 0.75 * LN_2);
        near(jsd(&[4, 0, 0, 0], &even), 0.5 * (0.25 * (0.4f64).ln() + 0.75 * LN_2) + 0.5 * (1.6f64).ln());
        near(tvd(&[4, 0, 0, 0], &even), 0.75);
        // Shares without overlap.
        near(jsd(&[3, 0], &[0.0, 1.0]), LN_2);
        near(tvd(&[3, 0], &[0.0, 1.0]), 1.0);
        // A mode with share 0 costs nothing if no sample hits it.
        near(tvd(&[3, 1, 0], &[0.5, 0.5, 0.0]), 0.25);
    }

    #[test]
    fn uneven_shares_are_matched_best_by_uneven_counts() {
        let shares = [0.7, 0.2, 0.1];
        for of in [forward_kl, jsd, tvd] {
            assert!(of(&[700, 200, 100], &shares) < 1e-3 && of(&[333, 333, 334], &shares) > 0.05);
        }
        assert!(forward_kl(&[1_000_000, 200_000, 0], &shares).is_finite());
    }
}
