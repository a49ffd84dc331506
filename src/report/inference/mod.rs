//! What a few seeds allow us to conclude. docs/statistics.md says how often it is wrong, and in which cases.
//!
//! **Replicates are seeds.** A seed fixes initial weights, noise and the order of the data, so runs with the same seed
//! are matched. Of two cells, the seeds that both have are compared in pairs, in the test and in the interval, and the
//! others are left out. Only sides without a common seed are compared unpaired. Jobs of different cells are not
//! replicates of each other; if a statistic covers a whole variant, all its jobs with the same seed count as one
//! replicate.
//!
//! **The claim** is about the chance that a run of one side scores better than a run of the other, where ties count
//! half ([`chance`]; in machine learning, the probability of improvement of Agarwal et al. 2021, arXiv:2108.13264).
//! Better means above ½, and the test is of ½. Nothing is claimed about means: GAN scores have distributions (eight
//! modes or two; a long tail) for which any test of means errs at ten or twenty seeds. A run that diverged or has no
//! finite score is worse than any run with one, and ties with another such run.
//!
//! **Tests** ([`exchange`]). The runs of each seed are exchanged between the sides or not, in all ways or in many
//! random ones. The chance, divided by its standard error (Konietschke & Pauly 2012; unpaired: Neubert & Brunner 2007),
//! is compared with that of each exchange. The test is exact if both sides have the same distribution. Because it is
//! studentised, it stays near its level if only the chance is ½. Its far tail, on which corrections for many
//! comparisons rely, is safe as well: if the chance is ½, all n runs of one side are better than all of the other with
//! probability at most 2⁻ⁿ, and no p is below that.
//!
//! **Selection.** A cell that was picked as the best of k by the same scores looks better than it is. Each exchange is
//! made in all cells at once, then the best cell is picked again, and its statistic counts. (Shuffling all runs of a
//! seed among all cells would be exact if all are alike, but wrong up to three times as often if the cells vary more
//! than the baseline.) The picked cell's mean still looks too good; the interval of its chance holds for all k cells at
//! once.
//!
//! **Many comparisons.** Holm's step-down correction (Holm 1979) covers all comparisons of a sweep: the probability of
//! a single wrong "better" or "worse" among them is at most 5 %, however they depend on each other. Comparisons of runs
//! that are all equal cannot be wrong and do not count (Tarone 1990).
//!
//! **Intervals** are 95 % intervals, not corrected for several comparisons. For a chance it is Wilson's, with Student's
//! quantile and as many comparisons as give the variance of the estimate, shown from [`chance::REPLICATES`] seeds on.
//! For an interquartile mean it is a bootstrap over seeds with percentiles widened for small n (Hesterberg 2015, *What
//! Teachers Should Know About the Bootstrap*, §3.3), from [`bootstrap::SEEDS`] seeds on. Rates have Wilson's. Means
//! have none: with distributions like these, none would hold at 95 %. The best of several scores has none either: the
//! bootstrap is not consistent for a maximum (Bickel & Freedman 1981).

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

/// The significance level of all tests.
pub(super) const LEVEL: f64 = 0.05;

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}
