//! What users ask of a run from another terminal: files in `requests` of the home directory, which the run takes away when it has done what
//! they say.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Lock;
use super::lock::LockError;
use sweep_spec::id::JobId;

/// So long may a run take to answer: it looks a few times a second, but may have a large transaction to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file that is there while a run is paused, with its process id.
const PAUSED: &str = "paused";
/// What the name of a request ends in once it was done.
const DONE: &str = "done";

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
pub fn ask(home: &Path, request: &Request) -> Result<Answer, LockError> {
    let folder = home.join("requests");
    let io = |source| LockError::Io { path: folder.clone(), source };
    if Lock::holder(home)?.is_none() {
        return Ok(Answer::Nobody);
    }
    let path = put(&folder, request).map_err(io)?;
    let start = Instant::now();
    loop {
        let nobody = !fs::exists(&path).map_err(io)? || Lock::holder(home)?.is_none();
        if fs::remove_file(path.with_extension(DONE)).is_ok() {
            // Unless somebody else asks, too.
            let _ = fs::remove_dir(&folder);
            return Ok(Answer::Done);
        }
        if nobody || start.elapsed() > PATIENCE {
            // Nobody is to find it later.
            let _ = fs::remove_file(&path);
            return Ok(if nobody { Answer::Nobody } else { Answer::Silent });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Puts a request where the run looks.
fn put(folder: &Path, request: &Request) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, request)?;
    file.flush()?;
    let mut n = 0_u32;
    loop {
        let path = folder.join(format!("{}-{n}.json", std::process::id()));
        match file.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => (file, n) = (taken.file, n + 1),
            Err(other) => return Err(other.error),
        }
    }
}

/// Hears what is asked of a run, and says once why it cannot.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// What was said.
    deaf: Option<String>,
}

impl Ear {
    /// The requests that wait in `home`; none where they cannot be read.
    pub(super) fn waiting(&mut self, home: &Path) -> Vec<(PathBuf, Request)> {
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
fn waiting(home: &Path) -> Result<Vec<(PathBuf, Request)>, LockError> {
    let folder = home.join("requests");
    let mut files = Vec::new();
    for entry in there(&folder, fs::read_dir(&folder))?.into_iter().flatten() {
        let path = entry.map_err(|source| LockError::Io { path: folder.clone(), source })?.path();
        if path.extension().is_some_and(|end| end == "json") {
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
    let _ = fs::rename(path, path.with_extension(DONE));
}

/// Leaves what waits undone: the run ends. Answers that nobody has read yet stay.
pub(super) fn decline(home: &Path) {
    match waiting(home) {
        Ok(requests) => {
            for (path, request) in requests {
                tracing::warn!(?request, "not done: the run has ended");
                let _ = fs::remove_file(path);
            }
        }
        Err(error) => tracing::warn!("what was asked of this run is not known: {error}"),
    }
    let _ = fs::remove_dir(home.join("requests"));
    let _ = fs::remove_file(home.join(PAUSED));
}

/// Forgets what was asked of a run that has ended. The home's lock must be held.
pub fn forget(home: &Path) {
    let _ = fs::remove_dir_all(home.join("requests"));
    let _ = fs::remove_file(home.join(PAUSED));
}

/// Lets others see whether the run is paused.
pub(super) fn mark_paused(home: &Path, paused: bool) {
    let path = home.join(PAUSED);
    let marked = if paused { fs::write(&path, std::process::id().to_string()) } else { fs::remove_file(&path) };
    if let Err(error) = marked.or_else(|error| if paused { Err(error) } else { Ok(()) }) {
        tracing::warn!("{}: {error}; `sweep status` does not know that the run is paused", path.display());
    }
}

/// Whether the run that is at work in `home` is paused.
///
/// # Errors
///
/// Nobody can see that, as in another user's home directory.
pub fn is_paused(home: &Path) -> Result<bool, LockError> {
    let path = home.join(PAUSED);
    let Some(process) = there(&path, fs::read_to_string(&path))? else { return Ok(false) };
    let holder = Lock::holder(home)?.unwrap_or_default();
    Ok(!process.is_empty() && holder.starts_with(&format!("process {process},")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| put(folder.path(), &Request::Pause).unwrap());
        assert!(first != second && first.is_file() && second.is_file());
        // A name that nobody can look at is taken, too.
        fs::remove_file(&first).unwrap();
        std::os::unix::fs::symlink(&first, &first).unwrap();
        let third = put(folder.path(), &Request::Pause).unwrap();
        assert!(third != first && third != second && fs::read_link(&first).is_ok());
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_nothing() {
        // Links to themselves: nobody can read them, whoever they are.
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("requests");
        fs::create_dir(&folder).unwrap();
        assert!(waiting(home.path()).unwrap().is_empty() && !is_paused(home.path()).unwrap());
        let request = folder.join("7.json");
        std::os::unix::fs::symlink(&request, &request).unwrap();
        let error = waiting(home.path()).unwrap_err().to_string();
        assert!(error.contains("7.json") && fs::symlink_metadata(&request).is_ok(), "{error}");
        let paused = home.path().join(PAUSED);
        std::os::unix::fs::symlink(&paused, &paused).unwrap();
        assert!(is_paused(home.path()).unwrap_err().to_string().contains("paused"));
        fs::remove_file(&request).unwrap();
        fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &folder).unwrap();
        assert!(waiting(home.path()).is_err());
    }

    #[test]
    fn requests_are_done_in_turn_and_nobody_waits_for_ever() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(ask(home.path(), &Request::Pause).unwrap(), Answer::Nobody);
        let lock = Lock::take(home.path()).unwrap();
        let at = home.path().to_owned();
        let asks = std::thread::spawn(move || ask(&at, &Request::Cancel(Vec::new())).unwrap());
        let start = Instant::now();
        let mut found = Vec::new();
        while found.is_empty() && start.elapsed() < PATIENCE {
            found = waiting(home.path()).unwrap();
        }
        assert_eq!(found[0].1, Request::Cancel(Vec::new()));
        answer(&found[0].0);
        assert_eq!(asks.join().unwrap(), Answer::Done);

        // Its run ends before it has done it.
        let at = home.path().to_owned();
        let asks = std::thread::spawn(move || ask(&at, &Request::Resume).unwrap());
        while waiting(home.path()).unwrap().is_empty() && start.elapsed() < PATIENCE {}
        drop(lock);
        assert_eq!(asks.join().unwrap(), Answer::Nobody);
        assert!(waiting(home.path()).unwrap().is_empty());

        put(&home.path().join("requests"), &Request::Resume).unwrap();
        fs::write(home.path().join("requests/x.json"), "{").unwrap();
        assert_eq!(waiting(home.path()).unwrap().len(), 1);
        forget(home.path());
        assert!(waiting(home.path()).unwrap().is_empty());
    }
}
