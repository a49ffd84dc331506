//! The variants in numbers: their scores, the statuses of their jobs, the best cell of each.

use super::cells::{Cell as Point, caveat, cells, ranked};
use super::document::{Cell, Table};
use super::options::{Options, Step};
use super::stats::{better, summary};
use super::study::{Study, Variant};
use super::{protocol, published};
use sweep_figure::format::{count, list, plural};
use sweep_spec::metric::{Direction, Measure};
use sweep_spec::published::Published;
use sweep_wire::status::Status;

/// The name of the row for real samples.
const PERFECT: &str = "(real samples)";

/// Returns the scores of each variant over all its jobs, with published figures; only the requested metric, if there is
/// one.
pub(super) fn scores(study: &Study, figures: &[Published], options: Options) -> Option<Table> {
    let metrics: Vec<Measure> =
        study.metrics.iter().copied().filter(|metric| options.metric.is_none_or(|only| only == *metric)).collect();
    let title = match options.step {
        Step::Last => "Final scores, over all jobs of a variant".to_owned(),
        step => format!("Scores at {}, over all jobs of a variant", step.words(study.ranking.first().copied())),
    };
    let mut table =
        Table::new("scores", title, 2, &["score", "variant", "n", "best", "median", "mean ± std", "published"]);
    table.grouped = true;
    let mut shown: Vec<&Published> = Vec::new();
    for &metric in &metrics {
        for variant in &study.variants {
            let figures = published::of(figures, metric, variant.name);
            for (rank, &protocol) in study.protocols[&metric].iter().enumerate() {
                let Some(row) = row(study, metric, variant, protocol, rank == 0) else { continue };
                table.rows.push(row.into_iter().chain([published::cell(&figures)]).collect());
                shown.extend(&figures);
            }
        }
        table.rows.extend(study.protocol(metric).into_iter().flat_map(|protocol| perfect(study, metric, protocol)));
        table.notes.extend(not_finite(study, metric));
    }
    if shown.is_empty() {
        table.columns.pop();
        table.rows.iter_mut().for_each(|row| {
            row.pop();
        });
    }
    table.notes.extend(published::notes(&shown));
    if table.rows.iter().any(|row| matches!(&row[1], Cell::Text(name) if name.starts_with(PERFECT))) {
        table.notes.push(
            "Real samples: other real samples, as many as are generated, scored like generated ones: a perfect \
            generator."
                .into(),
        );
    }
    table.notes.insert(0, directions(&metrics));
    (!table.rows.is_empty()).then_some(table)
}

/// Returns the rows for other real samples, whose score no generator beats for long.
fn perfect(study: &Study, metric: Measure, protocol: i64) -> impl Iterator<Item = Vec<Cell>> {
    study.floors(metric, protocol).into_iter().map(move |(dataset, value)| {
        let name = dataset.map_or(PERFECT.to_owned(), |dataset| format!("{PERFECT} of {dataset}"));
        let (value, empty) = (Cell::value(metric, value), || Cell::Empty);
        vec![Cell::Text(metric.name().into()), Cell::Text(name), empty(), empty(), empty(), value, empty()]
    })
}

/// Returns the row without its last column.
fn row(study: &Study, metric: Measure, variant: &Variant, protocol: i64, usual: bool) -> Option<Vec<Cell>> {
    let values: Vec<f64> = variant.runs.iter().filter_map(|run| run.score(metric, protocol)).collect();
    if values.is_empty() && (!usual || !variant.may_have(metric) || study.protocols[&metric].len() > 1) {
        return None;
    }
    let label = if usual {
        variant.name.to_owned()
    } else {
        let usual = study.protocol(metric).unwrap_or(protocol);
        format!("{} [{}]", variant.name, protocol::differs(study, protocol, usual))
    };
    let mut row = vec![Cell::Text(metric.name().into()), Cell::Text(label)];
    let of = variant.runs.len();
    match summary(values) {
        Some(summary) => row.extend([
            Cell::Part { count: summary.n, of },
            Cell::value(metric, summary.best(metric)),
            Cell::value(metric, summary.median),
            Cell::Mean { mean: summary.mean, std: summary.std, n: summary.n, of },
        ]),
        None => row.extend([Cell::Part { count: 0, of }, Cell::Empty, Cell::Empty, Cell::Empty]),
    }
    Some(row)
}

fn directions(metrics: &[Measure]) -> String {
    let names = |direction| {
        let found = metrics.iter().filter(|metric| better(**metric) == direction);
        list(&found.map(|metric| metric.name().to_owned()).collect::<Vec<_>>())
    };
    match (names(Direction::Higher).as_str(), names(Direction::Lower).as_str()) {
        (higher, "") => format!("Higher is better for {higher}."),
        ("", lower) => format!("Lower is better for {lower}."),
        (higher, lower) => format!("Higher is better for {higher}; lower is better for {lower}."),
    }
}

fn not_finite(study: &Study, metric: Measure) -> Option<String> {
    let scores = study.variants.iter().flat_map(|variant| &variant.runs).filter_map(|run| study.score(run, metric));
    let n = scores.filter(|score| !score.is_finite()).count();
    (n > 0).then(|| {
        format!(
            "{}: {} NaN or infinite and left out.",
            metric.name(),
            if n == 1 { "1 score is".into() } else { format!("{n} scores are") }
        )
    })
}

/// Counts the jobs of each variant by status.
pub(super) fn jobs(study: &Study) -> Table {
    let found = |status: &Status| study.everyone().flat_map(Variant::all).any(|run| run.status == *status);
    let always = |status: &Status| matches!(status, Status::Done | Status::Diverged | Status::Failed);
    let statuses: Vec<Status> = Status::ALL.into_iter().filter(|status| always(status) || found(status)).collect();
    let mut table = Table::new("jobs", "Jobs", 1, &["variant", "jobs"]);
    table.columns.extend(statuses.iter().map(|status| status.name().to_owned()));
    for variant in study.everyone() {
        let cell = |&status: &Status| {
            let count = variant.all().filter(|run| run.status == status).count();
            match status {
                Status::Failed | Status::Diverged | Status::Collapsed | Status::Pruned => {
                    Cell::Share { count, of: variant.all().count() }
                }
                Status::Pending | Status::Running | Status::Done | Status::Cancelled => Cell::Count(count),
            }
        };
        let mut row = vec![Cell::Text(variant.name.to_owned()), Cell::Count(variant.all().count())];
        row.extend(statuses.iter().map(cell));
        table.rows.push(row);
    }
    table
}

/// Returns the best cell of each variant by the mean over seeds, with its best single run.
pub(super) fn best_cells(study: &Study) -> Option<Table> {
    let (&main, ties) = study.ranking.split_first()?;
    if study.variants.iter().all(|variant| variant.axes.is_empty()) {
        return None;
    }
    let then = ties.first().map_or(String::new(), |tie| format!(", then {}", tie.name()));
    let title = format!("The best cell of each variant, by mean {} over seeds{then}", main.name());
    let mut table = Table::new("best_cells", title, 1, &["variant", "cell", "n"]);
    table.columns.extend(study.ranking.iter().map(|metric| metric.name().to_owned()));
    table.columns.extend(["best run".to_owned(), "job".to_owned()]);
    for variant in &study.variants {
        let cells = cells(variant);
        if let Some(best) = ranked(study, &cells).first() {
            table.rows.push(best_row(study, variant, best, main));
        }
        if table.notes.is_empty() && variant.may_have(main) {
            table.notes.extend(caveat(study, &cells));
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

fn best_row(study: &Study, variant: &Variant, best: &Point, main: Measure) -> Vec<Cell> {
    let label = best.label(variant);
    let mut row = vec![
        Cell::Text(variant.name.to_owned()),
        if label.is_empty() { Cell::Empty } else { Cell::Text(label) },
        Cell::Part { count: best.finished(study, main), of: best.runs.len() },
    ];
    row.extend(study.ranking.iter().map(|&metric| mean(best, study, metric)));
    match best.best_run(study) {
        Some(run) => {
            row.push(study.score(run, main).map_or(Cell::Empty, |score| Cell::value(main, score)));
            row.push(Cell::Text(format!("{} (seed {})", run.job.short(), run.seed)));
        }
        None => row.extend([Cell::Empty, Cell::Empty]),
    }
    row
}

/// Returns a cell's mean over seeds.
pub(super) fn mean(point: &Point, study: &Study, metric: Measure) -> Cell {
    point.summary(study, metric).map_or(Cell::Empty, |summary| Cell::Mean {
        mean: summary.mean,
        std: summary.std,
        n: summary.n,
        of: point.runs.len(),
    })
}

/// Describes the progress of the sweep in a sentence.
pub(super) fn progress(study: &Study) -> String {
    // A job that two variants share counts once.
    let states: std::collections::BTreeMap<_, _> =
        study.everyone().flat_map(Variant::all).map(|run| (run.job, run.status)).collect();
    let total = states.len();
    let of = |status: Status| states.values().filter(|&&state| state == status).count();
    let done = of(Status::Done);
    if total == 0 {
        return "The sweep has no jobs.".into();
    }
    let others: Vec<String> = Status::ALL
        .into_iter()
        .filter(|&status| status != Status::Done && of(status) > 0)
        .map(|status| format!("{} {status}", count(of(status))))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!(", {}", list(&others)) };
    let open = of(Status::Pending) + of(Status::Running);
    let rest = match (study.metrics.is_empty(), open) {
        (_, 0) => "",
        (true, _) => " Nothing to compare yet.",
        (false, _) => " This report covers what there is so far.",
    };
    format!("{} of {} done{others}.{rest}", count(done), plural(total, "job"))
}
