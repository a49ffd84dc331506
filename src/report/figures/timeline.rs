//! The timeline of each slot.

use super::super::study::Study;
use super::of_none;
use sweep_figure::format::{count, plural};
use sweep_figure::{Bar, End, Figure, Plot, Timeline};
use sweep_store::AttemptOutcome;

/// Most attempts that are drawn: the last ones.
const ATTEMPTS: usize = 2000;

/// Returns the attempts at the sweep's cohorts.
pub(in super::super) fn timeline(study: &Study) -> Option<Figure> {
    let all = &study.results.attempts;
    let shown = &all[all.len().saturating_sub(ATTEMPTS)..];
    let from = shown.iter().map(|attempt| attempt.started_at).reduce(f64::min)?;
    let mut slots: Vec<String> = Vec::new();
    for attempt in shown {
        if !slots.contains(&attempt.slot) {
            slots.push(attempt.slot.clone());
        }
    }
    slots.sort();
    let bars = shown.iter().map(|attempt| Bar {
        slot: slots.iter().position(|slot| *slot == attempt.slot).unwrap_or(0),
        from: attempt.started_at - from,
        to: attempt.ended_at.or(study.results.as_of).map(|to| to - from),
        end: match attempt.outcome {
            None => End::Running,
            Some(AttemptOutcome::Finished) => End::Finished,
            Some(AttemptOutcome::Stopped) => End::Stopped,
            Some(
                AttemptOutcome::OutOfMemory | AttemptOutcome::Failed | AttemptOutcome::Refused | AttemptOutcome::Died,
            ) => End::Failed,
        },
        name: format!(
            "cohort {}, attempt {}, {}",
            attempt.cohort.short(),
            attempt.number,
            plural(attempt.members, "job")
        ),
    });
    let bars = bars.collect();
    let mut notes = Vec::new();
    if shown.len() < all.len() {
        notes.push(format!("The last {} of {} attempts.", count(ATTEMPTS), count(all.len())));
    }
    Some(of_none("timeline", "What each slot did".into(), notes, Plot::Timeline(Timeline { slots, from, bars })))
}
