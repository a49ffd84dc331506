//! The data sets that come as files: how they are, and fetching them.

use std::cell::{Cell, RefCell};
use std::io::stderr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::Failure;
use super::progress::{EVERY, say_above_one};
use super::terminal::draws;
use sweep_data::{Depth, FetchError, FetchEvent, Fetched, FileSet, FileState, fetch, inception};

/// How a data set is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// All files are there and sound.
    Present,
    /// No file is there.
    Missing,
    /// Some files are missing, the others sound.
    Incomplete,
    /// A file is not the published one.
    Damaged,
}

impl Condition {
    pub(super) fn word(self) -> &'static str {
        match self {
            Condition::Present => "present",
            Condition::Missing => "missing",
            Condition::Incomplete => "incomplete",
            Condition::Damaged => "damaged",
        }
    }
}

/// A data set with its files.
pub(super) struct State {
    pub(super) set: FileSet,
    pub(super) condition: Condition,
    pub(super) files: Vec<FileState>,
}

impl State {
    /// Checks the files.
    pub(super) fn of(set: FileSet, root: &Path, depth: Depth) -> Self {
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

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.found.as_ref()).map(|(_, bytes)| bytes).sum()
    }

    /// The folder of the first file that is there.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let (path, _) = self.files.iter().find_map(|file| file.found.as_ref())?;
        path.parent().map(Path::to_owned)
    }

    /// What a user should know, though it can be used.
    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter_map(|file| file.note.as_deref())
    }

    /// What is wrong and what to do about it; empty where nothing is.
    pub(super) fn advice(&self, root: &Path) -> String {
        let name = self.set.name();
        let problems: Vec<String> = self.files.iter().filter_map(problem).collect();
        match self.condition {
            Condition::Present => String::new(),
            Condition::Missing => format!(
                "{name} is not in {}: run `sweep data fetch {name}`, or name the folder that holds its files with --data or SWEEP_DATA",
                root.display()
            ),
            Condition::Incomplete | Condition::Damaged => {
                format!("{name}: {}; run `sweep data fetch {name}` to mend it", problems.join("; "))
            }
        }
    }
}

/// How much of the disk something takes, if it is there.
pub(super) fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { HumanBytes(bytes).to_string() }
}

/// A folder as it is shown beside the `root` of data sets.
pub(super) fn shown(root: &Path, folder: Option<&Path>) -> String {
    folder.map_or("-".to_owned(), |folder| {
        let below = folder.strip_prefix(root).unwrap_or(folder);
        if below == Path::new("") { ".".to_owned() } else { below.display().to_string() }
    })
}

/// What is wrong with a file.
pub(super) fn problem(file: &FileState) -> Option<String> {
    match (&file.found, &file.flaw) {
        (None, _) => Some(format!("{} is missing", file.file.name)),
        (Some((path, _)), Some(flaw)) => Some(format!("{}: {flaw}", path.display())),
        (Some(_), None) => None,
    }
}

/// Fetches, with a bar on a terminal, and a line a step and now and then elsewhere.
pub(super) fn fetch_with_progress(set: FileSet, root: &Path) -> Result<Fetched, Failure> {
    with_progress(set.name(), |events| fetch(set, root, events))
}

/// As [`fetch_with_progress`], the weights of the Inception network.
pub(super) fn fetch_inception(root: &Path) -> Result<Fetched, Failure> {
    with_progress(inception::NAME, |events| inception::fetch(root, events))
}

fn with_progress(
    name: &str,
    fetch: impl FnOnce(&dyn Fn(FetchEvent<'_>)) -> Result<Fetched, FetchError>,
) -> Result<Fetched, Failure> {
    let terminal = draws(&stderr());
    let (bar, said) = (RefCell::new(ProgressBar::hidden()), Cell::new(Instant::now()));
    let say = |line: String| say_above_one(&bar.borrow(), &line);
    let result = fetch(&|event| match event {
        FetchEvent::Trying(place) => say(format!("{}: trying {place}", name)),
        FetchEvent::Failed(place, error) => {
            bar.borrow().finish_and_clear();
            say(format!("{}: {place}: {error}", name));
        }
        FetchEvent::File { name: file, bytes } => {
            bar.borrow().finish_and_clear();
            let next = if terminal { transfer(file, bytes) } else { ProgressBar::hidden() };
            next.set_length(bytes.unwrap_or(0));
            *bar.borrow_mut() = next;
            said.set(Instant::now());
        }
        FetchEvent::Progress(bytes) => {
            let bar = bar.borrow();
            bar.inc(bytes);
            if !terminal && said.get().elapsed() >= EVERY {
                said.set(Instant::now());
                let (got, all) = (HumanBytes(bar.position()), bar.length().filter(|&all| all > 0));
                let all = all.map_or_else(String::new, |all| format!(" of {}", HumanBytes(all)));
                say(format!("{name}: {got}{all}"));
            }
        }
        FetchEvent::Stored(path) => say(format!("{}: stored {}", name, path.display())),
    });
    bar.borrow().finish_and_clear();
    result.map_err(Failure::environment)
}

fn transfer(name: &str, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(name.to_owned())
}
