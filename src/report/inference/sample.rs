//! Scores by seed, and their interquartile mean when seeds are resampled.

use std::collections::BTreeMap;

/// Scores, each with the seed of its run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    seeds: usize,
    /// All scores in ascending order, each with the index of its seed.
    ordered: Vec<(f64, usize)>,
}

impl Sample {
    pub(crate) fn new(scores: impl IntoIterator<Item = (u64, f64)>) -> Sample {
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (seed, score) in scores {
            by_seed.entry(seed).or_default().push(score);
        }
        let placed = by_seed.values().enumerate().flat_map(|(place, scores)| scores.iter().map(move |&s| (s, place)));
        let mut ordered: Vec<(f64, usize)> = placed.collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
        Sample { seeds: by_seed.len(), ordered }
    }

    /// Returns the indices of the seeds in the order of the scores.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        self.ordered.iter().map(|(_, place)| *place)
    }

    /// Returns the number of distinct seeds.
    pub(crate) fn seeds(&self) -> usize {
        self.seeds
    }

    /// Returns the mean of the middle half of the scores; scores at its ends count in part. `None` without scores.
    pub(crate) fn interquartile_mean(&self) -> Option<f64> {
        (self.seeds > 0).then(|| self.resampled(&vec![1; self.seeds]))
    }

    /// Returns the same with each seed repeated as often as `times` says. At least one must be above 0.
    pub(super) fn resampled(&self, times: &[usize]) -> f64 {
        let count: usize = self.ordered.iter().map(|&(_, place)| times[place]).sum();
        let (from, to) = (0.25 * count as f64, 0.75 * count as f64);
        let (mut passed, mut sum) = (0_usize, 0.0);
        for &(score, place) in &self.ordered {
            let (start, end) = (passed as f64, (passed + times[place]) as f64);
            let inside = end.min(to) - start.max(from);
            // An infinite score times a weight of 0 would be NaN.
            if inside > 0.0 {
                sum += score * inside;
            }
            passed += times[place];
        }
        sum / (to - from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interquartile_means_agree_with_scipy() {
        // scipy.stats.trim_mean(x, 0.25) where a quarter of the scores is a whole number of them
        let eight = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0];
        let sample = Sample::new((0..).zip(eight));
        assert_eq!((sample.seeds(), sample.interquartile_mean()), (8, Some(3.5)));
        // By hand: of six, 1.5 are cut off at each end, so the second and the fifth count half.
        let six = Sample::new((0..).zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]));
        assert_eq!(six.interquartile_mean(), Some((0.5 * 2.0 + 4.0 + 8.0 + 0.5 * 16.0) / 3.0));
        assert_eq!(Sample::new([]).interquartile_mean(), None);
    }

    #[test]
    fn seeds_that_are_drawn_twice_count_twice() {
        let sample = Sample::new([(7, 1.0), (3, 5.0), (7, 3.0)]);
        assert_eq!(sample.seeds(), 2);
        // 1, 1, 3, 3 and 1, 3, 5, 5.
        assert_eq!(sample.resampled(&[0, 2]), 2.0);
        assert_eq!(sample.resampled(&[2, 1]), 4.0);
    }

    #[test]
    fn up_to_a_quarter_may_be_lost() {
        let mut scores = vec![f64::NEG_INFINITY, f64::NEG_INFINITY, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mean = |scores: &[f64]| Sample::new((0..).zip(scores.iter().copied())).interquartile_mean();
        assert_eq!(mean(&scores), Some(2.5));
        scores[2] = f64::NEG_INFINITY;
        assert_eq!(mean(&scores), Some(f64::NEG_INFINITY));
    }
}
