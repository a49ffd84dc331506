//! Comma-separated values: one line a cell, so that one file has one shape, whatever tables the report has.
//!
//! Both terminals and spreadsheets show it. What acts on a terminal is left out of texts, and a text that a spreadsheet would take for a
//! formula (`=HYPERLINK(…)` in the name of a variant) begins with an apostrophe, which makes it text there. Numbers are never changed.

use super::super::document::{Block, Cell, Document, Table};
use super::program;
use sweep_spec::text::plain;

pub(super) fn render(document: &Document) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let mut lines = vec![["section", "table", "row", "column", "value", "std", "n", "of"].map(str::to_owned)];
    let mut section = String::new();
    lines.push(line("", ["title", "", "", &document.title, "", "", ""]));
    for block in &document.blocks {
        match block {
            Block::Section(name) => section.clone_from(name),
            Block::Paragraph(paragraph) => lines.push(line(&section, ["text", "", "", paragraph, "", "", ""])),
            Block::Table(table) => lines.extend(cells(&section, table)),
        }
    }
    for line in lines {
        // Writing to memory cannot fail.
        let _ = writer.write_record(line.map(|field| text(&field)));
    }
    writer.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// A text as a field: see the top of this file.
pub fn text(text: &str) -> String {
    let text = plain(text);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '＝', '＋', '－', '＠']);
    // A number is one to a spreadsheet, too, and to everybody else.
    if formula && text.parse::<f64>().is_err() { format!("'{text}") } else { text }
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

/// A cell that names a row.
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

/// All digits, as programs read them.
fn float(value: f64) -> String {
    match value {
        value if value.is_nan() => "nan".into(),
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        value => format!("{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_computes_nothing_and_a_terminal_does_nothing() {
        for (found, expected) in [
            ("=1+1", "'=1+1"),
            ("+1 (555) 1", "'+1 (555) 1"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1+1", "'＝1+1"),
            ("\r=1", "\u{fffd}=1"),
            ("-0.5", "-0.5"),
            ("+1e-3", "+1e-3"),
            ("-inf", "-inf"),
            ("−0.5 to 1", "−0.5 to 1"),
            ("a=b", "a=b"),
            ("", ""),
            ("a\x1b[2J\nb\u{202e}", "a\u{fffd}[2J\nb\u{fffd}"),
        ] {
            assert_eq!(text(found), expected, "{found:?}");
        }
    }
}
