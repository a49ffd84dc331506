//! Who is stopped early: decisions, and that nothing but scores makes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::fixtures::{cohort, done, ended, records, slots};
use super::referee::{Contest, Referee, Replicate, Verdict, Wanted};
use super::tests::{SETTINGS, Scene, all};
use super::*;
use sweep_spec::id::JobId;
use sweep_spec::metric::{Direction, Metric};
use sweep_spec::prune::{Prune, Rule};
use sweep_spec::relation::Relation;
use sweep_spec::stop::{Lasting, Stop, Watched};
use sweep_wire::event::{Event, Outcome, Score};
use sweep_wire::losses::Losses;
use sweep_wire::status::Early;

/// Of 100 steps, with rungs at 10, 20, 40 and 80.
pub(super) fn prune(keep: usize) -> Prune {
    let rule = Rule::Halving { first: 10, eta: 2 };
    Prune { metric: Metric::ModesCovered.into(), better: Direction::Higher, rule, keep }
}

/// One cell for each of these sets of jobs.
fn contest(prune: Prune, cells: &[Vec<JobId>]) -> Contest {
    let replicates = |cell: &Vec<JobId>| cell.iter().map(|&job| Replicate { job, asked: None }).collect();
    Contest { prune, steps: 100, cells: cells.iter().map(replicates).collect() }
}

pub(super) fn referee(prune: Prune, cells: &[Vec<JobId>]) -> Referee {
    Referee::new(vec![wanted(prune, cells)])
}

pub(super) fn wanted(prune: Prune, cells: &[Vec<JobId>]) -> Wanted {
    Wanted { contests: vec![contest(prune, cells)], ..Wanted::default() }
}

fn scores(value: f64) -> Vec<Score> {
    vec![Score { metric: Metric::ModesCovered.into(), value, std: None, protocol: serde_json::json!({}), asked: None }]
}

pub(super) fn scored(job: JobId, step: u64, value: f64) -> Event {
    Event::Scored { job, step, scores: scores(value), seconds: 0.0 }
}

fn jobs(n: usize) -> Vec<JobId> {
    (0..n).map(|n| JobId::of(format!("{n}").as_bytes())).collect()
}

fn stopped(verdicts: &[Verdict]) -> BTreeSet<JobId> {
    verdicts.iter().flat_map(|verdict| verdict.jobs.iter().copied()).collect()
}

#[test]
fn a_cell_is_stopped_with_all_its_seeds_once_all_cells_have_come_so_far() {
    let jobs = jobs(6);
    let cells: Vec<Vec<JobId>> = jobs.chunks(2).map(<[_]>::to_vec).collect();
    let mut referee = referee(prune(1), &cells);
    for (job, value) in jobs.iter().zip([1.0, 9.0, 4.0, 4.0, 6.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    assert!(referee.verdicts().is_empty(), "the last seed of the last cell is not known");
    // Later rungs of others decide nothing.
    referee.scored(jobs[0], 20, &scores(8.0));
    referee.scored(jobs[5], 10, &scores(7.0));
    let verdicts = referee.verdicts();
    assert_eq!(stopped(&verdicts), jobs[2..4].iter().copied().collect(), "two of three go on");
    assert_eq!((verdicts[0].early, verdicts[0].step), (Early::Pruned, 10));
    assert_eq!(verdicts[0].why, "place 3 of 3 cells by mean modes_covered at step 10; 2 go on");
    assert!(referee.is_stopped(jobs[2]) && !referee.is_stopped(jobs[0]));
    // One of the others diverges: with it the cell has lost a seed, and comes last.
    referee.ended(jobs[1]);
    referee.scored(jobs[4], 20, &scores(0.0));
    referee.scored(jobs[5], 20, &scores(0.0));
    assert_eq!(stopped(&referee.verdicts()), jobs[..2].iter().copied().collect());
    // Nothing is stopped twice, nor is who is alone.
    referee.scored(jobs[4], 40, &scores(0.0));
    assert!(referee.verdicts().is_empty());
}

#[test]
fn a_job_is_stopped_only_where_nobody_wants_it() {
    let jobs = jobs(3);
    let cells: Vec<Vec<JobId>> = jobs.iter().map(|job| vec![*job]).collect();
    let wanted = |others: &[JobId]| Wanted {
        contests: vec![contest(prune(1), &cells)],
        others: others.to_vec(),
        ..Wanted::default()
    };
    let sweep = Wanted { others: vec![jobs[2]], ..Wanted::default() };
    // Another file has the first in a contest, too, with the opposite direction.
    let mut lower = prune(1);
    lower.better = Direction::Lower;
    let against = Wanted { contests: vec![contest(lower, &cells[..2])], ..Wanted::default() };
    let mut referee = Referee::new(vec![wanted(&[]), sweep, against]);
    for (job, value) in jobs.iter().zip([3.0, 2.0, 1.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    // Of three two go on, the third is wanted elsewhere; of two the second one goes on there.
    assert_eq!(stopped(&referee.verdicts()), BTreeSet::new());
    for (job, value) in jobs.iter().zip([2.0, 3.0]) {
        referee.scored(*job, 20, &scores(value));
    }
    // The first loses here, too.
    assert_eq!(stopped(&referee.verdicts()), [jobs[0]].into());
    assert!(referee.needs(jobs[1]) && referee.needs(jobs[2]) && !referee.needs(jobs[0]));
}

fn rule(what: Watched, lasting: Lasting) -> Stop {
    Stop { text: "a rule".to_owned(), what, relation: Relation::Less, number: 2.0, lasting }
}

#[test]
fn a_job_that_collapses_is_stopped_and_its_cell_has_lost_it() {
    let jobs = jobs(4);
    let cells: Vec<Vec<JobId>> = jobs.chunks(2).map(<[_]>::to_vec).collect();
    let stops = vec![
        rule(Watched::Score(Metric::ModesCovered.into()), Lasting::Times(2)),
        rule(Watched::Loss("loss_d"), Lasting::Steps(8)),
    ];
    let mut referee = Referee::new(vec![Wanted {
        contests: vec![contest(prune(1), &cells)],
        others: Vec::new(),
        stops,
        ..Wanted::default()
    }]);
    for step in [5, 8] {
        referee.scored(jobs[0], step, &scores(1.0));
    }
    let verdicts = referee.verdicts();
    assert_eq!((stopped(&verdicts), verdicts[0].early, verdicts[0].step), ([jobs[0]].into(), Early::Collapsed, 8));
    assert_eq!(verdicts[0].why, "`a rule` held at step 8");
    let mut losses = Losses::default();
    for (step, loss) in [(2, 1.0), (4, 5.0), (6, 1.0), (10, 1.0), (14, 1.5)] {
        losses.push(step, [("loss_d", loss), ("loss_g", 1.0)]);
    }
    referee.lost(jobs[2], &losses);
    assert_eq!(referee.verdicts()[0].step, 14, "below 2 from step 6 on");
    // What they are scored as before somebody hears of it counts for nothing.
    for (job, value) in jobs.iter().zip([100.0, 3.0, 100.0, 4.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    // Both cells have lost one.
    assert_eq!(stopped(&referee.verdicts()), [jobs[1]].into());
}

#[test]
fn what_was_known_before_is_decided_with_the_first_tick() {
    let cohort = cohort(1, 4);
    let ids: Vec<JobId> = all(&cohort).collect();
    let cells: Vec<Vec<JobId>> = ids.iter().map(|job| vec![*job]).collect();
    let mut referee = referee(prune(1), &cells);
    for (job, value) in ids.iter().zip([1.0, 2.0, 3.0, 4.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    let work = Work::new(Arc::clone(&cohort), 10, &[].into(), 10.0);
    let mut scene = Scene { machine: Machine::new(SETTINGS, 1, vec![work]).under(referee), effects: Vec::new() };
    scene.put(Input::Joined { slot: 0, kind: slots(1).remove(0) });
    assert_eq!(scene.put(Input::Tick), "pruned 1, pruned 1, start 0, send 4x to 0");
    let Some(Effect::Send { until, without, .. }) = scene.effects.last() else { panic!("nothing was sent") };
    assert_eq!((*until, without.len()), (Some(20), 2));
}

#[test]
fn cohorts_wait_at_a_rung_and_who_is_left_behind_goes_no_further() {
    let (first, second) = (cohort(1, 2), cohort(2, 2));
    let ids: Vec<JobId> = all(&first).chain(all(&second)).collect();
    let cells: Vec<Vec<JobId>> = ids.iter().map(|job| vec![*job]).collect();
    let work = |cohort: &Arc<_>, seconds| Work::new(Arc::clone(cohort), 0, &[].into(), seconds);
    let machine = Machine::new(SETTINGS, 1, vec![work(&first, 1000.0), work(&second, 500.0)]);
    let mut scene = Scene { machine: machine.under(referee(prune(1), &cells)), effects: Vec::new() };
    scene.put(Input::Joined { slot: 0, kind: slots(1).remove(0) });
    assert_eq!(scene.put(Input::Tick), "start 0, send 2x to 0");
    let at_rung = |ids: &[JobId], step: u64, values: &[f64]| -> Vec<Event> {
        let started = Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() };
        let scores = ids.iter().zip(values).map(|(job, value)| scored(*job, step, *value));
        let rest = [Event::Checkpointed { step }, ended(Outcome::Reached)];
        [started].into_iter().chain(scores).chain(rest).collect()
    };
    // The other cohort first: nobody knows yet who goes on.
    assert_eq!(scene.log(0, at_rung(&ids[..2], 10, &[4.0, 1.0])), "ingest 5, reached waits, send 2x to 0");
    // With its last score all is known: of the first cohort one goes on, of the second one.
    let line = scene.log(0, at_rung(&ids[2..], 10, &[3.0, 2.0]));
    assert_eq!(line, "ingest 3, pruned 1, pruned 1, ingest 2, reached waits, send 2x to 0");
    let Some(Effect::Send { cohort, until, without, .. }) = scene.effects.last() else { panic!("nothing was sent") };
    assert_eq!((cohort.id, *until, &without[..]), (first.id, Some(20), &[ids[1]][..]));
    scene.log(0, at_rung(&ids[..1], 20, &[1.0]));
    let line = scene.log(0, at_rung(&ids[2..3], 20, &[2.0]));
    assert_eq!(line, "ingest 2, pruned 1, ingest 2, reached waits, send 2x to 0");
    let Some(Effect::Send { cohort, until, .. }) = scene.effects.last() else { panic!("nothing was sent") };
    assert_eq!((cohort.id, *until), (second.id, None), "it is alone");
    let line = scene.log(0, vec![done(ids[2]), ended(Outcome::Finished)]);
    assert_eq!(line, "ingest 2, finished, finish Complete 1 0");
    assert_eq!((scene.summary().pruned, scene.summary().jobs()), (3, 4));
}

#[test]
fn a_free_slot_goes_on_with_who_may_stay_until_it_is_known() {
    let works: Vec<Arc<_>> = (1..=3).map(|width| cohort(width, 1)).collect();
    let ids: Vec<JobId> = works.iter().flat_map(|cohort| all(cohort)).collect();
    let cells: Vec<Vec<JobId>> = ids.iter().map(|job| vec![*job]).collect();
    let work = |cohort: &Arc<_>| Work::new(Arc::clone(cohort), 0, &[].into(), 1000.0);
    let machine = Machine::new(SETTINGS, 2, works.iter().map(work).collect());
    let mut prune = prune(1);
    prune.rule = Rule::Halving { first: 10, eta: 3 };
    let mut scene = Scene { machine: machine.under(referee(prune, &cells)), effects: Vec::new() };
    for slot in 0..2 {
        scene.put(Input::Joined { slot, kind: slots(1).remove(0) });
    }
    scene.put(Input::Tick);
    let at_rung = |job: JobId, value: f64| {
        let started = Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() };
        vec![started, scored(job, 10, value), Event::Checkpointed { step: 10 }, ended(Outcome::Reached)]
    };
    let sent = |scene: &Scene| match scene.effects.last() {
        Some(Effect::Send { cohort, until, .. }) => (cohort.members[0].0, *until),
        other => panic!("nothing was sent: {other:?}"),
    };
    let at =
        |scene: &Scene, slot: usize| scene.machine.works[scene.machine.slots[slot].orders[0].work].cohort.members[0].0;
    let (one, two) = (at(&scene, 0), at(&scene, 1));
    scene.log(0, at_rung(one, 5.0));
    let three = sent(&scene).0;
    assert!(three != one && three != two, "those first that have not come so far");
    // Nothing else is there to do: who is better goes on, up to the next rung.
    scene.log(0, at_rung(three, 7.0));
    assert_eq!(sent(&scene), (three, Some(30)));
    scene.log(0, vec![started_at(10)]);
    // Now it is known, and it stays; the other has lost, and who trains it hears of it.
    let line = scene.log(1, at_rung(two, 9.0));
    assert_eq!(line, "ingest 2, pruned 1, pruned 1, ingest 2, reached waits, without 1, send 1x to 1");
    assert_eq!(sent(&scene), (two, None));
    assert_eq!(scene.log(0, vec![ended(Outcome::Finished)]), "ingest 1, finished");
}

fn started_at(step: u64) -> Event {
    Event::Started { step, pid: 1, host: String::new(), device: String::new() }
}

/// What a well-behaved worker does with its orders, at its own pace.
struct Worker {
    ticket: Ticket,
    events: Vec<Event>,
}

/// Whether a job is compared with nobody, but trains with those that are.
fn is_spared(place: usize, spared: u8) -> bool {
    spared >> (place % 8) & 1 == 1
}

/// Trains cohorts of so many members, each a cell, whose scores at a step are `value`; `pace` says which worker does something next, or dies. Who was stopped, with what
/// was written down of it, and how far each job was trained at least.
fn train(
    (sizes, spared): (&[u64], u8),
    (slots_there, pace): (usize, &[(usize, bool)]),
    value: &dyn Fn(JobId, u64) -> f64,
) -> (BTreeMap<JobId, (u64, String)>, Summary) {
    let cohorts: Vec<Arc<_>> = (1..).zip(sizes).map(|(width, &members)| cohort(width, members)).collect();
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
    let mut checkpoints: HashMap<_, u64> = HashMap::new();
    let mut without: HashMap<Ticket, BTreeSet<JobId>> = HashMap::new();
    let mut found = BTreeMap::new();
    // Every worker gets on at last.
    let others = pace.iter().map(|(slot, _)| *slot).chain(0..slots_there).collect::<Vec<_>>();
    let mut pace = pace.iter().copied().chain(others.into_iter().cycle().map(|slot| (slot, false)));
    for _ in 0..10_000 {
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Send { ticket, slot, cohort, until, without: gone, .. } => {
                    let base = checkpoints.get(&cohort.id).copied().unwrap_or(0);
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
                // Somebody is on the way to every decision here.
                Effect::Stuck => panic!("stuck: {machine:?}"),
                Effect::Finish(summary) => return (found, summary),
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
        // Up to a few events at once; of those who are gone by then nothing is said.
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
                let cohort = machine.works[machine.slots[slot].orders[0].work].cohort.id;
                checkpoints.insert(cohort, *step);
            }
        }
        effects.extend(machine.handle(0.0, Input::Log { slot, records: records(events), offset: 1 }));
    }
    panic!("no end: {machine:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// However workers' turns come, whoever dies on the way, and however many there are.
    #[test]
    fn nothing_but_scores_decides_who_is_stopped(
        sizes in prop::collection::vec(1..6_u64, 1..6),
        slots in 1..4_usize,
        turns in prop::collection::vec((0..4_usize, prop::bool::weighted(0.05)), 1..80),
        salt in 0..1000_u64,
        spared in prop_oneof![Just(0_u8), any::<u8>()],
    ) {
        let value = |job: JobId, step: u64| {
            let hash = blake3::hash(format!("{job} {step} {salt}").as_bytes());
            f64::from(hash.as_bytes()[0] % 16)
        };
        let (found, summary) = train((&sizes, spared), (slots, &turns), &value);
        // By hand: the better half goes on, rung by rung, ties by the order of the cells.
        let mut alive: Vec<JobId> =
            (1..).zip(&sizes).flat_map(|(width, &members)| all(&cohort(width, members)).collect::<Vec<_>>()).collect();
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

#[test]
fn what_a_job_is_called_does_not_depend_on_when_it_is_known() {
    let jobs = jobs(4);
    let cells: Vec<Vec<JobId>> = jobs.iter().map(|job| vec![*job]).collect();
    let of = |stops: Vec<Stop>| {
        Referee::new(vec![Wanted { contests: vec![contest(prune(1), &cells)], stops, ..Wanted::default() }])
    };
    let states = |verdicts: Vec<Verdict>| -> BTreeMap<JobId, (Early, u64)> {
        let of = |Verdict { jobs, early, step, .. }| jobs.into_iter().map(move |job| (job, (early, step)));
        verdicts.into_iter().flat_map(of).collect()
    };
    // A rule and a comparison at one step: the rule, whoever is scored last.
    let values = [1.0, 1.5, 6.0, 7.0];
    for first in 0..4 {
        let mut referee = of(vec![rule(Watched::Score(Metric::ModesCovered.into()), Lasting::Times(1))]);
        for place in (0..4).map(|place| (place + first) % 4) {
            referee.scored(jobs[place], 10, &scores(values[place]));
        }
        let expected = [0, 1].map(|place| (jobs[place], (Early::Collapsed, 10)));
        assert_eq!(states(referee.verdicts()), expected.into(), "{first}");
    }
    // Who was ahead when it came to nothing is pruned where it would have been.
    let loss = |step| {
        let mut losses = Losses::default();
        losses.push(step, [("loss_d", 1.0)]);
        losses
    };
    for early in [false, true] {
        let mut referee = of(vec![rule(Watched::Loss("loss_d"), Lasting::Times(1))]);
        let decide =
            |referee: &mut Referee| (2..4).for_each(|place| referee.scored(jobs[place], 10, &scores(values[place])));
        referee.scored(jobs[0], 10, &scores(values[0]));
        referee.scored(jobs[1], 10, &scores(values[1]));
        if early {
            decide(&mut referee);
        }
        referee.lost(jobs[0], &loss(12));
        referee.diverged(jobs[1], 15);
        decide(&mut referee);
        let expected = [0, 1].map(|place| (jobs[place], (Early::Pruned, 10)));
        assert_eq!(states(referee.verdicts()), expected.into(), "{early}");
        assert_eq!([0, 1].map(|place| referee.is_turned(jobs[place])), [!early; 2]);
        // A second run that knows of it has nothing to record.
        referee.was_pruned(jobs[0]);
        assert!(!referee.is_turned(jobs[0]));
    }
    // Before the rung it is what it is.
    let mut referee = of(vec![rule(Watched::Loss("loss_d"), Lasting::Times(1))]);
    referee.lost(jobs[0], &loss(9));
    referee.diverged(jobs[1], 9);
    (2..4).for_each(|place| referee.scored(jobs[place], 10, &scores(values[place])));
    assert_eq!(states(referee.verdicts()), [(jobs[0], (Early::Collapsed, 9))].into());
}

#[test]
fn nobody_waits_for_a_score_that_will_not_come() {
    let jobs = jobs(3);
    let cells: Vec<Vec<JobId>> = jobs.iter().map(|job| vec![*job]).collect();
    let mut referee = referee(prune(1), &cells);
    referee.scored(jobs[0], 10, &scores(1.0));
    referee.scored(jobs[1], 10, &scores(2.0));
    referee.passed(jobs[2], 10);
    assert!(referee.verdicts().is_empty(), "it may be scored there yet");
    referee.passed(jobs[2], 11);
    assert_eq!(stopped(&referee.verdicts()), [jobs[2]].into(), "nothing is known of it there");
}
