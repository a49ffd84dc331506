//! Logs: everything of interest goes to a file in the home directory, warnings go to stderr.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Mutex;

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, FormatFields, Writer};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::Failure;
use super::stderr::draw_above;
use super::terminal::colours;
use sweep_operations::environment::variable;
use sweep_spec::text::plain;
use sweep_wire::home::Home;

/// Returns what goes to the file: this program's own messages, and warnings of its libraries. `SWEEP_LOG` overrides it.
fn file_filter(verbose: u8) -> Result<Targets, Failure> {
    let own = match verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        2.. => LevelFilter::TRACE,
    };
    let Some(said) = variable("SWEEP_LOG") else {
        // The packages are sweep_run, sweep_store, and so on: a target matches all names that start with it.
        return Ok(Targets::new().with_default(LevelFilter::WARN).with_target("sweep", own));
    };
    let said = said.to_string_lossy();
    said.parse().map_err(|error| {
        Failure::usage(format!(
            "SWEEP_LOG is `{said}`, which is not a log filter ({error}): write a level, or several as in \
            warn,sweep=debug"
        ))
    })
}

fn stderr_level(verbose: u8) -> LevelFilter {
    match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        2.. => LevelFilter::TRACE,
    }
}

/// Logs to the file of `home`, and to stderr above `bars`, which are drawn there.
pub(crate) fn to_file(home: &Home, verbose: u8, bars: &MultiProgress) -> Result<(), Failure> {
    let filter = file_filter(verbose)?;
    let path = home.log();
    let open = || {
        fs::create_dir_all(home.logs())?;
        File::options().create(true).append(true).open(&path)
    };
    let file = open().map_err(|error| Failure::environment(format!("cannot write {}: {error}", path.display())))?;
    let file = fmt::layer().fmt_fields(fields()).with_ansi(false).with_writer(Mutex::new(file)).with_filter(filter);
    let stderr = to_terminal(Above(bars.clone()), verbose);
    // Only the first call in a process counts, which suits a test that runs several commands.
    let _ = tracing_subscriber::registry().with(file).with(stderr).try_init();
    Ok(())
}

/// Logs only to stderr: for commands that are not runs.
pub(crate) fn to_stderr(verbose: u8) {
    let _ = tracing_subscriber::registry().with(to_terminal(io::stderr, verbose)).try_init();
}

/// Returns the layer for messages to a person.
fn to_terminal<S, W>(writer: W, verbose: u8) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fmt::layer()
        .fmt_fields(fields())
        .with_ansi(colours(&io::stderr()))
        .with_target(false)
        .without_time()
        .with_writer(writer)
        .with_filter(stderr_level(verbose))
}

/// Logs only to stderr: for workers, whose stderr is saved with their attempts.
pub fn of_worker(verbose: u8) {
    let level = if verbose == 0 { LevelFilter::INFO } else { stderr_level(verbose) };
    let stderr = fmt::layer()
        .fmt_fields(fields())
        .with_ansi(false)
        .with_target(false)
        .with_writer(io::stderr)
        .with_filter(level);
    let _ = tracing_subscriber::registry().with(stderr).try_init();
}

/// Writes an event without characters that a terminal would act on, since it may repeat what a file or a worker says.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let text = plain(&format!("{value:?}"));
        if field.name() == "message" { write!(writer, "{text}") } else { write!(writer, "{}={text}", field.name()) }
    };
    format::debug_fn(field).delimited(" ")
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
        // The subscriber adds colours; the text of the event has been through `fields`.
        draw_above(&self.0, String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use sweep_spec::text::acts;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_an_event_repeats_does_not_act_on_a_terminal() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = fmt::layer().fmt_fields(fields()).with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let hostile = "a\x1b[2J\u{9b}31m\u{202e}\r\u{7}b";
            tracing::warn!(file = %hostile, told = ?hostile, "{hostile} happened");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("a\u{fffd}[2J") && text.contains("b happened") && text.contains("file=a"), "{text:?}");
        assert!(!text.contains(|c| acts(c) && c != '\n'), "{text:?}");
    }
}
