//! Where the database of a home directory is while a process writes to it. SQLite needs locks and shared memory, which
//! network file systems lack. In that case the database is on a local disk, and copies of it are put into the home
//! directory.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::WriteError;
use super::distance::{host, is_far};
use sweep_store::{Store, StoreError};
use sweep_system::disk;
use sweep_system::whole::{self, NewFile, Survives};
use sweep_wire::database::Database;
use sweep_wire::home::Home;
use sweep_wire::spool;

/// The least time between two copies. If one takes long, there are fewer.
const EVERY: Duration = Duration::from_secs(60);
/// The pause after a copy is at least this many times as long as the copy took.
const SHARE: u32 = 20;

/// Which machine works on the database of a home directory, or did so last, and where.
#[derive(Serialize, Deserialize)]
struct Pointer {
    host: String,
    database: PathBuf,
}

/// A database for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workplace {
    /// Its path.
    pub database: PathBuf,
    /// Where copies of it go.
    pub published: Option<PathBuf>,
    home: Home,
}

impl Workplace {
    /// Returns the database of `home`, whose lock the caller must hold, or the one that the user has `named`.
    ///
    /// # Errors
    ///
    /// No local disk can be written, or the copy cannot be read.
    pub fn take(home: &Home, named: Option<&Path>) -> Result<Self, WriteError> {
        if let Some(named) = named {
            return Ok(Workplace { database: named.to_owned(), published: None, home: home.clone() });
        }
        let published = home.database();
        if !is_far(home) {
            return Ok(Workplace { database: published, published: None, home: home.clone() });
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError { path, source }
        };
        let folder = folder()?;
        let known = pointer(home).filter(|pointer| pointer.host == host());
        let database = folder.join(name(home));
        // If this machine was the last to write, its own database is newer than any copy.
        let is_newest = known.is_some_and(|pointer| pointer.database == database) && database.exists();
        if !is_newest {
            for path in Database::at(&database).files() {
                whole::remove(&path).map_err(failed(&path))?;
            }
            if published.exists() {
                copy(&published, &database).map_err(failed(&published))?;
            }
        }
        let pointer = Pointer { host: host(), database: database.clone() };
        let write = || whole::write(&home.pointer(), &spool::write(&pointer)?, Survives::PowerCut);
        write().map_err(failed(&home.pointer()))?;
        Ok(Workplace { database, published: Some(published), home: home.clone() })
    }

    /// Returns a note for the user about where it is.
    pub fn note(&self) -> Option<String> {
        let published = self.published.as_ref()?;
        let kind = disk::shared(published).map_or_else(String::new, |kind| format!(" ({kind})"));
        Some(format!(
            "note: other machines share {}{kind}, where SQLite cannot work: meanwhile the database is {}, and {} is a \
            copy of it, updated every minute",
            published.parent().unwrap_or(published).display(),
            self.database.display(),
            published.display()
        ))
    }

    /// Puts a copy of the database where other machines see it.
    ///
    /// # Errors
    ///
    /// The database cannot be read, or the copy cannot be written.
    pub async fn publish(&self) -> Result<(), StoreError> {
        let Some(published) = &self.published else { return Ok(()) };
        // Otherwise, another machine has taken over and has put a newer copy there by now.
        if !pointer(&self.home).is_some_and(|of| of.host == host() && of.database == self.database) {
            tracing::warn!("{} belongs to another machine by now and is not replaced", published.display());
            return Ok(());
        }
        let part = self.database.with_extension("part");
        let failed = |path: &Path, source| StoreError::File { path: path.to_owned(), source };
        whole::remove(&part).map_err(|source| failed(&part, source))?;
        let store = Store::open_existing_read_only(&self.database).await?;
        let copied = store.copy_to(&part).await;
        store.close().await;
        copied?;
        let (from, to) = (part.clone(), published.clone());
        let put = tokio::task::spawn_blocking(move || copy(&from, &to)).await;
        let _ = whole::remove(&part);
        put.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|source| failed(published, source))
    }

    /// Does that now and then, until `ended`.
    pub async fn keep_published(self, mut ended: oneshot::Receiver<()>) {
        let mut took = Duration::ZERO;
        while self.published.is_some() {
            tokio::select! {
                () = tokio::time::sleep(EVERY.max(SHARE * took)) => {}
                _ = &mut ended => return,
            }
            let start = Instant::now();
            if let Err(error) = self.publish().await {
                tracing::warn!("other machines do not see new results yet: {error}");
            }
            took = start.elapsed();
        }
    }
}

/// Returns where to read the database of `home`.
pub fn readable(home: &Home) -> PathBuf {
    let here = || pointer(home).filter(|pointer| pointer.host == host() && pointer.database.exists());
    match is_far(home).then(here).flatten() {
        Some(pointer) => pointer.database,
        None => home.database(),
    }
}

/// Returns which machine's database the one in `home` is a copy of, if it is another machine's, and the time of the
/// copy, in seconds since the Unix epoch.
pub fn copied(home: &Home) -> Option<(String, f64)> {
    let pointer = pointer(home).filter(|pointer| pointer.host != host() && is_far(home))?;
    let made = fs::metadata(home.database()).and_then(|about| about.modified()).ok()?;
    Some((pointer.host, sweep_system::clock::seconds(made)))
}

fn pointer(home: &Home) -> Option<Pointer> {
    spool::read(&fs::read(home.pointer()).ok()?)
}

/// Returns a different name for each home.
fn name(home: &Home) -> String {
    let path = home.path().canonicalize().unwrap_or_else(|_| home.path().to_owned());
    let hash = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
    format!("{plain}-{}.db", &hash[..16])
}

/// Returns a folder of this user's on a local disk.
fn folder() -> Result<PathBuf, WriteError> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(variable("HOME")?.join(".local/state"))).map(|state| state.join("sweep"));
    let user = rustix::process::getuid().as_raw();
    let places = state.into_iter().filter(|path| disk::shared(path).is_none());
    let places = places.chain(["/var/tmp", "/tmp"].map(|folder| Path::new(folder).join(format!("sweep-{user}"))));
    let mut why = None;
    for place in places {
        match own(&place, user) {
            Ok(()) => return Ok(place),
            Err(source) => why = Some(WriteError { path: place, source }),
        }
    }
    Err(why.unwrap_or_else(|| WriteError { path: "/var/tmp".into(), source: io::ErrorKind::NotFound.into() }))
}

/// Makes `place` if it does not exist, and checks that only this user can write to it: in folders for temporary files,
/// others can make folders, too.
fn own(place: &Path, user: u32) -> io::Result<()> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let about = fs::symlink_metadata(place)?;
    if !about.is_dir() || about.uid() != user || about.mode() & 0o022 != 0 {
        return Err(io::Error::other("it is not a folder that only this user can write to"));
    }
    Ok(())
}

/// Copies a file as a whole.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut new = NewFile::beside(to)?;
    io::copy(&mut fs::File::open(from)?, &mut new)?;
    new.put(Survives::PowerCut)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_folder_that_others_may_write_to_is_no_place() {
        let folder = tempfile::tempdir().unwrap();
        let user = rustix::process::getuid().as_raw();
        let place = |name: &str| folder.path().join(name);
        own(&place("new/deep"), user).unwrap();
        own(&place("new/deep"), user).unwrap();
        assert_eq!(fs::metadata(place("new/deep")).unwrap().mode() & 0o777, 0o700);
        fs::create_dir(place("open")).unwrap();
        fs::set_permissions(place("open"), fs::Permissions::from_mode(0o777)).unwrap();
        symlink(place("new"), place("link")).unwrap();
        fs::write(place("file"), "").unwrap();
        for wrong in ["open", "link", "file"] {
            assert!(own(&place(wrong), user).is_err(), "{wrong}");
        }
        assert!(own(&place("new"), user + 1).is_err(), "another user's");
    }

    #[test]
    fn homes_of_one_name_have_databases_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let homes = ["a/results", "b/results"].map(|name| Home::new(folder.path().join(name)));
        homes.iter().for_each(|home| fs::create_dir_all(home.path()).unwrap());
        symlink(homes[0].path(), folder.path().join("link")).unwrap();
        let names = homes.each_ref().map(name);
        assert_ne!(names[0], names[1]);
        assert_eq!(name(&Home::new(folder.path().join("link"))), names[0]);
        assert!(names[0].starts_with("results-") && names[0].ends_with(".db"), "{names:?}");
    }
}
