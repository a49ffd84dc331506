//! Renders a document as text, one format per file.

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

/// The format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal, or a pipe.
    Terminal {
        /// The width at which rows are wrapped, in characters; `None` to keep them whole.
        width: Option<u16>,
        /// Whether bold text is supported.
        colours: bool,
    },
    /// GitHub's Markdown.
    Markdown,
    /// One line per cell.
    Csv,
    /// A LaTeX fragment, for a paper.
    Latex,
    /// All of the document, with types.
    Json,
}

/// Renders the document in this format, ending in a line break.
pub fn render(document: &Document, format: Format) -> String {
    match format {
        Format::Terminal { width, colours } => terminal::render(document, width, colours),
        Format::Markdown => markdown::render(document),
        Format::Latex => latex::render(document),
        Format::Csv => csv::render(document),
        Format::Json => json::render(document),
    }
}

/// Formats the cells for people, row by row. Numbers in a group have the same decimals: those of a column if its
/// numbers are alike, and within it those of a row group; in a table of bare means, all.
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

/// Formats a cell for people; `largest` is the largest number of its group.
fn text(cell: &Cell, means: Means, largest: f64) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => format::count(*n),
        Cell::Number(value) => format::number_in_column(*value, largest),
        Cell::Mean { mean, std, n, of } => match means {
            Means::WithStd => format::mean_in_column(*mean, *std, largest),
            Means::Alone => format::number_in_column(*mean, largest),
            Means::WithN => format!("{} ({})", format::number_in_column(*mean, largest), format::part(*n, *of)),
        },
        Cell::Part { count, of } => format::part(*count, *of),
        Cell::Percentage { count, of } => format!("{:.0} %", 100.0 * *count as f64 / *of as f64),
        Cell::Share { count: 0, .. } => "0".into(),
        Cell::Rate { count, of, low, high } => {
            format!("{} of {} ({:.0}–{:.0} %)", format::count(*count), format::count(*of), 100.0 * low, 100.0 * high)
        }
        Cell::Interval { low, high } => {
            format!("{} to {}", format::number_in_column(*low, largest), format::number_in_column(*high, largest))
        }
        Cell::Probability(p) => format::probability(*p),
        Cell::Share { count, of } => format!("{count} ({:.0} %)", 100.0 * *count as f64 / *of as f64),
    }
}

/// Returns a column's name for programs, which get the parts of a mean separately.
fn program(column: &str) -> &str {
    column.strip_suffix(" ± std").unwrap_or(column)
}
