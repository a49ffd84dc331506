//! What a few seeds allow to be said.
//!
//! **Replicates are seeds.** A seed fixes initial weights, noise and the order of the data, so runs of one seed are matched, and two cells
//! with the same seeds are compared pair by pair. Jobs of different cells are no replicates of each other; where a statistic is of a
//! whole variant, its jobs are resampled seed by seed, all cells of a seed together.
//!
//! **Tests.** For pairs the exact sign-flip test (Fisher 1935, *The Design of Experiments*, §21): under the null hypothesis each
//! difference is as likely with the other sign. It assumes nothing else, but of n pairs its p is a multiple of 2/2ⁿ, so five seeds never
//! reach 0.05, and a correction for many comparisons asks for more. From [`paired::EXACT`] pairs on, the paired t-test takes its place:
//! with ten differences its level is near the nominal one unless they are very skewed, and its p can be as small as the data are
//! clear. Without pairs, the exact permutation test of Welch's t (Janssen 1997; Chung & Romano 2013): exact where both are distributed
//! alike, and in the limit also where only the means are equal; and Welch's t-test where there are too many arrangements. Welch's test
//! is the one advised for runs over seeds by Colas, Sigaud & Oudeyer 2018 (arXiv:1806.08295).
//!
//! **Many comparisons.** Holm's step-down correction (Holm 1979) over all comparisons of a sweep: the chance of a single wrong "better" or
//! "worse" in all of them is at most 5 %, however they depend on each other.
//!
//! **Intervals.** The bootstrap over seeds, by percentiles that are widened for small n (Hesterberg 2015, *What Teachers Should Know
//! About the Bootstrap*, §3.3: "expanded percentiles"). Where seeds are paired they are drawn together. On normal data they cover 93 %
//! with 6 pairs and 95 % from 7 on, but 76 % with 3, whatever the percentiles, because no resample leaves the range of the data; so below
//! [`bootstrap::PAIRS`] pairs ([`bootstrap::EACH`] seeds on each side without pairs) there is none. For the best of several scores there is none
//! either: the bootstrap is not consistent for a maximum (Bickel & Freedman 1981). Rates have Wilson's interval (Wilson 1927), which is
//! sensible at 0 of n, too.
//!
//! **Selection.** A cell that was picked as the best of k by the same scores has its p multiplied by k (Bonferroni), before Holm's correction:
//! without it, the best of 36 equal cells "beats" a baseline in a fifth of all sweeps. Its mean and its interval are still flattered;
//! reports say so beside the numbers.

pub(super) mod best_of;
pub(super) mod bootstrap;
pub(super) mod holm;
pub(super) mod paired;
pub(super) mod sample;
pub(super) mod unpaired;
pub(super) mod wilson;

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
