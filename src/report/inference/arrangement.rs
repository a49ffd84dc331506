//! Which runs are exchanged between two sides.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::run::Run;

/// All exchanges under which the data of two equal sides are equally likely.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Arrangements {
    /// For each of these seeds, the runs of both sides are swapped or not.
    Pairs(Vec<u64>),
    /// No seed of the picked cell is on the other side: the seeds of both sides are dealt again, as many to each side
    /// as before.
    Apart { ours: Vec<u64>, theirs: Vec<u64> },
}

/// For each slot, whether its run or pair of runs has changed sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Swap {
    /// A bit for each of the first 64 slots. Few tests have more, and this needs no allocation for thousands of
    /// exchanges.
    first: u64,
    /// Bits of later slots, 64 in each word.
    rest: Vec<u64>,
}

impl Swap {
    /// Returns the exchange that changes nothing.
    pub(super) fn none(arrangements: &Arrangements) -> Swap {
        std::iter::repeat_n(false, arrangements.slots()).collect()
    }

    pub(super) fn is(&self, slot: usize) -> bool {
        let word = if slot < 64 { self.first } else { self.rest[slot / 64 - 1] };
        word >> (slot % 64) & 1 == 1
    }

    pub(super) fn exchanged(&self) -> impl Iterator<Item = usize> {
        let later = self.rest.iter().zip(1..).flat_map(|(&word, at)| bits(word).map(move |bit| 64 * at + bit));
        bits(self.first).chain(later)
    }
}

impl FromIterator<bool> for Swap {
    fn from_iter<I: IntoIterator<Item = bool>>(slots: I) -> Swap {
        let mut slots = slots.into_iter().map(u64::from).zip(0..);
        let first = slots.by_ref().take(64).fold(0, |word, (bit, slot)| word | bit << slot);
        let mut rest: Vec<u64> = Vec::new();
        for (bit, slot) in slots {
            match rest.last_mut().filter(|_| slot % 64 > 0) {
                Some(word) => *word |= bit << (slot % 64),
                None => rest.push(bit),
            }
        }
        Swap { first, rest }
    }
}

/// Returns the indices of the set bits.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            bit
        })
    })
}

impl Arrangements {
    /// Chooses by the seeds with a known quality in this metric. Pairs are used if the first cell, which was picked,
    /// has any: the other cells are treated like it.
    pub(super) fn of(cells: &[Vec<Run>], other: &[Run], metric: usize) -> Arrangements {
        let known = |runs: &[Run]| -> BTreeSet<u64> {
            runs.iter().filter(|run| run.quality[metric].is_some()).map(|run| run.seed).collect()
        };
        let (ours, theirs) = (cells.iter().flat_map(|cell| known(cell)).collect::<BTreeSet<_>>(), known(other));
        let both: Vec<u64> = ours.intersection(&theirs).copied().collect();
        if cells.first().is_none_or(|picked| known(picked).is_disjoint(&theirs)) {
            return Arrangements::Apart { ours: ours.into_iter().collect(), theirs: theirs.into_iter().collect() };
        }
        Arrangements::Pairs(both)
    }

    pub(super) fn slots(&self) -> usize {
        match self {
            Arrangements::Pairs(seeds) => seeds.len(),
            Arrangements::Apart { ours, theirs } => ours.len() + theirs.len(),
        }
    }

    /// Returns the slot of a run of our side or the other.
    pub(super) fn slot(&self, seed: u64, is_ours: bool) -> Option<usize> {
        match self {
            Arrangements::Pairs(seeds) => seeds.binary_search(&seed).ok(),
            Arrangements::Apart { ours, .. } if is_ours => ours.binary_search(&seed).ok(),
            Arrangements::Apart { ours, theirs } => theirs.binary_search(&seed).ok().map(|place| ours.len() + place),
        }
    }

    /// Whether a run of this seed changes sides. A pair needs both of its runs.
    pub(super) fn is_moved(&self, seed: u64, cell: &[Run], other: &[Run]) -> bool {
        let has = |side: &[Run]| side.iter().any(|run| run.seed == seed);
        match self {
            Arrangements::Pairs(_) => has(cell) && has(other),
            Arrangements::Apart { .. } => true,
        }
    }

    /// Every one, where they are `most` at most.
    pub(super) fn all(&self, most: usize) -> Option<Box<dyn Iterator<Item = Swap>>> {
        match self {
            Arrangements::Pairs(seeds) => {
                let n = seeds.len() as u32;
                let count = 1_usize.checked_shl(n).filter(|&count| n < 60 && count <= most)?;
                Some(Box::new((0..count).map(move |bits| (0..n).map(|bit| bits >> bit & 1 == 1).collect())))
            }
            Arrangements::Apart { ours, theirs } => {
                let (n, m) = (ours.len(), theirs.len());
                if ways(n, m) > most as f64 {
                    return None;
                }
                let mut chosen: Option<Vec<usize>> = Some((0..n).collect());
                Some(Box::new(std::iter::from_fn(move || {
                    let now = chosen.take()?;
                    let swap = dealt(&now, n, m);
                    chosen = next(now, n + m);
                    Some(swap)
                })))
            }
        }
    }

    /// Drawn at random, by this [`seed`].
    pub(super) fn drawn(&self, seed: u64) -> impl Iterator<Item = Swap> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        std::iter::repeat_with(move || match self {
            Arrangements::Pairs(seeds) => {
                let mut bits = 0;
                let flip = |place: usize| {
                    if place.is_multiple_of(64) {
                        bits = random.next_u64();
                    }
                    bits >> (place % 64) & 1 == 1
                };
                (0..seeds.len()).map(flip).collect()
            }
            Arrangements::Apart { ours, theirs } => {
                let (n, m) = (ours.len(), theirs.len());
                let mut places: Vec<usize> = (0..n + m).collect();
                for place in 0..n {
                    places.swap(place, place + below(&mut random, n + m - place));
                }
                dealt(&places[..n], n, m)
            }
        })
    }
}

/// Derives a seed for random numbers from `values` (FNV-1a), so the same data always give the same report. With one
/// seed for all data, every test would draw the same exchanges, and if these happen to mislead, all tests would be
/// misled.
pub(super) fn seed(values: impl Iterator<Item = usize>) -> u64 {
    values.fold(0xcbf2_9ce4_8422_2325, |seed, value| (seed ^ value as u64).wrapping_mul(0x0100_0000_01b3))
}

/// Returns a random integer below `n`.
pub(super) fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    ((u64::from(random.next_u32()) * n as u64) >> 32) as usize
}

/// Returns the number of ways to choose `n` of n + m.
fn ways(n: usize, m: usize) -> f64 {
    (1..=n.min(m)).fold(1.0, |ways, k| ways * (n.max(m) + k) as f64 / k as f64)
}

/// Returns the exchange after which the indices in `chosen` belong to the first side.
fn dealt(chosen: &[usize], n: usize, m: usize) -> Swap {
    let mut swap: Vec<bool> = (0..n + m).map(|place| place < n).collect();
    chosen.iter().for_each(|&place| swap[place] = place >= n);
    swap.into_iter().collect()
}

/// Returns the next choice of indices below `n`, in lexicographic order.
fn next(mut chosen: Vec<usize>, n: usize) -> Option<Vec<usize>> {
    let k = chosen.len();
    let place = (0..k).rev().find(|&place| chosen[place] < n - k + place)?;
    chosen[place] += 1;
    for later in place + 1..k {
        chosen[later] = chosen[later - 1] + 1;
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_exchanges_are_gone_through_once() {
        let pairs = Arrangements::Pairs(vec![3, 5, 9]);
        let apart = Arrangements::Apart { ours: vec![1, 2], theirs: vec![3, 4, 5] };
        for (arrangements, count) in [(pairs, 8), (apart, 10)] {
            let all: Vec<Swap> = arrangements.all(10).unwrap().collect();
            let different: BTreeSet<Swap> = all.iter().cloned().collect();
            assert_eq!((all.len(), different.len()), (count, count));
            assert_eq!(all[0], Swap::none(&arrangements));
            assert!(arrangements.all(count - 1).is_none());
            let drawn: BTreeSet<Swap> = arrangements.drawn(0).take(200).collect();
            assert_eq!(drawn, different);
        }
    }

    #[test]
    fn as_many_go_one_way_as_the_other() {
        let apart = Arrangements::Apart { ours: (0..20).collect(), theirs: (20..50).collect() };
        assert!(apart.all(40_000).is_none());
        for swap in apart.drawn(1).take(100) {
            let (out, back) = swap.exchanged().partition::<Vec<_>, _>(|&slot| slot < 20);
            assert_eq!(out.len(), back.len());
        }
    }

    #[test]
    fn any_number_of_slots_is_exchanged() {
        for n in [0, 1, 63, 64, 65, 128, 129, 200] {
            let swap: Swap = (0..n).map(|slot| slot % 3 == 1).collect();
            assert!((0..n).all(|slot| swap.is(slot) == (slot % 3 == 1)));
            assert!(swap.exchanged().eq((0..n).filter(|slot| slot % 3 == 1)), "{n}");
        }
    }
}
