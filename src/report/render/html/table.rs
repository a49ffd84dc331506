//! Tables of a page: sortable with the script, readable without.

use super::super::super::document::{Cell, Means, Table};
use super::super::texts;
use super::{escape, prose};

/// Adds the table under its title.
pub(super) fn titled(out: &mut String, table: &Table, id: &str) {
    out.push_str(&format!("<h3>{}</h3>\n", escape(&table.title)));
    grid(out, table, id);
}

/// Adds the table with its notes.
pub(super) fn grid(out: &mut String, table: &Table, id: &str) {
    let skip = usize::from(table.grouped);
    out.push_str(&format!("<div class=\"wide\"><table class=\"sorts\" data-k=\"{id}\">\n<thead><tr>"));
    for (column, name) in table.columns.iter().enumerate().skip(skip) {
        let class = if table.is_numeric(column) { " class=\"n\"" } else { "" };
        out.push_str(&format!("<th{class} scope=\"col\">{}</th>", escape(name)));
    }
    out.push_str("</tr></thead>\n");
    let texts = texts(table);
    let mut group: Option<&str> = None;
    let mut is_open = false;
    for (row, texts) in table.rows.iter().zip(&texts) {
        if table.grouped && group != Some(texts[0].as_str()) {
            out.push_str(if is_open { "</tbody>\n" } else { "" });
            let span = table.columns.len() - skip;
            out.push_str(&format!(
                "<tbody class=\"head\"><tr><td colspan=\"{span}\">{}</td></tr></tbody>\n",
                escape(&texts[0])
            ));
            group = Some(&texts[0]);
            is_open = false;
        }
        if !is_open {
            out.push_str("<tbody>\n");
            is_open = true;
        }
        out.push_str("<tr>");
        for (column, (cell, text)) in row.iter().zip(texts).enumerate().skip(skip) {
            let class = if table.is_numeric(column) { " class=\"n\"" } else { "" };
            let value = value(cell).map_or(String::new(), |value| format!(" data-x=\"{value}\""));
            let title =
                whole(cell, table.means).map_or(String::new(), |whole| format!(" title=\"{}\"", escape(&whole)));
            out.push_str(&format!("<td{class}{value}{title}>{}</td>", escape(text)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str(if is_open { "</tbody>\n" } else { "" });
    out.push_str("</table></div>\n");
    for note in &table.notes {
        out.push_str(&format!("<p class=\"note\">{}</p>\n", prose(note)));
    }
}

/// Returns the number a cell is sorted by; `None` for text.
fn value(cell: &Cell) -> Option<f64> {
    let value = match cell {
        Cell::Empty | Cell::Text(_) => return None,
        Cell::Count(count) => *count as f64,
        Cell::Number(value) | Cell::Mean { mean: value, .. } | Cell::Probability(value) => *value,
        Cell::Part { count, .. } => *count as f64,
        Cell::Share { count, of } | Cell::Percentage { count, of } | Cell::Rate { count, of, .. } => {
            *count as f64 / (*of).max(1) as f64
        }
        Cell::Interval { low, high } => (low + high) / 2.0,
    };
    value.is_finite().then_some(value)
}

/// Returns the full value of a cell that shows only a part.
fn whole(cell: &Cell, means: Means) -> Option<String> {
    match (cell, means) {
        (Cell::Mean { mean, std, n, of }, _) => {
            let std = std.map_or(String::new(), |std| format!(" ± {std}"));
            Some(format!("{mean}{std} (n = {n} of {of})"))
        }
        (Cell::Number(value), _) if value.is_finite() => Some(value.to_string()),
        (
            Cell::Empty
            | Cell::Text(_)
            | Cell::Count(_)
            | Cell::Number(_)
            | Cell::Part { .. }
            | Cell::Share { .. }
            | Cell::Percentage { .. }
            | Cell::Rate { .. }
            | Cell::Interval { .. }
            | Cell::Probability(_),
            _,
        ) => None,
    }
}
