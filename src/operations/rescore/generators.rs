//! Scores finished jobs from their saved generators: for `sweep rescore`, and for `sweep run` if a file asks for more
//! than was measured.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use crate::computer::{Computer, unexpected};
use crate::database::Records;
use crate::prepare::ensure;
use crate::{Event as Told, Failure, Scoring};
use sweep_plan::slot::Slot;
use sweep_report::format::{duration, plural};
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::JobId;
use sweep_spec::metric::Metric;
use sweep_store::{DoneCohort, RescoreLog, Store, generators_in};
use sweep_wire::event::Event;
use sweep_wire::home::{Home, job_folder, left_samples};
use sweep_wire::task::{Answer, Fault, Rescore, Task};

/// Jobs of one cohort, and how to score them.
pub(crate) struct Work {
    pub(crate) cohort: DoneCohort,
    generators: PathBuf,
    pub(crate) score: Score,
}

/// Rescoring in progress.
struct Session<'a> {
    records: Records<'a>,
    data: &'a Path,
    slot: &'a Slot,
    renamed: &'a HashMap<JobId, JobId>,
    stop: Stop,
    computer: Computer,
    sum: Sum,
}

/// The result.
#[derive(Default)]
pub(crate) struct Sum {
    /// Jobs with new scores.
    pub(crate) jobs: BTreeSet<JobId>,
    /// New scores.
    pub(crate) scores: usize,
    /// Jobs whose generators cannot be used.
    pub(crate) failed: BTreeSet<JobId>,
    /// Jobs of an own trainer that saved samples which cannot be used.
    pub(crate) unusable: BTreeSet<JobId>,
    /// What is done.
    pub(crate) done: Vec<(Score, Vec<JobId>)>,
    /// The signal that ended it early.
    pub(crate) signal: Option<u8>,
}

/// Does all of `works` on `slot`, or until a signal comes. `renamed`: the ids of jobs that may have other ids in files.
pub(crate) async fn score(
    records: Records<'_>,
    data: &Path,
    mut works: Vec<Work>,
    slot: &Slot,
    renamed: &HashMap<JobId, JobId>,
) -> Result<Sum, Failure> {
    ensure(data, records.tell, works.iter().filter_map(|work| Some((work.cohort.blueprint.dataset()?, &work.score))))?;
    together(&mut works);
    let jobs: usize = works.iter().map(|work| work.cohort.jobs.len()).sum();
    let (stop, computer) = (Stop::on_signals()?, Computer::start(records.tell)?);
    let mut session = Session { records, data, slot, renamed, stop, computer, sum: Sum::default() };
    records.tell.event(Told::Scoring(Scoring::Begun { jobs }));
    let whole = session.all(&works).await;
    records.tell.event(Told::Scoring(Scoring::Ended));
    let Session { stop, mut sum, .. } = session;
    sum.signal = stop.signal().filter(|_| !whole.as_ref().is_ok_and(|whole| *whole));
    whole.map(|_| sum)
}

/// Scores of the last step that sweeps ask for and that finished jobs lack.
pub(crate) struct Unmeasured {
    /// Jobs whose generators exist.
    pub(crate) works: Vec<Work>,
    /// Jobs whose generators are gone.
    pub(crate) gone: BTreeSet<JobId>,
}

/// Returns which scores of `sweeps` were not measured.
pub(crate) async fn unmeasured(
    store: &Store,
    home: &Home,
    sweeps: &[&str],
    renamed: &HashMap<JobId, JobId>,
) -> Result<Unmeasured, Failure> {
    let mut found = Unmeasured { works: Vec::new(), gone: BTreeSet::new() };
    // Several entries, and several sweeps, may ask for the same.
    let mut seen: BTreeSet<(JobId, Metric, String)> = BTreeSet::new();
    for sweep in sweeps {
        let mut missing = store.unmeasured(sweep).await?;
        // What an own trainer did not report cannot be measured.
        missing.values_mut().for_each(|missing| missing.retain(|(measure, _)| measure.known().is_some()));
        missing.retain(|_, missing| !missing.is_empty());
        if missing.is_empty() {
            continue;
        }
        let mut done = store.done(sweep).await?;
        done.iter_mut().for_each(|cohort| cohort.jobs.retain(|(job, _)| missing.contains_key(job)));
        let works = works(done, home, renamed, |cohort, job| {
            let (asked, missing) = (cohort.scores.get(&job), missing.get(&job));
            let mut of = |score: &Score| {
                let lacks = |metric: &&Metric| {
                    missing.is_some_and(|missing| {
                        missing.contains(&((**metric).into(), score.asked(**metric).to_string()))
                    })
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

/// Measures scores that files ask for of jobs finished earlier, from their saved generators. Returns the result.
/// `looked_at`: jobs for which this run has measured all it can and has reported what it cannot.
pub(crate) async fn measure_rest(
    records: Records<'_>,
    data: &Path,
    names: &[&str],
    slot: &Slot,
    (renamed, looked_at): (&HashMap<JobId, JobId>, &HashSet<JobId>),
) -> Result<Sum, Failure> {
    let Records { store, home, tell } = records;
    let Unmeasured { mut works, mut gone } = unmeasured(store, home, names, renamed).await?;
    works.iter_mut().for_each(|work| work.cohort.jobs.retain(|(job, _)| !looked_at.contains(job)));
    works.retain(|work| !work.cohort.jobs.is_empty());
    gone.retain(|job| !looked_at.contains(job));
    if !gone.is_empty() {
        let (jobs, left) =
            (plural(gone.len(), "job"), if gone.len() == 1 { "its generator is" } else { "their generators are" });
        tell.say(format!(
            "{jobs}: some scores that the file asks for now were not measured, and {left} gone: they stay empty; to \
            get them, train again in another home (--home)"
        ));
    }
    if works.is_empty() {
        return Ok(Sum::default());
    }
    let jobs: HashSet<JobId> = works.iter().flat_map(|work| &work.cohort.jobs).map(|(job, _)| *job).collect();
    tell.say(format!("measuring missing scores of {}", plural(jobs.len(), "job")));
    let start = Instant::now();
    let sum = score(records, data, works, slot, renamed).await?;
    tell.say(format!(
        "{} of {} in {}",
        plural(sum.scores, "score"),
        plural(sum.jobs.len(), "job"),
        duration(start.elapsed().as_secs_f64())
    ));
    Ok(sum)
}

/// Returns the jobs whose generators exist, by cohort, and how to score each: `how` decides from what its sweep asks
/// for.
pub(crate) fn works(
    done: Vec<DoneCohort>,
    home: &Home,
    renamed: &HashMap<JobId, JobId>,
    mut how: impl FnMut(&DoneCohort, JobId) -> Result<Vec<Score>, Failure>,
) -> Result<Vec<Work>, Failure> {
    let (mut works, mut seen) = (Vec::new(), BTreeSet::new());
    // A job that moved from one cohort to another ended in the last one.
    for mut cohort in done.into_iter().rev() {
        let generators = home.run_in(&cohort.directory).generators();
        cohort.jobs.retain(|(job, _)| !seen.contains(job));
        let own = cohort.blueprint.own().is_some();
        if own {
            cohort.jobs.retain(|(job, _)| left_samples(&job_folder(&home.jobs(), *job)).is_some());
        }
        // Problems with one that cannot be checked are reported when its turn comes.
        if cohort.jobs.is_empty() || !own && fs::exists(&generators).is_ok_and(|there| !there) {
            continue;
        }
        // Problems with a file are reported when its turn comes.
        if let Some(there) = (!own).then(|| generators_in(&generators).ok()).flatten() {
            let there: BTreeSet<JobId> = there.into_iter().map(|job| *renamed.get(&job).unwrap_or(&job)).collect();
            cohort.jobs.retain(|(job, _)| there.contains(job));
        }
        seen.extend(cohort.jobs.iter().map(|(job, _)| *job));
        // Different scores may be asked of jobs of one cohort.
        let mut groups: Vec<(Score, Vec<(JobId, u64)>)> = Vec::new();
        for &(job, seed) in &cohort.jobs {
            for score in how(&cohort, job)? {
                match groups.iter_mut().find(|(known, _)| *known == score && !own) {
                    Some((_, jobs)) => jobs.push((job, seed)),
                    // One program's samples may be damaged, which is no reason to leave out another's.
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

/// Groups work that compares with the same real samples, whose statistics are then computed once.
fn together(works: &mut [Work]) {
    let mut kinds: Vec<(Option<Dataset>, Score)> = Vec::new();
    let mut kind = |work: &Work| {
        let (dataset, score) = (work.cohort.blueprint.dataset().copied(), &work.score);
        kinds.iter().position(|(of, by)| *of == dataset && by == score).unwrap_or_else(|| {
            kinds.push((dataset, score.clone()));
            kinds.len() - 1
        })
    };
    works.sort_by_cached_key(|work| kind(work));
}

impl Session<'_> {
    /// Scores one cohort after the other, until a signal. Returns whether it finished. Each cohort is stored completely
    /// or not at all.
    async fn all(&mut self, works: &[Work]) -> Result<bool, Failure> {
        for work in works {
            if self.stop.asked.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let DoneCohort { cohort, directory, jobs, .. } = &work.cohort;
            let ids = || jobs.iter().map(|(job, _)| *job);
            let mut log = RescoreLog::begin(&self.records.home.run_in(directory), *cohort)?;
            match self.one(work, &mut log)? {
                Answer::Scored { whole: true } => {
                    self.sum.scores += self.records.store.rescored(log).await?;
                    self.sum.jobs.extend(ids());
                    self.sum.done.push((work.score.clone(), ids().collect()));
                }
                Answer::Scored { whole: false } => return Ok(false),
                Answer::Failed { fault: fault @ (Fault::Generators | Fault::Samples), message } => {
                    let of_samples = fault == Fault::Samples;
                    let jobs_of = if of_samples { &mut self.sum.unusable } else { &mut self.sum.failed };
                    jobs_of.extend(ids());
                    let (what, keep) = (plural(jobs.len(), "job"), if jobs.len() == 1 { "keeps" } else { "keep" });
                    self.records.tell.say(format!("{message}; {what} {keep} the scores from before"));
                }
                Answer::Failed { fault: Fault::Usage, message } => return Err(Failure::usage(message)),
                Answer::Failed { fault: Fault::Environment, message } => return Err(Failure::environment(message)),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(true)
    }

    /// Scores one cohort, and returns the last answer about it.
    fn one(&mut self, work: &Work, log: &mut RescoreLog) -> Result<Answer, Failure> {
        let DoneCohort { blueprint, jobs, .. } = &work.cohort;
        let ids: HashSet<JobId> = jobs.iter().map(|(job, _)| *job).collect();
        self.computer.ask(&Task::Rescore(Box::new(Rescore {
            blueprint: (**blueprint).clone(),
            generators: work.generators.clone(),
            renamed: self.renamed.iter().filter(|(_, job)| ids.contains(job)).map(|(was, job)| (*was, *job)).collect(),
            kept: self.records.home.jobs(),
            score: work.score.clone(),
            jobs: jobs.clone(),
            data: self.data.to_owned(),
            device: self.slot.device,
            threads: self.slot.threads,
        })))?;
        let mut told = false;
        loop {
            match self.computer.answer()? {
                Answer::Seen { seen, all } => self.records.tell.event(Told::Scoring(Scoring::Seen { seen, all })),
                Answer::Event(event) => {
                    if let Event::Scored { seconds, .. } = event {
                        self.records.tell.event(Told::Scoring(Scoring::Scored { seconds }));
                    }
                    log.append(event).map_err(Failure::environment)?;
                }
                answer => return Ok(answer),
            }
            if self.stop.asked.load(Ordering::Relaxed) && !std::mem::replace(&mut told, true) {
                self.computer.stop();
            }
        }
    }
}

/// The first signal asks to stop; the second one ends the process.
struct Stop {
    asked: Arc<AtomicBool>,
    by: Arc<AtomicUsize>,
}

impl Stop {
    fn on_signals() -> Result<Stop, Failure> {
        let stop = Stop { asked: Arc::default(), by: Arc::default() };
        for signal in [SIGINT, SIGTERM, SIGUSR1, SIGUSR2] {
            // The order matters: the first signal must not yet count as asked.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.asked))
                .and_then(|_| flag::register_usize(signal, Arc::clone(&stop.by), signal as usize))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.asked)))
                .map_err(Failure::environment)?;
        }
        Ok(stop)
    }

    /// Returns the signal that asked to stop.
    fn signal(&self) -> Option<u8> {
        let asked = self.asked.load(Ordering::Relaxed);
        asked.then(|| self.by.load(Ordering::Relaxed) as u8)
    }
}
