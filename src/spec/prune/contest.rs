//! Decides which cells of a variant continue at each rung, based on their results so far.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::super::metric::Direction;
use super::{Prune, Rule};

/// The results of a cell at a rung, over all its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Number of seeds without a finite score there: they diverged, failed or were cancelled before, or the score is
    /// not finite.
    pub missing: usize,
    /// The mean over the other seeds; NaN if there are none.
    pub mean: f64,
}

/// The decision at a rung.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The step.
    pub step: u64,
    /// The cells that reached the rung, best first, with their results.
    pub order: Vec<(usize, Standing)>,
    /// How many of them continue; the others are stopped.
    pub go_on: usize,
}

impl Rung {
    /// Returns the cells that are stopped here, with their places from 1.
    pub fn stopped(&self) -> impl Iterator<Item = (usize, usize)> {
        self.order.iter().enumerate().skip(self.go_on).map(|(place, (cell, _))| (*cell, place + 1))
    }

    /// Returns the cells that continue.
    pub fn surviving(&self) -> impl Iterator<Item = usize> {
        self.order.iter().take(self.go_on).map(|(cell, _)| *cell)
    }
}

impl Standing {
    /// Summarises these scores, one per seed.
    pub fn of(scores: impl IntoIterator<Item = Option<f64>>) -> Standing {
        let (mut missing, mut sum, mut n) = (0, 0.0, 0.0);
        for score in scores {
            match score.filter(|score| score.is_finite()) {
                Some(score) => (sum, n) = (sum + score, n + 1.0),
                None => missing += 1,
            }
        }
        Standing { missing, mean: sum / n }
    }

    /// Orders the better one first: as in reports, fewer missing seeds are better, then the mean decides.
    fn compare(&self, other: &Standing, better: Direction) -> Ordering {
        let by_mean = match better {
            Direction::Higher => other.mean.total_cmp(&self.mean),
            Direction::Lower => self.mean.total_cmp(&other.mean),
        };
        // A mean is NaN only if all seeds are missing.
        self.missing.cmp(&other.missing).then(by_mean)
    }
}

/// Returns the rungs that are decided, for a variant with this number of `cells` to compare and of `steps`. A rung is
/// decided once the results of all cells that reached it are complete. `at` returns the results of a cell at a step, or
/// `None` if they are not complete.
pub fn ladder(prune: &Prune, steps: u64, cells: usize, at: impl Fn(usize, u64) -> Option<Standing>) -> Vec<Rung> {
    let mut alive: Vec<usize> = (0..cells).collect();
    let mut rungs: Vec<Rung> = Vec::new();
    for step in prune.rule.rungs(steps) {
        if alive.len() <= prune.keep {
            break;
        }
        let Some(standings) = alive.iter().map(|&cell| Some((cell, at(cell, step)?))).collect::<Option<Vec<_>>>()
        else {
            break;
        };
        let rung = decide(prune, step, standings, &rungs);
        alive = rung.surviving().collect();
        alive.sort_unstable();
        rungs.push(rung);
    }
    rungs
}

impl Prune {
    /// Returns how many of `cells` are left after each rung, if that follows from the rule alone. After the last of
    /// these rungs, no cell is stopped.
    pub fn left(&self, cells: usize, steps: u64) -> Option<Vec<usize>> {
        let Rule::Halving { eta, .. } = self.rule else { return None };
        let next = |cells: usize| cells.div_ceil(eta as usize).max(self.keep);
        let left = self.rule.rungs(steps).into_iter().scan(cells, |cells, _| {
            (*cells > self.keep).then(|| {
                *cells = next(*cells);
                *cells
            })
        });
        Some(left.collect())
    }

    /// Returns the step at which cells are compared next, after `decided` rungs that leave `alive` cells; `None` if all
    /// continue to the end.
    pub fn next(&self, steps: u64, decided: usize, alive: usize) -> Option<u64> {
        if alive <= self.keep { None } else { self.rule.rungs(steps).get(decided).copied() }
    }
}

fn decide(prune: &Prune, step: u64, mut order: Vec<(usize, Standing)>, before: &[Rung]) -> Rung {
    // The sort is stable: of equal cells, the first in the file continues.
    order.sort_by(|(_, a), (_, b)| a.compare(b, prune.better));
    let go_on = match prune.rule {
        Rule::Halving { eta, .. } => order.len().div_ceil(eta as usize),
        Rule::Median { .. } => {
            let passes: BTreeSet<usize> = above_median(prune, &order, before).into_iter().collect();
            // Those that pass come first, in their order.
            order.sort_by_key(|(cell, _)| !passes.contains(cell));
            passes.len()
        }
    };
    Rung { step, go_on: go_on.max(prune.keep).min(order.len()), order }
}

/// Returns the cells whose best result so far is not worse than the median of the others' averages so far, including
/// stopped cells.
fn above_median(prune: &Prune, now: &[(usize, Standing)], before: &[Rung]) -> Vec<usize> {
    // The results of each cell at the rungs so far.
    let mut history: BTreeMap<usize, Vec<Standing>> = BTreeMap::new();
    for (cell, standing) in before.iter().flat_map(|rung| &rung.order).chain(now) {
        history.entry(*cell).or_default().push(*standing);
    }
    let average = |of: &[Standing]| {
        let missing = of.iter().map(|standing| standing.missing).max().unwrap_or(0);
        let finite = || of.iter().map(|standing| standing.mean).filter(|mean| mean.is_finite());
        Standing { missing, mean: finite().sum::<f64>() / finite().count() as f64 }
    };
    let better = |a: &Standing, b: &Standing| a.compare(b, prune.better);
    let mut averages: Vec<(usize, Standing)> = history.iter().map(|(cell, of)| (*cell, average(of))).collect();
    averages.sort_by(|(_, a), (_, b)| better(a, b));
    let places: BTreeMap<usize, usize> = averages.iter().enumerate().map(|(place, (cell, _))| (*cell, place)).collect();
    let passes = |cell: usize| {
        // For an even number of others, take the worse of the middle two: a cell between them is not worse than the
        // median.
        let middle = (averages.len() - 1) / 2;
        let own = *places.get(&cell)?;
        let (_, median) = averages.get(if own <= middle { middle + 1 } else { middle })?;
        let best = history.get(&cell)?.iter().min_by(|a, b| better(a, b))?;
        (better(best, median) != Ordering::Greater).then_some(cell)
    };
    now.iter().filter_map(|(cell, _)| passes(*cell)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    fn prune(rule: Rule, keep: usize) -> Prune {
        Prune { metric: Metric::ModesCovered.into(), better: Direction::Higher, rule, keep }
    }

    /// Returns the decisions if the cells have these scores at the rungs, with one seed each.
    fn decided(prune: &Prune, steps: u64, scores: &[&[f64]]) -> Vec<(u64, Vec<usize>)> {
        let rungs = prune.rule.rungs(steps);
        let at = |cell: usize, step: u64| {
            let rung = rungs.iter().position(|rung| *rung == step).unwrap();
            scores[cell].get(rung).map(|&score| Standing::of([Some(score)]))
        };
        let stopped = |rung: &Rung| rung.stopped().map(|(cell, _)| cell).collect();
        ladder(prune, steps, scores.len(), at).iter().map(|rung| (rung.step, stopped(rung))).collect()
    }

    #[test]
    fn a_mean_is_of_the_seeds_that_have_a_score() {
        assert_eq!(Standing::of([Some(1.0), Some(2.0), None]), Standing { missing: 1, mean: 1.5 });
        assert_eq!(Standing::of([Some(f64::NAN), Some(f64::INFINITY), Some(4.0)]), Standing { missing: 2, mean: 4.0 });
        assert!(Standing::of([None]).mean.is_nan());
    }

    #[test]
    fn one_in_eta_goes_on() {
        let halving = prune(Rule::Halving { first: 10, eta: 3 }, 1);
        let scores: [&[f64]; 7] = [&[1.0], &[7.0, 1.0], &[2.0], &[6.0, 3.0], &[5.0, 2.0], &[4.0], &[3.0]];
        // Seven, of which three continue; three, of which one continues and is then alone.
        assert_eq!(decided(&halving, 1000, &scores), [(10, vec![5, 6, 2, 0]), (30, vec![4, 1])]);
        // The second rung is not decided while one cell's result there is missing.
        let scores: [&[f64]; 4] = [&[4.0, 1.0], &[3.0], &[2.0], &[1.0]];
        assert_eq!(decided(&halving, 1000, &scores), [(10, vec![2, 3])]);
        let keep = prune(Rule::Halving { first: 10, eta: 3 }, 3);
        assert_eq!(decided(&keep, 1000, &scores), [(10, vec![3])]);
        assert_eq!(keep.next(1000, 1, 3), None);
        assert_eq!((halving.left(7, 1000), keep.left(7, 1000)), (Some(vec![3, 1]), Some(vec![3])));
        assert_eq!(halving.left(7, 20), Some(vec![3]));
        assert_eq!(halving.next(1000, 1, 2), Some(30));
        assert_eq!((halving.next(20, 1, 2), halving.next(1000, 1, 1)), (None, None));
    }

    #[test]
    fn who_lost_seeds_comes_after_who_lost_none_and_ties_stay_in_the_order_of_the_file() {
        let prune = prune(Rule::Halving { first: 10, eta: 2 }, 1);
        let known = [
            Standing { missing: 1, mean: 9.0 },
            Standing { missing: 0, mean: 1.0 },
            Standing { missing: 0, mean: 1.0 },
        ];
        let rungs = ladder(&prune, 20, 3, |cell, _| Some(known[cell]));
        let order: Vec<usize> = rungs[0].order.iter().map(|(cell, _)| *cell).collect();
        assert_eq!((order, rungs[0].go_on), (vec![1, 2, 0], 2));
        let lower = Prune { better: Direction::Lower, ..prune };
        let means = [3.0, 1.0, 2.0];
        let rungs = ladder(&lower, 20, 3, |cell, _| Some(Standing { missing: 0, mean: means[cell] }));
        assert_eq!(rungs[0].order.iter().map(|(cell, _)| *cell).collect::<Vec<_>>(), [1, 2, 0]);
    }

    #[test]
    fn the_median_is_of_what_the_others_had_on_average() {
        let median = prune(Rule::Median { first: 10, every: 10 }, 1);
        let scores: [&[f64]; 5] = [&[0.0], &[1.0], &[2.0, 2.0], &[3.0, 9.0], &[4.0, 1.0]];
        // At the first rung, the others of cell 1 have 4, 3, 2, 0, whose median (the worse of the middle two) is 2;
        // those of cell 2 have 4, 3, 1, 0. At the second rung, all have 0, 1, 2, 6 and 2.5 on average; cell 2 has had 2
        // at best, and its others' median is 1; cell 4 has had 4.
        assert_eq!(decided(&median, 30, &scores), [(10, vec![1, 0]), (20, vec![])]);
        // However bad they are, `keep` cells continue.
        let keep = Prune { keep: 4, ..median };
        assert_eq!(decided(&keep, 30, &scores), [(10, vec![0])]);
    }
}
