//! What users ask of a run from another terminal. Requests are files in `requests` of the home directory, which the run
//! removes when they are done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Lock;
use super::distance::{delay, is_far};
use super::lock::LockError;
use sweep_spec::id::JobId;
use sweep_system::whole::{self, NewFile, Survives};
use sweep_wire::home::{self, Home};

/// How long a run may take to answer. It checks a few times a second, but may have a large transaction to finish first.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Checkpoint and stop all workers, and start none.
    Pause,
    /// Continue.
    Resume,
    /// Cancel these jobs.
    Cancel(Vec<JobId>),
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The run has done it.
    Done,
    /// No run is at work here.
    Nobody,
    /// A run is at work here, but does not answer.
    Silent,
}

/// Asks the run at work in `home`, and waits until it is done.
///
/// # Errors
///
/// The home directory cannot be read or written.
pub fn ask(home: &Home, request: &Request) -> Result<Answer, LockError> {
    let folder = home.requests();
    let io = |source| LockError::Io { path: folder.clone(), source };
    if Lock::holder(home)?.is_none() {
        return Ok(Answer::Nobody);
    }
    let path = put(home, request).map_err(io)?;
    // A run on another machine sees the request late, and its answer is seen late here.
    let patience = PATIENCE + Duration::from_secs_f64(2.0 * delay(home).unwrap_or_default());
    // On a shared file system each check costs others something.
    let look = Duration::from_millis(if is_far(home) { 500 } else { 20 });
    let start = Instant::now();
    loop {
        let nobody = !fs::exists(&path).map_err(io)? || Lock::holder(home)?.is_none();
        if fs::remove_file(home::done(&path)).is_ok() {
            // This fails if another request waits there, too.
            let _ = fs::remove_dir(&folder);
            return Ok(Answer::Done);
        }
        if nobody || start.elapsed() > patience {
            // No run may find the request later.
            let _ = fs::remove_file(&path);
            return Ok(if nobody { Answer::Nobody } else { Answer::Silent });
        }
        std::thread::sleep(look);
    }
}

/// Puts a request where the run finds it.
fn put(home: &Home, request: &Request) -> io::Result<PathBuf> {
    fs::create_dir_all(home.requests())?;
    let path = |number| home.request(std::process::id(), number);
    let mut file = NewFile::beside(&path(0))?;
    serde_json::to_writer(&mut file, request)?;
    file.put_at_first_free((0..).map(path), Survives::Kill)
}

/// Reads requests to a run, and says once if it cannot.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// The error that was reported.
    deaf: Option<String>,
}

impl Ear {
    /// Returns the waiting requests in `home`; none if they cannot be read.
    pub(super) fn waiting(&mut self, home: &Home) -> Vec<(PathBuf, Request)> {
        let (requests, deaf) = match waiting(home) {
            Ok(requests) => (requests, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(error) = deaf.as_ref().filter(|_| deaf != self.deaf) {
            tracing::warn!("requests from other terminals cannot be read: {error}");
        }
        self.deaf = deaf;
        requests
    }
}

/// Returns the waiting requests in `home`, oldest first, with the files to remove when they are done. Files that are
/// not requests are removed at once.
///
/// # Errors
///
/// A file there cannot be read: it may be a request.
fn waiting(home: &Home) -> Result<Vec<(PathBuf, Request)>, LockError> {
    let folder = home.requests();
    let mut files = Vec::new();
    for entry in there(&folder, fs::read_dir(&folder))?.into_iter().flatten() {
        let path = entry.map_err(|source| LockError::Io { path: folder.clone(), source })?.path();
        if home::is_json(&path) {
            files.push((fs::metadata(&path).and_then(|about| about.modified()).ok(), path));
        }
    }
    files.sort();
    let mut requests = Vec::new();
    for (_, path) in files {
        // The asker may have lost patience, and removed the request.
        let Some(text) = there(&path, fs::read(&path))? else { continue };
        match serde_json::from_slice(&text) {
            Ok(request) => requests.push((path, request)),
            Err(error) => {
                tracing::warn!("removed {}, which is not a request: {error}", path.display());
                let _ = fs::remove_file(&path);
            }
        }
    }
    Ok(requests)
}

/// Returns what was read at `path`; `None` if there is no such file.
fn there<T>(path: &Path, read: io::Result<T>) -> Result<Option<T>, LockError> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(|source| LockError::Io { path: path.to_owned(), source }),
    }
}

/// Marks the request in this file as done. The asker may have lost patience.
pub(super) fn answer(path: &Path) {
    let _ = whole::rename(path, &home::done(path), Survives::Kill);
}

/// Declines waiting requests since the run ends. Answers that have not been read stay.
pub(super) fn decline(home: &Home) {
    match waiting(home) {
        Ok(requests) => {
            for (path, request) in requests {
                tracing::warn!(?request, "a request was not carried out: the run has ended");
                let _ = fs::remove_file(path);
            }
        }
        Err(error) => tracing::warn!("the last requests to this run cannot be read: {error}"),
    }
    let _ = fs::remove_dir(home.requests());
    let _ = fs::remove_file(home.paused());
}

/// Forgets requests to a run that has ended. The caller must hold the home's lock.
pub fn forget(home: &Home) {
    let _ = fs::remove_dir_all(home.requests());
    let _ = fs::remove_file(home.paused());
}

/// Shows others whether the run is paused.
pub(super) fn mark_paused(home: &Home, paused: bool) {
    let path = home.paused();
    let process = std::process::id().to_string();
    let marked = if paused { whole::write(&path, process.as_bytes(), Survives::Kill) } else { whole::remove(&path) };
    if let Err(error) = marked {
        tracing::warn!("{}: {error}; `sweep status` will not show that the run is paused", path.display());
    }
}

/// Whether the run at work in `home` is paused.
///
/// # Errors
///
/// The file cannot be checked, as in another user's home directory.
pub fn is_paused(home: &Home) -> Result<bool, LockError> {
    let path = home.paused();
    let Some(process) = there(&path, fs::read_to_string(&path))? else { return Ok(false) };
    let holder = Lock::holder(home)?.unwrap_or_default();
    Ok(holder.starts_with(&format!("process {process},")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let [first, second] = [(); 2].map(|()| put(&home, &Request::Pause).unwrap());
        assert!(first != second && first.is_file() && second.is_file());
        // A name that cannot be checked counts as taken, too.
        fs::remove_file(&first).unwrap();
        std::os::unix::fs::symlink(&first, &first).unwrap();
        let third = put(&home, &Request::Pause).unwrap();
        assert!(third != first && third != second && fs::read_link(&first).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        // Symbolic links to themselves: no user can read them.
        let place = tempfile::tempdir().unwrap();
        let home = Home::new(place.path());
        let folder = home.path().join("requests");
        fs::create_dir(&folder).unwrap();
        assert!(waiting(&home).unwrap().is_empty() && !is_paused(&home).unwrap());
        let request = folder.join("7.json");
        std::os::unix::fs::symlink(&request, &request).unwrap();
        let error = waiting(&home).unwrap_err().to_string();
        assert!(error.contains("7.json") && fs::symlink_metadata(&request).is_ok(), "{error}");
        let paused = home.path().join("paused");
        std::os::unix::fs::symlink(&paused, &paused).unwrap();
        assert!(is_paused(&home).unwrap_err().to_string().contains("paused"));
        fs::remove_file(&request).unwrap();
        fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &folder).unwrap();
        assert!(waiting(&home).is_err());
    }

    #[test]
    fn requests_are_done_in_turn_and_nobody_waits_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::new(place.path());
        assert_eq!(ask(&home, &Request::Pause).unwrap(), Answer::Nobody);
        let lock = Lock::take(&home).unwrap();
        let at = home.clone();
        let asks = std::thread::spawn(move || ask(&at, &Request::Cancel(Vec::new())).unwrap());
        let start = Instant::now();
        let mut found = Vec::new();
        while found.is_empty() && start.elapsed() < PATIENCE {
            found = waiting(&home).unwrap();
        }
        assert_eq!(found[0].1, Request::Cancel(Vec::new()));
        answer(&found[0].0);
        assert_eq!(asks.join().unwrap(), Answer::Done);

        // Its run ends before the request is done.
        let at = home.clone();
        let asks = std::thread::spawn(move || ask(&at, &Request::Resume).unwrap());
        while waiting(&home).unwrap().is_empty() && start.elapsed() < PATIENCE {}
        drop(lock);
        assert_eq!(asks.join().unwrap(), Answer::Nobody);
        assert!(waiting(&home).unwrap().is_empty());

        put(&home, &Request::Resume).unwrap();
        fs::write(home.path().join("requests/x.json"), "{").unwrap();
        assert_eq!(waiting(&home).unwrap().len(), 1);
        forget(&home);
        assert!(waiting(&home).unwrap().is_empty());
    }
}
