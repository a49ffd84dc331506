//! `sweep report`: compares the variants of sweeps.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::figures::{self, Width};
use super::stdout::draw;
use super::terminal::{colours, width};
use super::{Exit, Failure, Global, hints, page};
use sweep_operations::database::with_store;
use sweep_operations::report::report_on;
use sweep_report::render::{self, render};
use sweep_report::{Options, Outcome, Report, Step};
use sweep_spec::metric::{Measure, Metric};
use sweep_system::output::Output;
use sweep_wire::database::Database;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Names of sweeps [default: the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweeps: Vec<String>,
    /// Format [default: by the extension of --output, otherwise a table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of stdout; the extension (`.html`, `.tex`, `.md`, `.csv`, `.json`) sets the format
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write each figure into this folder, for a paper: as SVG and PDF, with its data as CSV
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Width of these figures, one column of a paper: `3.3in`, `84mm`, `8.4cm` or `240pt`
    #[arg(long, value_name = "LENGTH", default_value = "3.3in", value_parser = Width::parse, requires = "figures")]
    width: Width,
    /// Open the file in the browser, or in the desktop's default program
    #[arg(long, requires = "output")]
    open: bool,
    /// Compare by this score instead of the default for the data
    #[arg(long, value_name = "NAME", value_parser = measure)]
    metric: Option<Measure>,
    /// The step of each run whose scores to show: `last`, the last planned one; `best`, the one with the run's best
    /// main score, which is too optimistic; or a number. Expectations and the exit code use the same scores
    #[arg(long, value_name = "last|best|N", default_value = "last")]
    step: Step,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for a terminal
    Table,
    /// Markdown
    Md,
    /// A fragment for `\input` in a paper, with booktabs tables. Bold marks only what a test finds better
    Latex,
    /// One line per number: section, table, row, column, value, std, n, of. A text that spreadsheets would compute
    /// starts with an apostrophe
    Csv,
    /// Everything, with types
    Json,
    /// One page with all figures, which can be mailed: it needs no network
    Html,
}

impl Format {
    /// Returns the format for a file's extension.
    fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Format::Html),
            "md" => Some(Format::Md),
            "tex" => Some(Format::Latex),
            "csv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    if let Some(path) = &args.output {
        check_output(path, &global.places.database())?;
    }
    let options = Options { metric: args.metric, short: false, step: args.step };
    let Report { document, outcomes } = make(global, args.sweeps, options)?;
    if let Some(folder) = &args.figures {
        figures::write(&document, folder, args.width, global.places.home.path())?;
        if args.output.is_none() && args.format.is_none() {
            return Ok(exit(&outcomes));
        }
    }
    let wanted = args.format.or_else(|| Format::of(args.output.as_deref()?)).unwrap_or(Format::Table);
    let text = match format(wanted, args.output.is_some()) {
        Some(format) => render(&document, format),
        None => page::whole(&document, global.places.home.path(), args.output.as_deref())?,
    };
    match &args.output {
        Some(path) => {
            let write = || {
                let mut output = Output::open(path)?;
                output.write_all(text.as_bytes())?;
                output.finish()
            };
            write().map_err(|error| Failure::environment(format!("cannot write {}: {error}", path.display())))?;
            if args.open && !page::is_shown(path) {
                tracing::warn!(
                    "there is no program here that opens files (xdg-open): open {} yourself",
                    path.display()
                );
            }
        }
        None => {
            draw(&text)?;
        }
    }
    Ok(exit(&outcomes))
}

/// Fails if the output is the database, by any path.
fn check_output(path: &Path, database: &Path) -> Result<(), Failure> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let Some(output) = identity(path) else { return Ok(()) };
    if Database::at(database).files().iter().any(|file| identity(file) == Some(output)) {
        let path = path.display();
        return Err(Failure::usage(format!(
            "{path} is the results database: choose another file for the report with --output"
        )));
    }
    Ok(())
}

/// Prints the short report at the end of `sweep run`. The exit code is that of the sweeps' expectations.
pub(crate) fn short(global: &Global, sweeps: &[&str]) -> Result<Exit, Failure> {
    let names = sweeps.iter().map(|&name| name.to_owned()).collect();
    let options = Options { metric: None, short: true, step: Step::Last };
    let Report { document, outcomes } = make(global, names, options)?;
    draw(&render(&document, table(false)))?;
    Ok(exit(&outcomes))
}

/// Makes the report on these sweeps, and completes the commands in it.
fn make(global: &Global, names: Vec<String>, options: Options) -> Result<Report, Failure> {
    let mut report = with_store(&global.places, |store| report_on(store, names, options))?;
    report.document.edit_sentences(hints::complete);
    Ok(report)
}

/// Returns how a document is written; `None` for a page, which is more than a document's text.
fn format(format: Format, to_file: bool) -> Option<render::Format> {
    match format {
        Format::Table => Some(table(to_file)),
        Format::Md => Some(render::Format::Markdown),
        Format::Latex => Some(render::Format::Latex),
        Format::Csv => Some(render::Format::Csv),
        Format::Json => Some(render::Format::Json),
        Format::Html => None,
    }
}

fn table(to_file: bool) -> render::Format {
    let stdout = io::stdout();
    let width = if to_file { None } else { width(&stdout) };
    render::Format::Terminal { width, colours: !to_file && colours(&stdout) }
}

fn exit(outcomes: &[Outcome]) -> Exit {
    if outcomes.iter().any(|outcome| matches!(outcome, Outcome::Fails(_))) { Exit::Unexpected } else { Exit::Ok }
}

fn measure(name: &str) -> Result<Measure, String> {
    Measure::named(name).ok_or_else(|| "not the name of a score".to_owned())
}

pub(super) fn metric(name: &str) -> Result<Metric, String> {
    Metric::find(name)
        .ok_or_else(|| format!("not a score: expected one of {}", Metric::ALL.map(Metric::name).join(", ")))
}
