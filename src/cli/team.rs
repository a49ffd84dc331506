//! Who trains for a run: workers here, or agents elsewhere.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use super::detach;
use super::on::{self, Elsewhere};
use super::progress::say;
use super::reading::print;
use super::table::{duration, plural};
use super::terminal::draws;
use super::{Exit, Failure};
use sweep_run::executor::Crew;
use sweep_run::spool::{self, Launcher, Roster, Spool, Watch};
use sweep_run::{Hold, Interrupted};
use sweep_wire::home::Home;

/// Who trains.
pub(super) enum Team {
    /// Workers of this process.
    Here(Crew),
    /// Agents, some of which may be there from an earlier run.
    Elsewhere(Elsewhere, Roster),
}

impl Team {
    /// Of agents, how many places there may be.
    pub(super) fn expected(&self) -> Option<usize> {
        match self {
            Team::Here(_) => None,
            Team::Elsewhere(elsewhere, _) => Some(elsewhere.wanted.agents * elsewhere.wanted.places),
        }
    }

    /// They, and how it stands with agents. To be called in the runtime.
    pub(super) fn gather(self, home: &Home, hold: &Hold) -> (Crew, Option<Agents>) {
        match self {
            Team::Here(crew) => (crew, None),
            Team::Elsewhere(Elsewhere { wanted, launcher, .. }, roster) => {
                let (crew, watch) = Spool::crew((home.clone(), hold.clone()), &wanted, roster, Arc::clone(&launcher));
                (crew, Some(Agents { watch, launcher }))
            }
        }
    }
}

/// How it stands with agents, and who starts them.
pub(super) struct Agents {
    pub(super) watch: Watch,
    launcher: Arc<dyn Launcher>,
}

impl Agents {
    /// Leaves them at work.
    pub(super) async fn leave(&self) {
        self.watch.leave().await;
    }

    /// They are another's by now.
    pub(super) async fn abandon(&self) {
        self.watch.end().await;
    }

    /// Sends all of them away.
    pub(super) async fn dismiss(&self) {
        self.watch.dismiss(&*self.launcher).await;
    }
}

/// Waits until no agent of an earlier run works in `home` for that, whose lock must be held; those that this one can use stay.
///
/// # Errors
///
/// The home directory cannot be read or written.
pub(super) fn recall(home: &Home, elsewhere: Option<&Elsewhere>) -> Result<Roster, Failure> {
    let keep = elsewhere.map(|elsewhere| (elsewhere.wanted.places, elsewhere.launcher.starts_again()));
    let mut said = None;
    let mut wait = |left: usize, elapsed: Duration| {
        let due = said.is_none_or(|at: Duration| (elapsed - at).as_secs() >= 30);
        if due && elapsed > Duration::from_secs(1) {
            said = Some(elapsed);
            let time = duration(elapsed.as_secs_f64());
            say(match left {
                0 => format!("waiting for the last that agents of an earlier run have logged to be seen here ({time})"),
                _ => format!(
                    "waiting for {} of an earlier run to checkpoint, or until it is certain that they are gone ({time})",
                    plural(left, "agent")
                ),
            });
        }
    };
    let roster = spool::recall(home, (on::delay(home)?, keep), &mut wait).map_err(Failure::environment)?;
    if roster.has_agents() {
        say(format!("going on with agents of an earlier run: {}", roster.words()));
    }
    Ok(roster)
}

/// What becomes of agents where the run is asked to stop: whoever interrupts it at a terminal is asked.
pub(super) fn interrupted(keep: bool) -> Interrupted {
    match (keep, draws(&io::stderr()) && io::stdin().is_terminal()) {
        (true, _) => Interrupted::Leave,
        (false, true) => Interrupted::Ask(ask),
        (false, false) => Interrupted::Stop,
    }
}

/// Whether agents are to go on.
fn ask() -> bool {
    say("stop agents after a checkpoint [s], or leave them at work until their cohorts end [k]? (Ctrl-C again: stop)");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.is_ok() && line.trim().to_lowercase().starts_with('k')
}

/// Shows how agents are started, and starts none.
pub(super) fn dry_run(elsewhere: &Elsewhere, detach: bool) -> Result<Exit, Failure> {
    if let Some(line) = &elsewhere.line {
        print(&format!("{line}\n"))?;
    }
    let Some(slurm) = &elsewhere.slurm else { return Ok(Exit::Ok) };
    if detach {
        print(&(slurm.run(&detach::words()?) + "\n"))?;
    }
    let numbers: Vec<usize> = (0..elsewhere.wanted.agents).collect();
    print(&slurm.batch(0, &numbers))?;
    match slurm.test() {
        Ok(text) => {
            say(text);
            Ok(Exit::Ok)
        }
        Err(why) => Err(Failure::environment(format!("Slurm would not take it: {why}"))),
    }
}
