//! Files of the home directory that the database is rebuilt from.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// The directory of one attempt of the cohort whose directory is `cohort`.
pub(super) fn attempt(cohort: &Path, number: u32) -> PathBuf {
    cohort.join(format!("attempt-{number}"))
}

/// The file whose path is that of `path` with `ending` behind it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes `value` to a temporary file, which then takes the place of `path`: a reader sees the old content or the new one.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let write = || {
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        let mut buffered = io::BufWriter::new(&mut file);
        serde_json::to_writer(&mut buffered, value)?;
        buffered.flush()?;
        drop(buffered);
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source: io::Error| StoreError::File { path: path.to_owned(), source })
}

/// Reads JSON; `None` where there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Option<T>, StoreError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|source| StoreError::File { path: path.to_owned(), source })?,
    };
    let format =
        |error: serde_json::Error| StoreError::Format { path: path.to_owned(), expected, message: error.to_string() };
    serde_json::from_slice(&text).map(Some).map_err(format)
}

/// Whether there is something at `path`; an error where that cannot be seen, which is no sign that there is nothing.
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
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::File { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// What lies in a directory, sorted; nothing where there is none.
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
