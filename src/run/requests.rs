//! What users ask of a run from another terminal: files in `requests` of the home directory, which the run takes away when it has done what
//! they say.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Lock;
use super::lock::LockError;
use crate::spec::id::JobId;

/// So long may a run take to answer: it looks a few times a second, but may have a large transaction to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file that is there while a run is paused.
const PAUSED: &str = "paused";

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
        if !path.exists() {
            return Ok(Answer::Done);
        }
        let nobody = Lock::holder(home)?.is_none();
        if nobody || start.elapsed() > PATIENCE {
            // Nobody is to find it later.
            return match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Answer::Done),
                Err(error) => Err(io(error)),
                Ok(()) if nobody => Ok(Answer::Nobody),
                Ok(()) => Ok(Answer::Silent),
            };
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
    let path = (0..).map(|n| folder.join(format!("{number}-{n}.json"))).find(|path| !path.exists());
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

/// Forgets what nobody waits for any more: of a run that ended before it did it.
pub(super) fn forget(home: &Path) {
    let _ = fs::remove_dir_all(home.join("requests"));
    let _ = fs::remove_file(home.join(PAUSED));
}

/// Lets others see whether the run is paused.
pub(super) fn mark_paused(home: &Path, paused: bool) -> io::Result<()> {
    let path = home.join(PAUSED);
    match paused {
        true => fs::write(path, ""),
        false => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

/// Whether the run that is at work in `home` is paused.
pub fn is_paused(home: &Path) -> bool {
    home.join(PAUSED).exists()
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
        fs::remove_file(&found[0].0).unwrap();
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
