//! `precision` and `recall` (Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative
//! models"), `density` and `coverage` (Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative
//! models", eq. 3, 4, 6 and 9).
//!
//! The neighbourhood of a sample is the open ball that reaches to its k-th nearest neighbour, not counting the sample
//! itself. A manifold is the union of the neighbourhoods of its samples. All distances are Euclidean and computed in
//! float64 from differences. So a sample never affects the digits of another one's distances, and equal samples are at
//! distance 0.

use std::borrow::Cow;

use super::pairwise::{Measure, by_block};
use super::rows::{Rows, largest_exponent_of};

/// Samples, each with the radius of its neighbourhood.
#[derive(Debug)]
pub struct Manifold {
    samples: Rows,
    /// Squared radii. Empty if squared distances would overflow or underflow.
    radii: Vec<f64>,
}

/// The four scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Share of generated samples in the real manifold.
    pub precision: f64,
    /// Share of real samples in the generated manifold.
    pub recall: f64,
    /// Number of real neighbourhoods that contain a generated sample, divided by k.
    pub density: f64,
    /// Share of real samples with a generated one in their neighbourhood.
    pub coverage: f64,
}

impl Manifold {
    /// Computes the manifold from the `k` nearest neighbours of `samples`. `None` if a feature is not finite or there
    /// are at most k samples.
    pub fn new(samples: Rows, k: u32) -> Option<Self> {
        if samples.len() <= k as usize || !samples.is_finite() {
            return None;
        }
        let radii = match samples.has_safe_squares() {
            true => radii(&samples, k, Measure::Squares),
            // Then radii depend on what the samples are compared with.
            false => Vec::new(),
        };
        Some(Manifold { samples, radii })
    }

    /// Builds a manifold from what [`Manifold::radii`] returned.
    pub fn with_radii(samples: Rows, radii: Vec<f64>) -> Self {
        Manifold { samples, radii }
    }

    /// Returns the squared radius of each neighbourhood `[n]`. `None` if squared distances would overflow or underflow.
    pub fn radii(&self) -> Option<&[f64]> {
        (!self.radii.is_empty()).then_some(&*self.radii)
    }
}

/// Returns the distance from each sample to its k-th neighbour. The sample itself is at distance 0, so this is entry k
/// + 1.
fn radii(samples: &Rows, k: u32, measure: Measure) -> Vec<f64> {
    let nearest = |_, rows: usize, distances: &mut [f64]| -> Vec<f64> {
        let columns = distances.len() / rows;
        distances.chunks_mut(columns).map(|row| *row.select_nth_unstable_by(k as usize, f64::total_cmp).1).collect()
    };
    by_block(samples, samples, measure, nearest).concat()
}

/// Two sets at a common scale at which distances are safe, with the radii of each.
pub(super) struct Sides<'a> {
    pub generated: Cow<'a, Rows>,
    pub real: Cow<'a, Rows>,
    /// Radii of the generated samples. Empty if not requested.
    pub of_generated: Cow<'a, [f64]>,
    /// Radii of the real samples.
    pub of_real: Cow<'a, [f64]>,
    /// What the radii measure.
    pub measure: Measure,
}

/// Combines samples with the `real` manifold of `k` neighbours.
pub(super) fn sides<'a>(generated: &'a Rows, real: &'a Manifold, k: u32) -> Sides<'a> {
    let of_generated = Cow::Borrowed(&[][..]);
    if let (true, Some(radii)) = (generated.has_safe_squares(), real.radii()) {
        let (generated, real, of_real) = (Cow::Borrowed(generated), Cow::Borrowed(&real.samples), Cow::Borrowed(radii));
        return Sides { generated, real, of_generated, of_real, measure: Measure::Squares };
    }
    let exponent = largest_exponent_of(generated, &real.samples);
    let [generated, real] = [generated, &real.samples].map(|samples| samples.clone().scaled(exponent));
    // Squares of integers are exact, but their roots and sums of shares are not. Squares keep equal distances equal at
    // any scale.
    let well = generated.has_safe_squares() && real.has_safe_squares();
    let measure = if well { Measure::Squares } else { Measure::Distances };
    let of_real = Cow::Owned(radii(&real, k, measure));
    Sides { generated: Cow::Owned(generated), real: Cow::Owned(real), of_generated, of_real, measure }
}

/// Combines the `generated` and the `real` manifold, both of `k` neighbours.
pub(super) fn sides_of_manifolds<'a>(generated: &'a Manifold, real: &'a Manifold, k: u32) -> Sides<'a> {
    let sides = sides(&generated.samples, real, k);
    let of_generated = match (generated.radii(), &sides.generated) {
        (Some(radii), Cow::Borrowed(_)) => Cow::Borrowed(radii),
        (Some(_) | None, scaled) => Cow::Owned(radii(scaled, k, sides.measure)),
    };
    Sides { of_generated, ..sides }
}

/// Returns the scores of the `generated` against the `real` manifold, both of `k` neighbours.
pub fn overlap(generated: &Manifold, real: &Manifold, k: u32) -> Overlap {
    let sides = sides_of_manifolds(generated, real, k);
    within((&sides.generated, &sides.of_generated), (&sides.real, &sides.of_real), k, sides.measure)
}

/// Counts for a block of generated samples.
struct BlockCounts {
    /// How many of them are in a real neighbourhood.
    inside: usize,
    /// In how many real neighbourhoods they are in total.
    hits: usize,
    /// For each real sample: whether one of them is in its neighbourhood, and whether it is in the neighbourhood of one
    /// of them.
    covered: Vec<[bool; 2]>,
}

fn within(generated: (&Rows, &[f64]), real: (&Rows, &[f64]), k: u32, measure: Measure) -> Overlap {
    let ((generated, reach), (real, radii)) = (generated, real);
    let look = |first: usize, _, distances: &mut [f64]| {
        let mut seen = BlockCounts { inside: 0, hits: 0, covered: vec![[false; 2]; real.len()] };
        for (row, reach) in distances.chunks(real.len()).zip(&reach[first..]) {
            let mut hits = 0;
            for ((&distance, &radius), covered) in row.iter().zip(radii).zip(&mut seen.covered) {
                hits += usize::from(distance < radius);
                covered[0] |= distance < radius;
                covered[1] |= distance < *reach;
            }
            seen.hits += hits;
            seen.inside += usize::from(hits > 0);
        }
        seen
    };
    let blocks = by_block(generated, real, measure, look);
    let sum = |count: fn(&BlockCounts) -> usize| blocks.iter().map(count).sum::<usize>() as f64;
    let share = |which: usize| {
        let any = |&j: &usize| blocks.iter().any(|seen| seen.covered[j][which]);
        (0..real.len()).filter(any).count() as f64 / real.len() as f64
    };
    let n = generated.len() as f64;
    Overlap {
        precision: sum(|seen| seen.inside) / n,
        recall: share(1),
        density: sum(|seen| seen.hits) / n / f64::from(k),
        coverage: share(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    fn line(points: &[f64]) -> Rows {
        Rows::new(points.to_vec(), 1)
    }

    fn normal(n: usize, lane: u16) -> Rows {
        let mut values = vec![0.0f32; 3 * n];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Rows::new(values.into_iter().map(f64::from).collect(), 3)
    }

    fn of(generated: &Rows, real: &Rows, k: u32) -> Overlap {
        let manifold = |samples: &Rows| Manifold::new(samples.clone(), k).unwrap();
        overlap(&manifold(generated), &manifold(real), k)
    }

    #[test]
    fn a_few_points_on_a_line() {
        // Real neighbourhoods with one neighbour: 0 ± 1, 1 ± 1, 5 ± 4. Generated: 0.5 ± 3.5, 4 ± 3.5, 40 ± 36.
        let found = of(&line(&[0.5, 4.0, 40.0]), &line(&[0.0, 1.0, 5.0]), 1);
        // 0.5 is in two of them, 4 in one, 40 in none. 0 and 1 are near 0.5, 5 is near 4, and each has one of these in
        // its own neighbourhood.
        assert!((found.precision - 2.0 / 3.0).abs() < 1e-15, "{found:?}");
        assert_eq!((found.recall, found.density, found.coverage), (1.0, 1.0, 1.0));
        let found = of(&line(&[10.0, 10.5, 11.0]), &line(&[0.0, 1.0, 5.0]), 1);
        assert_eq!(found, Overlap { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
    }

    #[test]
    fn a_sample_on_the_boundary_is_outside() {
        let found = of(&line(&[2.0, 2.0]), &line(&[0.0, 2.0]), 1);
        // Neighbourhoods of equal samples are empty. Each real one reaches to the other real sample, and no further.
        assert_eq!(found, Overlap { precision: 1.0, recall: 0.0, density: 1.0, coverage: 0.5 });
    }

    #[test]
    fn blocks_change_nothing_and_the_same_distribution_overlaps() {
        let (a, b) = (normal(9000, 0), normal(9000, 1));
        let found = of(&a, &b, 5);
        // Many samples of one distribution: density 1, coverage 1 − 2⁻⁵ (Naeem et al., section 3.3).
        assert!((found.density - 1.0).abs() < 0.05, "{found:?}");
        assert!((found.coverage - (1.0 - 0.5f64.powi(5))).abs() < 0.01, "{found:?}");
        assert!(found.precision > 0.9 && found.recall > 0.9, "{found:?}");
        let swapped = of(&b, &a, 5);
        assert_eq!((found.precision, found.recall), (swapped.recall, swapped.precision));
    }

    #[test]
    fn without_neighbourhoods_there_is_no_manifold() {
        assert!(Manifold::new(normal(5, 0), 5).is_none());
        assert!(Manifold::new(line(&[0.0, 1.0, f64::NAN, 2.0]), 1).is_none());
    }
}
