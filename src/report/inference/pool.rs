//! The runs of two sides ordered by score, and how far one side is ahead when some of them are exchanged.

use super::arrangement::{Arrangements, Swap};
use super::run::Run;

/// A cell's runs and those of the other side, in one metric.
pub(super) struct Pool {
    /// From worst to best.
    runs: Vec<Place>,
    paired: bool,
    slots: usize,
    /// Set for pairs, if there are few.
    leads: Option<Leads>,
    /// The number of pairs, or of runs on the smaller side.
    replicates: usize,
}

#[derive(Clone, Copy)]
struct Place {
    slot: usize,
    is_ours: bool,
    /// Whether the next run has a different score.
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
        let runs: Vec<Place> = runs.collect();
        let slots = arrangements.slots();
        let leads = (paired && slots <= FEW).then(|| Leads::of(&runs, slots));
        Pool { runs, paired, slots, leads, replicates }
    }

    /// Returns the order of the runs, which is all the statistic depends on: for each run its slot, its side, and
    /// whether the next one ties.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().map(|run| 4 * run.slot + 2 * usize::from(run.is_ours) + usize::from(run.ends_tie))
    }

    pub(super) fn replicates(&self) -> usize {
        self.replicates
    }

    /// Returns how far our side is ahead: the share of pairs of runs from both sides in which ours is better, minus ½,
    /// divided by its standard error. `None` if our side is not ahead or either side has no run.
    ///
    /// The error is that of the runs' placements among those of the other side: for pairs of seeds, of the sum of both
    /// (Konietschke & Pauly 2012, *Computational Statistics & Data Analysis* 56), otherwise of each side (Brunner &
    /// Munzel 2000; permuted by Neubert & Brunner 2007). It is at least that of one run of the other side, so the
    /// statistic of complete separation is finite and the largest of all.
    pub(super) fn statistic(&self, swap: &Swap) -> Option<f64> {
        match &self.leads {
            Some(leads) => leads.statistic(swap),
            None => self.by_placements(swap),
        }
    }

    fn by_placements(&self, swap: &Swap) -> Option<f64> {
        let is_ours = |run: &Place| run.is_ours != swap.is(run.slot);
        let n = self.runs.iter().filter(|run| is_ours(run)).count() as i64;
        let m = self.runs.len() as i64 - n;
        // Placements are integers: for each of our runs the number of their runs that are worse, and for each of theirs
        // the number of ours that are better. Each counts two and a tie counts one. Both kinds have the same sum.
        let (mut sum, mut ours, mut theirs) = (0, 0, 0);
        let mut placed = vec![0; if self.paired { self.slots } else { 0 }];
        let mut passed = (0, 0);
        for tied in self.runs.chunk_by(|run, _| !run.ends_tie) {
            let here = tied.iter().filter(|run| is_ours(run)).count() as i64;
            let there = tied.len() as i64 - here;
            let (over, under) = (2 * passed.1 + there, 2 * (n - passed.0) - here);
            sum += here * over;
            ours += here * over * over;
            theirs += there * under * under;
            if self.paired {
                tied.iter().for_each(|run| placed[run.slot] += if is_ours(run) { over } else { under });
            }
            passed = (passed.0 + here, passed.1 + there);
        }
        let lead = sum - n * m;
        if n == 0 || m == 0 || lead <= 0 {
            return None;
        }
        let (pairs, sum, lead) = (placed.iter().map(|place| place * place).sum(), sum as f64, lead as f64);
        let (n, m) = (n as f64, m as f64);
        // To become shares, placements are divided by 2m and 2n.
        let error = if self.paired {
            variance(pairs, 2.0 * sum, n).max(4.0) / (4.0 * n * n * n)
        } else {
            (variance(ours, sum, n).max(1.0) / m + variance(theirs, sum, m).max(1.0) / n) / (4.0 * n * m)
        };
        Some(lead / (2.0 * n * m) / error.sqrt())
    }
}

/// Returns the sample variance (n − 1) of integers with this sum of squares and sum; 0 for a single one.
fn variance(squares: i64, sum: f64, n: f64) -> f64 {
    (squares as f64 - sum * sum / n) / (n - 1.0).max(1.0)
}

/// The leads of pairs: of the 2n comparisons of a pair's runs with runs of the other side, how many more our side wins
/// than loses. A pair's placements together, as shares, are 1 + lead / 2n.
///
/// With a sign for whether a pair is exchanged, each lead is a sum over all pairs of a constant times the sign. So what
/// an exchange adds to the leads does not depend on the other exchanges.
struct Leads {
    pairs: usize,
    /// The leads without exchanges, by slot; 0 for a slot without a pair.
    start: Vec<Lanes>,
    /// For each slot, what its exchange adds to all leads.
    moves: Vec<Vec<Lanes>>,
}

/// Most slots for which leads are kept: the table of moves grows with their square, and leads have 16 bits.
const FEW: usize = 128;

/// Values of adjacent slots, which processors add at once.
type Lanes = [i16; LANES];

const LANES: usize = 32;

impl Leads {
    fn of(runs: &[Place], slots: usize) -> Leads {
        // Runs that tie have the same level.
        let (mut ours, mut theirs) = (vec![None; slots], vec![None; slots]);
        for (level, tied) in runs.chunk_by(|run, _| !run.ends_tie).enumerate() {
            for run in tied {
                let side = if run.is_ours { &mut ours } else { &mut theirs };
                side[run.slot] = Some(level);
            }
        }
        let pairs: Vec<(usize, usize, usize)> =
            (0..slots).filter_map(|slot| Some((slot, ours[slot]?, theirs[slot]?))).collect();
        let nothing: Vec<Lanes> = vec![[0; LANES]; slots.div_ceil(LANES)];
        let (mut start, mut moves) = (nothing.clone(), vec![nothing; slots]);
        let wins = |run: usize, other: usize| run.cmp(&other) as i16;
        for &(slot, our, their) in &pairs {
            let (chunk, lane) = (slot / LANES, slot % LANES);
            for &(other, our_other, their_other) in &pairs {
                // Both pairs or neither are exchanged; only one is.
                let alike = wins(our, their_other) + wins(our_other, their);
                let apart = wins(our, our_other) + wins(their_other, their);
                start[chunk][lane] += alike;
                moves[other][chunk][lane] += apart - alike;
                moves[slot][chunk][lane] -= apart + alike;
            }
        }
        Leads { pairs: pairs.len(), start, moves }
    }

    fn statistic(&self, swap: &Swap) -> Option<f64> {
        let (mut sum, mut squares) = (0, 0);
        for (chunk, &start) in self.start.iter().enumerate() {
            let mut leads = start;
            for slot in swap.exchanged() {
                leads.iter_mut().zip(&self.moves[slot][chunk]).for_each(|(lead, moved)| *lead += moved);
            }
            sum += leads.iter().map(|&lead| i32::from(lead)).sum::<i32>();
            squares += leads.iter().map(|&lead| i32::from(lead) * i32::from(lead)).sum::<i32>();
        }
        if sum <= 0 {
            return None;
        }
        // To become shares, leads are divided by 2n. Their sum counts every comparison twice.
        let (sum, n) = (f64::from(sum), self.pairs as f64);
        let error = variance(squares.into(), sum, n).max(4.0) / n;
        Some(sum / (2.0 * n) / error.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_of_pairs_are_those_of_placements() {
        // With ties, and with seeds missing from one side.
        let side = |first: u64, scores: &[f64]| -> Vec<Run> {
            (first..).zip(scores).map(|(seed, &score)| Run { seed, quality: vec![Some(score)] }).collect()
        };
        let ours = side(0, &[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]);
        let theirs = side(1, &[2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0]);
        let wider = [ours.clone(), side(1, &[4.0; 8])];
        let arrangements = Arrangements::of(&wider, &theirs, 0);
        let pool = Pool::new(&ours, &theirs, 0, &arrangements);
        let mut ahead = 0;
        for swap in arrangements.all(256).unwrap() {
            let (found, expected) = (pool.statistic(&swap), pool.by_placements(&swap));
            assert_eq!(found.is_some(), expected.is_some(), "{swap:?}");
            assert!(
                (found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-12,
                "{swap:?}: {found:?}, {expected:?}"
            );
            ahead += usize::from(found.is_some());
        }
        assert!(pool.leads.is_some() && ahead > 64);
    }
}
