//! `sweep query`: runs SQL on a read-only connection.

use std::io::{self, BufWriter, Read, Write};
use std::ops::ControlFlow;

use serde_json::json;

use super::stdout::{stdout, written};
use super::table::{self, Align};
use super::terminal::width;
use super::{Exit, Failure, Global};
use sweep_figure::field_text as field;
use sweep_operations::database::with_store;
use sweep_report::format::distinct;
use sweep_spec::text::{self, line};
use sweep_store::{Sink, SqlValue};

#[derive(clap::Args)]
#[command(after_long_help = "\
The views `results` (one row per job, with a column for each parameter and each final score) and `history` (one row \
per job, step, and score or loss) answer most questions:

  sweep query 'SELECT alpha, beta, avg(mode_score) FROM results GROUP BY 1, 2'
  sweep query 'SELECT variant, state, count(*) FROM results GROUP BY 1, 2'
  sweep query \"SELECT step, avg(value) FROM history WHERE metric = 'mode_score' GROUP BY 1\"

A final score is NULL if the job did not reach its last step, or if it is NaN; `nan_scores` tells which. The file is \
an SQLite database: `sqlite3 sweep-results/sweep.db` works as well.")]
pub(crate) struct Args {
    /// One SELECT, or - to read it from stdin
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    sql: String,
    /// Format of the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns; one line per value if the terminal is too narrow
    Table,
    /// Comma-separated values; NULL is an empty field. A text that spreadsheets would compute starts with an apostrophe
    Csv,
    /// An array of objects
    Json,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let sql = if args.sql == "-" { stdin()? } else { args.sql };
    let mut out = Out { writer: BufWriter::new(stdout()?), error: None };
    with_store(&global.places, async |store| {
        let done = match args.format {
            Format::Table => {
                let mut sink = Table::default();
                let done = store.query(&sql, &mut sink).await;
                if done.is_ok() {
                    let _ = out.write(|writer| writer.write_all(sink.text().as_bytes()));
                }
                done
            }
            Format::Csv => store.query(&sql, &mut Csv(&mut out)).await,
            Format::Json => {
                let mut sink = Json { out: &mut out, names: Vec::new(), rows: 0 };
                let done = store.query(&sql, &mut sink).await;
                if done.is_ok() {
                    let end = if sink.rows == 0 { "[]\n" } else { "\n]\n" };
                    let _ = out.write(|writer| writer.write_all(end.as_bytes()));
                }
                done
            }
        };
        done.map_err(Failure::from)
    })?;
    out.finish()?;
    Ok(Exit::Ok)
}

/// The longest SQL, in bytes.
const MOST: u64 = 1_000_000;

fn stdin() -> Result<String, Failure> {
    let mut sql = String::new();
    io::stdin()
        .take(MOST + 1)
        .read_to_string(&mut sql)
        .map_err(|error| Failure::usage(format!("cannot read SQL from stdin: {error}")))?;
    if sql.len() as u64 > MOST {
        return Err(Failure::usage(format!("the SQL on stdin is too long: expected at most {MOST} bytes")));
    }
    Ok(sql)
}

/// Stdout, whose reader may be gone.
struct Out<W: Write> {
    writer: W,
    error: Option<io::Error>,
}

impl<W: Write> Out<W> {
    fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> ControlFlow<()> {
        if self.error.is_none() {
            self.error = write(&mut self.writer).err();
        }
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn finish(mut self) -> Result<(), Failure> {
        let _ = self.write(W::flush);
        written(self.error.map_or(Ok(()), Err)).map(|_| ())
    }
}

struct Csv<'a, W: Write>(&'a mut Out<W>);

impl<W: Write> Csv<'_, W> {
    fn record(&mut self, fields: Vec<String>) -> ControlFlow<()> {
        let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        self.0.write(|writer| {
            line.write_record(fields)?;
            let line = line.into_inner().map_err(|error| error.into_error())?;
            writer.write_all(&line)
        })
    }
}

impl<W: Write> Sink for Csv<'_, W> {
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()> {
        self.record(names.iter().map(|name| field(name)).collect())
    }

    fn row(&mut self, values: Vec<SqlValue>) -> ControlFlow<()> {
        let shown = |value: &SqlValue| match value {
            SqlValue::Null => String::new(),
            SqlValue::Text(text) => field(text),
            SqlValue::Integer(_) | SqlValue::Real(_) | SqlValue::Blob(_) => text(value),
        };
        self.record(values.iter().map(shown).collect())
    }
}

struct Json<'a, W: Write> {
    out: &'a mut Out<W>,
    names: Vec<String>,
    rows: usize,
}

impl<W: Write> Sink for Json<'_, W> {
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()> {
        // Keys of an object must differ, but two columns may have the same name.
        self.names = distinct(&names);
        ControlFlow::Continue(())
    }

    fn row(&mut self, values: Vec<SqlValue>) -> ControlFlow<()> {
        let start = if self.rows == 0 { "[\n" } else { ",\n" };
        self.rows += 1;
        // Written by hand, which keeps the order of the columns.
        let fields = self.names.iter().zip(&values).map(|(name, value)| {
            let value = match value {
                SqlValue::Null => json!(null),
                SqlValue::Integer(value) => json!(value),
                SqlValue::Real(value) if value.is_finite() => json!(value),
                SqlValue::Real(_) | SqlValue::Text(_) | SqlValue::Blob(_) => json!(text(value)),
            };
            format!("{}:{value}", json!(name))
        });
        let line = text::json(&format!("{start}  {{{}}}", fields.collect::<Vec<_>>().join(",")));
        self.out.write(|writer| writer.write_all(line.as_bytes()))
    }
}

#[derive(Default)]
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<SqlValue>>,
}

impl Sink for Table {
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()> {
        self.names = names.iter().map(|name| line(name)).collect();
        ControlFlow::Continue(())
    }

    fn row(&mut self, values: Vec<SqlValue>) -> ControlFlow<()> {
        self.rows.push(values);
        ControlFlow::Continue(())
    }
}

impl Table {
    fn text(&self) -> String {
        let shown = |value: &SqlValue| line(&text(value));
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let wide = |column: usize| {
            let rows = cells.iter().map(|row| row[column].chars().count());
            rows.chain([self.names[column].chars().count()]).max().unwrap_or(0) + 2
        };
        let total: usize = (0..self.names.len()).map(wide).sum();
        if width(&io::stdout()).is_some_and(|columns| total > usize::from(columns) + 2) {
            return self.upright(&cells);
        }
        let align = |column: usize| {
            let numeric = |row: &Vec<SqlValue>| !matches!(row[column], SqlValue::Text(_) | SqlValue::Blob(_));
            if self.rows.iter().all(numeric) { Align::Right } else { Align::Left }
        };
        let header: Vec<(&str, Align)> =
            self.names.iter().enumerate().map(|(column, name)| (name.as_str(), align(column))).collect();
        table::table(&header, cells)
    }

    /// Writes one line per value, for rows that are wider than the terminal.
    fn upright(&self, cells: &[Vec<String>]) -> String {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let mut out = String::new();
        for (number, row) in (1..).zip(cells) {
            out.push_str(&format!("─── row {number}\n"));
            for (name, value) in self.names.iter().zip(row) {
                out.push_str(&format!("{name:<width$}  {value}\n"));
            }
        }
        out
    }
}

/// Writes a value as text: floats with all their digits, bytes as hexadecimal digits.
fn text(value: &SqlValue) -> String {
    match value {
        SqlValue::Null => "NULL".into(),
        SqlValue::Integer(value) => value.to_string(),
        SqlValue::Real(value) if *value == f64::INFINITY => "inf".into(),
        SqlValue::Real(value) if *value == f64::NEG_INFINITY => "-inf".into(),
        SqlValue::Real(value) => value.to_string(),
        SqlValue::Text(text) => text.clone(),
        SqlValue::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
