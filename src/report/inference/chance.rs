//! The chance that a run of one side scores higher than a run of the other, with its interval.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Interval, LEVEL};

/// Least replicates for an interval: seeds of pairs, or seeds of each side.
pub(crate) const REPLICATES: usize = 6;

/// A variance below this comes from rounding: shares of a million runs differ by at least 1e-6.
const ROUNDING: f64 = 1e-20;

/// An estimated chance; ties count half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Chance {
    /// From 0 to 1.
    pub value: f64,
    /// The variance of the estimate.
    error: f64,
    /// Replicates: pairs, or seeds of the smaller side.
    n: usize,
    /// Degrees of freedom of the variance.
    degrees: f64,
}

/// The scores of one side, grouped by seed; they may be infinite.
type Seeds = [Vec<f64>];

impl Chance {
    /// Estimates the chance that a score of `left` is higher than one of `right`; both have the same seeds in the same
    /// order. `None` without any. The variance is that of the seeds' placements, so it includes effects of a seed on
    /// both sides (Munzel 1999; Konietschke & Pauly 2012).
    pub(crate) fn of_pairs(left: &Seeds, right: &Seeds) -> Option<Chance> {
        let (ours, theirs) = (placements(left, right), placements(right, left));
        let n = left.len();
        let value = mean(&ours)?;
        let together: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect();
        Some(Chance { value, error: variance(&together) / n as f64, n, degrees: n as f64 - 1.0 })
    }

    /// Estimates the same for sides without common seeds (Brunner & Munzel 2000).
    pub(crate) fn apart(left: &Seeds, right: &Seeds) -> Option<Chance> {
        let (ours, theirs) = (placements(left, right), placements(right, left));
        let value = mean(&ours)?;
        let (n, m) = (left.len() as f64, right.len() as f64);
        let (a, b) = (variance(&ours) / n, variance(&theirs) / m);
        let least = left.len().min(right.len());
        let (error, spread) = (a + b, a * a / (n - 1.0) + b * b / (m - 1.0));
        let degrees = if spread > 0.0 { error * error / spread } else { least as f64 - 1.0 };
        Some(Chance { value, error, n: least, degrees })
    }

    /// Estimates the chance that a score of `side` is above a number.
    pub(crate) fn above(side: &Seeds, number: f64) -> Option<Chance> {
        let shares: Vec<f64> = side
            .iter()
            .map(|scores| scores.iter().map(|&s| ahead(s, number)).sum::<f64>() / scores.len() as f64)
            .collect();
        let n = shares.len();
        Some(Chance { value: mean(&shares)?, error: variance(&shares) / n as f64, n, degrees: n as f64 - 1.0 })
    }

    /// Returns its 95 % interval.
    pub(crate) fn interval(&self) -> Option<Interval> {
        self.interval_of_best(1, 1)
    }

    /// Returns its interval if the left side was picked as the best of `left` cells by these scores, and the right side
    /// as the best of `right`. It holds for all possible picks at once, so its end is further away on the side that
    /// picking favours.
    ///
    /// It is Wilson's interval (1927) with Student's quantile, for as many independent comparisons as would give the
    /// variance of the estimate. It assumes at least one per replicate, which also covers a variance of 0.
    pub(crate) fn interval_of_best(&self, left: usize, right: usize) -> Option<Interval> {
        self.interval_at(LEVEL, left, right)
    }

    /// Returns the same interval with error probability `level`.
    pub(crate) fn interval_at(&self, level: f64, left: usize, right: usize) -> Option<Interval> {
        if self.n < REPLICATES {
            return None;
        }
        let student = StudentsT::new(0.0, 1.0, self.degrees).ok()?;
        let binomial = self.value * (1.0 - self.value);
        let n = if self.error > 0.0 { (binomial / self.error).max(self.n as f64) } else { self.n as f64 };
        let end = |of: usize| {
            let t = student.inverse_cdf(1.0 - level / 2.0 / of as f64);
            let (t2, half) = (t * t / n, t * (binomial / n + t * t / (4.0 * n * n)).sqrt());
            ((self.value + t2 / 2.0 - half) / (1.0 + t2), (self.value + t2 / 2.0 + half) / (1.0 + t2))
        };
        Some(Interval { low: end(left).0.max(0.0), high: end(right).1.min(1.0) })
    }
}

/// Returns 1 if `a` is higher, ½ if both are equal, otherwise 0.
fn ahead(a: f64, b: f64) -> f64 {
    if a > b {
        1.0
    } else if a == b {
        0.5
    } else {
        0.0
    }
}

/// Returns for each seed of `of` the share of the scores of `among` that its scores are ahead of; each seed has the
/// same weight.
fn placements(of: &Seeds, among: &Seeds) -> Vec<f64> {
    let seeds = among.iter().flat_map(|scores| scores.iter().map(|&score| (score, 1.0 / scores.len() as f64)));
    let mut sorted: Vec<(f64, f64)> = seeds.collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = vec![0.0];
    below.extend(sorted.iter().scan(0.0, |sum, (_, weight)| {
        *sum += weight;
        Some(*sum)
    }));
    let place = |score: f64| {
        let (less, upto) = (sorted.partition_point(|s| s.0 < score), sorted.partition_point(|s| s.0 <= score));
        (below[less] + below[upto]) / 2.0 / among.len() as f64
    };
    of.iter().map(|scores| scores.iter().map(|&score| place(score)).sum::<f64>() / scores.len() as f64).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// Returns the sample variance (n − 1) of values from −1 to 1; 0 for a single one, and for values that differ only by
/// rounding.
fn variance(values: &[f64]) -> f64 {
    let Some(mean) = mean(values) else { return 0.0 };
    let variance =
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0).max(1.0);
    if variance < ROUNDING { 0.0 } else { variance }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(scores: &[f64]) -> Vec<Vec<f64>> {
        scores.iter().map(|&score| vec![score]).collect()
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-9
    }

    #[test]
    fn chances_agree_with_scipy() {
        // scipy.stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)); with p that, the error is ((p - 0.5) /
        // scipy.stats.brunnermunzel(b, a).statistic) ** 2, and with the degrees of freedom 2 *
        // scipy.stats.t.sf(statistic, degrees) is the p of that test, 0.0872470100718867.
        let (a, b) = ([7.1, 7.4, 6.9, 7.7, 7.0, 6.2], [6.2, 6.9, 5.8, 7.0, 6.1, 6.5, 7.4]);
        let found = Chance::apart(&single(&a), &single(&b)).unwrap();
        assert!(
            close(found.value, APART.0) && close(found.error, APART.1) && close(found.degrees, APART.2),
            "{found:?}"
        );
        let lost = [7.1, f64::NEG_INFINITY, 6.9];
        assert!(close(Chance::apart(&single(&lost), &single(&lost)).unwrap().value, 0.5));
    }

    /// Value, variance and degrees of freedom.
    const APART: (f64, f64, f64) = (0.7619047619047619, 0.01946334089191231, 10.994162147224428);

    #[test]
    fn pairs_agree_with_ranks() {
        // With R the midranks among both and R1, R2 those within each side (scipy.stats.rankdata):
        // value (R[:n].mean() - R[n:].mean()) / (2 * n) + 0.5; variance numpy.var((R[:n] - R1) / n - (R[n:] - R2) / n,
        // ddof=1) / n
        let (a, b) = ([7.1, 7.4, 6.9, 7.7, 7.0, 6.2, 8.0], [6.2, 6.9, 5.8, 7.0, 6.1, 6.5, 7.4]);
        let found = Chance::of_pairs(&single(&a), &single(&b)).unwrap();
        assert!(close(found.value, PAIRS.0) && close(found.error, PAIRS.1), "{found:?}");
    }

    /// Value and variance.
    const PAIRS: (f64, f64) = (0.7959183673469388, 0.006976259891711787);

    #[test]
    fn the_interval_is_wilsons_where_replicates_are_all_there_is() {
        // scipy.stats.binomtest is of the normal quantile; with t = scipy.stats.t.ppf(0.975, 9), all ten ahead: 10 /
        // (10 + t ** 2).
        let (high, low) = (single(&[2.0; 10]), single(&[1.0; 10]));
        let found = Chance::of_pairs(&high, &low).unwrap().interval().unwrap();
        assert!(close(found.low, 0.661_491_377_339_816_7) && close(found.high, 1.0), "{found:?}");
        let found = Chance::above(&high, 2.0).unwrap().interval().unwrap();
        assert!(close(found.low + found.high, 1.0) && found.low < 0.25, "{found:?}");
        assert_eq!(Chance::of_pairs(&high[..5], &low[..5]).unwrap().interval(), None);
    }

    #[test]
    fn all_jobs_of_a_seed_are_one_replicate() {
        let twice: Vec<Vec<f64>> = [3.0, 1.0, 4.0, 1.5, 5.0, 9.0].iter().map(|&score| vec![score, score]).collect();
        let once = single(&[3.0, 1.0, 4.0, 1.5, 5.0, 9.0]);
        let other = single(&[2.0, 0.5, 4.5, 1.0, 6.0, 7.0]);
        assert_eq!(Chance::of_pairs(&twice, &other), Chance::of_pairs(&once, &other));
    }

    #[test]
    fn equal_jobs_have_as_many_degrees_of_freedom_as_seeds() {
        // Shares of three and of seven jobs, which do not add up to 1 exactly; Wilson's with scipy.stats.t.ppf(0.975,
        // 6) and n = 7.
        let jobs = |seeds: usize, jobs: usize| vec![vec![1.0; jobs]; seeds];
        for (left, right) in [(jobs(7, 1), jobs(7, 3)), (jobs(7, 3), jobs(9, 7)), (jobs(8, 6), jobs(7, 7))] {
            let found = Chance::apart(&left, &right).unwrap().interval().unwrap();
            assert!(close(found.low, 0.160_509_524_283_139_4) && close(found.low + found.high, 1.0), "{found:?}");
        }
    }

    #[test]
    fn a_picked_side_has_a_lower_lower_end() {
        let (a, b) = (single(&[3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.2]), single(&[2.0, 0.5, 4.5, 1.0, 6.0, 7.0, 1.2]));
        let chance = Chance::of_pairs(&a, &b).unwrap();
        let (plain, picked) = (chance.interval().unwrap(), chance.interval_of_best(4, 1).unwrap());
        assert!(picked.low < plain.low && picked.high == plain.high, "{plain:?}, {picked:?}");
    }
}
