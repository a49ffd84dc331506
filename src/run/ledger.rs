//! Rows on their way to the database. Another program may keep it locked for hours. The run continues in the meantime,
//! since files in the home directory hold everything, and catches up afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sweep_store::{Store, StoreError, Write};
use sweep_wire::database::Database;

/// How long a write waits for a locked database. Nothing else is done meanwhile.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);
/// Time between two attempts to write.
const PAUSE: Duration = Duration::from_secs(1);
/// A lock that lasts this long is reported.
const LONG: Duration = Duration::from_secs(10);
/// How long the end of a run waits for the database.
pub(super) const LAST: Duration = Duration::from_secs(60);

/// Opens the database. Waits until other programs release their locks: there is nothing to do yet in the meantime.
///
/// # Errors
///
/// The database cannot be opened for another reason.
pub async fn open(database: &Path) -> Result<Store, StoreError> {
    let mut said = false;
    loop {
        match Store::open_within(database, LONG).await {
            Err(error) if error.is_locked() => {
                if !said {
                    tracing::warn!(
                        "{} is locked by {}: the run starts as soon as it is released",
                        database.display(),
                        holder(database).unwrap_or_else(|| "another program".to_owned())
                    );
                }
                said = true;
            }
            other => return other,
        }
    }
}

/// Waiting writes, in order.
pub(super) struct Ledger {
    database: PathBuf,
    waiting: Vec<Write>,
    locked: Option<Locked>,
}

/// Another program keeps the database locked.
struct Locked {
    since: Instant,
    tried: Instant,
    said: bool,
}

/// A run ended with unsaved results since another program kept the database locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// The program that keeps it locked, if known: `process 7 (sqlite3)`.
    pub holder: Option<String>,
}

impl Ledger {
    /// Makes a ledger of writes to `store`.
    pub(super) async fn new(store: &Store) -> Result<Self, StoreError> {
        store.wait_for_locks(PATIENCE).await?;
        Ok(Ledger { database: store.file().await?, waiting: Vec::new(), locked: None })
    }

    pub(super) fn push(&mut self, write: Write) {
        self.waiting.push(write);
    }

    pub(super) fn extend(&mut self, writes: impl Iterator<Item = Write>) {
        self.waiting.extend(writes);
    }

    /// Writes what waits, unless the database is locked.
    pub(super) async fn flush(&mut self, store: &Store) -> Result<(), StoreError> {
        let rests = self.locked.as_ref().is_some_and(|locked| locked.tried.elapsed() < PAUSE);
        if self.waiting.is_empty() || rests {
            return Ok(());
        }
        match store.record(&self.waiting).await {
            Ok(()) => {
                self.waiting.clear();
                if let Some(locked) = self.locked.take().filter(|locked| locked.said) {
                    let seconds = locked.since.elapsed().as_secs();
                    tracing::warn!(
                        "{} was released after {seconds} s and is up to date again",
                        self.database.display()
                    );
                }
                Ok(())
            }
            Err(error) if error.is_locked() => {
                self.note_locked();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn note_locked(&mut self) {
        let now = Instant::now();
        let locked = self.locked.get_or_insert(Locked { since: now, tried: now, said: false });
        locked.tried = Instant::now();
        if !locked.said && locked.since.elapsed() >= LONG {
            locked.said = true;
            tracing::warn!(
                "{} has been locked by {} for {} s: training continues, and results are written when it is released",
                self.database.display(),
                holder(&self.database).unwrap_or_else(|| "another program".to_owned()),
                locked.since.elapsed().as_secs()
            );
        }
    }

    /// Waits until everything is written, for as long as makes sense, or until `stop`. Returns what is left unwritten.
    pub(super) async fn settle(
        &mut self,
        store: &Store,
        stop: impl Future<Output = ()>,
    ) -> Result<Option<Unwritten>, StoreError> {
        self.flush(store).await?;
        if self.waiting.is_empty() {
            return Ok(None);
        }
        tracing::warn!("waiting to write to {}, which is locked", self.database.display());
        let written = async {
            while !self.waiting.is_empty() {
                tokio::time::sleep(PAUSE).await;
                self.flush(store).await?;
            }
            Ok(())
        };
        tokio::select! {
            result = written => return result.map(|()| None),
            () = tokio::time::sleep(LAST) => {}
            () = stop => {}
        }
        Ok(Some(Unwritten { holder: holder(&self.database) }))
    }
}

/// Finds the process that holds a lock on the database or its companion files, in the system's list of locks.
fn holder(database: &Path) -> Option<String> {
    let text = fs::read_to_string("/proc/locks").ok()?;
    // Opening and closing one of these files would release this process's own locks. Their inode numbers are enough.
    let files = Database::at(database).files();
    let inodes: Vec<u64> = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.ino())).collect();
    let pid = writer(&text, &inodes, std::process::id())?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(if name.is_empty() { format!("process {pid}") } else { format!("process {pid} ({})", name.trim()) })
}

/// Finds a process other than `me` that holds a write lock on one of the files with these inodes, in the text of
/// `/proc/locks`.
fn writer(locks: &str, inodes: &[u64], me: u32) -> Option<u32> {
    // Lines look like `1: POSIX  ADVISORY  WRITE 1234 08:01:5678 120 120`, with `->` before locks that wait.
    let lock = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX" | "OFDLCK", _, "WRITE", pid, file, ..] = words[..] else { return None };
        let inode = file.rsplit(':').next()?.parse::<u64>().ok()?;
        let pid = pid.parse::<u32>().ok().filter(|&pid| pid > 0 && pid != me)?;
        inodes.contains(&inode).then_some(pid)
    };
    locks.lines().find_map(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_locks_says_who_writes() {
        let locks = "1: POSIX  ADVISORY  READ  11 08:01:77 123 123\n2: FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n3: \
            POSIX  ADVISORY  WRITE 13 08:01:78 120 120\n3: -> POSIX  ADVISORY  WRITE 14 08:01:77 120 120\n4: POSIX  \
            ADVISORY  WRITE 15 08:01:77 120 120\n5: POSIX  ADVISORY  WRITE 16 08:01:77 120 120\n";
        assert_eq!(writer(locks, &[77], 1), Some(15), "not who reads, or waits, or has another kind of lock");
        assert_eq!(writer(locks, &[77], 15), Some(16));
        assert_eq!(writer(locks, &[79], 1), None);
        assert_eq!(writer("", &[77], 1), None);
    }
}
