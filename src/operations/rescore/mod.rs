//! Computes further scores of finished jobs from their saved generators.

pub(crate) mod generators;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::database::{Records, block_on};
use crate::job_choice::chosen_jobs;
use crate::places::absolute;
use crate::run::End;
use crate::score_settings::{ScoreSettings, changed, read_by, unread};
use crate::slots::{check_precision, check_present};
use crate::{Failure, Places, Tell};
use generators::{Work, score, works};
use sweep_plan::slot::{Device, Slot};
use sweep_report::format::{duration, plural};
use sweep_run::Lock;
use sweep_spec::blueprint::Score;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::Scores;
use sweep_spec::metric::Metric;
use sweep_store::{Ask, DoneCohort, Store, StoreError};
use sweep_system::shell::operands;
use sweep_wire::status::Status;

/// What to score, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The name of a sweep; `None`: the one that was run last.
    pub sweep: Option<String>,
    /// Only these of its jobs: ids, or their first characters; all if empty.
    pub jobs: Vec<String>,
    /// The scores; `None`: those of each job.
    pub metrics: Option<Vec<Metric>>,
    /// Samples of each generator; `None`: as many as for each job.
    pub samples: Option<u32>,
    /// Other settings; by default those of each job.
    pub settings: ScoreSettings,
    /// The device.
    pub device: Device,
    /// CPU threads.
    pub threads: u32,
}

/// The result.
#[derive(Clone, Debug)]
pub struct Rescored {
    /// The sweep.
    pub sweep: String,
    /// Jobs with new scores.
    pub jobs: usize,
    /// New scores.
    pub scores: usize,
    /// Seconds that this took.
    pub seconds: f64,
    /// Jobs whose generators or samples cannot be used.
    pub failed: usize,
    /// The number of jobs without a generator, by reason.
    pub without_generator: BTreeMap<String, usize>,
    /// How it ended.
    pub end: End,
}

/// Computes further scores of finished jobs from their saved generators, without training again.
///
/// # Errors
///
/// There is nothing to score, settings contradict each other, or something is missing or broken.
pub fn rescore(places: &Places, request: &Request, tell: &Tell) -> Result<Rescored, Failure> {
    let home = places.absolute_home()?;
    let there = places.database();
    if fs::exists(&there).is_ok_and(|there| !there) {
        return Err(StoreError::Missing(there).into());
    }
    let slots = [Slot { device: request.device, threads: request.threads }];
    check_present(&slots, tell)?;
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let workplace = places.workplace(&home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, &home).map_err(Failure::environment)?;
    block_on(async {
        let store = Store::open(&database).await?;
        if let Some(before) = store.claim(&home).await? {
            tell.say(format!(
                "the runs of this database were in {}, and are in {} now",
                before.display(),
                home.display()
            ));
        }
        let records = Records { store: &store, home: &home, tell };
        let result = with(records, &absolute(&places.data_root()?)?, request, &slots).await;
        workplace.publish().await?;
        store.close().await;
        result
    })
}

async fn with(records: Records<'_>, data: &Path, request: &Request, slots: &[Slot]) -> Result<Rescored, Failure> {
    let Records { store, home, tell } = records;
    let sweep = store.sweep(request.sweep.as_deref()).await?.name;
    let asked = chosen_jobs(store, &sweep, &request.jobs).await?;
    let mut done = store.done(&sweep).await?;
    done.iter_mut().for_each(|cohort| cohort.jobs.retain(|(job, _)| asked.contains_key(job)));
    let renamed = store.renamed().await?;
    let mut choice = ScoreChoice::new(request);
    let works = works(done.clone(), home, &renamed, |cohort, job| {
        let mut all: Vec<Score> = Vec::new();
        let none = [Scores::default()];
        for asked in cohort.scores.get(&job).map_or(&none[..], |asked| asked) {
            let new =
                choice.of(cohort, job, asked)?.into_iter().filter(|score| !all.contains(score)).collect::<Vec<_>>();
            all.extend(new);
        }
        Ok(all)
    })?;
    for (key, flag, _) in request.settings.flags().filter(|(.., given)| *given) {
        let scores = read_by(key);
        if !works.is_empty() && !works.iter().any(|work| scores.iter().any(|score| work.score.metrics.contains(score)))
        {
            return Err(unread(&flag, &scores));
        }
    }
    let without = without(&asked, &works);
    let missing: usize = without.values().sum();
    if missing > 0 {
        let text = format!("{missing} of {} no generator: {}", have(asked.len()), reasons(&without));
        if works.is_empty() {
            return Err(Failure::usage(format!("{sweep}: {text}; there is nothing to score")));
        }
        tell.say(format!("{sweep}: {text}"));
    }
    let blueprints = works.iter().map(|work| &*work.cohort.blueprint);
    check_precision(&sweep, "--device", blueprints, slots)?;
    let start = Instant::now();
    let jobs: BTreeSet<JobId> = works.iter().flat_map(|work| &work.cohort.jobs).map(|(job, _)| *job).collect();
    let sum = score(records, data, works, &slots[0], &renamed).await?;
    let seconds = start.elapsed().as_secs_f64();
    if !choice.silent {
        ask(records, &sweep, &done, &mut choice, &sum.done).await?;
    }
    let end = if let Some(signal) = sum.signal {
        let (scored, all) = (sum.jobs.len(), jobs.len());
        tell.say(format!("stopped: {scored} of {all} jobs have new scores, and the others keep theirs"));
        End::Stopped(Some(signal))
    } else {
        let done =
            format!("{}: {} in {}", plural(sum.jobs.len(), "job"), plural(sum.scores, "score"), duration(seconds));
        tell.say(format!("{done} (`sweep report {}`)", operands(&[&sweep])));
        if sum.failed.is_empty() && sum.unusable.is_empty() { End::Done } else { End::JobsFailed }
    };
    Ok(Rescored {
        sweep,
        jobs: sum.jobs.len(),
        scores: sum.scores,
        seconds,
        failed: sum.failed.len() + sum.unusable.len(),
        without_generator: without,
        end,
    })
}

/// A request's settings of scores, applied to one job after the other.
struct ScoreChoice<'a> {
    request: &'a Request,
    metrics: Option<BTreeSet<Metric>>,
    /// Whether it sets nothing.
    silent: bool,
    /// Most of a million jobs have the same.
    known: Vec<(BlueprintId, Scores, Vec<Score>)>,
}

impl<'a> ScoreChoice<'a> {
    fn new(request: &'a Request) -> Self {
        let metrics = request.metrics.as_ref().map(|metrics| metrics.iter().copied().collect::<BTreeSet<_>>());
        let silent =
            metrics.is_none() && request.samples.is_none() && request.settings.flags().all(|(.., given)| !given);
        ScoreChoice { request, metrics, silent, known: Vec::new() }
    }

    /// Returns how to score a job that is `asked` for these scores. Each metric has the settings of the score that
    /// names it, a new metric those of the first, unless the request sets others.
    fn of(&mut self, cohort: &DoneCohort, job: JobId, asked: &Scores) -> Result<Vec<Score>, Failure> {
        let id = cohort.blueprint.id();
        if let Some((.., scores)) = self.known.iter().find(|(of, scores, _)| *of == id && scores == asked) {
            return Ok(scores.clone());
        }
        let named: BTreeSet<Metric> = asked.iter().flat_map(|score| score.metrics.iter().copied()).collect();
        let wanted = self.metrics.as_ref().unwrap_or(&named);
        if wanted.is_empty() {
            let job = job.short();
            return Err(Failure::usage(format!("job {job} asks for no scores: name some with --metrics")));
        }
        let (usual, whose) = (Arc::default(), format!("the command line, for job {}", job.short()));
        let bases = if asked.is_empty() { std::slice::from_ref(&usual) } else { asked };
        let mut scores = Vec::new();
        for (n, base) in bases.iter().enumerate() {
            let is_its = |metric: &&Metric| base.metrics.contains(metric) || n == 0 && !named.contains(metric);
            let metrics: BTreeSet<Metric> = wanted.iter().filter(is_its).copied().collect();
            if metrics.is_empty() {
                continue;
            }
            let score = match self.silent {
                true => Score::clone(base),
                false => {
                    let Some(dataset) = cohort.blueprint.dataset() else {
                        let job = job.short();
                        return Err(Failure::usage(format!(
                            "job {job} has no data set to compare with: its file sets no `dataset`"
                        )));
                    };
                    changed(&whose, (dataset, &**base), &self.request.settings, self.request.samples, Some(&metrics))?
                }
            };
            // Scores that an own trainer reports stay as they were.
            scores.push(Score { every: 0, metrics, reported: base.reported.clone(), ..score });
        }
        self.known.push((id, Arc::clone(asked), scores.clone()));
        Ok(scores)
    }
}

/// Makes the sweep ask for what was measured of jobs, instead of what it asked for of these metrics.
async fn ask(
    Records { store, home, .. }: Records<'_>,
    sweep: &str,
    cohorts: &[DoneCohort],
    choice: &mut ScoreChoice<'_>,
    done: &[(Score, Vec<JobId>)],
) -> Result<(), Failure> {
    let done: Vec<(&Score, HashSet<JobId>)> =
        done.iter().map(|(score, jobs)| (score, jobs.iter().copied().collect())).collect();
    let mut news: Vec<((Scores, Scores), Vec<JobId>)> = Vec::new();
    for cohort in cohorts {
        for &(job, _) in &cohort.jobs {
            for before in cohort.scores.get(&job).into_iter().flatten() {
                let scores = choice.of(cohort, job, before)?;
                let is_done = |score: &Score| done.iter().any(|(of, jobs)| *of == score && jobs.contains(&job));
                if !scores.iter().all(is_done) {
                    continue;
                }
                let now = scores.iter().fold(before.to_vec(), |asked, score| score.instead(&asked));
                let change = (Arc::clone(before), Scores::from(now));
                match news.iter_mut().find(|(known, _)| *known == change) {
                    Some((_, jobs)) => jobs.push(job),
                    None => news.push((change, vec![job])),
                }
            }
        }
    }
    for ((before, now), jobs) in news {
        store.ask(home, &jobs, Ask { sweep: sweep.to_owned(), before, now }).await?;
    }
    Ok(())
}

/// Returns how many jobs have no generator, by reason.
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

/// Writes `20 jobs have`.
fn have(jobs: usize) -> String {
    format!("{} {}", plural(jobs, "job"), if jobs == 1 { "has" } else { "have" })
}

/// Writes `not finished`, or `diverged (2), not finished (1)`.
fn reasons(without: &BTreeMap<String, usize>) -> String {
    let each = without.iter().map(|(reason, n)| match without.len() {
        1 => reason.clone(),
        _ => format!("{reason} ({n})"),
    });
    each.collect::<Vec<_>>().join(", ")
}
