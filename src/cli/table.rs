//! Tables for people: as wide as the terminal, and tidy in a pipe.

use comfy_table::{ContentArrangement, Table, TableComponent, presets};

/// Width where output is no terminal.
const PIPE: u16 = 100;

/// Columns to write in: what `COLUMNS` says, or the terminal has.
pub(crate) fn columns() -> u16 {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
    set.or_else(|| Table::new().width()).unwrap_or(PIPE)
}

/// An empty table with these headings; cells wrap where the terminal is narrow.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns());
    table.set_header(headings);
    table
}

/// The table as text, without the blanks at both ends of its lines.
pub(crate) fn text(table: &Table) -> String {
    table.lines().map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned() + "\n").collect()
}
