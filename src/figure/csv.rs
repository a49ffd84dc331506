//! A figure's data as CSV, one line per mark, for plotting with other programs.

use super::model::{Cell, Figure, KeyAxis, Plot, SingleOf};
use sweep_spec::text::plain;

/// Returns the data. Non-finite values are written as `nan`, `inf` or `-inf`.
pub fn csv(figure: &Figure) -> String {
    let mut table = Table::default();
    match &figure.plot {
        Plot::Curves(curves) => {
            table.header(&["line", "seed", "job", &curves.x.label, &curves.y.label, "n", "low", "high"]);
            for line in &curves.lines {
                for point in &line.points {
                    let band = line.band.iter().find(|(x, ..)| *x == point.x);
                    let (low, high) =
                        band.map_or((String::new(), String::new()), |(_, low, high)| (float(*low), float(*high)));
                    table.row([
                        line.name.clone(),
                        String::new(),
                        String::new(),
                        float(point.x),
                        float(point.y),
                        point.n.to_string(),
                        low,
                        high,
                    ]);
                }
                for single in &line.singles {
                    for (x, y) in &single.points {
                        let none = String::new;
                        table.row([
                            line.name.clone(),
                            match &single.of {
                                SingleOf::Seed(seed) => seed.to_string(),
                                SingleOf::Cell(cell) => cell.clone(),
                            },
                            single.job.clone(),
                            float(*x),
                            float(*y),
                            none(),
                            none(),
                            none(),
                        ]);
                    }
                }
            }
        }
        Plot::HeatMap(map) => {
            table.header(&[&map.down.key, &map.across.key, &map.value, "std", "n", "of", "state"]);
            for (down, row) in map.down.values.iter().zip(&map.cells) {
                for (across, cell) in map.across.values.iter().zip(row) {
                    let none = String::new;
                    let rest = match cell {
                        Cell::Value { mean, std, n, of } => {
                            [float(*mean), std.map_or_else(none, float), n.to_string(), of.to_string(), "scored".into()]
                        }
                        Cell::Lost(of) => [none(), none(), "0".into(), of.to_string(), "lost".into()],
                        Cell::Open(of) => [none(), none(), "0".into(), of.to_string(), "open".into()],
                        Cell::Stopped(step) => [none(), none(), "0".into(), none(), format!("stopped at {step}")],
                        Cell::None => [none(), none(), "0".into(), "0".into(), "none".into()],
                    };
                    table.row([down.clone(), across.clone()].into_iter().chain(rest));
                }
            }
        }
        Plot::Distribution(distribution) => {
            table.header(&["variant", "of", &distribution.x.label]);
            for row in &distribution.rows {
                for dot in &row.dots {
                    table.row([row.name.clone(), dot.of.clone(), float(dot.value)]);
                }
            }
        }
        Plot::Intervals(intervals) => {
            table.header(&["panel", "row", "value", "low", "high", "said"]);
            for panel in &intervals.panels {
                for row in &panel.rows {
                    let (low, high) =
                        row.interval.map_or_else(Default::default, |(low, high)| (float(low), float(high)));
                    table.row([panel.title.clone(), row.name.clone(), float(row.value), low, high, row.said.clone()]);
                }
            }
        }
        Plot::Parallel(parallel) => {
            let labels = parallel.axes.iter().map(|axis| axis.label.as_str());
            table.header(&["cell"].into_iter().chain(labels).collect::<Vec<_>>());
            for (name, values) in &parallel.lines {
                let value = |(axis, value): (&KeyAxis, &Option<f64>)| axis.written(*value);
                table.row(std::iter::once(name.clone()).chain(parallel.axes.iter().zip(values).map(value)));
            }
        }
        Plot::Slices(slices) => {
            table.header(&["key", "value", &slices.y.label, "of"]);
            for slice in &slices.slices {
                for (_, x, y, of) in &slice.dots {
                    table.row([slice.x.label.clone(), slice.x.written(Some(*x)), float(*y), of.clone()]);
                }
            }
        }
        Plot::Scatter(scatter) => {
            table.header(&["panel", "file"]);
            for panel in &scatter.panels {
                table.row([panel.title.clone(), panel.path.clone()]);
            }
        }
        Plot::Gallery(gallery) => {
            table.header(&["sheet", "job", "step", "file"]);
            for sheet in &gallery.sheets {
                for (step, path) in &sheet.steps {
                    table.row([sheet.name.clone(), sheet.job.clone(), step.to_string(), path.clone()]);
                }
            }
        }
        Plot::Timeline(timeline) => {
            table.header(&["slot", "attempt", "from", "to", "end"]);
            for bar in &timeline.bars {
                let slot = timeline.slots.get(bar.slot).cloned().unwrap_or_default();
                let to = bar.to.map(float).unwrap_or_default();
                table.row([slot, bar.name.clone(), float(bar.from), to, format!("{:?}", bar.end).to_lowercase()]);
            }
        }
    }
    table.text()
}

impl KeyAxis {
    /// Returns a value for readers; for an axis with levels, the level at this index.
    fn written(&self, value: Option<f64>) -> String {
        match value {
            None => String::new(),
            Some(place) if !self.levels.is_empty() => self.levels.get(place as usize).cloned().unwrap_or_default(),
            Some(value) => float(value),
        }
    }
}

/// Formats a value with all its digits, for programs.
pub fn float(value: f64) -> String {
    match value {
        value if value.is_nan() => "nan".into(),
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        value => format!("{value}"),
    }
}

struct Table(csv::Writer<Vec<u8>>);

impl Default for Table {
    fn default() -> Self {
        Table(csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).flexible(true).from_writer(Vec::new()))
    }
}

impl Table {
    fn header(&mut self, names: &[&str]) {
        self.row(names.iter().map(|name| (*name).to_owned()));
    }

    fn row(&mut self, fields: impl IntoIterator<Item = String>) {
        // Writing to memory cannot fail.
        let _ = self.0.write_record(fields.into_iter().map(|field| field_text(&field)));
    }

    fn text(self) -> String {
        self.0.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// Formats a text as a CSV field. Characters that control a terminal are removed. A text that a spreadsheet would run
/// as a formula (such as a variant called `=HYPERLINK(…)`) gets a leading apostrophe, so spreadsheets treat it as text.
/// Numbers are never changed.
pub fn field_text(text: &str) -> String {
    let text = plain(text);
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '＝', '＋', '－', '＠']);
    // A number is safe: a spreadsheet reads it as a number, too.
    if formula && text.parse::<f64>().is_err() { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_harmless_in_spreadsheets_and_terminals() {
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
            assert_eq!(field_text(found), expected, "{found:?}");
        }
    }
}
