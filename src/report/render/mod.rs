//! A document as text, in one format a file.

mod csv;
mod json;
mod markdown;
mod terminal;

use super::document::{Cell, Document, Means};
use super::format;

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
    /// All that the document has, with types.
    Json,
}

/// The document in this format, ending in a line break.
pub fn render(document: &Document, format: Format) -> String {
    match format {
        Format::Terminal { width, colours } => terminal::render(document, width, colours),
        Format::Markdown => markdown::render(document),
        Format::Csv => csv::render(document),
        Format::Json => json::render(document),
    }
}

/// A cell for people.
fn text(cell: &Cell, means: Means) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => format::count(*n as u64),
        Cell::Number(value) => format::number(*value),
        Cell::Mean { mean, std, n } => match means {
            Means::WithStd => format::mean(*mean, *std),
            Means::Alone => format::number(*mean),
            Means::WithN => format!("{} ({n})", format::number(*mean)),
        },
        Cell::Share { count: 0, .. } => "0".into(),
        Cell::Share { count, of } => format!("{count} ({:.0} %)", 100.0 * *count as f64 / *of as f64),
    }
}

/// A column's name for programs, which get the parts of a mean one by one.
fn program(column: &str) -> &str {
    column.strip_suffix(" ± std").unwrap_or(column)
}
