//! Each variant against the baseline: differences over seeds, with what they allow to be said. How, says [`super::inference`].

use std::collections::BTreeSet;

use super::cells::{Cell, cells, ranked};
use super::inference::bootstrap::interval;
use super::inference::holm::holm;
use super::inference::sample::{Sample, Statistic};
use super::inference::{Interval, LEVEL, paired, unpaired};
use super::stats::{Summary, advantage, summary};
use super::study::{Study, Variant};
use sweep_spec::metric::Metric;
use sweep_spec::objective::Objective;

/// Comparisons that are made against each of several baselines; of more, only those against the first.
pub(super) const TOLD: usize = 6;

/// The comparisons of a sweep, corrected together.
#[derive(Debug)]
pub(super) struct Comparisons<'a> {
    /// What the others are compared with: the GAN variants, or the first variant where none or all are GAN.
    pub baselines: Vec<&'a str>,
    /// For each pair of variants one for each metric of the ranking that both have.
    pub all: Vec<Comparison<'a>>,
}

/// The best cell of a variant against that of a baseline, in the mean of one metric.
#[derive(Clone, Debug)]
pub(super) struct Comparison<'a> {
    pub metric: Metric,
    pub rival: Side<'a>,
    pub baseline: Side<'a>,
    pub replicates: Replicates,
    /// The rival's mean less the baseline's, of the pairs where there are pairs.
    pub difference: f64,
    /// Of 95 %; `None` with too few seeds.
    pub interval: Option<Interval>,
    /// Two-sided, corrected for all comparisons.
    pub p: f64,
    pub verdict: Verdict,
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    pub variant: &'a str,
    /// `the best D2GAN cell (alpha 0.1, beta 0.2)`
    pub label: String,
    /// How many cells it was picked from.
    pub of: usize,
    /// Jobs of the cell.
    pub jobs: usize,
    pub summary: Summary,
}

/// What a comparison rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replicates {
    /// Both cells have the same seeds: as many with a score in both, of so many.
    Pairs { n: usize, of: usize },
    /// Other seeds on each side: as many with a score.
    Apart { rival: usize, baseline: usize },
}

/// What may be said of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Better,
    Worse,
    /// The difference may be one of seeds.
    Open,
    /// With so few seeds no difference is large enough; so many are the least.
    TooFew {
        least: usize,
    },
}

/// A variant's best cell.
struct Best<'a> {
    variant: &'a str,
    label: String,
    of: usize,
    cell: Cell<'a>,
}

/// All comparisons of a sweep.
pub(super) fn comparisons<'a>(study: &'a Study<'a>) -> Comparisons<'a> {
    let best: Vec<Best> = study.variants.iter().filter_map(|variant| best(study, variant)).collect();
    let mut baselines = baselines(study);
    let others = |baseline: &Vec<&str>| best.iter().filter(|best| !baseline.contains(&best.variant)).count();
    if others(&baselines) * baselines.len() > TOLD {
        baselines.truncate(1);
    }
    let mut all = Vec::new();
    for rival in best.iter().filter(|best| !baselines.contains(&best.variant)) {
        for baseline in best.iter().filter(|best| baselines.contains(&best.variant)) {
            all.extend(study.ranking.iter().filter_map(|&metric| compare(study, metric, rival, baseline)));
        }
    }
    correct(&mut all);
    Comparisons { baselines, all }
}

fn baselines<'a>(study: &Study<'a>) -> Vec<&'a str> {
    let gan = Objective::Gan { saturating: false }.name();
    let found: Vec<&str> =
        study.variants.iter().filter(|variant| variant.objectives.iter().eq([&gan])).map(|found| found.name).collect();
    if found.is_empty() || found.len() == study.variants.len() {
        return study.variants.iter().take(1).map(|first| first.name).collect();
    }
    found
}

fn best<'a>(study: &Study, variant: &Variant<'a>) -> Option<Best<'a>> {
    let cells = cells(variant);
    let ranked = ranked(study, &cells);
    let best = *ranked.first()?;
    let label = best.label(variant);
    let label = match (variant.axes.is_empty(), label.is_empty()) {
        (false, false) => format!("the best {} cell ({label})", variant.name),
        _ => variant.name.to_owned(),
    };
    Some(Best { variant: variant.name, label, of: ranked.len(), cell: best.clone() })
}

/// The comparison with its p as it is.
fn compare<'a>(study: &Study, metric: Metric, rival: &Best<'a>, baseline: &Best<'a>) -> Option<Comparison<'a>> {
    let (mut ours, mut theirs) = (rival.cell.by_seed(study, metric), baseline.cell.by_seed(study, metric));
    let seeds = rival.cell.seeds();
    let sides = (side(rival, ours.values())?, side(baseline, theirs.values())?);
    let mut replicates = Replicates::Apart { rival: ours.len(), baseline: theirs.len() };
    if seeds == baseline.cell.seeds() {
        let both: BTreeSet<u64> = ours.keys().filter(|seed| theirs.contains_key(seed)).copied().collect();
        ours.retain(|seed, _| both.contains(seed));
        theirs.retain(|seed, _| both.contains(seed));
        replicates = Replicates::Pairs { n: both.len(), of: seeds.len() };
    }
    let mean = |scores: &[f64]| Some(summary(scores.iter().copied())?.mean);
    let (a, b): (Vec<f64>, Vec<f64>) = (ours.values().copied().collect(), theirs.values().copied().collect());
    let difference = mean(&a)? - mean(&b)?;
    let p = match replicates {
        Replicates::Pairs { .. } => paired::p(&a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<_>>()),
        Replicates::Apart { .. } => unpaired::p(&a, &b),
    };
    let interval = interval((&Sample::new(ours), Statistic::Mean), Some((&Sample::new(theirs), Statistic::Mean)));
    let verdict = Verdict::Open;
    Some(Comparison { metric, rival: sides.0, baseline: sides.1, replicates, difference, interval, p, verdict })
}

fn side<'a, 's>(best: &Best<'a>, scores: impl Iterator<Item = &'s f64>) -> Option<Side<'a>> {
    let (variant, label, of, jobs) = (best.variant, best.label.clone(), best.of, best.cell.runs.len());
    Some(Side { variant, label, of, jobs, summary: summary(scores.copied())? })
}

/// Corrects every p, and says what follows.
fn correct(all: &mut [Comparison]) {
    // The best of several cells was picked by the very scores that are tested: Bonferroni over all that could have been picked.
    let picks = |comparison: &Comparison| (comparison.rival.of * comparison.baseline.of) as f64;
    let corrected = holm(&all.iter().map(|comparison| (comparison.p * picks(comparison)).min(1.0)).collect::<Vec<_>>());
    let tests = all.len() as f64;
    for (comparison, p) in all.iter_mut().zip(corrected) {
        let many = tests * picks(comparison);
        let ahead = advantage(comparison.metric, comparison.difference, 0.0);
        comparison.p = p;
        comparison.verdict = if p < LEVEL {
            if ahead > 0.0 { Verdict::Better } else { Verdict::Worse }
        } else if comparison.replicates.least_p() * many >= LEVEL {
            Verdict::TooFew { least: comparison.replicates.least(many) }
        } else {
            Verdict::Open
        };
    }
}

impl Replicates {
    /// The smallest p that a test of so many can have.
    fn least_p(self) -> f64 {
        match self {
            Replicates::Pairs { n, .. } => paired::least_p(n),
            Replicates::Apart { rival, baseline } => unpaired::least_p(rival, baseline),
        }
    }

    /// How many seeds each side needs at least, if p is to be below the level among `many` comparisons.
    fn least(self, many: f64) -> usize {
        let enough = |n: &usize| {
            let p = match self {
                Replicates::Pairs { .. } => paired::least_p(*n),
                Replicates::Apart { .. } => unpaired::least_p(*n, *n),
            };
            p * many < LEVEL
        };
        (1..).find(enough).unwrap_or(paired::EXACT)
    }

    /// The test that its p is of.
    pub(super) fn test(self) -> &'static str {
        match self {
            Replicates::Pairs { n, .. } if n < paired::EXACT => "an exact sign-flip test of the pairs",
            Replicates::Pairs { .. } => "a paired t-test",
            Replicates::Apart { rival, baseline } if unpaired::is_exact(rival, baseline) => "an exact permutation test",
            Replicates::Apart { .. } => "Welch's t-test",
        }
    }
}
