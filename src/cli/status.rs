//! `sweep status`: shows the progress of sweeps, and what runs now.

use std::io::stdout;
use std::time::Duration;

use serde_json::Value;

use super::hints;
use super::stdout::draw;
use super::table::{self, Align, count, duration};
use super::terminal::draws;
use super::{Exit, Failure, Global};
use sweep_operations::database::with_store;
use sweep_run::Orchestrator;
use sweep_serve::status::{left, of_sweep};
use sweep_spec::text::{self, plain};
use sweep_store::{Progress, Running, Store};
use sweep_system::clock;
use sweep_wire::status::Status;

/// Time between two updates of `--watch`.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Name of a sweep [default: all]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Update every two seconds until everything is done or nothing runs
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    loop {
        // Before the database is read: if a run ends in between, the next update shows it.
        let orchestrator = Orchestrator::of(&global.places.database(), &global.places.home);
        let progress = with_store(&global.places, |store| read(store, args.sweep.clone()))?;
        let left = progress.iter().any(|progress| progress.ended() < progress.jobs());
        let text = if args.json {
            text::json(&json(&progress, orchestrator))
        } else if progress.is_empty() {
            "no sweeps yet: run `sweep run FILE` first\n".to_owned()
        } else {
            let copied = if global.places.db.is_none() { sweep_run::copied(&global.places.home) } else { None };
            let of = copied.map_or_else(String::new, |(host, made)| {
                let ago = duration((clock::now() - made).max(0.0));
                format!("As of {ago} ago: the database is on {host}, and this is a copy of it.\n\n")
            });
            let agents =
                if orchestrator == Orchestrator::Absent { sweep_run::spool::left(&global.places.home) } else { None };
            plain(&format!("{of}{}", text(&progress, orchestrator, agents.as_deref())))
        };
        // On a terminal an update replaces the last one, and elsewhere it follows it.
        let clear = if args.watch && !args.json && draws(&stdout()) { "\x1b[H\x1b[2J" } else { "" };
        let read = draw(&format!("{clear}{}", if args.json { text } else { hints::complete(&text) }))?;
        if !args.watch || !left || !read || orchestrator == Orchestrator::Absent {
            return Ok(Exit::Ok);
        }
        std::thread::sleep(PAUSE);
    }
}

async fn read(store: Store, sweep: Option<String>) -> Result<Vec<Progress>, Failure> {
    let names = match sweep {
        Some(name) => vec![store.sweep(Some(&name)).await?.name],
        None => store.sweeps().await?.into_iter().map(|sweep| sweep.name).collect(),
    };
    let mut progress = Vec::new();
    for name in names {
        progress.push(store.progress(&name).await?);
    }
    Ok(progress)
}

/// `agents`: those left at work by a run that has ended.
fn text(all: &[Progress], orchestrator: Orchestrator, agents: Option<&str>) -> String {
    let always = [Status::Pending, Status::Running, Status::Done, Status::Failed];
    let found = |status: &Status| all.iter().any(|progress| progress.states.contains_key(status));
    let shown = |status: &Status| always.contains(status) || found(status);
    let statuses: Vec<Status> = Status::ALL.into_iter().filter(shown).collect();
    let mut header = vec![("sweep", Align::Left), ("jobs", Align::Right)];
    header.extend(statuses.iter().map(|status| (status.name(), Align::Right)));
    header.push(("time left", Align::Right));
    let row = |progress: &Progress| {
        let mut row = vec![progress.sweep.clone(), count(progress.jobs())];
        let of = |status| progress.states.get(status).map_or("–".to_owned(), |&n| count(n));
        row.extend(statuses.iter().map(of));
        row.push(left(progress, orchestrator).map_or("–".to_owned(), duration));
        row
    };
    let mut out = table::table(&header, all.iter().map(row));

    // One cohort may train jobs of several sweeps.
    let mut running: Vec<&Running> = Vec::new();
    for found in all.iter().flat_map(|progress| &progress.running) {
        if !running.iter().any(|known| (known.cohort, known.attempt) == (found.cohort, found.attempt)) {
            running.push(found);
        }
    }
    if running.is_empty() && orchestrator == Orchestrator::Paused {
        out.push_str("\nThe run is paused; `sweep resume` continues it.\n");
        return out;
    }
    if running.is_empty() && orchestrator == Orchestrator::AtWork {
        out.push_str("\nA run is at work; no cohort trains at the moment.\n");
        return out;
    }
    if running.is_empty() || orchestrator == Orchestrator::Absent {
        if let Some(agents) = agents {
            out.push_str(&format!(
                "\nNo run is at work, but agents of an earlier one may be ({agents}): the same `sweep run` continues \
                with them.\n"
            ));
            if !running.is_empty() {
                out.push_str("Until then, jobs shown as running may be further than shown.\n");
            }
        } else if all.iter().any(|progress| progress.ended() < progress.jobs()) {
            out.push_str("\nNothing runs now; `sweep run FILE` continues.\n");
            if !running.is_empty() {
                out.push_str("Jobs shown as running stopped when their run was killed.\n");
            }
        }
        return out;
    }
    let header = [
        ("slot", Align::Left),
        ("device", Align::Left),
        ("cohort", Align::Left),
        ("attempt", Align::Right),
        ("jobs", Align::Right),
        ("step", Align::Right),
        ("model-steps/s", Align::Right),
        ("left", Align::Right),
        ("since", Align::Right),
    ];
    let now = clock::now();
    let row = |running: &&Running| {
        let dash = || "–".to_owned();
        vec![
            running.slot.clone(),
            if running.device.is_empty() { "starting".into() } else { running.device.clone() },
            running.cohort.short(),
            running.attempt.to_string(),
            count(running.members.1),
            format!("{} of {}", count(running.step.0 as usize), count(running.step.1 as usize)),
            running.rate.map_or_else(dash, |rate| format!("{rate:.0}")),
            running.seconds_left().map_or_else(dash, duration),
            duration((now - running.started_at).max(0.0)),
        ]
    };
    out.push('\n');
    out.push_str(&table::table(&header, running.iter().map(row)));
    out
}

fn json(all: &[Progress], orchestrator: Orchestrator) -> String {
    let of = |progress: &Progress| Value::Object(of_sweep(progress, orchestrator));
    format!("{:#}\n", Value::Array(all.iter().map(of).collect()))
}
