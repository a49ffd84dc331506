//! `mmd`: the squared maximum mean discrepancy with a Gaussian kernel (Gretton et al. 2012, "A kernel two-sample test",
//! eq. 3), unbiased:
//!
//! Σ_{i≠j} k(x_i, x_j) / n(n − 1) + Σ_{i≠j} k(y_i, y_j) / m(m − 1) − 2 Σ_ij k(x_i, y_j) / nm, k(x, y) = exp(−‖x − y‖² /
//! 2h²).
//!
//! The width h is a setting, or else the median distance between two real samples (from at most 2,000 of them). A
//! median that includes generated samples would differ from generator to generator, and so would the score. Because the
//! estimate is unbiased, it may be negative.

use super::MetricError;
use super::features::{Ready, Real};
use super::formula::Measurement;
use super::pairwise::{Measure, by_block};
use super::rows::{Rows, distance, largest_exponent_of, scaled};

/// The most real samples used for the median distance.
const SOME: usize = 2000;

/// Prepares the score against real features.
pub(super) fn ready(real: &mut Real) -> Result<Ready, MetricError> {
    let rows = Rows::of(real.features)?;
    let asked = real.score.mmd_bandwidth;
    let width = asked.unwrap_or_else(|| median_distance(&rows));
    // The same for all generators, so computed once.
    let own = rows.has_safe_squares().then(|| within(&rows, width, Measure::Squares));
    Ok(Box::new(move |generated, _| {
        let value = mmd_with_own(&Rows::of(generated)?, &rows, width, own);
        let found = Measurement::of(value).with("kernel", "gaussian");
        Ok(match asked {
            Some(width) => found.with("bandwidth", width),
            None => found.with("bandwidth", "median").and("width", width),
        })
    }))
}

/// Returns the unbiased MMD² between `a` and `b` `[n, features]` for a kernel of this width. NaN if a feature is not
/// finite or one side has fewer than 2 rows.
pub fn mmd(a: &Rows, b: &Rows, width: f64) -> f64 {
    mmd_with_own(a, b, width, None)
}

/// Like [`mmd`]. `own` is the term of `b` alone, if it is known and squares of `b` are safe.
fn mmd_with_own(a: &Rows, b: &Rows, width: f64, own: Option<f64>) -> f64 {
    if a.len() < 2 || b.len() < 2 || !a.is_finite() || !b.is_finite() {
        return f64::NAN;
    }
    if a.has_safe_squares() && b.has_safe_squares() {
        let own = own.unwrap_or_else(|| within(b, width, Measure::Squares));
        return within(a, width, Measure::Squares) + own - 2.0 * between(a, b, width, Measure::Squares);
    }
    let exponent = largest_exponent_of(a, b);
    let (a, b, width) = (a.clone().scaled(exponent), b.clone().scaled(exponent), scaled(width, exponent));
    let measure = if a.has_safe_squares() && b.has_safe_squares() { Measure::Squares } else { Measure::Distances };
    within(&a, width, measure) + within(&b, width, measure) - 2.0 * between(&a, &b, width, measure)
}

/// Returns the mean kernel over pairs of different rows.
fn within(rows: &Rows, width: f64, measure: Measure) -> f64 {
    let kernel = kernel(width, measure);
    let sums = by_block(rows, rows, measure, |first, many, distances| {
        let rows = distances.chunks_exact(distances.len() / many).enumerate();
        rows.map(|(i, row)| {
            let (before, after) = row.split_at(first + i);
            before.iter().chain(&after[1..]).map(|&far| kernel(far)).sum::<f64>()
        })
        .sum::<f64>()
    });
    let n = rows.len() as f64;
    sums.iter().sum::<f64>() / (n * (n - 1.0))
}

/// Returns the mean kernel between a row of `a` and a row of `b`.
fn between(a: &Rows, b: &Rows, width: f64, measure: Measure) -> f64 {
    let kernel = kernel(width, measure);
    let sums = by_block(a, b, measure, |_, _, distances| distances.iter().map(|&far| kernel(far)).sum::<f64>());
    sums.iter().sum::<f64>() / (a.len() as f64 * b.len() as f64)
}

/// Returns the kernel as a function of the measured distance. If the width or its square is 0, it is nonzero only for
/// equal rows.
fn kernel(width: f64, measure: Measure) -> impl Fn(f64) -> f64 {
    let scale = match measure {
        Measure::Squares => 0.5 / width / width,
        Measure::Distances => 1.0 / width,
    };
    move |far| {
        let exponent = match measure {
            _ if far == 0.0 => 0.0,
            Measure::Squares => far * scale,
            Measure::Distances => 0.5 * (far * scale) * (far * scale),
        };
        (-exponent).exp()
    }
}

/// Returns the median distance between two rows, from at most `SOME` of them. The order of rows does not matter. NaN
/// for fewer than two rows.
pub fn median_distance(rows: &Rows) -> f64 {
    let some = if rows.len() > SOME { &rows.shuffled(0) } else { rows };
    let n = some.len().min(SOME);
    let mut all: Vec<f64> = (0..n).flat_map(|i| (0..i).map(move |j| distance(some.row(i), some.row(j)))).collect();
    if all.is_empty() {
        return f64::NAN;
    }
    let middle = all.len() / 2;
    let even = all.len().is_multiple_of(2);
    let (below, &mut upper, _) = all.select_nth_unstable_by(middle, f64::total_cmp);
    if even { 0.5 * (below.iter().copied().fold(0.0, f64::max) + upper) } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    fn line(points: &[f64]) -> Rows {
        Rows::new(points.to_vec(), 1)
    }

    fn normal(n: usize, lane: u16, shift: f64) -> Rows {
        let mut values = vec![0.0f32; 3 * n];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Rows::new(values.into_iter().map(|x| f64::from(x) + shift).collect(), 3)
    }

    #[test]
    fn two_points_per_side_have_a_closed_form() {
        // Distances 1 and 2 within the sides, and 3, 5, 2, 4 between them.
        let k = |far: f64| (-far * far / 8.0).exp();
        let expected = k(1.0) + k(2.0) - 0.5 * (k(3.0) + k(5.0) + k(2.0) + k(4.0));
        assert!((mmd(&line(&[0.0, 1.0]), &line(&[3.0, 5.0]), 2.0) - expected).abs() < 1e-15);
        assert!(mmd(&line(&[0.0]), &line(&[3.0, 5.0]), 2.0).is_nan());
        assert!(mmd(&line(&[0.0, f64::NAN]), &line(&[3.0, 5.0]), 2.0).is_nan());
    }

    #[test]
    fn medians_match_numpy() {
        // numpy.median of 1, 2, 4, 1, 3, 2 and of 1, 2, 1.
        assert_eq!(median_distance(&line(&[0.0, 1.0, 2.0, 4.0])), 2.0);
        assert_eq!(median_distance(&line(&[0.0, 1.0, 2.0])), 1.0);
        assert_eq!(median_distance(&line(&[0.0, 1.0, 3.0, 7.0])), 3.5);
        assert!(median_distance(&line(&[1.0])).is_nan());
        let many = normal(SOME + 500, 7, 0.0);
        // The distance between two normal points in three dimensions has the median √2 · 1.5382.
        assert!((median_distance(&many) - 2.1753).abs() < 0.05);
        let turned = Rows::new(many.values().chunks(3).rev().flatten().copied().collect(), 3);
        assert_eq!(median_distance(&many), median_distance(&turned));
    }

    #[test]
    fn two_normals_have_a_closed_form() {
        // For N(0, I) and N(μ, I) in d dimensions: 2 (h²/(h² + 2))^(d/2) (1 − exp(−‖μ‖²/2(h² + 2))).
        let (a, b, h): (_, _, f64) = (normal(3000, 1, 0.0), normal(2500, 2, 0.5), 1.3);
        let (same, wide) = (normal(2500, 3, 0.0), h * h + 2.0);
        let expected = 2.0 * (h * h / wide).powf(1.5) * (1.0 - (-3.0 * 0.25 / 2.0 / wide).exp());
        let (apart, alike) = (mmd(&a, &b, h), mmd(&a, &same, h));
        assert!((apart - expected).abs() < 0.01 && alike.abs() < 0.002, "{apart} for {expected}, {alike}");
    }

    #[test]
    fn it_does_not_depend_on_the_unit() {
        let (a, b) = (normal(40, 1, 0.0), normal(30, 2, 1.0));
        let of = |exponent: i32| {
            let (a, b) = (a.clone().scaled(exponent), b.clone().scaled(exponent));
            mmd(&a, &b, median_distance(&b))
        };
        for exponent in [3, 300, 1000, -300, -1000] {
            assert!((of(exponent) / of(0) - 1.0).abs() < 1e-12, "{exponent}");
        }
        let one = line(&[2.0, 2.0, 2.0]);
        assert_eq!((mmd(&one, &one, 0.0), mmd(&one, &line(&[3.0, 3.0]), 0.0)), (0.0, 2.0));
    }
}
