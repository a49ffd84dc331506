//! `sliced_wasserstein`: the average of W1 along random directions (Bonneel et al. 2015, "Sliced and Radon Wasserstein
//! barycenters of measures"; here with the first power of distances, as in W1).

use super::features::Part;
use super::formula::Measurement;
use super::rows::{Rows, safe_exponent_of, scaled};
use super::wasserstein::on_a_line;
use sweep_numerics::random::{Purpose, Stream};

/// The lane of [`Purpose::Reference`] for drawing directions.
const LANE: u16 = 1;

/// Computes the score from a part of both sides.
pub(super) fn score(part: &Part) -> Measurement {
    let &Part { generated, real, score, seed } = part;
    let value = sliced_wasserstein(generated, real, score.projections, seed);
    Measurement::of(value).with("cost", "euclidean").with("projections", score.projections).with("seed", seed)
}

/// Returns the mean W1 between `generated` and `real` points with equal weights, over `projections` directions, in data
/// units. Directions are uniform on the sphere and determined by `seed`. NaN if a coordinate is not finite or there are
/// no points.
///
/// # Panics
///
/// If the points have different numbers of coordinates.
pub fn sliced_wasserstein(generated: &Rows, real: &Rows, projections: u32, seed: u64) -> f64 {
    assert_eq!(generated.width(), real.width(), "both sides need equally many coordinates");
    if generated.is_empty() || real.is_empty() || !generated.is_finite() || !real.is_finite() {
        return f64::NAN;
    }
    let exponent = safe_exponent_of(generated, real);
    let (generated, real) = (generated.clone().scaled(exponent), real.clone().scaled(exponent));
    let middle = middle(&generated, &real);
    let mut direction = vec![0.0f32; generated.width()];
    let one = |index: u32| {
        Stream::lane(seed, Purpose::Reference, LANE, index.into()).fill_normal(&mut direction);
        let length = direction.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let unit: Vec<f64> = direction.iter().map(|&x| f64::from(x) / length).collect();
        on_a_line(along(&generated, &middle, &unit), along(&real, &middle, &unit))
    };
    scaled((0..projections).map(one).sum::<f64>() / f64::from(projections), -exponent)
}

/// Returns the median of each coordinate over both sets. Relative to it, points that are all far from the origin keep
/// their digits on every line. A few outliers do not move it.
fn middle(a: &Rows, b: &Rows) -> Vec<f64> {
    let median = |axis: usize| {
        let coordinates =
            |rows: &Rows| rows.values().iter().skip(axis).step_by(rows.width()).copied().collect::<Vec<_>>();
        let mut all = [coordinates(a), coordinates(b)].concat();
        let half = all.len() / 2;
        *all.select_nth_unstable_by(half, f64::total_cmp).1
    };
    (0..a.width()).map(median).collect()
}

/// Returns each point's position along a direction, relative to `middle`.
fn along(rows: &Rows, middle: &[f64], direction: &[f64]) -> Vec<f64> {
    let place = |row: &[f64]| row.iter().zip(middle).zip(direction).map(|((x, m), d)| (x - m) * d).sum();
    rows.values().chunks_exact(rows.width()).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(n: usize, width: usize, lane: u16) -> Rows {
        let mut out = vec![0.0f32; width * n];
        Stream::lane(3, Purpose::Reference, lane, 0).fill_normal(&mut out);
        Rows::new(out.into_iter().map(f64::from).collect(), width)
    }

    #[test]
    fn for_a_shift_it_is_its_mean_length_along_a_line() {
        // E|t·θ| is (2/π)‖t‖ on the circle and ½‖t‖ on the sphere; its standard deviation is below ‖t‖/3.
        for (width, share) in [(2, std::f64::consts::FRAC_2_PI), (3, 0.5)] {
            let points = normal(50, width, 0);
            let shift = |i: usize| {
                if i.is_multiple_of(width) {
                    3.0
                } else if i % width == 1 {
                    4.0
                } else {
                    0.0
                }
            };
            let moved = points.values().iter().enumerate().map(|(i, x)| x + shift(i)).collect();
            let found = sliced_wasserstein(&Rows::new(moved, width), &points, 20_000, 7);
            assert!((found - share * 5.0).abs() < 5.0 * 5.0 / 3.0 / f64::sqrt(20_000.0), "{width}: {found}");
        }
    }

    #[test]
    fn equal_sets_are_at_distance_0_and_directions_follow_the_seed() {
        let (a, b) = (normal(80, 5, 1), normal(80, 5, 2));
        let reversed = Rows::new(a.values().chunks(5).rev().flatten().copied().collect(), 5);
        assert_eq!(sliced_wasserstein(&a, &reversed, 20, 0), 0.0);
        assert_eq!(sliced_wasserstein(&a, &b, 20, 0), sliced_wasserstein(&b, &a, 20, 0));
        assert_ne!(sliced_wasserstein(&a, &b, 20, 0), sliced_wasserstein(&a, &b, 20, 1));
        // In one dimension there is only one direction.
        let (a, b) = (normal(80, 1, 1), normal(80, 1, 2));
        let exact = crate::wasserstein::wasserstein(&a, &b);
        assert!((sliced_wasserstein(&a, &b, 3, 0) - exact).abs() < 1e-12);
    }

    #[test]
    fn unequal_numbers_equal_repeated_points() {
        let (a, b) = (normal(6, 3, 1), normal(4, 3, 2));
        let repeat = |rows: &Rows, times| Rows::new(rows.values().repeat(times), rows.width());
        let (few, many) =
            (sliced_wasserstein(&a, &b, 50, 0), sliced_wasserstein(&repeat(&a, 2), &repeat(&b, 3), 50, 0));
        assert!((few - many).abs() < 1e-14 && few > 0.1, "{few} {many}");
    }

    #[test]
    fn it_scales_and_ignores_common_shifts() {
        let (a, b) = (normal(80, 3, 1), normal(70, 3, 2));
        let of = |change: &dyn Fn(f64) -> f64| {
            let moved = |rows: &Rows| Rows::new(rows.values().iter().map(|&x| change(x)).collect(), 3);
            sliced_wasserstein(&moved(&a), &moved(&b), 30, 0)
        };
        let plain = of(&|x| x);
        for power in [-1000, -300, 300, 1000] {
            let unit = 2f64.powi(power);
            assert!((of(&|x| x * unit) / unit - plain).abs() < 1e-13, "2^{power}");
        }
        // On a grid on which these numbers are exact.
        let grid = |x: f64| (x * 1024.0).round() / 1024.0;
        let near = of(&grid);
        assert_eq!(of(&|x| grid(x) + 2f64.powi(40)), near);
    }

    #[test]
    fn values_that_are_not_finite_give_nan() {
        let (a, bad) = (normal(1, 2, 0), Rows::new(vec![0.0, f64::INFINITY], 2));
        assert!(sliced_wasserstein(&a, &bad, 3, 0).is_nan() && sliced_wasserstein(&bad, &a, 3, 0).is_nan());
    }
}
