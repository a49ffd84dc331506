//! `sweep run`: trains what of one or more sweep files is not done yet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::MultiProgress;

use super::load::{Loaded, load};
use super::logging;
use super::progress::{Progress, duration};
use super::slots::SlotArgs;
use super::{Exit, Failure, Global};
use crate::data::{FileSet, Split};
use crate::plan::capacity::Speed;
use crate::plan::cohort::Cohort;
use crate::plan::plan;
use crate::plan::slot::{Device, Slot};
use crate::run::state::{Finish, Settings, Summary, Work};
use crate::run::{self, Lock, Options, Orders, Outcomes, RunError};
use crate::spec::id::JobId;
use crate::spec::job::Job;
use crate::store::{NewEntry, NewSweep, Store, StoreError};
use crate::wire::status::{Change, Status};

/// Failed jobs that are shown one by one at most.
const SHOWN: usize = 5;
/// Lines of a worker's stderr that are shown where no worker starts.
const WORDS: usize = 10;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sweep files; jobs that stand in several of them train once
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    slots: SlotArgs,
    /// How often a cohort whose worker dies or fails is tried again without getting any further
    #[arg(long, value_name = "N", default_value_t = 2)]
    retries: u32,
    /// Try jobs again that failed in earlier runs
    #[arg(long)]
    retry_failed: bool,
    /// Time between checkpoints; 0: only when stopped
    #[arg(long, value_name = "S", default_value_t = 60)]
    checkpoint_seconds: u64,
    /// Kill a worker that gives no sign of life for so long; 0: never
    #[arg(long, value_name = "S", default_value_t = 1800)]
    silence_seconds: u64,
    /// Do not print the report at the end
    #[arg(long)]
    no_report: bool,
}

/// A sweep file on its way.
struct Asked {
    name: String,
    jobs: Vec<(JobId, Job)>,
    new: NewSweep,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let slots = args.slots.slots()?;
    let asked = args.files.iter().map(|file| ask(file)).collect::<Result<Vec<_>, _>>()?;
    distinct(&asked, &args.files)?;

    let home = absolute(&global.home)?;
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let bars = MultiProgress::new();
    logging::to_file(&home, global.verbose, &bars)
        .map_err(|error| Failure::environment(format!("{}: {error}", home.join("logs").display())))?;
    let data = absolute(&global.data_root())?;
    let worker = std::env::var_os("SWEEP_WORKER").filter(|worker| !worker.is_empty());
    if worker.is_none() {
        // A trainer of the user's own looks after its data itself.
        check_data(&asked, &data)?;
    }

    let options = Options {
        orders: Orders { home, data, checkpoint_seconds: args.checkpoint_seconds },
        settings: Settings {
            tries: args.retries.saturating_add(1),
            silence: if args.silence_seconds == 0 { f64::INFINITY } else { args.silence_seconds as f64 },
        },
        slots,
        worker,
    };
    // Workers die with the thread that starts them: everything runs on this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    runtime.block_on(train(global, &args, asked, options, &bars))
}

async fn train(
    global: &Global,
    args: &Args,
    asked: Vec<Asked>,
    options: Options,
    bars: &MultiProgress,
) -> Result<Exit, Failure> {
    let database = global.database();
    let home = options.orders.home.clone();
    if !database.exists() && home.join("runs").exists() {
        tracing::warn!(
            "there are results in {} but no database {}: `sweep rebuild` brings them back, or all jobs train again",
            home.join("runs").display(),
            database.display()
        );
    }
    let store = Store::open(&database).await.map_err(stored)?;
    let states = register(&store, &home, &asked, args.retry_failed).await.map_err(stored)?;
    let works = works(&store, &asked, &states, args, &options).await?;

    let open: usize = works.iter().map(|work| work.open().count()).sum();
    eprintln!("{}", opening(&states, &asked, open, works.len(), options.slots.len()));
    let start = Instant::now();
    let outcomes = if works.is_empty() {
        None
    } else {
        let mut progress = Progress::new(bars.clone(), options.slots.len());
        let result = run::run(&store, options, works, &mut progress).await;
        progress.clear();
        Some(result.map_err(stopped_short)?)
    };
    store.close().await;

    let before = states.values().filter(|state| **state == Status::Failed).count();
    let Some(Outcomes { summary, signal, learnt, last_words }) = outcomes else {
        return Ok(nothing_to_do(before));
    };
    run::learn(&home, &learnt).map_err(Failure::environment)?;
    eprintln!("{}", closing(&summary, start.elapsed()));
    match &summary.finish {
        Finish::Hopeless(message) => return Err(hopeless(message, &last_words)),
        Finish::Stopped => {
            eprintln!("go on with: {}", command_line());
            return Ok(signal.map_or(Exit::Internal, Exit::Signal));
        }
        Finish::Complete => {}
    }
    let names: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
    eprintln!("results: {} (`sweep report {}`)", database.display(), names.join(" "));
    if summary.failed.is_empty() {
        return Ok(nothing_to_do(before));
    }
    eprintln!("{}", failures(&summary, open));
    Ok(Exit::JobsFailed)
}

/// Reads a sweep file.
fn ask(file: &Path) -> Result<Asked, Failure> {
    let Loaded { text, expansion } = load(file)?;
    let jobs = expansion.jobs();
    let value = |text: String| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
    let entry = |(ordinal, entry): (usize, crate::spec::expand::Entry)| NewEntry {
        ordinal: ordinal as u64,
        variant: entry.variant,
        axes: entry.axes.into_iter().map(|(key, text)| (key, value(text))).collect(),
        id: entry.id,
        job: entry.job,
    };
    let new = NewSweep {
        name: expansion.sweep.clone(),
        file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string(),
        source: text,
        at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        entries: expansion.entries.into_iter().enumerate().map(entry).collect(),
    };
    Ok(Asked { name: expansion.sweep, jobs, new })
}

/// Two files of one name would replace each other.
fn distinct(asked: &[Asked], files: &[PathBuf]) -> Result<(), Failure> {
    let mut names = BTreeMap::new();
    for (asked, file) in asked.iter().zip(files) {
        if let Some(other) = names.insert(&asked.name, file) {
            return Err(Failure::usage(format!(
                "{} and {} are both called `{}`: give one of them another name (`sweep: …`)",
                other.display(),
                file.display(),
                asked.name
            )));
        }
    }
    Ok(())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::environment(format!("{}: {error}", path.display())))
}

/// Whether the data sets are here, before anything starts.
fn check_data(asked: &[Asked], root: &Path) -> Result<(), Failure> {
    let sets: BTreeMap<&str, FileSet> = asked
        .iter()
        .flat_map(|asked| &asked.jobs)
        .filter_map(|(_, job)| FileSet::of(&job.blueprint.dataset))
        .map(|set| (set.name(), set))
        .collect();
    for set in sets.values() {
        for split in [Split::Train, Split::Test] {
            set.load(root, split).map_err(Failure::environment)?;
        }
    }
    Ok(())
}

/// Puts the sweeps into the database, ends what an earlier orchestrator left open, and says where each job stands.
async fn register(
    store: &Store,
    home: &Path,
    asked: &[Asked],
    retry_failed: bool,
) -> Result<HashMap<JobId, Status>, StoreError> {
    let released = store.release_stale(home).await?;
    if !released.is_empty() {
        tracing::info!(jobs = released.len(), "released jobs of a run that was cut off");
    }
    let mut states = HashMap::new();
    for Asked { new, .. } in asked {
        new.save(home)?;
        states.extend(store.register(new).await?.states);
    }
    if retry_failed {
        let failed: Vec<JobId> =
            states.iter().filter(|(_, state)| **state == Status::Failed).map(|(id, _)| *id).collect();
        for job in store.change(&failed, Change::Retry).await? {
            states.insert(job, Status::Pending);
        }
    }
    Ok(states)
}

/// What is to be trained: begun cohorts as they are, and new ones for the other jobs.
async fn works(
    store: &Store,
    asked: &[Asked],
    states: &HashMap<JobId, Status>,
    args: &Args,
    options: &Options,
) -> Result<Vec<Work>, Failure> {
    let names: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
    let mut works = run::resumed(store, &names, |cohort| seconds(cohort, &options.slots)).await.map_err(stored)?;
    let begun: HashSet<JobId> = works.iter().flat_map(Work::open).collect();
    let is_new = |id: &JobId| !begun.contains(id) && states.get(id).is_some_and(|state| !state.is_final());
    let new = asked.iter().flat_map(|asked| &asked.jobs).filter(|(id, _)| is_new(id)).cloned().collect();
    let mut limits = args.slots.limits(&options.slots);
    limits.learnt = run::learnt(&options.orders.home).map_err(Failure::environment)?;
    let placed = plan(new, &options.slots, &limits).cohorts;
    works.extend(
        placed.into_iter().map(|placed| Work::new(Arc::new(placed.cohort), 0, &HashSet::new(), placed.seconds)),
    );
    Ok(works)
}

/// The predicted time of a cohort on the first slot.
fn seconds(cohort: &Cohort, slots: &[Slot]) -> f64 {
    let speed = match slots.first().map_or(Device::Cpu, |slot| slot.device) {
        Device::Cpu => Speed::CPU,
        Device::Cuda(_) => Speed::CUDA,
    };
    speed.seconds(&cohort.blueprint, cohort.members.len(), 1.0)
}

fn stored(error: StoreError) -> Failure {
    if error.is_environment() { Failure::environment(error) } else { Failure::internal(error) }
}

fn stopped_short(error: RunError) -> Failure {
    match error {
        RunError::Store(error) => stored(error),
        RunError::Write(_) | RunError::Start(_) | RunError::Io(_) => Failure::environment(error),
    }
}

/// `nine: 9 jobs, 3 of them done; training 6 in 2 cohorts on 2 slots`
fn opening(states: &HashMap<JobId, Status>, asked: &[Asked], open: usize, cohorts: usize, slots: usize) -> String {
    let names: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
    let ended = states.values().filter(|state| state.is_final()).count();
    let before = if ended > 0 { format!(", {ended} of them ended before") } else { String::new() };
    let now = match open {
        0 => "nothing to do".to_owned(),
        _ => format!("training {} in {} on {}", many(open, "job"), many(cohorts, "cohort"), many(slots, "slot")),
    };
    format!("{}: {}{before}; {now}", names.join(", "), many(states.len(), "job"))
}

/// `9 jobs in 12 s: 7 done, 2 diverged`
fn closing(summary: &Summary, elapsed: Duration) -> String {
    let mut parts = vec![format!("{} done", summary.done)];
    for (count, what) in
        [(summary.diverged, "diverged"), (summary.failed.len(), "failed"), (summary.left, "not finished")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let jobs = summary.done + summary.diverged + summary.failed.len() + summary.left;
    format!("{} in {}: {}", many(jobs, "job"), duration(elapsed), parts.join(", "))
}

fn nothing_to_do(failed_before: usize) -> Exit {
    if failed_before == 0 {
        return Exit::Ok;
    }
    eprintln!("{} failed before; --retry-failed tries them again", many(failed_before, "job"));
    Exit::JobsFailed
}

fn failures(summary: &Summary, open: usize) -> String {
    let mut text = format!("{} of {} failed:", summary.failed.len(), many(open, "job"));
    for (job, message) in summary.failed.iter().take(SHOWN) {
        text += &format!("\n  {}: {}", job.short(), message.lines().next().unwrap_or_default());
    }
    if summary.failed.len() > SHOWN {
        text += &format!("\n  … and {} more", summary.failed.len() - SHOWN);
    }
    if let Some((job, _)) = summary.failed.first() {
        text += &format!("\n`sweep show {}` says more; `sweep run … --retry-failed` tries again", job.short());
    }
    text
}

fn hopeless(message: &str, last_words: &str) -> Failure {
    let lines: Vec<&str> = last_words.lines().collect();
    let lines = lines[lines.len().saturating_sub(WORDS)..].join("\n  ");
    Failure::environment(format!(
        "workers do not get as far as starting their orders: {message}\n  {lines}\n`sweep doctor` says what works here"
    ))
}

/// What was typed, as a shell would read it.
fn command_line() -> String {
    let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte));
    let quote = |word: String| if plain(&word) { word } else { format!("'{}'", word.replace('\'', r"'\''")) };
    let words = std::env::args_os().skip(1).map(|word| quote(word.to_string_lossy().into_owned()));
    std::iter::once("sweep".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
