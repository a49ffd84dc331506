//! `sweep rescore`: other scores of finished jobs, from the generators that they left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::afterwards::{Work, score, works};
use super::chosen::asked;
use super::home::absolute;
use super::progress::say;
use super::reading::{block_on, failure, print_json};
use super::scoring::{ScoreArgs, changed, read_by, unread};
use super::slots::{check_precision, check_present};
use super::table::{duration, plural};
use super::words::operands;
use super::{Exit, Failure, Global};
use sweep_plan::slot::{Device, Slot};
use sweep_run::Lock;
use sweep_spec::blueprint::Score;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::Scores;
use sweep_spec::metric::Metric;
use sweep_store::{Ask, DoneCohort, Store, StoreError};
use sweep_wire::home::Home;
use sweep_wire::status::Status;

#[derive(clap::Args)]
#[command(long_about = "\
Compute other scores of finished jobs from the generators that they left (runs/<cohort>/generators.safetensors), without training again. \
The samples are those that were scored at the last step, so the same settings give the same values. Where the settings are others, reports \
show the new values from now on, until the sweep's file is run again; earlier ones stay in the database. `sweep rebuild` finds them again.")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A sweep by name [default: the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// Only these of its jobs: ids, or the first characters of them
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID,…", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Which scores [default: those of each job]
    #[arg(add = super::complete::metrics(), long, value_name = "NAME,…", value_delimiter = ',', value_parser = super::report::metric)]
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

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let home = global.absolute_home()?;
    let there = global.database();
    if fs::exists(&there).is_ok_and(|there| !there) {
        return Err(failure(StoreError::Missing(there)));
    }
    let slots = [Slot { device: args.device, threads: args.threads }];
    check_present(&slots)?;
    let _lock = Lock::take(&home).map_err(Failure::environment)?;
    let workplace = global.workplace(&home)?;
    let database = workplace.database.clone();
    let _database = Lock::take_database(&database, &home).map_err(Failure::environment)?;
    block_on(async {
        let store = Store::open(&database).await.map_err(failure)?;
        if let Some(before) = store.claim(&home).await.map_err(failure)? {
            say(format!("the runs of this database were in {}; they are in {} now", before.display(), home.display()));
        }
        let result = with(&store, &home, &absolute(&global.data_root()?)?, &args, &slots).await;
        workplace.publish().await.map_err(failure)?;
        store.close().await;
        result
    })
}

async fn with(store: &Store, home: &Home, data: &Path, args: &Args, slots: &[Slot]) -> Result<Exit, Failure> {
    let sweep = store.sweep(args.sweep.as_deref()).await.map_err(failure)?.name;
    let asked = asked(store, &sweep, &args.jobs).await?;
    let mut done = store.done(&sweep).await.map_err(failure)?;
    done.iter_mut().for_each(|cohort| cohort.jobs.retain(|(job, _)| asked.contains_key(job)));
    let renamed = store.renamed().await.map_err(failure)?;
    let mut flags = Flags::new(args);
    let works = works(done.clone(), home, &renamed, |cohort, job| {
        let mut all: Vec<Score> = Vec::new();
        let none = [Scores::default()];
        for asked in cohort.scores.get(&job).map_or(&none[..], |asked| asked) {
            let new =
                flags.of(cohort, job, asked)?.into_iter().filter(|score| !all.contains(score)).collect::<Vec<_>>();
            all.extend(new);
        }
        Ok(all)
    })?;
    for (key, flag, _) in args.how.flags().filter(|(.., given)| *given) {
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
        say(format!("{sweep}: {text}"));
    }
    let blueprints = works.iter().map(|work| &*work.cohort.blueprint);
    check_precision(&sweep, "--device", blueprints, slots)?;
    let start = Instant::now();
    let jobs: BTreeSet<JobId> = works.iter().flat_map(|work| &work.cohort.jobs).map(|(job, _)| *job).collect();
    let sum = score((store, home, data), works, &slots[0], &renamed).await?;
    let seconds = start.elapsed().as_secs_f64();
    if !flags.silent {
        ask((store, home, &sweep), &done, &mut flags, &sum.done).await?;
    }
    if let Some(signal) = sum.signal {
        say(format!("stopped: {} of {} jobs have new scores, the others what they had", sum.jobs.len(), jobs.len()));
        return Ok(Exit::Signal(signal));
    }
    let done = format!("{}: {} in {}", plural(sum.jobs.len(), "job"), plural(sum.scores, "score"), duration(seconds));
    say(format!("{done} (`sweep report {}`)", operands(&[&sweep])));
    if args.json {
        let without: BTreeMap<&str, usize> = without.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        let document = json!({"sweep": sweep, "jobs": sum.jobs.len(), "scores": sum.scores, "seconds": seconds, "failed": sum.failed.len() + sum.unusable.len(),
            "without_generator": without});
        print_json(&format!("{document:#}\n"))?;
    }
    Ok(if sum.failed.is_empty() && sum.unusable.is_empty() { Exit::Ok } else { Exit::JobsFailed })
}

/// What the command line says about scores.
struct Flags<'a> {
    args: &'a Args,
    metrics: Option<BTreeSet<Metric>>,
    /// Whether it says nothing.
    silent: bool,
    /// Of a million jobs most have the same.
    known: Vec<(BlueprintId, Scores, Vec<Score>)>,
}

impl<'a> Flags<'a> {
    fn new(args: &'a Args) -> Self {
        let metrics = args.metrics.as_ref().map(|metrics| metrics.iter().copied().collect::<BTreeSet<_>>());
        let silent = metrics.is_none() && args.samples.is_none() && args.how.flags().all(|(.., given)| !given);
        Flags { args, metrics, silent, known: Vec::new() }
    }

    /// How a job is to be scored of which `asked` is asked for: each metric by the settings of what names it, a new one by those of the first,
    /// where the command line has no others.
    fn of(&mut self, cohort: &DoneCohort, job: JobId, asked: &Scores) -> Result<Vec<Score>, Failure> {
        let id = cohort.blueprint.id();
        if let Some((.., scores)) = self.known.iter().find(|(of, scores, _)| *of == id && scores == asked) {
            return Ok(scores.clone());
        }
        let named: BTreeSet<Metric> = asked.iter().flat_map(|score| score.metrics.iter().copied()).collect();
        let wanted = self.metrics.as_ref().unwrap_or(&named);
        if wanted.is_empty() {
            let job = job.short();
            return Err(Failure::usage(format!("job {job} has no scores by itself: name some with --metrics")));
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
                    changed(&whose, (dataset, &**base), &self.args.how, self.args.samples, Some(&metrics))?
                }
            };
            // What a trainer of the user's own reports is asked for as before.
            scores.push(Score { every: 0, metrics, reported: base.reported.clone(), ..score });
        }
        self.known.push((id, Arc::clone(asked), scores.clone()));
        Ok(scores)
    }
}

/// Has the sweep ask for what was measured of jobs, instead of what it asked for of these metrics.
async fn ask(
    (store, home, sweep): (&Store, &Home, &str),
    cohorts: &[DoneCohort],
    flags: &mut Flags<'_>,
    done: &[(Score, Vec<JobId>)],
) -> Result<(), Failure> {
    let done: Vec<(&Score, HashSet<JobId>)> =
        done.iter().map(|(score, jobs)| (score, jobs.iter().copied().collect())).collect();
    let mut news: Vec<((Scores, Scores), Vec<JobId>)> = Vec::new();
    for cohort in cohorts {
        for &(job, _) in &cohort.jobs {
            for before in cohort.scores.get(&job).into_iter().flatten() {
                let scores = flags.of(cohort, job, before)?;
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
        store.ask(home, &jobs, Ask { sweep: sweep.to_owned(), before, now }).await.map_err(failure)?;
    }
    Ok(())
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
