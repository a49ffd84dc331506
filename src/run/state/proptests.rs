//! Whatever happens outside, no job is lost, none counts twice, and every path ends.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::fixtures::{self, done, ended, records, started};
use super::referee::{Referee, Wanted};
use super::*;
use sweep_spec::id::{CohortId, JobId};
use sweep_wire::event::{Cause, Event, Outcome};

/// What a world of unreliable workers does next to the slot that a number picks.
#[derive(Clone, Debug)]
enum Act {
    Start,
    Checkpoint(u64),
    Done(usize),
    /// A job is scored, at a step and with a value that depend on these numbers.
    Score(usize, u8),
    /// It has reached the step of its order, or says so.
    Reach,
    Diverge(usize),
    FailOne(usize),
    DoneTwice(usize),
    End(Outcome),
    FinishAll,
    Exit,
    Garbage,
    Silence,
    Freeze,
    Backwards,
    Vanish(Clue),
    Pause,
    Resume,
    Cancel(usize),
    Leave,
    Lose,
    Join,
    Strand,
    Stop,
    Warned,
}

fn act() -> impl Strategy<Value = (usize, Act)> {
    let outcome = prop_oneof![
        Just(Outcome::Finished),
        Just(Outcome::Stopped),
        Just(Outcome::OutOfMemory),
        Just(Outcome::Failed),
        Just(Outcome::Refused),
    ];
    let act = prop_oneof![
        4 => Just(Act::Start),
        4 => (1..120_u64).prop_map(Act::Checkpoint),
        4 => (0..6_usize).prop_map(Act::Done),
        6 => (0..6_usize, any::<u8>()).prop_map(|(job, value)| Act::Score(job, value)),
        2 => Just(Act::Reach),
        1 => (0..6_usize).prop_map(Act::Diverge),
        1 => (0..6_usize).prop_map(Act::FailOne),
        1 => (0..6_usize).prop_map(Act::DoneTwice),
        2 => outcome.prop_map(Act::End),
        2 => Just(Act::FinishAll),
        2 => Just(Act::Exit),
        1 => Just(Act::Garbage),
        1 => Just(Act::Silence),
        1 => Just(Act::Freeze),
        1 => Just(Act::Backwards),
        1 => prop_oneof![Just(Clue::NoMemory), Just(Clue::NoSpace), Just(Clue::Killed)].prop_map(Act::Vanish),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        1 => (0..20_usize).prop_map(Act::Cancel),
        1 => Just(Act::Leave),
        1 => Just(Act::Lose),
        2 => Just(Act::Join),
    ];
    // A stop is rare: otherwise most runs would end by it.
    (0..3_usize, prop_oneof![120 => act, 2 => Just(Act::Stop), 1 => Just(Act::Warned), 1 => Just(Act::Strand)])
}

fn settings() -> impl Strategy<Value = Settings> {
    let time = || prop_oneof![3 => Just(f64::INFINITY), 1 => 10.0..5000.0_f64];
    let failures = prop_oneof![3 => Just(usize::MAX), 1 => 1..4_usize];
    let far = (prop_oneof![Just(0.0), Just(60.0)], prop_oneof![Just(2.0), Just(30.0)], 0..5_usize);
    let pace = far.prop_map(|(delay, ahead_seconds, ahead)| Pace { delay, ahead_seconds, ahead });
    let flags = (any::<bool>(), any::<bool>());
    (time(), time(), failures, flags, prop_oneof![Just(0.0), Just(1.0)], pace).prop_map(
        |(job_time, run_time, max_failures, (finish_running, control), backoff, pace)| Settings {
            tries: 3,
            backoff,
            silence: 100.0,
            grace: 20.0,
            job_time,
            run_time,
            max_failures,
            finish_running,
            control,
            pace,
        },
    )
}

/// An order in progress: its jobs, its cohort, and its last step.
type Order = (Ticket, Vec<JobId>, CohortId, u64);

/// The world: which process has which orders. Checks every effect against that.
#[derive(Default)]
struct World {
    now: f64,
    /// How far the clock has jumped back for the next input.
    back: f64,
    alive: HashSet<usize>,
    /// Slots that are gone, or are about to be: they get no orders.
    gone: HashSet<usize>,
    /// Slots whose worker was asked to stop, and when. A freeze moves that time.
    asked: HashMap<usize, f64>,
    orders: HashMap<usize, Vec<Order>>,
    open: HashSet<Ticket>,
    stopped: bool,
    jobs: Vec<JobId>,
    cancelled: HashSet<JobId>,
    early: HashSet<JobId>,
    stuck: bool,
    /// Whether workers can be told of cancelled jobs while they train.
    control: bool,
    finished: Option<Summary>,
}

impl World {
    /// `patience`: how long a worker must have been asked to stop before this input, the passing of time, kills it.
    fn apply(&mut self, effects: Vec<Effect>, patience: Option<f64>) {
        for effect in effects {
            assert!(self.finished.is_none(), "something after the end: {effect:?}");
            match effect {
                Effect::Start { slot } => {
                    assert!(self.alive.insert(slot), "two workers in slot {slot}");
                    self.asked.remove(&slot);
                }
                Effect::Send { ticket, slot, cohort, without, until, .. } => {
                    assert!(self.alive.contains(&slot) && !self.gone.contains(&slot), "an order without a worker");
                    let is_gone = |job: &JobId| self.cancelled.contains(job) || self.early.contains(job);
                    let ends = |job: &JobId| !is_gone(job) || without.contains(job);
                    assert!(cohort.members.iter().all(|(id, _)| ends(id)), "a job that is not wanted is trained");
                    let busy = self.orders.values().flatten().any(|(_, _, other, _)| *other == cohort.id);
                    assert!(!busy, "a cohort trains in two places");
                    assert!(self.open.insert(ticket));
                    let jobs = cohort.members.iter().map(|(id, _)| *id).collect();
                    self.orders.entry(slot).or_default().push((ticket, jobs, cohort.id, until.unwrap_or(100)));
                }
                Effect::Ingest { ticket, records, .. } => {
                    assert!(self.open.contains(&ticket) && !records.is_empty());
                }
                Effect::Finished { ticket, slot } | Effect::End { ticket, slot, .. } => {
                    assert!(self.open.remove(&ticket), "an attempt ended twice");
                    self.orders.entry(slot).or_default().retain(|(other, ..)| *other != ticket);
                }
                Effect::Measure { .. } | Effect::Answered { .. } => panic!("nothing was asked"),
                Effect::Control { ticket, without } => {
                    assert!(self.control, "an order to a worker that cannot be told");
                    let mut all = self.orders.iter().flat_map(|(slot, orders)| orders.iter().map(move |of| (slot, of)));
                    let (slot, (_, jobs, ..)) = all.find(|(_, (of, ..))| *of == ticket).expect("an attempt under way");
                    assert!(self.alive.contains(slot) && !self.asked.contains_key(slot), "an order without a worker");
                    assert!(without.iter().all(|job| jobs.contains(job)), "it is not of that order");
                    let is_gone = |job: &JobId| self.cancelled.contains(job) || self.early.contains(job);
                    let is_said = |job: &&JobId| !is_gone(job) || without.contains(job);
                    assert_eq!(jobs.iter().filter(is_said).count(), jobs.len(), "a cancelled job is not named");
                }
                Effect::Cancelled { jobs } => {
                    assert!(!jobs.is_empty());
                    for job in jobs {
                        assert!(self.cancelled.insert(job), "cancelled twice");
                    }
                }
                Effect::Early(verdicts) => {
                    assert!(!verdicts.is_empty());
                    for job in verdicts.into_iter().flat_map(|verdict| verdict.jobs) {
                        assert!(!self.cancelled.contains(&job) && self.early.insert(job), "decided twice");
                    }
                }
                Effect::Stop { slot } | Effect::Close { slot } => {
                    assert!(self.alive.contains(&slot), "a signal without a worker");
                    self.asked.entry(slot).or_insert(self.now);
                }
                Effect::Kill { slot } => {
                    assert!(self.alive.contains(&slot), "a signal without a worker");
                    if let Some(patience) = patience {
                        let asked = self.asked.get(&slot).copied();
                        let was_patient = asked.is_some_and(|asked| self.now - asked > patience);
                        assert!(was_patient, "slot {slot} was asked at {asked:?} and killed at {}", self.now);
                    }
                }
                Effect::Stuck => self.stuck = true,
                Effect::Finish(summary) => self.finished = Some(summary),
            }
        }
    }

    /// Returns the inputs that `act` means for `slot`; none if it makes no sense.
    fn inputs(&mut self, slot: usize, act: &Act) -> Vec<Input> {
        let front = self.orders.get(&slot).and_then(|orders| orders.first()).cloned();
        let log = |events| vec![Input::Log { slot, records: records(events), offset: 1 }];
        let pick = |index: usize| front.as_ref().map(|(_, jobs, ..)| jobs[index % jobs.len()]);
        let failed = |job, cause| Event::JobFailed { job, step: 1, cause, message: "it failed".to_owned() };
        match act {
            Act::Stop => {
                self.stopped = true;
                vec![Input::Stop]
            }
            Act::Warned => {
                self.stopped = true;
                vec![Input::Warned]
            }
            Act::Silence => {
                self.now += 1000.0;
                vec![Input::Tick]
            }
            // No one says or hears anything, and then all timeouts start again.
            Act::Freeze => {
                self.now += 1000.0;
                let now = self.now;
                self.asked.values_mut().for_each(|asked| *asked = now);
                vec![Input::Slept { seconds: 1000.0 }, Input::Tick]
            }
            Act::Backwards => {
                self.back = 500.0;
                vec![Input::Tick]
            }
            Act::Strand => vec![Input::Stranded { message: "nowhere".to_owned() }],
            Act::Join => {
                self.gone.remove(&slot);
                vec![Input::Joined { slot, kind: fixtures::slots(1).remove(0) }]
            }
            // Its worker is told to stop by others.
            Act::Leave => {
                self.gone.insert(slot);
                self.asked.entry(slot).or_insert(self.now);
                vec![Input::Leaving { slot }]
            }
            Act::Lose => {
                self.gone.insert(slot);
                self.alive.remove(&slot);
                vec![Input::Left { slot }]
            }
            Act::Pause => vec![Input::Pause],
            Act::Resume => vec![Input::Resume],
            Act::Cancel(index) => {
                let job = self.jobs.get(index % self.jobs.len().max(1));
                job.map(|&job| Input::Cancel { jobs: vec![job, job] }).into_iter().collect()
            }
            Act::Exit | Act::Vanish(_) if self.alive.remove(&slot) => {
                let clue = if let Act::Vanish(clue) = act { Some(*clue) } else { None };
                vec![Input::Exited { slot, status: "gone".to_owned(), clue }]
            }
            _ if front.is_none() || !self.alive.contains(&slot) => Vec::new(),
            Act::Start => log(vec![started()]),
            Act::Checkpoint(step) => log(vec![Event::Checkpointed { step: *step }]),
            Act::Done(index) => log(pick(*index).map(done).into_iter().collect()),
            Act::DoneTwice(index) => {
                let twice: Vec<Event> = pick(*index).map(done).into_iter().collect();
                log([twice.clone(), twice].concat())
            }
            Act::Score(index, value) => {
                let step = [10, 20, 40, 80][usize::from(value / 64)];
                let scored = |job| referee_tests::scored(job, step, f64::from(value % 4));
                log(pick(*index).map(scored).into_iter().collect())
            }
            Act::Reach => {
                let (.., until) = front.expect("checked above");
                log(vec![Event::Checkpointed { step: until }, ended(Outcome::Reached)])
            }
            Act::Diverge(index) => log(pick(*index).map(|job| failed(job, Cause::Diverged)).into_iter().collect()),
            Act::FailOne(index) => log(pick(*index).map(|job| failed(job, Cause::Failed)).into_iter().collect()),
            Act::End(outcome) => log(vec![ended(*outcome)]),
            Act::FinishAll => {
                let (_, jobs, ..) = front.expect("checked above");
                log(jobs.into_iter().map(done).chain([ended(Outcome::Finished)]).collect())
            }
            Act::Garbage => vec![Input::Broken { slot, message: "garbage".to_owned() }],
            Act::Exit | Act::Vanish(_) => Vec::new(),
        }
    }
}

/// The number of its members, and its seconds.
type Size = (u64, f64);

/// Plays `script` again and again on `slots` slots until all of `cohorts`, with (members, seconds) each, have ended,
/// and then those of each batch of `later`, which ended jobs propose. In each batch, the cells of the first `compared`
/// jobs are compared. All cohorts have the same shape if they are `alike`.
fn play(
    slots: usize,
    (cohorts, later, compared, alike): (&[Size], &[Vec<Size>], usize, bool),
    script: &[(usize, Act)],
    settings: Settings,
) -> Result<(), TestCaseError> {
    let mut made = 0_u32;
    let mut works = |cohorts: &[Size]| -> (Vec<Work>, Wanted) {
        let mut one = |&(members, seconds): &Size| {
            made += 8;
            let width = if alike { 1 } else { made };
            let seeds = u64::from(made)..u64::from(made) + members;
            Work::new(fixtures::cohort_of(width, seeds), 0, &HashSet::new(), seconds)
        };
        let works: Vec<Work> = cohorts.iter().map(&mut one).collect();
        let members = works.iter().flat_map(|work| work.cohort.members.iter());
        let cells: Vec<Vec<JobId>> = members.map(|(id, _)| vec![*id]).take(compared).collect();
        (works, referee_tests::wanted(referee_tests::prune(1), &cells))
    };
    let (first, wanted) = works(cohorts);
    let mut jobs: HashSet<JobId> = first.iter().flat_map(|work| work.open.iter().copied()).collect();
    let mut machine = Machine::new(settings, slots, first).under(Referee::new(vec![wanted]));
    let mut later = later.iter();
    for slot in 0..slots {
        assert!(machine.handle(0.0, Input::Joined { slot, kind: fixtures::slots(1).remove(0) }).is_empty());
    }
    let mut world = World { jobs: jobs.iter().copied().collect(), control: settings.control, ..World::default() };
    world.jobs.sort_unstable();
    world.apply(machine.handle(0.0, Input::Tick), None);
    // The script over and over: whatever the workers do, retries are bounded, so it must end.
    let mut rounds = 0;
    while world.finished.is_none() {
        rounds += 1;
        prop_assert!(rounds < 3000, "no end: {machine:?}");
        let mut acts = script.to_vec();
        // In every script each worker exits in the end, as any real process does.
        acts.extend((0..slots).map(|slot| (slot, Act::Exit)));
        acts.extend((0..slots).map(|slot| (slot, Act::Join)));
        // No pause lasts for ever, and time passes.
        acts.extend([(0, Act::Resume), (0, Act::Silence)]);
        for (slot, act) in acts {
            for input in world.inputs(slot % slots, &act) {
                let now = world.now - std::mem::take(&mut world.back);
                let patience = settings.grace.min(settings.silence) + settings.pace.delay;
                let patience = matches!(input, Input::Tick).then_some(patience);
                world.apply(machine.handle(now, input), patience);
                if std::mem::take(&mut world.stuck) {
                    machine.go_on();
                    world.apply(machine.handle(now, Input::Tick), None);
                }
            }
            if world.finished.as_ref().is_some_and(|summary| summary.finish == Finish::Complete) {
                let Some(batch) = later.next() else { continue };
                let (more, wanted) = works(batch);
                jobs.extend(more.iter().flat_map(|work| work.open.iter().copied()));
                world.jobs = jobs.iter().copied().collect();
                world.jobs.sort_unstable();
                world.finished = None;
                machine.add(more, vec![wanted]);
                world.apply(machine.handle(world.now, Input::Tick), None);
            }
            let view = machine.view();
            prop_assert!(view.steps_done <= view.steps && view.steps == 100 * jobs.len() as u64, "{view:?}");
        }
    }
    let summary = world.finished.expect("the loop ended");
    prop_assert!(world.open.is_empty(), "attempts without an end: {:?}", world.open);
    let Summary { done, diverged, pruned, cancelled, failed, left, .. } = &summary;
    prop_assert_eq!(done + diverged + pruned + cancelled + failed.len() + left, jobs.len());
    prop_assert_eq!((*cancelled, *pruned), (world.cancelled.len(), world.early.len()));
    let failed: HashSet<JobId> = failed.iter().map(|(job, _)| *job).collect();
    prop_assert_eq!(failed.len(), summary.failed.len(), "failed twice");
    match summary.finish {
        Finish::Complete => prop_assert_eq!(summary.left, 0),
        Finish::Early(Ending::Left) => prop_assert!(false, "nobody has left"),
        Finish::Early(Ending::Asked) => prop_assert!(summary.left > 0 && world.stopped, "jobs were lost"),
        Finish::Early(Ending::TimeLimit) => prop_assert!(summary.left > 0 && settings.run_time.is_finite()),
        Finish::Early(Ending::Failures) => prop_assert!(summary.left > 0 && failed.len() >= settings.max_failures),
        Finish::Early(Ending::NoSpace(_) | Ending::Hopeless(_)) => prop_assert!(summary.left > 0),
    }
    Ok(())
}

fn cohorts(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Size>> {
    prop::collection::vec((1..7_u64, prop_oneof![Just(0.01), Just(10.0)]), count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_path_ends_with_every_job_counted_once(
        slots in 1..4_usize,
        cohorts in cohorts(0..6),
        later in prop::collection::vec(cohorts(1..4), 0..3),
        compared in prop_oneof![1 => Just(0_usize), 3 => 2..12_usize],
        alike in any::<bool>(),
        script in prop::collection::vec(act(), 1..60),
        settings in settings(),
    ) {
        play(slots, (&cohorts, &later, compared, alike), &script, settings)?;
    }
}

#[test]
fn a_clock_that_is_set_back_twice_ends_too() {
    let settings = Settings {
        tries: 3,
        backoff: 1.0,
        silence: 100.0,
        grace: 20.0,
        job_time: f64::INFINITY,
        run_time: f64::INFINITY,
        max_failures: usize::MAX,
        finish_running: false,
        control: true,
        pace: Pace::default(),
    };
    play(1, (&[(2, 0.01)], &[], 0, false), &[(0, Act::Backwards), (0, Act::Start), (0, Act::Backwards)], settings)
        .unwrap();
}
