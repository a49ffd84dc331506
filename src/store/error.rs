//! Database errors.

use std::ffi::c_int;
use std::path::{Path, PathBuf};

use rusqlite::ffi;

use sweep_spec::id::CohortId;
use sweep_wire::home::Home;
use sweep_wire::log::LogError;

/// A database error: what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no database yet.
    #[error(
        "no results yet at {path}: {advice}, or name another database with --db or --home",
        path = .0.display(), advice = first_step(.0)
    )]
    Missing(PathBuf),
    /// It is impossible to tell whether there is one.
    #[error(
        "cannot look for the database {path}: {source}; it must be in a directory that you may read (--db and --home \
        name other places)"
    )]
    Hidden {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is a folder in its place.
    #[error(
        "{folder} is a folder: --db names a file, such as {file}",
        folder = .0.display(), file = Home::new(.0).database().display()
    )]
    Folder(PathBuf),
    /// There are attempts that are not in the database.
    #[error(
        "{path} lacks some of the runs in {}, starting with {} ({count} in all): the database was lost or is an older \
        copy; `sweep rebuild` recreates it from the runs",
        home.display(), first.display()
    )]
    UnknownAttempts {
        /// The database.
        path: PathBuf,
        /// The home directory.
        home: PathBuf,
        /// The first attempt that is not in the database.
        first: PathBuf,
        /// The number of such attempts.
        count: usize,
    },
    /// The file cannot be opened or is not an SQLite database.
    #[error("cannot open the database {path}: {source}{}", advised(code(source)))]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The tables are from an earlier version of the program.
    #[error(
        "the database {path} has tables of version {found}, but this program needs version {expected}: the next `sweep \
        run` or `sweep rebuild` updates it"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its latest migration.
        found: i64,
        /// The program's.
        expected: i64,
    },
    /// The tables are from a later version of the program.
    #[error(
        "the database {path} has tables of version {found}, but this program has version {expected}: a newer `sweep` \
        wrote it; use that one, or another database (--db)"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its latest migration.
        found: i64,
        /// The program's.
        expected: i64,
    },
    /// A database of another program.
    #[error("{0} is a database of another program: with --db, name a database of this program or a new file")]
    Foreign(PathBuf),
    /// The file to be replaced is not a database.
    #[error(
        "{0} is not a database, and was left as it is: with --db, name a database of this program or a new file; if it \
        is a damaged database, move it away and run the command again"
    )]
    NoDatabase(PathBuf),
    /// The database has the runs of another home directory.
    #[error(
        "the database has the runs of {recorded}, not of {asked}: continue with `--home {recorded}`, or name another \
        --db for {asked}"
    )]
    OtherHome {
        /// The home directory it belongs to.
        recorded: PathBuf,
        /// The requested home directory.
        asked: PathBuf,
    },
    /// The tables cannot be updated.
    #[error("cannot update the tables of {path}: {source} (`sweep rebuild` recreates them from the run directories)")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// An SQL statement failed.
    #[error("the database: {}{}", .0, advised(code(.0)))]
    Sql(#[from] sqlx::Error),
    /// The database has a value that the program never writes.
    #[error(
        "the database has {what} `{found}`, expected {expected}: `sweep rebuild` recreates it from the run directories"
    )]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// The value found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// SQLite failed while reading many rows.
    #[error("the database: {}{}", .0, advised(code_of_scan(.0)))]
    Scan(#[from] rusqlite::Error),
    /// A seed too large for SQLite's integers.
    #[error("seed {0} is too large: expected at most {max}, the largest integer of SQLite", max = i64::MAX)]
    Seed(u64),
    /// A sweep that was never run.
    #[error("no sweep `{name}` in the database: {}", listed(known))]
    NoSweep {
        /// What was asked for.
        name: String,
        /// The known sweeps, newest first.
        known: Vec<String>,
    },
    /// No job's id starts with this.
    #[error(
        "no job `{0}`: expected the first characters of a job's id, as in `sweep query 'SELECT job, variant, seed FROM \
        results'`"
    )]
    NoJob(String),
    /// Several jobs' ids start with this.
    #[error("`{prefix}` names {count} jobs, {}: give more of its characters", some(examples, *count))]
    AmbiguousJob {
        /// What was asked for.
        prefix: String,
        /// How many match.
        count: usize,
        /// Some of them.
        examples: Vec<String>,
    },
    /// SQLite refuses the user's SQL.
    #[error("{0}")]
    Query(String),
    /// An attempt that was never started.
    #[error("the database has no attempt {attempt} of cohort {cohort}")]
    NoAttempt {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
    },
    /// Events are missing between those in the database and those read.
    #[error(
        "events of cohort {cohort}, attempt {attempt}: expected event {expected} next, found {found}; its log lost a \
        line"
    )]
    Gap {
        /// The cohort.
        cohort: CohortId,
        /// The attempt.
        attempt: u32,
        /// The number of the next event.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// An event log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file of the home directory cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the home directory has the wrong content.
    #[error("{path}: not {expected}: {message}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// Returns the advice if there is no database at `path`.
fn first_step(path: &Path) -> &'static str {
    let runs = path.parent().is_some_and(|home| Home::new(home).runs().is_dir());
    if runs {
        "there are runs without their database: `sweep rebuild` recreates it"
    } else {
        "run `sweep run FILE` first"
    }
}

impl StoreError {
    /// Whether the cause is the machine or the user's files rather than this program.
    pub fn is_environment(&self) -> bool {
        match self {
            StoreError::Missing(_)
            | StoreError::Hidden { .. }
            | StoreError::Folder(_)
            | StoreError::UnknownAttempts { .. }
            | StoreError::Foreign(_)
            | StoreError::NoDatabase(_)
            | StoreError::Open { .. }
            | StoreError::Older { .. }
            | StoreError::Newer { .. }
            | StoreError::OtherHome { .. }
            | StoreError::Migrate { .. }
            | StoreError::Corrupt { .. }
            | StoreError::Log(_)
            | StoreError::File { .. }
            | StoreError::Format { .. } => true,
            StoreError::NoSweep { .. }
            | StoreError::NoJob(_)
            | StoreError::AmbiguousJob { .. }
            | StoreError::Query(_) => false,
            StoreError::Sql(error) => of_environment(error),
            StoreError::Scan(error) => code_of_scan(error).is_some_and(is_environment),
            StoreError::Seed(_) | StoreError::NoAttempt { .. } | StoreError::Gap { .. } => false,
        }
    }

    /// Whether another program has the database locked, so trying later may work.
    pub fn is_locked(&self) -> bool {
        let (StoreError::Sql(error) | StoreError::Open { source: error, .. }) = self else { return false };
        code(error).is_some_and(|code| matches!(code & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
    }

    /// Whether the user asked for something that does not exist or makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            StoreError::NoSweep { .. } | StoreError::NoJob(_) | StoreError::AmbiguousJob { .. } | StoreError::Query(_)
        )
    }

    /// Creates the error for a column that does not parse.
    pub(super) fn corrupt(what: &'static str, found: impl ToString, expected: impl ToString) -> Self {
        StoreError::Corrupt { what, found: found.to_string(), expected: expected.to_string() }
    }
}

/// Returns SQLite's code, if the error comes from SQLite.
fn code(error: &sqlx::Error) -> Option<c_int> {
    error.as_database_error()?.code()?.parse().ok()
}

fn code_of_scan(error: &rusqlite::Error) -> Option<c_int> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// Whether the machine is the cause.
pub(super) fn of_environment(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_)) || code(error).is_some_and(is_environment)
}

/// Whether a code of SQLite means that the machine or the file is the cause.
pub(super) fn is_environment(code: c_int) -> bool {
    advice(code).is_some()
}

fn advised(code: Option<c_int>) -> String {
    code.and_then(advice).map_or(String::new(), |advice| format!("; {advice}"))
}

/// Returns what to do about an SQLite error caused by the machine or the file.
fn advice(code: c_int) -> Option<&'static str> {
    // The higher bits only give more detail.
    match code & 0xff {
        ffi::SQLITE_FULL => Some("free some space on its disk and run the command again"),
        ffi::SQLITE_IOERR => Some(
            "the disk is full or failing, or `ulimit -f` limits the file's size: fix that and run the command again",
        ),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
            Some("another program has it locked: end that program's transaction and run the command again")
        }
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => {
            Some("it and its directory must be writable (--db names another place)")
        }
        ffi::SQLITE_CANTOPEN => {
            Some("it must be a file that you may read, in a directory that you may write to (--db names another place)")
        }
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => {
            Some("it is damaged or not a database: `sweep rebuild` recreates it from the run directories")
        }
        _ => None,
    }
}

/// Formats `a and b`, or `a, b, c and 2 others` if there are more.
fn some(examples: &[String], count: usize) -> String {
    match (count.saturating_sub(examples.len()), examples) {
        (0, [most @ .., last]) if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        (0, all) => all.join(", "),
        (1, some) => format!("{} and another", some.join(", ")),
        (others, some) => format!("{} and {others} others", some.join(", ")),
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    match names {
        [] => "it has none yet; `sweep run FILE` makes one".to_owned(),
        names if names.len() <= SHOWN => format!("it has {}", names.join(", ")),
        names => format!("it has {} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_named_as_are_said() {
        let names = ["a", "b", "c"].map(str::to_owned);
        for (examples, count, expected) in [
            (&names[..2], 2, "a and b"),
            (&names, 3, "a, b and c"),
            (&names, 4, "a, b, c and another"),
            (&names, 9, "a, b, c and 6 others"),
        ] {
            let error = StoreError::AmbiguousJob { prefix: "0".into(), count, examples: examples.to_vec() };
            assert_eq!(error.to_string(), format!("`0` names {count} jobs, {expected}: give more of its characters"));
        }
    }
}
