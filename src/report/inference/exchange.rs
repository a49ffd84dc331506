//! The test: runs of both sides are exchanged, and the best cell is picked again.

use std::cmp::Ordering;

use super::arrangement::{Arrangements, Swap, seed};
use super::pool::Pool;
use super::run::Run;

/// Most exchanges that are drawn. If there are no more than this, all are enumerated.
pub(super) const EXCHANGES: usize = 20_000;

/// Drawing stops after this many exchanges that are as extreme: p is then known to a tenth of its value (Besag &
/// Clifford 1991).
const ENOUGH: usize = 100;

/// The p of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tested {
    pub p: f64,
    /// Whether all exchanges were enumerated.
    pub exact: bool,
}

/// Returns the smallest one-sided p that a test can have with `n` pairs, or `n` seeds on the smaller side. If a run of
/// either side is equally likely to be the better one, all n of one side are better than all of the other with
/// probability at most 2⁻ⁿ, whatever both distributions are.
pub(crate) fn least_p(n: usize) -> f64 {
    0.5_f64.powi(n as i32)
}

/// Returns the same, given how many exchanges are enumerated or drawn.
pub(crate) fn least_found(n: usize) -> f64 {
    let drawn = if 2_f64.powi(n as i32) > EXCHANGES as f64 { 1.0 / (EXCHANGES as f64 + 1.0) } else { 0.0 };
    least_p(n).max(drawn)
}

/// Returns the one-sided p for the first of `cells`, the best of them, being better than `other` in the metric at this
/// position of the ranking; 1 if it is not ahead.
///
/// If the sides have common seeds, the two runs of each are exchanged or not; otherwise all runs are dealt to the sides
/// again. An exchange is made in all cells at once. Then the best cell is picked in the same way as before, and its
/// statistic is compared with that of the cell that was picked. So p accounts for the chance that one of many equal
/// cells looks better.
pub(crate) fn is_better(cells: &[Vec<Run>], other: &[Run], metric: usize) -> Tested {
    let arrangements = Arrangements::of(cells, other, metric);
    let pools: Vec<Pool> = cells.iter().map(|cell| Pool::new(cell, other, metric, &arrangements)).collect();
    let mut picks = Picks::new(cells, other, &arrangements);
    let nothing = Tested { p: 1.0, exact: true };
    let Some(picked) = pools.first() else { return nothing };
    let observed = picked.statistic(&Swap::none(&arrangements));
    // A cell that is not ahead is not better: at least half of all exchanges are as extreme.
    let Some(observed) = observed else { return nothing };
    let least = least_p(picked.replicates());
    // Statistics of the same arrangement may differ by rounding.
    let bar = observed - 1e-9 * observed.abs().max(1.0);
    let mut is_extreme = |swap: &Swap| {
        let statistic = pools[picks.best(swap)].statistic(swap);
        statistic.is_some_and(|statistic| statistic >= bar)
    };
    let (mut extreme, mut count) = (0_usize, 0_usize);
    if let Some(all) = arrangements.all(EXCHANGES) {
        for swap in all {
            extreme += usize::from(is_extreme(&swap));
            count += 1;
        }
        return Tested { p: (extreme as f64 / count as f64).max(least), exact: true };
    }
    let seed = seed(pools.iter().flat_map(Pool::order));
    for swap in arrangements.drawn(seed).take(EXCHANGES) {
        extreme += usize::from(is_extreme(&swap));
        count += 1;
        if extreme == ENOUGH {
            return Tested { p: (extreme as f64 / count as f64).max(least), exact: false };
        }
    }
    Tested { p: ((extreme + 1) as f64 / (count + 1) as f64).max(least), exact: false }
}

/// Picks the best cell under an exchange as reports rank cells: by how many runs have no finite score, then by the mean
/// of the first metric, with ties broken by the next. Each value is relative to the other side under the exchange.
pub(super) struct Picks {
    /// For each metric, what each slot adds when it is exchanged, cell by cell.
    moves: Vec<Vec<Sums>>,
    cells: usize,
    /// For each metric and cell, its sums when nothing is exchanged, and its sums together with the other side's.
    start: Vec<Vec<(Sums, Sums)>>,
    /// For each metric, how much means may differ by rounding.
    rounding: Vec<f64>,
    sums: Vec<Sums>,
}

/// The sum and number of finite values, and the number of runs without one.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    sum: f64,
    n: f64,
    missing: f64,
}

impl Sums {
    fn add(&mut self, quality: Option<f64>, sign: f64) {
        match quality.filter(|quality| quality.is_finite()) {
            Some(quality) => {
                self.sum += sign * quality;
                self.n += sign;
            }
            None => self.missing += sign,
        }
    }

    fn join(&mut self, other: Sums) {
        self.sum += other.sum;
        self.n += other.n;
        self.missing += other.missing;
    }

    fn mean(self) -> f64 {
        if self.n > 0.0 { self.sum / self.n } else { f64::NEG_INFINITY }
    }
}

impl Picks {
    pub(super) fn new(cells: &[Vec<Run>], other: &[Run], arrangements: &Arrangements) -> Picks {
        let metrics = cells.iter().flatten().chain(other).map(|run| run.quality.len()).max().unwrap_or(0);
        let mut moves = vec![vec![Sums::default(); arrangements.slots() * cells.len()]; metrics];
        let mut start = vec![Vec::new(); metrics];
        for (place, cell) in cells.iter().enumerate() {
            for metric in 0..metrics {
                let (mut ours, mut both) = (Sums::default(), Sums::default());
                for (run, sign) in cell.iter().map(|run| (run, -1.0)).chain(other.iter().map(|run| (run, 1.0))) {
                    let quality = run.quality[metric];
                    both.add(quality, 1.0);
                    if sign < 0.0 {
                        ours.add(quality, 1.0);
                    }
                    let partner = |run: &Run| arrangements.is_moved(run.seed, cell, other);
                    if let Some(slot) = arrangements.slot(run.seed, sign < 0.0).filter(|_| partner(run)) {
                        moves[metric][slot * cells.len() + place].add(quality, sign);
                    }
                }
                start[metric].push((ours, both));
            }
        }
        let size = |metric: usize| {
            let known = cells.iter().flatten().chain(other).filter_map(|run| run.quality[metric]);
            known.filter(|quality| quality.is_finite()).fold(0.0_f64, |size, quality| size.max(quality.abs()))
        };
        let rounding = (0..metrics).map(|metric| 1e-12 * size(metric)).collect();
        Picks { moves, cells: cells.len(), start, rounding, sums: Vec::new() }
    }

    /// Returns the index of the best cell.
    pub(super) fn best(&mut self, swap: &Swap) -> usize {
        if self.cells == 1 {
            return 0;
        }
        let Some(start) = self.start.first() else { return 0 };
        self.sums.clear();
        self.sums.extend(start.iter().map(|(ours, _)| *ours));
        swap.exchanged().for_each(|slot| {
            let row = &self.moves[0][slot * self.cells..][..self.cells];
            self.sums.iter_mut().zip(row).for_each(|(sums, moved)| sums.join(*moved));
        });
        let mut best = (0, self.rank(0, 0, self.sums[0]));
        for cell in 1..self.cells {
            let rank = self.rank(0, cell, self.sums[cell]);
            let is_ahead = match rank.0.total_cmp(&best.1.0).then(self.order(0, rank.1, best.1.1)) {
                Ordering::Greater => true,
                Ordering::Equal => self.breaks_tie(swap, cell, best.0),
                Ordering::Less => false,
            };
            if is_ahead {
                best = (cell, rank);
            }
        }
        best.0
    }

    /// Returns how many fewer runs a cell misses, then its advantage in the mean; larger is better.
    fn rank(&self, metric: usize, cell: usize, ours: Sums) -> (f64, f64) {
        let (_, both) = self.start[metric][cell];
        let theirs = Sums { sum: both.sum - ours.sum, n: both.n - ours.n, missing: both.missing - ours.missing };
        let advantage = ours.mean() - theirs.mean();
        (theirs.missing - ours.missing, if advantage.is_nan() { 0.0 } else { advantage })
    }

    /// Whether a cell that ties with another in the first metric is ahead of it in the next ones.
    fn breaks_tie(&self, swap: &Swap, cell: usize, best: usize) -> bool {
        let advantage = |metric: usize, cell: usize| {
            let mut sums = self.start[metric][cell].0;
            for slot in swap.exchanged() {
                sums.join(self.moves[metric][slot * self.cells + cell]);
            }
            self.rank(metric, cell, sums).1
        };
        let mut orders =
            (1..self.start.len()).map(|metric| self.order(metric, advantage(metric, cell), advantage(metric, best)));
        orders.find(|order| order.is_ne()).is_some_and(Ordering::is_gt)
    }

    /// Orders two advantages. Those that differ only by rounding are equal.
    fn order(&self, metric: usize, a: f64, b: f64) -> Ordering {
        if (a - b).abs() <= self.rounding[metric] {
            Ordering::Equal
        } else {
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns runs with the seeds from `first` on.
    fn side(first: u64, scores: &[f64]) -> Vec<Run> {
        (first..).zip(scores).map(|(seed, &score)| Run { seed, quality: vec![Some(score)] }).collect()
    }

    /// Returns both one-sided p: for ours being better, and for theirs.
    fn both(ours: &[Run], theirs: &[Run]) -> (Tested, Tested) {
        (is_better(&[ours.to_vec()], theirs, 0), is_better(&[theirs.to_vec()], ours, 0))
    }

    fn close(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-12
    }

    #[test]
    fn pairs_agree_with_scipy() {
        // scipy.stats.permutation_test((a, b), statistic, permutation_type="samples", n_resamples=numpy.inf,
        // alternative="greater", vectorized=False), with statistic(a, b): R = rankdata([a, b]); Z = (R[:n] -
        // rankdata(a)) / n - (R[n:] - rankdata(b)) / n; Z.mean() / 2 / sqrt(max(var(Z, ddof=1), 1 / n ** 2) / n)
        for (a, b, better) in PAIRS {
            let (found, other) = both(&side(0, a), &side(0, b));
            assert!(close(found.p, *better) && other.p == 1.0 && found.exact, "{found:?}, {other:?}");
        }
    }

    /// Scores of both sides, the first of which is ahead, and its p.
    type Case = (&'static [f64], &'static [f64], f64);

    const PAIRS: &[Case] = &[
        (&[7.1, 7.4, 6.9, 7.7, 7.0, 6.2, 8.0], &[6.2, 6.9, 5.8, 7.0, 6.1, 6.5, 7.4], 0.015625),
        (&[8.0, 8.0, 7.0, 8.0, 2.0, 8.0, 8.0, 6.0], &[8.0, 2.0, 7.0, 8.0, 2.0, 7.0, 5.0, 6.0], 0.125),
        (&[0.8, 1.1, 1.0, 0.9, 1.05], &[0.3, 1.2, 0.9, 4.1, 0.2], 0.375),
    ];

    #[test]
    fn sides_without_a_common_seed_agree_with_scipy() {
        // The same with permutation_type="independent", pa = (R[:n] - rankdata(a)) / m, pb = (R[n:] - rankdata(b)) / n,
        // and the statistic (pa.mean() - 0.5) / sqrt(max(var(pa, ddof=1), 0.25 / m ** 2) / n + max(var(pb, ddof=1),
        // 0.25 / n ** 2) / m)
        for (a, b, better) in APART {
            let (found, other) = both(&side(0, a), &side(100, b));
            assert!(close(found.p, *better) && other.p == 1.0 && found.exact, "{found:?}, {other:?}");
        }
    }

    const APART: &[Case] = &[
        (&[7.1, 7.4, 6.9, 7.7], &[6.2, 6.95, 5.8, 7.0, 7.45], 0.1111111111111111),
        (&[8.0, 7.0, 8.0, 6.0, 7.5, 3.5], &[8.0, 4.0, 5.0, 2.0, 3.0, 7.0], 0.08333333333333333),
    ];

    #[test]
    fn drawn_exchanges_come_close_to_all_of_them() {
        // From all 65,536 exchanges, as in the test of pairs.
        let (a, b) = DRAWN.0;
        let found = is_better(&[side(0, a)], &side(0, b), 0);
        assert!(!found.exact && (found.p / DRAWN.1 - 1.0).abs() < 0.25, "{found:?}");
        assert_eq!(found, is_better(&[side(0, a)], &side(0, b), 0));
    }

    #[test]
    fn other_data_draw_other_exchanges_and_other_units_the_same() {
        let (a, b) = DRAWN.0;
        let seed_of = |a: &[f64], b: &[f64]| {
            let (a, b) = (side(0, a), side(0, b));
            seed(Pool::new(&a, &b, 0, &Arrangements::of(std::slice::from_ref(&a), &b, 0)).order())
        };
        let exp = |scores: &[f64]| scores.iter().map(|score| 1000.0 * score.exp()).collect::<Vec<f64>>();
        assert_eq!(seed_of(a, b), seed_of(&exp(a), &exp(b)));
        assert_eq!(is_better(&[side(0, a)], &side(0, b), 0), is_better(&[side(0, &exp(a))], &side(0, &exp(b)), 0));
        let mut other = a.to_vec();
        other.swap(0, 1);
        assert_ne!(seed_of(a, b), seed_of(&other, b));
        assert_ne!(seed_of(a, b), seed_of(b, a));
    }

    const DRAWN: ((&[f64], &[f64]), f64) = (
        (
            &[0.48, 1.81, 1.67, -0.06, 0.15, -0.08, 1.02, 0.39, 1.2, -1.4, 2.02, 0.35, 1.13, 0.31, 0.07, 0.91],
            &[1.07, -0.26, -0.2, 0.89, -1.13, -1.97, 0.51, -0.87, -2.5, -1.06, -0.61, -1.55, -1.94, 0.05, 1.17, -0.3],
        ),
        0.0043792724609375,
    );

    #[test]
    fn picking_is_paid_for_as_by_brute_force() {
        // All exchanges in numpy: signs s of seeds; the cell with the largest sum of s * (x - y); its statistic as in
        // the test of pairs.
        let cells: Vec<Vec<Run>> = CELLS.iter().map(|scores| side(0, scores)).collect();
        let found = is_better(&cells, &side(0, OTHER), 0);
        assert!(close(found.p, PICKED) && found.exact, "{found:?}");
        assert!(is_better(&cells[..1], &side(0, OTHER), 0).p < found.p);
    }

    const OTHER: &[f64] = &[-0.74, 0.38, 0.72, -0.3, 0.54, 1.04, -0.21, -0.81, 0.35];
    const CELLS: [&[f64]; 3] = [
        &[2.29, 1.72, 1.53, 1.3, 1.86, -0.43, 1.51, 1.5, -0.87],
        &[1.25, 0.65, 1.68, 0.46, 0.88, 1.24, 0.02, 1.5, 0.8],
        &[1.15, 2.0, -0.38, 0.24, 0.06, -0.83, 1.03, 1.43, 0.16],
    ];
    const PICKED: f64 = 0.0703125;

    #[test]
    fn complete_separation_has_the_least_p() {
        for n in [3, 6, 10] {
            let (low, high): (Vec<f64>, Vec<f64>) =
                ((0..n).map(f64::from).collect(), (50..50 + n).map(f64::from).collect());
            let expected = 0.5_f64.powi(n);
            assert!(close(is_better(&[side(0, &high)], &side(0, &low), 0).p, expected));
            assert!(close(is_better(&[side(0, &high)], &side(100, &low), 0).p, expected));
        }
    }

    #[test]
    fn cells_that_miss_more_are_picked_later_under_every_exchange() {
        // As above in numpy; the cell with the fewest −∞ less those of the other side, then by the means of the rest.
        let lost = f64::NEG_INFINITY;
        let cells = [side(0, &[1.5, -0.8, 0.2, 1.1, 2.5, 1.0, lost]), side(0, &[lost, -0.2, 2.2, lost, 2.8, 0.9, 0.0])];
        let found = is_better(&cells, &side(0, &[-1.5, -0.4, lost, 1.2, 0.3, -0.7, 0.5]), 0);
        assert!(found.exact && close(found.p, 0.273_437_5), "{found:?}");
    }

    #[test]
    fn means_that_rounding_tells_apart_are_equal() {
        // All 3,432 ways in numpy, with means rounded to 12 decimals: 5/7 − 3/7 is not 6/7 − 4/7 in floating point.
        let cells = [side(40, &[8.0, 6.0, 6.0, 6.0, 4.0, 6.0, 6.0]), side(40, &[5.0, 2.0, 3.0, 3.0, 3.0, 5.0, 3.0])];
        let found = is_better(&cells, &side(0, &[5.0, 6.0, 6.0, 6.0, 4.0, 3.0, 3.0]), 0);
        assert!(found.exact && close(found.p, TIED), "{found:?}");
    }

    const TIED: f64 = 0.091_200_466_200_466_21;

    #[test]
    fn without_a_common_seed_of_the_picked_cell_no_pairs_are_exchanged() {
        // All 1,287 ways to deal the runs of all seeds in numpy, as the tests above.
        let cells = [side(0, &[5.0, 3.0, 2.2, 7.0]), side(4, &[3.0, 5.5, 2.0, 6.5])];
        let found = is_better(&cells, &side(4, &[1.0, 4.5, 0.0, 3.5, 2.5]), 0);
        assert!(found.exact && close(found.p, APART_OF_TWO), "{found:?}");
    }

    const APART_OF_TWO: f64 = 0.201_243_201_243_201_25;

    #[test]
    fn few_runs_against_many_have_no_p_below_the_least() {
        // Of the 135,751 ways to deal them fewer than one in 64 are as extreme: drawing ends as soon as 100 are.
        let many: Vec<f64> = (0..40).map(|seed| -f64::from(seed)).collect();
        let (few, many) = (side(0, &[-10.0, -4.0, -8.0, -2.0]), side(100, &many));
        let found = is_better(&[few], &many, 0);
        assert_eq!((found.p, found.exact), (least_p(4), false));
    }

    #[test]
    fn lost_runs_are_the_worst_and_equal_to_each_other() {
        let lost = f64::NEG_INFINITY;
        let (some, none) = (side(0, &[1.0, 2.0, 3.0, 4.0, 5.0, lost, lost, lost]), side(0, &[1.5; 8]));
        let finite = side(0, &[1.0, 2.0, 3.0, 4.0, 5.0, -9.0, -9.0, -9.0]);
        assert_eq!(both(&some, &none), both(&finite, &none));
        let all = side(0, &[lost; 8]);
        assert_eq!(both(&all, &all).0.p, 1.0);
        assert!(close(both(&none, &all).0.p, 1.0 / 256.0));
    }

    #[test]
    fn only_seeds_that_both_have_count() {
        let mut ours = side(0, &[5.0, 6.0, 7.0, 8.0, 9.0, 7.5, 6.5]);
        let theirs = side(1, &[1.0, 6.5, 3.0, 4.0, 8.0, 2.0, 100.0]);
        let kept = both(&ours[1..], &theirs[..6]);
        assert_eq!(both(&ours, &theirs), kept);
        ours[0].quality = vec![None];
        assert_eq!(both(&ours, &theirs), kept);
    }

    #[test]
    fn ties_are_picked_by_the_next_metric() {
        let run = |seed: u64, main: f64, next: f64| Run { seed, quality: vec![Some(main), Some(next)] };
        let cell = |next: f64| (0..6).map(|seed| run(seed, 8.0, next + seed as f64 / 10.0)).collect::<Vec<_>>();
        let (good, bad) = (cell(2.0), cell(1.0));
        let arrangements = Arrangements::of(&[bad.clone(), good.clone()], &bad, 1);
        let mut picks = Picks::new(&[bad.clone(), good], &bad, &arrangements);
        assert_eq!(picks.best(&Swap::none(&arrangements)), 1);
        let all = arrangements.all(64).unwrap().last().unwrap();
        assert_eq!(picks.best(&all), 0);
    }
}
