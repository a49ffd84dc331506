//! One orchestrator a home directory and a database.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::distance::is_far;
use super::presence::{self, Hold, Presence};
use sweep_wire::database::Database;
use sweep_wire::home::Home;

/// How often a lock that is held is tried again, and after which time, before somebody is taken to be at work.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// Held as long as it lives; ends with its holder, however that dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// Where other machines may want it, too.
    presence: Option<Presence>,
}

/// Why a home directory or a database cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{what}: another `sweep run`, or a command that writes ({holder}), is at work here; wait for it, stop it, or use another \
         place (--home, --db)"
    )]
    Held {
        /// The home directory or the database.
        what: PathBuf,
        /// Who it is, as it wrote: `process 7, home /x`; `unknown` in the instant before it does.
        holder: String,
    },
    /// It cannot be written.
    #[error("{path}: {source}; it must be writable (--home and --db, or SWEEP_HOME and SWEEP_DB, name other places)")]
    Io {
        /// What cannot be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Makes `home` if need be, and locks it.
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

    /// Locks the database `path` for work in `home`, through a file beside it, which is not the one that SQLite locks and stays when
    /// a rebuild replaces the database. Symbolic links to one database share its lock.
    pub fn take_database(path: &Path, home: &Home) -> Result<Self, LockError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|source| LockError::Io { path: folder.to_owned(), source })?;
        }
        Lock::at(&beside(path), path, home)
    }

    /// Whether it is held still, where others may take this process for gone.
    pub fn hold(&self) -> Hold {
        self.presence.as_ref().map(Presence::hold).unwrap_or_default()
    }

    /// Who has locked `home`; `None`: nobody, so that nothing runs there. Neither waits nor keeps anything.
    pub fn holder(home: &Home) -> Result<Option<String>, LockError> {
        match probe(&home.lock()) {
            Ok(None) if is_far(home) => Ok(presence::other(home)),
            holder => holder,
        }
    }

    /// Who has locked the database `path`, from whatever home directory.
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
            // Some file systems of networks have no locks. Who is at work there says so in another way.
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

/// What `take` comes to: who only looks whether a lock is held has it for an instant, and must not keep anybody from it.
fn patiently(mut take: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    for _ in 0..LOOKS {
        match take() {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOOK),
            taken => return taken,
        }
    }
    take()
}

/// The lock file of a database.
fn beside(path: &Path) -> PathBuf {
    Database::at(&path.canonicalize().unwrap_or_else(|_| path.to_owned())).lock()
}

fn probe(lock: &Path) -> Result<Option<String>, LockError> {
    let io = |source| LockError::Io { path: lock.to_owned(), source };
    let mut file = match File::open(lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    // Shared, so that two probes do not take each other for a holder.
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
