//! `sweep query`: SQL of the user's own, on a connection that can only read.

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
use sweep_store::{Sink, Value};

#[derive(clap::Args)]
#[command(after_long_help = "\
The views `results` (a row a job, with a column for each parameter and each final score) and `history` (a row a job, step and score, \
or loss) hold most answers:

  sweep query 'SELECT alpha, beta, avg(mode_score) FROM results GROUP BY 1, 2'
  sweep query 'SELECT variant, state, count(*) FROM results GROUP BY 1, 2'
  sweep query \"SELECT step, avg(value) FROM history WHERE metric = 'mode_score' GROUP BY 1\"

A final score is NULL where a job did not reach its last step, and where it is NaN; `nan_scores` tells which. The file is \
SQLite's: `sqlite3 sweep-results/sweep.db` works as well.")]
pub(crate) struct Args {
    /// One SELECT, or - to read it from stdin
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    sql: String,
    /// How rows are written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns; one line a value where the terminal is too narrow
    Table,
    /// Comma-separated values; NULL is an empty field. A text that spreadsheets would compute begins with an apostrophe
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

/// Bytes of SQL at most.
const MOST: u64 = 1_000_000;

fn stdin() -> Result<String, Failure> {
    let mut sql = String::new();
    io::stdin()
        .take(MOST + 1)
        .read_to_string(&mut sql)
        .map_err(|error| Failure::usage(format!("cannot read SQL from stdin: {error}")))?;
    if sql.len() as u64 > MOST {
        return Err(Failure::usage(format!("stdin goes on after {MOST} bytes: expected SQL that is not as long")));
    }
    Ok(sql)
}

/// Stdout, which may be gone.
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

    fn row(&mut self, values: Vec<Value>) -> ControlFlow<()> {
        let shown = |value: &Value| match value {
            Value::Null => String::new(),
            Value::Text(text) => field(text),
            Value::Integer(_) | Value::Real(_) | Value::Blob(_) => text(value),
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
        // Keys of an object must differ; two columns may have one name.
        self.names = distinct(&names);
        ControlFlow::Continue(())
    }

    fn row(&mut self, values: Vec<Value>) -> ControlFlow<()> {
        let start = if self.rows == 0 { "[\n" } else { ",\n" };
        self.rows += 1;
        // Written by hand so that the columns keep their order.
        let fields = self.names.iter().zip(&values).map(|(name, value)| {
            let value = match value {
                Value::Null => json!(null),
                Value::Integer(value) => json!(value),
                Value::Real(value) if value.is_finite() => json!(value),
                Value::Real(_) | Value::Text(_) | Value::Blob(_) => json!(text(value)),
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
    rows: Vec<Vec<Value>>,
}

impl Sink for Table {
    fn columns(&mut self, names: Vec<String>) -> ControlFlow<()> {
        self.names = names.iter().map(|name| line(name)).collect();
        ControlFlow::Continue(())
    }

    fn row(&mut self, values: Vec<Value>) -> ControlFlow<()> {
        self.rows.push(values);
        ControlFlow::Continue(())
    }
}

impl Table {
    fn text(&self) -> String {
        let shown = |value: &Value| line(&text(value));
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
            let numeric = |row: &Vec<Value>| !matches!(row[column], Value::Text(_) | Value::Blob(_));
            if self.rows.iter().all(numeric) { Align::Right } else { Align::Left }
        };
        let header: Vec<(&str, Align)> =
            self.names.iter().enumerate().map(|(column, name)| (name.as_str(), align(column))).collect();
        table::table(&header, cells)
    }

    /// One line a value, for rows that are wider than the terminal.
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

/// A value as text: floats with all their digits, bytes as hexadecimal digits.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) if *value == f64::INFINITY => "inf".into(),
        Value::Real(value) if *value == f64::NEG_INFINITY => "-inf".into(),
        Value::Real(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
