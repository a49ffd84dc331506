//! Tables and numbers for people.

use std::io::stdout;

use super::terminal::width;
use sweep_plan::slot::Slot;
pub use sweep_report::format::{count, plural};
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

/// Lines of `name  value`, wrapped where the terminal ends.
pub fn facts(facts: &[(&str, String)]) -> String {
    let facts: Vec<(&str, String)> = facts.iter().map(|(name, value)| (*name, plain(value))).collect();
    columns::facts(facts.iter().map(|(name, value)| (*name, value.as_str())), width(&stdout()))
}

/// A table with a header, wrapped where the terminal ends; through a pipe every row is one line, unless `COLUMNS` says otherwise.
pub fn table(header: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let header: Vec<(&str, bool)> = header.iter().map(|(name, align)| (*name, *align == Align::Right)).collect();
    // Before widths are counted.
    let rows: Vec<Vec<String>> = rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    Columns { header: &header, rows: &rows, width: width(&stdout()), rule: false }.draw(&rows)
}

/// `4–6`, or `4` where both are the same.
pub fn span(least: usize, most: usize) -> String {
    if least == most { count(least) } else { format!("{}–{}", count(least), count(most)) }
}

/// `1.4 GB`.
pub fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64 / 1e3, "kB");
    for larger in ["MB", "GB", "TB"] {
        if value >= 999.5 {
            (value, unit) = (value / 1e3, larger);
        }
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `2 h 05 min`, `1.5 days`: as exactly as anybody wants to know.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        86_400..864_000 => format!("{:.1} days", seconds / 86_400.0),
        _ => format!("{} days", count((whole / 86_400) as usize)),
    }
}

/// `2 × cpu (1 thread each)`.
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
    fn numbers_read_well() {
        assert_eq!([512, 9_960, 1_000_000, 1_500_000_000].map(bytes), ["0.5 kB", "10 kB", "1.0 MB", "1.5 GB"]);
        assert_eq!(
            [0.4, 59.6, 3599.0, 7500.0, 90_000.0].map(duration),
            ["0 s", "1 min 00 s", "59 min 59 s", "2 h 05 min", "1.0 days"]
        );
        assert_eq!((span(3, 3), span(1, 1000)), ("3".to_owned(), "1–1,000".to_owned()));
    }

    #[test]
    fn a_table_has_no_trailing_space_and_aligns_numbers() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "100".to_owned()]];
        let text = table(&[("name", Align::Left), ("n", Align::Right)], rows);
        assert_eq!(text, "name    n\na       1\nbcd   100\n");
    }
}
