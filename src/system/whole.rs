//! Files that are there whole or not at all: written under a temporary name in the folder where they belong, and then given their own. Whoever
//! looks there sees what was there before or all that is new, whenever the process is killed or the disk is full.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile};

/// What temporary names begin with; six letters or digits follow.
const TEMPORARY: &str = ".tmp";

/// What a new file is safe from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The end of any process, `kill -9` too. For what a power cut may take: it means nothing after one, or is made again.
    Kill,
    /// A power cut, too. Waits for the disk, twice.
    PowerCut,
}

/// A file under way. It is gone when this is dropped, unless it got its name.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// One that is to be at `path`.
    ///
    /// # Errors
    ///
    /// Where nothing can be written to its folder.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let open = |path: &Path| {
            // Temporary files are private by default; this one is as readable as any of this user's.
            let file = File::options().write(true).create_new(true).open(path)?;
            // Who sweeps up may have come in between, and taken it for one that is nobody's. Then another name is tried.
            let taken = flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            if taken || fs::symlink_metadata(path).is_err() { Err(ErrorKind::AlreadyExists.into()) } else { Ok(file) }
        };
        let file = Builder::new().prefix(TEMPORARY).make_in(folder(path), open)?;
        Ok(NewFile { file, path: path.to_owned() })
    }

    /// Lets others read and write it as `permissions` say.
    ///
    /// # Errors
    ///
    /// Where the system does not.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)
    }

    /// When it was written last, by the clock of the file system.
    ///
    /// # Errors
    ///
    /// Where the system does not say.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.as_file().metadata()?.modified()
    }

    /// Puts it in its place, whatever was there.
    ///
    /// # Errors
    ///
    /// Then what was there is there still, unless only the folder could not be made durable.
    pub fn put(self, survives: Survives) -> io::Result<()> {
        self.put_keeping(None, survives)
    }

    /// The same, but what was there is at `previous` in the same folder then: at each moment one of the two is whole.
    ///
    /// # Errors
    ///
    /// As [`NewFile::put`]; what was there may be at `previous` by then.
    pub fn put_beside(self, previous: &Path, survives: Survives) -> io::Result<()> {
        self.put_keeping(Some(previous), survives)
    }

    fn put_keeping(self, previous: Option<&Path>, survives: Survives) -> io::Result<()> {
        self.sync(survives)?;
        if let Some(previous) = previous {
            match fs::rename(&self.path, previous) {
                Err(error) if error.kind() != ErrorKind::NotFound && !is_gone(&self.path) => return Err(error),
                _ => {}
            }
        }
        if let Err(failed) = self.file.persist(&self.path) {
            // Over a network the answer may have been lost, and not what was asked for.
            if !is_at(failed.file.as_file(), &self.path) {
                return Err(failed.error);
            }
        }
        sync_folder(folder(&self.path), survives)
    }

    /// Puts it at the first of `paths` where there is nothing, and says where that is. All are in the folder that it was made in.
    ///
    /// # Errors
    ///
    /// Where it cannot be put at one of them for another reason, or something is at all of them.
    pub fn put_at_first_free(
        mut self,
        paths: impl IntoIterator<Item = PathBuf>,
        survives: Survives,
    ) -> io::Result<PathBuf> {
        self.sync(survives)?;
        for path in paths {
            match self.file.persist_noclobber(&path) {
                Ok(_) => return sync_folder(folder(&path), survives).map(|()| path),
                Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => self.file = taken.file,
                Err(failed) if is_at(failed.file.as_file(), &path) => {
                    return sync_folder(folder(&path), survives).map(|()| path);
                }
                Err(other) => return Err(other.error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn sync(&self, survives: Survives) -> io::Result<()> {
        match survives {
            Survives::Kill => Ok(()),
            Survives::PowerCut => self.file.as_file().sync_all(),
        }
    }
}

// Straight to the file: its errors would have the temporary name otherwise, which says nothing to anybody.
impl Seek for NewFile {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.as_file_mut().seek(to)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Writes a file with these bytes, whatever was at `path`.
///
/// # Errors
///
/// As [`NewFile::put`].
pub fn write(path: &Path, bytes: &[u8], survives: Survives) -> io::Result<()> {
    let mut file = NewFile::beside(path)?;
    file.write_all(bytes)?;
    file.put(survives)
}

/// Puts what is complete at `from`, written by other means, at `to` on the same disk. The content of a folder must be durable already, if it
/// is to be.
///
/// # Errors
///
/// Where it cannot be, as where there is nothing at `from`.
pub fn rename(from: &Path, to: &Path, survives: Survives) -> io::Result<()> {
    if survives == Survives::PowerCut && fs::symlink_metadata(from)?.is_file() {
        File::open(from)?.sync_all()?;
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound || !is_gone(from) => return Err(error),
        _ => {}
    }
    sync_folder(folder(to), survives)
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// Where it is there still.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Over a network the answer may have been lost, and not what was asked for.
        Err(error) if error.kind() != ErrorKind::NotFound && !is_gone(path) => Err(error),
        _ => Ok(()),
    }
}

/// Whether nothing is at `path`.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Appends a line to the file at `path`, which is made where there is none, and makes it durable. It starts a line of its own, also behind one
/// that was cut off.
///
/// # Errors
///
/// Where the file cannot be read and written.
pub fn append_line(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    let mut text = Vec::with_capacity(line.len() + 2);
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(io::SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        text.extend((last != *b"\n").then_some(b'\n'));
    }
    text.extend(line);
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()?;
    sync_folder(folder(path), Survives::PowerCut)
}

/// Whether a file of this name is one under way, or was left so by a process that was killed.
pub fn is_temporary(name: &OsStr) -> bool {
    let end = name.as_encoded_bytes().strip_prefix(TEMPORARY.as_bytes());
    end.is_some_and(|end| end.len() == 6 && end.iter().all(u8::is_ascii_alphanumeric))
}

/// Removes the files in a folder that killed processes had under way, as far as that goes: they take room, no more. How many that were. Those
/// that a process is at stay, and all of them on a file system without locks.
pub fn sweep_up(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left =
        entries.filter(|entry| is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()));
    // It may have got its name meanwhile, or be another user's.
    let is_removed = |path: &Path| {
        let file = File::options().write(true).open(path);
        // Locked until it is gone: who has just made it must not get the lock in between.
        file.is_ok_and(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && fs::remove_file(path).is_ok()
        })
    };
    left.filter(|entry| is_removed(&entry.path())).count()
}

/// Whether this file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let there = fs::symlink_metadata(path);
    file.metadata().is_ok_and(|own| there.is_ok_and(|there| (own.dev(), own.ino()) == (there.dev(), there.ino())))
}

/// The folder that `path` is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes durable which names are in a folder.
fn sync_folder(folder: &Path, survives: Survives) -> io::Result<()> {
    if survives == Survives::Kill {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Who may write to a folder need not be allowed to list it, and some file systems over a network sync names by themselves.
        Err(error)
            if error.kind() == ErrorKind::PermissionDenied
                || [Errno::INVAL, Errno::NOTSUP]
                    .map(|errno| Some(errno.raw_os_error()))
                    .contains(&error.raw_os_error()) =>
        {
            Ok(())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_no_name_until_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for survives in [Survives::Kill, Survives::PowerCut] {
            write(&path, b"old", survives).unwrap();
            let mut new = NewFile::beside(&path).unwrap();
            new.write_all(b"half").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            let other = names(folder.path()).into_iter().find(|name| name != "x").unwrap();
            assert!(is_temporary(OsStr::new(&other)), "{other}");
            drop(new);
            assert_eq!(names(folder.path()), ["x"]);
            write(&path, b"new", survives).unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), names(folder.path()).len()), (&b"new"[..], 1));
        }
        // As any other file of this user.
        fs::write(folder.path().join("y"), "").unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("x"), mode("y"));
    }

    #[test]
    fn what_was_there_is_kept_beside_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("x"), folder.path().join("x.previous"));
        for (text, before) in [("1", None), ("2", Some("1")), ("3", Some("2"))] {
            let mut new = NewFile::beside(&path).unwrap();
            new.write_all(text.as_bytes()).unwrap();
            new.put_beside(&previous, Survives::PowerCut).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::read_to_string(&previous).ok().as_deref(), before);
        }
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn nothing_is_replaced_where_nothing_is_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let paths = || ["a", "b", "c"].map(|name| folder.path().join(name));
        let put = || {
            let mut new = NewFile::beside(&folder.path().join("any")).unwrap();
            new.write_all(b"new").unwrap();
            new.put_at_first_free(paths(), Survives::Kill)
        };
        fs::write(&paths()[0], "old").unwrap();
        // A name that nobody can look at is taken, too.
        std::os::unix::fs::symlink(&paths()[1], &paths()[1]).unwrap();
        assert_eq!(put().unwrap(), paths()[2]);
        assert_eq!(put().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&paths()[0]).unwrap(), fs::read(&paths()[2]).unwrap()), (b"old".into(), b"new".into()));
        assert_eq!(names(folder.path()), ["a", "b", "c"]);
    }

    #[test]
    fn who_does_not_hear_that_it_was_done_sees_that_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let new = |text: &[u8]| {
            let mut new = NewFile::beside(&path).unwrap();
            new.write_all(text).unwrap();
            new
        };
        let first = new(b"1");
        // As where a server has renamed it, the answer gets lost, and it is asked again.
        fs::rename(first.file.path(), &path).unwrap();
        first.put(Survives::Kill).unwrap();
        let second = new(b"2");
        fs::remove_file(second.file.path()).unwrap();
        assert_eq!(second.put(Survives::Kill).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!((fs::read(&path).unwrap().as_slice(), names(folder.path()).len()), (&b"1"[..], 1));
    }

    #[test]
    fn what_is_complete_gets_its_name_and_what_is_not_there_gets_none() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        for survives in [Survives::Kill, Survives::PowerCut] {
            fs::write(&from, "x").unwrap();
            rename(&from, &to, survives).unwrap();
            assert_eq!(names(folder.path()), ["to"]);
            assert_eq!(rename(&from, &to, survives).unwrap_err().kind(), ErrorKind::NotFound);
        }
        fs::create_dir(&from).unwrap();
        rename(&from, &folder.path().join("folder"), Survives::PowerCut).unwrap();
        assert_eq!(names(folder.path()), ["folder", "to"]);
    }

    #[test]
    fn a_line_stands_for_itself_also_behind_half_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        append_line(&path, b"one").unwrap();
        append_line(&path, b"two").unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b"thr").unwrap();
        append_line(&path, b"four").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthr\nfour\n");
    }

    #[test]
    fn what_nobody_is_at_is_swept_up() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(sweep_up(&folder.path().join("none")), 0);
        for name in [".tmpkilled", ".tmp-notes", "x"] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        fs::create_dir(folder.path().join(".tmpfolder")).unwrap();
        let mut new = NewFile::beside(&folder.path().join("new")).unwrap();
        new.write_all(b"half").unwrap();
        assert_eq!(sweep_up(folder.path()), 1);
        new.put(Survives::Kill).unwrap();
        assert_eq!(sweep_up(folder.path()), 0);
        assert_eq!(names(folder.path()), [".tmp-notes", ".tmpfolder", "new", "x"]);
    }

    #[test]
    fn temporary_names_are_told_from_others() {
        for (name, is) in [
            (".tmpAbC123", true),
            (".tmp000000", true),
            (".tmp-notes", false),
            (".tmp12345", false),
            (".tmp1234567", false),
            ("tmp123456", false),
            (".tmp12345\u{e9}", false),
        ] {
            assert_eq!(is_temporary(OsStr::new(name)), is, "{name}");
        }
    }
}
