//! `symmetric_kl`: the mean of both Kullback–Leibler divergences between 2-D histograms.
//!
//! Both histograms have bins × bins equal cells on [−range, range]² (the last cell of an axis includes its upper edge),
//! and one more cell for everything outside. So both are distributions over the same cells, and mass far away costs as
//! much as mass in a wrong cell. Probabilities are clamped from below at [`FLOOR`] before taking logarithms and sums,
//! and not renormalised.

use tch::{Kind, TchError, Tensor};

use super::MetricError;
use super::features::{Ready, Real};
use super::formula::Measurement;

/// The smallest probability.
pub const FLOOR: f64 = 1e-13;

/// Prepares the score against real points. NaN if a coordinate is not finite.
pub(super) fn ready(real: &mut Real) -> Result<Ready, MetricError> {
    let (bins, range) = (real.score.bins, real.score.range);
    if bins == 0 || range.is_nan() || range <= 0.0 {
        return Err(MetricError::Bins { bins, range });
    }
    let histogram = move |points: &Tensor| -> Result<Option<Histogram>, TchError> {
        let points = Vec::try_from(points.f_to_kind(Kind::Float)?.f_flatten(0, -1)?)?;
        Ok(Histogram::new(&points, bins, range))
    };
    let real = histogram(real.features)?;
    Ok(Box::new(move |generated, _| {
        let both = histogram(generated)?.zip(real.as_ref());
        let value = both.map_or(f64::NAN, |(generated, real)| symmetric_kl(real, &generated));
        let found = Measurement::of(value).with("bins", bins).with("range", range);
        Ok(found.with("floor", FLOOR).with("outside", "one bin"))
    }))
}

/// The share of points in each cell.
#[derive(Clone, Debug)]
pub struct Histogram(Vec<f64>);

impl Histogram {
    /// Counts `points` `[n, 2]`. `None` if a coordinate is not finite or there are no points.
    pub fn new(points: &[f32], bins: u32, range: f64) -> Option<Self> {
        let bins = bins as usize;
        let mut counts = vec![0u64; bins * bins + 1];
        for point in points.chunks_exact(2) {
            let cell = |value: f32| {
                let value = f64::from(value);
                let inside = (-range..=range).contains(&value);
                inside.then(|| (((value + range) / (2.0 * range) * bins as f64) as usize).min(bins - 1))
            };
            if !(point[0].is_finite() && point[1].is_finite()) {
                return None;
            }
            match (cell(point[0]), cell(point[1])) {
                (Some(x), Some(y)) => counts[x * bins + y] += 1,
                _ => counts[bins * bins] += 1,
            }
        }
        let n = points.len() / 2;
        (n > 0).then(|| Histogram(counts.into_iter().map(|count| (count as f64 / n as f64).max(FLOOR)).collect()))
    }
}

/// Returns ½ KL(a ‖ b) + ½ KL(b ‖ a), in nats, for histograms with the same bins and range.
pub fn symmetric_kl(a: &Histogram, b: &Histogram) -> f64 {
    a.0.iter().zip(&b.0).map(|(a, b)| 0.5 * (a - b) * (a / b).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(points: &[f32]) -> Histogram {
        Histogram::new(points, 2, 1.0).unwrap()
    }

    #[test]
    fn known_histograms() {
        let corners = histogram(&[-0.5, -0.5, -0.5, 0.5, 0.5, -0.5, 0.5, 0.5]);
        assert_eq!(symmetric_kl(&corners, &corners), 0.0);
        // Four quarters against one whole: each of the three cells that only one of them has costs ln(¼ / 1e-13).
        let one = histogram(&[0.5, 0.5]);
        let empty = 3.0 * 0.5 * (0.25 - FLOOR) * f64::ln(0.25 / FLOOR);
        let expected = 0.5 * 0.75 * f64::ln(4.0) + empty;
        assert!((symmetric_kl(&corners, &one) - expected).abs() < 1e-12);
        assert_eq!(symmetric_kl(&corners, &one), symmetric_kl(&one, &corners));
    }

    #[test]
    fn edges_are_inside_and_the_outside_is_one_cell() {
        assert_eq!(symmetric_kl(&histogram(&[1.0, 1.0]), &histogram(&[0.5, 0.5])), 0.0);
        assert_eq!(symmetric_kl(&histogram(&[-1.0, -1.0]), &histogram(&[-0.5, -0.5])), 0.0);
        let outside = histogram(&[1.1, 0.0]);
        assert_eq!(symmetric_kl(&outside, &histogram(&[0.0, -1e30])), 0.0);
        assert!((symmetric_kl(&outside, &histogram(&[0.5, 0.5])) - f64::ln(1.0 / FLOOR)).abs() < 1e-9);
    }

    #[test]
    fn there_is_no_histogram_of_values_that_are_not_finite() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(Histogram::new(&[0.0, 0.0, 0.0, bad], 2, 1.0).is_none());
        }
        assert!(Histogram::new(&[], 2, 1.0).is_none());
    }
}
