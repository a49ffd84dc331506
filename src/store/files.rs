//! Reads and writes the files of the home directory that the database is rebuilt from.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use sweep_system::whole::{self, NewFile, Survives};
use sweep_wire::home::{AttemptFolder, Home, RunFolder, attempt_of, is_json, rescoring_of};
use sweep_wire::order::Order;

/// Writes `value` to `path` as JSON, atomically and durably.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = NewFile::beside(path)?;
        let mut buffered = io::BufWriter::new(&mut file);
        serde_json::to_writer(&mut buffered, value)?;
        buffered.flush()?;
        drop(buffered);
        file.put(Survives::PowerCut)
    };
    write().map_err(|source: io::Error| StoreError::File { path: path.to_owned(), source })
}

/// Reads JSON; `None` if there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Option<T>, StoreError> {
    read(path, expected, |text| serde_json::from_slice(text))
}

/// Reads an order, also one from an earlier program; `None` if there is no such file.
pub(super) fn read_order(path: &Path) -> Result<Option<Order>, StoreError> {
    read(path, "an order", Order::parse)
}

fn read<T>(
    path: &Path,
    expected: &'static str,
    parse: impl Fn(&[u8]) -> serde_json::Result<T>,
) -> Result<Option<T>, StoreError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| StoreError::File { path: path.to_owned(), source })?,
    };
    let format =
        |error: serde_json::Error| StoreError::Format { path: path.to_owned(), expected, message: error.to_string() };
    parse(&text).map(Some).map_err(format)
}

/// Whether anything is at `path`. It is an error if that cannot be determined.
pub(super) fn is_there(path: &Path) -> Result<bool, StoreError> {
    fs::exists(path).map_err(|source| StoreError::File { path: path.to_owned(), source })
}

/// Whether there is a directory at `path`.
pub(super) fn is_directory(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|is| is.is_dir()).map_err(|source| StoreError::File { path: path.to_owned(), source }),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    whole::remove(path).map_err(|source| StoreError::File { path: path.to_owned(), source })
}

/// Lists the folders of cohorts in a home directory.
pub(super) fn runs(home: &Home) -> Result<Vec<RunFolder>, StoreError> {
    Ok(list(&home.runs())?.into_iter().map(RunFolder::at).collect())
}

/// Lists the attempts of a cohort with their numbers, in order.
pub(super) fn attempts(run: &RunFolder) -> Result<Vec<(u32, AttemptFolder)>, StoreError> {
    numbered(run, attempt_of, |number| run.attempt(number))
}

/// Lists the complete logs of rescorings with their numbers, in order.
pub(super) fn rescorings(run: &RunFolder) -> Result<Vec<(u32, PathBuf)>, StoreError> {
    numbered(run, rescoring_of, |number| run.rescoring(number))
}

fn numbered<T>(
    run: &RunFolder,
    number: impl Fn(&OsStr) -> Option<u32>,
    item: impl Fn(u32) -> T,
) -> Result<Vec<(u32, T)>, StoreError> {
    let paths = list(run.path())?;
    let mut numbers: Vec<u32> = paths.iter().filter_map(|path| number(path.file_name()?)).collect();
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| (number, item(number))).collect())
}

/// Lists the files of sweeps in a home directory.
pub(super) fn sweeps(home: &Home) -> Result<Vec<PathBuf>, StoreError> {
    let mut paths = list(&home.sweeps())?;
    paths.retain(|path| is_json(path));
    Ok(paths)
}

/// Lists the content of a directory, sorted; empty if there is no such directory.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let file = |source| StoreError::File { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.map_err(file)?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(file)?;
    paths.sort();
    Ok(paths)
}
