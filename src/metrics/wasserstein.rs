//! `wasserstein`: the exact first Wasserstein (earth mover's) distance between two point sets.
//!
//! W1 = min over plans P of Σ Pᵢⱼ ‖xᵢ − yⱼ‖, Σⱼ Pᵢⱼ = 1/n and Σᵢ Pᵢⱼ = 1/m. If both sides have equally many points, an
//! optimal plan is a pairing (Birkhoff).

use super::costs::{Matrix, Plane};
use super::features::Part;
use super::formula::Measurement;
use super::rows::{Rows, safe_exponent_of, scaled};
use super::transport::{Plan, gcd, transport};

/// Computes the score from a part of both sides.
pub(super) fn score(part: &Part) -> Measurement {
    Measurement::of(wasserstein(part.generated, part.real)).with("cost", "euclidean")
}

/// Returns W1 between `generated` and `real` points with equal weights, in data units. NaN if a coordinate is not
/// finite or there are no points; infinite if it exceeds float64.
///
/// # Panics
///
/// If the points have different numbers of coordinates.
pub fn wasserstein(generated: &Rows, real: &Rows) -> f64 {
    assert_eq!(generated.width(), real.width(), "both sides need equally many coordinates");
    if generated.is_empty() || real.is_empty() || !generated.is_finite() || !real.is_finite() {
        return f64::NAN;
    }
    let exponent = safe_exponent_of(generated, real);
    let (generated, real) = (generated.clone().scaled(exponent), real.clone().scaled(exponent));
    let mean = |plan: Plan| plan.total / plan.units as f64;
    let plane = || (generated.width() == 2).then(|| Plane::new(&generated, &real)).flatten();
    let found = if generated.width() == 1 {
        on_a_line(generated.values().to_vec(), real.values().to_vec())
    } else if let Some(plane) = plane() {
        mean(transport(&plane))
    } else {
        mean(transport(&Matrix::new(&generated, &real)))
    };
    scaled(found, -exponent)
}

/// Returns the mean distance on a line, where an optimal plan matches points in sorted order.
pub(super) fn on_a_line(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    // Units of transport: this many per point make both sides even.
    let common = gcd(a.len(), b.len());
    let (each, other) = (b.len() / common, a.len() / common);
    let (mut i, mut j, mut here, mut there) = (0, 0, each, other);
    let mut total = 0.0;
    while i < a.len() && j < b.len() {
        let units = here.min(there);
        total += units as f64 * (a[i] - b[j]).abs();
        (here, there) = (here - units, there - units);
        if here == 0 {
            (i, here) = (i + 1, each);
        }
        if there == 0 {
            (j, there) = (j + 1, other);
        }
    }
    total / (a.len() * each) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    fn wasserstein(generated: &[f32], real: &[f32]) -> f64 {
        let rows = |points: &[f32]| Rows::new(points.iter().map(|&x| x.into()).collect(), 2);
        super::wasserstein(&rows(generated), &rows(real))
    }

    fn normal(n: usize, lane: u16) -> Vec<f32> {
        let mut out = vec![0.0; 2 * n];
        Stream::lane(3, Purpose::Reference, lane, 0).fill_normal(&mut out);
        out
    }

    #[test]
    fn the_same_points_in_another_order_are_at_distance_0() {
        let points = normal(500, 0);
        let reversed: Vec<f32> = points.chunks(2).rev().flatten().copied().collect();
        assert_eq!(wasserstein(&points, &reversed), 0.0);
    }

    #[test]
    fn other_dimensions_give_the_same_as_the_plane() {
        let (a, b) = (normal(200, 4), normal(200, 5));
        let expected = wasserstein(&a, &b);
        // A rotation in three dimensions.
        let turned = |points: &[f32]| {
            let turn = |p: &[f32]| {
                let (x, y) = (f64::from(p[0]), f64::from(p[1]));
                [0.6 * x + 0.8 * 0.8 * y, -0.8 * x + 0.6 * 0.8 * y, 0.6 * y]
            };
            Rows::new(points.chunks(2).flat_map(turn).collect(), 3)
        };
        assert!((super::wasserstein(&turned(&a), &turned(&b)) - expected).abs() < 1e-9 * expected);
        let line = |points: &[f32], width| {
            let wide = |p: &[f32]| [f64::from(p[0]), 0.0].into_iter().take(width);
            Rows::new(points.chunks(2).flat_map(wide).collect(), width)
        };
        let (one, two) =
            (super::wasserstein(&line(&a, 1), &line(&b, 1)), super::wasserstein(&line(&a, 2), &line(&b, 2)));
        assert!((one - two).abs() < 1e-9 * two);
    }

    #[test]
    fn on_a_line_it_is_the_mean_difference_of_sorted_points() {
        let (mut a, mut b) = (normal(300, 1), normal(300, 2));
        a.iter_mut().chain(&mut b).skip(1).step_by(2).for_each(|y| *y = 0.0);
        let sorted = |points: &[f32]| {
            let mut x: Vec<f64> = points.iter().step_by(2).map(|&x| x.into()).collect();
            x.sort_by(f64::total_cmp);
            x
        };
        let expected = sorted(&a).iter().zip(sorted(&b)).map(|(a, b)| (a - b).abs()).sum::<f64>() / 300.0;
        assert!((wasserstein(&a, &b) - expected).abs() < 1e-12 * expected);
    }

    #[test]
    fn values_that_are_not_finite_give_nan_and_huge_ones_do_not() {
        let points = normal(50, 3);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut broken = points.clone();
            broken[17] = bad;
            assert!(wasserstein(&broken, &points).is_nan() && wasserstein(&points, &broken).is_nan());
        }
        let exploded: Vec<f32> = points.iter().map(|x| x * 1e37).collect();
        assert!(wasserstein(&exploded, &points).is_finite());
        assert!(wasserstein(&[], &[]).is_nan());
    }

    #[test]
    fn all_points_in_one_place() {
        let (here, there) = ([1.0, 2.0].repeat(100), [4.0, 6.0].repeat(100));
        assert_eq!(wasserstein(&here, &here), 0.0);
        assert!((wasserstein(&here, &there) - 5.0).abs() < 1e-12);
        assert_eq!(wasserstein(&[0.0, 0.0], &[3.0, 4.0]), 5.0);
    }
}
