//! Files that are written completely or not at all: first under a temporary name in the same folder, then renamed.
//! Readers see either the old file or the complete new one, even if the process is killed or the disk is full.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile};

/// The prefix of temporary names, before six letters or digits.
const TEMPORARY: &str = ".tmp";

/// What a new file survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The end of any process, even by `kill -9`. For files that a power cut may destroy, because they are meaningless
    /// after it or are made again.
    Kill,
    /// A power cut, too. Waits for the disk twice.
    PowerCut,
}

/// A file being written. It is deleted when this is dropped, unless it got its name.
#[derive(Debug)]
pub struct NewFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Creates a file that is to be at `path`.
    ///
    /// # Errors
    ///
    /// If nothing can be written to its folder.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let open = |path: &Path| {
            // Temporary files are private by default; this one gets the user's normal permissions.
            let file = File::options().write(true).create_new(true).open(path)?;
            // Another process may have taken it for an abandoned file in between. Then another name is tried.
            let taken = flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            if taken || fs::symlink_metadata(path).is_err() { Err(ErrorKind::AlreadyExists.into()) } else { Ok(file) }
        };
        let file = Builder::new().prefix(TEMPORARY).make_in(folder(path), open)?;
        Ok(NewFile { file, path: path.to_owned() })
    }

    /// Sets its permissions.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn set_permissions(&self, permissions: Permissions) -> io::Result<()> {
        self.file.as_file().set_permissions(permissions)
    }

    /// Returns when it was last written, by the file system's clock.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn modified(&self) -> io::Result<SystemTime> {
        self.file.as_file().metadata()?.modified()
    }

    /// Gives it its name, replacing any file there.
    ///
    /// # Errors
    ///
    /// Then the old file is still there, unless only making the folder durable failed.
    pub fn put(self, survives: Survives) -> io::Result<()> {
        self.put_keeping(None, survives)
    }

    /// Does the same, but moves the old file to `previous` in the same folder. At each moment, one of the two is
    /// complete.
    ///
    /// # Errors
    ///
    /// As [`NewFile::put`]; the old file may be at `previous` by then.
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
            // On a network file system, the rename or removal may have succeeded and only the answer got lost.
            if !is_at(failed.file.as_file(), &self.path) {
                return Err(failed.error);
            }
        }
        sync_folder(folder(&self.path), survives)
    }

    /// Gives it the first of `paths` that is free, and returns that path. All must be in the folder it was created in.
    ///
    /// # Errors
    ///
    /// If all are taken, or it fails for another reason.
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

// Uses the file directly, so errors do not mention the temporary name, which means nothing to users.
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

/// Writes a file with these bytes, replacing any file at `path`.
///
/// # Errors
///
/// As [`NewFile::put`].
pub fn write(path: &Path, bytes: &[u8], survives: Survives) -> io::Result<()> {
    let mut file = NewFile::beside(path)?;
    file.write_all(bytes)?;
    file.put(survives)
}

/// Moves the complete file or folder at `from` to `to` on the same disk. If the content of a folder must be durable, it
/// must already be.
///
/// # Errors
///
/// If it fails, for example because there is nothing at `from`.
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
/// If it is still there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // On a network file system, the rename or removal may have succeeded and only the answer got lost.
        Err(error) if error.kind() != ErrorKind::NotFound && !is_gone(path) => Err(error),
        _ => Ok(()),
    }
}

/// Whether nothing is at `path`.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Appends a line to the file at `path`, creating it if necessary, and makes it durable. It starts on a new line even
/// if the last line was cut off.
///
/// # Errors
///
/// If the file cannot be read and written.
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

/// Whether a file of this name is being written, or was left incomplete by a killed process.
pub fn is_temporary(name: &OsStr) -> bool {
    let end = name.as_encoded_bytes().strip_prefix(TEMPORARY.as_bytes());
    end.is_some_and(|end| end.len() == 6 && end.iter().all(u8::is_ascii_alphanumeric))
}

/// Removes incomplete files of killed processes from a folder, as far as possible: they only take space. Returns their
/// number. Files that a process is still writing stay, and so do all files on a file system without locks.
pub fn sweep_up(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let left =
        entries.filter(|entry| is_temporary(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_file()));
    // It may have been renamed in the meantime, or belong to another user.
    let is_removed = |path: &Path| {
        let file = File::options().write(true).open(path);
        // Locked until it is gone, so a process that has just created it cannot get the lock in between.
        file.is_ok_and(|file| {
            flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && fs::remove_file(path).is_ok()
        })
    };
    left.filter(|entry| is_removed(&entry.path())).count()
}

/// Whether this is the file at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let there = fs::symlink_metadata(path);
    file.metadata().is_ok_and(|own| there.is_ok_and(|there| (own.dev(), own.ino()) == (there.dev(), there.ino())))
}

/// Returns the parent folder of `path`.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path, survives: Survives) -> io::Result<()> {
    if survives == Survives::Kill {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A user who may write to a folder may not be allowed to list it, and some network file systems sync names by
        // themselves.
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
        // Like any other file of this user.
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
        // A name that cannot be accessed counts as taken.
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
        // As if a server renamed it, the answer got lost, and the request was repeated.
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
