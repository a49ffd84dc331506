//! `sweep report`: compares the variants of sweeps.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::figures::{self, Width};
use super::reading::{draw, failure, with_store};
use super::terminal::{colours, width};
use super::{Exit, Failure, Global, hints, page};
use sweep_report::render::{self, render};
use sweep_report::{File, Options, Outcome, Report, Step, curves_wanted, report, steps_wanted};
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::sweep::Sweep;
use sweep_store::{Results, Store};
use sweep_system::output::Output;
use sweep_wire::database::Database;

/// Steps that an error names, before the last one.
const STEPS: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sweeps by name [default: the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweeps: Vec<String>,
    /// How it is written [default: as the ending of --output says, else a table]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write to this file instead of stdout; `.html`, `.tex`, `.md`, `.csv` and `.json` say the format
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Write each figure into this folder, for a paper: as SVG, as PDF, and its data as CSV
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// How wide these figures are: one column of a paper, such as `3.3in`, `84mm`, `8.4cm` or `240pt`
    #[arg(long, value_name = "LENGTH", default_value = "3.3in", value_parser = Width::parse, requires = "figures")]
    width: Width,
    /// Open the file in the browser, or in what else shows such files
    #[arg(long, requires = "output")]
    open: bool,
    /// Compare by this score instead of the usual one for the data
    #[arg(long, value_name = "NAME", value_parser = measure)]
    metric: Option<Measure>,
    /// Which step of each run the scores are of: `last`, the last planned one; `best`, that of the run's own best main score, which
    /// flatters; or a number. Expectations and the exit code go by the scores that are shown
    #[arg(long, value_name = "last|best|N", default_value = "last")]
    step: Step,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for a terminal
    Table,
    /// Markdown
    Md,
    /// A fragment for `\input` in a paper: tables of booktabs. Bold is only what a test finds better
    Latex,
    /// One line a number: section, table, row, column, value, std, n, of. A text that spreadsheets would compute begins with an apostrophe
    Csv,
    /// Everything, with types
    Json,
    /// One page with all figures, which can be mailed: it needs no network
    Html,
}

impl Format {
    /// What the ending of a file says.
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
        check_output(path, &global.database())?;
    }
    let options = Options { metric: args.metric, short: false, step: args.step };
    let Report { document, outcomes } = with_store(global, |store| make(store, args.sweeps, options))?;
    if let Some(folder) = &args.figures {
        figures::write(&document, folder, args.width, global.home.path())?;
        if args.output.is_none() && args.format.is_none() {
            return Ok(exit(&outcomes));
        }
    }
    let wanted = args.format.or_else(|| Format::of(args.output.as_deref()?)).unwrap_or(Format::Table);
    let text = match format(wanted, args.output.is_some()) {
        Some(format) => render(&document, format),
        None => page::whole(&document, global.home.path(), args.output.as_deref())?,
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

/// Refuses to write over the database, by whatever path.
fn check_output(path: &Path, database: &Path) -> Result<(), Failure> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let Some(output) = identity(path) else { return Ok(()) };
    if Database::at(database).files().iter().any(|file| identity(file) == Some(output)) {
        let path = path.display();
        return Err(Failure::usage(format!(
            "{path} is the results database: --output names another file for the report"
        )));
    }
    Ok(())
}

/// The short report with which `sweep run` ends. The exit code is that of the sweeps' expectations.
pub(crate) fn short(global: &Global, sweeps: &[&str]) -> Result<Exit, Failure> {
    let names = sweeps.iter().map(|&name| name.to_owned()).collect();
    let options = Options { metric: None, short: true, step: Step::Last };
    let Report { document, outcomes } = with_store(global, |store| make(store, names, options))?;
    draw(&render(&document, table(false)))?;
    Ok(exit(&outcomes))
}

/// The report on sweeps by name, or without one on that which was run last.
pub(super) async fn make(store: Store, names: Vec<String>, mut options: Options) -> Result<Report, Failure> {
    let mut sweeps = Vec::new();
    if names.is_empty() {
        sweeps.push(store.sweep(None).await.map_err(failure)?);
    }
    for name in &names {
        sweeps.push(store.sweep(Some(name)).await.map_err(failure)?);
    }
    let mut results: Vec<(Results, File)> = Vec::new();
    for sweep in &sweeps {
        let file = Sweep::parse(&sweep.file, &sweep.source).map(File::from).unwrap_or_else(|errors| {
            // It was free of mistakes when it was run.
            let name = &sweep.name;
            tracing::warn!("the file of {name} is not read by this version, so its `expect:` and `published:` are left out: {errors}");
            File { race: sweep.looks.last().map(|look| look.race.clone()), ..File::default() }
        });
        check_step(&store, &sweep.name, options.step).await?;
        results.push((store.results(sweep).await.map_err(failure)?, file));
    }
    check_directions(&results)?;
    if let Some(asked) = options.metric {
        options.metric = Some(declared(asked, results.iter().map(|(results, _)| results))?);
    }
    for (found, _) in &mut results {
        let wanted = curves_wanted(found, options);
        store.read_curves(found, &wanted).await.map_err(failure)?;
        if !options.short {
            store.read_shown(found).await.map_err(failure)?;
            store.read_losses(found).await.map_err(failure)?;
        }
        if let Some(steps) = steps_wanted(found, options) {
            store.read_scores(found, &steps).await.map_err(failure)?;
        }
    }
    let mut report = report(&results, options).map_err(Failure::usage)?;
    report.document.edit_sentences(hints::complete);
    Ok(report)
}

/// Refuses to compare sweeps that do not agree which way a score is better.
fn check_directions(results: &[(Results, File)]) -> Result<(), Failure> {
    let mut known: Vec<(Measure, &str)> = Vec::new();
    for (results, _) in results {
        for measure in &results.declared {
            match known.iter().find(|(other, _)| other == measure) {
                None => known.push((*measure, &results.sweep.name)),
                Some((other, _)) if other.better() == measure.better() => {}
                Some((_, sweep)) => {
                    return Err(Failure::usage(format!(
                        "`{}` is better lower in one of {sweep} and {}, and higher in the other: report them one by one, or give one of \
                         them another name",
                        measure.name(),
                        results.sweep.name
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The score that is asked for, with the way in which it improves: one of a trainer of the user's own is one that a sweep declares.
fn declared<'a>(asked: Measure, results: impl Iterator<Item = &'a Results>) -> Result<Measure, Failure> {
    let known: Vec<Measure> = results.flat_map(|results| &results.declared).copied().collect();
    match known.iter().find(|known| **known == asked).or(asked.known().is_some().then_some(&asked)) {
        Some(found) => Ok(*found),
        None => {
            let mut names: Vec<&str> =
                known.iter().map(|known| known.name()).chain(Metric::ALL.map(Metric::name)).collect();
            names.dedup();
            let name = asked.name();
            Err(Failure::usage(format!(
                "--metric {name}: not a score of this report: expected one of {}",
                names.join(", ")
            )))
        }
    }
}

/// A step that is asked for by its number has to be one at which something was scored.
async fn check_step(store: &Store, sweep: &str, step: Step) -> Result<(), Failure> {
    let Step::At(step) = step else { return Ok(()) };
    let known = store.scored_steps(sweep).await.map_err(failure)?;
    if known.contains(&step) {
        return Ok(());
    }
    let steps = match known.as_slice() {
        [] => "no step yet".to_owned(),
        [most @ .., last] if most.len() >= STEPS => {
            let first: Vec<String> = most[..STEPS].iter().map(u64::to_string).collect();
            format!("{}, …, {last}", first.join(", "))
        }
        few => few.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
    };
    Err(Failure::usage(format!("no job of {sweep} was scored at step {step}; scored at: {steps}")))
}

/// How a document is written; none of a page, which is more than a document's text.
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
