//! A run: trains the jobs of one or more sweep files that are not done yet.

pub mod agents;
pub(crate) mod cohorts;
mod detach;
pub(crate) mod following;
pub(crate) mod live_page;
pub(crate) mod summary;
pub(crate) mod sweeps;
mod team;
mod train;

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGUSR1;
use signal_hook::flag;

use crate::budget::Budget;
use crate::busy_gpus::{self, BusyGpus};
use crate::database::block_on;
use crate::environment::variable;
use crate::locks::take;
use crate::places::absolute;
use crate::prepare::{ensure, wanted};
use crate::slots::{SlotChoice, check_precision, check_present};
use crate::sweep_file::Around;
use crate::{Failure, Places, Tell, own_trainers};
use agents::{Elsewhere, On, elsewhere, warn_of_place};
pub use following::Coming;
use live_page::LivePage;
use sweep_plan::slot::{Device, Slot};
use sweep_run::executor::Crew;
use sweep_run::executor::orphans::{self, Mark};
use sweep_run::spool::Watch;
use sweep_run::state::Settings;
use sweep_run::{Interrupted, Lock, Observer, Options, Orders};
use sweep_spec::id::BlueprintId;
use sweep_spec::policy::{OnMaxFailures, Policy};
use sweep_wire::home::Home;
use sweeps::{SweepInRun, distinct};
use team::{Team, recall};
use train::{Resources, train};

/// How an operation on jobs has ended that did what it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is done, now or before.
    Done,
    /// Some jobs failed.
    JobsFailed,
    /// It was asked to stop, by this signal if it was a signal.
    Stopped(Option<u8>),
    /// Its time was over, and a batch system starts another process that continues.
    HandedOn,
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Sweep files. A job that is in several of them trains once.
    pub files: Vec<PathBuf>,
    /// Where to train if on this machine; otherwise only the threads of each worker.
    pub slots: SlotChoice,
    /// When to give up. Overrides the files.
    pub policy: Policy,
    /// Seconds between checkpoints; 0 saves one only when a run stops.
    pub checkpoint_seconds: u64,
    /// Seconds after which a silent worker is stopped; 0 never stops one.
    pub silence_seconds: u64,
    /// Where to train, if not on this machine.
    pub on: Option<On>,
    /// What happens to workers on other machines if the run is interrupted.
    pub interrupted: Interrupted,
    /// What to do about GPUs whose memory others use.
    pub busy_gpus: BusyGpus,
    /// Trains only as many seeds as fit into this.
    pub budget: Option<Budget>,
    /// Whether to train finished jobs again that lack scores of earlier steps.
    pub rescore_history: bool,
    /// Whether to wait for another run in the same home directory.
    pub wait: bool,
    /// The port of a page that shows the run's progress; 0 for a free one.
    pub page: Option<u16>,
    /// The command that continues the run, as a person types it.
    pub again: String,
    /// The words of the command with which a batch system continues the run, if one started it.
    pub successor: Option<Vec<String>>,
}

/// The caller of a run, which shows its progress.
pub trait Front {
    /// Returns what receives events.
    fn tell(&self) -> &Tell;

    /// From now on, a log may be written to `home`, whose lock is held.
    ///
    /// # Errors
    ///
    /// The log cannot be written.
    fn keep_log(&self, home: &Home) -> Result<(), Failure>;

    /// Returns what shows the progress of training on this many slots; with `watch`, on agents. `coming`: what follows
    /// after that.
    fn observer(&self, slots: usize, watch: Option<Watch>, coming: Rc<Cell<Coming>>) -> Box<dyn Observer>;
}

/// A run whose files are read and that has not started.
pub struct Run<'a> {
    places: &'a Places,
    request: Request,
    data: PathBuf,
    sweeps: Vec<SweepInRun>,
    elsewhere: Option<Elsewhere>,
}

/// A run that has ended. As long as this value exists, the process keeps the home directory locked and the page open.
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// The names of its sweeps.
    pub names: Vec<String>,
    /// The results database.
    pub results: PathBuf,
    _page: Option<LivePage>,
    _locks: [Lock; 2],
}

impl<'a> Run<'a> {
    /// Reads the files, and prepares the data sets at paths that they name.
    ///
    /// # Errors
    ///
    /// A file cannot be read or has mistakes, or options contradict each other.
    pub fn read(places: &'a Places, request: Request, tell: &Tell) -> Result<Self, Failure> {
        let data = absolute(&places.data_root()?)?;
        let around = Around { root: &data, places: Some(places), tell };
        let sweeps = request.files.iter().map(|file| sweeps::read(file, around)).collect::<Result<Vec<_>, _>>()?;
        distinct(&sweeps, &request.files)?;
        if request.rescore_history && sweeps.iter().any(|sweep| sweep.wanted.is_any()) {
            return Err(Failure::usage(
                "--rescore-history trains finished jobs again, and `prune` or `stop` could stop them: leave these out \
                of the file for that run",
            ));
        }
        if request.budget.is_some() && sweeps.len() > 1 {
            return Err(Failure::usage("--budget takes only one sweep file: start one run for each file"));
        }
        // If several files set something, the first counts.
        let policy = sweeps.iter().fold(Policy::default(), |policy, sweep| policy.or(sweep.policy.clone()));
        let name = sweeps.iter().map(|sweep| sweep.name.as_str()).collect::<Vec<_>>().join("-");
        let of = |on: &On| elsewhere(places, on, (&name, &policy, &request.slots));
        let elsewhere = request.on.as_ref().map(of).transpose()?;
        Ok(Run { places, request, data, sweeps, elsewhere })
    }

    /// Returns the agents that train, if the run uses agents.
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }

    /// Hands the run to Slurm, as a separate job that runs `command`.
    ///
    /// # Errors
    ///
    /// Slurm does not accept it, or Slurm is not what starts agents.
    pub fn detach(&self, command: &[String], tell: &Tell) -> Result<(), Failure> {
        let Some(elsewhere) = &self.elsewhere else {
            return Err(Failure::internal("a run on this machine cannot be detached"));
        };
        detach::submit(&self.places.absolute_home()?, elsewhere, (command, None), tell)
    }

    /// Trains what is not done yet, and measures what training does not. Must be called on a thread that lives as long
    /// as the process: workers die with the thread that starts them.
    ///
    /// # Errors
    ///
    /// Something is missing or broken, or another run is at work in the same place.
    pub fn train(self, front: &dyn Front) -> Result<Ended, Failure> {
        let Run { places, request, data, sweeps, elsewhere } = self;
        let tell = front.tell();
        let slots = match &elsewhere {
            Some(elsewhere) => vec![elsewhere.slot.clone()],
            None => request.slots.slots(tell)?,
        };
        let worker = variable("SWEEP_WORKER");
        let own = worker.is_some();
        let folders = check(&sweeps, &request.files, &slots, own)?;
        let home = places.absolute_home()?;
        check_home(&home)?;

        let lock = take(request.wait, tell, || Lock::take(&home))?;
        // Requests to a run that was killed.
        sweep_run::forget(&home);
        let workplace = places.workplace(&home)?;
        let results = places.db.clone().unwrap_or_else(|| places.home.database());
        tell.say_all(workplace.note());
        let database = take(request.wait, tell, || Lock::take_database(&workplace.database, &home))?;
        // Only now is it certain that no one else is at work here, even if a home directory has no locks.
        let roster = recall(&home, elsewhere.as_ref(), tell)?;
        if elsewhere.is_some() {
            warn_of_place(&home, tell);
        }
        end_leftovers(&home, tell)?;
        let slots = if elsewhere.is_some() { slots } else { busy_gpus::free(slots, request.busy_gpus, tell)? };
        front.keep_log(&home)?;
        if !own {
            // An own trainer handles devices and data itself.
            if elsewhere.is_none() {
                check_present(&slots, tell)?;
            }
            ensure(&data, tell, sweeps.iter().flat_map(|sweep| wanted(&sweep.tasks)))?;
        }

        let limits = request.slots.limits(&slots, 0, &home)?;
        // Jobs trained on other machines are measured on this one, which may have no GPU.
        let slot = match elsewhere.is_some() {
            true => Slot { device: Device::Cpu, threads: slots[0].threads },
            false => slots[0].clone(),
        };
        let planned = match &elsewhere {
            None => slots.clone(),
            Some(elsewhere) => {
                slots.iter().cycle().take(elsewhere.wanted.agents * elsewhere.wanted.places).cloned().collect()
            }
        };
        let successor = request.successor.as_deref().and_then(|words| Some((words, elsewhere.clone()?)));
        let team = match elsewhere {
            None => Team::Here(Crew::local(worker, slots, &limits.kinds, &home).map_err(Failure::environment)?),
            Some(elsewhere) => Team::Elsewhere(elsewhere, roster),
        };
        let orders = Orders::new(home, data, request.checkpoint_seconds);
        let keeps = sweeps.iter().flat_map(|sweep| sweep.keeps.iter().copied()).collect();
        let settings = settings(&request.policy, sweeps.iter().map(|sweep| &sweep.policy), request.silence_seconds);
        let options = Options {
            orders: Orders { keeps, folders, ..orders },
            // The protocol does not require a SWEEP_WORKER to react to anything but signals while it trains.
            settings: Settings { control: !own, ..settings },
            interrupted: request.interrupted,
            hold: lock.hold(),
        };
        let resources = Resources { team, limits, slots: planned, slot, own, workplace };
        let page = request.page.map(|port| LivePage::start(places, port, tell)).transpose()?;
        let stopping = sweep_run::stopping();
        let names: Vec<String> = sweeps.iter().map(|sweep| sweep.name.clone()).collect();
        // Workers die with the thread that starts them, so everything runs on this one.
        let mut end = block_on(train(sweeps, &request, options, resources, front))?;
        // Signals were handled by training. From here on they end the process as usual.
        let trained = Arc::new(AtomicBool::new(true));
        for signal in stopping {
            flag::register_conditional_default(signal, Arc::clone(&trained)).map_err(Failure::environment)?;
        }
        // The time is over, and another job does what is left.
        if end == End::Stopped(Some(SIGUSR1 as u8))
            && let (Some((words, elsewhere)), Ok(job)) = (successor, std::env::var("SLURM_JOB_ID"))
        {
            detach::submit(&places.absolute_home()?, &elsewhere, (words, Some(&job)), tell)?;
            end = End::HandedOn;
        }
        Ok(Ended { end, names, results, _page: page, _locks: [database, lock] })
    }
}

/// Checks that `slots` and this machine have what the jobs of `sweeps`, each from its file, need. Returns the folders
/// in which own trainers start, by the blueprints of their jobs. `own`: SWEEP_WORKER trains.
fn check(
    sweeps: &[SweepInRun],
    files: &[PathBuf],
    slots: &[Slot],
    own: bool,
) -> Result<HashMap<BlueprintId, PathBuf>, Failure> {
    for (sweep, file) in sweeps.iter().zip(files) {
        check_precision(file.display(), "--devices", sweep.tasks.iter().map(|task| &*task.job.blueprint), slots)?;
    }
    for (sweep, file) in sweeps.iter().zip(files) {
        own_trainers::check(file, &sweep.folder, &sweep.trainers, own)?;
    }
    let files = files.iter().zip(sweeps);
    own_trainers::folders(files.map(|(file, of)| (file.as_path(), of.folder.as_path(), &of.trainers)))
}

/// Checks that the path of `home` can be passed on.
fn check_home(home: &Home) -> Result<(), Failure> {
    // The path is written to orders and to the database.
    if home.path().to_str().is_none() {
        return Err(Failure::usage(format!("--home {} must be in UTF-8", home.display())));
    }
    // Orders go to workers as lines.
    if home.path().as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(Failure::usage("--home must not have a line break in its path"));
    }
    Ok(())
}

/// Ends processes of an earlier run, and removes files that it left and no one needs. The caller must hold the lock of
/// `home`, which means that no other run's workers may be at work there. They may hold GPU memory.
fn end_leftovers(home: &Home, tell: &Tell) -> Result<(), Failure> {
    let left = orphans::end(&Mark::all(home));
    if !left.is_empty() {
        tell.say(format!("killed processes that an earlier run left behind: {left:?}"));
    }
    sweep_run::sweep_up(home).map_err(Failure::environment)?;
    Ok(())
}

/// Returns the settings of the state machine. `flags` override files; if several files set something, the first counts.
fn settings<'a>(flags: &Policy, files: impl Iterator<Item = &'a Policy>, silence_seconds: u64) -> Settings {
    let policy = files.fold(flags.clone(), |policy, file| policy.or(file.clone()));
    let usual = Settings::default();
    Settings {
        tries: policy.retries.map_or(usual.tries, |retries| retries.saturating_add(1)),
        backoff: policy.backoff.unwrap_or(usual.backoff),
        silence: if silence_seconds == 0 { f64::INFINITY } else { silence_seconds as f64 },
        grace: usual.grace,
        job_time: policy.job_time.unwrap_or(usual.job_time),
        run_time: policy.run_time.unwrap_or(usual.run_time),
        max_failures: policy.max_failures.map_or(usual.max_failures, |most| most as usize),
        finish_running: policy.on_max_failures != Some(OnMaxFailures::Stop),
        control: usual.control,
        pace: usual.pace,
    }
}
