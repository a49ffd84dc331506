//! Jobs that the orchestrator drops while others of their order train.

use std::path::PathBuf;
use std::thread;

use super::*;
use sweep_plan::slot::Device;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::sweep::Sweep;
use sweep_wire::control::Control;
use sweep_wire::home::Home;
use sweep_wire::{PROTOCOL, log};

/// A trainer that stops at half of its steps and waits for a file called `go`. When asked to end, it notes that in a
/// file.
const WAITS: &str = "trap 'echo asked > $SWEEP_DIR/end; exit 0' TERM; echo sweep: step=5 fid=2; touch $SWEEP_DIR/half; \
                     while [ ! -e go ]; do sleep 0.02; done; echo sweep: step=10 fid=1; echo done > $SWEEP_DIR/end";

/// An order for three jobs of that trainer.
fn order(folder: &Path) -> Order {
    let text = format!(
        "sweep: s\nseeds: 3\ntrainer:\n  command: [sh, -c, \"{WAITS}\"]\n  parameters: {{x: 1}}\n  scores: {{fid: \
        lower}}\n  steps: 10\n  \
         at_once: 3\n"
    );
    let entries = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().entries;
    let members = entries.iter().map(|entry| {
        let (id, parameters, seed) = (entry.id, entry.job.parameters.clone(), entry.job.seed);
        Member { id, was: Vec::new(), after: None, parameters, seed }
    });
    let home = Home::new(folder);
    let cohort = CohortId::of(b"three");
    let attempt = home.run(cohort).attempt(1);
    fs::create_dir_all(attempt.path()).unwrap();
    Order {
        protocol: PROTOCOL,
        cohort,
        attempt: 1,
        blueprint: (*entries[0].job.blueprint).clone(),
        scores: vec![(*entries[0].score).clone()],
        members: members.collect(),
        device: Device::Cpu,
        threads: 1,
        data: folder.join("data"),
        directory: home.run(cohort).path().to_owned(),
        events: attempt.events(),
        folder: Some(folder.to_owned()),
        jobs: Some(home.jobs()),
        checkpoint_seconds: 0,
        resume: false,
        parents: Vec::new(),
        until: None,
        keep: false,
        without: Vec::new(),
        probe_seconds: None,
        slot: None,
        at: None,
    }
}

/// Writes a control file that removes the members at `places` from the order.
fn tell(order: &Order, places: &[usize]) {
    let without = places.iter().map(|&place| order.members[place].id).collect();
    let text = Control { cohort: order.cohort, attempt: order.attempt, without }.write().unwrap();
    whole::write(&order.directory.join("attempt-1/control.json"), &text, Survives::Kill).unwrap();
}

/// Trains, and returns how that ended and which jobs are done.
fn served(order: &Order) -> (Ended, Vec<JobId>) {
    let own = order.blueprint.own().unwrap();
    let mut report = Report::start(&order.events, order.cohort, order.attempt).unwrap();
    let ended = train((order, own), &mut report, &mut DatasetCache::default(), &AtomicBool::new(false)).unwrap();
    let events = log::read(&order.events, 0).unwrap().records.into_iter().map(|record| record.event);
    let done = events.filter_map(|event| if let Event::JobDone { job, .. } = event { Some(job) } else { None });
    (ended, done.collect())
}

/// A file in the folder of the job at `place`.
fn kept(order: &Order, place: usize, name: &str) -> PathBuf {
    order.jobs.as_ref().unwrap().join(order.members[place].id.to_string()).join(name)
}

/// Waits up to a minute for a file.
fn wait(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for {}", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_removed_process_is_asked_to_end_and_the_others_continue() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(folder.path());
    let (ended, done) = thread::scope(|scope| {
        scope.spawn(|| {
            (0..3).for_each(|place| wait(&kept(&order, place, "half")));
            tell(&order, &[1]);
            // The others are still at half of their steps.
            wait(&kept(&order, 1, "end"));
            fs::write(folder.path().join("go"), "").unwrap();
        });
        served(&order)
    });
    assert_eq!(ended, (Outcome::Finished, String::new()), "nobody stopped this worker");
    let mut others = [0, 2].map(|place| order.members[place].id);
    let mut done: [JobId; 2] = done.try_into().unwrap();
    others.sort_unstable();
    done.sort_unstable();
    assert_eq!(done, others);
    let end = |place| fs::read_to_string(kept(&order, place, "end")).unwrap();
    assert_eq!([0, 1, 2].map(end), ["done\n", "asked\n", "done\n"]);
    // Its progress is saved, as after a stop.
    let state = order.jobs.as_ref().unwrap().join(format!("{}.json", order.members[1].id));
    let state: Value = serde_json::from_slice(&fs::read(state).unwrap()).unwrap();
    assert_eq!((&state["trained"], &state["fate"]), (&false.into(), &Value::Null));
}

#[test]
fn removed_jobs_that_have_not_started_never_start() {
    let folder = tempfile::tempdir().unwrap();
    let order = order(folder.path());
    fs::write(folder.path().join("go"), "").unwrap();
    tell(&order, &[0, 2]);
    assert_eq!(served(&order), ((Outcome::Finished, String::new()), vec![order.members[1].id]));
    assert!([0, 2].iter().all(|&place| !kept(&order, place, "").exists()), "not even a folder was created");

    let folder = tempfile::tempdir().unwrap();
    let order = self::order(folder.path());
    tell(&order, &[0, 1, 2]);
    assert_eq!(served(&order), ((Outcome::Finished, String::new()), Vec::new()));
}
