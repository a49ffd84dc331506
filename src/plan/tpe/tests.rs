use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[path = "../examples/tpe/problems.rs"]
mod problems;

const UNIT: Dimension = Dimension::Number { min: 0.0, max: 1.0 };

/// Returns `many` points evenly across the unit interval, with the losses that `value` gives them.
fn even(many: usize, value: impl Fn(f64) -> f64) -> Vec<(Vec<f64>, f64)> {
    (0..many).map(|at| (at as f64 + 0.5) / many as f64).map(|x| (vec![x], value(x))).collect()
}

/// Returns the smallest and the largest proposal in the unit interval.
fn ends(seen: &[(Vec<f64>, f64)], count: usize, seed: u64) -> (f64, f64) {
    let points = propose(&[UNIT], seen, count, seed).concat();
    (points.iter().copied().fold(1.0, f64::min), points.iter().copied().fold(0.0, f64::max))
}

/// tests/fixtures/tpe.json, made by scripts/golden-tpe, has the quartiles of the regret of 200 searches with Optuna's
/// TPE, and of 200 random searches.
#[test]
fn searches_come_as_near_to_the_optimum_as_optunas() {
    let golden = include_str!("../../../tests/fixtures/tpe.json");
    let golden: HashMap<String, HashMap<String, [f64; 3]>> = serde_json::from_str(golden).unwrap();
    for problem in &problems::PROBLEMS {
        let [optuna, random] = ["optuna", "random"].map(|sampler| golden[problem.name][sampler][1]);
        let [_, median, _] = problem.quartiles(60);
        assert!(median <= 1.25 * optuna, "{}: {median}, where Optuna's is {optuna}", problem.name);
        assert!(median <= 0.75 * random, "{}: {median}, where that of draws at random is {random}", problem.name);
    }
}

#[test]
fn a_batch_spreads_around_the_best() {
    for seed in 0..20 {
        let (least, largest) = ends(&even(40, |x| (x - 0.3).powi(2)), 16, seed);
        assert!(0.05 < least && least < 0.25 && 0.35 < largest && largest < 0.6, "{least} to {largest}");
    }
}

/// Scores that are counts have many ties.
#[test]
fn all_of_the_best_that_are_equal_count() {
    for seed in 0..20 {
        let (least, largest) = ends(&even(40, |x| if x < 0.5 { 1.0 } else { f64::INFINITY }), 16, seed);
        assert!(least < 0.1 && 0.4 < largest && largest < 0.6, "{least} to {largest}");
    }
}

#[test]
fn where_nothing_is_better_all_is_tried() {
    for value in [f64::NEG_INFINITY, 0.0, 1e300, f64::INFINITY] {
        let seen: Vec<_> =
            even(40, |_| value).into_iter().map(|(point, value)| (vec![0.3 + point[0] / 20.0], value)).collect();
        for seed in 0..20 {
            let (least, largest) = ends(&seen, 16, seed);
            assert!(least < 0.15 && 0.85 < largest, "{value}: {least} to {largest}");
        }
    }
}

#[test]
fn what_was_seen_at_an_end_counts() {
    for end in [0.0, 1.0] {
        let seen: Vec<_> = even(32, |_| 1.0).into_iter().chain((0..8).map(|_| (vec![end], 0.0))).collect();
        let points = propose(&[UNIT], &seen, 8, 0).concat();
        assert!(points.iter().all(|x| (x - end).abs() < 0.3), "{points:?} near {end}");
    }
}

#[test]
fn ranges_of_all_sizes_are_alike() {
    let value = |x: f64| (x - 0.3).powi(2);
    let expected = propose(&[UNIT], &even(40, value), 8, 0);
    for (min, max) in [(f64::MIN, f64::MAX), (0.0, 1e-300), (1e300, 2e300), (-1e9, 7.0)] {
        let (ours, theirs) =
            (|x: f64| min * (1.0 - x) + max * x, |x: f64| (x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0));
        let seen: Vec<_> = even(40, value).into_iter().map(|(point, value)| (vec![ours(point[0])], value)).collect();
        for (found, expected) in propose(&[Dimension::Number { min, max }], &seen, 8, 0).iter().zip(&expected) {
            assert!((theirs(found[0]) - expected[0]).abs() < 1e-9, "{found:?} in {min} to {max}, not {expected:?}");
        }
    }
}

#[test]
fn what_is_worse_by_far_or_came_to_nothing_only_ranks_last() {
    let ranks = propose(&[UNIT], &even(40, |x| x), 8, 1);
    for worst in [1e300, f64::MAX, f64::INFINITY] {
        assert_eq!(propose(&[UNIT], &even(40, |x| if x > 0.9 { worst } else { x }), 8, 1), ranks, "{worst}");
    }
    let best = even(40, |x| if x < 0.02 { f64::NEG_INFINITY } else { x });
    assert_eq!(propose(&[UNIT], &best, 8, 1), ranks);
}

#[test]
fn the_good_choice_is_taken_most_often() {
    let seen: Vec<_> = (0..40).map(|at| (vec![f64::from(at % 4), f64::from(at)], f64::from(at % 4 != 2))).collect();
    let points = propose(&[Dimension::Choices(4), Dimension::Number { min: 0.0, max: 40.0 }], &seen, 16, 0);
    assert!(points.iter().filter(|point| point[0] == 2.0).count() > 12, "{points:?}");
}

#[test]
fn batches_of_one_seed_differ() {
    let first = propose(&[UNIT; 3], &[], 6, 0);
    let seen: Vec<_> = first.iter().map(|point| (point.clone(), 0.0)).collect();
    let (first, second) = (first.concat(), propose(&[UNIT; 3], &seen, 6, 0).concat());
    assert!(second.iter().all(|x| !first.contains(x)), "{second:?} after {first:?}");
}

#[test]
fn zero_of_either_sign_is_one_choice() {
    for seed in 0..20 {
        assert_eq!(propose(&[Dimension::Choices(2)], &[(vec![-0.0], 0.0)], 1, seed), [[1.0]]);
    }
}

#[test]
fn a_point_outside_of_the_space_tells_nothing_of_it() {
    let space = [UNIT, Dimension::Choices(3)];
    let seen = |x: f64, choice: f64| -> Vec<_> { (0..40).map(|at| (vec![x, choice], f64::from(at))).collect() };
    let points = propose(&space, &seen(7.0, -1.0), 8, 0);
    for (x, choice) in [(-1e300, 3.0), (f64::INFINITY, 1e300), (f64::NAN, f64::NAN)] {
        assert_eq!(propose(&space, &seen(x, choice), 8, 0), points);
    }
}

#[test]
fn a_space_without_dimensions_has_one_point() {
    assert_eq!(propose(&[], &[], 2, 0), [Vec::<f64>::new(), Vec::new()]);
}

fn dimension() -> impl Strategy<Value = Dimension> {
    let bound =
        || prop_oneof![-10.0..10.0, Just(0.0), Just(-0.0), Just(f64::MIN), Just(f64::MAX), Just(f64::from_bits(1))];
    prop_oneof![
        (bound(), bound()).prop_map(|(a, b): (f64, f64)| Dimension::Number { min: a.min(b), max: a.max(b) }),
        bound().prop_map(|only| Dimension::Number { min: only, max: only }),
        (1usize..5).prop_map(Dimension::Choices),
        (1usize..5).prop_map(Dimension::Choices),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        -1.0..1.0,
        Just(0.0),
        Just(1e300),
        Just(-1e300),
        Just(f64::MAX),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY)
    ]
}

/// Returns the number of points if it is small.
fn points(space: &[Dimension]) -> usize {
    let each = |dimension: &Dimension| match *dimension {
        Dimension::Choices(many) => many,
        Dimension::Number { min, max } if min == max => 1,
        // At least two; usually so many that none occurs twice.
        Dimension::Number { min, max } if max - min < 1e-300 => 2,
        Dimension::Number { .. } => 1000,
    };
    space.iter().map(each).fold(1, usize::saturating_mul)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn proposals_are_new_and_within_the_space(
        space in prop::collection::vec(dimension(), 1..4),
        values in prop::collection::vec(value(), 0..40),
        count in 0usize..12,
        seed: u64,
    ) {
        let seen: Vec<_> = propose(&space, &[], values.len(), seed).into_iter().zip(values).collect();
        let proposed = propose(&space, &seen, count, seed);
        prop_assert_eq!(&proposed, &propose(&space, &seen, count, seed));
        prop_assert_eq!(proposed.len(), count);
        for point in &proposed {
            prop_assert_eq!(point.len(), space.len());
            for (dimension, x) in space.iter().zip(point) {
                match *dimension {
                    Dimension::Number { min, max } => prop_assert!((min..=max).contains(x), "{x} of {dimension:?}"),
                    Dimension::Choices(many) => prop_assert!((0..many).any(|at| at as f64 == *x), "{x} of {many}"),
                }
            }
        }
        let all: HashSet<_> = seen.iter().map(|(point, _)| point).chain(&proposed).map(|point| key(point)).collect();
        prop_assert!(all.len() >= (seen.len() + count).min(points(&space)), "{} of {}", all.len(), points(&space));
    }
}
