//! What users ask of a run from another terminal: files in `requests` of the home directory, which the run takes away when it has done what
//! they say.

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

/// So long may a run take to answer: it looks a few times a second, but may have a large transaction to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Stop all workers after a checkpoint, and start none.
    Pause,
    /// Go on.
    Resume,
    /// Do not train these any more.
    Cancel(Vec<JobId>),
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The run has done it.
    Done,
    /// No run is at work here.
    Nobody,
    /// A run is at work here, but does not answer.
    Silent,
}

/// Asks the run that is at work in `home`, and waits until it has done it.
///
/// # Errors
///
/// Where the home directory cannot be read or written.
pub fn ask(home: &Home, request: &Request) -> Result<Answer, LockError> {
    let folder = home.requests();
    let io = |source| LockError::Io { path: folder.clone(), source };
    if Lock::holder(home)?.is_none() {
        return Ok(Answer::Nobody);
    }
    let path = put(home, request).map_err(io)?;
    // It sees late what is asked on another machine, and so is its answer seen.
    let patience = PATIENCE + Duration::from_secs_f64(2.0 * delay(home).unwrap_or_default());
    // Each look costs others something where they share it.
    let look = Duration::from_millis(if is_far(home) { 500 } else { 20 });
    let start = Instant::now();
    loop {
        let nobody = !fs::exists(&path).map_err(io)? || Lock::holder(home)?.is_none();
        if fs::remove_file(home::done(&path)).is_ok() {
            // Unless somebody else asks, too.
            let _ = fs::remove_dir(&folder);
            return Ok(Answer::Done);
        }
        if nobody || start.elapsed() > patience {
            // Nobody is to find it later.
            let _ = fs::remove_file(&path);
            return Ok(if nobody { Answer::Nobody } else { Answer::Silent });
        }
        std::thread::sleep(look);
    }
}

/// Puts a request where the run looks.
fn put(home: &Home, request: &Request) -> io::Result<PathBuf> {
    fs::create_dir_all(home.requests())?;
    let path = |number| home.request(std::process::id(), number);
    let mut file = NewFile::beside(&path(0))?;
    serde_json::to_writer(&mut file, request)?;
    file.put_at_first_free((0..).map(path), Survives::Kill)
}

/// Hears what is asked of a run, and says once why it cannot.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// What was said.
    deaf: Option<String>,
}

impl Ear {
    /// The requests that wait in `home`; none where they cannot be read.
    pub(super) fn waiting(&mut self, home: &Home) -> Vec<(PathBuf, Request)> {
        let (requests, deaf) = match waiting(home) {
            Ok(requests) => (requests, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(error) = deaf.as_ref().filter(|_| deaf != self.deaf) {
            tracing::warn!("what is asked of this run from elsewhere cannot be read: {error}");
        }
        self.deaf = deaf;
        requests
    }
}

/// The requests that wait in `home`, oldest first, with the files to take away when they are done. What is none is taken away at once.
///
/// # Errors
///
/// What lies there cannot be read: it may be a request.
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
        // Who has asked may have lost patience, and taken it away.
        let Some(text) = there(&path, fs::read(&path))? else { continue };
        match serde_json::from_slice(&text) {
            Ok(request) => requests.push((path, request)),
            Err(error) => {
                tracing::warn!("{} is no request and is taken away: {error}", path.display());
                let _ = fs::remove_file(&path);
            }
        }
    }
    Ok(requests)
}

/// What was read at `path`; nothing where nothing is there.
fn there<T>(path: &Path, read: io::Result<T>) -> Result<Option<T>, LockError> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(|source| LockError::Io { path: path.to_owned(), source }),
    }
}

/// Says that the request in this file was done. Who asked may have lost patience.
pub(super) fn answer(path: &Path) {
    let _ = whole::rename(path, &home::done(path), Survives::Kill);
}

/// Leaves what waits undone: the run ends. Answers that nobody has read yet stay.
pub(super) fn decline(home: &Home) {
    match waiting(home) {
        Ok(requests) => {
            for (path, request) in requests {
                tracing::warn!(?request, "not done: the run has ended");
                let _ = fs::remove_file(path);
            }
        }
        Err(error) => tracing::warn!("what was asked of this run is not known: {error}"),
    }
    let _ = fs::remove_dir(home.requests());
    let _ = fs::remove_file(home.paused());
}

/// Forgets what was asked of a run that has ended. The home's lock must be held.
pub fn forget(home: &Home) {
    let _ = fs::remove_dir_all(home.requests());
    let _ = fs::remove_file(home.paused());
}

/// Lets others see whether the run is paused.
pub(super) fn mark_paused(home: &Home, paused: bool) {
    let path = home.paused();
    let process = std::process::id().to_string();
    let marked = if paused { whole::write(&path, process.as_bytes(), Survives::Kill) } else { whole::remove(&path) };
    if let Err(error) = marked {
        tracing::warn!("{}: {error}; `sweep status` does not know that the run is paused", path.display());
    }
}

/// Whether the run that is at work in `home` is paused.
///
/// # Errors
///
/// Nobody can see that, as in another user's home directory.
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
        // A name that nobody can look at is taken, too.
        fs::remove_file(&first).unwrap();
        std::os::unix::fs::symlink(&first, &first).unwrap();
        let third = put(&home, &Request::Pause).unwrap();
        assert!(third != first && third != second && fs::read_link(&first).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        // Links to themselves: nobody can read them, whoever they are.
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

        // Its run ends before it has done it.
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
