//! Compares each variant with the baseline: the probability that its run is the better one, and the verdict.
//! [`super::inference`] has the statistics.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{Cell, cells, ranked};
use super::early;
use super::inference::chance::Chance;
use super::inference::exchange::{Tested, is_better, least_p};
use super::inference::holm::holm;
use super::inference::run::Run as Contestant;
use super::inference::{Interval, LEVEL};
use super::options::Step;
use super::race::{self, Reached};
use super::stats::{Summary, summary};
use super::step;
use super::study::{Run, Study, Variant};
use sweep_spec::id::JobId;
use sweep_spec::metric::Measure;
use sweep_spec::objective::Objective;
use sweep_spec::race::Race;

/// Most comparisons that are made with several baselines; if there would be more, only those with the first baseline
/// are.
pub(super) const MOST_PAIRS: usize = 6;

/// The comparisons of a sweep, with one correction for all of them.
#[derive(Debug)]
pub(super) struct Comparisons<'a> {
    /// The variants that others are compared with: the GAN variants, or the first variant if none or all are GAN.
    pub baselines: Vec<&'a str>,
    /// One for each pair of variants and each metric of the ranking that both have.
    pub all: Vec<Comparison<'a>>,
    /// Pairs of variants that are not compared, because one of them had more steps to pick the best from.
    pub uneven: Vec<(&'a str, &'a str)>,
    /// How many comparisons the correction counts, including those that cannot be made yet.
    pub tests: usize,
    /// The probability of any wrong verdict among them all.
    pub level: f64,
    /// Set if seeds are added until they are decided.
    pub race: Option<Race>,
}

/// The best cell of a variant compared with that of a baseline, in one metric.
#[derive(Clone, Debug)]
pub(super) struct Comparison<'a> {
    pub metric: Measure,
    pub rival: Side<'a>,
    pub baseline: Side<'a>,
    pub replicates: Replicates,
    /// The probability that a run of the rival scores better than one of the baseline; ties count half.
    pub chance: f64,
    /// The 95 % interval, over all looks if there are several; `None` with too few seeds and before all jobs have
    /// ended.
    pub interval: Option<Interval>,
    /// Two-sided and corrected for all comparisons, including those that cannot be made yet; 1 before all jobs have
    /// ended.
    pub p: f64,
    /// Whether p comes from all exchanges.
    pub exact: bool,
    /// Whether the runs are not all equal, or not all known. Only then is the comparison a test.
    pub differs: bool,
    pub verdict: Verdict,
    /// Its progress, if seeds are added until it is decided.
    pub look: Option<Reached>,
    /// The least factor that its p is multiplied by before the correction.
    pub factor: f64,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    pub variant: &'a str,
    /// `the best D2GAN cell (alpha 0.1, beta 0.2)`
    pub label: String,
    /// How many cells it was picked from.
    pub of: usize,
    /// How many of them were stopped early.
    pub stopped: usize,
    /// Jobs of the cell.
    pub jobs: usize,
    /// Over the jobs with a finite score; `None` if no job has one.
    pub summary: Option<Summary>,
    /// Jobs that diverged, collapsed, or have no finite score.
    pub lost: usize,
}

/// The runs that a comparison uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Replicates {
    /// Pairs, by the seeds that both sides have.
    Pairs(Vec<u64>),
    /// No common seeds: the number of runs on each side.
    Apart { rival: usize, baseline: usize },
}

/// The verdict on a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Worse,
    /// The difference may be due to seeds.
    Open,
    /// More seeds will come.
    Looking,
    /// So many jobs of both have not ended. Checking again and again until a difference shows is wrong more often than
    /// a test promises, and jobs that diverge or collapse end before the others.
    Early {
        open: usize,
    },
    /// With so few seeds, no result can be significant; `least` are needed.
    TooFew {
        least: usize,
    },
}

/// A variant's cells, best first.
pub(super) struct Best<'a> {
    variant: &'a Variant<'a>,
    label: String,
    cell: Cell<'a>,
    pub(super) cells: Vec<Vec<Contestant>>,
    /// How many other cells were stopped early.
    stopped: usize,
}

impl Best<'_> {
    /// How many cells it was picked from.
    pub(super) fn of(&self) -> usize {
        self.cells.len() + self.stopped
    }

    /// Tests whether the cell is better than `other`. If some cells were stopped, nobody knows which cell another
    /// exchange would have picked. Then p is that of the cell alone, times the number of cells, which is valid however
    /// the cell was picked.
    fn is_better(&self, other: &Best, place: usize) -> Tested {
        let Some(theirs) = other.cells.first() else { return Tested { p: 1.0, exact: true } };
        let ours = if self.stopped == 0 { &self.cells[..] } else { &self.cells[..1] };
        let found = is_better(ours, theirs, place);
        Tested { p: (found.p * self.factor() * other.factor()).min(1.0), ..found }
    }

    /// The factor for p, whichever side is better: nobody knows in which direction stopping cells early biases the
    /// result.
    fn factor(&self) -> f64 {
        if self.stopped == 0 { 1.0 } else { self.of() as f64 }
    }
}

/// Makes all comparisons of a sweep by the scores at a step. `race` is set if seeds are added until they are decided.
pub(super) fn comparisons<'a>(study: &'a Study<'a>, step: Step, race: Option<&Race>) -> Comparisons<'a> {
    let best: Vec<Best> = study.variants.iter().filter_map(|variant| best(study, variant, None)).collect();
    let named: Vec<(&str, &BTreeSet<&'static str>)> =
        study.variants.iter().map(|variant| (variant.name, &variant.objectives)).collect();
    let mut baselines = baselines(&named);
    let is_baseline = |best: &&Best, baselines: &[&str]| baselines.contains(&best.variant.name);
    let is_or_comes = |variant: &&Variant| {
        best.iter().any(|best| best.variant.name == variant.name) || !open(study, [*variant], None, None).is_empty()
    };
    let others = study.variants.iter().filter(|variant| !baselines.contains(&variant.name)).filter(is_or_comes).count();
    let others = if race.is_some() { named.len() - baselines.len() } else { others };
    if others * baselines.len() > MOST_PAIRS {
        baselines.truncate(1);
    }
    let (mut all, mut uneven, mut sides) = (Vec::new(), Vec::new(), Vec::new());
    for rival in best.iter().filter(|best| !is_baseline(best, &baselines)) {
        for baseline in best.iter().filter(|best| is_baseline(best, &baselines)) {
            if step == Step::Best && !step::scored_alike(study, rival.variant, baseline.variant) {
                uneven.push((rival.variant.name, baseline.variant.name));
            } else {
                for (place, &metric) in study.ranking.iter().enumerate() {
                    let of = (place, metric);
                    match race {
                        None => all.extend(compare(study, of, rival, baseline)),
                        Some(race) => {
                            let found = race::compare(study, race, of, [rival.variant, baseline.variant]);
                            found.into_iter().for_each(|(comparison, of)| {
                                all.push(comparison);
                                sides.push(of);
                            });
                        }
                    }
                }
            }
        }
    }
    let tests = match race {
        None => {
            let later = yet_to_come(study, &all, &uneven, &baselines);
            correct(&mut all, later)
        }
        // Every look corrects for the same number, however many can be made by now.
        Some(race) => {
            let tests = race::comparisons_of(&named, &study.metrics).max(all.len());
            let last = study.results.sweep.looks.iter().rev().find(|look| look.race == *race);
            let goes_on = last.map(|look| look.more.as_slice());
            let later = tests - all.len();
            race::correct(&mut all, &sides, race, (goes_on, later));
            tests
        }
    };
    Comparisons { baselines, all, uneven, tests, level: race.map_or(LEVEL, |race| race.alpha), race: race.cloned() }
}

/// Counts the comparisons that cannot be made yet.
fn yet_to_come(study: &Study, all: &[Comparison], uneven: &[(&str, &str)], baselines: &[&str]) -> usize {
    let named = |name: &str| study.variants.iter().find(|variant| variant.name == name);
    let rivals = || study.variants.iter().filter(|variant| !baselines.contains(&variant.name));
    let pairs =
        baselines.iter().filter_map(|name| named(name)).flat_map(|other| rivals().map(move |rival| (rival, other)));
    let pairs = pairs.filter(|(rival, other)| !uneven.contains(&(rival.name, other.name)));
    let waits = |rival: &Variant, other: &Variant, metric: Measure| {
        let is = |made: &Comparison| {
            (made.rival.variant, made.baseline.variant, made.metric) == (rival.name, other.name, metric)
        };
        !all.iter().any(is) && !open(study, [rival, other], Some(metric), None).is_empty()
    };
    let of = |(rival, other)| study.ranking.iter().filter(|&&metric| waits(rival, other, metric)).count();
    pairs.map(of).sum()
}

/// Returns the jobs of some variants that have not ended and do not have this score yet; with `end`, only seeds before
/// it.
pub(super) fn open<'v, 'a: 'v>(
    study: &Study,
    variants: impl IntoIterator<Item = &'v Variant<'a>>,
    metric: Option<Measure>,
    end: Option<u64>,
) -> BTreeSet<JobId> {
    let is_open = |run: &&Run| {
        !run.status.is_final()
            && end.is_none_or(|end| run.seed < end)
            && metric.is_none_or(|metric| study.quality(run, metric).is_none())
    };
    variants.into_iter().flat_map(|variant| &variant.runs).filter(is_open).map(|run| run.job).collect()
}

/// Picks the baselines from variants and their objectives.
pub(super) fn baselines<'n>(variants: &[(&'n str, &BTreeSet<&'static str>)]) -> Vec<&'n str> {
    let gan = Objective::Gan { saturating: false }.name();
    let is_gan = |(_, objectives): &&(&str, &BTreeSet<&'static str>)| objectives.iter().eq([&gan]);
    let found: Vec<&str> = variants.iter().filter(is_gan).map(|(name, _)| *name).collect();
    if found.is_empty() || found.len() == variants.len() {
        return variants.iter().take(1).map(|(name, _)| *name).collect();
    }
    found
}

/// Ranks the cells of a variant, best first; with `end`, by the seeds before it.
pub(super) fn best<'a>(study: &Study, variant: &'a Variant<'a>, end: Option<u64>) -> Option<Best<'a>> {
    let mut cells = cells(variant);
    for cell in &mut cells {
        cell.runs.retain(|run| end.is_none_or(|end| run.seed < end));
    }
    let stopped = early::count_stopped(variant);
    let ranked = ranked(study, &cells);
    let cell = (*ranked.first()?).clone();
    let label = cell.label(variant);
    let label = match (variant.axes.is_empty(), label.is_empty()) {
        (false, false) => format!("the best {} cell ({label})", variant.name),
        _ => variant.name.to_owned(),
    };
    let cells = ranked.iter().map(|cell| cell.contestants(study)).collect();
    Some(Best { variant, label, cell, cells, stopped })
}

/// Compares two variants; p is not corrected yet.
fn compare<'a>(
    study: &Study,
    (place, metric): (usize, Measure),
    rival: &Best<'a>,
    baseline: &Best<'a>,
) -> Option<Comparison<'a>> {
    let (comparison, chance) = describe(study, (place, metric), rival, baseline)?;
    let open = open(study, [rival.variant, baseline.variant], Some(metric), None).len();
    if open > 0 {
        return Some(Comparison { verdict: Verdict::Early { open }, ..comparison });
    }
    let (better, worse) = (rival.is_better(baseline, place), baseline.is_better(rival, place));
    let Tested { p, exact } = if better.p <= worse.p { better } else { worse };
    Some(Comparison {
        interval: chance
            .interval_of_best(rival.of() * baseline.factor() as usize, baseline.of() * rival.factor() as usize),
        p: (2.0 * p).min(1.0),
        exact,
        differs: differs(rival.cells.iter().chain(&baseline.cells), place),
        verdict: if better.p <= worse.p { Verdict::Better } else { Verdict::Worse },
        factor: rival.factor() * baseline.factor(),
        ..comparison
    })
}

/// Describes two variants, without interval, p and verdict.
pub(super) fn describe<'a>(
    study: &Study,
    (place, metric): (usize, Measure),
    rival: &Best<'a>,
    baseline: &Best<'a>,
) -> Option<(Comparison<'a>, Chance)> {
    let (ours, theirs) = (known(rival.cells.first()?, place), known(baseline.cells.first()?, place));
    let common: Vec<u64> = ours.keys().filter(|seed| theirs.contains_key(seed)).copied().collect();
    let single = |quality: &f64| vec![*quality];
    let (replicates, chance) = if common.is_empty() {
        let (a, b): (Vec<_>, Vec<_>) = (ours.values().map(single).collect(), theirs.values().map(single).collect());
        (Replicates::Apart { rival: a.len(), baseline: b.len() }, Chance::apart(&a, &b)?)
    } else {
        let of = |side: &BTreeMap<u64, f64>| common.iter().map(|seed| vec![side[seed]]).collect::<Vec<_>>();
        let chance = Chance::of_pairs(&of(&ours), &of(&theirs))?;
        (Replicates::Pairs(common), chance)
    };
    let comparison = Comparison {
        metric,
        rival: side(study, rival, metric),
        baseline: side(study, baseline, metric),
        replicates,
        chance: chance.value,
        interval: None,
        p: 1.0,
        exact: true,
        differs: true,
        verdict: Verdict::Open,
        look: None,
        factor: 1.0,
    };
    Some((comparison, chance))
}

/// Returns the known qualities, by seed.
fn known(runs: &[Contestant], place: usize) -> BTreeMap<u64, f64> {
    runs.iter().filter_map(|run| Some((run.seed, run.quality[place]?))).collect()
}

/// Whether two of the runs differ.
fn differs<'r>(cells: impl Iterator<Item = &'r Vec<Contestant>>, place: usize) -> bool {
    let mut known = cells.flatten().filter_map(|run| run.quality[place]);
    known.next().is_some_and(|first| known.any(|other| other != first))
}

fn side<'a>(study: &Study, best: &Best<'a>, metric: Measure) -> Side<'a> {
    let runs = &best.cell.runs;
    Side {
        variant: best.variant.name,
        label: best.label.clone(),
        of: best.of(),
        stopped: best.stopped,
        jobs: runs.len(),
        summary: summary(runs.iter().filter_map(|run| study.score(run, metric))),
        lost: runs.iter().filter(|run| study.quality(run, metric) == Some(f64::NEG_INFINITY)).count(),
    }
}

/// Corrects every p and sets the verdicts; returns the number of tests. A comparison of runs that are all equal cannot
/// be wrong and is no test. The `later` comparisons, which cannot be made yet, count as if they found nothing (p = 1),
/// so corrected p-values can only stay or fall once they are made.
fn correct(all: &mut [Comparison], later: usize) -> usize {
    let known = all.iter().filter(|comparison| comparison.differs).map(|comparison| comparison.p);
    let tests: Vec<f64> = known.chain(std::iter::repeat_n(1.0, later)).collect();
    let (many, mut corrected) = (tests.len() as f64, holm(&tests).into_iter());
    for comparison in all {
        if comparison.differs {
            comparison.p = corrected.next().unwrap_or(1.0);
        }
        let factor = comparison.factor;
        let is_reachable = |n: usize| 2.0 * least_p(n) * factor * many < LEVEL;
        if comparison.p >= LEVEL && !matches!(comparison.verdict, Verdict::Early { .. }) {
            comparison.verdict = if is_reachable(comparison.replicates.least()) || !comparison.differs {
                Verdict::Open
            } else {
                Verdict::TooFew { least: (1..).find(|&n| is_reachable(n)).unwrap_or(usize::MAX) }
            };
        }
    }
    tests.len()
}

impl Verdict {
    /// Whether it is based on a p.
    pub(super) fn is_of_test(self) -> bool {
        match self {
            Verdict::Better | Verdict::Worse | Verdict::Open => true,
            Verdict::TooFew { .. } | Verdict::Early { .. } => false,
            Verdict::Looking => true,
        }
    }
}

impl Replicates {
    /// Returns the number of pairs, or of seeds on the smaller side.
    pub(super) fn least(&self) -> usize {
        match self {
            Replicates::Pairs(seeds) => seeds.len(),
            Replicates::Apart { rival, baseline } => *rival.min(baseline),
        }
    }
}
