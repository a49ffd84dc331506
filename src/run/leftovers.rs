//! Files that processes leave behind: those that a killed process had not finished, and checkpoints that no run will
//! continue from.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::WriteError;
use sweep_store::{Store, StoreError};
use sweep_system::whole;
use sweep_wire::home::{Home, RunFolder, is_unfinished};

/// How many levels below its directory a cohort's files may be.
const DEPTH: u32 = 1;

/// Removes half-written files of killed processes from the home directory and returns their number. The caller must
/// hold its lock, and no worker may be at work there.
///
/// # Errors
///
/// A directory cannot be read, or such a file cannot be removed.
pub fn sweep_up(home: &Home) -> Result<usize, WriteError> {
    let probes = home.probes();
    match fs::remove_dir_all(probes.path()) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(WriteError { path: probes.path().to_owned(), source });
        }
        _ => {}
    }
    // Agents may be running there, and writing.
    let agents = fs::read_dir(home.agents()).into_iter().flatten().flatten().map(|entry| entry.path());
    let of_agents = std::iter::once(home.agents()).chain(agents).map(|folder| whole::sweep_up(&folder)).sum::<usize>();
    Ok(of_agents
        + tidy(home.path(), 0)?
        + tidy(&home.sweeps(), 0)?
        + tidy(&home.jobs(), 0)?
        + tidy(&home.runs(), 1 + DEPTH)?)
}

/// Does the same for the directory of one cohort, which no worker trains now.
pub(super) fn sweep_up_cohort(run: &RunFolder) -> Result<usize, WriteError> {
    tidy(run.path(), DEPTH)
}

fn tidy(directory: &Path, depth: u32) -> Result<usize, WriteError> {
    let failed = |source| WriteError { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(failed)?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && depth > 0 {
            removed += tidy(&entry.path(), depth - 1)?;
        } else if kind.is_file() && is_leftover(&entry.file_name()) {
            remove(&entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a file of this name has not been renamed to its final name yet.
fn is_leftover(name: &OsStr) -> bool {
    whole::is_temporary(name) || is_unfinished(name)
}

/// Removes the checkpoints of cohorts that no run will continue from: all their members have ended, there or in other
/// cohorts, and no failed one may be retried.
///
/// # Errors
///
/// The database cannot be read.
pub async fn discard_spent(store: &Store, home: &Home) -> Result<(), StoreError> {
    for place in store.spent().await? {
        let run = home.run_in(&place);
        for path in [run.previous(), run.checkpoint()] {
            // The file only takes up space, so this is no reason to fail.
            if let Err(WriteError { path, source }) = remove(&path) {
                tracing::warn!("{} is no longer needed but cannot be removed: {source}", path.display());
            }
        }
    }
    Ok(())
}

/// Removes a file if it exists.
fn remove(path: &Path) -> Result<(), WriteError> {
    whole::remove(path).map_err(|source| WriteError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweeps;
    use sweep_store::Decision;

    #[test]
    fn only_what_is_half_written_goes() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        let (gone, stays) = (
            [
                ".tmpAbC123",
                "measured.json.new",
                "sweeps/.tmp000000",
                "runs/a/.tmpzzzzzz",
                "runs/a/attempt-1/.tmpzzzzzz",
                "runs/a/attempt-1/order.json.new",
                "runs/a/samples/.tmpzzzzzz",
                "runs/a/rescore-3.jsonl.part",
            ],
            [
                "sweep.db",
                "measured.json",
                "sweeps/.tmp-notes",
                "sweeps/s.json",
                "runs/a/checkpoint.safetensors",
                "runs/a/rescore-3.jsonl",
                "runs/a/attempt-1/order.json",
                "data/.tmpzzzzzz",
                "runs/a/mine/deep/.tmpzzzzzz",
            ],
        );
        gone.iter().chain(&stays).for_each(|name| write(name));
        std::os::unix::fs::symlink(home.path().join("data"), home.path().join("runs/link")).unwrap();
        fs::create_dir(home.path().join("runs/a/.tmpfolder")).unwrap();
        assert_eq!(sweep_up(&Home::new(home.path())).unwrap(), gone.len());
        assert!(gone.iter().all(|name| !home.path().join(name).exists()));
        assert!(stays.iter().all(|name| home.path().join(name).exists()));
        assert_eq!(sweep_up(&Home::new(home.path())).unwrap(), 0);
        assert_eq!(sweep_up(&Home::new(home.path().join("none"))).unwrap(), 0);
    }

    #[test]
    fn checkpoints_go_with_the_last_need_of_them() {
        let home = tempfile::tempdir().unwrap();
        let sweep = sweeps::sweep("s", &[0.1], &[0.1], 2);
        let cohort = sweeps::cohort(&sweep);
        fs::create_dir_all(home.path().join("runs/c")).unwrap();
        let files = ["checkpoint.safetensors", "checkpoint.previous.safetensors", "generators.safetensors"]
            .map(|name| home.path().join("runs/c").join(name));
        files.iter().for_each(|path| fs::write(path, "x").unwrap());
        let there = || files.iter().filter(|path| path.exists()).count();
        sweeps::block_on(async {
            let store = Store::open_in_memory().await.unwrap();
            store.register(&sweep).await.unwrap();
            sweeps::start(&store, &cohort, "runs/c").await;
            discard_spent(&store, &Home::new(home.path())).await.unwrap();
            assert_eq!(there(), 3, "its members wait");
            let jobs: Vec<_> = cohort.members.iter().map(|(id, _)| *id).collect();
            store.decide(&Home::new(home.path()), &jobs, Decision::Cancel).await.unwrap();
            for _ in 0..2 {
                discard_spent(&store, &Home::new(home.path())).await.unwrap();
                assert_eq!((there(), files[2].exists()), (1, true));
            }
        });
    }
}
