//! Whether what a sweep file expects came out.

use super::document::{Cell, Table};
use super::format::part;
use super::stats::summary;
use super::study::{Run, Study};
use crate::spec::expect::{Aggregate, Expect, Term};

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not hold, or a score that it needs does not exist although all jobs have ended.
    Fails,
    /// It needs scores of jobs that have not ended.
    Open,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Holds => "yes",
            Outcome::Fails => "no",
            Outcome::Open => "not yet known",
        }
    }
}

/// Evaluates the expectations of a sweep.
pub(super) fn evaluate(study: &Study, expects: &[Expect]) -> (Option<Table>, Vec<Outcome>) {
    let mut table = Table::new("expectations", "Expectations", 1, &["expected", "left", "right", "holds"]);
    let mut outcomes = Vec::new();
    for expect in expects {
        let (left, right) = (value(study, &expect.left), value(study, &expect.right));
        let open = expect.terms().iter().any(|term| open(study, term));
        let outcome = match (left, right) {
            _ if open => Outcome::Open,
            (Some(left), Some(right)) if expect.relation.holds(left, right) => Outcome::Holds,
            _ => Outcome::Fails,
        };
        let cell = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Number);
        let (text, outcome_text) = (Cell::Text(expect.text.clone()), Cell::Text(outcome.name().into()));
        table.rows.push(vec![text, cell(left), cell(right), outcome_text]);
        for note in expect.terms().into_iter().filter_map(|term| missing(study, term)) {
            if !table.notes.contains(&note) {
                table.notes.push(note);
            }
        }
        outcomes.push(outcome);
    }
    ((!table.rows.is_empty()).then_some(table), outcomes)
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

/// What has to be said of a term that rests on fewer jobs than have ended: `mode_score of D2GAN rests on 1 of 36 jobs; …`.
fn missing(study: &Study, term: &Term) -> Option<String> {
    match term {
        Term::Number(_) => None,
        Term::Score { metric, variant, .. } => {
            let variant = study.variants.iter().find(|known| known.name == variant)?;
            let scored = |run: &&Run| study.score(run, *metric).is_some_and(f64::is_finite);
            let n = variant.runs.iter().filter(scored).count();
            let lost = variant.runs.iter().filter(|run| run.status.is_final() && !scored(run)).count();
            (lost > 0).then(|| {
                let (part, name, metric) = (part(n, n + lost), variant.name, metric.name());
                format!("{metric} of {name} rests on {part} jobs; the others ended without a finite final one, or were measured otherwise.")
            })
        }
    }
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
