//! `sliced_wasserstein`: W1 along random directions, averaged (Bonneel et al. 2015, "Sliced and Radon Wasserstein barycenters of
//! measures"; with the first power of distances, as W1 has).

use super::rows::Rows;
use super::wasserstein::paired_in_order;
use sweep_numerics::random::{Purpose, Stream};

/// The lane of [`Purpose::Reference`] that directions are drawn from.
const LANE: u16 = 1;

/// The mean over `projections` directions, uniform on the sphere and fixed by `seed`, of W1 between as many `generated` as `real`
/// points on that line, in data units. NaN where a coordinate is not finite or there are no points.
///
/// # Panics
///
/// When there are not as many points on both sides, of as many coordinates.
pub fn sliced_wasserstein(generated: &Rows, real: &Rows, projections: u32, seed: u64) -> f64 {
    assert_eq!(generated.len(), real.len(), "as many generated as real points");
    assert_eq!(generated.width(), real.width(), "of as many coordinates");
    if generated.is_empty() || !generated.is_finite() || !real.is_finite() {
        return f64::NAN;
    }
    let mut direction = vec![0.0f32; generated.width()];
    let one = |index: u32| {
        Stream::lane(seed, Purpose::Reference, LANE, index.into()).fill_normal(&mut direction);
        let length = direction.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let unit: Vec<f64> = direction.iter().map(|&x| f64::from(x) / length).collect();
        paired_in_order(along(generated, &unit), along(real, &unit)) / generated.len() as f64
    };
    (0..projections).map(one).sum::<f64>() / f64::from(projections)
}

/// Each point's place on the line of a direction.
fn along(rows: &Rows, direction: &[f64]) -> Vec<f64> {
    let place = |row: &[f64]| row.iter().zip(direction).map(|(x, d)| x * d).sum();
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
    fn of_a_shift_it_is_the_mean_of_its_length_on_a_line() {
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
        // On a line there is one direction.
        let (a, b) = (normal(80, 1, 1), normal(80, 1, 2));
        let exact = crate::wasserstein::wasserstein(&a, &b);
        assert!((sliced_wasserstein(&a, &b, 3, 0) - exact).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_finite_is_nan() {
        let (a, bad) = (normal(1, 2, 0), Rows::new(vec![0.0, f64::INFINITY], 2));
        assert!(sliced_wasserstein(&a, &bad, 3, 0).is_nan() && sliced_wasserstein(&bad, &a, 3, 0).is_nan());
    }
}
