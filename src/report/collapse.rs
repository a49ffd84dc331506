//! How often training came to nothing.

use super::document::{Cell, Table};
use super::inference::rate;
use super::study::{Run, Study};
use sweep_spec::metric::Metric;
use sweep_wire::status::Status;

/// Of each variant's jobs, how many diverged, and how many cover less than half of the modes; where any did the one, or the other is known.
pub(super) fn table(study: &Study) -> Option<Table> {
    let any = |is: &dyn Fn(&Run) -> bool| study.variants.iter().any(|variant| variant.runs.iter().any(is));
    let counted = any(&|run| is_collapsed(study, run).is_some());
    if !counted && !any(&|run| run.status == Status::Diverged) {
        return None;
    }
    let title = "How many jobs diverged or collapsed, with the 95 % interval of the rate";
    let mut table = Table::new("collapse", title, 1, &["variant", "diverged"]);
    table.columns.extend(counted.then(|| "collapsed".to_owned()));
    for variant in &study.variants {
        let mut row = vec![Cell::Text(variant.name.to_owned()), share(variant.runs.iter().filter_map(is_diverged))];
        if counted {
            row.push(share(variant.runs.iter().filter_map(|run| is_collapsed(study, run))));
        }
        table.rows.push(row);
    }
    if counted {
        table.notes.push("Collapsed: covers less than half of the modes; of the jobs with a modes_covered.".into());
    }
    table
        .notes
        .push("Diverged: became NaN or infinite; of the jobs that ended, without failed and cancelled ones.".into());
    if study.variants.iter().any(|variant| !variant.axes.is_empty()) {
        table.notes.push(
            "The intervals (Clopper and Pearson's) take the jobs of a variant for alike, whatever their cells.".into(),
        );
    }
    Some(table)
}

/// Whether a run diverged, where it has ended by itself.
pub(super) fn is_diverged(run: &Run) -> Option<bool> {
    match run.status {
        Status::Done | Status::Collapsed => Some(false),
        Status::Diverged => Some(true),
        Status::Pending | Status::Running | Status::Failed | Status::Pruned | Status::Cancelled => None,
    }
}

/// Whether a run covers less than half of the modes, where it is known how many it covers and how many there are.
pub(super) fn is_collapsed(study: &Study, run: &Run) -> Option<bool> {
    let covered = study.score(run, Metric::ModesCovered.into()).filter(|covered| covered.is_finite())?;
    Some(covered < run.modes? as f64 / 2.0)
}

fn share(seen: impl Iterator<Item = bool>) -> Cell {
    let (count, of) = seen.fold((0, 0), |(count, of), seen| (count + usize::from(seen), of + 1));
    let found = rate::interval(count, of);
    if of == 0 { Cell::Empty } else { Cell::Rate { count, of, low: found.low, high: found.high } }
}
