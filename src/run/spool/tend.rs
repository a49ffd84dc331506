//! Reads agents' reports, writes the messages to them, and starts more agents. This is done in parallel with the run,
//! since a network file system may be slow.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::spawn_blocking;

use super::super::Hold;
use super::super::executor::{Place, Report};
use super::super::state::Clue;
use super::fleet::Ask;
use super::launch::Launcher;
use super::remote::{News, Times};
use super::roster::{Known, Roster, said};
use super::trouble::Trouble;
use super::{Shared, State};
use sweep_system::whole::{self, Survives};
use sweep_wire::log::length;
use sweep_wire::spool::{self, Said, Told};

/// Urgent writes wait this long, and are done together with those that follow.
const TOGETHER: Duration = Duration::from_millis(10);
/// How many lines of an agent's log are shown if no agent starts.
const LINES: usize = 10;

/// Runs until all agents are dismissed.
pub(super) async fn tend(
    shared: Arc<Shared>,
    times: Times,
    launcher: Arc<dyn Launcher>,
    reports: UnboundedSender<Report>,
) {
    let (reported, asks, trouble) = Default::default();
    let mut tender = Tender { shared, times, launcher, reports, stranded: None, reported, asks, trouble };
    let look = Duration::from_secs_f64(times.look);
    while !tender.shared.state().ended {
        tender.turn().await;
        tokio::select! {
            () = tokio::time::sleep(look) => {}
            () = tender.shared.news.notified() => tokio::time::sleep(TOGETHER).await,
        }
    }
}

struct Tender {
    shared: Arc<Shared>,
    times: Times,
    launcher: Arc<dyn Launcher>,
    reports: UnboundedSender<Report>,
    /// The reason why no agent will come.
    stranded: Option<String>,
    /// Reports that wait until the roster is written.
    reported: Vec<Report>,
    asks: Vec<Ask>,
    trouble: Trouble,
}

impl Tender {
    async fn turn(&mut self) {
        // Numbers that were never asked for have no reports.
        let numbers: Vec<usize> = {
            let state = self.shared.state();
            let asked = state.fleet.handles();
            (0..state.remotes.len()).filter(|n| asked.contains_key(n) || !state.remotes[*n].is_free()).collect()
        };
        let home = self.shared.home.clone();
        // While a file system hung, a silent agent may have reported since the last check.
        let now = self.shared.now();
        let read = spawn_blocking(move || numbers.into_iter().map(|n| (n, said(&home, n))).collect::<Vec<_>>());
        let read: Vec<(usize, Option<Said>)> = read.await.unwrap_or_default();

        let (reports, asks, roster) = self.decide(now, read);
        if reports.iter().any(|report| matches!(report, Report::Joined { .. })) {
            // The system that starts them has recovered.
            self.stranded = None;
        }
        self.reported.extend(reports);
        self.asks.extend(asks);
        // The next orchestrator must know all agents that may have orders or may come.
        if let Some(roster) = roster {
            let home = self.shared.home.clone();
            let known = roster.clone();
            let hold = self.shared.hold.clone();
            let saved = spawn_blocking(move || still(&hold).and_then(|()| roster.save(&home))).await;
            if let Err(error) = saved.unwrap_or_else(|error| Err(io::Error::other(error))) {
                self.trouble.say(&self.shared.home.fleet(), &error);
                return;
            }
            self.shared.state().roster = known;
        }
        for report in std::mem::take(&mut self.reported) {
            // After the end of the run there is no receiver.
            let _ = self.reports.send(report);
        }
        self.write().await;
        let hold = self.shared.hold.clone();
        if !self.asks.is_empty() && spawn_blocking(move || still(&hold).is_err()).await.unwrap_or_default() {
            return;
        }
        for ask in std::mem::take(&mut self.asks) {
            self.ask(ask);
        }
        self.strand();
    }

    /// Returns what to report, to ask for, and to save.
    fn decide(&self, now: f64, read: Vec<(usize, Option<Said>)>) -> (Vec<Report>, Vec<Ask>, Option<Roster>) {
        let mut state = self.shared.state();
        let State { remotes, fleet, .. } = &mut *state;
        let (mut reports, mut asks) = (Vec::new(), Vec::new());
        for (number, said) in read {
            let remote = &mut remotes[number];
            let was_free = remote.is_free();
            let is_gone = said.as_ref().is_some_and(|said| said.gone);
            let may_return = said.as_ref().is_some_and(|said| said.returns);
            let is_other = said.as_ref().is_some_and(|said| said.agent != remote.told().agent);
            let news = remote.look(now, said, length);
            if news.iter().any(|news| matches!(news, News::Joined(_))) {
                fleet.is_up(number);
            }
            if !was_free && remote.is_free() {
                // An agent that hangs must not come back under a number that belongs to another by then.
                let is_lost = news.contains(&News::Lost);
                let handle = fleet.handle(number).filter(|_| is_lost && !is_other);
                asks.extend(handle.map(|handle| Ask::Cancel(vec![handle])));
                // Or its launcher has started it again.
                let was_expected = !remote.is_known() && may_return;
                let returns = news.contains(&News::Left { returns: true }) || is_lost && is_other || was_expected;
                fleet.is_gone(now, number, returns && self.launcher.starts_again());
            } else if is_gone && !remote.is_known() {
                // It left before anyone noticed.
                let forget = fleet.came_and_went(now, number, may_return && self.launcher.starts_again());
                asks.extend(forget.then_some(Ask::Forget(number)));
            }
            let places = remote.told().workers.len();
            news.into_iter().for_each(|news| self.report(number, places, news, &mut reports));
        }
        let waiting = state.waiting;
        if !state.closing {
            asks.extend(state.fleet.step(now, waiting));
        }
        let remotes = &state.remotes;
        let fleet = &state.fleet;
        let known = |(number, handle): (usize, Option<String>)| {
            let since = fleet.since(number).map(|since| self.shared.wall(since));
            (number, Known { handle, there: !remotes[number].is_free(), since })
        };
        let agents: BTreeMap<usize, Known> = fleet.handles().into_iter().map(known).collect();
        let places = state.remotes.first().map_or(0, |remote| remote.told().workers.len());
        let roster = Roster { agents, places, ..state.roster.clone() };
        let news = (roster != state.roster).then_some(roster);
        (reports, asks, news)
    }

    fn report(&self, number: usize, places: usize, news: News, reports: &mut Vec<Report>) {
        let slot = |place: usize| number * places + place;
        match news {
            News::Joined(hello) => {
                tracing::info!(agent = number, host = hello.host, job = hello.job, "an agent has joined");
                for (at, seat) in hello.places.iter().enumerate() {
                    let name = format!("agent-{number}/{}/{at}", seat.slot.device);
                    let (kind, first, bytes) = (seat.kind.clone(), seat.first, seat.bytes);
                    let place = Place { slot: seat.slot.clone(), kind, first, name, bytes };
                    reports.push(Report::Joined { slot: slot(at), place });
                }
            }
            News::Leaving => reports.extend((0..places).map(|at| Report::Leaving { slot: slot(at) })),
            News::Left { .. } | News::Lost => {
                tracing::info!(agent = number, "an agent is gone");
                reports.extend((0..places).map(|at| Report::Left { slot: slot(at) }));
            }
            News::Alive(at) => reports.push(Report::Alive { slot: slot(at) }),
            News::Exited(at, worker, exit) => {
                let (status, clue) = match exit {
                    Some(exit) => (exit.status, exit.clue.as_deref().and_then(Clue::named)),
                    None => {
                        let seconds = self.times.lost;
                        (format!("its agent did not report for {seconds} s"), Some(Clue::Lost))
                    }
                };
                reports.push(Report::Exited { slot: slot(at), worker, status, clue });
            }
        }
    }

    /// Writes the messages to agents.
    async fn write(&mut self) {
        let now = self.shared.now();
        let news: Vec<(usize, Told)> = {
            let mut state = self.shared.state();
            let remotes = state.remotes.iter_mut().enumerate();
            remotes.filter_map(|(number, remote)| Some((number, remote.news(now)?))).collect()
        };
        if news.is_empty() {
            return;
        }
        let home = self.shared.home.clone();
        let hold = self.shared.hold.clone();
        let write = move || -> Vec<(usize, io::Error)> {
            let failed = news.into_iter().filter_map(|(number, told)| {
                let write = || {
                    still(&hold).and_then(|()| {
                        whole::write(&home.agent(number).orders(), &spool::write(&told)?, Survives::PowerCut)
                    })
                };
                Some((number, write().err()?))
            });
            failed.collect()
        };
        for (number, error) in spawn_blocking(write).await.unwrap_or_default() {
            self.trouble.say(&self.shared.home.agent(number).orders(), &error);
            self.shared.state().remotes[number].unwritten();
        }
    }

    fn ask(&mut self, ask: Ask) {
        let (shared, launcher) = (Arc::clone(&self.shared), Arc::clone(&self.launcher));
        match ask {
            Ask::Launch(numbers) => {
                tracing::info!(agents = ?numbers, "asking {} for agents", self.launcher.name());
                tokio::spawn(async move {
                    let (home, asked) = (shared.home.clone(), numbers.clone());
                    let launched = spawn_blocking(move || {
                        for number in &asked {
                            let folder = home.agent(*number);
                            fs::create_dir_all(folder.path()).map_err(|error| error.to_string())?;
                            // This is the report of an earlier agent that is gone. It must not be taken for the new
                            // one's.
                            let _ = whole::remove(&folder.state());
                            whole::sweep_up(folder.path());
                        }
                        launcher.launch(&asked)
                    });
                    let result = launched.await.unwrap_or_else(|error| Err(error.to_string()));
                    if let Err(why) = &result {
                        // The user is told if this continues.
                        tracing::info!("agents could not be started: {why}");
                    }
                    let now = shared.now();
                    let mut state = shared.state();
                    let asks = state.fleet.launched(now, &numbers, result);
                    state.asks.extend(asks);
                });
            }
            Ask::Look(handles) => drop(tokio::spawn(async move {
                let looked_for = handles.clone();
                let result = spawn_blocking(move || launcher.look(&looked_for)).await;
                match result.unwrap_or_else(|error| Err(error.to_string())) {
                    Ok(queue) => {
                        let now = shared.now();
                        let mut state = shared.state();
                        let asks = state.fleet.seen(now, &handles, &queue);
                        state.asks.extend(asks);
                    }
                    Err(why) => tracing::warn!("the state of agents is unknown: {why}"),
                }
            })),
            Ask::Forget(number) => {
                let state = shared.home.agent(number).state();
                drop(spawn_blocking(move || whole::remove(&state)));
            }
            Ask::Cancel(handles) => drop(spawn_blocking(move || launcher.cancel(&handles))),
            Ask::GiveUp(number, why) => self.stranded = Some(self.words(number, why)),
        }
    }

    /// Returns why no agent comes, with the last words of one.
    fn words(&self, number: Option<usize>, why: String) -> String {
        let why = format!("{} cannot start agents: {why}", self.launcher.name());
        let Some(number) = number else { return why };
        let log = self.launcher.log(&self.shared.home, number);
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last: String =
            lines[lines.len().saturating_sub(LINES)..].iter().map(|line| format!("\n  {line}")).collect();
        if last.is_empty() {
            format!("{why} ({} is empty)", log.display())
        } else {
            format!("{why}; the end of {}:{last}", log.display())
        }
    }

    /// Reports that no agent will come, once none is left.
    fn strand(&mut self) {
        let asks = std::mem::take(&mut self.shared.state().asks);
        asks.into_iter().for_each(|ask| self.ask(ask));
        let Some(message) = &self.stranded else { return };
        let state = self.shared.state();
        if state.remotes.iter().all(super::remote::Remote::is_free) && state.fleet.standing().1 == 0 {
            let _ = self.reports.send(Report::Stranded { message: message.clone() });
            drop(state);
            self.stranded = None;
        }
    }
}

/// Fails if another orchestrator has taken over, and nothing is written then. The run notices this, too, and ends.
fn still(hold: &Hold) -> io::Result<()> {
    hold.lost_to().map_or(Ok(()), |by| Err(io::Error::other(format!("another `sweep run` has taken over ({by})"))))
}
