//! What must hold for any samples.

use proptest::collection::vec;
use proptest::prelude::*;
use sweep::metrics::assignment::{Matrix, Plane, assign};
use sweep::metrics::inception_score::inception_score;
use sweep::metrics::manifold::{Manifold, overlap};
use sweep::metrics::mode_score::{mode_score, mode_score_printed};
use sweep::metrics::modes::{covered, kl_to_uniform};
use sweep::metrics::posterior::Posterior;
use sweep::metrics::rows::Rows;
use sweep::metrics::sinkhorn::sinkhorn;
use sweep::metrics::sliced::sliced_wasserstein;
use sweep::metrics::symmetric_kl::{Histogram, symmetric_kl};
use tch::Tensor;

/// Points `[n, 2]`: spread out, on a coarse grid (many ties), or almost in one place.
fn points(n: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        vec(-4.0f32..4.0, 2 * n),
        vec((-3i8..4).prop_map(f32::from), 2 * n),
        (-4.0f32..4.0, vec(-1e-5f32..1e-5, 2 * n)).prop_map(|(at, by)| by.iter().map(|b| at + b).collect()),
    ]
}

fn rows(points: &[f32]) -> Rows {
    Rows::new(points.iter().copied().map(f64::from).collect(), 2)
}

fn wasserstein(generated: &[f32], real: &[f32]) -> f64 {
    sweep::metrics::wasserstein::wasserstein(&rows(generated), &rows(real))
}

fn pair(sizes: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    sizes.prop_flat_map(|n| (points(n), points(n)))
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    (f64::from(a[0]) - f64::from(b[0])).hypot(f64::from(a[1]) - f64::from(b[1]))
}

/// The least mean distance over all pairings, by trying them all.
fn brute_force(generated: &[f32], real: &[f32]) -> f64 {
    fn least(rest: &[&[f32]], real: &[&[f32]], used: &mut [bool]) -> f64 {
        let Some((first, rest)) = rest.split_first() else { return 0.0 };
        let mut best = f64::INFINITY;
        for j in 0..real.len() {
            if !used[j] {
                used[j] = true;
                best = best.min(distance(first, real[j]) + least(rest, real, used));
                used[j] = false;
            }
        }
        best
    }
    let split = |points| <[f32]>::chunks(points, 2).collect::<Vec<_>>();
    let (a, b) = (split(generated), split(real));
    least(&a, &b, &mut vec![false; b.len()]) / a.len() as f64
}

fn logits() -> impl Strategy<Value = Vec<f64>> {
    (1usize..40).prop_flat_map(|n| vec(-30.0..30.0f64, 5 * n))
}

fn posterior(logits: &[f64]) -> Posterior {
    Posterior::from_logits(logits.to_vec(), 5)
}

fn reversed<T: Copy>(values: &[T], width: usize) -> Vec<T> {
    values.chunks(width).rev().flatten().copied().collect()
}

proptest! {
    #[test]
    fn wasserstein_is_the_best_of_all_pairings((a, b) in pair(1..7)) {
        let expected = brute_force(&a, &b);
        prop_assert!((wasserstein(&a, &b) - expected).abs() <= 1e-9 * expected.max(1e-3));
    }

    #[test]
    fn prices_prove_that_a_pairing_is_the_best((a, b) in pair(1..120)) {
        let n = a.len() / 2;
        let pairing = assign(&Plane::new(&rows(&a), &rows(&b)));
        let matrix = assign(&Matrix::new(&rows(&a), &rows(&b)));
        prop_assert!((pairing.total - matrix.total).abs() <= 1e-9);
        let mut used = pairing.columns.clone();
        used.sort_unstable();
        prop_assert!(used.iter().copied().eq(0..n as u32), "every column once");
        // Any prices give a lower bound: sum over rows of the cheapest distance plus price, minus all prices.
        let cheapest = a.chunks(2).map(|row| {
            b.chunks(2).zip(&pairing.prices).map(|(column, price)| distance(row, column) + price).fold(f64::INFINITY, f64::min)
        });
        let bound = cheapest.sum::<f64>() - pairing.prices.iter().sum::<f64>();
        let slack = pairing.total - bound;
        prop_assert!((-1e-9..=1e-9).contains(&slack), "{} above the bound", slack);
    }

    #[test]
    fn wasserstein_knows_translations(a in (1usize..60).prop_flat_map(points), x in -8i8..8, y in -8i8..8) {
        // On a grid of 1/16 the shifted points are exact in float32.
        let a: Vec<f32> = a.iter().map(|v| (v * 16.0).round() / 16.0).collect();
        let (x, y) = (f32::from(x) / 4.0, f32::from(y) / 4.0);
        let b: Vec<f32> = reversed(&a, 2).chunks(2).flat_map(|p| [p[0] + x, p[1] + y]).collect();
        let length = f64::from(x).hypot(f64::from(y));
        prop_assert!((wasserstein(&a, &b) - length).abs() <= 1e-10);
    }

    #[test]
    fn wasserstein_is_symmetric_and_blind_to_order_and_duplication((a, b) in pair(1..40)) {
        let value = wasserstein(&a, &b);
        let near = |other: f64| (value - other).abs() <= 1e-9 * value.max(1e-3);
        prop_assert!(near(wasserstein(&b, &a)));
        prop_assert!(near(wasserstein(&reversed(&a, 2), &b)));
        prop_assert!(near(wasserstein(&a.repeat(3), &b.repeat(3))));
    }

    #[test]
    fn slices_are_at_most_the_whole_and_entropy_costs((a, b) in pair(1..40)) {
        let exact = wasserstein(&a, &b);
        let (a, b) = (rows(&a), rows(&b));
        let sliced = sliced_wasserstein(&a, &b, 20, 1);
        prop_assert!((0.0..=exact + 1e-12).contains(&sliced), "{} of {}", sliced, exact);
        prop_assert!(sinkhorn(&a, &b, 0.05).cost >= exact - 1e-12);
        let cost = sinkhorn(&a, &b, 2.0).cost;
        prop_assert!(cost >= exact - 1e-12 && (cost - sinkhorn(&b, &a, 2.0).cost).abs() <= 1e-7 * cost.max(1.0), "{} {}", cost, exact);
    }

    #[test]
    fn manifolds_overlap_by_shares((a, b) in pair(4..40), k in 1u32..4, x in -8i8..8) {
        let of = |a: &[f32], b: &[f32]| {
            let manifold = |points: &[f32]| {
                let tensor = Tensor::from_slice(points).reshape([-1, 2]);
                Manifold::new(&tensor, k).unwrap().unwrap()
            };
            overlap(&manifold(a), &manifold(b), k).unwrap()
        };
        // On a grid of 1/16 distances are exact, and so are the answers.
        let grid = |points: &[f32]| points.iter().map(|v| (v * 16.0).round() / 16.0).collect::<Vec<f32>>();
        let (a, b) = (grid(&a), grid(&b));
        let found = of(&a, &b);
        for share in [found.precision, found.recall, found.coverage] {
            prop_assert!((0.0..=1.0).contains(&share));
        }
        prop_assert!(found.density >= 0.0 && found.precision <= found.density * f64::from(k) + 1e-12);
        prop_assert!(found.coverage > 0.0 || found.precision == 0.0, "a sample in a neighbourhood covers it");
        let swapped = of(&b, &a);
        prop_assert_eq!((found.precision, found.recall), (swapped.recall, swapped.precision));
        let moved = |points: &[f32]| points.iter().map(|v| v + f32::from(x)).collect::<Vec<f32>>();
        prop_assert_eq!(of(&moved(&a), &moved(&b)), found);
    }

    #[test]
    fn symmetric_kl_is_a_divergence_of_shares((a, b) in pair(1..60)) {
        let histogram = |points: &[f32]| Histogram::new(points, 8, 3.0).unwrap();
        let value = symmetric_kl(&histogram(&a), &histogram(&b));
        prop_assert!((0.0..=30.0).contains(&value));
        prop_assert!((symmetric_kl(&histogram(&b), &histogram(&a)) - value).abs() <= 1e-12);
        prop_assert!((symmetric_kl(&histogram(&reversed(&a, 2)), &histogram(&b.repeat(4))) - value).abs() <= 1e-12);
    }

    #[test]
    fn scores_of_probabilities_stay_in_their_bounds(logits in logits(), shares in vec(0.05..1.0f64, 5)) {
        let total: f64 = shares.iter().sum();
        let labels: Vec<f64> = shares.iter().map(|share| share / total).collect();
        let (inception, _) = inception_score(&posterior(&logits), 1);
        prop_assert!((1.0 - 1e-12..=5.0 + 1e-12).contains(&inception));
        let mode = mode_score(&posterior(&logits), &labels);
        prop_assert!(mode > 0.0 && mode <= inception * (1.0 + 1e-12));
        let printed = mode_score_printed(&posterior(&logits), &labels);
        prop_assert!((printed - inception).abs() <= 1e-10 * inception, "as printed it is the Inception score");
    }

    #[test]
    fn scores_of_probabilities_are_blind_to_order_and_duplication(logits in logits()) {
        let score = |logits: &[f64]| mode_score(&posterior(logits), &[0.2; 5]);
        let value = score(&logits);
        prop_assert!((score(&reversed(&logits, 5)) - value).abs() <= 1e-12 * value);
        prop_assert!((score(&logits.repeat(3)) - value).abs() <= 1e-12 * value);
    }

    #[test]
    fn mode_kl_is_between_0_and_the_logarithm_of_the_modes(hits in vec(0u64..50, 1..30)) {
        let value = kl_to_uniform(&hits);
        if hits.iter().all(|&count| count == 0) {
            prop_assert!(value.is_nan());
        } else {
            let modes = hits.len() as f64;
            prop_assert!(value >= 0.0 && value <= modes.ln() + 1e-12);
            // K of n modes at best uniformly.
            prop_assert!(value >= (modes / covered(&hits)).ln() - 1e-12);
        }
    }
}
