//! A run: trains what of one or more sweep files is not done yet.

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
    /// All is done, also where all was done before.
    Done,
    /// Some jobs failed.
    JobsFailed,
    /// It was asked to stop, by this signal if it was by one.
    Stopped(Option<u8>),
    /// Its time was over, and a batch system starts another process that goes on.
    HandedOn,
}

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// Sweep files; a job that is in several of them trains once.
    pub files: Vec<PathBuf>,
    /// Where to train, if that is here; elsewhere, the threads of each worker.
    pub slots: SlotChoice,
    /// When to give up; it beats what the files say.
    pub policy: Policy,
    /// Seconds between checkpoints; 0 saves one only when a run stops.
    pub checkpoint_seconds: u64,
    /// Seconds after which a worker that says nothing is stopped; 0 never does.
    pub silence_seconds: u64,
    /// Where to train, if not here.
    pub on: Option<On>,
    /// What becomes of workers elsewhere where the run is interrupted.
    pub interrupted: Interrupted,
    /// What becomes of GPUs whose memory others use.
    pub busy_gpus: BusyGpus,
    /// Seconds into which the training is to fit, as many seeds of it as do.
    pub budget: Option<f64>,
    /// Whether finished jobs are trained again that lack scores of earlier steps.
    pub rescore_history: bool,
    /// Whether to wait for another run that is at work in the same home directory.
    pub wait: bool,
    /// The port of a page that follows the run, 0 for a free one.
    pub page: Option<u16>,
    /// The command that goes on with the run, as a person types it.
    pub again: String,
    /// The words of the command that a batch system starts to go on with it, where this one was started so.
    pub successor: Option<Vec<String>>,
}

/// Who has asked for a run, and shows how it goes.
pub trait Front {
    /// Who hears of events.
    fn tell(&self) -> &Tell;

    /// From now on a log may be kept in `home`, whose lock is held.
    ///
    /// # Errors
    ///
    /// It cannot be kept there.
    fn keep_log(&self, home: &Home) -> Result<(), Failure>;

    /// Who sees how training goes on so many slots: those of agents where `watch` is there. `coming` is what follows once that has ended.
    fn observer(&self, slots: usize, watch: Option<Watch>, coming: Rc<Cell<Coming>>) -> Box<dyn Observer>;
}

/// A run whose files are read, and that has not begun.
pub struct Run<'a> {
    places: &'a Places,
    request: Request,
    data: PathBuf,
    sweeps: Vec<SweepInRun>,
    elsewhere: Option<Elsewhere>,
}

/// A run that has ended. The home directory and its page stay this process's as long as this is there.
pub struct Ended {
    /// How.
    pub end: End,
    /// The names of its sweeps.
    pub names: Vec<String>,
    /// The results database.
    pub results: PathBuf,
    _page: Option<LivePage>,
    _locks: [Lock; 2],
}

impl<'a> Run<'a> {
    /// Reads the files, and makes ready the data sets at paths that they name.
    ///
    /// # Errors
    ///
    /// A file cannot be read or has mistakes, or something does not go together.
    pub fn read(places: &'a Places, request: Request, tell: &Tell) -> Result<Self, Failure> {
        let data = absolute(&places.data_root()?)?;
        let around = Around { root: &data, places: Some(places), tell };
        let sweeps = request.files.iter().map(|file| sweeps::read(file, around)).collect::<Result<Vec<_>, _>>()?;
        distinct(&sweeps, &request.files)?;
        if request.rescore_history && sweeps.iter().any(|sweep| sweep.wanted.is_any()) {
            return Err(Failure::usage(
                "--rescore-history trains again what is done, and `prune` or `stop` may stop it: leave these out of the file for that run",
            ));
        }
        if request.budget.is_some() && sweeps.len() > 1 {
            return Err(Failure::usage("--budget is for one sweep file: give each its own run"));
        }
        // Of several files the first that says something counts.
        let policy = sweeps.iter().fold(Policy::default(), |policy, sweep| policy.or(sweep.policy.clone()));
        let name = sweeps.iter().map(|sweep| sweep.name.as_str()).collect::<Vec<_>>().join("-");
        let of = |on: &On| elsewhere(places, on, (&name, &policy, &request.slots));
        let elsewhere = request.on.as_ref().map(of).transpose()?;
        Ok(Run { places, request, data, sweeps, elsewhere })
    }

    /// The agents that are to train, where they are to.
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }

    /// Hands the run to Slurm, as a job of its own that does what `command` says.
    ///
    /// # Errors
    ///
    /// Slurm does not take it, or is not where agents come from.
    pub fn detach(&self, command: &[String], tell: &Tell) -> Result<(), Failure> {
        let Some(elsewhere) = &self.elsewhere else { return Err(Failure::internal("a run that is here is detached")) };
        detach::submit(&self.places.absolute_home()?, elsewhere, (command, None), tell)
    }

    /// Trains what is not done yet, and measures what training does not. Must be called on a thread that lives as long as the process: workers die
    /// with the thread that starts them.
    ///
    /// # Errors
    ///
    /// What is missing or broken; another run is at work in the same place.
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
        // Of a run that was killed.
        sweep_run::forget(&home);
        let workplace = places.workplace(&home)?;
        let results = places.db.clone().unwrap_or_else(|| places.home.database());
        tell.say_all(workplace.note());
        let database = take(request.wait, tell, || Lock::take_database(&workplace.database, &home))?;
        // Only now is it certain that nobody else is at work here, even where a home directory has no locks.
        let roster = recall(&home, elsewhere.as_ref(), tell)?;
        if elsewhere.is_some() {
            warn_of_place(&home, tell);
        }
        end_leftovers(&home, tell)?;
        let slots = if elsewhere.is_some() { slots } else { busy_gpus::free(slots, request.busy_gpus, tell)? };
        front.keep_log(&home)?;
        if !own {
            // A trainer of the user's own looks after devices and data itself.
            if elsewhere.is_none() {
                check_present(&slots, tell)?;
            }
            ensure(&data, tell, sweeps.iter().flat_map(|sweep| wanted(&sweep.tasks)))?;
        }

        let limits = request.slots.limits(&slots, 0, &home)?;
        // What is trained elsewhere is measured here, where there may be no GPU.
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
            // The protocol asks no worker of a user's own to hear of anything but a signal while it trains.
            settings: Settings { control: !own, ..settings },
            interrupted: request.interrupted,
            hold: lock.hold(),
        };
        let resources = Resources { team, limits, slots: planned, slot, own, workplace };
        let page = request.page.map(|port| LivePage::start(places, port, tell)).transpose()?;
        let stopping = sweep_run::stopping();
        let names: Vec<String> = sweeps.iter().map(|sweep| sweep.name.clone()).collect();
        // Workers die with the thread that starts them: everything runs on this one.
        let mut end = block_on(train(sweeps, &request, options, resources, front))?;
        // Training has heard of signals; what comes after it ends by them as anything does.
        let trained = Arc::new(AtomicBool::new(true));
        for signal in stopping {
            flag::register_conditional_default(signal, Arc::clone(&trained)).map_err(Failure::environment)?;
        }
        // Its time is over; what is left is for another job.
        if end == End::Stopped(Some(SIGUSR1 as u8))
            && let (Some((words, elsewhere)), Ok(job)) = (successor, std::env::var("SLURM_JOB_ID"))
        {
            detach::submit(&places.absolute_home()?, &elsewhere, (words, Some(&job)), tell)?;
            end = End::HandedOn;
        }
        Ok(Ended { end, names, results, _page: page, _locks: [database, lock] })
    }
}

/// Whether `slots` and this machine have what the jobs of `sweeps`, each from its file, need. Where trainers of the user's own are started, by the
/// blueprints of their jobs. `own`: a worker of the user's own trains.
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

/// Whether `home` has a path that others can be told.
fn check_home(home: &Home) -> Result<(), Failure> {
    // It stands in orders and in the database.
    if home.path().to_str().is_none() {
        return Err(Failure::usage(format!("--home {} must be in UTF-8", home.display())));
    }
    // Orders go to workers as lines.
    if home.path().as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(Failure::usage("--home must not have a line break in its path"));
    }
    Ok(())
}

/// Ends processes of an earlier run, and takes away what it has left that nobody needs. The lock of `home` must be held: who has it is the only one
/// whose workers may be at work there, and they may hold memory of a GPU.
fn end_leftovers(home: &Home, tell: &Tell) -> Result<(), Failure> {
    let left = orphans::end(&Mark::all(home));
    if !left.is_empty() {
        tell.say(format!("ended processes that an earlier run had left behind: {left:?}"));
    }
    sweep_run::sweep_up(home).map_err(Failure::environment)?;
    Ok(())
}

/// What the state machine is told: `flags` beat files, and of several files the first that says something counts.
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
