//! Whatever happens outside: no job is lost, none counts twice, and every path ends.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::fixtures::{self, done, ended, records, started, work};
use super::*;
use crate::spec::id::{CohortId, JobId};
use crate::wire::event::{Cause, Event, Outcome};

/// What a world of unreliable workers does next to the slot that a number picks.
#[derive(Clone, Debug)]
enum Act {
    Start,
    Checkpoint(u64),
    Done(usize),
    Diverge(usize),
    FailOne(usize),
    DoneTwice(usize),
    End(Outcome),
    FinishAll,
    Exit,
    Garbage,
    Silence,
    Stop,
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
        1 => (0..6_usize).prop_map(Act::Diverge),
        1 => (0..6_usize).prop_map(Act::FailOne),
        1 => (0..6_usize).prop_map(Act::DoneTwice),
        2 => outcome.prop_map(Act::End),
        2 => Just(Act::FinishAll),
        2 => Just(Act::Exit),
        1 => Just(Act::Garbage),
        1 => Just(Act::Silence),
    ];
    // A stop is rare, or most runs would end by it.
    (0..3_usize, prop_oneof![60 => act, 1 => Just(Act::Stop)])
}

/// The world: which process has which orders. Checks every effect against it.
#[derive(Default)]
struct World {
    now: f64,
    alive: HashSet<usize>,
    orders: HashMap<usize, Vec<(Ticket, Vec<JobId>, CohortId)>>,
    open: HashSet<Ticket>,
    stopped: bool,
    finished: Option<Summary>,
}

impl World {
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(self.finished.is_none(), "something after the end: {effect:?}");
            match effect {
                Effect::Start { slot } => assert!(self.alive.insert(slot), "two workers in slot {slot}"),
                Effect::Send { ticket, slot, cohort } => {
                    assert!(self.alive.contains(&slot), "an order for nobody");
                    let busy = self.orders.values().flatten().any(|(_, _, other)| *other == cohort.id);
                    assert!(!busy, "one cohort at two places");
                    assert!(self.open.insert(ticket));
                    let jobs = cohort.members.iter().map(|(id, _)| *id).collect();
                    self.orders.entry(slot).or_default().push((ticket, jobs, cohort.id));
                }
                Effect::Ingest { ticket, records, .. } => {
                    assert!(self.open.contains(&ticket) && !records.is_empty());
                }
                Effect::Finished { ticket, slot } | Effect::End { ticket, slot, .. } => {
                    assert!(self.open.remove(&ticket), "an attempt ended twice");
                    self.orders.entry(slot).or_default().retain(|(other, ..)| *other != ticket);
                }
                Effect::Stop { slot } | Effect::Close { slot } | Effect::Kill { slot } => {
                    assert!(self.alive.contains(&slot), "a signal for nobody");
                }
                Effect::Finish(summary) => self.finished = Some(summary),
            }
        }
    }

    /// The inputs that `act` means for `slot`; none where it makes no sense.
    fn inputs(&mut self, slot: usize, act: &Act) -> Vec<Input> {
        let front = self.orders.get(&slot).and_then(|orders| orders.first()).cloned();
        let log = |events| vec![Input::Log { slot, records: records(events), offset: 1 }];
        let pick = |index: usize| front.as_ref().map(|(_, jobs, _)| jobs[index % jobs.len()]);
        let failed = |job, cause| Event::JobFailed { job, step: 1, cause, message: "it failed".to_owned() };
        match act {
            Act::Stop => {
                self.stopped = true;
                vec![Input::Stop]
            }
            Act::Silence => {
                self.now += 1000.0;
                vec![Input::Tick]
            }
            Act::Exit if self.alive.remove(&slot) => vec![Input::Exited { slot, status: "gone".to_owned() }],
            _ if front.is_none() || !self.alive.contains(&slot) => Vec::new(),
            Act::Start => log(vec![started()]),
            Act::Checkpoint(step) => log(vec![Event::Checkpointed { step: *step }]),
            Act::Done(index) => log(pick(*index).map(done).into_iter().collect()),
            Act::DoneTwice(index) => {
                let twice: Vec<Event> = pick(*index).map(done).into_iter().collect();
                log([twice.clone(), twice].concat())
            }
            Act::Diverge(index) => log(pick(*index).map(|job| failed(job, Cause::Diverged)).into_iter().collect()),
            Act::FailOne(index) => log(pick(*index).map(|job| failed(job, Cause::Failed)).into_iter().collect()),
            Act::End(outcome) => log(vec![ended(*outcome)]),
            Act::FinishAll => {
                let (_, jobs, _) = front.expect("checked above");
                log(jobs.into_iter().map(done).chain([ended(Outcome::Finished)]).collect())
            }
            Act::Garbage => vec![Input::Broken { slot, message: "garbage".to_owned() }],
            Act::Exit => Vec::new(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_path_ends_with_every_job_counted_once(
        slots in 1..4_usize,
        cohorts in prop::collection::vec((1..7_u64, prop_oneof![Just(0.01), Just(10.0)]), 0..6),
        script in prop::collection::vec(act(), 1..60),
    ) {
        let works: Vec<Work> =
            cohorts.iter().enumerate().map(|(i, &(members, seconds))| work(i as u32 + 1, members, seconds)).collect();
        let jobs: HashSet<JobId> = works.iter().flat_map(|work| work.open.iter().copied()).collect();
        let mut machine = Machine::new(Settings { tries: 3, silence: 100.0 }, fixtures::slots(slots), works);
        let mut world = World::default();
        world.apply(machine.handle(0.0, Input::Tick));
        // The script over and over: whatever the workers do, retries are bounded, so that it must end.
        let mut rounds = 0;
        while world.finished.is_none() {
            rounds += 1;
            prop_assert!(rounds < 3000, "no end: {machine:?}");
            let mut acts = script.clone();
            // Every script makes each worker exit at last, as any real process does.
            acts.extend((0..slots).map(|slot| (slot, Act::Exit)));
            for (slot, act) in acts {
                for input in world.inputs(slot % slots, &act) {
                    world.apply(machine.handle(world.now, input));
                }
                let view = machine.view();
                prop_assert!(view.steps_done <= view.steps && view.steps == 100 * jobs.len() as u64, "{view:?}");
            }
        }
        let summary = world.finished.expect("the loop ended");
        prop_assert!(world.open.is_empty(), "attempts without an end: {:?}", world.open);
        prop_assert_eq!(summary.done + summary.diverged + summary.failed.len() + summary.left, jobs.len());
        let failed: HashSet<JobId> = summary.failed.iter().map(|(job, _)| *job).collect();
        prop_assert_eq!(failed.len(), summary.failed.len(), "failed twice");
        match summary.finish {
            Finish::Complete => prop_assert_eq!(summary.left, 0),
            Finish::Stopped => prop_assert!(summary.left > 0 && world.stopped, "jobs were lost"),
            Finish::Hopeless(_) => prop_assert!(summary.left > 0),
        }
    }
}
