//! The steps of a run, from opening the database to the final summary.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::cohorts::Cohorts;
use super::following::{Next, coming};
use super::summary::{closing, ended_early, failures, opening, say_left_alone, unwritten_failure};
use super::sweeps::{SweepInRun, fit, new_jobs, register};
use super::team::Team;
use super::{End, Front, Request};
use crate::database::{Records, check_known};
use crate::rescore::generators::{Sum, measure_rest};
use crate::{Failure, Tell, early_stopping, own_trainers, shorter_jobs};
use sweep_plan::Limits;
use sweep_plan::slot::Slot;
use sweep_report::format::plural;
use sweep_run::state::referee::{Referee, Wanted};
use sweep_run::state::{Ending, Finish, Work};
use sweep_run::{Options, Outcomes, RunError, Workplace};
use sweep_spec::id::JobId;
use sweep_spec::job::{Earlier, Task};
use sweep_store::{Store, orphaned_attempts};
use sweep_wire::home::Home;
use sweep_wire::status::Status;

/// What a run trains with.
pub(super) struct Resources {
    pub(super) team: Team,
    pub(super) limits: Limits,
    /// The slots that a budget is planned for.
    pub(super) slots: Vec<Slot>,
    /// The slot on which results are measured afterwards.
    pub(super) slot: Slot,
    /// Whether SWEEP_WORKER trains.
    pub(super) own: bool,
    pub(super) workplace: Workplace,
}

/// The sweeps, what each of them wants, and the status of each job.
type Asked<'a> = (&'a mut [SweepInRun], &'a [(&'a str, &'a Wanted)], &'a HashMap<JobId, Status>);

/// What all steps of a run share.
struct Scene<'a> {
    records: Records<'a>,
    data: &'a Path,
    names: &'a [&'a str],
    /// The present ids of jobs that had other ids.
    renamed: &'a HashMap<JobId, JobId>,
    /// The slot on which results are measured afterwards.
    slot: &'a Slot,
    /// Whether SWEEP_WORKER trains, which measures by itself.
    own_worker: bool,
    /// The command that continues the run.
    again: &'a str,
}

/// What to train.
struct Open {
    /// Cohorts that have begun.
    begun: Vec<Work>,
    /// Jobs in none of these.
    new: Vec<Task>,
    /// Decides which of them are stopped early.
    referee: Referee,
    /// Those of them that continue from shorter jobs.
    longer: HashMap<JobId, Earlier>,
}

impl Open {
    fn count(&self) -> usize {
        self.begun.iter().map(|work| work.open().count()).sum::<usize>() + self.new.len()
    }
}

/// Trains what is not done yet of `sweeps`, and measures what was not measured.
///
/// # Errors
///
/// Something keeps the run from continuing. Results up to then are in the logs.
pub(super) async fn train(
    mut sweeps: Vec<SweepInRun>,
    request: &Request,
    mut options: Options,
    Resources { team, mut limits, slots, slot, own, workplace }: Resources,
    front: &dyn Front,
) -> Result<End, Failure> {
    let tell = front.tell();
    let database = workplace.database.clone();
    let home = options.orders.home.clone();
    let data = options.orders.data.clone();
    let store = open(&database, &home, tell).await?;
    let records = Records { store: &store, home: &home, tell };
    let renamed = store.renamed().await?;
    rename(&mut sweeps, &renamed);
    let seconds = store.own_seconds().await?;
    sweeps.iter().for_each(|sweep| own_trainers::plan_with(&mut limits, &sweep.trainers, &seconds));
    if let Some(budget) = request.budget {
        let budget = budget.seconds(&slots, request.on.is_some())?;
        options.settings.run_time = options.settings.run_time.min(budget);
        fit(records, &mut sweeps, (budget, &seconds), (&slots, &limits)).await?;
    }
    let mut states = register(records, &mut sweeps, own).await?;
    // A machine that continues this run must know the sweeps.
    workplace.publish().await?;
    let (training, ended) = oneshot::channel::<()>();
    let published = tokio::spawn(workplace.clone().keep_published(ended));
    let names: Vec<String> = sweeps.iter().map(|sweep| sweep.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let scene = Scene {
        records,
        data: &data,
        names: &names,
        renamed: &renamed,
        slot: &slot,
        own_worker: own,
        again: &request.again,
    };
    if let Some(end) = scene.measure_before(&mut sweeps, &mut states).await? {
        return Ok(end);
    }
    options.orders.keeps.extend(sweeps.iter().flat_map(|sweep| sweep.keeps.iter().copied()));
    for (was, job) in &renamed {
        options.orders.was.entry(*job).or_default().push(*was);
    }
    let wanted: Vec<(String, Wanted)> = sweeps.iter().map(|sweep| (sweep.name.clone(), sweep.wanted.clone())).collect();
    let wanted: Vec<(&str, &Wanted)> = wanted.iter().map(|(name, wanted)| (name.as_str(), wanted)).collect();
    let open = scene.open(&sweeps, &wanted, request.rescore_history, &mut states).await?;
    options.orders.after = open.longer.clone();
    let count = open.count();
    let start = Instant::now();
    let outcomes = if count == 0 {
        tell.say(opening(&states, &names, None));
        if let (_, Some(agents)) = team.gather(&home, &options.hold) {
            agents.dismiss().await;
        }
        None
    } else {
        Some(scene.run(open, (&mut sweeps, &wanted, &states), (options, team, limits), front).await?)
    };
    let is_whole =
        outcomes.as_ref().is_none_or(|of| of.unwritten.is_none() && matches!(of.summary.finish, Finish::Complete));
    let measured = if is_whole { scene.measure_after(&sweeps, &states).await } else { Ok(Sum::default()) };
    let waits = is_whole && sweeps.iter().any(SweepInRun::waits);
    // A copy in progress must not replace the final one.
    drop(training);
    let _ = published.await;
    workplace.publish().await?;
    store.clone().close().await;
    check_there(&database)?;
    scene.conclude((outcomes, measured), &states, (count, waits, start), &database)
}

/// Opens the database, and adds all attempts in `home` that it lacks.
async fn open(database: &Path, home: &Home, tell: &Tell) -> Result<Store, Failure> {
    if fs::exists(database).is_ok_and(|there| !there) {
        check_known(database, home, orphaned_attempts(home)?)?;
    }
    let store = sweep_run::open(database).await?;
    let caught_up = store.catch_up(home).await?;
    if caught_up > 0 {
        let attempts = plural(caught_up, "attempt");
        tell.say(format!("{} lacked {attempts} of an earlier run and now has them", database.display()));
    }
    check_known(database, home, store.unknown_attempts(home).await?)?;
    Ok(store)
}

/// Tells sweeps which of their jobs had other ids.
fn rename(sweeps: &mut [SweepInRun], renamed: &HashMap<JobId, JobId>) {
    for new in sweeps.iter_mut().map(|sweep| &mut sweep.new).filter(|_| !renamed.is_empty()) {
        let jobs: HashSet<JobId> = new.entries.iter().map(|entry| entry.id).collect();
        new.renamed = renamed.iter().filter(|(_, job)| jobs.contains(job)).map(|(was, job)| (*was, *job)).collect();
    }
}

/// Checks that the database still exists.
fn check_there(database: &Path) -> Result<(), Failure> {
    if fs::exists(database).is_ok_and(|there| !there) {
        return Err(Failure::environment(format!(
            "{} is gone: it was removed during the run; `sweep rebuild` makes it again",
            database.display()
        )));
    }
    Ok(())
}

impl Scene<'_> {
    /// Measures jobs that were trained before and lack scores that the files ask for, if these scores decide what to
    /// train next. Returns the end of the run if it was asked to stop.
    async fn measure_before(
        &self,
        sweeps: &mut [SweepInRun],
        states: &mut HashMap<JobId, Status>,
    ) -> Result<Option<End>, Failure> {
        let Records { store, tell, .. } = self.records;
        while sweeps.iter().any(SweepInRun::waits) {
            let sum = match self.own_worker {
                true => Sum::default(),
                false => self.measure(&HashSet::new()).await?,
            };
            if let Some(signal) = sum.signal {
                tell.say(format!("stopped before training; continue with: {}", self.again));
                return Ok(Some(End::Stopped(Some(signal))));
            }
            if sum.scores == 0 {
                sweeps.iter().for_each(SweepInRun::wait_no_more);
            }
            for sweep in &mut *sweeps {
                let known = store.states(&sweep.name).await?;
                let found = sweep.advance(self.records, &known).await?;
                states.extend(found.into_iter().flatten());
            }
        }
        Ok(None)
    }

    /// Measures what training did not, except for jobs in `looked_at`.
    async fn measure(&self, looked_at: &HashSet<JobId>) -> Result<Sum, Failure> {
        measure_rest(self.records, self.data, self.names, self.slot, (self.renamed, looked_at)).await
    }

    /// Finds what to train, and tells the user which jobs continue from shorter ones. Adds reopened jobs to `states`.
    /// `history`: finished jobs that lack scores of earlier steps train again.
    async fn open(
        &self,
        sweeps: &[SweepInRun],
        wanted: &[(&str, &Wanted)],
        history: bool,
        states: &mut HashMap<JobId, Status>,
    ) -> Result<Open, Failure> {
        let Records { store, home, tell } = self.records;
        let of = sweeps.iter().map(|sweep| (&sweep.new, &sweep.tasks[..]));
        let again = shorter_jobs::again(self.records, history.then_some(of)).await?;
        states.extend(again.iter().map(|job| (*job, Status::Pending)));
        let referee = early_stopping::referee(store, wanted).await?;
        early_stopping::reopen_and_say(self.records, &referee, states).await?;
        let mut begun = sweep_run::resumed(store, self.names).await?;
        // A cohort that began when the file asked for other scores starts from scratch if scores are to decide.
        begun.retain(|work| work.open().all(|job| referee.is_scored_by(job, &work.cohort().scores)));
        let mut new = new_jobs(sweeps, states, &begun);
        let may_come = |task: &&Task| states.get(&task.id).is_none_or(|state| !state.is_final());
        let open = sweeps.iter().flat_map(SweepInRun::all).filter(may_come);
        // A job that is trained again must be measured from its start.
        let open = open.filter(|task| !again.contains(&task.id));
        // A shorter training was scored differently on its way, which decides nothing here.
        let open = open.filter(|task| !referee.looks_at(task.id));
        let longer = shorter_jobs::find(store, home, (open, history)).await?;
        new.iter_mut().for_each(|task| task.earlier = longer.get(&task.id).copied());
        tell.say_all(shorter_jobs::notes(store, new.iter()).await?);
        Ok(Open { begun, new, referee, longer })
    }

    /// Trains all of `open`, and what follows from it.
    async fn run(
        &self,
        Open { begun, new, referee, longer }: Open,
        (sweeps, wanted, states): Asked<'_>,
        (options, team, limits): (Options, Team, Limits),
        front: &dyn Front,
    ) -> Result<Outcomes, Failure> {
        let Records { store, home, tell } = self.records;
        let open = begun.iter().map(|work| work.open().count()).sum::<usize>() + new.len();
        let all: Vec<Task> = match wanted.iter().any(|(_, wanted)| !wanted.contests.is_empty()) {
            true => sweeps.iter().flat_map(SweepInRun::all).cloned().collect(),
            false => Vec::new(),
        };
        let expected = team.expected();
        let (crew, agents) = team.gather(home, &options.hold);
        let coming = Rc::new(Cell::new(coming(sweeps)));
        let watch = agents.as_ref().map(|agents| agents.watch.clone());
        let mut observer = front.observer(crew.slots, watch, Rc::clone(&coming));
        let opening = |cohorts, slots| opening(states, self.names, Some((open, cohorts, slots)));
        let known = sweeps.iter().flat_map(SweepInRun::all).map(|task| task.id).collect();
        let next = Next { records: self.records, sweeps, known, longer: &longer, wanted, all: &all, coming };
        let own_worker = self.own_worker;
        let mut cohorts = Cohorts { begun, new, limits, referee, next, own_worker, tell, expected, opening: &opening };
        let result = sweep_run::run(store, options, crew, &mut cohorts, &mut *observer).await;
        drop(observer);
        let left = result.as_ref().is_ok_and(|of| of.summary.finish == Finish::Early(Ending::Left));
        match agents {
            Some(agents) if left => agents.leave().await,
            Some(agents) if matches!(result, Err(RunError::TakenOver { .. })) => agents.abandon().await,
            Some(agents) => agents.dismiss().await,
            None => {}
        }
        Ok(result?)
    }

    /// Measures what the files ask for and training did not measure. Samples of own trainers are measured when they are
    /// saved.
    async fn measure_after(&self, sweeps: &[SweepInRun], states: &HashMap<JobId, Status>) -> Result<Sum, Failure> {
        if self.own_worker {
            return Ok(Sum::default());
        }
        let own = |task: &&Task| task.job.blueprint.own().is_some() && states.get(&task.id) != Some(&Status::Done);
        let looked_at = sweeps.iter().flat_map(SweepInRun::all).filter(own).map(|task| task.id).collect();
        self.measure(&looked_at).await
    }

    /// Reports all results: of training, if there was any, and then of measuring. `states` are those before; `open`
    /// jobs were to train since `start`; `waits`: more follows from what was measured.
    fn conclude(
        &self,
        (outcomes, measured): (Option<Outcomes>, Result<Sum, Failure>),
        states: &HashMap<JobId, Status>,
        (open, waits, start): (usize, bool, Instant),
        database: &Path,
    ) -> Result<End, Failure> {
        let (Records { home, tell, .. }, again) = (self.records, self.again);
        let before = |state| states.values().filter(|before| **before == state).count();
        let (failed, cancelled) = (before(Status::Failed), before(Status::Cancelled));
        // The results of training are reported, however measuring ended.
        let end = |measured: Result<Sum, Failure>, failed: bool| -> Result<End, Failure> {
            let Sum { signal, failed: unmeasured, .. } = measured?;
            if waits && signal.is_none() {
                tell.say(format!("the new scores lead to more training: {again}"));
            }
            if signal.is_some() {
                tell.say(format!("stopped; continue with: {again}"));
                return Ok(End::Stopped(signal));
            }
            Ok(if failed || !unmeasured.is_empty() { End::JobsFailed } else { End::Done })
        };
        let Some(Outcomes { summary, signal, memory_limits, unwritten, last_words }) = outcomes else {
            say_left_alone(tell, failed, cancelled);
            return end(measured, failed > 0);
        };
        let _ = sweep_run::add_measurements(home, &memory_limits).map_err(Failure::environment)?;
        if memory_limits.values().flat_map(|of| of.values()).any(|measured| measured.limit.is_some()) {
            tell.say(format!(
                "some cohorts ran out of memory and were halved; {} stores what fits: delete it if other programs had \
                taken the memory",
                home.measured().display()
            ));
        }
        if summary.finish == Finish::Early(Ending::Asked) && summary.jobs() == 0 {
            tell.say(format!("stopped before training; continue with: {again}"));
            return Ok(End::Stopped(signal));
        }
        if summary.jobs() > 0 {
            tell.say(closing(&summary, start.elapsed()));
        }
        if let Some(unwritten) = unwritten {
            return Err(unwritten_failure(&unwritten, database, home, again));
        }
        match &summary.finish {
            Finish::Early(ending) => {
                if !summary.failed.is_empty() {
                    tell.say(failures(&summary, open));
                }
                let end = ended_early(ending, signal, (&last_words, again), tell)?;
                tell.say(format!("continue with: {again}"));
                Ok(end)
            }
            Finish::Complete => {
                if !summary.failed.is_empty() {
                    tell.say(failures(&summary, summary.jobs().max(open)));
                }
                say_left_alone(tell, failed, cancelled);
                end(measured, !summary.failed.is_empty() || failed > 0)
            }
        }
    }
}
