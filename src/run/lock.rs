//! One orchestrator a home directory.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Held as long as it lives; ends with its holder, however that dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a home directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process runs here.
    #[error(
        "{home}: another `sweep run` (process {pid}) is at work here; wait for it, stop it (kill {pid}), or use another \
         directory (--home)"
    )]
    Held {
        /// The home directory.
        home: PathBuf,
        /// Its process id, as it wrote it; `unknown` in the instant before it does.
        pid: String,
    },
    /// It cannot be written.
    #[error("{path}: {source}; the home directory must be writable (--home or SWEEP_HOME names another)")]
    Io {
        /// What cannot be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Lock {
    /// Makes `home` if need be, and locks it.
    pub fn take(home: &Path) -> Result<Self, LockError> {
        let path = home.join("lock");
        let io = |source| LockError::Io { path: path.clone(), source };
        fs::create_dir_all(home).map_err(|source| LockError::Io { path: home.to_owned(), source })?;
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(io)?;
                let pid = Some(pid.trim()).filter(|pid| !pid.is_empty()).unwrap_or("unknown").to_owned();
                return Err(LockError::Held { home: home.to_owned(), pid });
            }
            Err(error) => return Err(io(error.into())),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_holder_learns_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("new");
        let first = Lock::take(&home).unwrap();
        match Lock::take(&home) {
            Err(LockError::Held { pid, .. }) => assert_eq!(pid, std::process::id().to_string()),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&home).unwrap();
    }
}
