//! Tables and numbers for people.

use std::io::stdout;

use super::terminal::width;
use sweep_plan::slot::Slot;
pub use sweep_report::format::{binary_bytes, bytes, count, duration, plural, span};
use sweep_report::render::columns::{self, Columns};
use sweep_spec::text::plain;

/// How the cells of a column are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Writes lines of `name  value`, wrapped at the width of the terminal.
pub fn facts(facts: &[(&str, String)]) -> String {
    let facts: Vec<(&str, String)> = facts.iter().map(|(name, value)| (*name, plain(value))).collect();
    columns::facts(facts.iter().map(|(name, value)| (*name, value.as_str())), width(&stdout()))
}

/// Writes a table with a header, wrapped at the width of the terminal. Through a pipe each row is one line, unless
/// `COLUMNS` is set.
pub fn table(header: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let header: Vec<(&str, bool)> = header.iter().map(|(name, align)| (*name, *align == Align::Right)).collect();
    // This comes before widths are counted.
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    Columns { header: &header, rows: &rows, width: width(&stdout()), rule: false }.draw(&rows)
}

/// Writes `2 × cpu (1 thread each)`.
pub fn slots(slots: &[Slot]) -> String {
    let mut kinds: Vec<(&Slot, usize)> = Vec::new();
    for slot in slots {
        match kinds.iter_mut().find(|(kind, _)| *kind == slot) {
            Some((_, n)) => *n += 1,
            None => kinds.push((slot, 1)),
        }
    }
    let kind = |(slot, n): &(&Slot, usize)| {
        format!("{n} × {} ({} each)", slot.device, plural(slot.threads as usize, "thread"))
    };
    kinds.iter().map(kind).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_trailing_space_and_aligns_numbers() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "100".to_owned()]];
        let text = table(&[("name", Align::Left), ("n", Align::Right)], rows);
        assert_eq!(text, "name    n\na       1\nbcd   100\n");
    }
}
