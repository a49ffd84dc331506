//! Rows in aligned columns, for a terminal of any width.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, TableComponent, Width, presets};

/// Words up to this many characters stay whole; longer ones (paths) may be broken.
const WORD: usize = 20;
/// Spaces between columns.
const GAP: u16 = 2;

/// Columns shared by several tables, which are drawn with the same widths.
pub struct Columns<'a> {
    /// Their names, and whether they hold numbers, which are right-aligned.
    pub header: &'a [(&'a str, bool)],
    /// All rows.
    pub rows: &'a [Vec<String>],
    /// The width of the terminal; `None` to keep rows whole.
    pub width: Option<u16>,
    /// Whether to draw a line below the names.
    pub rule: bool,
}

impl Columns<'_> {
    /// Draws some of the rows below the column names, with the widths for all rows. If words would have to be broken to
    /// fit, each row is shown upright: one line per cell, after the column's name.
    pub fn draw(&self, rows: &[Vec<String>]) -> String {
        let over = |count: &dyn Fn(&str) -> usize| -> Vec<usize> {
            let cells = |column: usize| self.rows.iter().map(move |row| row[column].as_str());
            let widest = |column: usize| cells(column).chain([self.header[column].0]).map(count).max().unwrap_or(0);
            (0..self.header.len()).map(widest).collect()
        };
        let total = |widths: &[usize]| {
            (widths.iter().sum::<usize>() + usize::from(GAP) * widths.len()).saturating_sub(GAP.into())
        };
        let fits = |widths: &[usize]| self.width.is_none_or(|width| total(widths) <= usize::from(width));
        let line = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let word = |text: &str| text.split_whitespace().map(|word| word.chars().count().min(WORD)).max().unwrap_or(0);
        let (whole, words) = (over(&line), over(&word));
        if fits(&whole) {
            self.side_by_side(rows, &whole, ContentArrangement::Disabled)
        } else if fits(&words) {
            self.side_by_side(rows, &words, ContentArrangement::Dynamic)
        } else {
            rows.iter().map(|row| format!("───\n{}", self.upright(row))).collect()
        }
    }

    fn side_by_side(&self, rows: &[Vec<String>], least: &[usize], arrangement: ContentArrangement) -> String {
        let mut table = bare(self.width, arrangement);
        if self.rule {
            table.set_style(TableComponent::HeaderLines, '─');
        }
        table.set_header(Row::from(self.header.iter().map(|(name, _)| name)));
        for row in rows {
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            let gap = if index + 1 == self.header.len() { 0 } else { GAP };
            column.set_padding((0, gap));
            if self.header[index].1 {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let least = u16::try_from(least[index]).unwrap_or(u16::MAX).saturating_add(gap);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
        lines(&table)
    }

    fn upright(&self, row: &[String]) -> String {
        let cells = self.header.iter().map(|(name, _)| *name).zip(row.iter().map(String::as_str));
        facts(cells.filter(|(_, cell)| !cell.is_empty()), self.width)
    }
}

/// Formats lines of `name  value`; long values wrap.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, &'a str)>, width: Option<u16>) -> String {
    let arrangement = if width.is_some() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    let mut table = bare(width, arrangement);
    for (name, value) in facts {
        table.add_row([name, value]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, GAP));
    }
    if let Some(column) = table.column_mut(1) {
        column.set_padding((0, 0));
    }
    lines(&table)
}

fn bare(width: Option<u16>, arrangement: ContentArrangement) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_width(width.unwrap_or(u16::MAX)).set_content_arrangement(arrangement);
    table
}

fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: Option<u16>) -> String {
        let rows = [["D2GAN small", "1,200", "wide enough to wrap"], ["GAN", "", "/a/path/of/more/than/twenty"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        Columns {
            header: &[("variant", false), ("jobs", true), ("what it says", false)],
            rows: &rows,
            width,
            rule: true,
        }
        .draw(&rows)
    }

    #[test]
    fn words_stay_whole_at_every_width() {
        for width in 20..=90 {
            let text = drawn(Some(width));
            assert!(text.lines().all(|line| line.chars().count() <= width.into()), "{width}:\n{text}");
            for word in ["variant", "D2GAN", "small", "1,200", "enough", "wrap", "says"] {
                assert!(text.split_whitespace().any(|found| found == word), "{word} at {width}:\n{text}");
            }
        }
    }

    #[test]
    fn a_narrow_terminal_has_a_line_a_cell() {
        let wide = "\
variant       jobs  what it says
─────────────────────────────────────────────
D2GAN small  1,200  wide enough to wrap
GAN                 /a/path/of/more/than/twenty
";
        assert_eq!(drawn(None).replace('─', ""), wide.replace('─', ""));
        assert_eq!(drawn(Some(47)), drawn(None));
        let narrow = "\
───
variant  D2GAN small
jobs     1,200
what it  wide enough to
says     wrap
───
variant  GAN
what it  /a/path/of/more/
says     than/twenty
";
        assert_eq!(drawn(Some(25)), narrow);
    }
}
