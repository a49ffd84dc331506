//! Files in a home directory that take up space and are not needed.

use std::fs;
use std::path::PathBuf;

use crate::database::block_on;
use crate::{Failure, Places};
use sweep_data::cache::{self, Cached};
use sweep_report::format::plural;
use sweep_run::{Lock, Unneeded, Why, remove, unneeded};
use sweep_store::{Store, StoreError};

/// Which optional kinds to include, and whether to remove files.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Also the states of finished jobs.
    pub states: bool,
    /// Also the caches of the user's own data sets.
    pub caches: bool,
    /// Whether to remove the included files.
    pub remove: bool,
}

/// Files of one kind that are not needed.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they are.
    pub what: &'static str,
    /// The flag that includes them; `None` if they are always included.
    pub flag: Option<&'static str>,
    /// Whether they are included.
    pub asked: bool,
    /// The number of files.
    pub files: usize,
    /// Their total size in bytes.
    pub bytes: u64,
    /// Files, and folders with all their contents.
    pub paths: Vec<PathBuf>,
}

/// Returns the files that are not needed, by kind, and removes the included ones if the request says so.
///
/// # Errors
///
/// There is no database, a run is at work, or something cannot be read or removed.
pub fn collect(places: &Places, request: Request) -> Result<Vec<Group>, Failure> {
    let home = places.absolute_home()?;
    let there = places.database();
    if fs::exists(&there).is_ok_and(|there| !there) {
        return Err(StoreError::Missing(there).into());
    }
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let workplace = places.workplace(&home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, &home).map_err(Failure::environment)?;
    let (found, used) = block_on(async {
        let store = Store::open(&database).await?;
        let found = unneeded(&store, (&home, &database)).await?;
        let used = store.own_data().await?;
        workplace.publish().await?;
        store.close().await;
        Ok((found, used))
    })?;
    let root = places.data_root()?;
    let mut caches = cache::list(&root);
    caches.retain(|cached| !used.contains(&cached.content));
    let groups = groups(&found, &caches, request);
    let mut failed: Vec<String> = Vec::new();
    if request.remove {
        let wanted = found.iter().filter(|what| is_asked(what.why, request));
        failed.extend(wanted.filter_map(|what| remove(what).err()).map(|error| error.to_string()));
        for cached in caches.iter().filter(|_| request.caches) {
            let removed = cache::remove(&root, cached.content);
            failed.extend(removed.err().map(|error| format!("{}: {error}", cached.folder.display())));
        }
    }
    match failed.first() {
        Some(first) => {
            let failed = plural(failed.len(), "file");
            Err(Failure::environment(format!("{failed} could not be removed, for example {first}")))
        }
        None => Ok(groups),
    }
}

fn is_asked(why: Why, request: Request) -> bool {
    match why {
        Why::Spent | Why::Copy | Why::Unasked => true,
        Why::State => request.states,
    }
}

fn groups(found: &[Unneeded], caches: &[Cached], request: Request) -> Vec<Group> {
    let kinds = [
        (Why::Spent, "checkpoints of jobs that have ended", None),
        (Why::Copy, "old copies of the database", None),
        (Why::Unasked, "files of jobs that no sweep asks for", None),
        (Why::State, "states for training more steps", Some("--states")),
    ];
    let mut groups: Vec<Group> = Vec::new();
    for (why, text, flag) in kinds {
        let of = || found.iter().filter(|what| what.why == why);
        groups.push(Group {
            what: text,
            flag,
            asked: is_asked(why, request),
            files: of().map(|what| what.files).sum(),
            bytes: of().map(|what| what.bytes).sum(),
            paths: of().map(|what| what.path.clone()).collect(),
        });
    }
    let files = || caches.iter().flat_map(|cached| fs::read_dir(&cached.folder).into_iter().flatten().flatten());
    groups.push(Group {
        what: "caches of your own data sets",
        flag: Some("--caches"),
        asked: request.caches,
        files: files().count(),
        bytes: files().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum(),
        paths: caches.iter().map(|cached| cached.folder.clone()).collect(),
    });
    groups.retain(|group| group.files > 0);
    groups
}
