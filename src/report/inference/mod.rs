//! What a few seeds allow to be said. How often it is wrong, and for whom: docs/statistics.md.
//!
//! **Replicates are seeds.** A seed fixes initial weights, noise and the order of the data, so runs of one seed are matched: of two cells
//! the seeds that both have are compared in pairs, in the test and in the interval alike, and the others are left out. Only
//! sides without a common seed are compared without pairs. Jobs of different cells are no replicates of each other; where a statistic is of a
//! whole variant, all its jobs of a seed count as one replicate.
//!
//! **What is claimed** is the chance that a run of the one scores better than a run of the other, ties counted half ([`chance`]; in machine
//! learning the probability of improvement of Agarwal et al. 2021, arXiv:2108.13264). Better means above ½, and the test is of ½.
//! No claim is made about means: scores of GANs have shapes (eight modes or two; a long tail) with which any test of means errs at ten
//! or twenty seeds. A run that diverged, or whose score is not finite, is worse than any that has one, and as good as another such run.
//!
//! **Tests** ([`exchange`]). The runs of each seed are exchanged between the sides or not, in all ways or in many drawn ones, and the chance, over
//! its standard error (Konietschke & Pauly 2012; without pairs Neubert & Brunner 2007), is compared with that of each exchange. The test
//! is exact where both sides are distributed alike, and being studentised stays near its level where only the chance is ½. Its far tail, which corrections for many
//! comparisons look at, is safe as well: of sides with a chance of ½ all n runs of one are better than all of the other with probability
//! 2⁻ⁿ at most, and no p is below that.
//!
//! **Selection.** A cell that was picked as the best of k by the same scores looks better than it is. In each exchange, which is made in all
//! cells at once, the best cell is picked anew, and its statistic counts. (Shuffling all runs of a seed among all cells instead would be
//! exact where all are alike, but wrong up to three times as often where the cells vary more than the baseline.) The picked cell's mean is
//! flattered all the same; the interval of its chance is made to hold for all k cells at once.
//!
//! **Many comparisons.** Holm's step-down correction (Holm 1979) over all comparisons of a sweep: the probability of a single wrong "better" or
//! "worse" in all of them is at most 5 %, however they depend on each other. Comparisons of runs that are all equal cannot be
//! wrong, and do not count (Tarone 1990).
//!
//! **Intervals** are of 95 %, each for itself. That of a chance is Wilson's with Student's quantile and as many comparisons as have the
//! variance of the estimate; it is shown from [`chance::REPLICATES`] seeds on. That of an interquartile mean is by bootstrap over seeds with
//! percentiles that are widened for small n (Hesterberg 2015, *What Teachers Should Know About the Bootstrap*, §3.3), from
//! [`bootstrap::SEEDS`] seeds on. Rates have Wilson's. Means have none: with shapes like these none holds what it
//! says. Nor has the best of several scores: the bootstrap is not consistent for a maximum (Bickel & Freedman 1981).

mod arrangement;
pub(super) mod best_of;
pub(super) mod bootstrap;
pub(super) mod chance;
pub(super) mod closed;
pub(super) mod exchange;
pub(super) mod holm;
mod pool;
pub(super) mod rate;
pub(super) mod run;
pub(super) mod sample;
pub(super) mod sequence;

/// The level of all tests.
pub(super) const LEVEL: f64 = 0.05;

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
