//! Members that the orchestrator drops while their cohort trains.

use super::*;
use sweep_tensor::file;
use sweep_wire::control::Control;

/// Writes a control file that removes the members at `places` from an order.
fn tell(order: &Order, places: &[usize]) {
    let without = places.iter().map(|&place| order.members[place].id).collect();
    let text = Control { cohort: order.cohort, attempt: order.attempt, without }.write().unwrap();
    fs::write(order.directory.join("control.json"), text).unwrap();
}

/// The outcome of an attempt in which the member at `place` is removed at `step`, with `scored` members scored there.
fn told_at(order: &Order, (step, scored): (u64, usize), place: usize) -> Outcome {
    let (mut cache, stop) = (DatasetCache::default(), AtomicBool::new(false));
    let mut report = Report::start(&order.events, order.cohort, order.attempt).unwrap();
    fs::create_dir_all(order.directory.join("samples")).unwrap();
    let scorings = scorings::<CohortError>(order, &built_in(order).dataset, &mut report, &mut cache, &stop).unwrap();
    let mut run = begun(order, &mut report);
    run.trainer.advance(step);
    run.pending.add(run.trainer.points());
    run.scored = scored;
    tell(order, &[place]);
    run.train(&scorings, &stop).unwrap()
}

/// All files in and below a folder, with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// The files that an attempt saves for others: generators and samples.
fn left(order: &Order) -> BTreeMap<PathBuf, Vec<u8>> {
    let named = |(path, bytes): (PathBuf, _)| (path.strip_prefix(&order.directory).unwrap().to_owned(), bytes);
    let is_log = |path: &Path| path.extension().is_some_and(|end| end == "json" || end == "jsonl");
    files(&order.directory).into_iter().filter(|(path, _)| !is_log(path)).map(named).collect()
}

/// The events of an attempt, without times and process ids.
fn told(order: &Order) -> Vec<Event> {
    let timeless = |event| match event {
        Event::Scored { job, step, scores, .. } => Some(Event::Scored { job, step, scores, seconds: 0.0 }),
        Event::JobDone { job, step, .. } => Some(Event::JobDone { job, step, seconds: 0.0 }),
        Event::Started { .. } | Event::Progress { .. } | Event::Floor { .. } | Event::Losses { .. } => None,
        event => Some(event),
    };
    events(order).into_iter().filter_map(timeless).collect()
}

#[test]
fn removed_members_do_not_affect_the_others() {
    let undisturbed = tempfile::tempdir().unwrap();
    let whole = order(undisturbed.path(), 1, false);
    let (_, expected) = attempt(&whole, false);
    let all = losses(&[&whole]).0;
    for (at, place) in [((0, 0), 1), ((1, 0), 0), ((2, 0), 1), ((2, 2), 0), ((2, 1), 2), ((2, 3), 1), ((3, 0), 2)] {
        let (told_folder, ordered_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = order(told_folder.path(), 1, false);
        let gone = one.members[place].id;
        assert_eq!(told_at(&one, at, place), Outcome::Finished);

        let (before, other) = (order(ordered_folder.path(), 1, false), order(ordered_folder.path(), 2, true));
        leave(&before, &[at.0], at.1);
        let other = Order { without: vec![gone], ..other };
        assert_eq!(attempt(&other, false).0, Outcome::Finished);
        assert_eq!(told(&one), told(&other), "{at:?}, member {place}");
        assert!(left(&one) == left(&other), "{at:?}, member {place}: {:?}", left(&one).keys());
        assert_eq!(left(&one).len(), 1 + 2 * 2, "the generators, and a sheet and points of each");

        // The others are not affected.
        let due = expected.iter().filter(|(job, step, _)| *job != gone && *step >= at.0);
        let scored_before = (0..3).filter(|&k| k < at.1 && k != place).count();
        assert_eq!(scores(&one), due.skip(scored_before).cloned().collect::<Vec<_>>(), "{at:?}, member {place}");
        for (path, bytes) in left(&one).into_iter().filter(|(path, _)| path.starts_with("samples")) {
            assert!(bytes == fs::read(undisturbed.path().join(&path)).unwrap(), "{}", path.display());
        }
        // Losses that were collected for it are reported, as before a checkpoint, and no others.
        let (found, mut expected) = (losses(&[&one]).0, all.clone());
        expected.get_mut(&gone).unwrap().retain(|step| step <= at.0);
        expected.retain(|_, losses| !losses.steps.is_empty());
        assert_eq!(found, expected, "{at:?}, member {place}");
        assert_eq!(losses(&[&before, &other]).0, expected);
    }
}

/// The content of a checkpoint, without the training time.
fn checkpoint(folder: &Path) -> (BTreeMap<String, String>, BTreeMap<String, Vec<u8>>) {
    let file::Contents { tensors, metadata } = file::read(&checkpoints(folder)[0]).unwrap();
    let bytes = |tensor: tch::Tensor| {
        let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.copy_data_u8(&mut bytes, tensor.numel());
        bytes
    };
    let metadata = metadata.into_iter().filter(|(name, _)| name != "seconds").collect();
    (metadata, tensors.into_iter().map(|(name, tensor)| (name, bytes(tensor))).collect())
}

#[test]
fn a_checkpoint_without_the_removed_member_is_resumed() {
    let undisturbed = tempfile::tempdir().unwrap();
    let (_, expected) = attempt(&order(undisturbed.path(), 1, false), false);
    let (told, ordered) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = order(told.path(), 1, false);
    let gone = one.members[0].id;
    let mut report = Report::start(&one.events, one.cohort, one.attempt).unwrap();
    let mut run = begun(&one, &mut report);
    run.trainer.advance(2);
    run.scored = 2;
    tell(&one, &[0]);
    run.check_inbox().unwrap();
    run.save().unwrap();

    leave(&order(ordered.path(), 1, false), &[2], 2);
    let other = Order { without: vec![gone], ..order(ordered.path(), 2, true) };
    let mut report = Report::start(&other.events, other.cohort, other.attempt).unwrap();
    let mut run = begun(&other, &mut report);
    assert_eq!(run.resume(), None);
    run.remove_members().unwrap();
    run.save().unwrap();
    let (found, expected_of) = (checkpoint(told.path()), checkpoint(ordered.path()));
    assert_eq!(found.0, expected_of.0);
    assert_eq!((found.0["scored"].as_str(), found.0["members"].split(' ').count()), ("1", 2));
    assert!(found.1.len() > 4 && found.1 == expected_of.1, "{:?}", found.1.keys());

    // It makes no difference whether the next order names it, which an order made earlier does not.
    let next = Order { without: vec![gone], ..order(told.path(), 2, true) };
    let (outcome, scores) = attempt(&next, false);
    let rest: Vec<_> = expected.iter().filter(|(job, ..)| *job != gone).cloned().collect();
    assert_eq!((outcome, scores), (Outcome::Finished, rest[1..].to_vec()), "one of the two was scored at step 2");
}

#[test]
fn removals_before_the_start_are_read_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let one = order(folder.path(), 1, false);
    tell(&one, &[0, 2]);
    let (outcome, scores) = attempt(&one, false);
    assert_eq!(outcome, Outcome::Finished);
    assert!(scores.len() == 2 && scores.iter().all(|(job, ..)| *job == one.members[1].id), "{scores:?}");
    for place in [0, 2] {
        assert!(!format!("{:?}", events(&one)).contains(&one.members[place].id.to_string()), "it has no event");
    }
    // All members are removed.
    let folder = tempfile::tempdir().unwrap();
    leave(&order(folder.path(), 1, false), &[1, 2], 0);
    let none = Order { without: vec![one.members[0].id], ..order(folder.path(), 2, true) };
    tell(&none, &[1, 2]);
    assert_eq!(attempt(&none, false), (Outcome::Finished, Vec::new()));
    assert_eq!(events(&none).len(), 1, "only the start event");
    assert_eq!(checkpoints(folder.path()).map(|path| path.exists()), [false, false]);
}

#[test]
fn a_cohort_ends_when_all_members_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let one = order(folder.path(), 1, false);
    let mut report = Report::start(&one.events, one.cohort, one.attempt).unwrap();
    let mut run = begun(&one, &mut report);
    run.trainer.advance(1);
    run.save().unwrap();
    tell(&one, &[0, 1, 2]);
    assert_eq!(run.train(&[], &AtomicBool::new(false)).unwrap(), Outcome::Finished);
    assert!(left(&one).is_empty(), "{:?}", left(&one).keys());
    assert!(!events(&one).iter().any(|event| matches!(event, Event::JobDone { .. })));
}

#[test]
fn removals_are_permanent_and_invalid_control_files_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let one = order(folder.path(), 1, false);
    let path = folder.path().join("control.json");
    let id = |place: usize| one.members[place].id;
    let mut inbox = Inbox::of(&one);
    assert!(!inbox.check(), "there is no file");
    tell(&one, &[0]);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 4;
    let stranger = Order { attempt: 7, ..one.clone() };
    tell(&stranger, &[1]);
    let strange = fs::read(&path).unwrap();
    for text in [&b""[..], b"{}\n", b"what is this\n", &whole[..whole.len() - 1], &damaged, &strange] {
        fs::write(&path, text).unwrap();
        assert!(!inbox.check() && !inbox.is_removed(id(0)) && !inbox.is_removed(id(1)), "{text:?}");
    }
    fs::write(&path, &whole).unwrap();
    assert!(inbox.check() && inbox.is_removed(id(0)) && !inbox.is_removed(id(1)));
    assert!(!inbox.check(), "nothing new");
    tell(&one, &[2]);
    assert!(inbox.check() && inbox.is_removed(id(0)) && inbox.is_removed(id(2)));
    for text in [&whole[..], b"torn"] {
        fs::write(&path, text).unwrap();
        assert!(!inbox.check() && inbox.is_removed(id(2)));
    }
    // A path that is not a file does not block the worker.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(!inbox.check() && inbox.is_removed(id(0)));
}
