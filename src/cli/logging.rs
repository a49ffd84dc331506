//! Logs: everything of interest to a file in the home directory, warnings to stderr.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::progress::say_above;

/// What the file has beside this program's own messages: warnings of its libraries. `SWEEP_LOG` overrides it.
fn file_filter(verbose: u8) -> Targets {
    let own = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        2.. => LevelFilter::TRACE,
    };
    // The packages are sweep_run, sweep_store, …: a target stands for all that begin with it.
    let usual = Targets::new().with_default(LevelFilter::WARN).with_target("sweep", own);
    std::env::var("SWEEP_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn stderr_level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        2.. => LevelFilter::TRACE,
    }
}

/// Logs to `home/logs/sweep.log`, and to stderr above `bars`, which are drawn there.
pub(crate) fn to_file(home: &Path, verbose: u8, bars: &MultiProgress) -> io::Result<()> {
    let logs = home.join("logs");
    fs::create_dir_all(&logs)?;
    let file = File::options().create(true).append(true).open(logs.join("sweep.log"))?;
    let file = fmt::layer().with_ansi(false).with_writer(Mutex::new(file)).with_filter(file_filter(verbose));
    let stderr = to_terminal(Above(bars.clone()), verbose);
    // Only the first of a process counts, which is what a test that runs several wants.
    let _ = tracing_subscriber::registry().with(file).with(stderr).try_init();
    Ok(())
}

/// Logs to stderr alone: for commands that are no run.
pub(crate) fn to_stderr(verbose: u8) {
    let _ = tracing_subscriber::registry().with(to_terminal(io::stderr, verbose)).try_init();
}

/// What a person is to see.
fn to_terminal<S, W>(writer: W, verbose: u8) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .with_writer(writer)
        .with_filter(stderr_level(verbose))
}

/// Logs to stderr alone: for workers, whose stderr is kept with their attempts.
pub(crate) fn of_worker(verbose: u8) {
    let level = if verbose == 0 { LevelFilter::INFO } else { stderr_level(verbose) };
    let stderr = fmt::layer().with_ansi(false).with_target(false).with_writer(io::stderr).with_filter(level);
    let _ = tracing_subscriber::registry().with(stderr).try_init();
}

/// stderr, above the bars.
struct Above(MultiProgress);

impl<'a> MakeWriter<'a> for Above {
    type Writer = &'a Above;

    fn make_writer(&'a self) -> &'a Above {
        self
    }
}

impl Write for &Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        say_above(&self.0, String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
