//! The test for a sweep that adds seeds at declared looks until it is decided: the chance of a wrong claim at any look
//! is the level.
//!
//! Runs of a seed are exchanged as at a single look, and an exchange of all seeds so far contains those of earlier
//! looks. So for each exchange we know whether it would have been decided earlier. The threshold at a look is the
//! lowest one for which the exchanges decided then or earlier are no more than the level's spending function allows
//! (Lan & DeMets 1983, *Biometrika* 70). This involves no approximation: it is as exact as the test of one look.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal};
use sweep_spec::race::Spending;

use super::arrangement::{Arrangements, Swap, below, seed};
use super::exchange::{EXCHANGES, Picks, least_p};
use super::pool::Pool;
use super::run::Run;

/// The results at a look.
pub(crate) struct Seen<'a> {
    /// Our cells, best first.
    pub cells: &'a [Vec<Run>],
    /// The other side.
    pub other: &'a [Run],
    /// The share of all planned seeds, from 0 to 1.
    pub share: f64,
}

/// One direction of a comparison, at each look so far.
pub(crate) struct Sequence {
    looks: Vec<Look>,
}

struct Look {
    share: f64,
    /// The least possible p at this look.
    least: f64,
    /// How far the side is ahead; `None` if it is not.
    observed: Option<f64>,
    /// For each exchange, the index of the exchange it extends at the look before.
    before: Vec<u32>,
    /// The exchanges under which the side is ahead, from the largest statistic to the smallest. No others can decide.
    ahead: Vec<Ahead>,
    /// Whether these are all exchanges, including the observed one.
    exact: bool,
}

#[derive(Clone, Copy)]
struct Ahead {
    statistic: f64,
    /// The index of the exchange.
    place: u32,
}

/// The exchanges of the seeds at a look.
struct Swaps {
    seeds: Vec<u64>,
    /// Each with the index of the exchange it extends at the look before.
    all: Vec<(u32, Swap)>,
    exact: bool,
}

impl Sequence {
    /// Computes how far the first of our cells, the best of them, is ahead in the metric at this position of the
    /// ranking. Each look contains the seeds of the one before.
    pub(crate) fn new(seen: &[Seen], metric: usize) -> Sequence {
        let mut before = Swaps { seeds: Vec::new(), all: vec![(0, Swap::default())], exact: true };
        let mut looks = Vec::new();
        for Seen { cells, other, share } in seen {
            let arrangements = Arrangements::of(cells, other, metric);
            let seeds = match &arrangements {
                Arrangements::Pairs(seeds) if before.seeds.iter().all(|seed| seeds.contains(seed)) => seeds.clone(),
                // Nothing is paired, or earlier pairs are gone: this look decides nothing.
                Arrangements::Pairs(_) | Arrangements::Apart { .. } => {
                    looks.push(Look {
                        share: *share,
                        least: 1.0,
                        observed: None,
                        before: (0..before.all.len() as u32).collect(),
                        ahead: Vec::new(),
                        exact: before.exact,
                    });
                    continue;
                }
            };
            let pools: Vec<Pool> = cells.iter().map(|cell| Pool::new(cell, other, metric, &arrangements)).collect();
            let swaps = before.with(seeds, seed(pools.iter().flat_map(Pool::order)));
            let mut picks = Picks::new(cells, other, &arrangements);
            let observed = pools.first().and_then(|picked| picked.statistic(&Swap::none(&arrangements)));
            let statistic = |(swap, place): (&Swap, u32)| {
                let statistic = pools[picks.best(swap)].statistic(swap)?;
                Some(Ahead { statistic, place })
            };
            let mut ahead: Vec<Ahead> = swaps.all.iter().map(|(_, swap)| swap).zip(0..).filter_map(statistic).collect();
            ahead.sort_unstable_by(|a, b| b.statistic.total_cmp(&a.statistic));
            looks.push(Look {
                share: *share,
                least: pools.first().map_or(1.0, |picked| least_p(picked.replicates())),
                observed,
                before: swaps.all.iter().map(|(before, _)| *before).collect(),
                ahead,
                exact: swaps.exact,
            });
            before = swaps;
        }
        Sequence { looks }
    }

    /// Whether all exchanges were enumerated.
    pub(crate) fn is_exact(&self) -> bool {
        self.looks.iter().all(|look| look.exact)
    }

    /// Returns the look, from 0, at which our side is better at this one-sided level; `None` if it is not so far.
    pub(crate) fn crosses(&self, level: f64, spending: Spending) -> Option<usize> {
        let mut so_far = 0.0;
        let mut crossed = vec![false];
        for (at, look) in self.looks.iter().enumerate() {
            crossed = look.before.iter().map(|&before| crossed[before as usize]).collect();
            let (bar, share) = look.bar(spent(spending, level, look.share) - so_far, &crossed);
            if look.observed.is_some_and(|observed| is_above(observed, bar)) {
                return Some(at);
            }
            so_far += share;
            for exchange in look.ahead.iter().take_while(|exchange| is_above(exchange.statistic, bar)) {
                crossed[exchange.place as usize] = true;
            }
        }
        None
    }

    /// Returns the smallest one-sided level at which our side is better by now, to a thousandth of its value; 1 if
    /// there is none below ½.
    pub(crate) fn p(&self, spending: Spending) -> f64 {
        let is_enough = |level: f64| self.crosses(level, spending).is_some();
        if !is_enough(0.5) {
            return 1.0;
        }
        let (mut low, mut high) = (0.0_f64, 0.5_f64);
        while high - low > 1e-3 * high && high > 1e-12 {
            let middle = if low == 0.0 { high / 4.0 } else { (low * high).sqrt() };
            if is_enough(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }
}

impl Swaps {
    /// Extends these to more seeds: to all exchanges if they are not too many, otherwise to random ones drawn with this
    /// seed.
    fn with(&self, seeds: Vec<u64>, drawn_by: u64) -> Swaps {
        let new = seeds.len() - self.seeds.len();
        // Maps each of all seeds to its index among these.
        let places: Vec<Option<usize>> = seeds.iter().map(|seed| self.seeds.binary_search(seed).ok()).collect();
        if self.exact && new < 60 && self.all.len().saturating_mul(1 << new) <= EXCHANGES {
            let all = (0..self.all.len()).flat_map(|place| (0..1_u64 << new).map(move |bits| (place, bits)));
            let all = all.map(|(place, mut bits)| {
                self.extended(place, &places, || {
                    let bit = bits & 1 == 1;
                    bits >>= 1;
                    bit
                })
            });
            return Swaps { all: all.collect(), seeds: seeds.clone(), exact: true };
        }
        let mut random = ChaCha8Rng::seed_from_u64(drawn_by);
        let all = (0..EXCHANGES).map(|at| {
            // Random exchanges are extended one by one; of a complete set, a random one is.
            let place = if self.exact { below(&mut random, self.all.len()) } else { at };
            self.extended(place, &places, || random.next_u32() & 1 == 1)
        });
        Swaps { all: all.collect(), seeds: seeds.clone(), exact: false }
    }

    /// Extends the exchange at an index to more seeds: known seeds keep their bit, and new ones take the next.
    fn extended(&self, place: usize, places: &[Option<usize>], mut bit: impl FnMut() -> bool) -> (u32, Swap) {
        let (_, before) = &self.all[place];
        let swap = places.iter().map(|known| known.map_or_else(&mut bit, |known| before.is(known))).collect();
        (place as u32, swap)
    }
}

/// Returns how much of a one-sided level may be spent once this share of all seeds is there (Lan & DeMets 1983).
pub(crate) fn spent(spending: Spending, level: f64, share: f64) -> f64 {
    if share >= 1.0 {
        return level;
    }
    match spending {
        Spending::Pocock => level * (1.0 + (std::f64::consts::E - 1.0) * share).ln(),
        Spending::ObrienFleming => {
            let normal = Normal::standard();
            2.0 * normal.sf(normal.inverse_cdf(1.0 - level / 2.0) / share.sqrt())
        }
    }
}

impl Look {
    /// Returns the threshold for the statistic such that at most a share `budget` of all exchanges, among those not
    /// decided before, is above it; and the share that is above it.
    fn bar(&self, budget: f64, crossed: &[bool]) -> (f64, f64) {
        let all = self.before.len() as f64;
        // Random exchanges do not include the observed one, which counts as one more.
        let (mut above, of, own) = (0.0, if self.exact { all } else { all + 1.0 }, if self.exact { 0.0 } else { 1.0 });
        if budget < self.least.max(own / of) {
            return (f64::INFINITY, 0.0);
        }
        let open = self.ahead.iter().filter(|exchange| !crossed[exchange.place as usize]);
        let mut waiting = open.map(|exchange| exchange.statistic).peekable();
        loop {
            let Some(&next) = waiting.peek() else { return (0.0, (above + own) / of) };
            let mut tied = 0.0;
            while waiting.next_if(|statistic| !is_above(next, *statistic)).is_some() {
                tied += 1.0;
            }
            if (above + tied + own) / of > budget {
                return (next, (above + own) / of);
            }
            above += tied;
        }
    }
}

/// Whether a statistic is above another by more than rounding.
fn is_above(statistic: f64, bar: f64) -> bool {
    bar < f64::INFINITY && statistic > bar + 1e-9 * bar.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::exchange::is_better;
    use super::*;

    fn side(scores: &[f64]) -> Vec<Run> {
        (0..).zip(scores).map(|(seed, &score)| Run { seed, quality: vec![Some(score)] }).collect()
    }

    /// `looks` are the numbers of seeds at each look; the last is the maximum.
    fn sequence(ours: &[f64], theirs: &[f64], looks: &[usize]) -> Sequence {
        let most = *looks.last().unwrap();
        let parts: Vec<(Vec<Vec<Run>>, Vec<Run>)> =
            looks.iter().map(|&n| (vec![side(&ours[..n])], side(&theirs[..n]))).collect();
        let seen: Vec<Seen> = parts
            .iter()
            .zip(looks)
            .map(|((cells, other), &n)| Seen { cells, other, share: n as f64 / most as f64 })
            .collect();
        Sequence::new(&seen, 0)
    }

    #[test]
    fn what_is_spent_agrees_with_scipy() {
        // a * numpy.log(1 + (numpy.e - 1) * t) and 2 * scipy.stats.norm.sf(scipy.stats.norm.isf(a / 2) /
        // numpy.sqrt(t)), at a = 0.025
        for (share, pocock, obrien_fleming) in [
            (0.4, 0.013_078_429_090_289_638, 0.000_394_151_756_691_186_35),
            (0.6, 0.017_712_826_671_557_876, 0.003_808_063_310_989_328),
            (0.8, 0.021_620_993_129_079_76, 0.012_211_790_346_448_084),
            (1.0, 0.025, 0.025),
        ] {
            for (spending, expected) in [(Spending::Pocock, pocock), (Spending::ObrienFleming, obrien_fleming)] {
                let found = spent(spending, 0.025, share);
                assert!((found / expected - 1.0).abs() < 1e-8, "{spending:?} at {share}: {found}");
            }
        }
    }

    #[test]
    fn looks_agree_with_brute_force() {
        // In numpy: the statistic of the test of pairs for all 4,096 exchanges, with the first 6, 9 and 12 seeds; at
        // each look the least value such that the share of exchanges that reach it then, and none before, is within
        // what may be spent less the shares of the looks before.
        for (ours, theirs, pocock, obrien_fleming) in LOOKS {
            let sequence = sequence(ours, theirs, &[6, 9, 12]);
            for (spending, expected) in [(Spending::Pocock, pocock), (Spending::ObrienFleming, obrien_fleming)] {
                let found: Vec<Option<usize>> = LEVELS.iter().map(|&level| sequence.crosses(level, spending)).collect();
                let expected: Vec<Option<usize>> = expected.iter().map(|&look| (look < 3).then_some(look)).collect();
                assert_eq!(found, expected, "{spending:?}, {ours:?}");
            }
        }
    }

    const LEVELS: [f64; 13] = [0.2, 0.1, 0.05, 0.03, 0.025, 0.02, 0.015, 0.0125, 0.01, 0.008, 0.005, 0.003, 0.002];

    /// Scores of both sides, and for each level the look at which it is reached, if it is, by both ways of spending.
    type Case = (&'static [f64], &'static [f64], [usize; 13], [usize; 13]);

    const LOOKS: [Case; 4] = [
        (
            &[0.1, -0.42, 0.65, 1.32, 2.04, 1.01, 0.35, 0.12, 1.65, 2.53, 1.17, -0.33],
            &[-0.96, 1.6, 0.2, -1.73, -0.08, -1.16, -0.63, -0.49, -0.71, 0.55, -0.06, -0.59],
            [0, 1, 1, 2, 1, 1, 2, 2, 2, 2, 3, 3, 3],
            [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3],
        ),
        (
            &[0.81, 1.23, -1.24, 0.14, -0.58, 0.23, -0.89, 0.42, 0.36, 0.1, -0.65, 0.0],
            &[-1.09, -1.36, 0.22, -1.11, 1.17, 0.72, -2.0, 0.27, -1.1, 0.03, 0.04, -1.99],
            [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
            [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3],
        ),
        (
            &[0.97, 0.94, 2.16, 0.02, 1.94, 0.1, 0.87, 0.36, 2.65, 1.77, 3.63, 1.84],
            &[0.84, 0.84, -0.61, -0.07, 1.35, -0.4, 0.19, -0.02, 0.61, -0.36, -0.15, 0.24],
            [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2],
            [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2],
        ),
        (
            &[8.0, 6.0, 8.0, 5.0, 5.0, 5.0, 8.0, 7.0, 5.0, 5.0, 8.0, 5.0],
            &[2.0, 6.0, 3.0, 4.0, 5.0, 4.0, 5.0, 8.0, 4.0, 2.0, 1.0, 5.0],
            [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3],
            [0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3],
        ),
    ];

    #[test]
    fn a_single_look_is_the_test_of_pairs() {
        for (ours, theirs, ..) in LOOKS {
            let p = is_better(&[side(ours)], &side(theirs), 0).p;
            let found = sequence(ours, theirs, &[12]).p(Spending::Pocock);
            assert!((found / p - 1.0).abs() < 2e-3, "{found}, {p}");
        }
    }

    #[test]
    fn more_seeds_than_can_be_gone_through_are_drawn() {
        // 20 seeds; the exchanges of the first 8 and 12 are enumerated. A large shift is found at the requested level.
        let theirs: Vec<f64> = (0..20).map(|seed| f64::from(seed * 7 % 20)).collect();
        let ours: Vec<f64> = theirs.iter().map(|score| score + 4.5).collect();
        let sequence = sequence(&ours, &theirs, &[8, 12, 16, 20]);
        let exact: Vec<bool> = sequence.looks.iter().map(|look| look.exact).collect();
        assert_eq!(exact, [true, true, false, false]);
        assert_eq!(
            sequence.looks.iter().map(|look| look.before.len()).collect::<Vec<_>>(),
            [256, 4096, EXCHANGES, EXCHANGES]
        );
        assert!(sequence.crosses(0.025, Spending::Pocock).is_some());
        // What was observed is not better than itself.
        assert_eq!(self::sequence(&theirs, &theirs, &[8, 12, 16, 20]).crosses(0.5, Spending::Pocock), None);
    }

    #[test]
    fn few_seeds_decide_nothing() {
        // All of four are better: p = 1/16, and a look may spend less than that.
        let (ours, theirs) = ([5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]);
        let sequence = sequence(&ours, &theirs, &[4]);
        assert_eq!(sequence.crosses(0.0625, Spending::Pocock), Some(0));
        assert_eq!(sequence.crosses(0.0624, Spending::Pocock), None);
    }
}
