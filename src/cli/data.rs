//! `sweep data`.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use super::reading::print;
use super::table::{self, Align};
use super::{Exit, Failure, Global};
use crate::data::{FetchEvent, Fetched, FileSet, FileState, fetch};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show which data sets there are, and where
    List {
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Download data sets; does nothing for those that are there
    Fetch {
        /// Which
        #[arg(required = true, value_name = "NAME", value_parser = names())]
        sets: Vec<FileSet>,
    },
    /// Check every byte against the published checksums
    Verify {
        /// Which [default: those of which there is a file]
        #[arg(value_name = "NAME", value_parser = names())]
        sets: Vec<FileSet>,
    },
}

fn names() -> impl TypedValueParser<Value = FileSet> {
    let parser = PossibleValuesParser::new(FileSet::ALL.map(FileSet::name));
    parser.try_map(|name| FileSet::ALL.into_iter().find(|set| set.name() == name).ok_or("no such data set"))
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let root = global.data_root();
    match args.command {
        Command::List { json } => {
            let states = FileSet::ALL.map(|set| State::of(set, &root));
            print(&if json { as_json(&root, &states) } else { as_table(&root, &states) })?;
            Ok(Exit::Ok)
        }
        Command::Fetch { sets } => {
            for set in sets {
                if fetch_with_progress(set, &root)? == Fetched::AlreadyThere {
                    print(&format!("{} is there already, with the right checksums\n", set.name()))?;
                }
            }
            Ok(Exit::Ok)
        }
        Command::Verify { sets } => verify(&root, sets),
    }
}

/// Sees to it that the data sets of a sweep are there before anything starts: downloads them where `SWEEP_FETCH` is 1, as
/// scripts/sweep has it, and says how to get them where it is not.
pub(crate) fn ensure(root: &Path, sets: &[FileSet]) -> Result<(), Failure> {
    let fetch = std::env::var_os("SWEEP_FETCH").is_some_and(|value| value == "1");
    for &set in sets {
        let state = State::of(set, root);
        match state.condition {
            Condition::Present => {}
            Condition::Missing | Condition::Incomplete | Condition::Damaged if fetch => {
                fetch_with_progress(set, root)?;
            }
            Condition::Missing | Condition::Incomplete | Condition::Damaged => {
                return Err(Failure::environment(state.advice(root)));
            }
        }
    }
    Ok(())
}

/// How a data set is as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
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
    pub(crate) fn word(self) -> &'static str {
        match self {
            Condition::Present => "present",
            Condition::Missing => "missing",
            Condition::Incomplete => "incomplete",
            Condition::Damaged => "damaged",
        }
    }
}

/// A data set with its files.
pub(crate) struct State {
    pub(crate) set: FileSet,
    pub(crate) condition: Condition,
    files: Vec<FileState>,
}

impl State {
    /// Reads and checks the files.
    pub(crate) fn of(set: FileSet, root: &Path) -> Self {
        let files = set.state(root);
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
    fn bytes(&self) -> u64 {
        self.files.iter().filter_map(|file| file.found.as_ref()).map(|(_, bytes)| bytes).sum()
    }

    /// The folder of the first file that is there.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        let (path, _) = self.files.iter().find_map(|file| file.found.as_ref())?;
        path.parent().map(Path::to_owned)
    }

    /// What is wrong and what to do about it; empty where nothing is.
    pub(crate) fn advice(&self, root: &Path) -> String {
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

/// What is wrong with a file.
fn problem(file: &FileState) -> Option<String> {
    match (&file.found, &file.flaw) {
        (None, _) => Some(format!("{} is missing", file.file.name)),
        (Some((path, _)), Some(flaw)) => Some(format!("{}: {flaw}", path.display())),
        (Some(_), None) => None,
    }
}

fn as_table(root: &Path, states: &[State]) -> String {
    let row = |state: &State| {
        let (train, test) = state.set.samples();
        let folder = state.folder().map_or("-".to_owned(), |folder| {
            let below = folder.strip_prefix(root).unwrap_or(&folder);
            if below == Path::new("") { ".".to_owned() } else { below.display().to_string() }
        });
        let size = if state.bytes() == 0 { "-".to_owned() } else { HumanBytes(state.bytes()).to_string() };
        let (name, state) = (state.set.name(), state.condition.word());
        vec![name.to_owned(), state.to_owned(), table::count(train), table::count(test), size, folder]
    };
    let built_in = ["gaussians", "built in", "endless", "-", "-", "-"].map(str::to_owned).to_vec();
    let (left, right) = (Align::Left, Align::Right);
    let header =
        [("data set", left), ("state", left), ("train", right), ("test", right), ("size", right), ("folder", left)];
    let table = table::table(&header, states.iter().map(row).chain([built_in]));
    let unwell = states.iter().filter(|state| state.condition != Condition::Present);
    let advice: String = unwell.map(|state| format!("\n{}\n", state.advice(root))).collect();
    format!("Data sets in {}\n\n{table}{advice}", root.display())
}

fn as_json(root: &Path, states: &[State]) -> String {
    let sets: Vec<_> = states
        .iter()
        .map(|state| {
            let (train, test) = state.set.samples();
            let files: Vec<_> = state
                .files
                .iter()
                .map(|file| {
                    let path = file.found.as_ref().map(|(path, _)| path.display().to_string());
                    let bytes = file.found.as_ref().map(|(_, bytes)| bytes);
                    json!({"name": file.file.name, "path": path, "bytes": bytes, "problem": problem(file)})
                })
                .collect();
            json!({
                "name": state.set.name(),
                "state": state.condition.word(),
                "train_samples": train,
                "test_samples": test,
                "bytes": state.bytes(),
                "folder": state.folder().map(|folder| folder.display().to_string()),
                "files": files,
            })
        })
        .collect();
    format!("{:#}\n", json!({"root": root.display().to_string(), "sets": sets}))
}

fn verify(root: &Path, sets: Vec<FileSet>) -> Result<Exit, Failure> {
    let named = !sets.is_empty();
    let sets = if named { sets } else { FileSet::ALL.to_vec() };
    let mut states: Vec<State> = sets.into_iter().map(|set| State::of(set, root)).collect();
    if !named {
        states.retain(|state| state.condition != Condition::Missing);
    }
    if states.is_empty() {
        return Err(Failure::environment(format!(
            "no data set in {}: run `sweep data fetch NAME`, or name another folder with --data or SWEEP_DATA",
            root.display()
        )));
    }
    let mut bad = Vec::new();
    for state in &states {
        for file in &state.files {
            if let Some((path, _)) = file.found.as_ref().filter(|_| file.is_sound()) {
                let md5 = file.file.md5().unwrap_or("no checksum is known");
                print(&format!("ok  {md5}  {}\n", path.display()))?;
            }
        }
        if state.condition != Condition::Present {
            bad.push(state.advice(root));
        }
    }
    if bad.is_empty() { Ok(Exit::Ok) } else { Err(Failure::environment(bad.join("\nerror: "))) }
}

/// Fetches, with a bar on a terminal and a line a step elsewhere.
fn fetch_with_progress(set: FileSet, root: &Path) -> Result<Fetched, Failure> {
    let terminal = stderr().is_terminal();
    let bar = RefCell::new(ProgressBar::hidden());
    let say = |line: String| if terminal { bar.borrow().suspend(|| eprintln!("{line}")) } else { eprintln!("{line}") };
    let result = fetch(set, root, &|event| match event {
        FetchEvent::Trying(place) => say(format!("{}: trying {place}", set.name())),
        FetchEvent::Failed(place, error) => {
            bar.borrow().finish_and_clear();
            say(format!("{}: {place}: {error}", set.name()));
        }
        FetchEvent::File { name, bytes } => {
            bar.borrow().finish_and_clear();
            if terminal {
                *bar.borrow_mut() = transfer(name, bytes);
            }
        }
        FetchEvent::Progress(bytes) => bar.borrow().inc(bytes),
        FetchEvent::Stored(path) => say(format!("{}: stored {}", set.name(), path.display())),
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
