//! Interrupted attempts, and how later attempts continue from them.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use sweep_plan::slot::Device;
use sweep_spec::blueprint::{Blueprint, Sheets};
use sweep_spec::id::CohortId;
use sweep_spec::sweep::Sweep;
use sweep_wire::event::Record;
use sweep_wire::losses::Losses;
use sweep_wire::{PROTOCOL, log, order};

mod control;

const FILE: &str = "\
sweep: s
dataset: gaussians
objective: gan
seeds: 3
model: {noise: 2, generator: [3], discriminator: [2]}
train: {steps: 4, batch: 5}
score: {every: 2, samples: 20, metrics: [modes_covered]}
";

fn order(directory: &Path, attempt: u32, resume: bool) -> Order {
    let entries = Sweep::parse("f", FILE).and_then(|sweep| sweep.expand()).unwrap().entries;
    let members = entries.iter().map(|entry| {
        let (id, parameters, seed) = (entry.id, entry.job.parameters.clone(), entry.job.seed);
        order::Member { id, was: Vec::new(), after: None, parameters, seed }
    });
    Order {
        protocol: PROTOCOL,
        cohort: CohortId::of(b"three"),
        attempt,
        blueprint: (*entries[0].job.blueprint).clone(),
        scores: vec![(*entries[0].score).clone()],
        members: members.collect(),
        device: Device::Cpu,
        threads: 1,
        data: directory.join("data"),
        directory: directory.to_owned(),
        events: directory.join(format!("events-{attempt}.jsonl")),
        folder: None,
        jobs: None,
        checkpoint_seconds: 0,
        resume,
        parents: Vec::new(),
        until: None,
        keep: false,
        without: Vec::new(),
        probe_seconds: None,
        slot: None,
        at: None,
    }
}

fn built_in(order: &Order) -> &BuiltIn {
    order.blueprint.built_in().unwrap()
}

fn change(order: &mut Order, change: impl FnOnce(&mut BuiltIn)) {
    let mut blueprint = built_in(order).clone();
    change(&mut blueprint);
    order.blueprint = Blueprint::BuiltIn(blueprint);
}

/// Runs an attempt. Returns its outcome and the scores that it reports.
fn attempt(order: &Order, stop: bool) -> (Outcome, Vec<(JobId, u64, Vec<f64>)>) {
    let mut report = Report::start(&order.events, order.cohort, order.attempt).unwrap();
    let outcome =
        train((order, built_in(order)), &mut report, &mut DatasetCache::default(), &AtomicBool::new(stop)).unwrap();
    (outcome, scores(order))
}

/// The scores that an attempt has reported.
fn scores(order: &Order) -> Vec<(JobId, u64, Vec<f64>)> {
    let scored = |record: Record| match record.event {
        Event::Scored { job, step, scores, .. } => Some((job, step, scores.iter().map(|s| s.value).collect())),
        _ => None,
    };
    log::read(&order.events, 0).unwrap().records.into_iter().filter_map(scored).collect()
}

#[test]
fn an_order_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = order(folder.path(), 1, false);
    change(&mut order, |blueprint| blueprint.revision += 1);
    let mut report = Report::start(&order.events, order.cohort, order.attempt).unwrap();
    let error = train((&order, built_in(&order)), &mut report, &mut DatasetCache::default(), &AtomicBool::new(false))
        .unwrap_err()
        .to_string();
    assert!(error.contains("`gan`") && error.contains("the same version of sweep"), "{error}");
}

/// An attempt at step 0.
fn begun<'a>(order: &'a Order, report: &'a mut Report) -> Run<'a> {
    let setup = setup(built_in(order), order.device, 1).unwrap();
    let members = order.members.iter();
    let members =
        members.map(|member| Member { id: member.id, parameters: member.parameters.clone(), seed: member.seed });
    let real = DatasetCache::default().data(&built_in(order).dataset, &order.data).unwrap();
    let batch: RealBatch = Arc::new(move |seed, index, out| real.batch(seed, index, out));
    let mut trainer = Trainer::new(built_in(order), members.collect(), batch, setup);
    trainer.trace();
    let folder = RunFolder::at(order.directory.clone());
    let durable = Instant::now();
    Run {
        order,
        inbox: Inbox::of(order),
        blueprint: built_in(order),
        report,
        trainer,
        folder,
        seconds: 1.5,
        scored: 0,
        pending: Pending::default(),
        durable,
    }
}

/// Runs an attempt that writes checkpoints at `steps`, and is cut off with `scored` members scored at the last one.
fn leave(order: &Order, steps: &[u64], scored: usize) {
    let mut report = Report::start(&order.events, order.cohort, order.attempt).unwrap();
    let mut run = begun(order, &mut report);
    for &step in steps {
        run.trainer.advance(step - run.trainer.steps());
        run.pending.add(run.trainer.points());
        run.scored = if Some(&step) == steps.last() { scored } else { 0 };
        run.save().unwrap();
    }
}

/// The events of an attempt.
fn events(order: &Order) -> Vec<Event> {
    log::read(&order.events, 0).unwrap().records.into_iter().map(|record| record.event).collect()
}

/// The step at which an attempt started, and its warnings.
fn start_of(order: &Order) -> (u64, Vec<String>) {
    let events = events(order);
    let Event::Started { step, .. } = events[0] else { panic!("{events:?}") };
    let warning = |event| if let Event::Warning { message } = event { Some(message) } else { None };
    (step, events.into_iter().filter_map(warning).collect())
}

/// Changes one byte at the end.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn checkpoints(folder: &Path) -> [PathBuf; 2] {
    ["checkpoint.safetensors", "checkpoint.previous.safetensors"].map(|name| folder.join(name))
}

#[test]
fn members_scored_before_a_checkpoint_are_not_scored_again() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (outcome, expected) = attempt(&order(whole.path(), 1, false), false);
    assert_eq!((outcome, expected.len()), (Outcome::Finished, 6));

    // This attempt ended after the first of three scorings at step 2.
    leave(&order(cut.path(), 1, false), &[2], 1);

    let (outcome, stopped) = attempt(&order(cut.path(), 2, true), true);
    assert_eq!((outcome, stopped), (Outcome::Stopped, Vec::new()), "stopped before anything is scored");
    let (outcome, resumed) = attempt(&order(cut.path(), 3, true), false);
    assert_eq!(outcome, Outcome::Finished);
    assert_eq!(resumed, expected[1..]);
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_previous_one_is_used() {
    let whole = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(whole.path(), 1, false), false);
    // Which of the two are damaged, where the next attempt continues, and its warning.
    let cases = [
        (&[][..], 2, None),
        (&[0], 1, Some("training goes on from an earlier checkpoint, at step 1")),
        (&[0, 1], 0, Some("training starts over")),
    ];
    for (damaged, step, said) in cases {
        let cut = tempfile::tempdir().unwrap();
        leave(&order(cut.path(), 1, false), &[1, 2], 0);
        let checkpoints = checkpoints(cut.path());
        damaged.iter().for_each(|&which: &usize| damage(&checkpoints[which]));
        let second = order(cut.path(), 2, true);
        let (outcome, scores) = attempt(&second, false);
        assert_eq!((outcome, &scores), (Outcome::Finished, &expected), "{damaged:?}");
        let (start, warnings) = start_of(&second);
        assert_eq!((start, warnings.len()), (step, usize::from(said.is_some())), "{warnings:?}");
        for (warning, said) in warnings.iter().zip(said) {
            assert!(warning.contains("checksum does not match") && warning.ends_with(said), "{warning}");
        }
        assert_eq!(checkpoints.map(|path| path.exists()), [false, false]);
    }
    // Between two renames only the earlier checkpoint exists.
    let cut = tempfile::tempdir().unwrap();
    leave(&order(cut.path(), 1, false), &[1, 2], 0);
    fs::remove_file(cut.path().join("checkpoint.safetensors")).unwrap();
    let second = order(cut.path(), 2, true);
    assert_eq!(attempt(&second, false).1, expected);
    assert_eq!(start_of(&second), (1, Vec::new()));
    // A file that cannot be checked is not the same as a missing file.
    let cut = tempfile::tempdir().unwrap();
    leave(&order(cut.path(), 1, false), &[1, 2], 0);
    let newest = cut.path().join("checkpoint.safetensors");
    fs::remove_file(&newest).unwrap();
    std::os::unix::fs::symlink("checkpoint.safetensors", &newest).unwrap();
    let second = order(cut.path(), 2, true);
    assert_eq!(attempt(&second, false).1, expected);
    let (step, warnings) = start_of(&second);
    assert_eq!((step, warnings.len()), (1, 1), "{warnings:?}");
    assert!(warnings[0].contains("symbolic link"), "{warnings:?}");
}

#[test]
fn a_checkpoint_beyond_the_last_step_is_refused() {
    let cut = tempfile::tempdir().unwrap();
    let mut longer = order(cut.path(), 1, false);
    change(&mut longer, |blueprint| blueprint.train.steps = 9);
    leave(&longer, &[7], 0);
    let second = order(cut.path(), 2, true);
    assert_eq!(attempt(&second, false).0, Outcome::Finished);
    let (step, warnings) = start_of(&second);
    assert!(step == 0 && warnings[0].contains("is of step 7, but the training has only 4"), "{warnings:?}");
}

/// The order for some members of another order, which continue from its checkpoint.
fn part(of: &Order, directory: &Path, members: std::ops::Range<usize>) -> Order {
    Order {
        cohort: CohortId::of(b"a part"),
        members: of.members[members].to_vec(),
        parents: vec![order::Parent { cohort: of.cohort, checkpoint: of.directory.join("checkpoint.safetensors") }],
        ..order(directory, 1, false)
    }
}

#[test]
fn a_part_resumes_from_the_checkpoint_of_the_whole() {
    let undisturbed = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(undisturbed.path(), 1, false), false);
    let of = |order: &Order| -> Vec<_> {
        expected.iter().filter(|(job, ..)| order.members.iter().any(|member| member.id == *job)).cloned().collect()
    };
    let whole = tempfile::tempdir().unwrap();
    let first = order(whole.path(), 1, false);
    // Two of three members are scored at step 2.
    leave(&first, &[1, 2], 2);
    for (members, scored) in [(0..1, 1), (1..3, 1), (2..3, 0), (0..3, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let part = part(&first, folder.path(), members.clone());
        let (outcome, scores) = attempt(&part, false);
        assert_eq!(outcome, Outcome::Finished);
        let expected = of(&part);
        assert_eq!(scores, expected[scored..], "{members:?}");
        assert_eq!(start_of(&part), (2, Vec::new()));
        let done = |event| if let Event::JobDone { seconds, .. } = event { Some(seconds) } else { None };
        assert!(events(&part).into_iter().filter_map(done).all(|seconds| seconds > 1.5), "includes time in the whole");
    }

    // Its own checkpoint has precedence over that of the whole cohort.
    let folder = tempfile::tempdir().unwrap();
    let begun = part(&first, folder.path(), 1..3);
    leave(&begun, &[3], 0);
    let second = Order { attempt: 2, resume: true, events: folder.path().join("second"), ..begun };
    assert_eq!(attempt(&second, false).1, of(&second)[2..]);
    assert_eq!(start_of(&second).0, 3);

    // First one damaged checkpoint of the whole cohort, then none, and then one of another cohort.
    for (damaged, step) in [(0, 1), (1, 0)] {
        damage(&checkpoints(whole.path())[damaged]);
        let folder = tempfile::tempdir().unwrap();
        let part = part(&first, folder.path(), 1..3);
        assert_eq!(attempt(&part, false).1, of(&part));
        let (start, warnings) = start_of(&part);
        assert_eq!((start, warnings.len()), (step, 1), "{warnings:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let nowhere = order::Parent { cohort: first.cohort, checkpoint: "/no/such/checkpoint".into() };
    let none = Order { parents: vec![nowhere], ..part(&first, folder.path(), 1..3) };
    assert_eq!(attempt(&none, false).1, of(&none));
    assert_eq!(start_of(&none), (0, Vec::new()));
}

/// An order up to a step saves a checkpoint from which the next order continues as if nothing had happened.
#[test]
fn an_order_up_to_a_step_ends_with_a_checkpoint() {
    let undisturbed = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(undisturbed.path(), 1, false), false);
    let folder = tempfile::tempdir().unwrap();
    let first = Order { until: Some(2), ..order(folder.path(), 1, false) };
    let (outcome, mut scores) = attempt(&first, false);
    assert_eq!((outcome, scores.len()), (Outcome::Reached, 3), "each is scored at step 2");
    let saved = |event: &Event| matches!(event, Event::Checkpointed { step: 2 });
    assert_eq!(events(&first).iter().filter(|event| saved(event)).count(), 1);
    // Continues from there, without a removed member.
    let gone = first.members[1].id;
    let second = Order { without: vec![gone], ..order(folder.path(), 2, true) };
    let (outcome, rest) = attempt(&second, false);
    assert_eq!((outcome, start_of(&second).0), (Outcome::Finished, 2));
    scores.extend(rest);
    let at = |all: &[(JobId, u64, Vec<f64>)], of: usize| {
        let of = first.members[of].id;
        all.iter().filter(|(job, ..)| *job == of).cloned().collect::<Vec<_>>()
    };
    for member in [0, 2] {
        assert_eq!(at(&scores, member), at(&expected, member));
    }
    assert_eq!(at(&scores, 1), at(&expected, 1)[..1]);
    // An order that is already at its last step has nothing to do.
    let late = Order { until: Some(2), ..order(folder.path(), 3, true) };
    leave(&order(folder.path(), 4, false), &[3], 0);
    assert_eq!(attempt(&late, false), (Outcome::Reached, Vec::new()));
}

#[test]
fn cancelled_members_are_skipped_without_an_event() {
    let undisturbed = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(undisturbed.path(), 1, false), false);
    for begun in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let first = order(folder.path(), 1, false);
        let cancelled = first.members[1].id;
        if begun {
            leave(&first, &[2], 2);
        }
        let second = Order { without: vec![cancelled], ..order(folder.path(), 2, true) };
        let (outcome, scores) = attempt(&second, false);
        let rest: Vec<_> = expected.iter().filter(|(job, ..)| *job != cancelled).cloned().collect();
        assert_eq!((outcome, scores), (Outcome::Finished, rest[usize::from(begun)..].to_vec()));
        assert!(!format!("{:?}", events(&second)).contains(&cancelled.to_string()));
    }
    let folder = tempfile::tempdir().unwrap();
    leave(&order(folder.path(), 1, false), &[1, 2], 0);
    let second = order(folder.path(), 2, true);
    let none = Order { without: second.members.iter().map(|member| member.id).collect(), ..second };
    assert_eq!(attempt(&none, false), (Outcome::Finished, Vec::new()));
    assert_eq!(events(&none).len(), 1, "only the start event");
    assert_eq!(checkpoints(folder.path()).map(|path| path.exists()), [false, false]);
}

#[test]
fn no_checkpoint_is_left_if_all_members_diverge() {
    let folder = tempfile::tempdir().unwrap();
    leave(&order(folder.path(), 1, false), &[1, 2], 0);
    let mut second = order(folder.path(), 2, true);
    for member in &mut second.members {
        member.parameters.set("lr_generator", f64::NAN);
        member.parameters.set("lr_discriminator", f64::NAN);
    }
    assert_eq!(attempt(&second, false).0, Outcome::Finished);
    let diverged = |event: &Event| matches!(event, Event::JobFailed { cause: Cause::Diverged, .. });
    assert_eq!(events(&second).iter().filter(|event| diverged(event)).count(), 3);
    assert_eq!(checkpoints(folder.path()).map(|path| path.exists()), [false, false]);
}

/// The losses that attempts report, merged, and the number of loss events.
fn losses(orders: &[&Order]) -> (BTreeMap<JobId, Losses>, usize) {
    let events = orders.iter().flat_map(|order| events(order));
    let reported: Vec<(JobId, Losses)> = events
        .filter_map(|event| if let Event::Losses { job, points } = event { Some((job, points)) } else { None })
        .collect();
    let mut all: BTreeMap<JobId, Losses> = BTreeMap::new();
    for (job, points) in &reported {
        points.check().unwrap();
        let known = all.remove(job).unwrap_or_default();
        all.insert(*job, known.merged(points));
    }
    (all, reported.len())
}

#[test]
fn losses_survive_interruptions() {
    let whole = tempfile::tempdir().unwrap();
    let first = order(whole.path(), 1, false);
    attempt(&first, false);
    let (expected, reported) = losses(&[&first]);
    assert_eq!((expected.len(), reported), (3, 6), "one event per member and scoring");
    for losses in expected.values() {
        assert_eq!(losses.steps, [1, 2, 3, 4]);
        let names: Vec<&str> = losses.series.keys().map(String::as_str).collect();
        assert_eq!(names, ["loss_d", "loss_g", "output_fake", "output_real"]);
        assert!(losses.series.values().flatten().all(|value| value.0.is_some_and(f32::is_finite)));
    }
    assert!(expected.values().all(|one| expected.values().filter(|other| *other == one).count() == 1));

    for member in &first.members {
        let folder = tempfile::tempdir().unwrap();
        let solo = Order { members: vec![member.clone()], ..order(folder.path(), 1, false) };
        attempt(&solo, false);
        assert_eq!(losses(&[&solo]).0, [(member.id, expected[&member.id].clone())].into());
    }
    // Losses before a checkpoint are in the log of the attempt that wrote it, and not in the next one.
    let cut = tempfile::tempdir().unwrap();
    let (one, two) = (order(cut.path(), 1, false), order(cut.path(), 2, true));
    leave(&one, &[1, 3], 0);
    attempt(&two, false);
    assert_eq!(losses(&[&one, &two]).0, expected);
    assert!(losses(&[&two]).0.values().all(|losses| losses.steps == [4]));
    // A part of a cohort continues from the checkpoint of the whole, and inherits its reported losses.
    let folder = tempfile::tempdir().unwrap();
    let whole = tempfile::tempdir().unwrap();
    let of = order(whole.path(), 1, false);
    leave(&of, &[2], 3);
    let part = part(&of, folder.path(), 1..3);
    attempt(&part, false);
    assert_eq!(losses(&[&of, &part]).0, {
        let mut expected = expected.clone();
        let alone = expected.get_mut(&of.members[0].id).unwrap();
        alone.retain(|step| step <= 2);
        expected
    });
}

#[test]
fn the_losses_of_a_member_that_diverges_end_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut order = order(folder.path(), 1, false);
    order.members[1].parameters.set("lr_generator", f64::INFINITY);
    let id = order.members[1].id;
    attempt(&order, false);
    let said = events(&order);
    let at = |is: &dyn Fn(&Event) -> bool| said.iter().position(is).unwrap();
    let failed = at(&|event| matches!(event, Event::JobFailed { .. }));
    assert!(at(&|event| matches!(event, Event::Losses { job, .. } if *job == id)) < failed);
    let (found, _) = losses(&[&order]);
    assert_eq!(found[&id].steps.last(), Some(&2));
    assert!(found[&id].series["loss_d"][1].0.unwrap().is_nan());
}

#[test]
fn a_sheet_at_each_scoring_is_the_last_of_a_shorter_training_and_changes_no_score() {
    let plain = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(plain.path(), 1, false), false);
    assert_eq!(fs::read_dir(plain.path().join("samples")).unwrap().count(), 2 * 3);
    let short = tempfile::tempdir().unwrap();
    let mut shorter = order(short.path(), 1, false);
    change(&mut shorter, |blueprint| blueprint.train.steps = 2);
    attempt(&shorter, false);

    for metrics in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut order = order(folder.path(), 1, false);
        order.scores[0].sheets = Sheets::All;
        if !metrics {
            order.scores[0].metrics.clear();
        }
        let (_, scores) = attempt(&order, false);
        assert_eq!(scores, if metrics { expected.clone() } else { Vec::new() });
        let sampled = events(&order).into_iter().filter_map(|event| match event {
            Event::Sampled { job, step, path } => Some((job, step, path)),
            _ => None,
        });
        let ids: Vec<JobId> = order.members.iter().map(|member| member.id).collect();
        let earlier = ids.iter().map(|id| (*id, 2, format!("samples/{id}-2.png")));
        let last = ids.iter().map(|id| (*id, 4, format!("samples/{id}.png")));
        assert_eq!(sampled.collect::<Vec<_>>(), earlier.chain(last).collect::<Vec<_>>());
        for id in ids {
            for end in ["png", "npy"] {
                let read = |folder: &Path, name: String| fs::read(folder.join("samples").join(name)).unwrap();
                let (early, late) = (format!("{id}-2.{end}"), format!("{id}.{end}"));
                assert!(read(folder.path(), early) == read(short.path(), late.clone()), "{end}");
                assert!(read(folder.path(), late.clone()) == read(plain.path(), late), "{end}");
            }
        }
        assert_eq!(fs::read_dir(folder.path().join("samples")).unwrap().count(), 4 * 3);
    }
}
