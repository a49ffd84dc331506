//! Comma-separated values: one line per cell, so the file has the same columns whatever tables the report has.
//!
//! Texts are cleaned by [`field_text`], because terminals and spreadsheets may show them.

use super::super::document::{Block, Cell, Document, Table};
use super::program;
use sweep_figure::{field_text, float};

pub(super) fn render(document: &Document) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let mut lines = vec![["section", "table", "row", "column", "value", "std", "n", "of"].map(str::to_owned)];
    let mut section = String::new();
    lines.push(line("", ["title", "", "", &document.title, "", "", ""]));
    for block in &document.blocks {
        match block {
            Block::Section(name) => section.clone_from(name),
            Block::Verdict(paragraph) | Block::Paragraph(paragraph) => {
                lines.push(line(&section, ["text", "", "", paragraph, "", "", ""]))
            }
            Block::Table(table) => lines.extend(cells(&section, table)),
            // `sweep report --figures` writes each figure as a file.
            Block::Figure(_) => {}
            // `sweep query` has the jobs.
            Block::Jobs(_) => {}
        }
    }
    for line in lines {
        // Writing to memory cannot fail.
        let _ = writer.write_record(line.map(|field| field_text(&field)));
    }
    writer.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn cells(section: &str, table: &Table) -> Vec<[String; 8]> {
    let mut lines = Vec::new();
    for row in &table.rows {
        let keys: Vec<String> = row[..table.keys].iter().map(name).collect();
        let key = keys.join(" / ");
        for (column, cell) in table.columns.iter().zip(row).skip(table.keys) {
            let none = String::new;
            let (value, std, n, of) = match cell {
                Cell::Empty => continue,
                Cell::Text(text) => (text.clone(), none(), none(), none()),
                Cell::Count(n) => (n.to_string(), none(), none(), none()),
                Cell::Number(value) => (float(*value), none(), none(), none()),
                Cell::Mean { mean, std, n, of } => {
                    (float(*mean), std.map(float).unwrap_or_default(), n.to_string(), of.to_string())
                }
                Cell::Part { count, of }
                | Cell::Share { count, of }
                | Cell::Percentage { count, of }
                | Cell::Rate { count, of, .. } => (count.to_string(), none(), none(), of.to_string()),
                Cell::Probability(p) => (float(*p), none(), none(), none()),
                Cell::Interval { .. } => (none(), none(), none(), none()),
            };
            if !value.is_empty() {
                lines.push(line(section, [table.name, &key, program(column), &value, &std, &n, &of]));
            }
            if let Cell::Rate { low, high, .. } | Cell::Interval { low, high } = cell {
                for (end, value) in [("low", low), ("high", high)] {
                    let column = format!("{} {end}", program(column));
                    lines.push(line(section, [table.name, &key, &column, &float(*value), "", "", ""]));
                }
            }
        }
    }
    for note in &table.notes {
        lines.push(line(section, [table.name, "", "note", note, "", "", ""]));
    }
    lines
}

/// Formats a cell that names a row.
fn name(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(n)
        | Cell::Part { count: n, .. }
        | Cell::Share { count: n, .. }
        | Cell::Percentage { count: n, .. }
        | Cell::Rate { count: n, .. } => n.to_string(),
        Cell::Number(value) | Cell::Mean { mean: value, .. } | Cell::Probability(value) => float(*value),
        Cell::Interval { low, high } => format!("{} to {}", float(*low), float(*high)),
    }
}

fn line(section: &str, fields: [&str; 7]) -> [String; 8] {
    let [table, row, column, value, std, n, of] = fields.map(str::to_owned);
    [section.to_owned(), table, row, column, value, std, n, of]
}
