//! The runs of two sides in the order of their scores, and how far one side is ahead when some of them are exchanged.

use super::arrangement::{Arrangements, Swap};
use super::run::Run;

/// A cell's runs and those of the other side, in one metric.
pub(super) struct Pool {
    /// From the worst to the best.
    runs: Vec<Place>,
    paired: bool,
    slots: usize,
    /// Pairs, or the runs of the smaller side.
    replicates: usize,
}

#[derive(Clone, Copy)]
struct Place {
    slot: usize,
    is_ours: bool,
    /// Whether the next run is not equal to it.
    ends_tie: bool,
}

impl Pool {
    pub(super) fn new(cell: &[Run], other: &[Run], metric: usize, arrangements: &Arrangements) -> Pool {
        let known = |side: &[Run], is_ours: bool| -> Vec<(f64, usize, bool)> {
            let quality = |run: &Run| Some((run.quality[metric]?, arrangements.slot(run.seed, is_ours)?, is_ours));
            side.iter().filter_map(quality).collect()
        };
        let (mut ours, mut theirs) = (known(cell, true), known(other, false));
        let paired = matches!(arrangements, Arrangements::Pairs(_));
        if paired {
            let slots = |side: &[(f64, usize, bool)]| side.iter().map(|run| run.1).collect::<Vec<_>>();
            let (here, there) = (slots(&ours), slots(&theirs));
            ours.retain(|run| there.contains(&run.1));
            theirs.retain(|run| here.contains(&run.1));
        }
        let replicates = ours.len().min(theirs.len());
        let mut all = ours;
        all.append(&mut theirs);
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ends = |place: usize| all.get(place + 1).is_none_or(|next| next.0 != all[place].0);
        let runs =
            (0..all.len()).map(|place| Place { slot: all[place].1, is_ours: all[place].2, ends_tie: ends(place) });
        Pool { runs: runs.collect(), paired, slots: arrangements.slots(), replicates }
    }

    /// The order of the runs, all that the statistic depends on: for each its slot, whose it is, and whether the next is equal to it.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().map(|run| 4 * run.slot + 2 * usize::from(run.is_ours) + usize::from(run.ends_tie))
    }

    pub(super) fn replicates(&self) -> usize {
        self.replicates
    }

    /// How far our side is ahead: the share of pairs of runs of both sides in which ours is the better one, less ½, over its standard
    /// error; `None` where one of the sides has no run. `placed` is scratch.
    ///
    /// The error is that of the runs' placements among those of the other side: for pairs of seeds of the sum of both (Konietschke & Pauly 2012,
    /// *Computational Statistics & Data Analysis* 56), else of each side (Brunner & Munzel 2000; permuted by Neubert & Brunner 2007).
    /// It is at least that of one run of the other side, so that a statistic of complete separation is finite and the largest of all.
    pub(super) fn statistic(&self, swap: &Swap, placed: &mut Vec<f64>) -> Option<f64> {
        let is_ours = |run: &Place| run.is_ours != swap.is(run.slot);
        let n = self.runs.iter().filter(|run| is_ours(run)).count() as f64;
        let m = self.runs.len() as f64 - n;
        if n == 0.0 || m == 0.0 {
            return None;
        }
        placed.clear();
        placed.resize(if self.paired { self.slots } else { 0 }, 0.0);
        let (mut ours, mut theirs) = (Moments::default(), Moments::default());
        let (mut passed, mut start) = ((0.0, 0.0), 0);
        while start < self.runs.len() {
            let end = start + self.runs[start..].iter().take_while(|run| !run.ends_tie).count() + 1;
            let tied = &self.runs[start..end];
            let here = tied.iter().filter(|run| is_ours(run)).count() as f64;
            let there = tied.len() as f64 - here;
            let (over, under) = ((passed.1 + there / 2.0) / m, (n - passed.0 - here / 2.0) / n);
            for run in tied {
                let (side, place) = if is_ours(run) { (&mut ours, over) } else { (&mut theirs, under) };
                side.add(place);
                if self.paired {
                    placed[run.slot] += place;
                }
            }
            passed = (passed.0 + here, passed.1 + there);
            start = end;
        }
        let error = if self.paired {
            let mut sums = Moments::default();
            self.runs.iter().filter(|run| run.is_ours).for_each(|run| sums.add(placed[run.slot]));
            sums.variance().max(1.0 / (n * n)) / n
        } else {
            ours.variance().max(0.25 / (m * m)) / n + theirs.variance().max(0.25 / (n * n)) / m
        };
        Some((ours.sum / n - 0.5) / error.sqrt())
    }
}

/// Sums of placements, which lie from 0 to 2.
#[derive(Default)]
struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.n += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// With n − 1; 0 of a single value.
    fn variance(&self) -> f64 {
        (self.squares - self.sum * self.sum / self.n).max(0.0) / (self.n - 1.0).max(1.0)
    }
}
