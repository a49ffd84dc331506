//! Runs whose cells are compared, with workers that train: which jobs are stopped, and in which cohorts the others
//! continue.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::fixtures::{cohort_of, done, ended, records, slots};
use super::referee::{Referee, Verdict, Wanted};
use super::referee_tests::{contest, prune, scored, started_at};
use super::tests::{SETTINGS, Scene, all};
use super::*;
use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};
use sweep_wire::event::{Event, Outcome};

/// What a well-behaved worker does with its orders, at its own pace.
struct Worker {
    ticket: Ticket,
    events: Vec<Event>,
}

/// Whether a job is not compared, but trains with jobs that are.
fn is_spared(place: usize, spared: u8) -> bool {
    spared >> (place % 8) & 1 == 1
}

/// Makes cohorts of these sizes, of the same shape if they are `alike`.
fn of_sizes(sizes: &[u64], alike: bool) -> Vec<Arc<Cohort>> {
    let mut seeds = 0;
    let mut one = |(width, &members): (u32, &u64)| {
        seeds += members;
        cohort_of(if alike { 1 } else { width }, seeds - members..seeds)
    };
    (1..).zip(sizes).map(&mut one).collect()
}

/// Trains cohorts in which each member is a cell with these scores at each step; `pace` says which worker acts next, or
/// dies. Returns the stopped jobs, with what was recorded about them, and the number of orders.
fn train(
    (cohorts, spared): (&[Arc<Cohort>], u8),
    (slots_there, pace): (usize, &[(usize, bool)]),
    value: &dyn Fn(JobId, u64) -> f64,
) -> (BTreeMap<JobId, (u64, String)>, Summary, usize) {
    let jobs: Vec<JobId> = cohorts.iter().flat_map(|cohort| all(cohort)).collect();
    let (others, compared): (Vec<(usize, JobId)>, Vec<_>) =
        jobs.into_iter().enumerate().partition(|(place, _)| is_spared(*place, spared));
    let cells: Vec<Vec<JobId>> = compared.into_iter().map(|(_, job)| vec![job]).collect();
    let others = others.into_iter().map(|(_, job)| job).collect();
    let wanted = Wanted { contests: vec![contest(prune(1), &cells)], others, ..Wanted::default() };
    let works = cohorts.iter().map(|cohort| Work::new(Arc::clone(cohort), 0, &[].into(), 50.0)).collect();
    let settings = Settings { tries: u32::MAX, ..SETTINGS };
    let mut machine = Machine::new(settings, slots_there, works).under(Referee::new(vec![wanted]));
    let mut effects = Vec::new();
    for slot in 0..slots_there {
        machine.handle(0.0, Input::Joined { slot, kind: slots(1).remove(0) });
    }
    effects.extend(machine.handle(0.0, Input::Tick));
    let mut workers: HashMap<usize, Vec<Worker>> = HashMap::new();
    let mut checkpoints: HashMap<CohortId, (u64, BTreeSet<JobId>)> = HashMap::new();
    let mut orders_sent = 0;
    let mut without: HashMap<Ticket, BTreeSet<JobId>> = HashMap::new();
    let mut found = BTreeMap::new();
    // In the end, every worker makes progress.
    let others = pace.iter().map(|(slot, _)| *slot).chain(0..slots_there).collect::<Vec<_>>();
    let mut pace = pace.iter().copied().chain(others.into_iter().cycle().map(|slot| (slot, false)));
    for _ in 0..10_000 {
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Send { ticket, slot, cohort, ancestors, until, without: gone } => {
                    orders_sent += 1;
                    let largest = cohorts.iter().map(|planned| planned.members.len()).max();
                    assert!(Some(cohort.members.len()) <= largest, "larger than any that was planned");
                    // As workers do: from its own checkpoint, or from those of its members' earlier cohorts.
                    let latest = |line: &Vec<CohortId>| line.iter().find_map(|of| checkpoints.get(of));
                    let own = checkpoints.get(&cohort.id).map(|(step, _)| *step);
                    let base = own.unwrap_or_else(|| {
                        let parents: Vec<_> = ancestors.iter().filter_map(latest).collect();
                        let steps: BTreeSet<u64> = parents.iter().map(|(step, _)| *step).collect();
                        assert!(steps.len() <= 1, "of several steps: {steps:?}");
                        assert_eq!(steps.is_empty(), ancestors.is_empty(), "a parent has no checkpoint");
                        let held =
                            |job: &JobId| gone.contains(job) || parents.iter().any(|(_, held)| held.contains(job));
                        assert!(parents.is_empty() || all(&cohort).all(|job| held(&job)), "a member has no state");
                        steps.first().copied().unwrap_or(0)
                    });
                    let until = until.unwrap_or(100);
                    let mut events = vec![started_at(base)];
                    without.insert(ticket, gone.into_iter().collect());
                    for step in [10, 20, 40, 80, 100].into_iter().filter(|step| (base..=until).contains(step)) {
                        events.extend(all(&cohort).map(|job| scored(job, step, value(job, step))));
                        events.push(Event::Checkpointed { step });
                    }
                    if until == 100 {
                        events.extend(all(&cohort).map(done));
                        events.push(ended(Outcome::Finished));
                    } else {
                        events.push(ended(Outcome::Reached));
                    }
                    events.reverse();
                    workers.entry(slot).or_default().push(Worker { ticket, events });
                }
                Effect::Control { ticket, without: gone } => {
                    without.entry(ticket).or_default().extend(gone);
                }
                Effect::Early(verdicts) => {
                    for Verdict { jobs, step, why, .. } in verdicts {
                        for job in jobs {
                            assert!(found.insert(job, (step, why.clone())).is_none(), "decided twice");
                        }
                    }
                }
                // Running jobs lead to every decision here.
                Effect::Stuck => panic!("stuck: {machine:?}"),
                Effect::Finish(summary) => return (found, summary, orders_sent),
                _ => {}
            }
        }
        let (slot, dies) = pace.next().unwrap();
        let slot = slot % slots_there;
        if dies && workers.get(&slot).is_some_and(|orders| !orders.is_empty()) {
            workers.remove(&slot);
            effects.extend(
                machine.handle(0.0, Input::Exited { slot, status: "killed".to_owned(), clue: Some(Clue::Killed) }),
            );
            continue;
        }
        let Some(orders) = workers.get_mut(&slot).filter(|orders| !orders.is_empty()) else {
            effects.extend(machine.handle(0.0, Input::Tick));
            continue;
        };
        // Up to a few events at once. Jobs that are gone by then report nothing.
        let gone = &without[&orders[0].ticket];
        let mut events = Vec::new();
        while let Some(event) = orders[0].events.pop() {
            if event.job().is_none_or(|job| !gone.contains(&job)) {
                events.push(event);
            }
            if events.len() >= 3 {
                break;
            }
        }
        if orders[0].events.is_empty() {
            orders.remove(0);
        }
        for event in &events {
            if let Event::Checkpointed { step } = event {
                let cohort = &machine.works[machine.slots[slot].orders[0].work].cohort;
                let gone = &without[&machine.slots[slot].orders[0].ticket];
                let held = all(cohort).filter(|job| !gone.contains(job)).collect();
                checkpoints.insert(cohort.id, (*step, held));
            }
        }
        effects.extend(machine.handle(0.0, Input::Log { slot, records: records(events), offset: 1 }));
    }
    panic!("no end: {machine:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// In whichever order workers act, whichever of them die, and however many there are.
    #[test]
    fn only_scores_decide_which_jobs_are_stopped(
        sizes in prop::collection::vec(1..6_u64, 1..6),
        slots in 1..4_usize,
        turns in prop::collection::vec((0..4_usize, prop::bool::weighted(0.05)), 1..80),
        salt in 0..1000_u64,
        spared in prop_oneof![Just(0_u8), any::<u8>()],
        alike in any::<bool>(),
    ) {
        let value = |job: JobId, step: u64| {
            let hash = blake3::hash(format!("{job} {step} {salt}").as_bytes());
            f64::from(hash.as_bytes()[0] % 16)
        };
        let cohorts = of_sizes(&sizes, alike);
        let (found, summary, _) = train((&cohorts, spared), (slots, &turns), &value);
        // The expected result: the better half goes on at each rung, ties by the order of the cells.
        let mut alive: Vec<JobId> = cohorts.iter().flat_map(|cohort| all(cohort)).collect();
        let (everybody, mut expected) = (alive.len(), BTreeMap::new());
        let mut place = 0..;
        alive.retain(|_| !is_spared(place.next().unwrap(), spared));
        for step in [10, 20, 40, 80] {
            if alive.len() <= 1 {
                break;
            }
            let mut order = alive.clone();
            order.sort_by(|a, b| value(*b, step).total_cmp(&value(*a, step)));
            order[alive.len().div_ceil(2)..].iter().for_each(|job| {
                expected.insert(*job, step);
            });
            alive.retain(|job| !expected.contains_key(job));
        }
        let found: BTreeMap<JobId, u64> = found.into_iter().map(|(job, (step, _))| (job, step)).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert_eq!((summary.pruned, summary.done, summary.left), (expected.len(), everybody - expected.len(), 0));
        prop_assert_eq!(summary.finish, Finish::Complete);
    }
}

/// Six cohorts of four, and half of the jobs go on from each rung: they fit into three, two and one.
#[test]
fn remaining_jobs_are_packed_into_as_few_cohorts_as_possible() {
    let value = |job: JobId, _: u64| f64::from(blake3::hash(format!("{job}").as_bytes()).as_bytes()[0]);
    for alike in [true, false] {
        let cohorts = of_sizes(&[4; 6], alike);
        let (found, summary, orders) = train((&cohorts, 0), (1, &[]), &value);
        assert_eq!((found.len(), summary.done), (22, 2));
        // 24, 12, 6, 3 and 2 jobs.
        assert!(if alike { orders == 6 + 3 + 2 + 1 + 1 } else { orders > 13 }, "{orders} orders");
    }
}

/// Two cohorts have reached the last rung, lost a member each, and wait for a job that no worker trains.
#[test]
fn cohorts_that_wait_for_no_running_job_continue_packed_after_go_on() {
    let cohorts = of_sizes(&[2, 2], true);
    let ids: Vec<JobId> = cohorts.iter().flat_map(|cohort| all(cohort)).chain([JobId::of(b"elsewhere")]).collect();
    let cells: Vec<Vec<JobId>> = ids.iter().map(|job| vec![*job]).collect();
    let wanted = Wanted { contests: vec![contest(prune(1), &cells)], ..Wanted::default() };
    let works = cohorts.iter().map(|cohort| Work::new(Arc::clone(cohort), 0, &[].into(), 1000.0)).collect();
    let machine = Machine::new(SETTINGS, 1, works).under(Referee::new(vec![wanted]));
    let mut scene = Scene { machine, effects: Vec::new() };
    scene.put(Input::Joined { slot: 0, kind: slots(1).remove(0) });
    scene.put(Input::Tick);
    let mut line = String::new();
    for rung in [10, 20, 40, 80].into_iter().flat_map(|rung| [rung; 2]) {
        line = scene.log(0, vec![started_at(0), Event::Checkpointed { step: rung }, ended(Outcome::Reached)]);
    }
    assert_eq!(line, "ingest 3, reached waits, stuck");
    scene.put(Input::Cancel { jobs: vec![ids[0], ids[2]] });
    scene.machine.go_on();
    assert_eq!(scene.put(Input::Tick), "send 2x to 0");
    let Some(Effect::Send { ancestors, .. }) = scene.effects.last() else { panic!("nothing was sent") };
    assert_eq!(*ancestors, [0, 1].map(|at| vec![cohorts[at].id]));
}
