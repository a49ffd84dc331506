//! Reads a sweep file, and the data sets at the paths that it names.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::best_cells;
use crate::prepare::preparing;
use crate::{Drawing, Failure, Places, Tell};
use sweep_data::{inspect, prepare};
use sweep_spec::error::{Outside, SpecErrors};
use sweep_spec::expand::Expansion;
use sweep_spec::from::{From, Picked};
use sweep_spec::own_data::{OwnData, Source, Trouble};
use sweep_spec::sweep::Sweep;
use sweep_spec::yaml::MAX_BYTES;

/// A sweep file without mistakes.
#[derive(Debug)]
pub struct Loaded {
    /// The YAML text of the file.
    pub text: String,
    /// What it asks for.
    pub expansion: Expansion,
    /// The file as it was read.
    pub sweep: Sweep,
    /// Data sets whose samples have not been read yet. The ids of jobs with such a set may change.
    pub unread: Vec<String>,
    /// The cells of other sweeps that it uses.
    pub picked: Vec<Picked>,
}

/// Where to look for what a file names.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The folder of caches.
    pub root: &'a Path,
    /// The place of other sweeps; with `None`, they are not looked up.
    pub places: Option<&'a Places>,
    /// What receives the progress.
    pub tell: &'a Tell,
}

/// Reads the sweep file at `path`, and finds the data sets that it names without reading their samples.
///
/// # Errors
///
/// It cannot be read, or it has mistakes. The error lists all of them, with their lines.
pub fn load(path: &Path, around: Around) -> Result<Loaded, Failure> {
    let text = read(path)?;
    let seen = Seen::new(path, around);
    let (sweep, expansion) = seen.expand(path, &text).map_err(|errors| mistaken(&errors, around.tell))?;
    let unread = seen.unread().iter().map(ToString::to_string).collect();
    Ok(Loaded { text, expansion, sweep, unread, picked: seen.picked() })
}

/// Like [`load`], but if the file has no mistakes, it also reads the samples of data sets that have not been read, and
/// reports the progress.
///
/// # Errors
///
/// As for [`load`]; also if samples cannot be prepared.
pub fn load_ready(path: &Path, around: Around) -> Result<Loaded, Failure> {
    ready(path, read(path)?, around, |errors| mistaken(errors, around.tell))
}

/// Like [`load_ready`], for a `text` as if it were at `path`. `refuse` turns mistakes into the error.
///
/// # Errors
///
/// It has mistakes, or samples cannot be prepared.
pub fn ready(
    path: &Path,
    text: String,
    around: Around,
    refuse: impl Fn(&SpecErrors) -> Failure,
) -> Result<Loaded, Failure> {
    let seen = Seen::new(path, around);
    let expand = || seen.expand(path, &text).map_err(|errors| refuse(&errors));
    let (sweep, expansion) = expand()?;
    let unread = seen.unread();
    if unread.is_empty() {
        return Ok(Loaded { text, expansion, sweep, unread: Vec::new(), picked: seen.picked() });
    }
    for source in unread {
        let root = around.root;
        let own = preparing(around.tell, |events| prepare(&source, &seen.base, root, events))
            .map_err(Failure::environment)?;
        seen.found.borrow_mut().retain(|(other, _)| *other != source);
        seen.found.borrow_mut().push((source, Ok(own)));
    }
    let (sweep, expansion) = expand()?;
    Ok(Loaded { text, expansion, sweep, unread: Vec::new(), picked: seen.picked() })
}

/// Reports what is probably a mistake in a sweep file.
pub(crate) fn warn(tell: &Tell, warnings: &[String]) {
    for warning in warnings {
        tell.say(format!("warning: {warning}"));
    }
}

/// A path, and what was found there.
type Found = (Source, Result<OwnData, Trouble>);

/// What was found at the paths of a sweep file. Each is read once.
#[derive(Clone)]
struct Seen {
    /// The folder that relative paths start from.
    base: PathBuf,
    root: PathBuf,
    /// The place of other sweeps.
    places: Option<Places>,
    tell: Tell,
    found: Rc<RefCell<Vec<Found>>>,
    picked: Rc<RefCell<Vec<Picked>>>,
}

impl Seen {
    fn new(file: &Path, Around { root, places, tell }: Around) -> Self {
        let base = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let base = base.parent().unwrap_or(Path::new("/")).to_owned();
        let (root, places, tell) = (root.to_owned(), places.cloned(), tell.clone());
        Seen { base, root, places, tell, found: Rc::default(), picked: Rc::default() }
    }

    fn look_at(&self, source: &Source) -> Result<OwnData, Trouble> {
        if let Some((_, own)) = self.found.borrow().iter().find(|(other, _)| other == source) {
            return own.clone();
        }
        let own = inspect(source, &self.base, &self.root).map_err(|error| error.trouble());
        self.found.borrow_mut().push((source.clone(), own.clone()));
        own
    }

    fn unread(&self) -> Vec<Source> {
        let found = self.found.borrow();
        let unread = found.iter().filter(|(_, own)| own.as_ref().is_ok_and(|own| own.content.is_none()));
        unread.map(|(source, _)| source.clone()).collect()
    }

    fn picked(&self) -> Vec<Picked> {
        self.picked.borrow().clone()
    }

    fn expand(&self, path: &Path, text: &str) -> Result<(Sweep, Expansion), SpecErrors> {
        let sweep = Sweep::parse_looking(&path.display().to_string(), text, Rc::new(self.clone()))?;
        let expansion = sweep.expand()?;
        Ok((sweep, expansion))
    }
}

impl Outside for Seen {
    fn look(&self, source: &Source) -> Result<OwnData, Trouble> {
        self.look_at(source)
    }

    fn pick(&self, sweep: &str, variant: &str, from: &From) -> Option<Result<Picked, Trouble>> {
        let places = self.places.as_ref()?;
        let is_it = |picked: &&Picked| picked.variant == variant && picked.from == *from;
        if let Some(known) = self.picked.borrow().iter().find(is_it) {
            return Some(Ok(known.clone()));
        }
        let found = best_cells::pick(places, &self.tell, (sweep, variant), from);
        if let Ok(found) = &found {
            self.picked.borrow_mut().push(found.clone());
        }
        Some(found)
    }
}

/// Returns the text of the file at `path`.
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
    // The length of a pipe or device is not known in advance.
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

/// Describes all mistakes of a text, each with its place.
pub(crate) fn mistaken(errors: &SpecErrors, tell: &Tell) -> Failure {
    warn(tell, &errors.warnings);
    let Drawing { columns, colours } = tell.drawing();
    let shown = errors.render(columns, colours);
    Failure::drawn(format!("{} in {}; nothing was started\n\n{shown}", errors.count(), errors.name))
}
