//! The effect of the swept keys: a list for one key, a matrix for two, the ten best cells for more.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::Value;

use super::cells::{Cell as Point, caveat, cells, ranked, text};
use super::collapse::{self, Question, WHOSE_MODES};
use super::document::{Cell, Means, Table};
use super::protocol::differs;
use super::study::{Study, Variant};
use super::variants::mean;
use sweep_figure::format::{count, plural};
use sweep_spec::metric::Measure;

/// Most cells in a list.
const TOP: usize = 10;
/// Most columns of a matrix; with more, it becomes a list.
const WIDEST: usize = 12;

/// Returns the tables of a variant that sweeps something.
pub(super) fn tables(study: &Study, variant: &Variant) -> Vec<Table> {
    let tables = of_cells(study, &variant.in_all_ways());
    if variant.again.is_empty() {
        return tables;
    }
    let with_note = |mut table: Table| {
        table.notes.push(SCORED_AGAIN.into());
        table
    };
    tables.into_iter().map(with_note).collect()
}

/// The note on cells that share jobs.
const SCORED_AGAIN: &str = "Cells that differ only in how samples are scored are the same jobs. All other tables and \
    figures show only the first of these cells.";

fn of_cells(study: &Study, variant: &Variant) -> Vec<Table> {
    let cells = cells(variant);
    if !cells.iter().any(|cell| study.ranking.first().is_some_and(|&main| cell.summary(study, main).is_some())) {
        return Vec::new();
    }
    match variant.axes.as_slice() {
        [] => Vec::new(),
        [_] => vec![line(study, variant, &cells)],
        &[rows, columns] => {
            let (down, across) = (values(&cells, 0), values(&cells, 1));
            if across.len() > WIDEST {
                return vec![top(study, variant, &cells)];
            }
            let matrix = |&metric| matrix(study, variant, &cells, metric, (rows, &down), (columns, &across));
            let rates = collapse::OF_MODES.into_iter().filter(|_| collapse::counts_modes(study));
            let rates =
                rates.map(|asked| self::rates(study, variant, &cells, asked, (rows, &down), (columns, &across)));
            study.ranking.iter().map(matrix).chain(rates).collect()
        }
        _ => vec![top(study, variant, &cells)],
    }
}

fn matrix(
    study: &Study,
    variant: &Variant,
    cells: &[Point],
    metric: Measure,
    (rows, down): (&str, &[Option<&Value>]),
    (columns, across): (&str, &[Option<&Value>]),
) -> Table {
    let mut table = Table::new("grid", "", 1, &[rows]);
    table.columns.extend(across.iter().map(|&value| format!("{columns} {}", text(value))));
    let mut counts = Vec::new();
    for &row in down {
        let mut line = vec![Cell::Text(text(row))];
        for &column in across {
            let cell = cells.iter().find(|cell| cell.values == [row, column]);
            let own = cell.and_then(|cell| study.by_protocols_of(&cell.runs));
            let study = own.as_ref().unwrap_or(study);
            counts.extend(cell.map(|cell| (cell.finished(study, metric), cell.runs.len())));
            line.push(match cell.map(|cell| (mean(cell, study, metric), cell.runs.len())) {
                None => Cell::Empty,
                Some((Cell::Empty, of)) => Cell::Part { count: 0, of },
                Some((mean, _)) => mean,
            });
        }
        table.rows.push(line);
    }
    let even = counts.iter().all(|(n, of)| n == of && Some(&(*n, *of)) == counts.first());
    table.means = if even { Means::Alone } else { Means::WithN };
    let over = match counts.first() {
        Some(&(n, _)) if even => plural(n, "seed"),
        _ => "seeds (number in brackets)".into(),
    };
    table.title = format!("{}: mean {} over {over}", variant.name, metric.name());
    table.notes.extend(scored_otherwise(study, cells, &[metric]));
    table
}

/// Returns how often the runs of each cell meet a condition.
fn rates(
    study: &Study,
    variant: &Variant,
    cells: &[Point],
    asked: &Question,
    (rows, down): (&str, &[Option<&Value>]),
    (columns, across): (&str, &[Option<&Value>]),
) -> Table {
    let title = format!("{}: how many seeds have {}, with the 95 % interval of the rate", variant.name, asked.column);
    let mut table = Table::new("rates", title, 1, &[rows]);
    table.columns.extend(across.iter().map(|&value| format!("{columns} {}", text(value))));
    for &row in down {
        let cell = |&column| {
            let cell = cells.iter().find(|cell| cell.values == [row, column]);
            cell.map_or(Cell::Empty, |cell| share(study, cell, asked))
        };
        table.rows.push([Cell::Text(text(row))].into_iter().chain(across.iter().map(cell)).collect());
    }
    table.notes.push(WHOSE_MODES.into());
    table
}

fn line(study: &Study, variant: &Variant, cells: &[Point]) -> Table {
    let mut cells: Vec<&Point> = cells.iter().collect();
    cells.sort_by(|a, b| order(a.values[0], b.values[0]));
    let mut table = listed(study, variant, &cells, format!("{}: means over seeds", variant.name));
    table.notes.extend(scored_otherwise(study, cells.iter().copied(), &study.ranking));
    table
}

/// Returns how often the runs of a cell meet a condition, by the cell's own protocol.
fn share(study: &Study, cell: &Point, asked: &Question) -> Cell {
    let own = study.by_protocols_of(&cell.runs);
    collapse::share(own.as_ref().unwrap_or(study), &cell.runs, asked)
}

/// Names the other protocols under which some of these cells were scored.
fn scored_otherwise<'c>(
    study: &Study,
    cells: impl IntoIterator<Item = &'c Point<'c>>,
    metrics: &[Measure],
) -> Option<String> {
    let mut how = BTreeSet::new();
    for own in cells.into_iter().filter_map(|cell| study.by_protocols_of(&cell.runs)) {
        let protocols = metrics.iter().filter_map(|&metric| own.protocol(metric).zip(study.protocol(metric)));
        how.extend(protocols.filter(|(own, usual)| own != usual).map(|(own, usual)| differs(study, own, usual)));
    }
    let how: Vec<String> = how.into_iter().collect();
    (!how.is_empty()).then(|| {
        format!(
            "Scored in another way than most: cells with {}. That alone may explain why they differ.",
            how.join("; or ")
        )
    })
}

fn top(study: &Study, variant: &Variant, cells: &[Point]) -> Table {
    let mut best = ranked(study, cells);
    let scored = best.len();
    best.truncate(TOP);
    let main = study.ranking.first().map_or("", |main| main.name());
    let title = if scored > TOP {
        format!("{}: the {TOP} best of {} cells, by mean {main} over seeds", variant.name, count(scored))
    } else {
        format!("{}: cells, by mean {main} over seeds", variant.name)
    };
    let mut table = listed(study, variant, &best, title);
    table.notes.extend(caveat(study, cells));
    // A ranking uses one protocol.
    let is_other = |cell: &&Point| scored_otherwise(study, [*cell], &study.ranking[..1]).is_some();
    let others: Vec<&Point> = cells.iter().filter(is_other).collect();
    if let Some(how) = scored_otherwise(study, others.iter().copied(), &study.ranking[..1]) {
        table.notes.push(format!("Left out: {}. {how}", plural(others.len(), "cell")));
    }
    table
}

fn listed(study: &Study, variant: &Variant, cells: &[&Point], title: String) -> Table {
    let mut table = Table::new("cells", title, variant.axes.len(), &variant.axes);
    table.columns.push("n".into());
    table.columns.extend(study.ranking.iter().map(|metric| metric.name().to_owned()));
    let asked: Vec<&Question> = collapse::OF_MODES.into_iter().filter(|_| collapse::counts_modes(study)).collect();
    table.columns.extend(asked.iter().map(|asked| asked.column.to_owned()));
    if !asked.is_empty() {
        table.notes.push(format!("{WHOSE_MODES} With the 95 % interval of the rate."));
    }
    for cell in cells {
        let mut row: Vec<Cell> = cell.values.iter().map(|&value| Cell::Text(text(value))).collect();
        let own = study.by_protocols_of(&cell.runs);
        let study = own.as_ref().unwrap_or(study);
        let count = study.ranking.first().map_or(0, |&main| cell.finished(study, main));
        row.push(Cell::Part { count, of: cell.runs.len() });
        row.extend(study.ranking.iter().map(|&metric| mean(cell, study, metric)));
        row.extend(asked.iter().map(|asked| collapse::share(study, &cell.runs, asked)));
        table.rows.push(row);
    }
    table
}

/// Returns the distinct values of an axis: numbers by size, others in the order of the file.
pub(super) fn values<'a>(cells: &[Point<'a>], axis: usize) -> Vec<Option<&'a Value>> {
    let mut values = Vec::new();
    for cell in cells {
        if !values.contains(&cell.values[axis]) {
            values.push(cell.values[axis]);
        }
    }
    values.sort_by(|a, b| order(*a, *b));
    values
}

/// Orders numbers by size, then the rest (in its earlier order, because sorting is stable).
fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a.and_then(Value::as_f64), b.and_then(Value::as_f64)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
