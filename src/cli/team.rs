//! Who trains for a run: workers here, or agents elsewhere.

use std::sync::Arc;
use std::time::Duration;

use super::on::{self, Elsewhere};
use super::progress::say;
use super::reading::print;
use super::table::{duration, plural};
use super::{Exit, Failure};
use sweep_run::executor::Crew;
use sweep_run::spool::{self, Book, Launcher, Spool, Watch};
use sweep_wire::home::Home;

/// Who trains.
pub(super) enum Team {
    /// Workers of this process.
    Here(Crew),
    /// Agents, some of which may be there from an earlier run.
    Elsewhere(Elsewhere, Book),
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
    pub(super) fn gather(self, home: &Home) -> (Crew, Option<Agents>) {
        match self {
            Team::Here(crew) => (crew, None),
            Team::Elsewhere(Elsewhere { wanted, launcher, .. }, book) => {
                let (crew, watch) = Spool::crew(home.clone(), &wanted, book, Arc::clone(&launcher));
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
pub(super) fn recall(home: &Home, elsewhere: Option<&Elsewhere>) -> Result<Book, Failure> {
    let keep = elsewhere.map(|elsewhere| elsewhere.wanted.places);
    let mut said = None;
    let mut wait = |left: usize, elapsed: Duration| {
        let due = said.is_none_or(|at: Duration| (elapsed - at).as_secs() >= 30);
        if due && elapsed > Duration::from_secs(1) {
            said = Some(elapsed);
            let time = duration(elapsed.as_secs_f64());
            say(format!(
                "waiting for {} of an earlier run to checkpoint, or to be known as gone ({time})",
                plural(left, "agent")
            ));
        }
    };
    let book = spool::recall(home, (on::delay(home)?, keep), &mut wait).map_err(Failure::environment)?;
    if book.has_agents() {
        say(format!("going on with agents of an earlier run: {}", book.words()));
    }
    Ok(book)
}

/// Shows how agents are started, and starts none.
pub(super) fn dry_run(elsewhere: &Elsewhere) -> Result<Exit, Failure> {
    if let Some(line) = &elsewhere.line {
        print(&format!("{line}\n"))?;
    }
    let Some(slurm) = &elsewhere.test else { return Ok(Exit::Ok) };
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
