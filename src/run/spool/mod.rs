//! Workers on other machines. Messages to them are files on a file system that all machines share, in one folder per
//! agent.
//!
//! `remote` knows one agent from the orchestrator's side, `agent_state` is the agent's own side, and `fleet` decides
//! how many agents to ask for. These are pure; [`Spool`] and `agent` read and write. The orchestrator assigns all work
//! and no agent claims any, which is why no locks between machines are needed.

mod agent;
mod agent_state;
mod fleet;
#[cfg(test)]
mod fleet_tests;
mod launch;
mod lease;
mod remote;
mod roster;
#[cfg(test)]
mod scale;
mod tend;
#[cfg(test)]
mod tests;
mod trouble;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::Hold;
use super::executor::{Crew, Executor, Report, StartError};
use super::state::{Clue, Pace};
use fleet::Fleet;
use remote::{Remote, Times};
use sweep_system::clock;
use sweep_wire::home::{AttemptFolder, Home};
use sweep_wire::spool::{End, Sheet, digest};

pub use agent::{Agent, serve};
pub use fleet::Queue;
pub use launch::Launcher;
pub use lease::watch;
pub use roster::{Roster, at_work, left, recall};

/// How long the last messages may take to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// The agents that a run wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The largest number of agents.
    pub agents: usize,
    /// Workers of each.
    pub places: usize,
    /// Seconds without work after which an agent leaves.
    pub idle: f64,
    /// Seconds until all machines see changes of files.
    pub delay: f64,
}

/// Workers of agents on other machines.
pub struct Spool {
    places: usize,
    times: Times,
    /// The number of the last worker that was started.
    number: u32,
    shared: Arc<Shared>,
    reports: mpsc::UnboundedSender<Report>,
}

/// What the executor shares with the task that reads and writes files.
struct Shared {
    home: Home,
    /// If this is lost, another orchestrator has taken over and nothing may be written.
    hold: Hold,
    state: Mutex<State>,
    /// There is something to write.
    news: Notify,
    start: Instant,
    /// When it started, in seconds since the Unix epoch.
    began: f64,
}

struct State {
    remotes: Vec<Remote>,
    fleet: Fleet,
    roster: Roster,
    /// This many orders wait for a place.
    waiting: usize,
    /// What to do about agents.
    asks: Vec<fleet::Ask>,
    /// No more agents are asked for.
    closing: bool,
    /// Everything is over.
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Converts such a time to whole seconds since the Unix epoch.
    fn wall(&self, now: f64) -> f64 {
        (self.began + now).round()
    }
}

impl Spool {
    /// Makes a crew of workers of such agents, which `launcher` starts. Continues with the agents of `roster` that are
    /// still there. Must be called in a runtime.
    pub fn crew(
        (home, hold): (Home, Hold),
        wanted: &Wanted,
        roster: Roster,
        launcher: Arc<dyn Launcher>,
    ) -> (Crew, Watch) {
        let (times, began) = (Times::of(wanted.delay), clock::now());
        let (sender, reports) = mpsc::unbounded_channel();
        let agents = wanted.agents.max(roster.agents.keys().next_back().map_or(0, |last| last + 1));
        let mut fleet = Fleet::new(wanted.agents, wanted.places, (wanted.idle, launcher.look_seconds(), wanted.delay))
            .with_room(agents);
        let mut remotes: Vec<Remote> = (0..agents).map(|_| Remote::new(roster.epoch, wanted.places, times)).collect();
        for (&number, known) in &roster.agents {
            // The clock may have been set since.
            let waited = known.since.map_or(0.0, |since| (began - since).max(0.0));
            fleet.adopt(-waited, number, known.handle.clone(), known.there);
            if known.there {
                remotes[number].expect();
            }
        }
        let state = State { remotes, fleet, roster, waiting: 0, asks: Vec::new(), closing: false, ended: false };
        let shared = Shared { home, hold, state: Mutex::new(state), news: Notify::new(), start: Instant::now(), began };
        let shared = Arc::new(shared);
        let tender = tokio::spawn(tend::tend(Arc::clone(&shared), times, launcher, sender.clone()));
        let watch = Watch { shared: Arc::clone(&shared), times, tender: Arc::new(tokio::sync::Mutex::new(tender)) };
        let spool = Spool { places: wanted.places, times, number: 0, shared, reports: sender };
        let slots = agents * wanted.places;
        (Crew { executor: Box::new(spool), reports, slots }, watch)
    }

    /// Finds the agent of a slot, and the slot's place there.
    fn with<T>(&self, slot: usize, act: impl FnOnce(&mut Remote, usize) -> T) -> T {
        let mut state = self.shared.state();
        let remote = &mut state.remotes[slot / self.places];
        let result = act(remote, slot % self.places);
        if remote.is_dirty() {
            self.shared.news.notify_one();
        }
        result
    }
}

impl Executor for Spool {
    fn start(&mut self, slot: usize) -> Result<u32, StartError> {
        self.number += 1;
        let worker = self.number;
        if !self.with(slot, |remote, place| remote.start(place, worker)) {
            let status = "its agent has just left".to_owned();
            // The receiver exists: the caller holds it.
            let _ = self.reports.send(Report::Exited { slot, worker, status, clue: Some(Clue::Lost) });
        }
        Ok(worker)
    }

    fn send(&mut self, slot: usize, order: &Path) {
        // This process wrote the order a moment ago. If it cannot be read, the agent is told the hash of an empty file,
        // and never takes it.
        let text = fs::read(order).unwrap_or_default();
        let events = AttemptFolder::events_beside(order);
        let sheet = Sheet { path: order.to_owned(), digest: digest(&text), events };
        self.with(slot, |remote, place| remote.send(place, sheet));
    }

    fn close(&mut self, slot: usize) {
        self.with(slot, |remote, place| remote.end(place, End::After));
    }

    fn stop(&mut self, slot: usize) {
        self.with(slot, |remote, place| remote.end(place, End::Soon));
    }

    fn kill(&mut self, slot: usize) {
        self.with(slot, |remote, place| remote.end(place, End::Now));
    }

    // Ctrl-Z suspends this process. Agents on other machines continue with the orders they have.
    fn suspend(&mut self) {}

    fn go_on(&mut self) {}

    fn pace(&self) -> Pace {
        let delay = 2.0 * (self.times.delay + self.times.look);
        Pace { delay, ahead_seconds: (4.0 * self.times.look).max(2.0), ahead: 32 }
    }

    fn look(&self) -> Duration {
        Duration::from_secs_f64(self.times.look)
    }

    fn outlives(&self) -> bool {
        true
    }

    fn wait_for(&mut self, orders: usize) {
        self.shared.state().waiting = orders;
    }

    fn over(&mut self, slot: usize) -> String {
        self.with(slot, |remote, place| remote.over(place))
    }

    fn late_words(&mut self, slot: usize) -> Vec<(u64, String)> {
        self.with(slot, |remote, place| remote.late_words(place))
    }
}

/// Shows the state of a run's agents.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    times: Times,
    /// The task that reads and writes files until everything is over.
    tender: Arc<tokio::sync::Mutex<JoinHandle<()>>>,
}

impl Watch {
    /// Returns how many agents are there, how many wait for their turn, and why, if known.
    pub fn standing(&self) -> (usize, usize, Option<String>) {
        self.shared.state().fleet.standing()
    }

    /// Leaves all agents at work once they know all their orders.
    pub async fn leave(&self) {
        self.shared.state().closing = true;
        self.shared.news.notify_one();
        let start = Instant::now();
        while start.elapsed() < PATIENCE && self.shared.state().remotes.iter().any(Remote::is_dirty) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.end().await;
    }

    /// Leaves the agents to the orchestrator that has taken over. Nothing is written after this returns.
    pub async fn end(&self) {
        self.shared.state().ended = true;
        self.shared.news.notify_one();
        let _ = (&mut *self.tender.lock().await).await;
    }

    /// Dismisses all agents, cancels those that wait, and ends those that do not leave by themselves.
    pub async fn dismiss(&self, launcher: &dyn Launcher) {
        let start = Instant::now();
        self.shared.state().closing = true;
        let patience = Duration::from_secs_f64(10.0 + 2.0 * self.times.delay + self.times.beat);
        loop {
            // Agents that were being asked for at the end still get their handles, and one may start just now.
            let (queued, all_gone) = {
                let mut state = self.shared.state();
                state.remotes.iter_mut().for_each(Remote::dismiss);
                let all_gone = state.remotes.iter().all(Remote::is_free) && !state.fleet.is_asking();
                (state.fleet.clear(), all_gone)
            };
            if self.shared.hold.lost_to().is_some() {
                return self.end().await;
            }
            if !queued.is_empty() {
                launcher.cancel(&queued);
            }
            if all_gone || start.elapsed() > patience {
                break;
            }
            self.shared.news.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left: Vec<String> = {
            let state = self.shared.state();
            let handles = state.fleet.handles();
            handles
                .into_iter()
                .filter(|(number, _)| !state.remotes[*number].is_free())
                .filter_map(|(_, of)| of)
                .collect()
        };
        self.end().await;
        if self.shared.hold.lost_to().is_some() {
            return;
        }
        if !left.is_empty() {
            launcher.cancel(&left);
        }
        // This also removes the last agents to leave.
        let roster = {
            let mut state = self.shared.state();
            let there = |number: &usize| !state.remotes[*number].is_free();
            let agents = state.roster.agents.iter().filter(|(number, _)| there(number));
            let roster = Roster {
                agents: agents.map(|(number, known)| (*number, known.clone())).collect(),
                ..state.roster.clone()
            };
            state.roster = roster.clone();
            roster
        };
        if let Err(error) = roster.save(&self.shared.home) {
            tracing::warn!("{}: {error}", self.shared.home.fleet().display());
        }
    }
}
