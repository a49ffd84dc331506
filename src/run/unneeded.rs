//! Files of a home directory that no sweep needs: they take up space and are not read again. Scores are never among
//! them, nor the logs from which the database can be rebuilt.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::WriteError;
use sweep_store::{Store, StoreError};
use sweep_wire::database::Database;
use sweep_wire::home::{Home, RunFolder, job_folder};

/// Why a file is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A checkpoint of a cohort that no run will continue from.
    Spent,
    /// A copy of the database from before a later version of the program, or `sweep rebuild`, changed it.
    Copy,
    /// Files of jobs that no sweep asks for: generators, checkpoints, sample sheets, and what the user's own trainers
    /// keep.
    Unasked,
    /// The state of a finished job, from which training for more steps would continue.
    State,
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unneeded {
    /// Its path.
    pub path: PathBuf,
    /// Why it is not needed.
    pub why: Why,
    /// How many files it has.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Returns all such files, sorted. The caller must hold the lock of `home`; `database` is the one that `store` has
/// open.
///
/// # Errors
///
/// The database or a folder cannot be read.
pub async fn unneeded(store: &Store, (home, database): (&Home, &Path)) -> Result<Vec<Unneeded>, StoreError> {
    let mut paths: BTreeSet<(Why, PathBuf)> = BTreeSet::new();
    for place in store.spent().await? {
        let run = home.run_in(&place);
        paths.extend([run.previous(), run.checkpoint()].map(|path| (Why::Spent, path)));
    }
    let unasked = store.unasked().await?;
    for (place, _) in &unasked {
        paths.extend(left(&home.run_in(place)).map(|path| (Why::Unasked, path)));
    }
    let jobs = home.jobs();
    paths.extend(unasked.iter().flat_map(|(_, of)| of).map(|job| (Why::Unasked, job_folder(&jobs, *job))));
    for place in store.cohorts().await? {
        paths.insert((Why::State, home.run_in(place).last()));
    }
    let beside = Database::at(database);
    let names = fs::read_dir(database.parent().unwrap_or(database)).into_iter().flatten().flatten();
    let earlier = names.filter(|entry| beside.is_earlier(&entry.file_name()));
    paths.extend(earlier.map(|entry| (Why::Copy, entry.path())));

    let mut found: Vec<Unneeded> = Vec::new();
    for (why, path) in paths {
        let size = size(&path).map_err(|source| StoreError::File { path: path.clone(), source })?;
        // The state of a job that no sweep asks for is counted once.
        if let Some((files, bytes)) = size.filter(|_| !found.iter().any(|known| known.path == path)) {
            found.push(Unneeded { path, why, files, bytes });
        }
    }
    Ok(found)
}

/// Returns the files that a cohort leaves in addition to its logs.
fn left(run: &RunFolder) -> [PathBuf; 5] {
    [run.previous(), run.checkpoint(), run.last(), run.generators(), run.samples()]
}

/// Returns the number of files at `path` and their bytes; `None` if there are none.
fn size(path: &Path) -> io::Result<Option<(usize, u64)>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !metadata.is_dir() {
        return Ok(Some((1, metadata.len())));
    }
    let mut sum = (0, 0);
    for entry in fs::read_dir(path)? {
        if let Some((files, bytes)) = size(&entry?.path())? {
            sum = (sum.0 + files, sum.1 + bytes);
        }
    }
    Ok(Some(sum))
}

/// Removes it.
///
/// # Errors
///
/// It may not be removed.
pub fn remove(what: &Unneeded) -> Result<(), WriteError> {
    let is_folder = fs::symlink_metadata(&what.path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_folder { fs::remove_dir_all(&what.path) } else { fs::remove_file(&what.path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(WriteError { path: what.path.clone(), source: error })
        }
        _ => Ok(()),
    }
}
