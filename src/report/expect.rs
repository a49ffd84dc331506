//! Whether what a sweep file expects came out, and how surely.
//!
//! Whether it holds goes by the two numbers alone, and so does the exit code of `sweep run` and `sweep report`: a file says what to compare,
//! and its author how sure to be. Beside it stands whether the whole 95 % interval of left − right says the same. Each line is judged for
//! itself, without correction for how many there are. The interval is of the jobs of a variant seed by seed, all cells of a
//! seed together ([`super::inference`]); of a best score there is none.

use super::document::{Cell, Table};
use super::format::{count, part};
use super::inference::Interval;
use super::inference::bootstrap::{EACH, PAIRS, interval};
use super::inference::sample::{Sample, Statistic};
use super::options::Step;
use super::stats::summary;
use super::study::{Run, Study};
use sweep_spec::expect::{Aggregate, Expect, Term};
use sweep_spec::metric::Metric;
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
    let columns = ["expected", "n", "left", "right", "left − right, 95 %", "holds"];
    let mut table = Table::new("expectations", title, 1, &columns);
    table.alike = false;
    let (mut outcomes, mut intervals) = (Vec::new(), Vec::new());
    for expect in expects {
        let (left, right) = (value(study, &expect.left), value(study, &expect.right));
        let interval = spread(study, expect);
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

/// How the last two columns are to be read.
fn explained(intervals: &[Option<Interval>]) -> Vec<String> {
    let mut notes = Vec::new();
    if intervals.iter().any(Option::is_some) {
        notes.push("Yes and no, and with them the exit code, go by left and right alone; clearly: so says the whole interval (bootstrap over seeds).".to_owned());
    }
    if intervals.iter().any(Option::is_none) {
        notes.push(format!("–: no interval, because a side is the best of its scores, or has fewer than {PAIRS} seeds ({EACH} where the sides have different ones)."));
    }
    notes
}

/// Whether the whole interval of left − right says what the numbers say.
fn certainty(relation: Relation, holds: bool, interval: Option<Interval>) -> Certainty {
    let Some(Interval { low, high }) = interval else { return Certainty::Unknown };
    let (zero, elsewhere) = (low == 0.0 && high == 0.0, low > 0.0 || high < 0.0);
    let clear = match (relation, holds) {
        (Relation::Equal, true) | (Relation::NotEqual, false) => zero,
        (Relation::Equal, false) | (Relation::NotEqual, true) => elsewhere,
        (Relation::Less | Relation::LessOrEqual | Relation::Greater | Relation::GreaterOrEqual, _) => {
            [low, high].iter().all(|&end| relation.holds(end, 0.0) == holds)
        }
    };
    if clear { Certainty::Clear } else { Certainty::WithinNoise }
}

/// The interval of left − right, where there is one.
fn spread(study: &Study, expect: &Expect) -> Option<Interval> {
    let shifted = |found: Interval, by: f64| Interval { low: found.low - by, high: found.high - by };
    match (&expect.left, &expect.right) {
        (Term::Number(_), Term::Number(_)) => None,
        (score @ Term::Score { .. }, Term::Number(number)) => {
            let (sample, statistic) = sample(study, score)?;
            Some(shifted(interval((&sample, statistic), None)?, *number))
        }
        (Term::Number(number), score @ Term::Score { .. }) => {
            let (sample, statistic) = sample(study, score)?;
            let found = shifted(interval((&sample, statistic), None)?, *number);
            Some(Interval { low: -found.high, high: -found.low })
        }
        (left @ Term::Score { .. }, right @ Term::Score { .. }) => {
            let ((left, statistic), (right, other)) = (sample(study, left)?, sample(study, right)?);
            interval((&left, statistic), Some((&right, other)))
        }
    }
}

/// The scores that a term is of, and what it takes of them; `None` for the best of them.
fn sample(study: &Study, term: &Term) -> Option<(Sample, Statistic)> {
    let Term::Score { metric, variant, aggregate } = term else { return None };
    let statistic = match aggregate {
        Aggregate::Best => return None,
        Aggregate::Mean => Statistic::Mean,
        Aggregate::Median => Statistic::Median,
    };
    let variant = study.variants.iter().find(|known| known.name == variant)?;
    Some((Sample::new(variant.runs.iter().filter_map(|run| Some((run.seed, study.score(run, *metric)?)))), statistic))
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

fn has(study: &Study, run: &Run, metric: Metric) -> bool {
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
