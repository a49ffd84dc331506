//! Scenes from the life of a run.

use std::collections::HashSet;
use std::sync::Arc;

use super::fixtures::{cohort, done, ended, machine, records, slots, started, work};
use super::referee::Verdict;
use super::*;
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::Kind;
use sweep_spec::id::JobId;
use sweep_wire::event::{Cause, Event, Outcome, Record};
use sweep_wire::status::Status;

pub(super) const SETTINGS: Settings = Settings {
    tries: 3,
    backoff: 0.0,
    silence: 100.0,
    grace: 20.0,
    job_time: f64::INFINITY,
    run_time: f64::INFINITY,
    max_failures: usize::MAX,
    finish_running: true,
    control: true,
    pace: Pace { delay: 0.0, ahead_seconds: 2.0, ahead: 1 },
};

/// Drives a machine by hand and keeps its effects.
pub(super) struct Scene {
    pub(super) machine: Machine,
    pub(super) effects: Vec<Effect>,
}

impl Scene {
    fn new(count: usize, works: Vec<Work>) -> Self {
        Scene::on(slots(count), works)
    }

    fn on(slots: Vec<Kind>, works: Vec<Work>) -> Self {
        Scene::with(SETTINGS, slots, works)
    }

    pub(super) fn with(settings: Settings, slots: Vec<Kind>, works: Vec<Work>) -> Self {
        let mut scene = Scene { machine: machine(settings, slots, works), effects: Vec::new() };
        scene.put(Input::Tick);
        scene
    }

    pub(super) fn at(&mut self, now: f64, input: Input) -> String {
        let effects = self.machine.handle(now, input);
        let line = effects.iter().map(describe).collect::<Vec<_>>().join(", ");
        self.effects.extend(effects);
        line
    }

    pub(super) fn put(&mut self, input: Input) -> String {
        self.at(0.0, input)
    }

    pub(super) fn log(&mut self, slot: usize, events: Vec<Event>) -> String {
        self.put(Input::Log { slot, records: records(events), offset: 1 })
    }

    pub(super) fn exit(&mut self, slot: usize) -> String {
        self.died(slot, None)
    }

    pub(super) fn died(&mut self, slot: usize, clue: Option<Clue>) -> String {
        self.put(Input::Exited { slot, status: "exit status: 1".to_owned(), clue })
    }

    pub(super) fn summary(&self) -> &Summary {
        match self.effects.last() {
            Some(Effect::Finish(summary)) => summary,
            other => panic!("not finished: {other:?}"),
        }
    }

    /// Returns the jobs of the cohort that was sent last.
    fn last_sent(&self) -> Vec<JobId> {
        let sent = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Send { cohort, .. } => Some(cohort.members.iter().map(|(id, _)| *id).collect()),
            _ => None,
        });
        sent.unwrap()
    }
}

fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Start { slot } => format!("start {slot}"),
        Effect::Send { slot, cohort, .. } => format!("send {}x to {slot}", cohort.members.len()),
        Effect::Ingest { records, .. } => format!("ingest {}", records.len()),
        Effect::Finished { .. } => "finished".to_owned(),
        Effect::End { outcome, rest, .. } => {
            let how = outcome.map_or("died".to_owned(), |outcome| format!("{outcome:?}").to_lowercase());
            format!("{how} {rest:?}").to_lowercase()
        }
        Effect::Measure { .. } | Effect::Answered { .. } => panic!("nothing was asked"),
        Effect::Control { without, .. } => format!("without {}", without.len()),
        Effect::Cancelled { jobs } => format!("cancelled {}", jobs.len()),
        Effect::Early(verdicts) => {
            let one = |verdict: &Verdict| format!("{} {}", Status::from(verdict.early), verdict.jobs.len());
            verdicts.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Effect::Stuck => "stuck".to_owned(),
        Effect::Stop { slot } => format!("stop {slot}"),
        Effect::Close { slot } => format!("close {slot}"),
        Effect::Kill { slot } => format!("kill {slot}"),
        Effect::Finish(Summary { finish, done, left, .. }) => format!("finish {finish:?} {done} {left}"),
    }
}

pub(super) fn all(cohort: &Cohort) -> impl Iterator<Item = JobId> + '_ {
    cohort.members.iter().map(|(id, _)| *id)
}

#[test]
fn nothing_to_do_ends_at_once() {
    let mut scene = Scene { machine: machine(SETTINGS, slots(2), Vec::new()), effects: Vec::new() };
    assert_eq!(scene.put(Input::Tick), "finish Complete 0 0");
}

#[test]
fn a_silent_worker_gets_no_order_in_advance() {
    let mut scene = Scene::new(2, (1..=5).map(|width| work(width, 1, 0.1)).collect());
    scene.log(1, vec![started()]);
    scene.put(Input::Leaving { slot: 0 });
    assert_eq!(scene.at(60.0, Input::Left { slot: 0 }), "stopped waits, stopped waits");
    // Four wait by now; it should have finished its own long ago.
    assert_eq!(scene.at(60.0, Input::Tick), "");
    let sign = Input::Log { slot: 1, records: Vec::new(), offset: 0 };
    assert_eq!(scene.at(61.0, sign), "send 1x to 1");
}

#[test]
fn a_worker_that_is_faster_than_predicted_gets_more_in_advance() {
    let pace = Pace { delay: 0.0, ahead_seconds: 2.0, ahead: 4 };
    let works = (1..=20).map(|width| work(width, 1, 10.0)).collect();
    let mut scene = Scene::with(Settings { pace, ..SETTINGS }, slots(1), works);
    let mut width = 0;
    let mut trained = |scene: &mut Scene, seconds: f64| {
        width += 1;
        let events = [started(), done(cohort(width, 1).members[0].0), ended(Outcome::Finished)];
        let at = [0.0, seconds, seconds];
        let records = events.into_iter().zip(at).map(|(event, at)| Record { seq: 0, at, event }).collect();
        scene.put(Input::Log { slot: 0, records, offset: 1 })
    };
    // It predicts 10 s for each; then they take a tenth, which counts by half.
    assert_eq!(trained(&mut scene, 10.0), "ingest 3, finished, send 1x to 0");
    assert_eq!(trained(&mut scene, 1.0), "ingest 3, finished, send 1x to 0");
    // 10 √(√0.1 · 0.1) = 1.8 s: one more.
    assert_eq!(trained(&mut scene, 1.0), "ingest 3, finished, send 1x to 0, send 1x to 0");
    // 10 √(0.18 · 0.01) = 0.42 s: four more in 2 s, with the one that it has.
    assert_eq!(trained(&mut scene, 0.1), "ingest 3, finished, send 1x to 0, send 1x to 0, send 1x to 0, send 1x to 0");
    // And back.
    for _ in 0..4 {
        assert_eq!(trained(&mut scene, 100.0), "ingest 3, finished");
    }
    assert_eq!(trained(&mut scene, 100.0), "ingest 3, finished, send 1x to 0");
    // Another machine counts as fast as predicted until more is known.
    assert_eq!(scene.put(Input::Left { slot: 0 }), "stopped waits");
    let kind = slots(1).remove(0);
    assert_eq!(scene.put(Input::Joined { slot: 0, kind }), "start 0, send 1x to 0");
    assert_eq!(trained(&mut scene, 0.1), "ingest 3, finished, send 1x to 0, send 1x to 0");
}

#[test]
fn the_longest_cohort_goes_first_and_a_worker_serves_many() {
    let mut scene = Scene::new(1, vec![work(1, 1, 10.0), work(2, 2, 30.0), work(3, 3, 20.0)]);
    let sizes = |scene: &Scene| scene.last_sent().len();
    assert_eq!(sizes(&scene), 2);
    let events = all(&cohort(2, 2)).map(done).chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, events), "ingest 3, finished, send 3x to 0");
    let events = all(&cohort(3, 3)).map(done).chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, events), "ingest 4, finished, send 1x to 0");
    let events = all(&cohort(1, 1)).map(done).chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, events), "ingest 2, finished, finish Complete 6 0");
}

#[test]
fn work_added_at_the_end_is_trained_by_the_present_workers() {
    let mut scene = Scene::new(2, vec![work(1, 2, 10.0)]);
    let trained = |width: u32, members: u64| -> Vec<Event> {
        all(&cohort(width, members)).map(done).chain([ended(Outcome::Finished)]).collect()
    };
    assert_eq!(scene.log(0, trained(1, 2)), "ingest 3, finished, finish Complete 2 0");
    assert_eq!(scene.put(Input::Tick), "");
    // What has become of slots and workers in the meantime is known then.
    assert_eq!(scene.exit(0), "");
    assert_eq!(scene.put(Input::Left { slot: 1 }), "");
    let kind = slots(1).remove(0);
    assert_eq!(scene.put(Input::Joined { slot: 1, kind }), "");
    scene.machine.add(vec![work(2, 3, 10.0), work(3, 1, 5.0)], Vec::new());
    assert_eq!((scene.machine.view().jobs, scene.machine.view().settled), (6, 2));
    assert_eq!(scene.put(Input::Tick), "start 0, send 3x to 0, start 1, send 1x to 1");
    assert_eq!(scene.log(1, trained(3, 1)), "ingest 2, finished");
    assert_eq!(scene.log(0, trained(2, 3)), "ingest 4, finished, finish Complete 6 0");
}

#[test]
fn a_dead_worker_is_replaced_and_progress_resets_the_count() {
    let mut scene = Scene::new(1, vec![work(1, 2, 10.0)]);
    for step in [10, 20, 30, 40] {
        scene.log(0, vec![started(), Event::Checkpointed { step }]);
        assert_eq!(scene.exit(0), "died waits, start 0, send 2x to 0");
    }
    scene.log(0, vec![started(), Event::Checkpointed { step: 40 }]);
    assert_eq!(scene.exit(0), "died waits, start 0, send 2x to 0");
    scene.log(0, vec![started()]);
    assert_eq!(scene.exit(0), "died waits, start 0, send 2x to 0");
    scene.log(0, vec![started()]);
    assert_eq!(scene.exit(0), "died fails, finish Complete 0 0");
    let (_, why) = &scene.summary().failed[0];
    assert_eq!(why, "3 attempts without progress; the last: the worker died (exit status: 1)");
}

#[test]
fn refused_is_not_retried_and_failed_is_with_a_new_process() {
    let mut scene = Scene::new(1, vec![work(1, 1, 10.0)]);
    assert_eq!(scene.log(0, vec![ended(Outcome::Failed)]), "ingest 1, failed waits, kill 0");
    assert_eq!(scene.exit(0), "start 0, send 1x to 0");
    let line = scene.log(0, vec![ended(Outcome::Refused)]);
    assert_eq!(line, "ingest 1, refused fails, finish Complete 0 0");
    assert_eq!(scene.summary().failed[0].1, "why");
}

#[test]
fn out_of_memory_halves_what_is_left_and_remembers() {
    let mut scene = Scene::new(1, vec![work(1, 6, 60.0), work(2, 1, 1.0)]);
    let jobs: Vec<JobId> = all(&cohort(1, 6)).collect();
    let diverged = Event::JobFailed { job: jobs[1], step: 3, cause: Cause::Diverged, message: String::new() };
    let line = scene.log(0, vec![started(), diverged, ended(Outcome::OutOfMemory)]);
    assert_eq!(line, "ingest 3, outofmemory waits, kill 0");
    assert_eq!(scene.exit(0), "start 0, send 3x to 0");
    assert_eq!(scene.last_sent(), [jobs[0], jobs[2], jobs[3]]);
    scene.log(0, vec![started(), ended(Outcome::OutOfMemory)]);
    assert_eq!(scene.exit(0), "start 0, send 2x to 0");
    assert_eq!(scene.last_sent(), [jobs[4], jobs[5]], "fits the limit of 2, the other half waits in two parts");
    let mut scene = Scene::new(1, vec![work(1, 1, 10.0)]);
    assert_eq!(
        scene.log(0, vec![ended(Outcome::OutOfMemory)]),
        "ingest 1, outofmemory fails, kill 0, finish Complete 0 0"
    );
}

#[test]
fn a_limit_is_that_of_a_kind_of_device() {
    let kinds = [Kind::gpu("small", 8 << 30), Kind::gpu("large", 80 << 30)];
    let mut scene = Scene::on(kinds.to_vec(), vec![work(1, 8, 60.0), work(1, 6, 50.0), work(1, 7, 40.0)]);
    assert_eq!(scene.log(0, vec![started(), ended(Outcome::OutOfMemory)]), "ingest 2, outofmemory waits, kill 0");
    let memory_limits = scene.machine.memory_limits().clone();
    let limits: Vec<_> =
        memory_limits.values().flat_map(|blueprints| blueprints.values()).map(|known| known.limit).collect();
    assert_eq!((memory_limits.keys().collect::<Vec<_>>(), limits), (vec![&kinds[0]], vec![Some(4)]));
    let events = all(&cohort(1, 6)).map(done).chain([ended(Outcome::Finished)]).collect();
    let line = scene.log(1, events);
    assert!(line.ends_with("send 7x to 1"), "the large one takes the largest as it is: {line}");
    assert_eq!(scene.exit(0), "start 0, send 4x to 0");
}

#[test]
fn a_cohort_that_has_trained_before_stays_whole_and_its_parts_keep_to_memory_limits() {
    let begun = Work::new(cohort(1, 6), 40, &HashSet::new(), 10.0);
    let mut scene = Scene::new(1, vec![work(1, 8, 60.0), begun]);
    scene.log(0, vec![started(), ended(Outcome::OutOfMemory)]);
    assert_eq!(scene.exit(0), "start 0, send 4x to 0");
    let events = all(&cohort(1, 4)).map(done).chain([ended(Outcome::Finished)]).collect();
    scene.log(0, events);
    scene.log(0, scene.last_sent().into_iter().map(done).chain([ended(Outcome::Finished)]).collect());
    assert_eq!(scene.last_sent().len(), 6, "more than 4 do not fit, but these did");

    let mut scene = Scene::new(1, vec![work(1, 8, 60.0)]);
    scene.log(0, vec![started(), Event::Checkpointed { step: 50 }, ended(Outcome::OutOfMemory)]);
    assert_eq!(scene.exit(0), "start 0, send 4x to 0");
    scene.log(0, vec![started(), ended(Outcome::OutOfMemory)]);
    assert_eq!(scene.exit(0), "start 0, send 2x to 0");
    for left in [8, 6, 4, 2] {
        assert_eq!(scene.last_sent().len(), 2, "nor does the other half train as it is: {left} are left");
        scene.log(0, scene.last_sent().into_iter().map(done).chain([ended(Outcome::Finished)]).collect());
    }
    assert_eq!(scene.summary().left, 0);
}

#[test]
fn finished_without_its_jobs_is_a_failure() {
    let mut scene = Scene::new(1, vec![work(1, 2, 10.0)]);
    let first = all(&cohort(1, 2)).next().unwrap();
    scene.log(0, vec![started(), done(first), ended(Outcome::Finished)]);
    for _ in 0..3 {
        scene.log(0, vec![started(), ended(Outcome::Finished)]);
    }
    let summary = scene.summary();
    assert_eq!((summary.done, summary.failed.len(), summary.left), (1, 1, 0));
    assert!(summary.failed[0].1.contains("reported nothing about 1 of its jobs"), "{summary:?}");
}

#[test]
fn stopping_waits_for_checkpoints_and_killing_does_not() {
    let mut scene = Scene::new(3, vec![work(1, 1, 10.0), work(2, 1, 9.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Stop), "stop 0, stop 1");
    let line = scene.log(0, vec![Event::Checkpointed { step: 50 }, ended(Outcome::Stopped)]);
    assert_eq!(line, "ingest 2, stopped waits");
    assert_eq!(scene.put(Input::Stop), "kill 0, kill 1");
    assert_eq!(scene.exit(0), "");
    assert_eq!(scene.exit(1), "stopped waits, finish Early(Asked) 0 2");
}

#[test]
fn a_warning_stops_and_kills_nothing_however_often_it_comes() {
    let mut scene = Scene::new(2, vec![work(1, 1, 10.0), work(2, 1, 9.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Warned), "stop 0, stop 1");
    assert_eq!(scene.put(Input::Warned), "");
    assert_eq!(scene.put(Input::Stop), "", "another warning of the batch system does not mean at once");
    assert_eq!(scene.put(Input::Stop), "kill 0, kill 1");
    scene.exit(1);
    assert_eq!(scene.exit(0), "died waits, finish Early(Asked) 0 2");
}

#[test]
fn a_stop_closes_workers_that_wait() {
    let mut scene = Scene::new(2, vec![work(1, 1, 10.0), work(2, 1, 9.0)]);
    let job = all(&cohort(1, 1)).next().unwrap();
    scene.log(0, vec![started(), done(job), ended(Outcome::Finished)]);
    assert_eq!(scene.put(Input::Stop), "close 0, stop 1");
    scene.log(1, vec![started()]);
    assert_eq!(scene.exit(1), "died waits, finish Early(Asked) 1 1");
}

#[test]
fn silence_and_garbage_are_answered_by_a_kill() {
    let mut scene = Scene::new(1, vec![work(1, 1, 10.0)]);
    scene.at(50.0, Input::Log { slot: 0, records: records(vec![started()]), offset: 1 });
    assert_eq!(scene.at(149.0, Input::Tick), "");
    assert_eq!(scene.at(151.0, Input::Tick), "stop 0", "first it is asked");
    assert_eq!(scene.at(170.0, Input::Tick), "");
    assert_eq!(scene.at(172.0, Input::Tick), "kill 0");
    assert_eq!(scene.at(173.0, Input::Tick), "", "once");
    scene.at(174.0, Input::Exited { slot: 0, status: String::new(), clue: None });
    scene.log(0, vec![started()]);
    assert_eq!(scene.put(Input::Broken { slot: 0, message: "nonsense".to_owned() }), "kill 0");
    assert_eq!(scene.exit(0), "died waits, start 0, send 1x to 0");
    let stranger = all(&cohort(7, 1)).next().unwrap();
    assert_eq!(scene.log(0, vec![started(), done(stranger)]), "ingest 1, kill 0");
    assert_eq!(scene.log(0, vec![Event::Checkpointed { step: 50 }]), "", "nothing after it counts");
    scene.exit(0);
    assert!(scene.summary().failed[0].1.contains(&stranger.to_string()), "{:?}", scene.summary());
}

/// However a silent worker reacts to a stop, it is not asked for ever.
#[test]
fn a_worker_that_is_often_silent_fails_unless_it_makes_progress() {
    for (answer, line, why) in [
        (
            Some(vec![ended(Outcome::Stopped)]),
            "ingest 1, stopped",
            "no sign of life for 100 s, and stopped when asked to",
        ),
        (None, "died", "no sign of life for 100 s and died"),
    ] {
        let mut scene = Scene::new(1, vec![work(1, 1, 10.0)]);
        let mut now = 0.0;
        for progress in [false, true, true, true, false, false, false] {
            let mut events = vec![started()];
            events.extend(progress.then_some(Event::Checkpointed { step: 1 + now as u64 / 101 }));
            scene.at(now, Input::Log { slot: 0, records: records(events), offset: 1 });
            now += 101.0;
            assert_eq!(scene.at(now, Input::Tick), "stop 0");
            if let Some(events) = answer.clone() {
                let line = scene.at(now, Input::Log { slot: 0, records: records(events), offset: 1 });
                assert!(line.starts_with("ingest 1, stopped"), "{line}");
                scene.at(now, Input::Exited { slot: 0, status: String::new(), clue: None });
            } else {
                let end = scene.at(now, Input::Exited { slot: 0, status: String::new(), clue: None });
                assert!(end.starts_with(line), "{end}");
            }
        }
        assert!(scene.summary().failed[0].1.contains(why), "{:?}", scene.summary());
    }
}

#[test]
fn after_a_suspension_all_timeouts_start_again() {
    let mut scene = Scene::new(1, vec![work(1, 1, 10.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.at(90.0, Input::Tick), "");
    // A night in which no one could say or hear anything.
    assert_eq!(scene.at(5090.0, Input::Slept { seconds: 5000.0 }), "");
    assert_eq!(scene.at(5189.0, Input::Tick), "");
    assert_eq!(scene.at(5191.0, Input::Tick), "stop 0");
    assert_eq!(scene.at(5210.0, Input::Tick), "");
    assert_eq!(scene.at(9210.0, Input::Slept { seconds: 4000.0 }), "");
    assert_eq!(scene.at(9229.0, Input::Tick), "", "a worker that was asked to stop has its grace again");
    assert_eq!(scene.at(9231.0, Input::Tick), "kill 0");
    // Jobs do not train in the meantime, either.
    let mut scene = Scene::with(Settings { job_time: 50.0, ..SETTINGS }, slots(1), vec![work(1, 1, 10.0)]);
    scene.log(0, vec![started()]);
    assert_eq!(scene.at(5040.0, Input::Slept { seconds: 5000.0 }), "");
    assert_eq!(scene.at(5049.0, Input::Tick), "");
    assert_eq!(scene.at(5051.0, Input::Tick), "stop 0");
    // The run's limit counts real time.
    let mut scene = Scene::with(Settings { run_time: 100.0, ..SETTINGS }, slots(1), vec![work(1, 1, 10.0)]);
    scene.at(5000.0, Input::Slept { seconds: 5000.0 });
    assert_eq!(scene.at(5000.0, Input::Tick), "stop 0");
}

#[test]
fn workers_that_never_start_end_the_run_and_leave_its_jobs() {
    for cohorts in [1, 2] {
        for slots in [1, 2] {
            let mut scene = Scene::new(slots, (1..=cohorts).map(|width| work(width, 1, 10.0)).collect());
            for death in 0..5 {
                assert_eq!(scene.machine.view().failed, 0, "{cohorts} cohorts, {slots} slots, {death} deaths");
                scene.exit(if cohorts == 1 { 0 } else { death % slots });
            }
            // The other slot's worker, if there is one, ends too.
            (0..slots).for_each(|slot| drop(scene.exit(slot)));
            let summary = scene.summary();
            let why = "workers end before they start their orders: the worker died (exit status: 1)";
            assert_eq!(summary.finish, Finish::Early(Ending::Hopeless(why.to_owned())));
            assert_eq!((summary.failed.len(), summary.left as u32), (0, cohorts), "nobody is to blame");
        }
    }
}

#[test]
fn a_cohort_that_kills_its_worker_at_once_lets_others_go_first() {
    let mut scene = Scene::new(1, vec![work(1, 1, 20.0), work(2, 2, 10.0)]);
    assert_eq!(scene.exit(0), "died waits, start 0, send 2x to 0");
    let mut events = vec![started()];
    events.extend(all(&cohort(2, 2)).map(done).chain([ended(Outcome::Finished)]));
    assert_eq!(scene.log(0, events), "ingest 4, finished, send 1x to 0");
    // An error before the start is no better than a death. Others have started, so this cohort is to blame.
    for _ in 0..2 {
        assert_eq!(scene.log(0, vec![ended(Outcome::Failed)]), "ingest 1, failed waits, kill 0");
        assert_eq!(scene.exit(0), "start 0, send 1x to 0");
    }
    let line = scene.log(0, vec![ended(Outcome::Failed)]);
    assert_eq!(line, "ingest 1, failed fails, kill 0, finish Complete 2 0");
}

#[test]
fn short_cohorts_queue_up_at_a_worker_and_survive_its_death() {
    let mut scene = Scene::new(1, (1..=4).map(|width| work(width, 1, 0.01)).collect());
    let sent = |scene: &Scene| scene.effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).count();
    assert_eq!(sent(&scene), 2);
    scene.log(0, vec![started()]);
    assert_eq!(scene.exit(0), "died waits, stopped waits, start 0, send 1x to 0, send 1x to 0");

    let long = Scene::new(1, (1..=4).map(|width| work(width, 1, 10.0)).collect());
    assert_eq!(sent(&long), 1, "long ones stay in the queue for any slot");
}

#[test]
fn the_view_counts_steps_of_members() {
    let mut scene = Scene::new(1, vec![work(1, 4, 10.0)]);
    let jobs: Vec<JobId> = all(&cohort(1, 4)).collect();
    scene.log(0, vec![started(), done(jobs[0]), Event::Progress { step: 25, rate: 7.0 }]);
    let view = scene.machine.view();
    assert_eq!((view.jobs, view.settled, view.steps, view.steps_done), (4, 1, 400, 100 + 3 * 25));
    assert_eq!(view.work_left, 7.5);
    let slot = view.slots[0].as_ref().unwrap();
    assert_eq!((slot.members, slot.step, slot.steps, slot.rate), (4, 25, 100, 7.0));
    scene.log(0, vec![ended(Outcome::OutOfMemory)]);
    assert_eq!(scene.machine.view().steps, 400);
}

#[test]
fn resumed_cohorts_count_only_members_that_are_open() {
    let whole = cohort(1, 3);
    let settled: HashSet<JobId> = all(&whole).take(1).collect();
    let mut scene = Scene::new(1, vec![Work::new(Arc::clone(&whole), 60, &settled, 10.0)]);
    assert_eq!(scene.last_sent().len(), 3, "the composition stays");
    let events = all(&whole).map(done).chain([ended(Outcome::Finished)]).collect();
    assert_eq!(scene.log(0, events), "ingest 4, finished, finish Complete 2 0");
}

#[test]
fn a_worker_stopped_from_outside_is_replaced_and_not_to_blame() {
    let mut scene = Scene::new(1, (1..=4).map(|width| work(width, 1, 0.01)).collect());
    let line = scene.log(0, vec![started(), Event::Checkpointed { step: 50 }, ended(Outcome::Stopped)]);
    assert_eq!(line, "ingest 3, stopped waits, kill 0", "and no order to a dying process");
    assert_eq!(scene.exit(0), "stopped waits, start 0, send 1x to 0, send 1x to 0");
    for _ in 0..4 {
        scene.log(0, vec![started(), ended(Outcome::Stopped)]);
        assert_eq!(scene.exit(0), "stopped waits, start 0, send 1x to 0, send 1x to 0");
    }
    scene.log(0, vec![started(), ended(Outcome::Stopped)]);
    scene.exit(0);
    let summary = scene.summary();
    assert!(
        matches!(&summary.finish, Finish::Early(Ending::Hopeless(why)) if why.contains("were ended from outside")),
        "{summary:?}"
    );
    assert_eq!((summary.failed.len(), summary.left), (0, 4));
}
