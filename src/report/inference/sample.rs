//! Scores by seed, and statistics of them when seeds are drawn again.

use std::collections::BTreeMap;

/// The finite ones of some scores, each with the seed of its run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    seeds: Vec<u64>,
    /// For each seed the sum of its scores, and how many they are.
    sums: Vec<(f64, usize)>,
    /// All scores in their order, each with the place of its seed.
    ordered: Vec<(f64, usize)>,
}

/// What is taken of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Mean,
    Median,
}

impl Sample {
    pub(crate) fn new(scores: impl IntoIterator<Item = (u64, f64)>) -> Sample {
        let mut by_seed: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (seed, score) in scores.into_iter().filter(|(_, score)| score.is_finite()) {
            by_seed.entry(seed).or_default().push(score);
        }
        let sums = by_seed.values().map(|scores| (scores.iter().sum(), scores.len())).collect();
        let placed = by_seed.values().enumerate().flat_map(|(place, scores)| scores.iter().map(move |&s| (s, place)));
        let mut ordered: Vec<(f64, usize)> = placed.collect();
        ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
        Sample { seeds: by_seed.into_keys().collect(), sums, ordered }
    }

    /// Its distinct seeds, ascending.
    pub(crate) fn seeds(&self) -> &[u64] {
        &self.seeds
    }

    /// The statistic when each seed counts as often as `times` says; at least one has to.
    pub(super) fn statistic(&self, statistic: Statistic, times: &[usize]) -> f64 {
        match statistic {
            Statistic::Mean => {
                let add = |(sum, n), (&(part, count), &times): (&(f64, usize), &usize)| {
                    (sum + part * times as f64, n + count * times)
                };
                let (sum, n) = self.sums.iter().zip(times).fold((0.0, 0), add);
                sum / n as f64
            }
            Statistic::Median => {
                let n: usize = self.sums.iter().zip(times).map(|(&(_, count), &times)| count * times).sum();
                (self.ranked((n - 1) / 2, times) + self.ranked(n / 2, times)) / 2.0
            }
        }
    }

    /// The score of this rank, from 0, among all that count.
    fn ranked(&self, rank: usize, times: &[usize]) -> f64 {
        let mut passed = 0;
        let found = self.ordered.iter().find(|&&(_, place)| {
            passed += times[place];
            passed > rank
        });
        found.map_or(f64::NAN, |&(score, _)| score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_that_are_drawn_twice_count_twice() {
        let sample = Sample::new([(7, 1.0), (3, 5.0), (7, 3.0), (9, f64::NAN)]);
        assert_eq!(sample.seeds(), [3, 7]);
        assert_eq!(sample.statistic(Statistic::Mean, &[1, 1]), 3.0);
        assert_eq!(sample.statistic(Statistic::Median, &[1, 1]), 3.0);
        // 5, 5, 1, 3 and 1, 3, 1, 3.
        assert_eq!(sample.statistic(Statistic::Mean, &[2, 1]), 3.5);
        assert_eq!(sample.statistic(Statistic::Median, &[2, 1]), 4.0);
        assert_eq!(sample.statistic(Statistic::Median, &[0, 2]), 2.0);
    }
}
