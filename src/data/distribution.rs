//! Samples that are drawn from a distribution: endlessly, or a fixed number for all jobs.

use super::Real;
use sweep_numerics::random::{Purpose, Stream};

/// Indices into [`Purpose::Reference`]: for samples that scores compare with, for other samples like them, and for the
/// training samples of a limited data set.
const COMPARED: u64 = 0;
const OTHERS: u64 = 1;
const FIXED: u64 = 2;

/// A distribution that samples are drawn from. A draw depends only on the given numbers; a shorter draw is the start of
/// a longer one.
pub(super) trait Draw: Send + Sync {
    /// Returns the number of values per sample.
    fn width(&self) -> usize;

    /// Fills `out`, `[n, features]`, with samples.
    fn draw(&self, seed: u64, purpose: Purpose, index: u64, out: &mut [f32]);

    /// Returns how often each class occurs (for stacked images, each class of a digit). `None` if samples have no
    /// classes.
    fn shares_of_labels(&self) -> Option<Vec<f64>> {
        None
    }

    /// Returns `n` samples that are the same for all jobs.
    fn common(&self, index: u64, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; n * self.width()];
        self.draw(0, Purpose::Reference, index, &mut out);
        out
    }
}

impl<D: Draw> Real for D {
    fn features(&self) -> usize {
        self.width()
    }

    fn batch(&self, seed: u64, index: u64, out: &mut [f32]) {
        debug_assert!(
            out.len().is_multiple_of(self.width()),
            "a batch of {} values is not a whole number of samples",
            out.len()
        );
        self.draw(seed, Purpose::Data, index, out);
    }

    fn reference(&self, n: usize) -> Vec<f32> {
        self.common(COMPARED, n)
    }

    fn others(&self, n: usize, _after: usize) -> Option<Vec<f32>> {
        Some(self.common(OTHERS, n))
    }

    fn label_frequencies(&self) -> Option<Vec<f64>> {
        self.shares_of_labels()
    }
}

/// A fixed number of draws, from which batches are drawn with replacement. Scores compare with the distribution itself,
/// not with these.
pub(super) struct Limited<D> {
    of: D,
    fixed: Vec<f32>,
}

impl<D: Draw> Limited<D> {
    /// Draws `n` samples. They are the first of any larger number.
    fn new(of: D, n: u32) -> Self {
        Limited { fixed: of.common(FIXED, n as usize), of }
    }
}

/// Returns samples of this distribution: endless, or `limit` of them.
pub(super) fn draws<D: Draw + 'static>(of: D, limit: Option<u32>) -> Box<dyn Real> {
    match limit {
        Some(n) => Box::new(Limited::new(of, n)),
        None => Box::new(of),
    }
}

impl<D: Draw> Real for Limited<D> {
    fn features(&self) -> usize {
        self.of.width()
    }

    fn batch(&self, seed: u64, index: u64, out: &mut [f32]) {
        let features = self.of.width();
        let mut which = vec![0; out.len() / features];
        Stream::new(seed, Purpose::Data, index).fill_below((self.fixed.len() / features) as u32, &mut which);
        for (sample, which) in out.chunks_exact_mut(features).zip(which) {
            sample.copy_from_slice(&self.fixed[which as usize * features..][..features]);
        }
    }

    fn reference(&self, n: usize) -> Vec<f32> {
        self.of.common(COMPARED, n)
    }

    fn others(&self, n: usize, _after: usize) -> Option<Vec<f32>> {
        Some(self.of.common(OTHERS, n))
    }

    fn training(&self) -> Option<&[f32]> {
        Some(&self.fixed)
    }

    fn len(&self) -> Option<usize> {
        Some(self.fixed.len() / self.of.width())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Mixture;
    use sweep_spec::dataset::{Dataset, Gaussians, Toy};

    fn bits(point: &[f32]) -> Vec<u32> {
        point.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn a_limited_data_set_contains_only_its_draws() {
        let mixture = Mixture::new(&Gaussians { dims: 3, ..Gaussians::RING }).unwrap();
        let all = Limited::new(mixture.clone(), 40);
        assert_eq!((all.len(), all.fixed.len()), (Some(40), 120));
        assert_eq!(Limited::new(mixture.clone(), 50).fixed[..120], all.fixed[..]);
        let there: BTreeSet<Vec<u32>> = all.fixed.chunks(3).map(bits).collect();
        assert_eq!(there.len(), 40);
        assert!(all.training().unwrap().chunks(3).map(bits).collect::<BTreeSet<_>>() == there);
        assert!(mixture.training().is_none());
        let mut counts = std::collections::BTreeMap::<Vec<u32>, u32>::new();
        for index in 0..100 {
            let mut batch = vec![0.0; 3 * 200];
            all.batch(5, index, &mut batch);
            batch.chunks(3).for_each(|point| *counts.entry(bits(point)).or_default() += 1);
        }
        assert!(counts.keys().eq(&there), "each is drawn, and nothing else");
        // 500 of each are expected, within five standard deviations.
        assert!(counts.values().all(|&n| (f64::from(n) - 500.0).abs() < 5.0 * 500.0f64.sqrt()), "{counts:?}");
        let batch = |seed, index| {
            let mut out = vec![0.0; 60];
            all.batch(seed, index, &mut out);
            out
        };
        assert_eq!(batch(1, 2), batch(1, 2));
        assert_ne!(batch(1, 2), batch(1, 3));
        assert_ne!(batch(1, 2), batch(2, 2));
        // Scores compare with the distribution, as without a limit, and not with the training samples.
        assert_eq!(all.reference(70), mixture.reference(70));
        assert_eq!(all.others(70, 70), mixture.others(70, 70));
        assert!(all.reference(70).chunks(3).all(|point| !there.contains(&bits(point))));
    }

    #[test]
    fn a_data_set_with_a_limit_is_opened_with_it() {
        let open = |dataset| crate::open(&dataset, std::path::Path::new("")).unwrap().len();
        assert_eq!(open(Dataset::Gaussians(Gaussians { limit: Some(9), ..Gaussians::GRID })), Some(9));
        assert_eq!(open(Dataset::Toy(Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.1, limit: Some(7) })), Some(7));
        assert_eq!(open(Dataset::Toy(Toy::ALL[0])), None);
    }
}
