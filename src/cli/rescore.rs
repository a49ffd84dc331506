//! `sweep rescore`: other scores of finished jobs, from the generators that they left.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use super::chosen::asked;
use super::counter::Counter;
use super::home::absolute;
use super::prepare::ensure;
use super::progress::say;
use super::reading::{block_on, failure, print_json};
use super::scoring::{ScoreArgs, changed, read_by, unread};
use super::slots::{check_precision, check_present};
use super::table::{duration, plural};
use super::words::operands;
use super::{Exit, Failure, Global};
use sweep_metrics::MetricError;
use sweep_plan::slot::{Device, Slot};
use sweep_run::Lock;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::metric::Metric;
use sweep_store::{DoneCohort, RescoreLog, Store, StoreError};
use sweep_tensor::memory;
use sweep_train::generators::Generators;
use sweep_wire::event::Event;
use sweep_wire::home::Home;
use sweep_wire::status::Status;
use sweep_worker::kit::Kit;
use sweep_worker::rescore::{RescoreError, Rescoring, rescore};

#[derive(clap::Args)]
#[command(long_about = "\
Compute other scores of finished jobs from the generators that they left (runs/<cohort>/generators.safetensors), without training again. \
The samples are those that were scored at the last step, so the same settings give the same values. New values take the place of earlier \
ones of the same job and score; `sweep rebuild` finds them again.")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A sweep by name [default: the one that was run last]
    #[arg(value_name = "SWEEP")]
    sweep: Option<String>,
    /// Only these of its jobs: ids, or the first characters of them
    #[arg(long = "job", value_name = "ID,…", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Which scores [default: those of each job]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = super::report::metric)]
    metrics: Option<Vec<Metric>>,
    /// Where to compute: `cpu` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// CPU threads
    #[arg(long, value_name = "N", env = "SWEEP_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// A summary as JSON
    #[arg(long)]
    json: bool,
    /// Samples of each generator
    #[arg(long, value_name = "N", help_heading = HOW, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: Option<u32>,
    #[command(flatten, next_help_heading = HOW)]
    how: ScoreArgs,
}

const HOW: &str = "Settings of scores, by default those of each job";

const AFTER: &str = "\
Examples:
  sweep rescore --metrics precision,recall,frechet
  sweep rescore quickstart --samples 50000
  sweep rescore cifar10 --metrics frechet --classifier inception --device cuda:0";

/// The jobs of one cohort, and how they are to be scored.
struct Work {
    cohort: DoneCohort,
    generators: PathBuf,
    score: Score,
}

/// Rescoring under way.
struct Session<'a> {
    store: &'a Store,
    home: &'a Home,
    data: &'a Path,
    args: &'a Args,
    stop: Stop,
    kit: Kit,
    counter: Counter,
    sum: Sum,
}

/// What came of it.
#[derive(Default)]
struct Sum {
    jobs: usize,
    scores: usize,
    /// Jobs whose generators cannot be used.
    failed: usize,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let (database, home) = (global.database(), global.absolute_home()?);
    if fs::exists(&database).is_ok_and(|there| !there) {
        return Err(failure(StoreError::Missing(database)));
    }
    // Before there are threads.
    memory::keep_freed();
    let slots = [Slot { device: args.device, threads: args.threads }];
    check_present(&slots)?;
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let _database = Lock::take_database(&database, &home).map_err(Failure::environment)?;
    block_on(async {
        let store = Store::open(&database).await.map_err(failure)?;
        if let Some(before) = store.claim(&home).await.map_err(failure)? {
            say(format!("the runs of this database were in {}; they are in {} now", before.display(), home.display()));
        }
        let result = with(&store, &home, &absolute(&global.data_root()?)?, &args, &slots).await;
        store.close().await;
        result
    })
}

async fn with(store: &Store, home: &Home, data: &Path, args: &Args, slots: &[Slot]) -> Result<Exit, Failure> {
    let sweep = store.sweep(args.sweep.as_deref()).await.map_err(failure)?.name;
    let asked = asked(store, &sweep, &args.jobs).await?;
    let done = store.done(&sweep).await.map_err(failure)?;
    let mut works = works(done, home, &asked, args)?;
    let without = without(&asked, &works);
    let missing: usize = without.values().sum();
    if missing > 0 {
        let text = format!("{missing} of {} no generator: {}", have(asked.len()), reasons(&without));
        if works.is_empty() {
            return Err(Failure::usage(format!("{sweep}: {text}; there is nothing to score")));
        }
        say(format!("{sweep}: {text}"));
    }
    let blueprints = works.iter().map(|work| &*work.cohort.blueprint);
    check_precision(&sweep, "--device", blueprints, slots)?;
    ensure(data, works.iter().map(|work| (&work.cohort.blueprint.dataset, &work.score)))?;
    together(&mut works);

    let start = Instant::now();
    let jobs = works.iter().map(|work| work.cohort.jobs.len()).sum();
    let (stop, counter) = (Stop::on_signals()?, Counter::new("jobs", jobs));
    let mut session = Session { store, home, data, args, stop, kit: Kit::default(), counter, sum: Sum::default() };
    let result = session.all(&works).await;
    let Session { stop, counter, sum, .. } = session;
    counter.end();
    result?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(signal) = stop.signal().filter(|_| sum.jobs + sum.failed < jobs) {
        say(format!("stopped: {} of {jobs} jobs have new scores, the others what they had", sum.jobs));
        return Ok(Exit::Signal(signal));
    }
    let done = format!("{}: {} in {}", plural(sum.jobs, "job"), plural(sum.scores, "score"), duration(seconds));
    say(format!("{done} (`sweep report {}`)", operands(&[&sweep])));
    if args.json {
        let without: BTreeMap<&str, usize> = without.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        let document = json!({"sweep": sweep, "jobs": sum.jobs, "scores": sum.scores, "seconds": seconds, "failed": sum.failed,
            "without_generator": without});
        print_json(&format!("{document:#}\n"))?;
    }
    Ok(if sum.failed == 0 { Exit::Ok } else { Exit::JobsFailed })
}

/// The jobs whose generators are there, by cohort, and how each is to be scored.
fn works(
    done: Vec<DoneCohort>,
    home: &Home,
    asked: &HashMap<JobId, Status>,
    args: &Args,
) -> Result<Vec<Work>, Failure> {
    let metrics = args.metrics.as_ref().map(|metrics| metrics.iter().copied().collect::<BTreeSet<_>>());
    let mut scores: HashMap<BlueprintId, Score> = HashMap::new();
    let (mut works, mut seen) = (Vec::new(), BTreeSet::new());
    // A job that went from one cohort to another ended in the last one.
    for mut cohort in done.into_iter().rev() {
        let generators = home.run_in(&cohort.directory).generators();
        cohort.jobs.retain(|(job, _)| asked.contains_key(job) && !seen.contains(job));
        // What is wrong with one that cannot be seen is said when its turn comes.
        let gone = fs::exists(&generators).is_ok_and(|there| !there);
        if cohort.jobs.is_empty() || gone {
            continue;
        }
        // What is wrong with a file is said when its turn comes.
        if let Ok(there) = Generators::jobs(&generators) {
            cohort.jobs.retain(|(job, _)| there.contains(job));
        }
        let Some(&(first, _)) = cohort.jobs.first() else { continue };
        seen.extend(cohort.jobs.iter().map(|(job, _)| *job));
        let score = match scores.get(&cohort.blueprint.id()) {
            Some(score) => score.clone(),
            None => {
                let whose = format!("the command line, for job {}", first.short());
                let score = changed(&whose, &cohort.blueprint, &args.how, args.samples, metrics.as_ref())?;
                if score.metrics.is_empty() {
                    let job = first.short();
                    return Err(Failure::usage(format!("job {job} has no scores by itself: name some with --metrics")));
                }
                scores.insert(cohort.blueprint.id(), score.clone());
                score
            }
        };
        works.push(Work { cohort, generators, score });
    }
    for (key, flag, _) in args.how.flags().filter(|(.., given)| *given) {
        let scores = read_by(key);
        if !works.is_empty() && !works.iter().any(|work| scores.iter().any(|score| work.score.metrics.contains(score)))
        {
            return Err(unread(&flag, &scores));
        }
    }
    works.reverse();
    Ok(works)
}

/// How many jobs have no generator, by why that is.
fn without(asked: &HashMap<JobId, Status>, works: &[Work]) -> BTreeMap<String, usize> {
    let there: BTreeSet<JobId> = works.iter().flat_map(|work| &work.cohort.jobs).map(|(job, _)| *job).collect();
    let mut without = BTreeMap::new();
    for (_, status) in asked.iter().filter(|(job, _)| !there.contains(job)) {
        let reason = match status {
            Status::Done => "not in the run folder".to_owned(),
            status if status.is_final() => status.to_string(),
            _ => "not finished".to_owned(),
        };
        *without.entry(reason).or_default() += 1;
    }
    without
}

/// `20 jobs have`
fn have(jobs: usize) -> String {
    format!("{} {}", plural(jobs, "job"), if jobs == 1 { "has" } else { "have" })
}

/// `not finished`, or `diverged (2), not finished (1)`
fn reasons(without: &BTreeMap<String, usize>) -> String {
    let each = without.iter().map(|(reason, n)| match without.len() {
        1 => reason.clone(),
        _ => format!("{reason} ({n})"),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Puts those together that compare with the same real samples: what is known of these is worked out once.
fn together(works: &mut [Work]) {
    let mut kinds: Vec<(Dataset, Score)> = Vec::new();
    let mut kind = |work: &Work| {
        let (dataset, score) = (work.cohort.blueprint.dataset, &work.score);
        kinds.iter().position(|(of, by)| *of == dataset && by == score).unwrap_or_else(|| {
            kinds.push((dataset, score.clone()));
            kinds.len() - 1
        })
    };
    works.sort_by_cached_key(|work| kind(work));
}

impl Session<'_> {
    /// Scores one cohort after the other, until a signal. Each is stored whole or not at all.
    async fn all(&mut self, works: &[Work]) -> Result<(), Failure> {
        for work in works {
            let DoneCohort { cohort, directory, blueprint, jobs } = &work.cohort;
            let mut log = RescoreLog::begin(&self.home.run_in(directory), *cohort).map_err(failure)?;
            let rescoring = Rescoring {
                blueprint,
                score: &work.score,
                jobs,
                generators: &work.generators,
                data: self.data,
                device: self.args.device,
                threads: self.args.threads,
            };
            let (asked, counter) = (&self.stop.asked, RefCell::new(&mut self.counter));
            let mut watch = |seen, all| {
                counter.borrow_mut().within("images", seen, all);
                if asked.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let mut report = |event: Event| {
                if let Event::Scored { seconds, .. } = event {
                    counter.borrow_mut().add(seconds);
                }
                log.append(event)
            };
            match rescore(&rescoring, &mut self.kit, &mut watch, &mut report) {
                Ok(true) => {
                    self.sum.scores += self.store.rescored(log).await.map_err(failure)?;
                    self.sum.jobs += jobs.len();
                }
                Ok(false) => break,
                Err(RescoreError::Generators(error)) => {
                    self.sum.failed += jobs.len();
                    let (what, keep) = (plural(jobs.len(), "job"), if jobs.len() == 1 { "keeps" } else { "keep" });
                    self.counter.say(&format!("{error}; {what} {keep} the scores from before"));
                }
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(())
    }
}

fn refused(error: RescoreError) -> Failure {
    match error {
        RescoreError::Metric(MetricError::Torch(_) | MetricError::Net(_)) => Failure::environment(error),
        RescoreError::Metric(_) | RescoreError::Precision(_) => Failure::usage(error),
        RescoreError::Kit(_) | RescoreError::Generators(_) | RescoreError::Log(_) | RescoreError::Torch(_) => {
            Failure::environment(error)
        }
    }
}

/// The first signal asks for an end, the second one is it.
struct Stop {
    asked: Arc<AtomicBool>,
    by: Arc<AtomicUsize>,
}

impl Stop {
    fn on_signals() -> Result<Stop, Failure> {
        let stop = Stop { asked: Arc::default(), by: Arc::default() };
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGUSR2] {
            // In this order: what was not asked for yet does not end it.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.asked))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&stop.by), signal as usize))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.asked)))
                .map_err(Failure::environment)?;
        }
        Ok(stop)
    }

    /// The signal that asked for an end.
    fn signal(&self) -> Option<u8> {
        let asked = self.asked.load(Ordering::Relaxed);
        asked.then(|| self.by.load(Ordering::Relaxed) as u8)
    }
}
