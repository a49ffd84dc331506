//! Which jobs are stopped early: the decisions, and that they depend only on scores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fixtures::{cohort, done, ended, slots};
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

/// A rule for 100 steps, with rungs at 10, 20, 40 and 80.
pub(super) fn prune(keep: usize) -> Prune {
    let rule = Rule::Halving { first: 10, eta: 2 };
    Prune { metric: Metric::ModesCovered.into(), better: Direction::Higher, rule, keep }
}

/// Makes a contest with one cell for each of these sets of jobs.
pub(super) fn contest(prune: Prune, cells: &[Vec<JobId>]) -> Contest {
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
fn a_cell_is_stopped_with_all_its_seeds_when_all_cells_have_reached_the_rung() {
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
    // One of the others diverges: its cell has lost a seed, and comes last.
    referee.ended(jobs[1]);
    referee.scored(jobs[4], 20, &scores(0.0));
    referee.scored(jobs[5], 20, &scores(0.0));
    assert_eq!(stopped(&referee.verdicts()), jobs[..2].iter().copied().collect());
    // Nothing is stopped twice, and the last cell is not stopped.
    referee.scored(jobs[4], 40, &scores(0.0));
    assert!(referee.verdicts().is_empty());
}

#[test]
fn a_job_is_stopped_only_if_no_sweep_wants_it() {
    let jobs = jobs(3);
    let cells: Vec<Vec<JobId>> = jobs.iter().map(|job| vec![*job]).collect();
    let wanted = |others: &[JobId]| Wanted {
        contests: vec![contest(prune(1), &cells)],
        others: others.to_vec(),
        ..Wanted::default()
    };
    let sweep = Wanted { others: vec![jobs[2]], ..Wanted::default() };
    // Another file has the first one in a contest, too, with the opposite direction.
    let mut lower = prune(1);
    lower.better = Direction::Lower;
    let against = Wanted { contests: vec![contest(lower, &cells[..2])], ..Wanted::default() };
    let mut referee = Referee::new(vec![wanted(&[]), sweep, against]);
    for (job, value) in jobs.iter().zip([3.0, 2.0, 1.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    // Of three cells two go on, and the third is wanted elsewhere; of two, the second goes on there.
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
fn a_job_that_collapses_is_stopped_and_its_cell_loses_it() {
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
    // Scores after its collapse, before the worker is told, are ignored.
    for (job, value) in jobs.iter().zip([100.0, 3.0, 100.0, 4.0]) {
        referee.scored(*job, 10, &scores(value));
    }
    // Both cells have lost one.
    assert_eq!(stopped(&referee.verdicts()), [jobs[1]].into());
}

#[test]
fn earlier_scores_are_decided_on_with_the_first_tick() {
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
fn cohorts_wait_at_a_rung_and_pruned_jobs_do_not_continue() {
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
    // The other cohort goes first: it is not known yet which jobs go on.
    assert_eq!(scene.log(0, at_rung(&ids[..2], 10, &[4.0, 1.0])), "ingest 5, reached waits, send 2x to 0");
    // After its last score, all is known: one job of each cohort goes on.
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
fn a_free_slot_continues_the_best_jobs_until_the_decision() {
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
    assert!(three != one && three != two, "jobs that are behind come first");
    // There is nothing else to do, so the better one goes on, up to the next rung.
    scene.log(0, at_rung(three, 7.0));
    assert_eq!(sent(&scene), (three, Some(30)));
    scene.log(0, vec![started_at(10)]);
    // Now it is known, and it stays; the other has lost, and its worker is told.
    let line = scene.log(1, at_rung(two, 9.0));
    assert_eq!(line, "ingest 2, pruned 1, pruned 1, ingest 2, reached waits, without 1, send 1x to 1");
    assert_eq!(sent(&scene), (two, None));
    assert_eq!(scene.log(0, vec![ended(Outcome::Finished)]), "ingest 1, finished");
}

pub(super) fn started_at(step: u64) -> Event {
    Event::Started { step, pid: 1, host: String::new(), device: String::new() }
}

#[test]
fn the_state_of_a_stopped_job_does_not_depend_on_the_order_of_reports() {
    let jobs = jobs(4);
    let cells: Vec<Vec<JobId>> = jobs.iter().map(|job| vec![*job]).collect();
    let of = |stops: Vec<Stop>| {
        Referee::new(vec![Wanted { contests: vec![contest(prune(1), &cells)], stops, ..Wanted::default() }])
    };
    let states = |verdicts: Vec<Verdict>| -> BTreeMap<JobId, (Early, u64)> {
        let of = |Verdict { jobs, early, step, .. }| jobs.into_iter().map(move |job| (job, (early, step)));
        verdicts.into_iter().flat_map(of).collect()
    };
    // A rule and a comparison at one step: the rule counts, whichever job is scored last.
    let values = [1.0, 1.5, 6.0, 7.0];
    for first in 0..4 {
        let mut referee = of(vec![rule(Watched::Score(Metric::ModesCovered.into()), Lasting::Times(1))]);
        for place in (0..4).map(|place| (place + first) % 4) {
            referee.scored(jobs[place], 10, &scores(values[place]));
        }
        let expected = [0, 1].map(|place| (jobs[place], (Early::Collapsed, 10)));
        assert_eq!(states(referee.verdicts()), expected.into(), "{first}");
    }
    // A job that was ahead when it diverged is pruned if it would have been pruned before.
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
        assert_eq!([0, 1].map(|place| referee.is_pruned_late(jobs[place])), [!early; 2]);
        // A second run that knows of it has nothing to record.
        referee.was_pruned(jobs[0]);
        assert!(!referee.is_pruned_late(jobs[0]));
    }
    // Before the rung, the state is that of the rule.
    let mut referee = of(vec![rule(Watched::Loss("loss_d"), Lasting::Times(1))]);
    referee.lost(jobs[0], &loss(9));
    referee.diverged(jobs[1], 9);
    (2..4).for_each(|place| referee.scored(jobs[place], 10, &scores(values[place])));
    assert_eq!(states(referee.verdicts()), [(jobs[0], (Early::Collapsed, 9))].into());
}

#[test]
fn no_decision_waits_for_a_score_that_will_not_come() {
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
