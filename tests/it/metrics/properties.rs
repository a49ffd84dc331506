//! What must hold for any samples.

use proptest::collection::vec;
use proptest::prelude::*;
use sweep::metrics::Measurement;
use sweep::metrics::costs::{Matrix, Plane};
use sweep::metrics::divergences::{forward_kl, jsd, tvd};
use sweep::metrics::features::compare;
use sweep::metrics::inception_score::inception_score;
use sweep::metrics::manifold::{Manifold, Overlap, overlap};
use sweep::metrics::mode_score::{mode_score, mode_score_printed};
use sweep::metrics::modes::{covered, kl_to_uniform};
use sweep::metrics::posterior::Posterior;
use sweep::metrics::rows::Rows;
use sweep::metrics::sinkhorn::sinkhorn;
use sweep::metrics::sliced::sliced_wasserstein;
use sweep::metrics::symmetric_kl::{Histogram, symmetric_kl};
use sweep::metrics::transport::{Flow, transport};
use sweep::numerics::random::{Purpose, Stream};
use sweep::spec::blueprint::Score;
use sweep::spec::metric::{Metric, Unit};

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

/// The least sum of distances over all pairings, by trying them all.
fn least<T>(generated: &[T], real: &[T], distance: &dyn Fn(&T, &T) -> f64) -> f64 {
    fn rest<T>(a: &[T], b: &[T], used: &mut [bool], distance: &dyn Fn(&T, &T) -> f64) -> f64 {
        let Some((first, others)) = a.split_first() else { return 0.0 };
        let mut best = f64::INFINITY;
        for j in 0..b.len() {
            if !used[j] {
                used[j] = true;
                best = best.min(distance(first, &b[j]) + rest(others, b, used, distance));
                used[j] = false;
            }
        }
        best
    }
    rest(generated, real, &mut vec![false; real.len()], distance)
}

/// The least mean distance over all pairings.
fn brute_force(generated: &[f32], real: &[f32]) -> f64 {
    let split = |points| <[f32]>::chunks(points, 2).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let (a, b) = (split(generated), split(real));
    least(&a, &b, &|a, b| distance(a, b)) / a.len() as f64
}

/// Coordinates of any order of magnitude: single ones far away, some in lumps, some equal.
fn scattered(width: usize, n: usize) -> impl Strategy<Value = Rows> {
    let value = prop_oneof![
        4 => -1.0..1.0f64,
        2 => (-3i8..4).prop_map(f64::from),
        1 => (-1.0..1.0f64, -12i32..13).prop_map(|(x, power)| x * 10f64.powi(power)),
        1 => (-1.0..1.0f64).prop_map(|x| 1e9 + x),
        1 => Just(1e12),
    ];
    vec(value, width * n).prop_map(move |values| Rows::new(values, width))
}

fn scattered_pair(sizes: std::ops::Range<usize>) -> impl Strategy<Value = (Rows, Rows)> {
    sizes.prop_flat_map(|n| (scattered(2, n), scattered(2, n)))
}

/// The four scores from distances of pairs, one after the other.
fn neighbourhoods(generated: &Rows, real: &Rows, k: usize) -> Overlap {
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let points = |rows: &Rows| rows.values().chunks(rows.width()).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let (generated, real) = (points(generated), points(real));
    let radii = |points: &[Vec<f64>]| {
        let kth = |i: usize| {
            let others = (0..points.len()).filter(|&j| j != i);
            let mut squares: Vec<f64> = others.map(|j| square(&points[i], &points[j])).collect();
            squares.sort_by(f64::total_cmp);
            squares[k - 1]
        };
        (0..points.len()).map(kth).collect::<Vec<f64>>()
    };
    let (of_generated, of_real) = (radii(&generated), radii(&real));
    let near = |i: usize, j: usize| square(&generated[i], &real[j]);
    let (n, m) = (0..generated.len(), 0..real.len());
    let share = |some: usize, all: usize| some as f64 / all as f64;
    let in_real = |i: usize| m.clone().filter(|&j| near(i, j) < of_real[j]).count();
    let in_generated = |j: &usize| n.clone().any(|i| near(i, *j) < of_generated[i]);
    let covered = |j: &usize| n.clone().any(|i| near(i, *j) < of_real[*j]);
    Overlap {
        precision: share(n.clone().filter(|&i| in_real(i) > 0).count(), generated.len()),
        recall: share(m.clone().filter(in_generated).count(), real.len()),
        density: n.clone().map(in_real).sum::<usize>() as f64 / (k * generated.len()) as f64,
        coverage: share(m.clone().filter(covered).count(), real.len()),
    }
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
    fn wasserstein_is_the_best_of_all_pairings_whatever_lies_far_away((a, b) in scattered_pair(1..7)) {
        let split = |rows: &Rows| rows.values().chunks(2).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let expected = least(&split(&a), &split(&b), &|a, b| (a[0] - b[0]).hypot(a[1] - b[1])) / a.len() as f64;
        let found = sweep::metrics::wasserstein::wasserstein(&a, &b);
        prop_assert!((found - expected).abs() <= 1e-9 * expected, "{} for {}", found, expected);
    }

    #[test]
    fn prices_prove_that_a_plan_is_the_best(
        a in (1usize..60).prop_flat_map(points),
        b in (1usize..60).prop_flat_map(points),
    ) {
        let (n, m) = (a.len() / 2, b.len() / 2);
        let plan = transport(&Plane::new(&rows(&a), &rows(&b)).unwrap());
        let matrix = transport(&Matrix::new(&rows(&a), &rows(&b)));
        prop_assert!((plan.total - matrix.total).abs() <= 1e-9 * plan.total.max(1e-3));
        // All that there is goes, and arrives: the same from each row and to each column.
        let (mut from, mut to) = (vec![0; n], vec![0; m]);
        for &Flow { row, column, units } in &plan.flows {
            prop_assert!(units > 0);
            from[row as usize] += u64::from(units);
            to[column as usize] += u64::from(units);
        }
        let (each, taken) = (plan.units / n as u64, plan.units / m as u64);
        prop_assert!(each > 0 && from.iter().all(|&units| units == each) && to.iter().all(|&units| units == taken));
        let total: f64 = plan.flows.iter().map(|flow| {
            let (row, column) = (2 * flow.row as usize, 2 * flow.column as usize);
            f64::from(flow.units) * distance(&a[row..row + 2], &b[column..column + 2])
        }).sum();
        prop_assert!((total - plan.total).abs() <= 1e-9 * total);
        // Any prices give a lower bound: sum over rows of the cheapest distance plus price, minus all prices.
        let cheapest = a.chunks(2).map(|row| {
            let columns = b.chunks(2).zip(&plan.prices);
            columns.map(|(column, price)| distance(row, column) + price).fold(f64::INFINITY, f64::min)
        });
        let bound = each as f64 * cheapest.sum::<f64>() - taken as f64 * plan.prices.iter().sum::<f64>();
        let slack = plan.total - bound;
        prop_assert!(slack.abs() <= 1e-9 * plan.total.max(plan.units as f64 * 1e-3), "{} above the bound", slack);
    }

    #[test]
    fn wasserstein_of_unequal_numbers_is_that_of_each_point_repeated(
        a in (1usize..25).prop_flat_map(points), b in (1usize..25).prop_flat_map(points)
    ) {
        let (n, m) = (a.len() / 2, b.len() / 2);
        let (found, pairs) = (wasserstein(&a, &b), wasserstein(&a.repeat(m), &b.repeat(n)));
        prop_assert!((found - pairs).abs() <= 1e-9 * pairs.max(1e-3), "{} for {}", found, pairs);
        prop_assert!((found - wasserstein(&b, &a)).abs() <= 1e-9 * pairs.max(1e-3));
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
        let back = sinkhorn(&b, &a, 2.0).cost;
        prop_assert!(cost >= exact - 1e-12 && (cost - back).abs() <= 1e-7 * cost.max(1.0), "{} {}", cost, exact);
    }

    #[test]
    fn neighbourhoods_are_those_of_all_pairs(
        (a, b) in (1usize..6, 4usize..50, 4usize..50)
            .prop_flat_map(|(width, n, m)| (scattered(width, n), scattered(width, m))),
        k in 1u32..4,
        power in prop::sample::select(vec![0i32, 0, 333, 495, 900, -333, -495, -900]),
    ) {
        let of = |a: &Rows, b: &Rows| {
            let manifold = |rows: &Rows| Manifold::new(rows.clone(), k).unwrap();
            overlap(&manifold(a), &manifold(b), k)
        };
        let expected = neighbourhoods(&a, &b, k as usize);
        let found = of(&a, &b);
        prop_assert_eq!(
            (found.precision, found.recall, found.coverage),
            (expected.precision, expected.recall, expected.coverage)
        );
        prop_assert!((found.density - expected.density).abs() < 1e-14);
        let swapped = of(&b, &a);
        prop_assert_eq!((found.precision, found.recall), (swapped.recall, swapped.precision));
        // The same of any order, and at any scale: equal distances stay equal.
        prop_assert_eq!(of(&a.shuffled(1), &b.shuffled(2)), found);
        prop_assert_eq!(of(&a.scaled(power), &b.scaled(power)), found);
    }

    #[test]
    fn no_score_of_features_depends_on_the_order_of_rows(
        (a, b) in (1usize..5, 6usize..40, 6usize..40)
            .prop_flat_map(|(width, n, m)| (scattered(width, n), scattered(width, m))),
        points in 1u32..50,
        seed in 0u64..1000,
    ) {
        let metrics = Metric::ALL.into_iter().filter(|metric| metric.needs().features()).collect();
        let (n, m) = (a.len() as u32, b.len() as u32);
        let score = Score {
            samples: n,
            real_samples: Some(m),
            metrics,
            wasserstein_samples: points,
            projections: 5,
            sinkhorn_reg: 1e11,
            ..Score::default()
        };
        let of = |a: &Rows, b: &Rows| {
            let found = compare(a, b, &score, seed, &mut |_| ()).unwrap();
            let bits = |found: Measurement| (found.value.to_bits(), found.std.map(f64::to_bits), found.protocol);
            found.into_iter().map(|(metric, found)| (metric, bits(found))).collect::<Vec<_>>()
        };
        let turned = |rows: &Rows| Rows::new(reversed(rows.values(), rows.width()), rows.width());
        let found = of(&a, &b);
        prop_assert!(found.iter().map(|(metric, _)| metric).eq(&score.metrics));
        prop_assert_eq!(&of(&turned(&a), &b), &found);
        prop_assert_eq!(&of(&a.shuffled(seed + 1), &turned(&b)), &found);
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
            prop_assert!(value >= (modes / covered(&hits, 1)).ln() - 1e-12);
        }
    }

    #[test]
    fn divergences_of_modes_keep_their_bounds(of in vec((0u64..50, 0u32..9), 2..30)) {
        let (hits, weights): (Vec<u64>, Vec<f64>) = of.iter().map(|&(hits, weight)| (hits, f64::from(weight))).unzip();
        let total: f64 = weights.iter().sum();
        prop_assume!(total > 0.0);
        let shares: Vec<f64> = weights.iter().map(|weight| weight / total).collect();
        let [forward, both, half] = [forward_kl, jsd, tvd].map(|of| of(&hits, &shares));
        if hits.iter().all(|&count| count == 0) {
            prop_assert!(forward.is_nan() && both.is_nan() && half.is_nan());
        } else {
            // Pinsker's inequality, of both halves of the JSD, and Lin's bound of it by the total variation.
            prop_assert!(0.5 * half * half <= both + 1e-12 && both <= std::f64::consts::LN_2 * half + 1e-12);
            prop_assert!((0.0..=1.0).contains(&half) && forward >= 0.0 && forward.is_finite());
            let smooth: Vec<u64> = hits.iter().map(|count| count + 1).collect();
            prop_assert!(2.0 * tvd(&smooth, &shares).powi(2) <= forward + 1e-12);
        }
    }
}

#[test]
fn every_score_of_features_ends_with_a_value_at_any_scale() {
    let draw = |n: usize, seed: u64| {
        let mut out = vec![0.0f32; 3 * n];
        Stream::new(seed, Purpose::Reference, 0).fill_normal(&mut out);
        Rows::new(out.into_iter().map(f64::from).collect(), 3)
    };
    let metrics = Metric::ALL.into_iter().filter(|metric| metric.needs().features()).collect();
    let plain = Score {
        samples: 60,
        real_samples: Some(50),
        metrics,
        wasserstein_samples: 60,
        projections: 9,
        ..Score::default()
    };
    let of = |unit: f64| {
        let (a, b) = (draw(60, 1), draw(50, 2));
        let times = |rows: &Rows| Rows::new(rows.values().iter().map(|x| x * unit).collect(), 3);
        let score = Score { sinkhorn_reg: 0.25 * unit, ..plain.clone() };
        compare(&times(&a), &times(&b), &score, 3, &mut |_| ()).unwrap()
    };
    let usual = of(1.0);
    let kid_of = |unit: f64| of(unit)[&Metric::Kid].value;
    for unit in [1e150, 1e154, 1e-150, 1e300, 1e-300, 1e307, 1e-310] {
        for (metric, Measurement { value, .. }) in of(unit) {
            let usual = usual[&metric].value;
            let expected = match (metric, metric.unit()) {
                // Its kernel has no unit: huge features leave their sixth power, tiny ones their square.
                (Metric::Kid, _) if unit > 1.0 => f64::INFINITY.copysign(kid_of(1e40)),
                (Metric::Kid, _) => kid_of(1e-60) * 1e60 * 1e60 * unit * unit,
                (_, Unit::Data) => usual * unit,
                (_, Unit::SquaredData) => usual * unit * unit,
                (_, Unit::Number | Unit::Nats | Unit::Share | Unit::Modes) => usual,
            };
            let digits = if unit < 1e-307 { 1e-3 } else { 1e-9 };
            let near = value == expected || (value - expected).abs() <= digits * expected.abs();
            assert!(near, "{metric:?} at {unit:e}: {value:e} for {expected:e}");
        }
    }
}
