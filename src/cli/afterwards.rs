//! Scores of jobs that are done, from the generators that they left: for `sweep rescore`, and for `sweep run` where a file asks for more than was
//! measured.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use super::Failure;
use super::counter::Counter;
use super::prepare::ensure;
use super::reading::failure;
use super::table::plural;
use sweep_metrics::MetricError;
use sweep_plan::slot::Slot;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::JobId;
use sweep_spec::metric::Metric;
use sweep_store::{DoneCohort, RescoreLog, Store};
use sweep_train::generators::Generators;
use sweep_wire::event::Event;
use sweep_wire::home::Home;
use sweep_worker::kit::Kit;
use sweep_worker::rescore::{RescoreError, Rescoring, rescore};

/// Jobs of one cohort, and how they are to be scored.
pub(super) struct Work {
    pub(super) cohort: DoneCohort,
    generators: PathBuf,
    pub(super) score: Score,
}

/// Rescoring under way.
struct Session<'a> {
    store: &'a Store,
    home: &'a Home,
    data: &'a Path,
    slot: &'a Slot,
    renamed: &'a HashMap<JobId, JobId>,
    stop: Stop,
    kit: Kit,
    counter: Counter,
    sum: Sum,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Sum {
    /// Jobs with new scores.
    pub(super) jobs: BTreeSet<JobId>,
    /// New scores.
    pub(super) scores: usize,
    /// Jobs whose generators cannot be used.
    pub(super) failed: BTreeSet<JobId>,
    /// What is done.
    pub(super) done: Vec<(Score, Vec<JobId>)>,
    /// The signal that ended it before its time.
    pub(super) signal: Option<u8>,
}

/// Does all of `works` on `slot`, or until a signal comes. `renamed`: what jobs are called that files may call otherwise.
pub(super) async fn score(
    (store, home, data): (&Store, &Home, &Path),
    mut works: Vec<Work>,
    slot: &Slot,
    renamed: &HashMap<JobId, JobId>,
) -> Result<Sum, Failure> {
    ensure(data, works.iter().map(|work| (&work.cohort.blueprint.dataset, &work.score)))?;
    together(&mut works);
    let jobs: usize = works.iter().map(|work| work.cohort.jobs.len()).sum();
    let (stop, counter) = (Stop::on_signals()?, Counter::new("jobs", jobs));
    let (kit, sum) = (Kit::default(), Sum::default());
    let mut session = Session { store, home, data, slot, renamed, stop, kit, counter, sum };
    let whole = session.all(&works).await;
    let Session { stop, counter, mut sum, .. } = session;
    counter.end();
    sum.signal = stop.signal().filter(|_| !whole.as_ref().is_ok_and(|whole| *whole));
    whole.map(|_| sum)
}

/// What jobs of sweeps that are done are asked for and were not measured of at their last step.
pub(super) struct Unmeasured {
    /// Those whose generators are there.
    pub(super) works: Vec<Work>,
    /// Jobs whose generators are gone.
    pub(super) gone: BTreeSet<JobId>,
}

/// What of `sweeps` was not measured.
pub(super) async fn unmeasured(
    store: &Store,
    home: &Home,
    sweeps: &[&str],
    renamed: &HashMap<JobId, JobId>,
) -> Result<Unmeasured, Failure> {
    let mut found = Unmeasured { works: Vec::new(), gone: BTreeSet::new() };
    // Several entries, and several sweeps, may ask for the same.
    let mut seen: BTreeSet<(JobId, Metric, String)> = BTreeSet::new();
    for sweep in sweeps {
        let missing: BTreeMap<JobId, BTreeSet<(Metric, String)>> = store.unmeasured(sweep).await.map_err(failure)?;
        if missing.is_empty() {
            continue;
        }
        let mut done = store.done(sweep).await.map_err(failure)?;
        done.iter_mut().for_each(|cohort| cohort.jobs.retain(|(job, _)| missing.contains_key(job)));
        let works = works(done, home, renamed, |cohort, job| {
            let (asked, missing) = (cohort.scores.get(&job), missing.get(&job));
            let mut of = |score: &Score| {
                let lacks = |metric: &&Metric| {
                    missing.is_some_and(|missing| missing.contains(&(**metric, score.asked(**metric).to_string())))
                };
                let new = |metric: &&Metric| seen.insert((job, **metric, score.asked(**metric).to_string()));
                let metrics: BTreeSet<Metric> = score.metrics.iter().filter(lacks).filter(new).copied().collect();
                (!metrics.is_empty()).then(|| Score { metrics, every: 0, ..score.clone() })
            };
            Ok(asked.into_iter().flatten().flat_map(|scores| scores.iter()).filter_map(|score| of(score)).collect())
        })?;
        found.works.extend(works);
        let there: BTreeSet<JobId> =
            found.works.iter().flat_map(|work| &work.cohort.jobs).map(|(job, _)| *job).collect();
        found.gone.extend(missing.keys().filter(|job| !there.contains(job)));
    }
    Ok(found)
}

/// The jobs whose generators are there, by cohort, and how each is to be scored: as `how` says, from what its sweep asks for.
pub(super) fn works(
    done: Vec<DoneCohort>,
    home: &Home,
    renamed: &HashMap<JobId, JobId>,
    mut how: impl FnMut(&DoneCohort, JobId) -> Result<Vec<Score>, Failure>,
) -> Result<Vec<Work>, Failure> {
    let (mut works, mut seen) = (Vec::new(), BTreeSet::new());
    // A job that went from one cohort to another ended in the last one.
    for mut cohort in done.into_iter().rev() {
        let generators = home.run_in(&cohort.directory).generators();
        cohort.jobs.retain(|(job, _)| !seen.contains(job));
        // What is wrong with one that cannot be seen is said when its turn comes.
        if cohort.jobs.is_empty() || fs::exists(&generators).is_ok_and(|there| !there) {
            continue;
        }
        // What is wrong with a file is said when its turn comes.
        if let Ok(there) = Generators::jobs(&generators) {
            let there: BTreeSet<JobId> = there.into_iter().map(|job| *renamed.get(&job).unwrap_or(&job)).collect();
            cohort.jobs.retain(|(job, _)| there.contains(job));
        }
        seen.extend(cohort.jobs.iter().map(|(job, _)| *job));
        // Jobs of one cohort may be asked for different things.
        let mut groups: Vec<(Score, Vec<(JobId, u64)>)> = Vec::new();
        for &(job, seed) in &cohort.jobs {
            for score in how(&cohort, job)? {
                match groups.iter_mut().find(|(known, _)| *known == score) {
                    Some((_, jobs)) => jobs.push((job, seed)),
                    None => groups.push((score, vec![(job, seed)])),
                }
            }
        }
        let of = |(score, jobs)| {
            let cohort = DoneCohort { jobs, ..cohort.clone() };
            Work { cohort, generators: generators.clone(), score }
        };
        works.extend(groups.into_iter().map(of));
    }
    works.reverse();
    Ok(works)
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
    /// Scores one cohort after the other, until a signal; whether it came to the end. Each is stored whole or not at all.
    async fn all(&mut self, works: &[Work]) -> Result<bool, Failure> {
        for work in works {
            let DoneCohort { cohort, directory, blueprint, jobs, .. } = &work.cohort;
            let ids = || jobs.iter().map(|(job, _)| *job);
            let mut log = RescoreLog::begin(&self.home.run_in(directory), *cohort).map_err(failure)?;
            let rescoring = Rescoring {
                blueprint,
                score: &work.score,
                jobs,
                generators: &work.generators,
                renamed: self.renamed,
                data: self.data,
                device: self.slot.device,
                threads: self.slot.threads,
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
                    self.sum.jobs.extend(ids());
                    self.sum.done.push((work.score.clone(), ids().collect()));
                }
                Ok(false) => return Ok(false),
                Err(RescoreError::Generators(error)) => {
                    self.sum.failed.extend(ids());
                    let (what, keep) = (plural(jobs.len(), "job"), if jobs.len() == 1 { "keeps" } else { "keep" });
                    self.counter.say(&format!("{error}; {what} {keep} the scores from before"));
                }
                Err(error) => return Err(refused(error)),
            }
        }
        Ok(true)
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
