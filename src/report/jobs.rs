//! Every job, in detail.

use std::collections::HashMap;

use super::cells::text;
use super::document::{Job, Jobs};
use super::format::number;
use super::study::Study;
use sweep_spec::id::CohortId;
use sweep_spec::metric::Measure;
use sweep_store::Span;

/// Lists the jobs of a sweep by variant, with these scores.
pub(super) fn jobs(study: &Study, scores: &[Measure]) -> Jobs {
    let mut attempts: HashMap<CohortId, Vec<&Span>> = HashMap::new();
    for attempt in &study.results.attempts {
        attempts.entry(attempt.cohort).or_default().push(attempt);
    }
    let mut rows = Vec::new();
    for (place, variant) in study.variants.iter().enumerate().chain(study.placed_trials()) {
        for run in variant.all() {
            let named = variant.axes.iter().filter_map(|axis| Some(format!("{axis} {}", text(Some(run.value(axis)?)))));
            let of = |metric: &Measure| run.curves.get(metric).cloned().unwrap_or_default();
            rows.push(Job {
                id: run.job.short(),
                variant: (place, variant.name.to_owned()),
                cell: named.collect::<Vec<_>>().join(", "),
                seed: run.seed,
                of: run.of,
                status: run.status,
                message: run.message.to_owned(),
                step: (run.step, run.steps),
                seconds: run.seconds,
                scores: scores.iter().map(|metric| study.score(run, *metric)).collect(),
                curves: scores.iter().map(of).collect(),
                attempts: run
                    .cohorts
                    .iter()
                    .filter_map(|cohort| attempts.get(cohort))
                    .flatten()
                    .map(|span| describe(span))
                    .collect(),
            });
        }
    }
    Jobs { scores: scores.to_vec(), rows }
}

/// `attempt 2 in slot cpu-1, with 44 others: finished after 12.3 s`
fn describe(span: &Span) -> String {
    let others = match span.members - 1.min(span.members) {
        0 => String::new(),
        others => format!(", with {others} {}", if others == 1 { "other" } else { "others" }),
    };
    let seconds = span.ended_at.map(|to| number(to - span.started_at));
    let end = match (span.outcome, seconds) {
        (Some(outcome), Some(seconds)) => format!("{} after {seconds} s", outcome.name().replace('_', " ")),
        (Some(outcome), None) => outcome.name().replace('_', " "),
        (None, _) => "running".to_owned(),
    };
    let message = if span.message.is_empty() { String::new() } else { format!(" ({})", span.message) };
    format!("cohort {}, attempt {} in slot {}{others}: {end}{message}", span.cohort.short(), span.number, span.slot)
}
