//! An agent: on another machine than its orchestrator it starts workers, hands them orders, and says how they are.

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

/// What is kept of what a worker says, in what its agent says: the rest is in its log.
const WORDS: usize = 4000;
/// So long may workers take to end; a checkpoint of a large cohort takes seconds.
const GRACE: Duration = Duration::from_secs(90);
/// How often what has changed is said at most.
const SAY: Duration = Duration::from_millis(100);

/// What an agent needs to know.
#[derive(Debug)]
pub struct Agent {
    /// The home directory, absolute.
    pub home: Home,
    /// Its number.
    pub number: usize,
    /// The worker to start instead of this executable.
    pub worker: Option<std::ffi::OsString>,
    /// Where its workers train.
    pub slots: Vec<Slot>,
    /// Of which kind the slots' devices are.
    pub kinds: Kinds,
    /// Bytes that a cohort may take on each, where that is known.
    pub bytes: Option<u64>,
    /// The name of its machine.
    pub host: String,
    /// What the batch system calls it.
    pub job: Option<String>,
    /// Without work for so many seconds, it exits.
    pub idle: f64,
    /// It exits once it has run for so many seconds.
    pub time: Option<f64>,
    /// Seconds after which changes of files are seen everywhere.
    pub delay: f64,
}

/// Does what it is told until it is dismissed, its time is over, or there has been nothing to do for long. Must be called on a thread that lives
/// as long as the process. Why it ended.
///
/// # Errors
///
/// Its files cannot be written, or signals not received.
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

/// Waits until it is clear that no other agent of this number lives: one whose last word was not that it is gone. Why this one is not needed,
/// where it is not.
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

/// Makes a folder, unless it is there.
fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir_all(folder) {
        // Another machine has made it, and it is not seen here yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()))),
    }
}

/// No other agent's.
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
    /// There is something to say.
    news: bool,
    /// When it last had something to do.
    worked: Instant,
    /// How often it was asked to stop.
    signals: u32,
    /// Since when its workers are to end.
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
            // Whoever asks twice wants it at once.
            Asked::Stop if self.state.leaving().is_some() && self.signals > 0 => {
                let acts = self.state.end_all(End::Now);
                self.act(acts);
            }
            Asked::Stop | Asked::Warned => {
                self.signals += u32::from(asked == Asked::Stop);
                if self.state.leaving().is_none() {
                    let why = format!("its agent was told to end (signal {})", signal.as_raw());
                    // Who is warned has had its time.
                    let acts = if asked == Asked::Stop { self.state.is_ended(why) } else { self.state.leave(why) };
                    self.act(acts);
                }
            }
            // The batch system does that to all of its processes.
            Asked::Suspend | Asked::Continue => {}
        }
    }

    /// Does what it is told by now.
    fn look(&mut self, idle: f64) {
        if let Some(told) = fs::read(self.folder.orders()).ok().and_then(|text| spool::read(&text)) {
            let acts = self.state.told(&told, is_there);
            self.act(acts);
            self.give_way(&told);
        }
        // Who has let its workers end knows that they may hang.
        let since = self.ending.filter(|_| self.state.is_ending());
        self.ending = self.state.is_ending().then(|| since.unwrap_or_else(Instant::now));
        if self.ending.is_some_and(|since| since.elapsed() > GRACE) {
            let acts = self.state.end_all(End::Now);
            self.act(acts);
        }
        if self.state.last_logs().any(|log| log::ended(log).is_none()) {
            self.worked = Instant::now();
        } else if self.worked.elapsed().as_secs_f64() > idle + 2.0 * self.times.delay {
            // So long takes it until others know of it, and work that they have comes.
            self.leave(format!("nothing to do for {idle} s"));
        }
    }

    /// Leaves where another one of its number is at work, and is told what to do: it has written what it says over what this one says.
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

    /// Says how things are, where there is news or it is time for a sign of life. Whether that was the last time.
    fn say(&mut self) -> bool {
        let due = |after: Duration| self.said.is_none_or(|said| said.elapsed() >= after);
        let beat = Duration::from_secs_f64(self.times.beat);
        let leaves = self.state.leaving().is_some() && !self.state.is_busy();
        let pause = SAY.max(Duration::from_secs_f64(self.times.look / 2.0));
        if !(leaves || due(beat) || self.news && due(pause)) {
            return false;
        }
        // What the log has grown by is to be seen by others before they hear that it has.
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
                // Others may have seen it long before this process hears that it is there.
                if self.lease.as_mut().is_some_and(|lease| lease.extend(at).is_err()) && !said.gone {
                    self.lease = None;
                    self.leave("who watches over it was killed".to_owned());
                    // Nobody would end them, should this process stand still.
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

/// Whether an order's file can be seen as it is to be.
fn is_there(sheet: &Sheet) -> bool {
    fs::read(&sheet.path).is_ok_and(|text| spool::digest(&text) == sheet.digest)
}

fn flush(path: &Path) {
    // What cannot be flushed now is flushed when the worker ends.
    let _ = fs::File::options().append(true).open(path).and_then(|file| file.sync_data());
}

/// The end of a text, from the start of a line on.
fn last(text: &str) -> String {
    let start = text.len().saturating_sub(WORDS);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    let rest = &text[start..];
    match rest.split_once('\n') {
        Some((_, whole)) if start > 0 => whole.to_owned(),
        _ => rest.to_owned(),
    }
}
