//! For a terminal: aligned columns, wrapped if it is narrow.

use super::super::document::{Block, Document, Table};
use super::columns::Columns;
use super::texts;
use sweep_spec::text::line;

const BOLD: (&str, &str) = ("\x1b[1m", "\x1b[0m");
const DIM: (&str, &str) = ("\x1b[2m", "\x1b[0m");

/// Width of a paragraph if rows are not wrapped.
const PAGE: u16 = 100;

pub(super) fn render(document: &Document, width: Option<u16>, colours: bool) -> String {
    let page = width.unwrap_or(PAGE);
    let style =
        |(on, off): (&str, &str), text: &str| if colours { format!("{on}{text}{off}") } else { text.to_owned() };
    let mut out: String =
        wrap(&line(&document.title), page).lines().map(|line| format!("{}\n", style(BOLD, line))).collect();
    for block in &document.blocks {
        let drawn = match block {
            Block::Figure(figure) if figure.first && figure.small => sweep_figure::text(figure, page.into()),
            Block::Figure(_)
            | Block::Section(_)
            | Block::Verdict(_)
            | Block::Paragraph(_)
            | Block::Table(_)
            | Block::Jobs(_) => None,
        };
        if !out.is_empty() && (drawn.is_some() || !matches!(block, Block::Figure(_) | Block::Jobs(_))) {
            out.push('\n');
        }
        match block {
            Block::Figure(figure) => {
                if let Some(drawn) = drawn {
                    for line in wrap(&line(&figure.title), page).lines() {
                        out.push_str(&format!("{}\n", style(BOLD, line)));
                    }
                    out.push_str(&drawn);
                }
            }
            Block::Section(name) => {
                let rule = "═".repeat(name.chars().count().min(page.into()));
                out.push_str(&format!("{}\n{rule}\n", style(BOLD, &line(name))));
            }
            Block::Jobs(_) => {}
            Block::Verdict(paragraph) | Block::Paragraph(paragraph) => out.push_str(&wrap(&line(paragraph), page)),
            Block::Table(table) => {
                for line in wrap(&line(&table.title), page).lines() {
                    out.push_str(&format!("{}\n", style(BOLD, line)));
                }
                out.push_str(&grid(table, width, |heading| style(BOLD, heading)));
                for note in &table.notes {
                    for line in wrap(&line(note), page).lines() {
                        out.push_str(&format!("{}\n", style(DIM, line)));
                    }
                }
            }
        }
    }
    out
}

/// Draws the rows. In a grouped table, each group has a heading, and all groups have the same column widths.
fn grid(table: &Table, width: Option<u16>, heading: impl Fn(&str) -> String) -> String {
    let skip = usize::from(table.grouped);
    let texts: Vec<Vec<String>> = texts(table).iter().map(|row| row.iter().map(|text| line(text)).collect()).collect();
    let rows: Vec<Vec<String>> = texts.iter().map(|row| row[skip..].to_vec()).collect();
    let groups: Vec<&str> = texts.iter().map(|row| if table.grouped { row[0].as_str() } else { "" }).collect();
    let names: Vec<String> = table.columns[skip..].iter().map(|name| line(name)).collect();
    let header: Vec<(&str, bool)> =
        names.iter().enumerate().map(|(index, name)| (name.as_str(), table.is_numeric(skip + index))).collect();
    let columns = Columns { header: &header, rows: &rows, width, rule: true };
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
        out.push_str(&columns.draw(&rows[start..end]));
        start = end;
    }
    out
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
