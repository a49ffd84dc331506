//! What the commands that only read have in common.

use std::future::Future;
use std::io::{self, IsTerminal, Write};

use super::{Failure, Global};
use sweep_run::RunError;
use sweep_store::{JobDetails, Store, StoreError};

/// Opens the results database for reading and runs `work` on it.
pub(crate) fn with_store<T, F>(global: &Global, work: impl FnOnce(Store) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    block_on(async {
        let store = Store::open_existing_read_only(&global.database()).await.map_err(failure)?;
        let result = work(store.clone()).await;
        store.close().await;
        result
    })
}

/// Runs `work` to its end on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    runtime.block_on(work)
}

/// The exit code that a database error leads to.
pub(crate) fn failure(error: StoreError) -> Failure {
    if error.is_usage() {
        Failure::usage(error)
    } else if error.is_environment() {
        Failure::environment(error)
    } else {
        Failure::internal(error)
    }
}

/// The job whose id begins with `text`.
pub(crate) fn job(global: &Global, text: &str) -> Result<JobDetails, Failure> {
    with_store(global, async |store| {
        let id = store.find_job(text).await.map_err(failure)?;
        store.job(id).await.map_err(failure)
    })
}

/// The failure that a run which could not go on is.
pub(crate) fn stopped_short(error: RunError) -> Failure {
    match error {
        RunError::Store(error) => failure(error),
        RunError::Write(_) | RunError::Start(_) | RunError::Io(_) => Failure::environment(error),
    }
}

/// Writes to stdout. A reader that has gone away (`| head`) has what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Columns to write in: what `COLUMNS` says, or the terminal has.
pub(crate) fn columns() -> u16 {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
    set.or_else(|| comfy_table::Table::new().width()).unwrap_or(100)
}

/// Whether stdout understands colours and wants them.
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text from elsewhere without control characters but line breaks and tabs: it must not move the cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}
