//! `sweep report`: compares the variants of sweeps.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::reading::{colours, columns, failure, print, with_store};
use super::{Exit, Failure, Global};
use crate::report::render::{self, render};
use crate::report::{Options, Outcome, Report, curves_wanted, report};
use crate::spec::expect::Expect;
use crate::spec::metric::Metric;
use crate::spec::sweep::Sweep;
use crate::store::{Results, Store};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sweeps by name [default: the one that was run last]
    #[arg(value_name = "SWEEP")]
    sweeps: Vec<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Compare by this score instead of the usual one for the data
    #[arg(long, value_name = "NAME", value_parser = metric)]
    metric: Option<Metric>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for a terminal
    Table,
    /// Markdown
    Md,
    /// One line a number: section, table, row, column, value, std, n
    Csv,
    /// Everything, with types
    Json,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let options = Options { metric: args.metric, short: false };
    let Report { document, outcomes } = with_store(global, |store| make(store, args.sweeps, options))?;
    let text = render(&document, format(args.format, args.output.is_some()));
    match &args.output {
        Some(path) => std::fs::write(path, text)
            .map_err(|error| Failure::environment(format!("cannot write {}: {error}", path.display())))?,
        None => print(&text)?,
    }
    Ok(exit(&outcomes))
}

/// The short report with which `sweep run` ends. The exit code is that of the sweeps' expectations.
pub(crate) fn short(global: &Global, sweeps: &[&str]) -> Result<Exit, Failure> {
    let names = sweeps.iter().map(|&name| name.to_owned()).collect();
    let options = Options { metric: None, short: true };
    let Report { document, outcomes } = with_store(global, |store| make(store, names, options))?;
    print(&render(&document, format(Format::Table, false)))?;
    Ok(exit(&outcomes))
}

async fn make(store: Store, names: Vec<String>, options: Options) -> Result<Report, Failure> {
    let mut sweeps = Vec::new();
    if names.is_empty() {
        sweeps.push(store.sweep(None).await.map_err(failure)?);
    }
    for name in &names {
        sweeps.push(store.sweep(Some(name)).await.map_err(failure)?);
    }
    let mut results: Vec<(Results, Vec<Expect>)> = Vec::new();
    for sweep in &sweeps {
        let expects = Sweep::parse(&sweep.file, &sweep.source).map(|sweep| sweep.expects().cloned().collect());
        let expects = expects.unwrap_or_else(|errors| {
            // It was free of mistakes when it was run.
            let name = &sweep.name;
            tracing::warn!("the file of {name} is not read by this version, so its `expect:` is left out: {errors}");
            Vec::new()
        });
        let mut found = store.results(sweep).await.map_err(failure)?;
        let wanted = curves_wanted(&found, options);
        store.read_curves(&mut found, &wanted).await.map_err(failure)?;
        results.push((found, expects));
    }
    report(&results, options).map_err(Failure::usage)
}

fn format(format: Format, to_file: bool) -> render::Format {
    match format {
        Format::Table => {
            let terminal = std::io::stdout().is_terminal() && !to_file;
            // COLUMNS counts in a pipe too; without it, rows stay whole there.
            let set = std::env::var_os("COLUMNS").is_some_and(|columns| !columns.is_empty());
            let width = if !to_file && (terminal || set) { Some(columns()) } else { None };
            render::Format::Terminal { width, colours: !to_file && colours() }
        }
        Format::Md => render::Format::Markdown,
        Format::Csv => render::Format::Csv,
        Format::Json => render::Format::Json,
    }
}

fn exit(outcomes: &[Outcome]) -> Exit {
    if outcomes.contains(&Outcome::Fails) { Exit::Unexpected } else { Exit::Ok }
}

pub(super) fn metric(name: &str) -> Result<Metric, String> {
    let found = Metric::ALL.into_iter().find(|metric| metric.name() == name);
    found.ok_or_else(|| format!("not a score: expected one of {}", Metric::ALL.map(Metric::name).join(", ")))
}
