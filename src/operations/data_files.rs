//! Data sets that come as files: checking and downloading them.

use std::path::{Path, PathBuf};

use crate::{Event, Failure, Tell};
use sweep_data::{Depth, FetchError, FetchEvent, Fetched, FileSet, FileState, fetch, inception};

/// The condition of a data set as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All files are there and intact.
    Present,
    /// No file is there.
    Missing,
    /// Some files are missing, and the others are intact.
    Incomplete,
    /// A file differs from the published one.
    Damaged,
}

impl Condition {
    /// Returns it as a word.
    pub fn word(self) -> &'static str {
        match self {
            Condition::Present => "present",
            Condition::Missing => "missing",
            Condition::Incomplete => "incomplete",
            Condition::Damaged => "damaged",
        }
    }
}

/// A data set and its files.
pub struct State {
    /// The data set.
    pub set: FileSet,
    /// The condition of all its files together.
    pub condition: Condition,
    /// Each of its files.
    pub files: Vec<FileState>,
}

impl State {
    /// Checks the files.
    pub fn of(set: FileSet, root: &Path, depth: Depth) -> Self {
        let files = set.state(root, depth);
        let condition = if files.iter().any(|file| file.flaw.is_some()) {
            Condition::Damaged
        } else if files.iter().all(|file| file.found.is_none()) {
            Condition::Missing
        } else if files.iter().any(|file| file.found.is_none()) {
            Condition::Incomplete
        } else {
            Condition::Present
        };
        State { set, condition, files }
    }

    /// Returns its bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.found.as_ref()).map(|(_, bytes)| bytes).sum()
    }

    /// Returns the folder of the first file that exists.
    pub fn folder(&self) -> Option<PathBuf> {
        let (path, _) = self.files.iter().find_map(|file| file.found.as_ref())?;
        path.parent().map(Path::to_owned)
    }

    /// Returns what a user should know, even though the set can be used.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| file.note.as_deref())
    }

    /// Returns what is wrong and what to do about it; empty if nothing is.
    pub fn advice(&self, root: &Path) -> String {
        let name = self.set.name();
        let problems: Vec<String> = self.files.iter().filter_map(problem).collect();
        match self.condition {
            Condition::Present => String::new(),
            Condition::Missing => format!(
                "{name} is not in {}: run `sweep data fetch {name}`, or name the folder that holds its files with \
                --data or SWEEP_DATA",
                root.display()
            ),
            Condition::Incomplete | Condition::Damaged => {
                format!("{name}: {}; run `sweep data fetch {name}` to repair it", problems.join("; "))
            }
        }
    }
}

/// Returns what is wrong with a file.
pub fn problem(file: &FileState) -> Option<String> {
    match (&file.found, &file.flaw) {
        (None, _) => Some(format!("{} is missing", file.file.name)),
        (Some((path, _)), Some(flaw)) => Some(format!("{}: {flaw}", path.display())),
        (Some(_), None) => None,
    }
}

/// Downloads a data set, unless it is there.
///
/// # Errors
///
/// No server has it, or it cannot be written.
pub fn fetch_set(set: FileSet, root: &Path, tell: &Tell) -> Result<Fetched, Failure> {
    fetching(set.name(), tell, |events| fetch(set, root, events))
}

/// Downloads the weights of the Inception network, unless they are there.
///
/// # Errors
///
/// See [`fetch_set`].
pub fn fetch_inception(root: &Path, tell: &Tell) -> Result<Fetched, Failure> {
    fetching(inception::NAME, tell, |events| inception::fetch(root, events))
}

fn fetching(
    name: &str,
    tell: &Tell,
    fetch: impl FnOnce(&dyn Fn(FetchEvent<'_>)) -> Result<Fetched, FetchError>,
) -> Result<Fetched, Failure> {
    let result = fetch(&|event| tell.event(Event::Fetching { name, event }));
    tell.event(Event::Fetched);
    result.map_err(Failure::environment)
}
