//! Locks that allow only one orchestrator for each home directory and each database.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::distance::is_far;
use super::presence::{self, Hold, Presence};
use sweep_wire::database::Database;
use sweep_wire::home::Home;

/// How often a held lock is tried again, with this pause, before it counts as taken.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// A lock that is held while this value lives. It ends with its process, however that dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// Set if other machines may want it, too.
    presence: Option<Presence>,
}

/// Why a home directory or a database cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has locked it.
    #[error(
        "{what}: another `sweep run`, or a command that writes ({holder}), is at work here; wait for it, stop it, or \
        choose another place (--home, --db)"
    )]
    Held {
        /// The home directory or the database.
        what: PathBuf,
        /// The holder's own description: `process 7, home /x`; `unknown` for an instant, until it has written one.
        holder: String,
    },
    /// It cannot be written.
    #[error(
        "{path}: {source}; it must be writable (choose another place with --home and --db, or SWEEP_HOME and SWEEP_DB)"
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Lock {
    /// Locks `home`, and creates it if it does not exist.
    pub fn take(home: &Home) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: home.path().to_owned(), source };
        fs::create_dir_all(home.path()).map_err(io)?;
        let lock = Lock::at(&home.lock(), home.path(), home)?;
        if !is_far(home) {
            return Ok(lock);
        }
        if let Some(holder) = presence::other(home) {
            return Err(LockError::Held { what: home.path().to_owned(), holder });
        }
        Ok(Lock { presence: Some(Presence::new(home).map_err(io)?), ..lock })
    }

    /// Locks the database `path` for work in `home`. Uses a separate file next to it, not the one that SQLite locks.
    /// That file stays when a rebuild replaces the database. Symbolic links to one database share its lock.
    pub fn take_database(path: &Path, home: &Home) -> Result<Self, LockError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|source| LockError::Io { path: folder.to_owned(), source })?;
        }
        Lock::at(&beside(path), path, home)
    }

    /// Returns a handle that shows whether this process still holds the lock: others may have taken it for dead.
    pub fn hold(&self) -> Hold {
        self.presence.as_ref().map(Presence::hold).unwrap_or_default()
    }

    /// Returns the holder of `home`'s lock; `None` if it is free, which means that nothing runs there. Does not wait
    /// and does not block others.
    pub fn holder(home: &Home) -> Result<Option<String>, LockError> {
        match probe(&home.lock()) {
            Ok(None) if is_far(home) => Ok(presence::other(home)),
            holder => holder,
        }
    }

    /// Returns the holder of the lock of database `path`, from any home directory.
    pub fn database_holder(path: &Path) -> Result<Option<String>, LockError> {
        probe(&beside(path))
    }

    fn at(lock: &Path, what: &Path, home: &Home) -> Result<Self, LockError> {
        let io = |source| LockError::Io { path: lock.to_owned(), source };
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(lock).map_err(io)?;
        match patiently(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LockError::Held { what: what.to_owned(), holder: read(&mut file).map_err(io)? });
            }
            // Some network file systems have no locks. There, processes announce themselves in another way.
            Err(rustix::io::Errno::NOLCK | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) if is_far(home) => {
            }
            Err(error) => return Err(io(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        let home = std::path::absolute(home.path()).map_err(io)?;
        writeln!(file, "process {}, home {}", std::process::id(), home.display()).map_err(io)?;
        Ok(Lock { _file: file, presence: None })
    }
}

/// Retries `take` a few times: a process that only checks for a lock holds it for an instant.
fn patiently(mut take: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    for _ in 0..LOOKS {
        match take() {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOOK),
            taken => return taken,
        }
    }
    take()
}

/// Returns the path of a database's lock file.
fn beside(path: &Path) -> PathBuf {
    Database::at(&path.canonicalize().unwrap_or_else(|_| path.to_owned())).lock()
}

fn probe(lock: &Path) -> Result<Option<String>, LockError> {
    let io = |source| LockError::Io { path: lock.to_owned(), source };
    let mut file = match File::open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    // A shared lock: two checks at the same time do not block each other.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => read(&mut file).map(Some).map_err(io),
        Err(rustix::io::Errno::NOLCK | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(io(error.into())),
    }
}

fn read(file: &mut File) -> io::Result<String> {
    let mut holder = String::new();
    file.read_to_string(&mut holder)?;
    let holder = holder.trim();
    Ok(if holder.is_empty() { "unknown".to_owned() } else { holder.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_learns_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("new"));
        assert_eq!(Lock::holder(&home).unwrap(), None);
        let first = Lock::take(&home).unwrap();
        let me = format!("process {}, home {}", std::process::id(), home.display());
        match Lock::take(&home) {
            Err(LockError::Held { holder, .. }) => assert_eq!(holder, me),
            other => panic!("{other:?}"),
        }
        assert_eq!(Lock::holder(&home).unwrap(), Some(me));
        drop(first);
        assert_eq!(Lock::holder(&home).unwrap(), None);
        Lock::take(&home).unwrap();
    }

    #[test]
    fn who_only_looks_keeps_nobody_from_it() {
        let held = Err(rustix::io::Errno::WOULDBLOCK);
        let mut looks = [held, held, Ok(())].into_iter();
        assert_eq!((patiently(|| looks.next().unwrap()), looks.next()), (Ok(()), None));
        assert_eq!(patiently(|| held), held, "who stays has it");
        assert_eq!(patiently(|| Err(rustix::io::Errno::NOLCK)), Err(rustix::io::Errno::NOLCK));
    }

    #[test]
    fn two_homes_do_not_share_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| Home::new(folder.path().join(name)));
        let path = folder.path().join("new/sweep.db");
        let first = Lock::take_database(&path, &one).unwrap();
        fs::write(&path, "").unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            let error = Lock::take_database(path, &two).unwrap_err().to_string();
            assert!(
                error.contains(&one.display().to_string()) && error.contains("link.db") == (path == &link),
                "{error}"
            );
        }
        assert!(Lock::database_holder(&link).unwrap().is_some());
        drop(first);
        assert_eq!(Lock::database_holder(&path).unwrap(), None);
        Lock::take_database(&link, &two).unwrap();
    }
}
