//! `sweep gc`: files in a home directory that are not needed.

use serde_json::{Value, json};

use super::stderr::say;
use super::stdout::{print, print_json};
use super::table::{self, Align, bytes, count, plural};
use super::{Exit, Failure, Global};
use sweep_operations::unneeded::{Group, Request, collect};

#[derive(clap::Args)]
#[command(long_about = "Show files in the home directory that are not needed, and remove them with --remove. Scores \
    are never removed, nor the logs from which `sweep rebuild` rebuilds the database, including those of earlier \
    attempts.")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Remove them
    #[arg(long)]
    remove: bool,
    /// Also the states of finished jobs. Without them, a file that asks for more steps trains from the start
    #[arg(long)]
    states: bool,
    /// Also the caches of your own data sets that no sweep of this home directory uses. If another home directory uses
    /// them, it reads the data again
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

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { remove, states, caches, json } = args;
    let groups = collect(&global.places, Request { states, caches, remove })?;
    if json {
        print_json(&(as_json(&groups, remove).to_string() + "\n"))?;
    } else {
        print(&as_table(&groups))?;
    }
    let asked: Vec<&Group> = groups.iter().filter(|group| group.asked).collect();
    let (files, size) = (asked.iter().map(|of| of.files).sum(), asked.iter().map(|of| of.bytes).sum());
    let files = plural(files, "file");
    match remove {
        true => say(format!("removed {files}, {}", bytes(size))),
        false if size > 0 => say(format!("nothing was removed: --remove removes {files}, {}", bytes(size))),
        false => {}
    }
    Ok(Exit::Ok)
}

fn as_table(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "nothing to remove\n".to_owned();
    }
    let header = [("what", Align::Left), ("files", Align::Right), ("size", Align::Right), ("with", Align::Left)];
    let row = |group: &Group| {
        vec![group.what.to_owned(), count(group.files), bytes(group.bytes), group.flag.unwrap_or_default().to_owned()]
    };
    table::table(&header, groups.iter().map(row))
}

fn as_json(groups: &[Group], removed: bool) -> Value {
    let group = |group: &Group| {
        json!({
            "what": group.what, "flag": group.flag, "files": group.files, "bytes": group.bytes,
            "removed": removed && group.asked, "paths": group.paths
        })
    };
    groups.iter().map(group).collect()
}
