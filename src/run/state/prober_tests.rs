//! What is measured on which slots, whatever happens to workers and machines.

use super::fixtures::{cohort, ended, records, slots};
use super::*;
use sweep_plan::measured::{Measured, Question};
use sweep_plan::slot::Kind;
use sweep_wire::event::{Event, Outcome};

/// Drives a prober by hand.
struct Scene {
    prober: Prober,
    answers: Vec<(Measured, Option<String>)>,
}

fn kind() -> Kind {
    slots(1).remove(0)
}

fn question(width: u32, jobs: u64) -> Question {
    let cohort = cohort(width, jobs);
    let known = Measured::default();
    Question { kind: kind(), blueprint: cohort.blueprint.id(), jobs: cohort.members.clone(), known }
}

impl Scene {
    /// Makes a prober on this many slots.
    fn new(count: usize, questions: Vec<Question>) -> (Self, String) {
        let mut scene = Scene { prober: Prober::new(Pace { delay: 10.0, ..Pace::default() }), answers: Vec::new() };
        let effects = scene.prober.ask((0..count).map(|slot| (slot, kind())).collect(), questions);
        let line = scene.note(effects);
        (scene, line)
    }

    fn note(&mut self, effects: Vec<Effect>) -> String {
        let mut words = Vec::new();
        for effect in effects {
            words.push(match effect {
                Effect::Start { slot } => format!("start {slot}"),
                Effect::Measure { slot, jobs, .. } => format!("measure {} at {slot}", jobs.len()),
                Effect::Close { slot } => format!("close {slot}"),
                Effect::Kill { slot } => format!("kill {slot}"),
                Effect::Answered { question, failure } => {
                    self.answers.push((question.known, failure));
                    "answered".to_owned()
                }
                other => panic!("{other:?}"),
            });
        }
        words.join(", ")
    }

    fn at(&mut self, now: f64, input: Input) -> String {
        let effects = self.prober.handle(now, input);
        self.note(effects)
    }

    fn put(&mut self, input: Input) -> String {
        self.at(0.0, input)
    }

    /// The worker of `slot` has trained at this rate.
    fn rate(&mut self, slot: usize, rate: f64) -> String {
        let events = vec![Event::Progress { step: 1, rate }, ended(Outcome::Finished)];
        self.put(Input::Log { slot, records: records(events), offset: 1 })
    }

    fn exit(&mut self, slot: usize, clue: Option<Clue>) -> String {
        self.put(Input::Exited { slot, status: "exit code 7".to_owned(), clue })
    }
}

#[test]
fn each_slot_has_its_own_question() {
    let (mut scene, line) = Scene::new(2, vec![question(1, 5), question(2, 4), question(3, 2)]);
    assert_eq!(line, "start 0, measure 1 at 0, start 1, measure 1 at 1");
    assert_eq!(scene.rate(0, 10.0), "measure 4 at 0");
    assert_eq!(scene.rate(1, 10.0), "measure 4 at 1");
    assert_eq!(scene.rate(1, 10.0), "answered, measure 1 at 1", "nothing is gained by four");
    assert_eq!(scene.rate(0, 40.0), "measure 5 at 0", "four times as fast");
    assert_eq!(scene.rate(0, 50.0), "answered, close 0");
    assert!(!scene.prober.is_done());
    assert_eq!(scene.exit(0, None), "");
    assert_eq!(scene.rate(1, 10.0), "measure 2 at 1");
    assert_eq!(scene.rate(1, 20.0), "answered, close 1");
    assert_eq!(scene.exit(1, None), "");
    assert!(scene.prober.is_done() && scene.prober.standing() == (3, 3));
    let sizes: Vec<usize> = scene.answers.iter().map(|(known, _)| known.rates.len()).collect();
    assert_eq!(sizes, [2, 3, 2]);
}

#[test]
fn a_killed_worker_is_waited_for() {
    let (mut scene, _) = Scene::new(1, vec![question(1, 40)]);
    scene.rate(0, 10.0);
    scene.rate(0, 40.0);
    let memory = Input::Log { slot: 0, records: records(vec![ended(Outcome::OutOfMemory)]), offset: 1 };
    assert_eq!(scene.put(memory), "kill 0");
    assert_eq!(scene.rate(0, 1.0), "", "what it reports now is ignored");
    assert_eq!(scene.exit(0, None), "start 0, measure 8 at 0");
    assert_eq!(scene.exit(0, Some(Clue::NoMemory)), "answered", "neither eight, so that four are the most");
    assert!(scene.prober.is_done());
    assert_eq!(scene.answers[0].0.best(40), Some(4));
}

#[test]
fn a_machine_that_goes_leaves_its_question_to_others() {
    let (mut scene, _) = Scene::new(2, vec![question(1, 2), question(2, 2)]);
    assert_eq!(scene.put(Input::Left { slot: 0 }), "");
    scene.rate(1, 10.0);
    assert_eq!(scene.rate(1, 20.0), "answered, measure 1 at 1");
    // A worker that leaves in peace reports that it was stopped, before or after its leaving is known.
    scene.put(Input::Leaving { slot: 1 });
    let stopped = Input::Log { slot: 1, records: records(vec![ended(Outcome::Stopped)]), offset: 1 };
    assert_eq!(scene.put(stopped), "");
    assert_eq!(scene.exit(1, None), "");
    assert!(scene.prober.is_done(), "nobody is left who could answer: planned by estimate");
    assert_eq!(scene.answers.len(), 1);
}

#[test]
fn a_stop_ends_it_with_what_is_known() {
    let (mut scene, _) = Scene::new(1, vec![question(1, 9), question(2, 9)]);
    scene.rate(0, 100.0);
    assert_eq!(scene.put(Input::Stop), "kill 0");
    assert!(scene.prober.is_stopped() && !scene.prober.is_done(), "its worker is there still");
    assert_eq!(scene.exit(0, None), "");
    assert!(scene.prober.is_done());
    let known: Vec<&Measured> = scene.prober.known().values().flat_map(|of| of.values()).collect();
    assert_eq!(known[0].rates, [(1, 100.0)].into());
    assert_eq!(scene.prober.ending(), Some(Ending::Asked));
}

#[test]
fn a_worker_that_is_silent_for_too_long_is_replaced() {
    let (mut scene, _) = Scene::new(1, vec![question(1, 9), question(2, 9)]);
    assert_eq!(scene.at(309.0, Input::Tick), "", "news may take ten seconds");
    assert_eq!(scene.at(311.0, Input::Tick), "kill 0, answered");
    assert_eq!(scene.answers[0].1.as_deref(), Some("no answer for 300 s"));
    assert_eq!(scene.exit(0, None), "", "where nothing works the rest is not tried");
    assert!(scene.prober.is_done() && scene.prober.standing() == (2, 2));
}
