//! What trains for a run: workers here, or agents on other machines.

use std::sync::Arc;
use std::time::Duration;

use crate::run::agents::{self, Elsewhere};
use crate::{Failure, Tell};
use sweep_report::format::{duration, plural};
use sweep_run::Hold;
use sweep_run::executor::Crew;
use sweep_run::spool::{self, Launcher, Roster, Spool, Watch};
use sweep_wire::home::Home;

/// What trains.
pub(crate) enum Team {
    /// Workers of this process.
    Here(Crew),
    /// Agents, some of which may be left from an earlier run.
    Elsewhere(Elsewhere, Roster),
}

impl Team {
    /// With agents, returns how many places there may be.
    pub(crate) fn expected(&self) -> Option<usize> {
        match self {
            Team::Here(_) => None,
            Team::Elsewhere(elsewhere, _) => Some(elsewhere.wanted.agents * elsewhere.wanted.places),
        }
    }

    /// Returns the crew and, with agents, a handle to them. Must be called in the runtime.
    pub(crate) fn gather(self, home: &Home, hold: &Hold) -> (Crew, Option<Agents>) {
        match self {
            Team::Here(crew) => (crew, None),
            Team::Elsewhere(Elsewhere { wanted, launcher, .. }, roster) => {
                let (crew, watch) = Spool::crew((home.clone(), hold.clone()), &wanted, roster, Arc::clone(&launcher));
                (crew, Some(Agents { watch, launcher }))
            }
        }
    }
}

/// The state of agents, and what starts them.
pub(crate) struct Agents {
    pub(crate) watch: Watch,
    launcher: Arc<dyn Launcher>,
}

impl Agents {
    /// Leaves them at work.
    pub(crate) async fn leave(&self) {
        self.watch.leave().await;
    }

    /// Another run has taken them over.
    pub(crate) async fn abandon(&self) {
        self.watch.end().await;
    }

    /// Dismisses all of them.
    pub(crate) async fn dismiss(&self) {
        self.watch.dismiss(&*self.launcher).await;
    }
}

/// Waits until no agent in `home` works for an earlier run. Agents that this run can use stay. The caller must hold the
/// lock of `home`.
///
/// # Errors
///
/// The home directory cannot be read or written.
pub(crate) fn recall(home: &Home, elsewhere: Option<&Elsewhere>, tell: &Tell) -> Result<Roster, Failure> {
    let keep = elsewhere.map(|elsewhere| (elsewhere.wanted.places, elsewhere.launcher.starts_again()));
    let mut said = None;
    let mut wait = |left: usize, elapsed: Duration| {
        let due = said.is_none_or(|at: Duration| (elapsed - at).as_secs() >= 30);
        if due && elapsed > Duration::from_secs(1) {
            said = Some(elapsed);
            let time = duration(elapsed.as_secs_f64());
            tell.say(match left {
                0 => format!("waiting until the last logs of an earlier run's agents can be read here ({time})"),
                _ => format!(
                    "waiting for {} of an earlier run to checkpoint or to disappear ({time})",
                    plural(left, "agent")
                ),
            });
        }
    };
    let roster = spool::recall(home, (agents::delay(home)?, keep), &mut wait).map_err(Failure::environment)?;
    if roster.has_agents() {
        tell.say(format!("continuing with agents of an earlier run: {}", roster.words()));
    }
    Ok(roster)
}
