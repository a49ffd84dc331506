//! Workers on other machines: what they are to do goes into files on a file system that all share, one folder an agent.
//!
//! `remote` is what is known of an agent, `agent_state` the agent's side of it, `fleet` how many of them are asked for: they decide, purely.
//! [`Spool`] and `agent` read and write. Nobody claims anything, so that no lock is needed between machines: the orchestrator assigns.

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

/// So long may the last that is told take to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of agents that are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// At most so many.
    pub agents: usize,
    /// Workers of each.
    pub places: usize,
    /// Seconds without work after which one leaves.
    pub idle: f64,
    /// Seconds after which changes of files are seen on all machines.
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

/// What the executor and who tends the files share.
struct Shared {
    home: Home,
    /// Where that is lost, nothing is this one's any more.
    hold: Hold,
    state: Mutex<State>,
    /// There is something to write.
    news: Notify,
    start: Instant,
    /// When that was, in seconds since the Unix epoch.
    began: f64,
}

struct State {
    remotes: Vec<Remote>,
    fleet: Fleet,
    roster: Roster,
    /// So many orders wait that there is no place for.
    waiting: usize,
    /// What is to be done about agents.
    asks: Vec<fleet::Ask>,
    /// No agents are asked for any more.
    closing: bool,
    /// All is over.
    ended: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Such a time in whole seconds since the Unix epoch.
    fn wall(&self, now: f64) -> f64 {
        (self.began + now).round()
    }
}

impl Spool {
    /// Workers of such agents, started by `launcher`; of those that `roster` knows of the ones that are there go on. Must be called in a runtime.
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

    /// The remote of a slot, and the place of it there.
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
            // Somebody hears it: this is theirs.
            let _ = self.reports.send(Report::Exited { slot, worker, status, clue: Some(Clue::Lost) });
        }
        Ok(worker)
    }

    fn send(&mut self, slot: usize, order: &Path) {
        // It was written by this process just now; one that cannot be read is told to be another, and so never taken.
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

    // A Ctrl-Z stops this process; agents on other machines go on, as far as they know what to do.
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

/// Sees how it stands with the agents of a run.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    times: Times,
    /// Who reads and writes files until all is over.
    tender: Arc<tokio::sync::Mutex<JoinHandle<()>>>,
}

impl Watch {
    /// How many are there, how many wait for their turn, and why, as far as that is known.
    pub fn standing(&self) -> (usize, usize, Option<String>) {
        self.shared.state().fleet.standing()
    }

    /// Leaves all agents at work, once they know all that they were told.
    pub async fn leave(&self) {
        self.shared.state().closing = true;
        self.shared.news.notify_one();
        let start = Instant::now();
        while start.elapsed() < PATIENCE && self.shared.state().remotes.iter().any(Remote::is_dirty) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.end().await;
    }

    /// Leaves them to whoever has taken them over. Nothing is written any more once this returns.
    pub async fn end(&self) {
        self.shared.state().ended = true;
        self.shared.news.notify_one();
        let _ = (&mut *self.tender.lock().await).await;
    }

    /// Dismisses all agents, takes back those that wait, and ends those that do not go by themselves.
    pub async fn dismiss(&self, launcher: &dyn Launcher) {
        let start = Instant::now();
        self.shared.state().closing = true;
        let patience = Duration::from_secs_f64(10.0 + 2.0 * self.times.delay + self.times.beat);
        loop {
            // Those that were being asked for when it was over have yet to get their names, and one may come just now.
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
        // The last to go are crossed out, too.
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
