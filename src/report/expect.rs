//! Whether the expectations of a sweep file hold, and how surely.
//!
//! Whether an expectation holds depends on the two numbers alone, and so does the exit code of `sweep run` and
//! `sweep report`: a file says what to compare, and its author how sure to be. Next to it stands the probability that a
//! job of the left side scores higher than one of the right (or than the number). “Clearly” means that the whole 95 %
//! interval of that probability is on the same side as the two numbers. Each line is judged separately, without a
//! correction for their number. All jobs of a seed are one replicate ([`super::inference`]). A best score has no
//! interval.
//!
//! **Rates** are judged in the same way. A job that meets the condition scores 1, any other 0, so the probability that
//! a job of the left scores higher (ties count half) is ½ + (left rate − right rate)/2, which is above ½ exactly if the
//! left rate is higher. Next to a number stands the interval of the rate itself.

use std::collections::BTreeMap;

use super::collapse::{is_measured, meets};
use super::document::{Cell, Table};
use super::early::is_picked;
use super::inference::Interval;
use super::inference::chance::{Chance, REPLICATES};
use super::inference::rate;
use super::options::Step;
use super::stats::{advantage, summary};
use super::step::scored_alike;
use super::study::{Run, Study, Variant};
use sweep_figure::format::{count, part};
use sweep_spec::expect::{Aggregate, Expect, Term};
use sweep_spec::metric::Measure;
use sweep_spec::relation::Relation;

/// The outcome of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds(Certainty),
    /// It does not hold, or a score it needs is missing although all jobs have ended.
    Fails(Certainty),
    /// It needs scores of jobs that have not ended.
    Open,
}

/// How certain an outcome is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The whole interval agrees.
    Clear,
    /// Part of the interval disagrees.
    WithinNoise,
    /// There is no interval.
    Unknown,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Holds(Certainty::Clear) => "yes, clearly",
            Outcome::Holds(Certainty::WithinNoise) => "yes, but within noise",
            Outcome::Holds(Certainty::Unknown) => "yes",
            Outcome::Fails(Certainty::Clear) => "no, clearly",
            Outcome::Fails(Certainty::WithinNoise) => "no, but within noise",
            Outcome::Fails(Certainty::Unknown) => "no",
            Outcome::Open => "not yet known",
        }
    }
}

/// Evaluates the expectations of a sweep by the scores at a step.
pub(super) fn evaluate(study: &Study, expects: &[Expect], step: Step) -> (Option<Table>, Vec<Outcome>) {
    let title = match step {
        Step::Last => "Expectations".to_owned(),
        step => format!("Expectations, by the scores at {}", step.words(study.ranking.first().copied())),
    };
    let is_measured = |expect: &Expect| rate_beside(expect).is_some();
    let of = if expects.iter().any(is_measured) { "P(left > right) or rate, 95 %" } else { "P(left > right), 95 %" };
    let columns = ["expected", "n", "left", "right", of, "holds"];
    let mut table = Table::new("expectations", title, 1, &columns);
    table.alike = false;
    let (mut outcomes, mut intervals) = (Vec::new(), Vec::new());
    for expect in expects {
        let (left, right) = (value(study, &expect.left), value(study, &expect.right));
        let interval = chance(study, expect).filter(|_| step != Step::Best || are_even(study, expect));
        let outcome = match (left, right) {
            _ if expect.terms().iter().any(|term| open(study, term)) => Outcome::Open,
            (Some(left), Some(right)) => {
                let middle = rate_beside(expect).unwrap_or(0.5);
                let holds = expect.relation.holds(left, right);
                // The interval is that of the rate, whichever side it is on.
                let relation = match expect.left {
                    Term::Number(_) if rate_beside(expect).is_some() => expect.relation.turned(),
                    Term::Number(_) | Term::Score { .. } | Term::Rate { .. } => expect.relation,
                };
                let certainty = certainty(relation, holds, interval, middle);
                if holds { Outcome::Holds(certainty) } else { Outcome::Fails(certainty) }
            }
            (Some(_) | None, None) | (None, Some(_)) => Outcome::Fails(Certainty::Unknown),
        };
        let cell = |term: &Term, value: Option<f64>| match (term, value) {
            (_, None) => Cell::Empty,
            (Term::Rate { .. }, Some(_)) => {
                let seen = answers(study, term);
                Cell::Share { count: seen.iter().filter(|&&(_, is)| is).count(), of: seen.len() }
            }
            (Term::Number(_) | Term::Score { .. }, Some(value)) => Cell::Number(value),
        };
        let shown = interval.map_or(Cell::Text("–".into()), |Interval { low, high }| Cell::Interval { low, high });
        let (text, n) = (Cell::Text(expect.text.clone()), Cell::Text(sizes(study, expect)));
        let (left, right) = (cell(&expect.left, left), cell(&expect.right, right));
        table.rows.push(vec![text, n, left, right, shown, Cell::Text(outcome.name().into())]);
        for note in expect.terms().into_iter().filter_map(|term| missing(study, term)) {
            if !table.notes.contains(&note) {
                table.notes.push(note);
            }
        }
        outcomes.push(outcome);
        intervals.push(interval);
    }
    table.notes.extend(explained(&intervals));
    if expects.iter().any(|expect| expect.terms().iter().any(|term| matches!(term, Term::Rate { .. }))) {
        table.notes.push(
            "Rates: a job that meets the condition scores 1, any other 0. A job that diverged or collapsed has no \
            modes, or the worst value of any other score. Next to a number stands the interval of the rate; clearly: \
            the number is outside it."
                .to_owned(),
        );
    }
    ((!table.rows.is_empty()).then_some(table), outcomes)
}

/// Returns the number that a rate is compared with, if any.
fn rate_beside(expect: &Expect) -> Option<f64> {
    match (&expect.left, &expect.right) {
        (Term::Rate { .. }, Term::Number(share)) | (Term::Number(share), Term::Rate { .. }) => Some(*share),
        (Term::Number(_) | Term::Score { .. } | Term::Rate { .. }, _) => None,
    }
}

/// Whether the best steps of both sides were picked from the same steps.
fn are_even(study: &Study, expect: &Expect) -> bool {
    let [left, right] = expect.terms().map(|term| variant(study, term));
    match (left, right) {
        (Some(left), Some(right)) => scored_alike(study, left, right),
        (Some(_), None) | (None, Some(_)) | (None, None) => true,
    }
}

/// Returns the variant that a term names.
fn variant<'s, 'a>(study: &'s Study<'a>, term: &Term) -> Option<&'s Variant<'a>> {
    let (_, name) = term.of()?;
    study.variants.iter().find(|known| known.name == name)
}

/// Explains the last two columns.
fn explained(intervals: &[Option<Interval>]) -> Vec<String> {
    let mut notes = Vec::new();
    if intervals.iter().any(Option::is_some) {
        notes.push(
            "Yes and no, and the exit code, depend on left and right alone. P: how likely a job of the left scores \
            higher (ties count half). Clearly: its whole interval is on the same side of ½ as left and right."
                .to_owned(),
        );
    }
    if intervals.iter().any(Option::is_none) {
        notes.push(format!(
            "–: no interval, because a side is a best score, has fewer than {REPLICATES} seeds, or was picked from \
            other steps."
        ));
    }
    notes
}

/// Returns whether the whole interval is on the side of `middle` that the numbers suggest. This can never confirm
/// equality.
fn certainty(relation: Relation, holds: bool, interval: Option<Interval>, middle: f64) -> Certainty {
    let Some(Interval { low, high }) = interval else { return Certainty::Unknown };
    let (above, below) = (low > middle, high < middle);
    let clear = match relation {
        Relation::Equal => !holds && (above || below),
        Relation::NotEqual => holds && (above || below),
        Relation::Greater | Relation::GreaterOrEqual => {
            if holds {
                above
            } else {
                below
            }
        }
        Relation::Less | Relation::LessOrEqual => {
            if holds {
                below
            } else {
                above
            }
        }
    };
    if clear { Certainty::Clear } else { Certainty::WithinNoise }
}

/// Returns the interval of the probability that a job of the left scores higher than one of the right.
fn chance(study: &Study, expect: &Expect) -> Option<Interval> {
    let chance = match (&expect.left, &expect.right) {
        (Term::Number(_), Term::Number(_)) => return None,
        (rate @ Term::Rate { .. }, Term::Number(_)) | (Term::Number(_), rate @ Term::Rate { .. }) => {
            return interval_of_rate(&alone(study, rate)?);
        }
        (score @ Term::Score { .. }, Term::Number(number)) => Chance::above(&alone(study, score)?, *number)?,
        (Term::Number(number), score @ Term::Score { .. }) => {
            let found = Chance::above(&alone(study, score)?, *number)?.interval()?;
            return Some(Interval { low: 1.0 - found.high, high: 1.0 - found.low });
        }
        (left @ (Term::Score { .. } | Term::Rate { .. }), right @ (Term::Score { .. } | Term::Rate { .. })) => {
            let (left, right) = (by_seed(study, left)?, by_seed(study, right)?);
            let common: Vec<u64> = left.keys().filter(|seed| right.contains_key(seed)).copied().collect();
            let all = |side: BTreeMap<u64, Vec<f64>>| side.into_values().collect::<Vec<_>>();
            if common.is_empty() {
                Chance::apart(&all(left), &all(right))?
            } else {
                let of =
                    |side: &BTreeMap<u64, Vec<f64>>| common.iter().map(|seed| side[seed].clone()).collect::<Vec<_>>();
                Chance::of_pairs(&of(&left), &of(&right))?
            }
        }
    };
    chance.interval()
}

/// Returns Wilson's interval, as in the table of rates. If a seed has several jobs, it is the interval of the
/// probability that a job scores above ½.
fn interval_of_rate(seeds: &[Vec<f64>]) -> Option<Interval> {
    if seeds.iter().any(|jobs| jobs.len() > 1) {
        return Chance::above(seeds, 0.5)?.interval();
    }
    let count = seeds.iter().flatten().filter(|&&is| is > 0.5).count();
    (!seeds.is_empty()).then(|| rate::interval(count, seeds.len()))
}

/// Returns the scores of a term that is compared with a number.
fn alone(study: &Study, term: &Term) -> Option<Vec<Vec<f64>>> {
    Some(by_seed(study, term)?.into_values().collect())
}

/// Returns the scores of a term by seed; `None` for a best score. Lost jobs are infinitely bad. For a rate, scores are
/// 1 and 0.
fn by_seed(study: &Study, term: &Term) -> Option<BTreeMap<u64, Vec<f64>>> {
    // Jobs that remain after others were stopped are a selection, which has no interval.
    let variant = variant(study, term).filter(|variant| !is_picked(variant))?;
    let scores: Vec<(u64, f64)> = match term {
        Term::Number(_) | Term::Score { aggregate: Aggregate::Best, .. } => return None,
        Term::Score { metric, aggregate: Aggregate::Mean | Aggregate::Median, .. } => {
            let quality = |run: &Run| Some((run.seed, advantage(*metric, study.quality(run, *metric)?, 0.0)));
            variant.runs.iter().filter_map(quality).collect()
        }
        Term::Rate { .. } => {
            answers(study, term).into_iter().map(|(seed, is)| (seed, f64::from(u8::from(is)))).collect()
        }
    };
    let mut seeds: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    scores.into_iter().for_each(|(seed, score)| seeds.entry(seed).or_default().push(score));
    Some(seeds)
}

/// Returns whether each job meets a rate's condition, with its seed; unknown ones are left out.
fn answers(study: &Study, term: &Term) -> Vec<(u64, bool)> {
    let Term::Rate { metric, relation, number, .. } = term else { return Vec::new() };
    let measured = variant(study, term).filter(|variant| is_measured(study, &variant.runs, *metric));
    let runs = measured.into_iter().flat_map(|variant| &variant.runs);
    runs.filter_map(|run| Some((run.seed, meets(study, run, *metric, *relation, *number)?))).collect()
}

/// Formats how many scores each side covers: `36 and 4`.
fn sizes(study: &Study, expect: &Expect) -> String {
    let size = |term: &Term| term.of().map(|_| count(scored(study, term)));
    expect.terms().into_iter().filter_map(size).collect::<Vec<_>>().join(" and ")
}

fn value(study: &Study, term: &Term) -> Option<f64> {
    match term {
        Term::Number(value) => Some(*value),
        Term::Rate { .. } => {
            let seen = answers(study, term);
            let share = seen.iter().filter(|&&(_, is)| is).count() as f64 / seen.len() as f64;
            (!seen.is_empty()).then_some(share)
        }
        Term::Score { metric, aggregate, .. } => {
            let variant = variant(study, term)?;
            let summary = summary(variant.runs.iter().filter_map(|run| study.score(run, *metric)))?;
            Some(match aggregate {
                Aggregate::Best => summary.best(*metric),
                Aggregate::Mean => summary.mean,
                Aggregate::Median => summary.median,
            })
        }
    }
}

/// Counts the jobs with the score of a term.
fn scored(study: &Study, term: &Term) -> usize {
    let runs = variant(study, term).into_iter().flat_map(|variant| &variant.runs);
    runs.filter(|run| counts(study, run, term)).count()
}

/// Whether a term covers this run.
fn counts(study: &Study, run: &Run, term: &Term) -> bool {
    match term {
        Term::Number(_) => false,
        Term::Score { metric, .. } => has(study, run, *metric),
        Term::Rate { metric, .. } => study.quality(run, *metric).is_some(),
    }
}

fn has(study: &Study, run: &Run, metric: Measure) -> bool {
    study.score(run, metric).is_some_and(f64::is_finite)
}

/// Returns the note on a term that covers fewer jobs than have ended: `mode_score of D2GAN rests on 1 of 36 jobs; …`.
fn missing(study: &Study, term: &Term) -> Option<String> {
    let (metric, name) = term.of()?;
    let n = scored(study, term);
    let of = variant(study, term)?;
    if is_picked(of) {
        let (metric, stopped) = (metric.name(), of.stopped.len());
        return Some(format!(
            "{metric} of {name} covers the {n} jobs of the remaining cells. The other {stopped} were stopped early \
            because others were better, so it looks too good and has no interval."
        ));
    }
    let runs = &variant(study, term)?.runs;
    let lost = runs.iter().filter(|run| run.status.is_final() && !counts(study, run, term)).count();
    let (part, metric) = (part(n, n + lost), metric.name());
    let why = match term {
        Term::Rate { .. } => "failed, were cancelled,",
        Term::Number(_) | Term::Score { .. } => "ended without a finite score",
    };
    (lost > 0)
        .then(|| format!("{metric} of {name} rests on {part} jobs; the others {why} or were measured in another way."))
}

fn open(study: &Study, term: &Term) -> bool {
    variant(study, term).is_some_and(|variant| variant.runs.iter().any(|run| !run.status.is_final()))
}
