//! Comparisons of a sweep that adds seeds until they are decided (`seeds: {looks: …}`): made at each look and corrected
//! for all looks.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::cells;
use super::comparison::{Best, Comparison, MOST_PAIRS, Verdict, baselines, best, comparisons, describe, open};
use super::inference::LEVEL;
use super::inference::closed::decided;
use super::inference::exchange::least_found;
use super::inference::holm::holm;
use super::inference::sequence::{Seen, Sequence, spent};
use super::options::{Options, Step};
use super::study::{Study, Variant, ranking};
use sweep_spec::metric::Measure;
use sweep_spec::race::Race;
use sweep_store::Results;
use sweep_wire::status::Status;

/// The progress of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// Looks so far.
    pub looks: usize,
    /// Planned looks.
    pub of: usize,
    /// Seeds at the last look so far.
    pub seeds: u64,
    /// The look, from 1, at which it was decided; `None` if it was not.
    pub decided: Option<usize>,
}

/// A comparison at each look so far, tested in both directions: the rival is better, and the baseline is better.
pub(super) struct Sides([Sequence; 2]);

/// Compares two variants by the seeds of the last look that both have reached; p is set later.
pub(super) fn compare<'a>(
    study: &Study,
    race: &Race,
    (place, metric): (usize, Measure),
    [rival, baseline]: [&'a Variant<'a>; 2],
) -> Option<(Comparison<'a>, Sides)> {
    let looks = looks(study, race, [rival, baseline], metric);
    let at = |seeds: u64| {
        let end = Some(race.after(seeds));
        Some((best(study, rival, end)?, best(study, baseline, end)?))
    };
    let mut reached = Reached { looks: looks.len(), of: race.looks.len(), seeds: 0, decided: None };
    let Some(&seeds) = looks.last() else {
        let first = *race.looks.first()?;
        let (ours, theirs) = at(first)?;
        let (comparison, _) = describe(study, (place, metric), &ours, &theirs)?;
        let open = open(study, [rival, baseline], Some(metric), Some(race.after(first))).len();
        let verdict = Verdict::Early { open };
        let nothing = || Sequence::new(&[], place);
        return Some((Comparison { verdict, look: Some(reached), ..comparison }, Sides([nothing(), nothing()])));
    };
    let sides: Vec<(Best, Best)> = looks.iter().map(|&seeds| at(seeds)).collect::<Option<_>>()?;
    let sequence = |is_rival: bool| {
        let seen = sides.iter().zip(looks).map(|((rival, baseline), &seeds)| {
            let (ours, theirs) = if is_rival { (rival, baseline) } else { (baseline, rival) };
            Some(Seen { cells: &ours.cells, other: theirs.cells.first()?, share: race.share(seeds) })
        });
        Some(Sequence::new(&seen.collect::<Option<Vec<Seen>>>()?, place))
    };
    let sequences = Sides([sequence(true)?, sequence(false)?]);
    let (ours, theirs) = sides.last()?;
    let (comparison, chance) = describe(study, (place, metric), ours, theirs)?;
    reached.seeds = seeds;
    // Uses only the level that this look adds, so the intervals of all looks hold at once.
    let before = looks.len().checked_sub(2).map_or(0.0, |place| race.share(looks[place]));
    let level = spent(race.spending, LEVEL, race.share(seeds)) - spent(race.spending, LEVEL, before);
    let interval = chance.interval_at(level, ours.of(), theirs.of());
    Some((
        Comparison { interval, exact: sequences.0.iter().all(Sequence::is_exact), look: Some(reached), ..comparison },
        sequences,
    ))
}

/// Returns the looks that both variants have reached: every seed has its score or has ended without one.
fn looks<'r>(study: &Study, race: &'r Race, variants: [&Variant; 2], metric: Measure) -> &'r [u64] {
    let known: Vec<BTreeSet<u64>> = variants
        .iter()
        .flat_map(|variant| cells(variant))
        .map(|cell| {
            // A finished run without a score may still be scored.
            let is_known = |run: &&super::study::Run| {
                study.quality(run, metric).is_some() || run.status.is_final() && run.status != Status::Done
            };
            cell.runs.iter().filter(is_known).map(|run| run.seed).collect()
        })
        .collect();
    let has = |seeds: u64| known.iter().all(|known| known.range(..race.after(seeds)).count() as u64 == seeds);
    &race.looks[..race.looks.iter().take_while(|seeds| has(**seeds)).count()]
}

/// Corrects every p for all looks and comparisons and sets the verdicts. `goes_on`: the variants that get more seeds by
/// the last look, if there was one. `later`: how many comparisons cannot be made yet. All comparisons count, even if
/// their runs are equal so far, because more seeds may tell them apart.
pub(super) fn correct(
    all: &mut [Comparison],
    sides: &[Sides],
    race: &Race,
    (goes_on, later): (Option<&[String]>, usize),
) {
    let spending = race.spending;
    let crossings = |level: f64| -> Vec<Option<(usize, bool)>> {
        let of = |Sides([better, worse]): &Sides| {
            let found = [(better.crosses(level, spending), true), (worse.crosses(level, spending), false)];
            found.into_iter().filter_map(|(look, better)| Some((look?, better))).min_by_key(|(look, _)| *look)
        };
        sides.iter().map(of).collect()
    };
    let looks = |many: usize| {
        let found = crossings(race.alpha / many as f64 / 2.0);
        found.into_iter().map(|found| found.map(|(look, _)| look)).collect()
    };
    let decided = decided(sides.len(), later, looks);
    let ways = crossings(race.alpha / 2.0);
    let two_sided = |Sides([better, worse]): &Sides| (2.0 * better.p(spending).min(worse.p(spending))).min(1.0);
    let ps: Vec<f64> = sides.iter().map(two_sided).chain(std::iter::repeat_n(1.0, later)).collect();
    let many = ps.len() as f64;
    for (((comparison, p), decided), way) in all.iter_mut().zip(holm(&ps)).zip(&decided).zip(ways) {
        let Some(reached) = &mut comparison.look else { continue };
        reached.decided = decided.map(|look| look + 1);
        // The closed test decides; p only summarises it.
        comparison.p = match decided {
            Some(_) => p.min(race.alpha * 0.999),
            None => p.max(race.alpha),
        };
        let is_early = matches!(comparison.verdict, Verdict::Early { .. });
        comparison.verdict = match (decided, way) {
            (Some(_), Some((_, true))) => Verdict::Better,
            (Some(_), Some((_, false))) => Verdict::Worse,
            _ if is_early => comparison.verdict,
            _ => {
                let can_be = race.looks[..reached.looks].iter().any(|&seeds| is_reachable(race, seeds, many));
                match least(race, many).filter(|_| !can_be) {
                    Some(least) => Verdict::TooFew { least },
                    None => Verdict::Open,
                }
            }
        };
    }
    for comparison in all {
        let is_open = matches!(comparison.verdict, Verdict::Open | Verdict::TooFew { .. });
        let may_go_on = comparison.look.is_some_and(|look| look.looks < look.of);
        if is_open && may_go_on && goes_on.is_none_or(|names| names.iter().any(|name| name == comparison.rival.variant))
        {
            comparison.verdict = Verdict::Looking;
        }
    }
}

/// Whether this many seeds can decide one of this many comparisons: no p of n pairs is below 2⁻ⁿ.
fn is_reachable(race: &Race, seeds: u64, many: f64) -> bool {
    spent(race.spending, race.alpha / 2.0 / many, race.share(seeds)) >= least_found(seeds as usize)
}

/// Returns the fewest seeds that can decide at a last look; `None` if there are too many comparisons for the number of
/// exchanges drawn.
fn least(race: &Race, many: f64) -> Option<usize> {
    (1..1000).find(|&n| race.alpha / 2.0 / many >= least_found(n))
}

/// Returns the looks, from 0, at which nothing can be decided with this many comparisons.
pub fn void(race: &Race, comparisons: usize) -> Vec<usize> {
    let void = |look: &usize| !is_reachable(race, race.looks[*look], comparisons.max(1) as f64);
    (0..race.looks.len()).filter(void).collect()
}

/// Returns how many comparisons a report on these variants and scores will make. Each variant comes with its
/// objectives.
pub fn comparisons_of(variants: &[(&str, &BTreeSet<&'static str>)], scores: &[Measure]) -> usize {
    let baselines = baselines(variants).len();
    let rivals = variants.len() - baselines;
    // If there are too many, all other variants, baselines included, are compared only with the first baseline.
    let pairs = if rivals * baselines > MOST_PAIRS { variants.len() - 1 } else { rivals * baselines };
    pairs * ranking(scores).len()
}

/// The result of a look at a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The variants that need no more seeds.
    pub over: Over,
    /// The result of each comparison, in words.
    pub words: Vec<String>,
}

/// The variants that need no more seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// Variants with all comparisons decided, by the score that reports rank by.
    pub rivals: BTreeSet<String>,
    /// The baselines.
    pub baselines: BTreeSet<String>,
}

/// Evaluates a look at a sweep whose jobs have all ended; `None` if some still lack the score that reports rank by.
pub fn look(results: &Results, race: &Race) -> Option<Found> {
    let study = Study::new(results, Options::default());
    let main = *study.ranking.first()?;
    let lacks = |run: &super::study::Run| run.status == Status::Done && study.quality(run, main).is_none();
    if study.variants.iter().flat_map(|variant| &variant.runs).any(lacks) {
        return None;
    }
    let found = comparisons(&study, Step::Last, Some(race));
    let mut decided: BTreeMap<&str, bool> = BTreeMap::new();
    let mut words = Vec::new();
    for comparison in found.all.iter().filter(|of| of.metric == main) {
        let (rival, baseline) = (comparison.rival.variant, comparison.baseline.variant);
        let (is_decided, how) = match comparison.verdict {
            Verdict::Better => (true, "is better than"),
            Verdict::Worse => (true, "is worse than"),
            Verdict::Open | Verdict::Looking | Verdict::TooFew { .. } | Verdict::Early { .. } => {
                (false, "does not differ significantly from")
            }
        };
        *decided.entry(rival).or_insert(true) &= is_decided;
        words.push(format!("{rival} {how} {baseline} in {}", main.name()));
    }
    let rivals = decided.into_iter().filter(|(_, over)| *over).map(|(name, _)| name.to_owned()).collect();
    let baselines = found.baselines.iter().map(|&name| name.to_owned()).collect();
    Some(Found { over: Over { rivals, baselines }, words })
}
