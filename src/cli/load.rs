//! Reading a sweep file, and the data sets at the paths that it names: for `sweep plan`, `sweep run` and others.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Failure;
use super::prepare::with_progress;
use super::progress::say;
use super::terminal::{colours, width};
use sweep_data::{glance, prepare};
use sweep_spec::error::SpecErrors;
use sweep_spec::expand::Expansion;
use sweep_spec::own::{Own, Source, Trouble};
use sweep_spec::sweep::Sweep;
use sweep_spec::yaml::MAX_BYTES;

/// Columns where nothing says how many there are.
const COLUMNS: usize = 80;

/// A sweep file that is free of mistakes.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The YAML as it stands in the file.
    pub text: String,
    /// What it asks for.
    pub expansion: Expansion,
    /// Data sets of which nobody has read the samples: ids of jobs with one are not final.
    pub unread: Vec<String>,
}

/// Reads the sweep file at `path`, and looks at the data sets that it names without reading their samples. `root` is where caches are.
///
/// # Errors
///
/// It cannot be read, or it has mistakes: all of them, with the lines that they are about.
pub(crate) fn load(path: &Path, root: &Path) -> Result<Loaded, Failure> {
    let text = read(path)?;
    let seen = Seen::new(path, root);
    let expansion = seen.expand(path, &text).map_err(|errors| mistaken(&errors))?;
    let unread = seen.unread().iter().map(ToString::to_string).collect();
    Ok(Loaded { text, expansion, unread })
}

/// As [`load`], and reads the samples of data sets that nobody has read, once the file is free of mistakes; tells how it goes.
///
/// # Errors
///
/// As [`load`], and where samples cannot be made ready.
pub(crate) fn load_ready(path: &Path, root: &Path) -> Result<Loaded, Failure> {
    ready(path, read(path)?, root, mistaken)
}

/// As [`load_ready`], of a `text` that does not lie at `path`, but could; mistakes are told as `tell` does.
///
/// # Errors
///
/// Where it has mistakes, or samples cannot be made ready.
pub(crate) fn ready(
    path: &Path,
    text: String,
    root: &Path,
    tell: impl Fn(&SpecErrors) -> Failure,
) -> Result<Loaded, Failure> {
    let seen = Seen::new(path, root);
    let expand = || seen.expand(path, &text).map_err(|errors| tell(&errors));
    let expansion = expand()?;
    let unread = seen.unread();
    if unread.is_empty() {
        return Ok(Loaded { text, expansion, unread: Vec::new() });
    }
    for source in unread {
        let own = with_progress(|events| prepare(&source, &seen.base, root, events)).map_err(Failure::environment)?;
        seen.found.borrow_mut().retain(|(other, _)| *other != source);
        seen.found.borrow_mut().push((source, Ok(own)));
    }
    Ok(Loaded { expansion: expand()?, text, unread: Vec::new() })
}

/// Says what in a sweep file is most likely not meant.
pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        say(format!("warning: {warning}"));
    }
}

/// A path, and what lies there.
type Found = (Source, Result<Own, Trouble>);

/// What lies at the paths of a sweep file; each is looked at once.
#[derive(Clone)]
struct Seen {
    /// Where relative paths begin.
    base: PathBuf,
    root: PathBuf,
    found: Rc<RefCell<Vec<Found>>>,
}

impl Seen {
    fn new(file: &Path, root: &Path) -> Self {
        let base = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let base = base.parent().unwrap_or(Path::new("/")).to_owned();
        Seen { base, root: root.to_owned(), found: Rc::default() }
    }

    fn look(&self, source: &Source) -> Result<Own, Trouble> {
        if let Some((_, own)) = self.found.borrow().iter().find(|(other, _)| other == source) {
            return own.clone();
        }
        let own = glance(source, &self.base, &self.root).map_err(|error| error.trouble());
        self.found.borrow_mut().push((source.clone(), own.clone()));
        own
    }

    fn unread(&self) -> Vec<Source> {
        let found = self.found.borrow();
        let unread = found.iter().filter(|(_, own)| own.as_ref().is_ok_and(|own| own.content.is_none()));
        unread.map(|(source, _)| source.clone()).collect()
    }

    fn expand(&self, path: &Path, text: &str) -> Result<Expansion, SpecErrors> {
        let seen = self.clone();
        let look = Rc::new(move |source: &Source| seen.look(source));
        Sweep::parse_looking(&path.display().to_string(), text, look).and_then(|sweep| sweep.expand())
    }
}

/// The text of the file at `path`.
fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        Failure::usage(format!(
            "cannot read the sweep file {shown}: {error}\nGive the path of a YAML file, such as sweeps/quickstart.yaml."
        ))
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder; give the path of a YAML file in it")));
    }
    // Of a pipe or a device nobody knows how long it is.
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(Failure::usage(format!("{shown} is too long: a sweep file has at most {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{shown} is not UTF-8 text: byte {at} belongs to no character. Save it as UTF-8."))
    })
}

/// All mistakes of a text, each with its place.
pub(super) fn mistaken(errors: &SpecErrors) -> Failure {
    warn(&errors.warnings);
    let stderr = io::stderr();
    let shown = errors.render(width(&stderr).map_or(COLUMNS, usize::from), colours(&stderr));
    Failure::drawn(format!("{} in {}; nothing was started\n\n{shown}", errors.count(), errors.name))
}
