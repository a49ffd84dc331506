//! How often training diverged, collapsed, or found all modes.

use super::document::{Cell, Table};
use super::inference::rate;
use super::stats::worst;
use super::study::{Run, Study};
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::relation::Relation;
use sweep_wire::status::Status;

/// A yes-or-no question about a job, counted over a variant's jobs.
pub(super) struct Question {
    /// Its short name.
    pub column: &'static str,
    /// Its description.
    pub title: &'static str,
    /// The score that answers it, if any.
    pub by: Option<Metric>,
    /// Answers it for a run; `None` if unknown.
    pub is: fn(&Study, &Run) -> Option<bool>,
}

const BY_MODES: Option<Metric> = Some(Metric::ModesCovered);

/// All questions.
pub(super) const QUESTIONS: [Question; 4] = [
    Question { column: "diverged", title: "Diverged: became NaN or infinite", by: None, is: |_, run| is_diverged(run) },
    Question {
        column: "collapsed",
        title: "Collapsed: covers less than half of the modes",
        by: BY_MODES,
        is: is_collapsed,
    },
    Question { column: "all modes", title: "Found all modes", by: BY_MODES, is: has_all_modes },
    Question { column: "no mode", title: "Found no mode", by: BY_MODES, is: has_no_mode },
];

/// How often a rule of the file stopped a job; used if no score shows collapse.
const STOPPED: Question = Question {
    column: "collapsed",
    title: "Collapsed: stopped by a rule of `stop`",
    by: None,
    is: |_, run| is_stopped(run),
};

/// The questions about modes that a mean hides: eight modes in most runs and none in the rest is not the same as seven
/// in all.
pub(super) const OF_MODES: [&Question; 2] = [&QUESTIONS[2], &QUESTIONS[3]];

/// Returns the answers for each variant's jobs; `None` if no job diverged or was stopped and modes are not counted.
pub(super) fn table(study: &Study) -> Option<Table> {
    let any = |is: &dyn Fn(&Run) -> bool| study.variants.iter().any(|variant| variant.runs.iter().any(is));
    let counted = counts_modes(study);
    let stopped = any(&|run| run.status == Status::Collapsed);
    if !counted && !stopped && !any(&|run| run.status == Status::Diverged) {
        return None;
    }
    let asked: Vec<&Question> = match (counted, stopped) {
        (true, _) => QUESTIONS.iter().collect(),
        (false, true) => vec![&QUESTIONS[0], &STOPPED],
        (false, false) => vec![&QUESTIONS[0]],
    };
    let title = match (counted, stopped) {
        (true, _) => {
            "How often jobs diverged, collapsed, found all modes, and found none, with the 95 % interval of the rate"
        }
        (false, true) => "How often jobs diverged and collapsed, with the 95 % interval of the rate",
        (false, false) => "How often jobs diverged, with the 95 % interval of the rate",
    };
    let mut table = Table::new("collapse", title, 1, &["variant"]);
    table.columns.extend(asked.iter().map(|question| question.column.to_owned()));
    for variant in &study.variants {
        let cells = asked.iter().map(|question| share(study, &variant.runs, question));
        table.rows.push([Cell::Text(variant.name.to_owned())].into_iter().chain(cells).collect());
    }
    if counted {
        let or = if stopped { ", or was stopped by a rule of `stop`" } else { "" };
        table
            .notes
            .push(format!("Collapsed: covers less than half of the modes{or}; out of the jobs with a modes_covered."));
        table.notes.push(WHOSE_MODES.into());
    } else if stopped {
        table.notes.push(
            "Collapsed: stopped by a rule of `stop`; out of the jobs that ended, except failed and cancelled \
            ones."
                .into(),
        );
    }
    table
        .notes
        .push("Diverged: became NaN or infinite; out of the jobs that ended, except failed and cancelled ones.".into());
    if study.variants.iter().any(|variant| !variant.axes.is_empty()) {
        table.notes.push("The intervals (Wilson's) treat all jobs of a variant alike, whatever their cell.".into());
    }
    Some(table)
}

/// The jobs that rates of modes are out of.
pub(super) const WHOSE_MODES: &str = "All modes and no mode: out of the jobs with a modes_covered and those that \
    diverged or collapsed, which found none.";

/// Whether the covered modes and the total are known for any run.
pub(super) fn counts_modes(study: &Study) -> bool {
    let is_counted = |run: &Run| run.status != Status::Collapsed && is_collapsed(study, run).is_some();
    study.variants.iter().flat_map(|variant| &variant.runs).any(is_counted)
}

/// Whether a short report includes the rates: modes are counted, or jobs have collapsed.
pub(super) fn is_worth_a_look(study: &Study) -> bool {
    let mut runs = study.variants.iter().flat_map(|variant| &variant.runs);
    counts_modes(study) || runs.any(|run| run.status == Status::Collapsed)
}

/// Returns for how many of these runs the answer is yes, with the interval of the rate.
pub(super) fn share(study: &Study, runs: &[Run], question: &Question) -> Cell {
    let known = question.by.is_none_or(|metric| is_measured(study, runs, metric.into()));
    let seen = runs.iter().filter(|_| known).filter_map(|run| (question.is)(study, run));
    let (count, of) = seen.fold((0, 0), |(count, of), seen| (count + usize::from(seen), of + 1));
    let found = rate::interval(count, of);
    if of == 0 { Cell::Empty } else { Cell::Rate { count, of, low: found.low, high: found.high } }
}

/// Whether any of these runs was measured under the protocol shown, or none has any score. If the others only have
/// scores under another protocol or of other metrics, the lost runs say nothing about the rest.
pub(super) fn is_measured(study: &Study, runs: &[Run], metric: Measure) -> bool {
    runs.iter().any(|run| study.score(run, metric).is_some()) || runs.iter().all(|run| run.scores.is_empty())
}

/// Whether a run's score satisfies a relation to a number; `None` if unknown. A run that diverged or collapsed, or has
/// no finite score, has the worst possible score.
pub(super) fn meets(study: &Study, run: &Run, metric: Measure, relation: Relation, number: f64) -> Option<bool> {
    study.quality(run, metric)?;
    let score = study.score(run, metric).filter(|score| score.is_finite());
    Some(relation.holds(score.unwrap_or(worst(metric)), number))
}

/// Whether a run diverged; `None` unless it ended by itself.
fn is_diverged(run: &Run) -> Option<bool> {
    match run.status {
        Status::Done | Status::Collapsed => Some(false),
        Status::Diverged => Some(true),
        Status::Pending | Status::Running | Status::Failed | Status::Pruned | Status::Cancelled => None,
    }
}

/// Whether a rule of the file stopped a run; `None` unless it ended by itself.
fn is_stopped(run: &Run) -> Option<bool> {
    is_diverged(run).map(|_| run.status == Status::Collapsed)
}

/// Whether a run covers less than half of the modes or was stopped by a rule of the file; `None` if unknown.
fn is_collapsed(study: &Study, run: &Run) -> Option<bool> {
    if run.status == Status::Collapsed {
        return Some(true);
    }
    let covered = study.score(run, Metric::ModesCovered.into()).filter(|covered| covered.is_finite())?;
    Some(covered < run.modes? as f64 / 2.0)
}

fn has_all_modes(study: &Study, run: &Run) -> Option<bool> {
    modes(study, run, Relation::GreaterOrEqual, run.modes? as f64)
}

fn has_no_mode(study: &Study, run: &Run) -> Option<bool> {
    run.modes?;
    modes(study, run, Relation::Less, 1.0)
}

/// If no run was scored by modes covered, the answer is unknown for lost runs, too.
fn modes(study: &Study, run: &Run, relation: Relation, number: f64) -> Option<bool> {
    let covered = Measure::Known(Metric::ModesCovered);
    study.metrics.contains(&covered).then(|| meets(study, run, covered, relation, number))?
}
