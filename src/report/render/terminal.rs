//! For a terminal: aligned columns, wrapped where it is narrow.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, TableComponent, Width, presets};

use super::super::document::{Block, Document, Table};
use super::texts;

const BOLD: (&str, &str) = ("\x1b[1m", "\x1b[0m");
const DIM: (&str, &str) = ("\x1b[2m", "\x1b[0m");

/// Columns of a paragraph where rows are not wrapped.
const PAGE: u16 = 100;

pub(super) fn render(document: &Document, width: Option<u16>, colours: bool) -> String {
    let page = width.unwrap_or(PAGE);
    let style =
        |(on, off): (&str, &str), text: &str| if colours { format!("{on}{text}{off}") } else { text.to_owned() };
    let mut out: String =
        wrap(&plain(&document.title), page).lines().map(|line| format!("{}\n", style(BOLD, line))).collect();
    for block in &document.blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Section(name) => {
                let line = "═".repeat(name.chars().count().min(page.into()));
                out.push_str(&format!("{}\n{line}\n", style(BOLD, &plain(name))));
            }
            Block::Paragraph(paragraph) => out.push_str(&wrap(&plain(paragraph), page)),
            Block::Table(table) => {
                for line in wrap(&plain(&table.title), page).lines() {
                    out.push_str(&format!("{}\n", style(BOLD, line)));
                }
                out.push_str(&grid(table, width, |heading| style(BOLD, heading)));
                for note in &table.notes {
                    for line in wrap(&plain(note), page).lines() {
                        out.push_str(&format!("{}\n", style(DIM, line)));
                    }
                }
            }
        }
    }
    out
}

/// The rows; in a grouped table those of one group under a heading, all groups with the same columns.
fn grid(table: &Table, width: Option<u16>, heading: impl Fn(&str) -> String) -> String {
    let skip = usize::from(table.grouped);
    let texts: Vec<Vec<String>> = texts(table).iter().map(|row| row.iter().map(|text| plain(text)).collect()).collect();
    let rows: Vec<&[String]> = texts.iter().map(|row| &row[skip..]).collect();
    let groups: Vec<&str> = texts.iter().map(|row| if table.grouped { row[0].as_str() } else { "" }).collect();
    let widest = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([table.columns[skip + column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len() - skip).map(widest).collect();
    let total = (widths.iter().map(|width| width + 2).sum::<usize>()).saturating_sub(2);
    let fits = width.is_none_or(|width| total <= usize::from(width));
    let mut out = String::new();
    let mut start = 0;
    while start < rows.len() {
        let end = start + groups[start..].iter().take_while(|group| **group == groups[start]).count();
        if table.grouped {
            if start > 0 {
                out.push('\n');
            }
            out.push_str(&format!("{}\n", heading(groups[start])));
        }
        let mut part = comfy_table::Table::new();
        part.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
        part.set_width(width.unwrap_or(u16::MAX));
        part.set_content_arrangement(if fits { ContentArrangement::Disabled } else { ContentArrangement::Dynamic });
        part.set_header(Row::from(table.columns[skip..].iter().map(|name| plain(name))));
        for row in &rows[start..end] {
            part.add_row(*row);
        }
        for (index, column) in part.column_iter_mut().enumerate() {
            let gap = if index + 1 == widths.len() { 0 } else { 2 };
            column.set_padding((0, gap));
            if table.is_numeric(skip + index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
            if fits {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(widths[index] as u16 + gap)));
            }
        }
        for line in part.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        start = end;
    }
    out
}

/// Without control characters: a name must not move the cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Breaks lines between words.
fn wrap(text: &str, width: u16) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > usize::from(width) {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}
