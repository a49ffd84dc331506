//! Whether what a sweep file expects came out, and how surely.
//!
//! Whether it holds goes by the two numbers alone, and so does the exit code of `sweep run` and `sweep report`: a file says what to compare,
//! and its author how sure to be. Beside it stands how likely a job of the left scores higher than one of the right (or than the number), and
//! clearly is said where the whole 95 % interval of that is on the side of the two numbers. Each line is judged for itself, without
//! correction for how many there are. All jobs of a seed are one replicate ([`super::inference`]); of a best score nothing is said.

use std::collections::BTreeMap;

use super::document::{Cell, Table};
use super::inference::Interval;
use super::inference::chance::{Chance, REPLICATES};
use super::options::Step;
use super::stats::{advantage, summary};
use super::step::scored_alike;
use super::study::{Run, Study};
use sweep_figure::format::{count, part};
use sweep_spec::expect::{Aggregate, Expect, Term};
use sweep_spec::metric::Measure;
use sweep_spec::relation::Relation;

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds(Certainty),
    /// It does not hold, or a score that it needs does not exist although all jobs have ended.
    Fails(Certainty),
    /// It needs scores of jobs that have not ended.
    Open,
}

/// How surely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// The whole interval says so.
    Clear,
    /// Some of the interval says otherwise.
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

/// Evaluates the expectations of a sweep, by the scores of a step.
pub(super) fn evaluate(study: &Study, expects: &[Expect], step: Step) -> (Option<Table>, Vec<Outcome>) {
    let title = match step {
        Step::Last => "Expectations".to_owned(),
        step => format!("Expectations, by the scores of {}", step.words(study.ranking.first().copied())),
    };
    let columns = ["expected", "n", "left", "right", "P(left > right), 95 %", "holds"];
    let mut table = Table::new("expectations", title, 1, &columns);
    table.alike = false;
    let (mut outcomes, mut intervals) = (Vec::new(), Vec::new());
    for expect in expects {
        let (left, right) = (value(study, &expect.left), value(study, &expect.right));
        let interval = chance(study, expect).filter(|_| step != Step::Best || are_even(study, expect));
        let outcome = match (left, right) {
            _ if expect.terms().iter().any(|term| open(study, term)) => Outcome::Open,
            (Some(left), Some(right)) if expect.relation.holds(left, right) => {
                Outcome::Holds(certainty(expect.relation, true, interval))
            }
            (Some(_), Some(_)) => Outcome::Fails(certainty(expect.relation, false, interval)),
            (Some(_) | None, None) | (None, Some(_)) => Outcome::Fails(Certainty::Unknown),
        };
        let cell = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Number);
        let shown = interval.map_or(Cell::Text("–".into()), |Interval { low, high }| Cell::Interval { low, high });
        let (text, n) = (Cell::Text(expect.text.clone()), Cell::Text(sizes(study, expect)));
        table.rows.push(vec![text, n, cell(left), cell(right), shown, Cell::Text(outcome.name().into())]);
        for note in expect.terms().into_iter().filter_map(|term| missing(study, term)) {
            if !table.notes.contains(&note) {
                table.notes.push(note);
            }
        }
        outcomes.push(outcome);
        intervals.push(interval);
    }
    table.notes.extend(explained(&intervals));
    ((!table.rows.is_empty()).then_some(table), outcomes)
}

/// Whether the best steps of both sides were picked from the same steps.
fn are_even(study: &Study, expect: &Expect) -> bool {
    let variant = |term: &Term| match term {
        Term::Number(_) => None,
        Term::Score { variant, .. } => study.variants.iter().find(|known| known.name == *variant),
    };
    match (variant(&expect.left), variant(&expect.right)) {
        (Some(left), Some(right)) => scored_alike(study, left, right),
        (Some(_), None) | (None, Some(_)) | (None, None) => true,
    }
}

/// How the last two columns are to be read.
fn explained(intervals: &[Option<Interval>]) -> Vec<String> {
    let mut notes = Vec::new();
    if intervals.iter().any(Option::is_some) {
        notes.push(
            "Yes and no, and with them the exit code, go by left and right alone. P: how likely a job of the left scores higher, ties counted \
             half; clearly: its whole interval is on the side of ½ that left and right are on."
                .to_owned(),
        );
    }
    if intervals.iter().any(Option::is_none) {
        notes.push(format!(
            "–: no interval, because a side is the best of its scores, has fewer than {REPLICATES} seeds, or was picked from other steps."
        ));
    }
    notes
}

/// Whether the whole interval of the chance says what the numbers say. That two are equal cannot be shown so.
fn certainty(relation: Relation, holds: bool, interval: Option<Interval>) -> Certainty {
    let Some(Interval { low, high }) = interval else { return Certainty::Unknown };
    let (above, below) = (low > 0.5, high < 0.5);
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

/// The interval of the chance that a job of the left scores higher than one of the right.
fn chance(study: &Study, expect: &Expect) -> Option<Interval> {
    let chance = match (&expect.left, &expect.right) {
        (Term::Number(_), Term::Number(_)) => return None,
        (score @ Term::Score { .. }, Term::Number(number)) => Chance::above(&alone(study, score)?, *number)?,
        (Term::Number(number), score @ Term::Score { .. }) => {
            let found = Chance::above(&alone(study, score)?, *number)?.interval()?;
            return Some(Interval { low: 1.0 - found.high, high: 1.0 - found.low });
        }
        (left @ Term::Score { .. }, right @ Term::Score { .. }) => {
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

/// The scores of a term that is compared with a number.
fn alone(study: &Study, term: &Term) -> Option<Vec<Vec<f64>>> {
    Some(by_seed(study, term)?.into_values().collect())
}

/// The scores that a term is of, by seed; `None` for the best of them. Those of jobs that came to nothing are infinitely bad.
fn by_seed(study: &Study, term: &Term) -> Option<BTreeMap<u64, Vec<f64>>> {
    let Term::Score { metric, variant, aggregate } = term else { return None };
    match aggregate {
        Aggregate::Best => return None,
        Aggregate::Mean | Aggregate::Median => {}
    }
    let variant = study.variants.iter().find(|known| known.name == variant)?;
    let mut seeds: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in &variant.runs {
        if let Some(quality) = study.quality(run, *metric) {
            seeds.entry(run.seed).or_default().push(advantage(*metric, quality, 0.0));
        }
    }
    Some(seeds)
}

/// How many scores each side is of: `36 and 4`.
fn sizes(study: &Study, expect: &Expect) -> String {
    let size = |term: &Term| match term {
        Term::Number(_) => None,
        Term::Score { .. } => Some(count(scored(study, term))),
    };
    expect.terms().into_iter().filter_map(size).collect::<Vec<_>>().join(" and ")
}

fn value(study: &Study, term: &Term) -> Option<f64> {
    match term {
        Term::Number(value) => Some(*value),
        Term::Score { metric, variant, aggregate } => {
            let variant = study.variants.iter().find(|known| known.name == variant)?;
            let summary = summary(variant.runs.iter().filter_map(|run| study.score(run, *metric)))?;
            Some(match aggregate {
                Aggregate::Best => summary.best(*metric),
                Aggregate::Mean => summary.mean,
                Aggregate::Median => summary.median,
            })
        }
    }
}

/// How many jobs have the score of a term.
fn scored(study: &Study, term: &Term) -> usize {
    let Term::Score { metric, variant, .. } = term else { return 0 };
    let runs = study.variants.iter().filter(|known| known.name == variant).flat_map(|variant| &variant.runs);
    runs.filter(|run| has(study, run, *metric)).count()
}

fn has(study: &Study, run: &Run, metric: Measure) -> bool {
    study.score(run, metric).is_some_and(f64::is_finite)
}

/// What has to be said of a term that rests on fewer jobs than have ended: `mode_score of D2GAN rests on 1 of 36 jobs; …`.
fn missing(study: &Study, term: &Term) -> Option<String> {
    let Term::Score { metric, variant, .. } = term else { return None };
    let variant = study.variants.iter().find(|known| known.name == variant)?;
    let n = scored(study, term);
    let lost = variant.runs.iter().filter(|run| run.status.is_final() && !has(study, run, *metric)).count();
    (lost > 0).then(|| {
        let (part, name, metric) = (part(n, n + lost), variant.name, metric.name());
        format!("{metric} of {name} rests on {part} jobs; the others ended without a finite one, or were measured otherwise.")
    })
}

fn open(study: &Study, term: &Term) -> bool {
    match term {
        Term::Number(_) => false,
        Term::Score { variant, .. } => {
            let found = study.variants.iter().find(|known| known.name == variant);
            found.is_some_and(|variant| variant.runs.iter().any(|run| !run.status.is_final()))
        }
    }
}
