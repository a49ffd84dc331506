//! `sweep run`: trains what of one or more sweep files is not done yet.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use indicatif::MultiProgress;
use signal_hook::consts::SIGUSR1;
use signal_hook::flag;
use tokio::sync::oneshot;

use super::afterwards::{Sum, measure_rest};
use super::asked::{Asked, ask, distinct, fit, new_jobs, register};
use super::beside::Beside;
use super::busy::{self, BusyGpus};
use super::cohorts::Cohorts;
use super::detach;
use super::earlier;
use super::early;
use super::home::absolute;
use super::init::advice;
use super::load::Around;
use super::lock::take;
use super::logging;
use super::next::{self, Next};
use super::on::{On, elsewhere, warn_of_place};
use super::policy::{PolicyArgs, some_seconds};
use super::prepare::{ensure, wanted};
use super::progress::{Progress, bars, say};
use super::reading::{block_on, check_known, failure, stopped_short, unwritten_failure};
use super::slots::{SlotArgs, check_precision, check_present};
use super::summary::{closing, command_line, ended_early, failures, opening, say_left_alone};
use super::table::plural;
use super::team::{Team, dry_run, interrupted, recall};
use super::terminal::variable;
use super::trainers::{self};
use super::words::operands;
use super::{Exit, Failure, Global, report};
use sweep_plan::Limits;
use sweep_plan::slot::{Device, Slot};
use sweep_run::executor::Crew;
use sweep_run::executor::orphans::{self, Mark};
use sweep_run::state::referee::Wanted;
use sweep_run::state::{Ending, Finish, Settings};
use sweep_run::{Lock, Options, Orders, Outcomes, RunError, Workplace};
use sweep_spec::id::JobId;
use sweep_spec::job::Task;
use sweep_spec::policy::Policy;
use sweep_store::orphaned_attempts;
use sweep_wire::status::Status;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sweep files; a job that is in several of them trains once
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    slots: SlotArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Seconds between checkpoints; 0 saves one only when a run stops
    #[arg(long, value_name = "S", default_value_t = 60)]
    checkpoint_seconds: u64,
    /// Stop a worker that has been silent for so many seconds, and kill it if it does not stop; 0 never does
    #[arg(long, value_name = "S", default_value_t = 1800)]
    silence_seconds: u64,
    /// Train on agents on other machines that share the home directory: `ssh:HOST,HOSTxN` (N workers there), or `slurm` or
    /// `launch`, as the sweep file says under `run:`
    #[arg(long, value_name = "WHERE", value_parser = On::parse)]
    on: Option<On>,
    /// With --on: show how agents would be started, ask Slurm whether it would take them, and start nothing
    #[arg(long, requires = "on")]
    dry_run: bool,
    /// With --on: where the run is interrupted, leave agents at work until the cohorts that they have are at their end; the same command goes on
    /// with them [default: at a terminal it asks, else they stop after a checkpoint]
    #[arg(long, requires = "on")]
    keep: bool,
    /// With --on slurm: have Slurm run this command itself, as a job of one core, and return
    #[arg(long, requires = "on")]
    detach: bool,
    /// This is such a job
    #[arg(long, hide = true)]
    detached: bool,
    /// What to do with GPUs in --devices whose memory other programs use
    #[arg(long, value_enum, default_value_t = BusyGpus::Leave)]
    busy_gpus: BusyGpus,
    /// Train as many seeds of each cell as fit into so much time (90s, 15m, 2h, 1d), and end after that; what is done before takes none of it
    #[arg(long, value_name = "TIME", value_parser = some_seconds)]
    budget: Option<f64>,
    /// Train finished jobs again that lack scores of earlier steps (`score.every`); on the CPU to the same bits
    #[arg(long)]
    rescore_history: bool,
    /// If another run is at work in the same home directory, wait for it instead of giving up
    #[arg(long)]
    wait: bool,
    /// Serve a page that follows the run, as `sweep serve` does, on this port or a free one, until the run ends
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    serve: Option<u16>,
    /// Do not print a report at the end
    #[arg(long)]
    no_report: bool,
}

/// Where a run trains.
struct Way {
    team: Team,
    limits: Limits,
    /// What a budget is planned for.
    slots: Vec<Slot>,
    /// One of its slots, where what is trained is measured afterwards.
    slot: Slot,
    /// Whether a worker of the user's own trains.
    own: bool,
    workplace: Workplace,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    if args.files.is_empty() {
        return Err(Failure::usage(advice("run", Path::new("."))));
    }
    let data = absolute(&global.data_root()?)?;
    let around = Around { root: &data, global: Some(global) };
    let asked = args.files.iter().map(|file| ask(file, around)).collect::<Result<Vec<_>, _>>()?;
    distinct(&asked, &args.files)?;
    if args.rescore_history && asked.iter().any(|asked| asked.wanted.is_any()) {
        return Err(Failure::usage(
            "--rescore-history trains again what is done, and `prune` or `stop` may stop it: leave these out of the file for that run",
        ));
    }
    if args.budget.is_some() && asked.len() > 1 {
        return Err(Failure::usage("--budget is for one sweep file: give each its own run"));
    }
    // Of several files the first that says something counts.
    let policy = asked.iter().fold(Policy::default(), |policy, asked| policy.or(asked.policy.clone()));
    let name = asked.iter().map(|asked| asked.name.as_str()).collect::<Vec<_>>().join("-");
    let elsewhere = args.on.as_ref().map(|on| elsewhere(global, on, (&name, &policy, &args.slots))).transpose()?;
    if let Some(elsewhere) = elsewhere.as_ref().filter(|_| args.dry_run) {
        return dry_run(elsewhere, args.detach);
    }
    if let Some(elsewhere) = elsewhere.as_ref().filter(|_| args.detach) {
        return detach::submit(&global.absolute_home()?, elsewhere, None);
    }
    let successor = elsewhere.clone().filter(|_| args.detached);
    let slots = match &elsewhere {
        Some(elsewhere) => vec![elsewhere.slot.clone()],
        None => args.slots.slots()?,
    };
    for (asked, file) in asked.iter().zip(&args.files) {
        check_precision(file.display(), "--devices", asked.tasks.iter().map(|task| &*task.job.blueprint), &slots)?;
    }

    let worker = variable("SWEEP_WORKER");
    for (asked, file) in asked.iter().zip(&args.files) {
        trainers::check(file, &asked.folder, &asked.trainers, worker.is_some())?;
    }

    let files = args.files.iter().zip(&asked);
    let folders = trainers::folders(files.map(|(file, of)| (file.as_path(), of.folder.as_path(), &of.trainers)))?;

    let home = global.absolute_home()?;
    // It stands in orders and in the database.
    if home.path().to_str().is_none() {
        return Err(Failure::usage(format!("--home {} must be in UTF-8", home.display())));
    }
    // Orders go to workers as lines.
    if home.path().as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(Failure::usage("--home must not have a line break in its path"));
    }
    // One that is started again after its machine was lost may be taken for at work for a while.
    let wait = args.wait || args.detached;
    let lock = take(wait, || Lock::take(&home))?;
    // Of a run that was killed.
    sweep_run::forget(&home);
    let workplace = global.workplace(&home)?;
    let results = global.db.clone().unwrap_or_else(|| global.home.database());
    workplace.note().into_iter().for_each(say);
    let _database = take(wait, || Lock::take_database(&workplace.database, &home))?;
    // Only now is it certain that nobody else is at work here, even where a home directory has no locks.
    let roster = recall(&home, elsewhere.as_ref())?;
    if elsewhere.is_some() {
        warn_of_place(&home);
    }
    // Who has locked a home is the only one whose workers may be at work there; they may hold memory of a GPU.
    let left = orphans::end(&Mark::all(&home));
    if !left.is_empty() {
        say(format!("ended processes that an earlier run had left behind: {left:?}"));
    }
    sweep_run::sweep_up(&home).map_err(Failure::environment)?;
    let slots = if elsewhere.is_some() { slots } else { busy::free(slots, args.busy_gpus)? };
    let bars = bars();
    logging::to_file(&home, global.verbose, &bars)?;
    if worker.is_none() {
        // A trainer of the user's own looks after devices and data itself.
        if elsewhere.is_none() {
            check_present(&slots)?;
        }
        ensure(&data, asked.iter().flat_map(|asked| wanted(&asked.tasks)))?;
    }

    let limits = args.slots.limits(&slots, 0, &home)?;
    let own = worker.is_some();
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
    let team = match elsewhere {
        None => Team::Here(Crew::local(worker, slots, &limits.kinds, &home).map_err(Failure::environment)?),
        Some(elsewhere) => Team::Elsewhere(elsewhere, roster),
    };
    let orders = Orders::new(home, data, args.checkpoint_seconds);
    let keeps = asked.iter().flat_map(|asked| asked.keeps.iter().copied()).collect();
    let settings = args.policy.settings(asked.iter().map(|asked| &asked.policy), args.silence_seconds);
    let options = Options {
        orders: Orders { keeps, folders, ..orders },
        // The protocol asks no worker of a user's own to hear of anything but a signal while it trains.
        settings: Settings { control: !own, ..settings },
        interrupted: interrupted(args.keep || args.detached),
        hold: lock.hold(),
    };
    let way = Way { team, limits, slots: planned, slot, own, workplace };
    let _page = args.serve.map(|port| Beside::start(global, port)).transpose()?;
    let stopping = sweep_run::stopping();
    let names: Vec<String> = asked.iter().map(|asked| asked.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Workers die with the thread that starts them: everything runs on this one.
    let exit = block_on(train((asked, args.rescore_history, args.budget), options, way, &bars))?;
    // Training has heard of signals; what comes after it ends by them as anything does.
    let trained = Arc::new(AtomicBool::new(true));
    for signal in stopping {
        flag::register_conditional_default(signal, Arc::clone(&trained)).map_err(Failure::environment)?;
    }
    match exit {
        exit @ (Exit::Ok | Exit::JobsFailed) => {
            let judged = if args.no_report { Exit::Ok } else { report::short(global, &names)? };
            say(format!("results: {} (`sweep report {}`)", results.display(), operands(&names)));
            Ok(if exit == Exit::Ok { judged } else { exit })
        }
        // Its time is over; what is left is for another job.
        Exit::Signal(signal) if i32::from(signal) == SIGUSR1 => match (successor, std::env::var("SLURM_JOB_ID")) {
            (Some(elsewhere), Ok(job)) => detach::submit(&global.absolute_home()?, &elsewhere, Some(&job)),
            _ => Ok(exit),
        },
        exit => Ok(exit),
    }
}

async fn train(
    (mut asked, rescore_history, budget): (Vec<Asked>, bool, Option<f64>),
    mut options: Options,
    Way { team, mut limits, slots, slot, own: own_worker, workplace }: Way,
    bars: &MultiProgress,
) -> Result<Exit, Failure> {
    let database = workplace.database.clone();
    let home = options.orders.home.clone();
    if fs::exists(&database).is_ok_and(|there| !there) {
        check_known(&database, &home, orphaned_attempts(&home).map_err(failure)?)?;
    }
    let store = sweep_run::open(&database).await.map_err(failure)?;
    let caught_up = store.catch_up(&home).await.map_err(failure)?;
    if caught_up > 0 {
        let attempts = plural(caught_up, "attempt");
        say(format!("{} did not have {attempts} of an earlier run yet, and has now", database.display()));
    }
    check_known(&database, &home, store.strangers(&home).await.map_err(failure)?)?;
    let renamed = store.renamed().await.map_err(failure)?;
    for new in asked.iter_mut().map(|asked| &mut asked.new).filter(|_| !renamed.is_empty()) {
        let jobs: HashSet<JobId> = new.entries.iter().map(|entry| entry.id).collect();
        new.renamed = renamed.iter().filter(|(_, job)| jobs.contains(job)).map(|(was, job)| (*was, *job)).collect();
    }
    let seconds = store.own_seconds().await.map_err(failure)?;
    asked.iter().for_each(|asked| trainers::plan_with(&mut limits, &asked.trainers, &seconds));
    if let Some(budget) = budget {
        options.settings.run_time = options.settings.run_time.min(budget);
        fit(&store, &mut asked, (budget, &seconds), (&slots, &limits)).await?;
    }
    let mut states = register(&store, &home, &mut asked, own_worker).await?;
    // Whoever goes on with this must know of the sweeps.
    workplace.publish().await.map_err(failure)?;
    let (training, ended) = oneshot::channel::<()>();
    let published = tokio::spawn(workplace.clone().keep_published(ended));
    let names: Vec<String> = asked.iter().map(|asked| asked.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let data = options.orders.data.clone();
    // What was trained before and is not scored as the file asks now may decide what is trained next.
    while asked.iter().any(Asked::waits) {
        let sum = match own_worker {
            true => Sum::default(),
            false => measure_rest((&store, &home, &data), &names, &slot, (&renamed, &HashSet::new())).await?,
        };
        if let Some(signal) = sum.signal {
            say(format!("stopped before training; go on with: {}", command_line()));
            return Ok(Exit::Signal(signal));
        }
        if sum.scores == 0 {
            asked.iter().for_each(Asked::wait_no_more);
        }
        for asked in &mut asked {
            let known = store.states(&asked.name).await.map_err(failure)?;
            let found = asked.advance((&store, &home), &known).await.map_err(stopped_short)?;
            states.extend(found.into_iter().flatten());
        }
    }
    options.orders.keeps.extend(asked.iter().flat_map(|asked| asked.keeps.iter().copied()));
    let of = asked.iter().map(|asked| (&asked.new, &asked.tasks[..]));
    let again = earlier::again(&store, &home, rescore_history.then_some(of)).await?;
    states.extend(again.iter().map(|job| (*job, Status::Pending)));
    let wanted: Vec<(String, Wanted)> = asked.iter().map(|asked| (asked.name.clone(), asked.wanted.clone())).collect();
    let wanted: Vec<(&str, &Wanted)> = wanted.iter().map(|(name, wanted)| (name.as_str(), wanted)).collect();
    let referee = early::referee(&store, &wanted).await.map_err(failure)?;
    early::reopen_and_say((&store, &home), &referee, &mut states).await?;
    for (was, job) in &renamed {
        options.orders.was.entry(*job).or_default().push(*was);
    }
    let mut begun = sweep_run::resumed(&store, &names).await.map_err(failure)?;
    // Who was begun when the file asked for other scores begins anew where these are to decide.
    begun.retain(|work| work.open().all(|job| referee.is_scored_by(job, &work.cohort().scores)));
    let mut new = new_jobs(&asked, &states, &begun);
    let may_come = |task: &&Task| states.get(&task.id).is_none_or(|state| !state.is_final());
    let open = asked.iter().flat_map(Asked::all).filter(may_come);
    // What is trained again is to be measured from its start on.
    let open = open.filter(|task| !again.contains(&task.id));
    // What a shorter training was scored as on its way decides nothing here.
    let open = open.filter(|task| !referee.looks_at(task.id));
    let longer = earlier::find(&store, &home, (open, rescore_history)).await?;
    new.iter_mut().for_each(|task| task.earlier = longer.get(&task.id).copied());
    earlier::notes(&store, new.iter()).await?.into_iter().for_each(say);
    options.orders.after = longer.clone();
    let all: Vec<Task> = match wanted.iter().any(|(_, wanted)| !wanted.contests.is_empty()) {
        true => asked.iter().flat_map(Asked::all).cloned().collect(),
        false => Vec::new(),
    };
    let open = begun.iter().map(|work| work.open().count()).sum::<usize>() + new.len();
    let start = Instant::now();
    let outcomes = if open == 0 {
        say(opening(&states, &names, None));
        if let (_, Some(agents)) = team.gather(&home, &options.hold) {
            agents.dismiss().await;
        }
        None
    } else {
        let expected = team.expected();
        let (crew, agents) = team.gather(&home, &options.hold);
        let coming = Rc::new(Cell::new(next::coming(&asked)));
        let watch = agents.as_ref().map(|agents| agents.watch.clone());
        let mut progress = Progress::new(bars.clone(), crew.slots, watch).then(Rc::clone(&coming));
        let opening = |cohorts, slots| opening(&states, &names, Some((open, cohorts, slots)));
        let (store, home) = (&store, &home);
        let known = asked.iter().flat_map(Asked::all).map(|task| task.id).collect();
        let next = Next { store, home, asked: &mut asked, known, longer: &longer, wanted: &wanted, all: &all, coming };
        let mut cohorts = Cohorts { begun, new, limits, referee, next, own_worker, bars, expected, opening: &opening };
        let result = sweep_run::run(store, options, crew, &mut cohorts, &mut progress).await;
        progress.clear();
        let left = result.as_ref().is_ok_and(|of| of.summary.finish == Finish::Early(Ending::Left));
        match agents {
            Some(agents) if left => agents.leave().await,
            Some(agents) if matches!(result, Err(RunError::TakenOver { .. })) => agents.abandon().await,
            Some(agents) => agents.dismiss().await,
            None => {}
        }
        Some(result.map_err(stopped_short)?)
    };
    // What trainers of the user's own leave is looked at when they leave it.
    let own = |task: &&Task| task.job.blueprint.own().is_some() && states.get(&task.id) != Some(&Status::Done);
    let looked_at = asked.iter().flat_map(Asked::all).filter(own).map(|task| task.id).collect();
    let is_whole =
        outcomes.as_ref().is_none_or(|of| of.unwritten.is_none() && matches!(of.summary.finish, Finish::Complete));
    let measured = match is_whole && !own_worker {
        true => measure_rest((&store, &home, &data), &names, &slot, (&renamed, &looked_at)).await,
        false => Ok(Sum::default()),
    };
    let waits = is_whole && asked.iter().any(Asked::waits);
    // A copy that is being made must not replace the last one.
    drop(training);
    let _ = published.await;
    workplace.publish().await.map_err(failure)?;
    store.close().await;
    if fs::exists(&database).is_ok_and(|there| !there) {
        return Err(Failure::environment(format!(
            "{} is gone: it was removed while the run was at work; `sweep rebuild` makes it anew",
            database.display()
        )));
    }

    let before = |state| states.values().filter(|before| **before == state).count();
    let (failed, cancelled) = (before(Status::Failed), before(Status::Cancelled));
    // What was trained is said whatever became of measuring.
    let end = |measured: Result<Sum, Failure>, failed: bool| -> Result<Exit, Failure> {
        let Sum { signal, failed: unmeasured, .. } = measured?;
        if waits && signal.is_none() {
            say(format!("more follows from what was measured just now: {}", command_line()));
        }
        if let Some(signal) = signal {
            say(format!("stopped; go on with: {}", command_line()));
            return Ok(Exit::Signal(signal));
        }
        Ok(if failed || !unmeasured.is_empty() { Exit::JobsFailed } else { Exit::Ok })
    };
    let Some(Outcomes { summary, signal, learnt, unwritten, last_words }) = outcomes else {
        say_left_alone(failed, cancelled);
        return end(measured, failed > 0);
    };
    let _ = sweep_run::learn(&home, &learnt).map_err(Failure::environment)?;
    if learnt.values().flat_map(|of| of.values()).any(|measured| measured.limit.is_some()) {
        let file = home.measured();
        let file = file.display();
        say(format!(
            "cohorts were out of memory and halved; {file} remembers what fits: delete it if others had taken the memory"
        ));
    }
    if summary.finish == Finish::Early(Ending::Asked) && summary.jobs() == 0 {
        say(format!("stopped before training; go on with: {}", command_line()));
        return Ok(signal.map_or(Exit::Internal, Exit::Signal));
    }
    if summary.jobs() > 0 {
        say(closing(&summary, start.elapsed()));
    }
    if let Some(unwritten) = unwritten {
        return Err(unwritten_failure(&unwritten, &database, &home));
    }
    match &summary.finish {
        Finish::Early(ending) => {
            if !summary.failed.is_empty() {
                say(failures(&summary, open));
            }
            let exit = ended_early(ending, signal, &last_words)?;
            say(format!("go on with: {}", command_line()));
            return Ok(exit);
        }
        Finish::Complete => {}
    }
    if !summary.failed.is_empty() {
        say(failures(&summary, summary.jobs().max(open)));
    }
    say_left_alone(failed, cancelled);
    end(measured, !summary.failed.is_empty() || failed > 0)
}
