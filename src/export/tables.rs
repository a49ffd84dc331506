//! Tables: a row a job, a row a number, and a row a protocol; as CSV or as Parquet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::places::folder;
use super::run::value_text;
use super::{Done, ExportError, Exporter, Run};
use sweep_figure::float;
use sweep_store::Outline;
use sweep_system::whole::{NewFile, Survives};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Whole,
    Real,
}

/// A column of a table.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "in CSV all is text"))]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A field of a row; of the kind of its column, or nothing.
#[derive(Clone, Debug)]
pub(crate) enum Cell<'a> {
    None,
    Text(Cow<'a, str>),
    Whole(i64),
    Real(f64),
}

/// A table under way.
pub(crate) trait Sheet {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;
    /// Writes the rest; the file gets its name.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A table, and where it is to be.
struct Table {
    path: PathBuf,
    sheet: Box<dyn Sheet>,
}

impl Table {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ExportError> {
        self.sheet.row(cells).map_err(ExportError::write(&self.path))
    }
}

/// All tables.
pub(crate) struct Tables {
    settings: BTreeMap<String, bool>,
    metrics: BTreeSet<String>,
    results: Table,
    history: Table,
    protocols: Table,
    told: BTreeSet<i64>,
}

impl Tables {
    /// As comma-separated values.
    pub(crate) fn csv(out: &Path, sweeps: &[Outline]) -> Result<Self, ExportError> {
        Tables::new(out, sweeps, "csv", |file, columns| Ok(Box::new(Csv::new(file, columns)?)))
    }

    /// As Parquet.
    #[cfg(feature = "parquet")]
    pub(crate) fn parquet(out: &Path, sweeps: &[Outline]) -> Result<Self, ExportError> {
        Tables::new(out, sweeps, "parquet", |file, columns| Ok(Box::new(super::parquet::Parquet::new(file, columns)?)))
    }

    fn new(
        out: &Path,
        sweeps: &[Outline],
        ending: &str,
        sheet: impl Fn(NewFile, &[Column]) -> io::Result<Box<dyn Sheet>>,
    ) -> Result<Self, ExportError> {
        folder(out)?;
        let mut settings: BTreeMap<String, bool> = BTreeMap::new();
        for (name, is_number) in sweeps.iter().flat_map(|sweep| &sweep.settings) {
            *settings.entry(name.clone()).or_insert(true) &= is_number;
        }
        let metrics: BTreeSet<String> = sweeps.iter().flat_map(|sweep| &sweep.metrics).cloned().collect();
        let table = |name: &str, columns: &[Column]| {
            let path = out.join(format!("{name}.{ending}"));
            let sheet = NewFile::beside(&path).and_then(|file| sheet(file, columns));
            Ok(Table { sheet: sheet.map_err(ExportError::write(&path))?, path })
        };
        Ok(Tables {
            results: table("results", &results_columns(&settings, &metrics))?,
            history: table("history", &fixed(&HISTORY))?,
            protocols: table("protocols", &fixed(&PROTOCOLS))?,
            settings,
            metrics,
            told: BTreeSet::new(),
        })
    }
}

/// Columns of `results` before and behind the settings, before the scores; `history` and `protocols`.
const BEFORE: [(&str, Kind); 5] = [
    ("sweep", Kind::Text),
    ("variant", Kind::Text),
    ("job", Kind::Text),
    ("objective", Kind::Text),
    ("dataset", Kind::Text),
];
const BEHIND: [(&str, Kind); 11] = [
    ("seed", Kind::Whole),
    ("state", Kind::Text),
    ("message", Kind::Text),
    ("step", Kind::Whole),
    ("steps", Kind::Whole),
    ("seconds", Kind::Real),
    ("scoring_seconds", Kind::Real),
    ("started_at", Kind::Real),
    ("ended_at", Kind::Real),
    ("host", Kind::Text),
    ("device", Kind::Text),
];
const HISTORY: [(&str, Kind); 9] = [
    ("sweep", Kind::Text),
    ("variant", Kind::Text),
    ("job", Kind::Text),
    ("seed", Kind::Whole),
    ("step", Kind::Whole),
    ("metric", Kind::Text),
    ("value", Kind::Real),
    ("std", Kind::Real),
    ("protocol", Kind::Whole),
];
const PROTOCOLS: [(&str, Kind); 2] = [("protocol", Kind::Whole), ("json", Kind::Text)];

fn fixed(columns: &[(&str, Kind)]) -> Vec<Column> {
    columns.iter().map(|&(name, kind)| Column { name: name.to_owned(), kind }).collect()
}

/// The columns of `results`. A setting or a score whose name is taken has `_parameter` or `_score` behind it, as in the
/// view of this name.
fn results_columns(settings: &BTreeMap<String, bool>, metrics: &BTreeSet<String>) -> Vec<Column> {
    let mut taken: BTreeSet<String> = BEFORE.iter().chain(&BEHIND).map(|(name, _)| (*name).to_owned()).collect();
    let mut free = |name: &str, otherwise: &str| {
        let mut free = name.to_owned();
        while !taken.insert(free.to_ascii_lowercase()) {
            free.push_str(otherwise);
        }
        free
    };
    let kind = |is_number: bool| if is_number { Kind::Real } else { Kind::Text };
    let settings: Vec<Column> = settings
        .iter()
        .map(|(name, is_number)| Column { name: free(name, "_parameter"), kind: kind(*is_number) })
        .collect();
    let metrics = metrics.iter().map(|name| Column { name: free(name, "_score"), kind: Kind::Real });
    let mut columns = fixed(&BEFORE);
    columns.extend(settings);
    columns.extend(fixed(&BEHIND));
    columns.extend(metrics);
    columns
}

impl Exporter for Tables {
    fn sweep(&mut self, outline: &Outline) -> Result<(), ExportError> {
        for (&id, json) in &outline.protocols {
            if self.told.insert(id) {
                self.protocols.row(&[Cell::Whole(id), text(json.to_string())])?;
            }
        }
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Done, ExportError> {
        let job = run.job.to_string();
        let mut cells: Vec<Cell<'_>> = [&run.sweep, &run.variant, &job, &run.objective, &run.dataset].map(text).into();
        for (name, &is_number) in &self.settings {
            cells.push(match run.settings.get(name) {
                None => Cell::None,
                Some(value) if is_number => value.as_f64().map_or(Cell::None, Cell::Real),
                Some(value) => text(value_text(value)),
            });
        }
        let real = |value: Option<f64>| value.map_or(Cell::None, Cell::Real);
        cells.extend([
            Cell::Whole(run.seed as i64),
            text(run.status.name()),
            text(&run.message),
            Cell::Whole(run.step as i64),
            Cell::Whole(run.steps as i64),
            real(run.seconds),
            Cell::Real(run.scoring),
            real(run.started_at()),
            real(run.ended_at()),
            text(run.host()),
            text(run.device()),
        ]);
        // As in the view: a job that has not come to its last step has no score that could be taken for the final one.
        let last = run.points.iter().filter(|point| point.step == run.steps && point.protocol.is_some());
        let last: BTreeMap<&str, f64> = last.map(|point| (point.metric.as_str(), point.value)).collect();
        cells.extend(self.metrics.iter().map(|name| real(last.get(name.as_str()).copied())));
        self.results.row(&cells)?;
        for point in &run.points {
            self.history.row(&[
                text(&run.sweep),
                text(&run.variant),
                text(&job),
                Cell::Whole(run.seed as i64),
                Cell::Whole(point.step as i64),
                text(&point.metric),
                Cell::Real(point.value),
                real(point.std),
                point.protocol.map_or(Cell::None, Cell::Whole),
            ])?;
        }
        Ok(Done::Written)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let Tables { results, history, protocols, .. } = *self;
        for Table { path, sheet } in [protocols, history, results] {
            sheet.finish().map_err(ExportError::write(&path))?;
        }
        Ok(())
    }
}

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
    Cell::Text(text.into())
}

/// Comma-separated values, quoted as RFC 4180 says.
struct Csv {
    writer: csv::Writer<NewFile>,
}

impl Csv {
    fn new(file: NewFile, columns: &[Column]) -> io::Result<Self> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(file);
        writer.write_record(columns.iter().map(|column| &column.name))?;
        Ok(Csv { writer })
    }
}

impl Sheet for Csv {
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for cell in cells {
            match cell {
                Cell::None => self.writer.write_field("")?,
                Cell::Text(text) => self.writer.write_field(text.as_ref())?,
                Cell::Whole(whole) => self.writer.write_field(whole.to_string())?,
                Cell::Real(real) => self.writer.write_field(float(*real))?,
            }
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.writer.into_inner().map_err(|error| error.into_error())?.put(Survives::Kill)
    }
}
