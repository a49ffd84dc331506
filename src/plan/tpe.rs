//! Points of a search by TPE, the tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011).
//!
//! In each dimension by itself, one density is fitted to the points that are among the best and one to the others. Of some draws from
//! the first, that one is taken where the first is the largest multiple of the second. Densities and draws are those of the crate `tpe`;
//! which points are among the best, and what keeps the points of a batch apart, is decided here. `tests` compares with Optuna's TPE.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use sweep_spec::point::Dimension;
use tpe::density_estimation::DefaultEstimatorBuilder;
use tpe::{TpeOptimizerBuilder, histogram_estimator, parzen_estimator};

/// The share of points that are among the best. Optuna's is 0.1, which leaves searches of 60 points in batches of 8 about twice as far
/// above the optimum of smooth functions, and no nearer to that of others.
const SHARE: f64 = 0.15;

/// As many are among the best at most, but for equals, as in Optuna.
const MOST: usize = 25;

/// How often a point is drawn again that was there before: of choices alone, there may be no other.
const REDRAWS: u32 = 1000;

/// The redraw from which nothing is left of what the densities said.
const AFRESH: u32 = 100;

/// Points to try next, `count` of them, of one number a dimension each: the number itself, or the place of the choice, from 0.
///
/// `seen` has points with how bad they were: smaller is better, +∞ came to nothing. What lies outside of `space` tells nothing of its
/// dimension. Where nothing was seen, points are random. A point is neither one of `seen` nor one of those before it, unless so many
/// redraws found no other.
///
/// The same arguments always give the same points. One seed will do for a whole search, as long as each call has seen more than the one
/// before: what is drawn depends on how many points were seen, too.
///
/// # Panics
///
/// If a range is not finite or ends before it starts, if a point of `seen` has fewer numbers than `space` has dimensions, or if how bad
/// one was is NaN.
pub fn propose(space: &[Dimension], seen: &[(Vec<f64>, f64)], count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(seen.len() as u64);
    let best = best(seen);
    let mut told = seen.to_vec();
    let mut known: HashSet<_> = seen.iter().map(|(point, _)| key(point)).collect();
    for _ in 0..count {
        let point = fresh(space, guess(space, &told, best, &mut rng), &known, &mut rng);
        known.insert(key(&point));
        // A constant lie until its value is known: no better than the worst, so that the next ones keep away from it.
        told.push((point, f64::INFINITY));
    }
    told.into_iter().skip(seen.len()).map(|(point, _)| point).collect()
}

/// How many of `seen` are among the best: a share of them and all that are as good as the last of that share, since scores that are counts
/// have many equals, among which the order would choose. None is as bad as the worst: where all are alike, nothing is known.
fn best(seen: &[(Vec<f64>, f64)]) -> usize {
    let mut values: Vec<f64> = seen.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let last = ((SHARE * values.len() as f64).ceil() as usize).min(MOST).saturating_sub(1);
    let (Some(last), Some(worst)) = (values.get(last), values.last()) else { return 0 };
    values.iter().filter(|value| *value <= last && *value < worst).count()
}

/// Equal for equal points.
fn key(point: &[f64]) -> Vec<u64> {
    // 0 and −0 are equal, and their sum is 0.
    point.iter().map(|x| (x + 0.0).to_bits()).collect()
}

/// What the densities say, where anything was seen.
fn guess(space: &[Dimension], told: &[(Vec<f64>, f64)], best: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let draw = |(at, dimension): (usize, &Dimension)| match told.is_empty() {
        true => uniform(*dimension, rng),
        false => likely(*dimension, told.iter().map(|(point, value)| (point[at], *value)), best, rng),
    };
    space.iter().enumerate().map(draw).collect()
}

/// `point`, or one like it that is not known; less and less like it the longer that takes.
fn fresh(space: &[Dimension], point: Vec<f64>, known: &HashSet<Vec<u64>>, rng: &mut ChaCha8Rng) -> Vec<f64> {
    if !known.contains(&key(&point)) {
        return point;
    }
    let mut redraw = |redraw: u32| -> Vec<f64> {
        let loose = f64::from(redraw.min(AFRESH)) / f64::from(AFRESH);
        let draw =
            |(dimension, &x): (&Dimension, &f64)| if rng.random_bool(loose) { uniform(*dimension, rng) } else { x };
        space.iter().zip(&point).map(draw).collect()
    };
    (1..=REDRAWS).map(&mut redraw).find(|other| !known.contains(&key(other))).unwrap_or(point)
}

/// Anything in it, each as likely as another.
fn uniform(dimension: Dimension, rng: &mut ChaCha8Rng) -> f64 {
    match dimension {
        Dimension::Number { .. } => at(dimension, rng.random()),
        Dimension::Choices(many) => rng.random_range(0..many.max(1)) as f64,
    }
}

/// What is much likelier among the `best` of `seen`, which has numbers and how bad they were, than among the others.
fn likely(
    dimension: Dimension,
    seen: impl ExactSizeIterator<Item = (f64, f64)>,
    best: usize,
    rng: &mut ChaCha8Rng,
) -> f64 {
    let (estimator, end) = estimator(dimension);
    let range = tpe::range(0.0, end).expect("0 is less than the end");
    // The crate rounds up.
    let share = (best as f64 - 0.5).max(0.0) / seen.len() as f64;
    let mut optimizer =
        TpeOptimizerBuilder::new().gamma(share).build(estimator, range).expect("the share is less than 1");
    for (x, value) in seen {
        // To the crate, NaN is a dimension that the point does without.
        let known = Some(place(dimension, x)).filter(|place| range.contains(*place)).unwrap_or(f64::NAN);
        optimizer.tell(known, value).expect("within the range");
    }
    let Ok(place) = optimizer.ask(rng);
    at(dimension, place)
}

/// The kind of density, and where its range ends, exclusively, that starts at 0.
fn estimator(dimension: Dimension) -> (DefaultEstimatorBuilder, f64) {
    match dimension {
        Dimension::Number { .. } => (parzen_estimator(), 1.0_f64.next_up()),
        Dimension::Choices(many) => (histogram_estimator(), many.max(1) as f64),
    }
}

/// Where a number is between `min` and `max`, from 0 to 1, so that ranges of all sizes are the same to the density; a choice itself.
fn place(dimension: Dimension, x: f64) -> f64 {
    match dimension {
        // Halves, since the difference may be more than the largest number.
        Dimension::Number { min, max } => (x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0),
        Dimension::Choices(_) => x,
    }
}

/// The number at a place: `place` backwards.
fn at(dimension: Dimension, place: f64) -> f64 {
    match dimension {
        Dimension::Number { min, max } => (min * (1.0 - place) + max * place).clamp(min, max),
        Dimension::Choices(_) => place,
    }
}
