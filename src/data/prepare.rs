//! Data sets that are prepared before training: the user's own, and STL-10.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::DataError;
use super::array::Array;
use super::cache::{Form, Input, Manifest, Mapped, PrepareEvent, build, checksum, known, made_of};
use super::folder::Folder;
use super::unlabelled::Unlabelled;
use sweep_spec::own_data::{Kind, OwnData, Source, Trouble};

/// Returns the path of `source`. Relative paths start at `base`, the folder of the sweep file.
fn place(source: &Source, base: &Path, home: Option<OsString>) -> Result<PathBuf, DataError> {
    let Some(rest) = source.path.strip_prefix("~/") else { return Ok(base.join(&source.path)) };
    let home = home.filter(|home| !home.is_empty()).ok_or_else(|| DataError::Place {
        path: source.path.clone().into(),
        what: "`~` stands for the home folder, but HOME is not set".to_owned(),
        advice: "set HOME, or write the full path".to_owned(),
    })?;
    Ok(PathBuf::from(home).join(rest))
}

fn input(source: &Source, base: &Path) -> Result<Box<dyn Input>, DataError> {
    let path = place(source, base, env::var_os("HOME"))?;
    at(source.kind, &path, Form { size: source.size, range: source.range })
}

/// Opens what is at `path`.
fn at(kind: Kind, path: &Path, form: Form) -> Result<Box<dyn Input>, DataError> {
    Ok(match kind {
        Kind::Imagenet32 | Kind::Images => Box::new(Folder::open(kind, path, form.size.unwrap_or(32) as usize)?),
        Kind::Npy => Box::new(Array::open(path, form.range)?),
    })
}

/// Opens what is at `source` without reading samples. Their checksum is known if they are in a cache under `root`, and
/// the files are small or provably unchanged. Relative paths start at `base`.
///
/// # Errors
/// If there is no such data set.
pub fn inspect(source: &Source, base: &Path, root: &Path) -> Result<OwnData, DataError> {
    let input = input(source, base)?;
    Ok(OwnData { kind: source.kind, shape: input.shape(), content: known(root, &*input)? })
}

/// Makes sure that the samples of `source` are in a cache under `root`.
///
/// # Errors
/// If they cannot be read, or the cache cannot be written.
pub fn prepare(
    source: &Source,
    base: &Path,
    root: &Path,
    events: &(dyn Fn(PrepareEvent<'_>) + Sync),
) -> Result<OwnData, DataError> {
    let input = input(source, base)?;
    let content = build(&*input, root, events)?;
    Ok(OwnData { kind: source.kind, shape: input.shape(), content: Some(content) })
}

/// Makes sure that STL-10, which is at `path`, is in a cache under `root`, and opens it.
///
/// # Errors
/// If it cannot be read, or the cache cannot be written.
pub(super) fn stl10(
    path: PathBuf,
    root: &Path,
    events: &(dyn Fn(PrepareEvent<'_>) + Sync),
) -> Result<Mapped, DataError> {
    let content = build(&Unlabelled::open(path)?, root, events)?;
    Mapped::open(root, content)
}

/// What became of the files that a cache was made from.
#[derive(Debug)]
pub enum SourceState {
    /// They contain the same samples.
    Same,
    /// They have changed; with the reason, if known.
    Other(Option<DataError>),
    /// They no longer exist.
    Gone,
    /// The manifest does not record them.
    Unknown,
}

/// Reads the files that the cache under `root` with this `manifest` was made from, and compares them with what was read
/// then.
pub fn source_state(root: &Path, manifest: &Manifest, events: &(dyn Fn(PrepareEvent<'_>) + Sync)) -> SourceState {
    let (path, Some(origin)) = (Path::new(&manifest.path), &manifest.origin) else { return SourceState::Unknown };
    if !path.exists() {
        return SourceState::Gone;
    }
    let input = match Kind::ALL.into_iter().find(|kind| kind.name() == manifest.name) {
        Some(kind) => at(kind, path, Form { size: origin.size, range: origin.range }),
        None => Unlabelled::open(path.to_owned()).map(|input| Box::new(input) as Box<dyn Input>),
    };
    match input.and_then(|input| checksum(&*input, events)) {
        // Different files may contain the same samples.
        Ok(found) if found == origin.checksum || made_of(root, found) == Some(manifest.content()) => SourceState::Same,
        Ok(_) => SourceState::Other(None),
        Err(error) => SourceState::Other(Some(error)),
    }
}

impl DataError {
    /// Reports it as an error in the sweep file that contains the path.
    pub fn trouble(&self) -> Trouble {
        match self {
            DataError::Place { path, what, advice } => {
                Trouble { message: format!("{}: {what}", path.display()), help: Some(advice.clone()) }
            }
            other => Trouble { message: other.to_string(), help: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Real;
    use crate::npy::tests::npy;
    use crate::picture::tests::png;
    use crate::stl10::IMAGE;
    use sweep_spec::id::DataId;

    /// Gives a file, or all files of a folder, the same time, as `tar`, `cp -p` and `rsync -t` do.
    fn one_time(path: &Path) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| one_time(&entry.unwrap().path()));
        } else {
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
    }

    /// Writes points that all have this value.
    fn array(path: &Path, value: f32) {
        let values: Vec<u8> = (0..40).flat_map(|_| value.to_le_bytes()).collect();
        fs::write(path, npy("<f4", "(20, 2)", &values)).unwrap();
        one_time(path);
    }

    /// Writes pictures with these heights, in files of equal size.
    fn pictures(path: &Path, heights: [u32; 2]) {
        fs::create_dir_all(path).unwrap();
        for (name, height) in ["a.png", "b.png"].into_iter().zip(heights) {
            let mut bytes = png(9, height);
            bytes.resize(2000, 0);
            fs::write(path.join(name), bytes).unwrap();
        }
        one_time(path);
    }

    fn images(path: &Path, value: u8) {
        fs::write(path, vec![value; 2 * IMAGE]).unwrap();
        one_time(path);
    }

    type Make = fn(&Path, bool);
    /// Each kind of data set, with two versions that differ in metadata only by when and where they were written.
    const KINDS: [(Option<Kind>, Make); 4] = [
        (Some(Kind::Npy), |path, other| array(path, f32::from(u8::from(other)))),
        (Some(Kind::Images), |path, other| pictures(path, if other { [9, 20] } else { [9, 30] })),
        (Some(Kind::Imagenet32), |path, other| {
            pictures(&path.join("n1"), [9, 20]);
            pictures(&path.join("n2"), if other { [9, 20] } else { [9, 30] });
        }),
        (None, |path, other| images(path, u8::from(other))),
    ];

    fn open_at(kind: Option<Kind>, path: &Path) -> Box<dyn Input> {
        match kind {
            Some(kind) => at(kind, path, Form { size: Some(8), range: None }).unwrap(),
            None => Box::new(Unlabelled::open(path.to_owned()).unwrap()),
        }
    }

    fn cached(kind: Option<Kind>, path: &Path, root: &Path) -> DataId {
        build(&*open_at(kind, path), root, &|_| {}).unwrap()
    }

    #[test]
    fn files_with_equal_name_size_and_time_but_other_contents_are_another_data_set() {
        for (kind, make) in KINDS {
            let (dir, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let at = |name: &str| dir.path().join(name);
            make(&at("one"), false);
            make(&at("other"), true);
            let one = cached(kind, &at("one"), root.path());
            assert_eq!(known(root.path(), &*open_at(kind, &at("other"))).unwrap(), None, "{kind:?}");
            let other = cached(kind, &at("other"), root.path());
            assert_ne!(one, other, "{kind:?}");
            // Each gets the result as if it were the only one.
            assert_eq!(other, cached(kind, &at("other"), tempfile::tempdir().unwrap().path()));

            // Replaced with its time restored: within the same file, and by another file with the same name.
            make(&at("one"), true);
            assert_eq!(cached(kind, &at("one"), root.path()), other, "{kind:?}");
            make(&at("third"), false);
            fs::rename(at("one"), at("away")).unwrap();
            fs::rename(at("third"), at("one")).unwrap();
            assert_eq!(cached(kind, &at("one"), root.path()), one, "{kind:?}");
            // Moved or touched files are recognised without preparing them again.
            let said = std::sync::Mutex::new(0);
            let events = |event: PrepareEvent<'_>| {
                *said.lock().unwrap() += u32::from(matches!(event, PrepareEvent::Begun { .. }))
            };
            assert_eq!(build(&*open_at(kind, &at("away")), root.path(), &events).unwrap(), other);
            assert_eq!(*said.lock().unwrap(), 0);
        }
    }

    #[test]
    fn the_state_of_the_files_is_found_by_reading_them_again() {
        for (kind, make) in KINDS {
            let (dir, root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let path = dir.path().join("here");
            make(&path, false);
            let cache = Mapped::open(root.path(), cached(kind, &path, root.path())).unwrap();
            let now = || source_state(root.path(), cache.manifest(), &|_| {});
            assert!(matches!(now(), SourceState::Same), "{kind:?}: {:?}", now());
            make(&path, true);
            assert!(matches!(now(), SourceState::Other(None)), "{kind:?}: {:?}", now());
            let gone = dir.path().join("there");
            fs::rename(&path, &gone).unwrap();
            assert!(matches!(now(), SourceState::Gone));
            std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            assert!(matches!(now(), SourceState::Other(Some(_))));
            assert!(cache.len().is_some_and(|n| n > 1));
        }
    }

    #[test]
    fn a_path_in_the_home_folder_needs_one() {
        let source = |path: &str| Source { kind: Kind::Npy, path: path.to_owned(), size: None, range: None };
        let at = |path: &str, home: Option<&str>| place(&source(path), Path::new("/base"), home.map(OsString::from));
        assert_eq!(at("~/x.npy", Some("/home/me")).unwrap(), Path::new("/home/me/x.npy"));
        assert_eq!(at("x.npy", None).unwrap(), Path::new("/base/x.npy"));
        for home in [None, Some("")] {
            let error = at("~/x.npy", home).unwrap_err().to_string();
            assert_eq!(
                error,
                "~/x.npy: `~` stands for the home folder, but HOME is not set; set HOME, or write the full path"
            );
        }
    }
}
