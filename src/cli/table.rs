//! Tables and numbers for people.

use comfy_table::{CellAlignment, ContentArrangement, Row, Table, presets};

use sweep_plan::slot::Slot;
pub(crate) use sweep_report::format::{count, plural};

/// How the cells of a column are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lines of `name  value`, wrapped where the terminal ends.
pub(crate) fn facts(facts: &[(&str, String)]) -> String {
    let mut table = bare();
    for (name, value) in facts {
        table.add_row([*name, value]);
    }
    finish(table)
}

/// A table with a header, wrapped where the terminal ends; through a pipe every row is one line.
pub(crate) fn table(header: &[(&str, Align)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = bare();
    table.set_header(Row::from(header.iter().map(|(name, _)| *name)));
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    for (column, (_, align)) in table.column_iter_mut().zip(header) {
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    finish(table)
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_content_arrangement(if table.is_tty() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    });
    table
}

fn finish(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// `4–6`, or `4` where both are the same.
pub(crate) fn span(least: usize, most: usize) -> String {
    if least == most { count(least) } else { format!("{}–{}", count(least), count(most)) }
}

/// `1.4 GB`.
pub(crate) fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64 / 1e3, "kB");
    for larger in ["MB", "GB", "TB"] {
        if value >= 999.5 {
            (value, unit) = (value / 1e3, larger);
        }
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `2 h 05 min`, `1.5 days`: as exactly as anybody wants to know.
pub(crate) fn duration(seconds: f64) -> String {
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
pub(crate) fn slots(slots: &[Slot]) -> String {
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
