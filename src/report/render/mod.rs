//! A document as text, in one format a file.

#[cfg(test)]
pub(super) mod agreement;
pub mod columns;
mod csv;
pub mod html;
mod json;
mod latex;
mod markdown;
mod symbols;
mod terminal;

use super::document::{Cell, Document, Means, Table};
use sweep_figure::format;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal, or a pipe.
    Terminal {
        /// Columns that rows are wrapped at; `None` where they stay whole.
        width: Option<u16>,
        /// Whether bold text is understood.
        colours: bool,
    },
    /// GitHub's Markdown.
    Markdown,
    /// One line a cell.
    Csv,
    /// A fragment of LaTeX, for a paper.
    Latex,
    /// All that the document has, with types.
    Json,
}

/// The document in this format, ending in a line break.
pub fn render(document: &Document, format: Format) -> String {
    match format {
        Format::Terminal { width, colours } => terminal::render(document, width, colours),
        Format::Markdown => markdown::render(document),
        Format::Latex => latex::render(document),
        Format::Csv => csv::render(document),
        Format::Json => json::render(document),
    }
}

/// The cells for people, row by row. Numbers that stand together have the same decimals: those of a column where they are alike, and
/// within it those of a group; in a table of bare means, all.
fn texts(table: &Table) -> Vec<Vec<String>> {
    let together = |row: usize, column: usize, other: (usize, usize)| {
        if !table.alike {
            return (row, column) == other;
        }
        match table.means {
            Means::WithStd => column == other.1 && (!table.grouped || table.rows[row][0] == table.rows[other.0][0]),
            Means::Alone | Means::WithN => true,
        }
    };
    let largest = |row: usize, column: usize| {
        let all = (0..table.rows.len()).flat_map(|row| (0..table.columns.len()).map(move |column| (row, column)));
        let values = all.filter(|&other| together(row, column, other)).filter_map(|(row, column)| {
            match table.rows[row][column] {
                Cell::Number(value) | Cell::Mean { mean: value, .. } => {
                    Some(value.abs()).filter(|value| value.is_finite())
                }
                Cell::Interval { low, high } => Some(low.abs().max(high.abs())),
                Cell::Empty
                | Cell::Text(_)
                | Cell::Count(_)
                | Cell::Part { .. }
                | Cell::Share { .. }
                | Cell::Percentage { .. }
                | Cell::Rate { .. }
                | Cell::Probability(_) => None,
            }
        });
        values.fold(0.0, f64::max)
    };
    let text = |row: usize, column: usize| text(&table.rows[row][column], table.means, largest(row, column));
    (0..table.rows.len()).map(|row| (0..table.columns.len()).map(|column| text(row, column)).collect()).collect()
}

/// A cell for people, beside others of which `largest` is the largest.
fn text(cell: &Cell, means: Means, largest: f64) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => format::count(*n),
        Cell::Number(value) => format::number_beside(*value, largest),
        Cell::Mean { mean, std, n, of } => match means {
            Means::WithStd => format::mean_beside(*mean, *std, largest),
            Means::Alone => format::number_beside(*mean, largest),
            Means::WithN => format!("{} ({})", format::number_beside(*mean, largest), format::part(*n, *of)),
        },
        Cell::Part { count, of } => format::part(*count, *of),
        Cell::Percentage { count, of } => format!("{:.0} %", 100.0 * *count as f64 / *of as f64),
        Cell::Share { count: 0, .. } => "0".into(),
        Cell::Rate { count, of, low, high } => {
            format!("{} of {} ({:.0}–{:.0} %)", format::count(*count), format::count(*of), 100.0 * low, 100.0 * high)
        }
        Cell::Interval { low, high } => {
            format!("{} to {}", format::number_beside(*low, largest), format::number_beside(*high, largest))
        }
        Cell::Probability(p) => format::probability(*p),
        Cell::Share { count, of } => format!("{count} ({:.0} %)", 100.0 * *count as f64 / *of as f64),
    }
}

/// A column's name for programs, which get the parts of a mean one by one.
fn program(column: &str) -> &str {
    column.strip_suffix(" ± std").unwrap_or(column)
}
