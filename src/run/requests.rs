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
    let number = std::process::id();
    let path = (0..)
        .map(|n| folder.join(format!("{number}-{n}.json")))
        .find(|path| fs::exists(path).is_ok_and(|there| !there));
    let path = path.unwrap_or_else(|| folder.join(format!("{number}.json")));
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
}

/// The requests that wait in `home`, oldest first, with the files to take away when they are done. What is none is taken away at once.
pub(super) fn waiting(home: &Path) -> Vec<(PathBuf, Request)> {
    let entries = fs::read_dir(home.join("requests")).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| (fs::metadata(&path).and_then(|about| about.modified()).ok(), path))
        .collect();
    files.sort();
    let read = |path: PathBuf| match fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()) {
        Some(request) => Some((path, request)),
        None => {
            tracing::warn!("{} is no request and is taken away", path.display());
            let _ = fs::remove_file(&path);
            None
        }
    };
    files.into_iter().filter_map(|(_, path)| read(path)).collect()
}

/// Says that the request in this file was done. Who asked may have lost patience.
pub(super) fn answer(path: &Path) {
    let _ = fs::rename(path, path.with_extension(DONE));
}

/// Leaves what waits undone: the run ends. Answers that nobody has read yet stay.
pub(super) fn decline(home: &Path) {
    for (path, request) in waiting(home) {
        tracing::warn!(?request, "not done: the run has ended");
        let _ = fs::remove_file(path);
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
pub fn is_paused(home: &Path) -> bool {
    let process = fs::read_to_string(home.join(PAUSED)).unwrap_or_default();
    let holder = Lock::holder(home).ok().flatten().unwrap_or_default();
    !process.is_empty() && holder.starts_with(&format!("process {process},"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            found = waiting(home.path());
        }
        assert_eq!(found[0].1, Request::Cancel(Vec::new()));
        answer(&found[0].0);
        assert_eq!(asks.join().unwrap(), Answer::Done);

        // Its run ends before it has done it.
        let at = home.path().to_owned();
        let asks = std::thread::spawn(move || ask(&at, &Request::Resume).unwrap());
        while waiting(home.path()).is_empty() && start.elapsed() < PATIENCE {}
        drop(lock);
        assert_eq!(asks.join().unwrap(), Answer::Nobody);
        assert!(waiting(home.path()).is_empty());

        put(&home.path().join("requests"), &Request::Resume).unwrap();
        fs::write(home.path().join("requests/x.json"), "{").unwrap();
        assert_eq!(waiting(home.path()).len(), 1);
        forget(home.path());
        assert!(waiting(home.path()).is_empty());
    }
}
