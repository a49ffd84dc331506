//! `precision` and `recall` (Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models"),
//! `density` and `coverage` (Naeem et al. 2020, "Reliable fidelity and diversity metrics for generative models", eq. 3, 4, 6 and 9).
//!
//! The neighbourhood of a sample is the open ball that reaches to its k-th nearest neighbour, the sample itself left out; a manifold
//! is the union of the neighbourhoods of its samples. All distances are Euclidean, in float64.

use tch::{Kind, TchError, Tensor};

/// Distances that are in memory at a time, at most: 16 MB, a block that is kept when it is freed (see [`sweep_tensor::memory`]). Larger
/// ones come from the system each time, and two thirds of the time goes into clearing them.
const BLOCK: i64 = 1 << 21;

/// Samples `[n, features]`, and the squared radius of the neighbourhood of each.
#[derive(Debug)]
pub struct Manifold {
    samples: Tensor,
    radii: Tensor,
}

/// The four scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Share of generated samples within the real manifold.
    pub precision: f64,
    /// Share of real samples within the generated manifold.
    pub recall: f64,
    /// Real neighbourhoods that a generated sample is in, over k.
    pub density: f64,
    /// Share of real samples with a generated one in their neighbourhood.
    pub coverage: f64,
}

impl Manifold {
    /// Of the `k` nearest neighbours of `samples`. `None` where a feature is not finite or there are not more than k samples.
    pub fn new(samples: &Tensor, k: u32) -> Result<Option<Self>, TchError> {
        if samples.size()[0] <= k.into() || samples.f_isfinite()?.f_all()?.int64_value(&[]) == 0 {
            return Ok(None);
        }
        // The sample itself is at distance 0, so its k-th neighbour is the one after the k-th.
        let nearest = |squares: Tensor| Ok(squares.f_kthvalue(i64::from(k) + 1, 1, false)?.0);
        let radii = Tensor::f_cat(&by_block(samples, samples, nearest)?, 0)?;
        Ok(Some(Manifold { samples: samples.shallow_clone(), radii }))
    }

    /// From what [`Manifold::radii`] gave.
    pub fn with_radii(samples: Tensor, radii: Tensor) -> Self {
        Manifold { samples, radii }
    }

    /// The squared radius of each neighbourhood `[n]`, in float64.
    pub fn radii(&self) -> &Tensor {
        &self.radii
    }
}

/// The scores of a `generated` against the `real` manifold, both of `k` neighbours.
pub fn overlap(generated: &Manifold, real: &Manifold, k: u32) -> Result<Overlap, TchError> {
    // Of a block of generated samples: in how many real neighbourhoods each is, and for each real sample whether one of them is in its
    // neighbourhood, and whether it is in one of theirs.
    let mut at = 0;
    let count = |squares: Tensor| {
        let n = squares.size()[0];
        let radii = generated.radii.f_narrow(0, at, n)?.f_unsqueeze(1)?;
        at += n;
        let inside = squares.f_lt_tensor(&real.radii.f_unsqueeze(0)?)?;
        let hits = inside.f_sum_dim_intlist(1, false, Kind::Double)?;
        let covered = inside.f_any_dim(0, false)?;
        Ok([hits, covered, squares.f_lt_tensor(&radii)?.f_any_dim(0, false)?])
    };
    let blocks = by_block(&generated.samples, &real.samples, count)?;
    let column = |index: usize| blocks.iter().map(|block| block[index].shallow_clone()).collect::<Vec<_>>();
    let hits = Tensor::f_cat(&column(0), 0)?;
    let any = |index| Tensor::f_stack(&column(index), 0)?.f_any_dim(0, false);
    let share =
        |flags: &Tensor| Ok::<_, TchError>(flags.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?.double_value(&[]));
    Ok(Overlap {
        precision: share(&hits.f_gt(0)?)?,
        recall: share(&any(2)?)?,
        density: hits.f_mean(Kind::Double)?.double_value(&[]) / f64::from(k),
        coverage: share(&any(1)?)?,
    })
}

/// What `work` makes of the squared distances `[block, b]` of each block of `a` to `b`, in order.
fn by_block<T>(
    a: &Tensor,
    b: &Tensor,
    mut work: impl FnMut(Tensor) -> Result<T, TchError>,
) -> Result<Vec<T>, TchError> {
    // Seen from one of the samples, so that samples far from the origin lose no digits.
    let b = b.f_to_kind(Kind::Double)?;
    let centre = b.f_narrow(0, 0, 1)?;
    let b = b - &centre;
    let lengths = b.f_square()?.f_sum_dim_intlist(1, false, Kind::Double)?.f_unsqueeze(0)?;
    let turned = b.f_transpose(0, 1)?;
    let block = (BLOCK / b.size()[0].max(1)).max(1);
    let n = a.size()[0];
    (0..n.div_euclid(block) + i64::from(n % block != 0))
        .map(|index| {
            let first = index * block;
            let part = a.f_narrow(0, first, block.min(n - first))?.f_to_kind(Kind::Double)? - &centre;
            let own = part.f_square()?.f_sum_dim_intlist(1, true, Kind::Double)?;
            let squares = (own + &lengths - part.f_matmul(&turned)? * 2.0).f_clamp_min(0.0)?;
            work(squares)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_numerics::random::{Purpose, Stream};

    fn line(points: &[f64]) -> Tensor {
        Tensor::from_slice(points).reshape([-1, 1])
    }

    fn normal(n: i64, lane: u16) -> Tensor {
        let mut values = vec![0.0f32; 3 * n as usize];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Tensor::from_slice(&values).reshape([n, 3])
    }

    fn of(generated: &Tensor, real: &Tensor, k: u32) -> Overlap {
        let manifold = |samples| Manifold::new(samples, k).unwrap().unwrap();
        overlap(&manifold(generated), &manifold(real), k).unwrap()
    }

    #[test]
    fn a_few_points_on_a_line() {
        // Real neighbourhoods of one neighbour: 0 ± 1, 1 ± 1, 5 ± 4. Generated: 0.5 ± 3.5, 4 ± 3.5, 40 ± 36.
        let found = of(&line(&[0.5, 4.0, 40.0]), &line(&[0.0, 1.0, 5.0]), 1);
        // 0.5 is in two of them, 4 in one, 40 in none; 0 and 1 are around 0.5, 5 is around 4: and each has one of these in its own.
        assert!((found.precision - 2.0 / 3.0).abs() < 1e-15, "{found:?}");
        assert_eq!((found.recall, found.density, found.coverage), (1.0, 1.0, 1.0));
        let found = of(&line(&[10.0, 10.5, 11.0]), &line(&[0.0, 1.0, 5.0]), 1);
        assert_eq!(found, Overlap { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
    }

    #[test]
    fn a_sample_on_the_border_is_outside() {
        let found = of(&line(&[2.0, 2.0]), &line(&[0.0, 2.0]), 1);
        // Of equal samples neighbourhoods are empty; each real one reaches to the other, and no further.
        assert_eq!(found, Overlap { precision: 1.0, recall: 0.0, density: 1.0, coverage: 0.5 });
    }

    #[test]
    fn blocks_change_nothing_and_the_same_distribution_overlaps() {
        let (a, b) = (normal(9000, 0), normal(9000, 1));
        let found = of(&a, &b, 5);
        // Of many samples of one distribution: density 1, coverage 1 − 2⁻⁵ (Naeem et al., section 3.3).
        assert!((found.density - 1.0).abs() < 0.05, "{found:?}");
        assert!((found.coverage - (1.0 - 0.5f64.powi(5))).abs() < 0.01, "{found:?}");
        assert!(found.precision > 0.9 && found.recall > 0.9, "{found:?}");
        const { assert!(BLOCK / 9000 < 9000, "several blocks") };
        let swapped = of(&b, &a, 5);
        assert_eq!((found.precision, found.recall), (swapped.recall, swapped.precision));
    }

    #[test]
    fn what_has_no_neighbourhoods_has_no_manifold() {
        assert!(Manifold::new(&normal(5, 0), 5).unwrap().is_none());
        assert!(Manifold::new(&(normal(20, 0) * f64::NAN), 5).unwrap().is_none());
    }
}
