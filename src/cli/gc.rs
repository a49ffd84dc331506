//! `sweep gc`: what takes room in a home directory and is not needed.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::progress::say;
use super::reading::{block_on, failure, print, print_json};
use super::table::{self, Align, bytes, count, plural};
use super::{Exit, Failure, Global};
use sweep_data::cache::{self, Cached};
use sweep_run::{Lock, Unneeded, Why, remove, unneeded};
use sweep_store::{Store, StoreError};

#[derive(clap::Args)]
#[command(long_about = "\
Show what takes room in the home directory and is not needed, and remove it with --remove. Scores stay, and so do the logs from which `sweep rebuild` makes the \
database again: those of earlier attempts, too.")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Remove it
    #[arg(long)]
    remove: bool,
    /// The states of finished jobs, too: without them, a file that asks for more steps trains from the start
    #[arg(long)]
    states: bool,
    /// Data sets of your own, too, as they were read, where no sweep of this home directory uses them. Other home directories may: they
    /// read them again, then
    #[arg(long)]
    caches: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
Examples:
  sweep gc
  sweep gc --remove
  sweep gc --states --caches --remove";

/// What is not needed, of one kind.
struct Group {
    why: &'static str,
    /// By which flag it is asked for.
    flag: Option<&'static str>,
    asked: bool,
    files: usize,
    bytes: u64,
    paths: Vec<PathBuf>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let home = global.absolute_home()?;
    let there = global.database();
    if fs::exists(&there).is_ok_and(|there| !there) {
        return Err(failure(StoreError::Missing(there)));
    }
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let workplace = global.workplace(&home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, &home).map_err(Failure::environment)?;
    let (found, used) = block_on(async {
        let store = Store::open(&database).await.map_err(failure)?;
        let found = unneeded(&store, (&home, &database)).await.map_err(failure)?;
        let used = store.own_data().await.map_err(failure)?;
        workplace.publish().await.map_err(failure)?;
        store.close().await;
        Ok((found, used))
    })?;
    let root = global.data_root()?;
    let mut caches = cache::list(&root);
    caches.retain(|cached| !used.contains(&cached.content));
    let groups = groups(&found, &caches, &args);
    let mut failed: Vec<String> = Vec::new();
    if args.remove {
        let wanted = found.iter().filter(|what| is_asked(what.why, &args));
        failed.extend(wanted.filter_map(|what| remove(what).err()).map(|error| error.to_string()));
        for cached in caches.iter().filter(|_| args.caches) {
            let removed = cache::remove(&root, cached.content);
            failed.extend(removed.err().map(|error| format!("{}: {error}", cached.folder.display())));
        }
    }
    if let Some(first) = failed.first() {
        let failed = plural(failed.len(), "file");
        return Err(Failure::environment(format!("{failed} could not be removed, such as {first}")));
    }
    if args.json {
        print_json(&(as_json(&groups, args.remove).to_string() + "\n"))?;
    } else {
        print(&as_table(&groups))?;
    }
    let asked: Vec<&Group> = groups.iter().filter(|group| group.asked).collect();
    let (files, size) = (asked.iter().map(|of| of.files).sum(), asked.iter().map(|of| of.bytes).sum());
    let files = plural(files, "file");
    match args.remove {
        true => say(format!("removed {files}, {}", bytes(size))),
        false if size > 0 => say(format!("nothing is removed yet: --remove removes {files}, {}", bytes(size))),
        false => {}
    }
    Ok(Exit::Ok)
}

fn is_asked(why: Why, args: &Args) -> bool {
    match why {
        Why::Spent | Why::Copy | Why::Unasked => true,
        Why::State => args.states,
    }
}

fn groups(found: &[Unneeded], caches: &[Cached], args: &Args) -> Vec<Group> {
    let kinds = [
        (Why::Spent, "checkpoints of jobs that have ended", None),
        (Why::Copy, "the database before it was changed", None),
        (Why::Unasked, "what jobs left that no sweep asks for", None),
        (Why::State, "states for more steps", Some("--states")),
    ];
    let mut groups: Vec<Group> = Vec::new();
    for (why, text, flag) in kinds {
        let of = || found.iter().filter(|what| what.why == why);
        groups.push(Group {
            why: text,
            flag,
            asked: is_asked(why, args),
            files: of().map(|what| what.files).sum(),
            bytes: of().map(|what| what.bytes).sum(),
            paths: of().map(|what| what.path.clone()).collect(),
        });
    }
    let files = || caches.iter().flat_map(|cached| fs::read_dir(&cached.folder).into_iter().flatten().flatten());
    groups.push(Group {
        why: "data sets of your own that were read",
        flag: Some("--caches"),
        asked: args.caches,
        files: files().count(),
        bytes: files().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum(),
        paths: caches.iter().map(|cached| cached.folder.clone()).collect(),
    });
    groups.retain(|group| group.files > 0);
    groups
}

fn as_table(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "nothing to remove\n".to_owned();
    }
    let header = [("what", Align::Left), ("files", Align::Right), ("size", Align::Right), ("with", Align::Left)];
    let row = |group: &Group| {
        vec![group.why.to_owned(), count(group.files), bytes(group.bytes), group.flag.unwrap_or_default().to_owned()]
    };
    table::table(&header, groups.iter().map(row))
}

fn as_json(groups: &[Group], removed: bool) -> Value {
    let group = |group: &Group| json!({"what": group.why, "flag": group.flag, "files": group.files, "bytes": group.bytes, "removed": removed && group.asked, "paths": group.paths});
    groups.iter().map(group).collect()
}
