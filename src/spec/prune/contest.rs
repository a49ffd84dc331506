//! Who goes on at which rung, by what is known of the cells of a variant there.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::super::metric::Direction;
use super::{Prune, Rule};

/// What is known of a cell at a rung, over all its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Seeds that have no finite score there: they diverged, failed or were cancelled before, or the score is none.
    pub missing: usize,
    /// The mean of the others; NaN where there are none.
    pub mean: f64,
}

/// What was decided at a rung.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// The step.
    pub step: u64,
    /// The cells that had come so far, the best first, with what is known of them.
    pub order: Vec<(usize, Standing)>,
    /// How many of them go on; the others are stopped.
    pub go_on: usize,
}

impl Rung {
    /// The cells that are stopped here, with their places from 1.
    pub fn stopped(&self) -> impl Iterator<Item = (usize, usize)> {
        self.order.iter().enumerate().skip(self.go_on).map(|(place, (cell, _))| (*cell, place + 1))
    }

    /// The cells that go on.
    pub fn surviving(&self) -> impl Iterator<Item = usize> {
        self.order.iter().take(self.go_on).map(|(cell, _)| *cell)
    }
}

impl Standing {
    /// Of these scores, one a seed.
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

    /// The better one first: as in reports, the fewer seeds are missing the better, and then by the mean.
    fn compare(&self, other: &Standing, better: Direction) -> Ordering {
        let by_mean = match better {
            Direction::Higher => other.mean.total_cmp(&self.mean),
            Direction::Lower => self.mean.total_cmp(&other.mean),
        };
        // A NaN is of no seeds at all, and then all are missing.
        self.missing.cmp(&other.missing).then(by_mean)
    }
}

/// The rungs that are decided, of a variant with so many cells that are not spared, each of so many steps: at each of them all is known of the cells
/// that have come so far. `at`: what is known of a cell at a rung; none where not all is.
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
    /// How many of so many cells of so many steps are left after each rung, where that follows from the rule alone. After the last of them nobody is
    /// stopped.
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

    /// The step at which cells are compared next, after `decided` rungs that leave so many cells; none where all go on to the end.
    pub fn next(&self, steps: u64, decided: usize, alive: usize) -> Option<u64> {
        if alive <= self.keep { None } else { self.rule.rungs(steps).get(decided).copied() }
    }
}

fn decide(prune: &Prune, step: u64, mut order: Vec<(usize, Standing)>, before: &[Rung]) -> Rung {
    // A stable sort: of equal cells the first in the file goes on.
    order.sort_by(|(_, a), (_, b)| a.compare(b, prune.better));
    let go_on = match prune.rule {
        Rule::Halving { eta, .. } => order.len().div_ceil(eta as usize),
        Rule::Median { .. } => {
            let passes: BTreeSet<usize> = above_median(prune, &order, before).into_iter().collect();
            // Those that pass first, in their order.
            order.sort_by_key(|(cell, _)| !passes.contains(cell));
            passes.len()
        }
    };
    Rung { step, go_on: go_on.max(prune.keep).min(order.len()), order }
}

/// The cells whose best so far is not worse than the median of what all others had on average so far, those that were stopped among them.
fn above_median(prune: &Prune, now: &[(usize, Standing)], before: &[Rung]) -> Vec<usize> {
    // What a cell had at each rung so far.
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
        // Of an even number of others the worse of the two in the middle: who is between them is not worse than the median.
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

    /// The decisions where the cells have these scores at the rungs, one seed each.
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
        // Seven, of which three go on; three, of which one does. It is alone then.
        assert_eq!(decided(&halving, 1000, &scores), [(10, vec![5, 6, 2, 0]), (30, vec![4, 1])]);
        // Where the second rung is not known of one of them, it is not decided.
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
        // At the first rung the others of cell 1 have 4, 3, 2, 0, whose median (the worse of the middle two) is 2; those of cell 2 have 4, 3, 1, 0.
        // At the second all have 0, 1, 2, 6 and 2.5 on average; cell 2 has had 2 at best, and its others' median is 1; cell 4 has had 4.
        assert_eq!(decided(&median, 30, &scores), [(10, vec![1, 0]), (20, vec![])]);
        // However bad, as many as are kept go on.
        let keep = Prune { keep: 4, ..median };
        assert_eq!(decided(&keep, 30, &scores), [(10, vec![0])]);
    }
}
