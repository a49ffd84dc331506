//! The weights of the Inception network. They are not a data set, but found, fetched and verified like one.

use std::env;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::Sha256;

use super::checksum::Checksum;
use super::error::Flaw;
use super::fetch::copy;
use super::regular;
use super::source::{SourceError, agent, download};
use super::{Depth, FetchError, FetchEvent, Fetched};
use sweep_system::whole::{self, NewFile, Survives};

/// The name in `sweep data`.
pub const NAME: &str = "inception";
/// Where the same file is published, and under which names.
const PUBLISHED: [(&str, &str); 2] = [
    ("https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/", "weights-inception-2015-12-05-6726825d.pth"),
    ("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/", "pt_inception-2015-12-05-6726825d.pth"),
];
/// Its SHA-256. The file names contain the first digits; the rest is as recorded by users of both tools.
const SHA256: &str = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2";
/// The same tensors in another format.
const SAFETENSORS: &str = "inception.safetensors";
/// Bytes of the weights alone.
const LEAST: u64 = 95_537_536;
/// The most bytes that a file with them may have: more than twice as many numbers as float64 would take.
const MOST: u64 = 1 << 29;

/// A file with weights.
#[derive(Debug)]
pub struct WeightsFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

impl WeightsFile {
    /// Returns the expected SHA-256, if the file has a published name.
    pub fn sha256(&self) -> Option<&'static str> {
        let published = PUBLISHED.iter().any(|(_, name)| self.path.ends_with(name));
        published.then_some(SHA256)
    }

    /// Checks the file at `path`.
    fn of(path: PathBuf, depth: Depth) -> Self {
        let mut file = WeightsFile { bytes: path.metadata().map_or(0, |metadata| metadata.len()), flaw: None, path };
        file.flaw = file.check(depth).err();
        file
    }

    fn check(&self, depth: Depth) -> Result<(), Flaw> {
        let (mut file, _) = regular::open(&self.path)?;
        if self.bytes < LEAST {
            return Err(Flaw::Short { least: LEAST, found: self.bytes });
        }
        if self.bytes > MOST {
            return Err(Flaw::Long { most: MOST, found: self.bytes });
        }
        let Some(expected) = self.sha256().filter(|_| depth == Depth::Full) else { return Ok(()) };
        match copy::<Sha256>(&mut file, &mut io::sink()) {
            Ok(found) if found == expected => Ok(()),
            Ok(found) => Err(Flaw::Checksum { expected: Checksum::Sha256(expected), found }),
            Err(SourceError::Read(error) | SourceError::Write(error)) => Err(error.into()),
            Err(error) => Err(io::Error::other(error).into()),
        }
    }
}

/// Returns the folder where `sweep data fetch inception` puts the file.
pub fn home(root: &Path) -> PathBuf {
    root.join(NAME)
}

/// Returns the file with the weights: the one that `SWEEP_INCEPTION` names, even if it does not exist; otherwise the
/// first one found in `inception` in the folder of data sets, in that folder itself, or in PyTorch's download folder.
/// `None` if there is none.
pub fn locate(root: &Path) -> Option<PathBuf> {
    env::var_os("SWEEP_INCEPTION")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| find(root, |name| env::var_os(name)))
}

/// Returns the file that is there, and whether it is the published one.
pub fn state(root: &Path, depth: Depth) -> Option<WeightsFile> {
    locate(root).map(|path| WeightsFile::of(path, depth))
}

/// Finds the file in one of the usual folders.
fn find(root: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = || path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
    let torch = path("TORCH_HOME").or_else(|| Some(caches()?.join("torch")));
    let folders = [Some(home(root)), Some(root.to_owned()), torch.map(|torch| torch.join("hub/checkpoints"))];
    let names = PUBLISHED.map(|(_, name)| name).into_iter().chain([SAFETENSORS]);
    let mut candidates = folders.iter().flatten().flat_map(|folder| names.clone().map(|name| folder.join(name)));
    candidates.find(|path| path.is_file())
}

/// Makes sure that the file is in `root` or another usual folder; does nothing if it is. The file is only kept if its
/// checksum matches, and has a temporary name until it is complete.
///
/// # Errors
/// If no source has it, or it cannot be written. The text says what to do by hand.
pub fn fetch(root: &Path, events: &dyn Fn(FetchEvent<'_>)) -> Result<Fetched, FetchError> {
    let found = find(root, |name| env::var_os(name)).map(|path| WeightsFile::of(path, Depth::Quick));
    if found.is_some_and(|file| file.flaw.is_none()) {
        return Ok(Fetched::AlreadyThere);
    }
    fetch_from(&PUBLISHED, SHA256, &home(root), events)
}

/// Fetches from the first of `places` (pairs of folder and name) whose file has the SHA-256 `expected`.
fn fetch_from(
    places: &[(&str, &'static str)],
    expected: &'static str,
    home: &Path,
    events: &dyn Fn(FetchEvent<'_>),
) -> Result<Fetched, FetchError> {
    let unwritable = |source| FetchError::Write { path: home.to_owned(), source };
    std::fs::create_dir_all(home).map_err(unwritable)?;
    // Left by an interrupted fetch.
    whole::sweep_up(home);
    let mut tried = Vec::new();
    for (folder, name) in places {
        let address = format!("{folder}{name}");
        events(FetchEvent::Trying(&address));
        let get = || {
            let path = home.join(name);
            let mut new = NewFile::beside(&path).map_err(SourceError::Write)?;
            // An endless answer is another file.
            let mut body = download(&agent(), &address, name, events)?.take(2 * LEAST);
            let found = copy::<Sha256>(&mut body, &mut new)?;
            if found != expected {
                return Err(SourceError::Flaw {
                    name,
                    flaw: Flaw::Checksum { expected: Checksum::Sha256(expected), found },
                });
            }
            new.put(Survives::PowerCut).map_err(SourceError::Write).map(|()| path)
        };
        match get() {
            Ok(path) => {
                events(FetchEvent::Stored(&path));
                return Ok(Fetched::Stored(vec![path]));
            }
            Err(SourceError::Write(source)) => return Err(unwritable(source)),
            Err(error) => {
                events(FetchEvent::Failed(&address, &error));
                tried.push((address, error));
            }
        }
    }
    Err(FetchError::NoWeights(instructions(home, &tried)))
}

/// Explains how to get the file by hand.
fn instructions(home: &Path, tried: &[(String, SourceError)]) -> String {
    let tried: String = tried.iter().map(|(place, error)| format!("  {place}: {error}\n")).collect();
    let addresses: String = PUBLISHED.iter().map(|(folder, name)| format!("  {folder}{name}\n")).collect();
    format!(
        "{NAME} could not be fetched from any of these places:\n{tried}On a machine with a network, download one of \
        these (all are the same file of 95 MB, SHA-256 {SHA256}):\n{addresses}put it into {}\nand run `sweep data \
        verify {NAME}`; or set SWEEP_INCEPTION to a file that you have",
        home.display()
    )
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs::File;

    use super::super::fetch::tests::serve;
    use super::*;

    /// The SHA-256 of `sound`, computed with sha256sum.
    const SOUND: &str = "dd29442deca69f52c50006b831cb216edf78a7da33748f0a80ff19f2ebe57ecd";

    fn run(places: &[(&str, &'static str)], home: &Path) -> (Result<Fetched, FetchError>, Vec<String>) {
        let log = RefCell::new(Vec::new());
        let result = fetch_from(places, SOUND, home, &|event| {
            log.borrow_mut().push(match event {
                FetchEvent::Trying(_) => "trying".to_owned(),
                FetchEvent::Failed(_, error) => format!("failed: {error}"),
                FetchEvent::File { name, bytes } => format!("{name} of {bytes:?}"),
                FetchEvent::Progress(_) => return,
                FetchEvent::Stored(path) => format!("stored {}", path.file_name().unwrap().display()),
            });
        });
        (result, log.into_inner())
    }

    fn entries(dir: &Path) -> usize {
        dir.read_dir().unwrap().count()
    }

    #[test]
    fn the_file_comes_from_the_first_source_with_the_right_checksum() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path());
        let [none, wrong, right] = [vec![], vec![("b", b"broken".to_vec())], vec![("c", b"sound".to_vec())]].map(serve);
        let (result, log) = run(&[(&none, "a"), (&wrong, "b"), (&right, "c")], &home);
        assert_eq!(result.unwrap(), Fetched::Stored(vec![home.join("c")]));
        assert_eq!((std::fs::read(home.join("c")).unwrap(), entries(&home)), (b"sound".to_vec(), 1));
        assert_eq!(log[..4], ["trying", "failed: http status: 404", "trying", "b of Some(6)"]);
        let failed = format!("failed: b: the contents differ from the published file: expected SHA-256 {SOUND}");
        assert!(log[4].starts_with(&failed), "{}", log[4]);
        assert_eq!(log[5..], ["trying", "c of Some(5)", "stored c"]);
    }

    #[test]
    fn a_file_whose_checksum_only_starts_right_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = serve(vec![("c", b"sound".to_vec())]);
        let alike: &'static str = Box::leak(format!("{}00000000", &SOUND[..SOUND.len() - 8]).into_boxed_str());
        assert_eq!((&alike[..8], alike.len()), (&SOUND[..8], SOUND.len()));
        let error = fetch_from(&[(&place, "c")], alike, dir.path(), &|_| {}).unwrap_err().to_string();
        assert!(error.contains(SOUND) && entries(dir.path()) == 0, "{error}");
    }

    #[test]
    fn the_checksum_starts_with_the_digits_in_the_published_names() {
        for (_, name) in PUBLISHED {
            assert!(name.ends_with(&format!("-{}.pth", &SHA256[..8])) && SHA256.len() == 64);
        }
    }

    #[test]
    fn without_a_source_the_error_says_which_file_to_put_where() {
        let dir = tempfile::tempdir().unwrap();
        let none = serve(vec![]);
        let (result, _) = run(&[(&none, "a")], dir.path());
        let text = result.unwrap_err().to_string();
        for part in [
            format!("{none}a: http status: 404"),
            format!("put it into {}", dir.path().display()),
            "toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth".to_owned(),
            "mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth".to_owned(),
            "run `sweep data verify inception`".to_owned(),
        ] {
            assert!(text.contains(&part), "{text}");
        }
        assert_eq!(entries(dir.path()), 0, "nothing is left behind");
    }

    #[test]
    fn files_are_found_in_all_usual_folders_best_first() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let variable = |name: &str| (name == "HOME").then(|| dir.path().into());
        assert_eq!(find(&root, variable), None);
        for place in [
            ".cache/torch/hub/checkpoints/pt_inception-2015-12-05-6726825d.pth",
            ".cache/torch/hub/checkpoints/weights-inception-2015-12-05-6726825d.pth",
            "data/inception.safetensors",
            "data/pt_inception-2015-12-05-6726825d.pth",
            "data/inception/inception.safetensors",
            "data/inception/weights-inception-2015-12-05-6726825d.pth",
        ] {
            let path = dir.path().join(place);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            assert_eq!(find(&root, variable), Some(path));
        }
        let empty = dir.path().join("empty");
        let torch = |name: &str| (name == "TORCH_HOME").then(|| dir.path().join(".cache/torch").into());
        assert!(find(&empty, torch).unwrap().starts_with(dir.path().join(".cache/torch")));
    }

    #[test]
    fn a_short_or_different_file_is_not_accepted_as_the_published_one() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: u64| {
            let path = dir.path().join(name);
            File::create(&path).unwrap().set_len(bytes).unwrap();
            path
        };
        let flaw = |path: &Path, depth| WeightsFile::of(path.to_owned(), depth).flaw.map(|flaw| flaw.to_string());
        let short = write(PUBLISHED[0].1, LEAST - 1);
        let said = flaw(&short, Depth::Quick).unwrap();
        assert_eq!(said, "expected at least 95537536 bytes of weights, but the file ends at byte 95537535");
        let other = write(PUBLISHED[1].1, LEAST);
        assert_eq!(flaw(&other, Depth::Quick), None);
        let said = flaw(&other, Depth::Full).unwrap();
        assert!(said.contains(&format!("expected SHA-256 {SHA256}")), "{said}");
        let said = flaw(&write("long", MOST + 1), Depth::Quick).unwrap();
        assert_eq!(said, "expected at most 536870912 bytes, but the file ends at byte 536870913");
        assert!(flaw(Path::new("/dev/zero"), Depth::Full).unwrap().contains("found a device"));
        assert_eq!(flaw(&write(SAFETENSORS, LEAST), Depth::Full), None, "nobody has published this one");
        assert!(flaw(&dir.path().join("absent"), Depth::Quick).unwrap().starts_with("cannot be read: "));
    }
}
