//! An agent runs on another machine than its orchestrator. It starts workers, gives them orders, and reports their
//! state.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::super::executor::{Executor, Local, Report};
use super::super::signals::{Asked, Signals};
use super::agent_state::{Act, AgentState};
use super::lease::Lease;
use super::remote::Times;
use super::roster::{said, said_in, silence};
use super::trouble::Trouble;
use sweep_plan::slot::{Kinds, Slot};
use sweep_system::clock::awake;
use sweep_system::whole::{self, Survives};
use sweep_wire::agent::AgentFolder;
use sweep_wire::home::Home;
use sweep_wire::log;
use sweep_wire::spool::{self, End, Hello, Said, Seat, Sheet, Told};

/// How much of a worker's stderr its agent reports, in bytes. The rest is in the worker's log.
const WORDS: usize = 4000;
/// How long workers may take to end. A checkpoint of a large cohort takes seconds.
const GRACE: Duration = Duration::from_secs(90);
/// The least time between two reports.
const SAY: Duration = Duration::from_millis(100);

/// The settings of an agent.
#[derive(Debug)]
pub struct Agent {
    /// The home directory, absolute.
    pub home: Home,
    /// Its number.
    pub number: usize,
    /// The worker program to start instead of this executable.
    pub worker: Option<std::ffi::OsString>,
    /// The slots on which its workers train.
    pub slots: Vec<Slot>,
    /// The kinds of the slots' devices.
    pub kinds: Kinds,
    /// Bytes that a cohort may use on each slot, if known.
    pub bytes: Option<u64>,
    /// The name of its machine.
    pub host: String,
    /// The batch system's name for it.
    pub job: Option<String>,
    /// It exits after this many seconds without work.
    pub idle: f64,
    /// It exits after running for this many seconds.
    pub time: Option<f64>,
    /// Seconds until changes of files are seen everywhere.
    pub delay: f64,
}

/// Follows its orchestrator until it is dismissed, its time is over, or it has had no work for too long. Must be called
/// on a thread that lives as long as the process. Returns why it ended.
///
/// # Errors
///
/// Its files cannot be written, or signals cannot be received.
pub async fn serve(agent: Agent) -> io::Result<String> {
    let times = Times::of(agent.delay);
    let folder = agent.home.agent(agent.number);
    make(folder.path())?;
    make(&agent.home.logs())?;
    let (sender, mut reports) = mpsc::unbounded_channel();
    let first = agent.number * agent.slots.len();
    let seats = agent.slots.iter().enumerate().map(|(at, slot)| Seat {
        slot: slot.clone(),
        kind: agent.kinds.of(slot.device),
        first: agent.slots[..at].iter().all(|other| other.device != slot.device),
        bytes: agent.bytes,
    });
    let hello = Hello { host: agent.host.clone(), job: agent.job.clone(), places: seats.collect() };
    let local = Local::new(agent.worker.clone(), agent.slots.clone(), &agent.kinds, (&agent.home, first), sender)?;
    let mut keeper = Keeper {
        state: AgentState::new(name(&agent.host), hello),
        local,
        folder,
        times,
        lease: None,
        said: None,
        is_written: false,
        news: true,
        worked: Instant::now(),
        signals: 0,
        ending: None,
        trouble: Trouble::default(),
    };

    let start = Instant::now();
    let mut signals = Signals::new()?;
    if let Some(other) = others(&agent.home, agent.number, times, &mut signals).await {
        return Ok(other);
    }
    keeper.lease = Some(Lease::new(&agent.home, times.lease)?);
    let mut tick = tokio::time::interval(Duration::from_secs_f64(times.look));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(report) = reports.recv() => {
                keeper.hear(report);
                while let Ok(report) = reports.try_recv() {
                    keeper.hear(report);
                }
            }
            (signal, asked) = signals.next() => keeper.signalled(signal, asked),
            _ = tick.tick() => {
                if agent.time.is_some_and(|time| start.elapsed().as_secs_f64() > time) {
                    keeper.leave("its time is over".to_owned());
                }
                keeper.look(agent.idle);
            }
        }
        if keeper.say() {
            return Ok(keeper.state.leaving().unwrap_or_default().to_owned());
        }
    }
}

/// Waits until no other agent with this number can be alive, unless that one's last report says that it is gone. If
/// this agent is not needed, returns why.
async fn others(home: &Home, number: usize, times: Times, signals: &mut Signals) -> Option<String> {
    let there = || said(home, number).filter(|said| !said.gone).map(|said| (said.agent, said.beat));
    let before = there()?;
    let patience = Duration::from_secs_f64(times.lost - silence(&home.agent(number), times));
    let start = Instant::now();
    while start.elapsed() < patience {
        tokio::select! {
            _ = signals.next() => return Some("it was told to end".to_owned()),
            () = tokio::time::sleep(Duration::from_secs_f64(times.look)) => {}
        }
        match there() {
            Some(now) if now != before => return Some(format!("another agent of this number is at work: {}", now.0)),
            Some(_) => {}
            None => break,
        }
    }
    None
}

/// Makes a folder unless it exists.
fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir_all(folder) {
        // Another machine has made it, and this one does not see it yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
    }
}

/// Returns a name that no other agent has.
fn name(host: &str) -> String {
    let at = sweep_system::clock::now();
    format!("{host}-{}-{}", std::process::id(), (at * 1e3) as u64)
}

struct Keeper {
    state: AgentState,
    local: Local,
    folder: AgentFolder,
    times: Times,
    lease: Option<Lease>,
    said: Option<Instant>,
    /// Others know of it.
    is_written: bool,
    /// There is something new to report.
    news: bool,
    /// When it last had work.
    worked: Instant,
    /// How many times it was asked to stop.
    signals: u32,
    /// Since when its workers have been ending.
    ending: Option<Instant>,
    trouble: Trouble,
}

impl Keeper {
    fn hear(&mut self, report: Report) {
        self.news = true;
        match report {
            Report::Alive { slot } => {
                let acts = self.state.printed(slot, last(&self.local.words(slot)), log::ended);
                self.act(acts);
            }
            Report::Exited { slot, status, clue, .. } => {
                let words = last(&self.local.words(slot));
                let clue = clue.map(|clue| clue.name().to_owned());
                self.state.exited(slot, (status, clue, words), log::length);
            }
            Report::Joined { .. } | Report::Leaving { .. } | Report::Left { .. } | Report::Stranded { .. } => {}
        }
    }

    fn leave(&mut self, why: String) {
        if self.state.leaving().is_none() {
            let acts = self.state.leave(why);
            self.act(acts);
        }
    }

    fn signalled(&mut self, signal: Signal, asked: Asked) {
        match asked {
            // A second signal means at once.
            Asked::Stop if self.state.leaving().is_some() && self.signals > 0 => {
                let acts = self.state.end_all(End::Now);
                self.act(acts);
            }
            Asked::Stop | Asked::Warned => {
                self.signals += u32::from(asked == Asked::Stop);
                if self.state.leaving().is_none() {
                    let why = format!("its agent was told to end (signal {})", signal.as_raw());
                    // A warned agent has used up its time.
                    let acts = if asked == Asked::Stop { self.state.is_ended(why) } else { self.state.leave(why) };
                    self.act(acts);
                }
            }
            // The batch system does that to all of its processes.
            Asked::Suspend | Asked::Continue => {}
        }
    }

    /// Acts on what the orchestrator has told it so far.
    fn look(&mut self, idle: f64) {
        if let Some(told) = fs::read(self.folder.orders()).ok().and_then(|text| spool::read(&text)) {
            let acts = self.state.told(&told, is_there);
            self.act(acts);
            self.give_way(&told);
        }
        // Workers that were asked to end may hang.
        let since = self.ending.filter(|_| self.state.is_ending());
        self.ending = self.state.is_ending().then(|| since.unwrap_or_else(Instant::now));
        if self.ending.is_some_and(|since| since.elapsed() > GRACE) {
            let acts = self.state.end_all(End::Now);
            self.act(acts);
        }
        if self.state.last_logs().any(|log| log::ended(log).is_none()) {
            self.worked = Instant::now();
        } else if self.worked.elapsed().as_secs_f64() > idle + 2.0 * self.times.delay {
            // Others need this long to see the agent and to send it work.
            self.leave(format!("nothing to do for {idle} s"));
        }
    }

    /// Leaves if another agent with its number is at work and follows the orchestrator: that one has overwritten this
    /// one's reports.
    fn give_way(&mut self, told: &Told) {
        let is_other = |said: &Said| said.agent == told.agent && !said.gone;
        if self.is_written && !self.state.is(&told.agent) && said_in(&self.folder).as_ref().is_some_and(is_other) {
            self.leave(format!("another agent of this number is at work: {}", told.agent));
        }
    }

    fn act(&mut self, acts: Vec<Act>) {
        self.news |= !acts.is_empty();
        for act in acts {
            match act {
                Act::Start(place) => {
                    if let Err(error) = self.local.start(place) {
                        self.state.exited(place, (error.to_string(), None, String::new()), log::length);
                    }
                }
                Act::Send(place, sheet) => self.local.send(place, &sheet.path),
                Act::Close(place) => self.local.close(place),
                Act::Stop(place) => self.local.stop(place),
                Act::Kill(place) => self.local.kill(place),
                Act::Forget(place) => drop(self.local.over(place)),
            }
        }
    }

    /// Reports its state if there is news or a sign of life is due. Returns whether this was the last report.
    fn say(&mut self) -> bool {
        let due = |after: Duration| self.said.is_none_or(|said| said.elapsed() >= after);
        let beat = Duration::from_secs_f64(self.times.beat);
        let leaves = self.state.leaving().is_some() && !self.state.is_busy();
        let pause = SAY.max(Duration::from_secs_f64(self.times.look / 2.0));
        if !(leaves || due(beat) || self.news && due(pause)) {
            return false;
        }
        // Others must be able to read what was added to a log before they learn that it has grown.
        if self.times.delay > 1.0 {
            self.state.logs().for_each(flush);
        }
        let said = self.state.said();
        let write = || whole::write(&self.folder.state(), &spool::write(&said)?, Survives::PowerCut);
        self.said = Some(Instant::now());
        let at = awake();
        match write() {
            Ok(()) => {
                (self.news, self.is_written) = (false, true);
                // Others may have seen the report long before this process learns that it was written.
                if self.lease.as_mut().is_some_and(|lease| lease.extend(at).is_err()) && !said.gone {
                    self.lease = None;
                    self.leave("the process that watches over it was killed".to_owned());
                    // If this process were suspended now, no one would end the workers.
                    let acts = self.state.end_all(End::Now);
                    self.act(acts);
                }
                said.gone
            }
            Err(error) => {
                self.trouble.say(&self.folder.state(), &error);
                false
            }
        }
    }
}

/// Whether an order's file is visible here in its right version.
fn is_there(sheet: &Sheet) -> bool {
    fs::read(&sheet.path).is_ok_and(|text| spool::digest(&text) == sheet.digest)
}

fn flush(path: &Path) {
    // What cannot be flushed now is flushed when the worker ends.
    let _ = fs::File::options().append(true).open(path).and_then(|file| file.sync_data());
}

/// Returns the end of a text, from the start of a line.
fn last(text: &str) -> String {
    let start = text.len().saturating_sub(WORDS);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    let rest = &text[start..];
    match rest.split_once('\n') {
        Some((_, whole)) if start > 0 => whole.to_owned(),
        _ => rest.to_owned(),
    }
}
