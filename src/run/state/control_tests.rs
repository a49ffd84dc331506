//! Pauses, limits and cancelled jobs.

use std::collections::HashSet;

use super::fixtures::{cohort, done, ended, started, work};
use super::tests::{SETTINGS, Scene, all};
use super::*;
use crate::state::fixtures::{records, slots};
use sweep_spec::id::JobId;
use sweep_wire::event::{Cause, Event, Outcome};

fn scene(settings: Settings, works: Vec<Work>) -> Scene {
    Scene::with(settings, slots(1), works)
}

#[test]
fn another_attempt_waits_longer_each_time_but_not_after_progress() {
    let mut scene = scene(Settings { backoff: 10.0, tries: 9, ..SETTINGS }, vec![work(1, 1, 10.0)]);
    let mut now = 0.0;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        scene.at(now, Input::Log { slot: 0, records: records(vec![started()]), offset: 1 });
        let line = scene.at(now, Input::Exited { slot: 0, status: String::new(), clue: None });
        assert_eq!(line, "died waits");
        let since = now;
        while scene.at(now, Input::Tick).is_empty() {
            now += 0.5;
        }
        pauses.push(now - since);
    }
    for (pause, least) in pauses.iter().zip([10.0, 20.0, 40.0, 60.0, 60.0]) {
        assert!((least..=1.5 * least + 0.5).contains(pause), "{pauses:?}");
    }
    scene
        .at(now, Input::Log { slot: 0, records: records(vec![started(), Event::Checkpointed { step: 5 }]), offset: 1 });
    let line = scene.at(now, Input::Exited { slot: 0, status: String::new(), clue: None });
    assert_eq!(line, "died waits, start 0, send 1x to 0");
    let other = SETTINGS;
    let ids: Vec<_> = (1..9).map(|width| Settings { backoff: 1.0, ..other }.pause(cohort(width, 1).id, 1)).collect();
    assert!(ids.iter().any(|pause| *pause != ids[0]), "not all at once: {ids:?}");
}

#[test]
fn a_worker_that_does_not_stop_is_killed() {
    let mut scene = scene(SETTINGS, vec![work(1, 1, 10.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.at(50.0, Input::Stop), "stop 0");
    let progress = records(vec![Event::Progress { step: 9, rate: 1.0 }]);
    scene.at(65.0, Input::Log { slot: 0, records: progress, offset: 1 });
    assert_eq!(scene.at(69.0, Input::Tick), "", "signs of life change nothing");
    assert_eq!(scene.at(71.0, Input::Tick), "kill 0");
    assert_eq!(scene.exit(0), "died waits, finish Early(Asked) 0 1");
}

#[test]
fn a_job_has_its_time_over_all_attempts() {
    let mut scene = scene(Settings { job_time: 30.0, ..SETTINGS }, vec![work(1, 2, 10.0), work(2, 1, 1.0)]);
    let at =
        |scene: &mut Scene, now, events| scene.at(now, Input::Log { slot: 0, records: records(events), offset: 1 });
    at(&mut scene, 0.0, vec![started()]);
    scene.at(20.0, Input::Exited { slot: 0, status: String::new(), clue: None });
    at(&mut scene, 20.0, vec![started()]);
    assert_eq!(scene.at(29.0, Input::Tick), "");
    assert_eq!(scene.at(31.0, Input::Tick), "stop 0");
    let first = all(&cohort(1, 2)).next().unwrap();
    let line = at(&mut scene, 32.0, vec![done(first), Event::Checkpointed { step: 50 }, ended(Outcome::Stopped)]);
    assert_eq!(line, "ingest 3, stopped fails");
    assert_eq!(scene.at(32.0, Input::Exited { slot: 0, status: String::new(), clue: None }), "start 0, send 1x to 0");
    at(&mut scene, 33.0, all(&cohort(2, 1)).map(done).chain([ended(Outcome::Finished)]).collect());
    let summary = scene.summary();
    assert_eq!((summary.done, summary.failed.len()), (2, 1));
    assert!(summary.failed[0].1.contains("time limit of 30 s"), "{summary:?}");
}

#[test]
fn a_run_has_its_time() {
    let mut scene = scene(Settings { run_time: 40.0, ..SETTINGS }, vec![work(1, 1, 10.0), work(2, 1, 1.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.at(41.0, Input::Tick), "stop 0");
    scene.log(0, vec![Event::Checkpointed { step: 9 }, ended(Outcome::Stopped)]);
    assert_eq!(scene.summary().finish, Finish::Early(Ending::TimeLimit));
    assert_eq!(scene.summary().left, 2);
}

#[test]
fn too_many_failures_end_a_run_at_once_or_when_the_others_are_done() {
    let works = || vec![work(1, 1, 30.0), work(2, 1, 20.0), work(3, 1, 10.0)];
    for finish_running in [true, false] {
        let settings = Settings { max_failures: 1, finish_running, ..SETTINGS };
        let mut scene = Scene::with(settings, slots(2), works());
        scene.log(0, vec![started()]);
        scene.log(1, vec![started()]);
        let line = scene.log(1, vec![ended(Outcome::Refused)]);
        if finish_running {
            assert_eq!(line, "ingest 1, refused fails");
            let rest = all(&cohort(1, 1)).map(done).chain([ended(Outcome::Finished)]).collect();
            assert_eq!(scene.log(0, rest), "ingest 2, finished, finish Early(Failures) 1 1");
        } else {
            assert_eq!(line, "ingest 1, refused fails, stop 0, close 1");
            assert_eq!(
                scene.log(0, vec![ended(Outcome::Stopped)]),
                "ingest 1, stopped waits, finish Early(Failures) 0 2"
            );
        }
    }
}

#[test]
fn work_queued_behind_the_last_cohort_to_finish_is_taken_back() {
    let settings = Settings { max_failures: 1, finish_running: true, ..SETTINGS };
    let mut scene = Scene::with(settings, slots(1), (1..=4).map(|width| work(width, 2, 0.01)).collect());
    let jobs: Vec<JobId> = all(&cohort(1, 2)).collect();
    let failed = Event::JobFailed { job: jobs[0], step: 5, cause: Cause::Failed, message: "it is singular".to_owned() };
    assert_eq!(scene.log(0, vec![started(), failed]), "ingest 2");
    assert_eq!(scene.log(0, vec![done(jobs[1]), ended(Outcome::Finished)]), "ingest 2, finished, stop 0");
    assert_eq!(scene.log(0, vec![ended(Outcome::Stopped)]), "ingest 1, stopped waits, finish Early(Failures) 1 6");
}

#[test]
fn a_run_that_lets_others_finish_still_has_its_time_and_hears_of_a_stop() {
    for asked in [true, false] {
        let settings = Settings { max_failures: 1, run_time: 50.0, ..SETTINGS };
        let mut scene = Scene::with(settings, slots(2), vec![work(1, 1, 30.0), work(2, 1, 20.0)]);
        scene.log(0, vec![started()]);
        assert_eq!(scene.log(1, vec![ended(Outcome::Refused)]), "ingest 1, refused fails");
        assert!(!scene.machine.view().stopping, "running cohorts finish");
        let input = if asked { Input::Stop } else { Input::Tick };
        assert_eq!(scene.at(60.0, input), "stop 0, close 1");
        scene.log(0, vec![ended(Outcome::Stopped)]);
        let expected = if asked { Ending::Asked } else { Ending::TimeLimit };
        assert_eq!(scene.summary().finish, Finish::Early(expected));
    }
}

#[test]
fn a_pause_frees_the_slots_and_counts_no_failure() {
    let mut scene = scene(SETTINGS, vec![work(1, 1, 10.0), work(2, 1, 5.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Pause), "stop 0");
    assert_eq!(scene.log(0, vec![Event::Checkpointed { step: 9 }, ended(Outcome::Stopped)]), "ingest 2, stopped waits");
    assert_eq!(scene.exit(0), "");
    assert_eq!(scene.at(1e5, Input::Tick), "", "a run waits for its end");
    assert_eq!(scene.put(Input::Resume), "start 0, send 1x to 0");
    // A stop ends a paused run.
    scene.log(0, vec![started()]);
    scene.put(Input::Pause);
    scene.exit(0);
    assert_eq!(scene.put(Input::Stop), "finish Early(Asked) 0 2");
}

/// Returns the attempt of the order that was sent as number `place`.
fn ticket(scene: &Scene, place: usize) -> Ticket {
    let mut sent = scene.effects.iter().filter_map(|effect| match effect {
        Effect::Send { ticket, .. } => Some(*ticket),
        _ => None,
    });
    sent.nth(place).unwrap()
}

/// Returns what attempts were last told: this many from the end.
fn told(scene: &Scene, count: usize) -> Vec<(Ticket, Vec<JobId>)> {
    let told = scene.effects.iter().rev().filter_map(|effect| match effect {
        Effect::Control { ticket, without } => Some((*ticket, without.clone())),
        _ => None,
    });
    let mut told: Vec<_> = told.take(count).collect();
    told.reverse();
    told
}

#[test]
fn the_others_of_a_cohort_train_on_if_workers_can_be_told_of_cancelled_jobs() {
    let mut scene = scene(SETTINGS, vec![work(1, 4, 10.0), work(2, 1, 5.0)]);
    let jobs: Vec<JobId> = all(&cohort(1, 4)).collect();
    // Also before its worker has reported that it starts.
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[3]] }), "cancelled 1, without 1");
    scene.log(0, vec![started(), done(jobs[0])]);
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[0], jobs[1]] }), "cancelled 1, without 2");
    let first = ticket(&scene, 0);
    assert_eq!(told(&scene, 2), [(first, vec![jobs[3]]), (first, vec![jobs[3], jobs[1]])], "all of them each time");
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[1]] }), "", "it is already");
    // It may have finished them all before it is told.
    let late = [jobs[1], jobs[2], jobs[3]].map(done).into_iter().chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, late), "ingest 4, finished, send 1x to 0");
    assert_eq!(
        scene.put(Input::Cancel { jobs: all(&cohort(2, 1)).collect() }),
        "cancelled 1, kill 0",
        "nothing is left"
    );
    scene.exit(0);
    let summary = scene.summary();
    assert_eq!((summary.done, summary.cancelled, summary.left, &summary.finish), (2, 3, 0, &Finish::Complete));
}

#[test]
fn each_order_at_a_worker_is_told_of_its_own() {
    let mut scene = scene(SETTINGS, (1..=4).map(|width| work(width, 2, 0.01)).collect());
    let jobs = |width| all(&cohort(width, 2)).collect::<Vec<JobId>>();
    let [front, behind] = [0, 1].map(|place| ticket(&scene, place));
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs(2)[1]] }), "cancelled 1, without 1");
    assert_eq!(told(&scene, 1), [(behind, vec![jobs(2)[1]])]);
    // All members of one cohort, while the worker has more to do.
    assert_eq!(scene.put(Input::Cancel { jobs: jobs(1) }), "cancelled 2, without 2");
    let (of, without) = told(&scene, 1).remove(0);
    assert_eq!((of, without.into_iter().collect::<HashSet<_>>()), (front, jobs(1).into_iter().collect()));
    assert_eq!(scene.put(Input::Cancel { jobs: jobs(2) }), "cancelled 1, kill 0");
    assert_eq!(scene.exit(0), "stopped waits, stopped waits, start 0, send 2x to 0");
    // Members of both at once.
    let mut scene = self::scene(SETTINGS, (1..=4).map(|width| work(width, 2, 0.01)).collect());
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs(1)[0], jobs(2)[0]] }), "cancelled 2, without 1, without 1");
    let told_first = [0, 1].map(|place| (ticket(&scene, place), vec![jobs(place as u32 + 1)[0]]));
    assert_eq!(told(&scene, 2), told_first);
}

#[test]
fn a_worker_about_to_exit_is_not_told_and_the_next_order_says_it() {
    let mut scene = scene(SETTINGS, vec![work(1, 3, 10.0)]);
    let jobs: Vec<JobId> = all(&cohort(1, 3)).collect();
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Pause), "stop 0");
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[1]] }), "cancelled 1");
    scene.log(0, vec![ended(Outcome::Stopped)]);
    scene.exit(0);
    assert_eq!(scene.put(Input::Resume), "start 0, send 3x to 0");
    assert!(matches!(scene.effects.last(), Some(Effect::Send { without, .. }) if *without == [jobs[1]]));
    // So does the next order after a death in between.
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[2]] }), "cancelled 1, without 2");
    assert_eq!(scene.exit(0), "died waits, start 0, send 3x to 0");
    assert!(matches!(scene.effects.last(), Some(Effect::Send { without, .. }) if *without == [jobs[1], jobs[2]]));
}

#[test]
fn if_workers_cannot_be_told_the_others_continue_from_a_checkpoint() {
    let settings = Settings { control: false, ..SETTINGS };
    let mut scene = scene(settings, vec![work(1, 3, 10.0), work(2, 1, 5.0), work(3, 1, 1.0)]);
    let jobs: Vec<JobId> = all(&cohort(1, 3)).collect();
    scene.log(0, vec![started(), done(jobs[0])]);
    let stranger = all(&cohort(9, 1)).next().unwrap();
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[0], stranger] }), "", "one is done, one is not of this run");
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[1], jobs[1]] }), "cancelled 1, stop 0");
    scene.log(0, vec![Event::Checkpointed { step: 90 }, ended(Outcome::Stopped)]);
    // It had done nothing yet, and now it is never begun.
    let waiting = all(&cohort(3, 1)).collect();
    assert_eq!(scene.put(Input::Cancel { jobs: waiting }), "cancelled 1");
    assert_eq!(scene.exit(0), "start 0, send 1x to 0");
    let rest = all(&cohort(2, 1)).map(done).chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, rest), "ingest 2, finished, send 3x to 0");
    match scene.effects.last() {
        Some(Effect::Send { without, .. }) => assert_eq!(*without, [jobs[1]]),
        other => panic!("{other:?}"),
    }
    // The last open one: nothing is left to save.
    assert_eq!(scene.put(Input::Cancel { jobs: vec![jobs[2]] }), "cancelled 1, kill 0");
    scene.exit(0);
    let summary = scene.summary();
    assert_eq!((summary.done, summary.cancelled, summary.left, &summary.finish), (2, 3, 0, &Finish::Complete));
}

#[test]
fn no_space_ends_the_run_and_costs_no_attempt() {
    for by_exit in [true, false] {
        let mut scene = scene(SETTINGS, vec![work(1, 1, 10.0), work(2, 1, 5.0)]);
        scene.log(0, vec![started()]);
        if by_exit {
            assert!(scene.died(0, Some(Clue::NoSpace)).starts_with("died waits"));
        } else {
            assert_eq!(
                scene.log(0, vec![ended(Outcome::NoSpace)]),
                "ingest 1, close 0, nospace waits, kill 0, finish Early(NoSpace(\"why\")) 0 2"
            );
        }
        let summary = scene.summary();
        assert!(matches!(summary.finish, Finish::Early(Ending::NoSpace(_))), "{summary:?}");
        assert_eq!((summary.failed.len(), summary.left), (0, 2));
    }
}

#[test]
fn kills_from_outside_are_deaths_whatever_was_killed() {
    let mut scene = scene(SETTINGS, vec![work(1, 1, 10.0)]);
    for _ in 0..2 {
        assert_eq!(scene.died(0, Some(Clue::Killed)), "died waits, start 0, send 1x to 0");
    }
    assert_eq!(scene.died(0, Some(Clue::Killed)), "died fails, finish Complete 0 0");
}

#[test]
fn a_kill_for_lack_of_memory_halves_a_cohort_which_continues_from_its_checkpoint() {
    let mut scene = scene(SETTINGS, vec![work(1, 4, 10.0)]);
    assert_eq!(
        scene.died(0, Some(Clue::NoMemory)),
        "outofmemory waits, start 0, send 2x to 0",
        "even before it starts"
    );
    let whole = cohort(1, 4).id;
    match scene.effects.last() {
        Some(Effect::Send { ancestors, .. }) => assert_eq!(*ancestors, [[whole]]),
        other => panic!("{other:?}"),
    }
    // A worker that was killed here is no sign of it, and neither is a single model.
    scene.log(0, vec![started()]);
    scene.put(Input::Broken { slot: 0, message: "nonsense".to_owned() });
    assert_eq!(scene.died(0, Some(Clue::NoMemory)), "died waits, start 0, send 2x to 0");
    assert_eq!(
        scene.died(0, Some(Clue::NoMemory)),
        "outofmemory waits, start 0, send 1x to 0",
        "two are too many by now"
    );
}

#[test]
fn of_many_machines_some_are_lost_and_the_run_goes_on() {
    let mut scene = Scene::with(SETTINGS, slots(100), (1..=100).map(|width| work(width, 1, 600.0)).collect());
    let lost = |slot| Input::Exited { slot, status: "nothing was heard".to_owned(), clue: Some(Clue::Lost) };
    for slot in 0..99 {
        let now = 10.0 * slot as f64;
        assert_eq!(scene.at(now, lost(slot)), "died waits");
        scene.at(now, Input::Left { slot });
        let kind = slots(1).remove(0);
        assert_eq!(scene.at(now, Input::Joined { slot, kind }), format!("start {slot}, send 1x to {slot}"));
    }
    let line = scene.at(1000.0, lost(99));
    assert!(line.contains("stop 0"), "each of them once, and nothing got done: {line}");
}
