//! Rebuilding a home directory with an eventful history gives the same database.

use std::fs;
use std::sync::Arc;

use super::*;
use sweep_plan::slot::Device;
use sweep_spec::id::CohortId;
use sweep_system::clock::now;
use sweep_wire::PROTOCOL;
use sweep_wire::log::{self, Writer};
use sweep_wire::order::{Member, Order, Parent};

/// A home directory with the actions of an orchestrator and its workers.
pub(super) struct Home {
    pub folder: tempfile::TempDir,
    pub store: Store,
}

/// A running attempt.
pub(super) struct Attempt {
    pub cohort: Cohort,
    pub number: u32,
    pub folder: PathBuf,
    log: Option<Writer>,
}

impl Home {
    pub(super) async fn new(sweep: &NewSweep) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("sweep.db")).await.unwrap();
        store.claim(&at(folder.path())).await.unwrap();
        sweep.save(&at(folder.path())).unwrap();
        store.register(sweep).await.unwrap();
        Home { folder, store }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts attempts together.
    pub(super) async fn start(
        &self,
        cohorts: &[&Cohort],
        parents: &[&Cohort],
        slot: &str,
        without: &[JobId],
    ) -> Vec<Attempt> {
        let parents: Vec<CohortId> = parents.iter().map(|parent| parent.id).collect();
        let directory = |cohort: &Cohort| PathBuf::from("runs").join(cohort.id.to_string());
        let mut begun = Vec::new();
        for cohort in cohorts {
            begun.push(new_attempt(&self.store, cohort, &parents, without, directory(cohort), slot.to_owned()).await);
        }
        self.store.record(&begun.iter().cloned().map(Write::Start).collect::<Vec<_>>()).await.unwrap();
        let attempt = |(cohort, begun): (&&Cohort, NewAttempt)| {
            let directory = self.path().join(directory(cohort));
            let folder = directory.join(format!("attempt-{}", begun.number));
            fs::create_dir_all(&folder).unwrap();
            let member = |(id, job): &(JobId, Job)| Member {
                id: *id,
                was: Vec::new(),
                after: None,
                parameters: job.parameters.clone(),
                seed: job.seed,
            };
            let order = Order {
                protocol: PROTOCOL,
                cohort: cohort.id,
                attempt: begun.number,
                blueprint: (*cohort.blueprint).clone(),
                scores: cohort.scores.iter().map(|score| (**score).clone()).collect(),
                members: cohort.members.iter().map(member).collect(),
                device: Device::Cpu,
                threads: 1,
                data: "data".into(),
                parents: parents
                    .iter()
                    .map(|parent| Parent {
                        cohort: *parent,
                        checkpoint: self.path().join("runs").join(parent.to_string()),
                    })
                    .collect(),
                directory,
                events: folder.join("events.jsonl"),
                folder: None,
                jobs: None,
                checkpoint_seconds: 0,
                resume: begun.number > 1,
                without: without.to_vec(),
                probe_seconds: None,
                slot: Some(slot.to_owned()),
                at: Some(begun.at),
                until: None,
                keep: false,
            };
            fs::write(folder.join("order.json"), serde_json::to_vec(&order).unwrap()).unwrap();
            Attempt { cohort: Cohort::clone(cohort), number: begun.number, folder, log: None }
        };
        cohorts.iter().zip(begun).map(attempt).collect()
    }

    /// Logs events and ingests the log.
    pub(super) async fn log(&self, attempt: &mut Attempt, events: impl IntoIterator<Item = Event>) {
        attempt.write(events);
        let offset = self.store.log_offset(attempt.cohort.id, attempt.number).await.unwrap();
        let batch = log::read(&attempt.folder.join("events.jsonl"), offset).unwrap();
        self.store.ingest(attempt.cohort.id, attempt.number, &batch.records, batch.offset).await.unwrap();
    }

    pub(super) async fn end(&self, attempt: &Attempt, outcome: AttemptOutcome, members: Members, message: &str) {
        let (message, stderr) = (message.to_owned(), "the last\nlines".to_owned());
        let end = AttemptEnd { outcome, message, stderr, members, at: now() };
        end.save(&AttemptFolder::at(attempt.folder.clone())).unwrap();
        self.store.end_attempt(attempt.cohort.id, attempt.number, &end).await.unwrap();
    }

    /// Returns the database after `sweep rebuild`, which gives no warnings.
    pub(super) async fn rebuilt(&self) -> Vec<String> {
        let path = self.path().join("again.db");
        let rebuilt = rebuild(&at(self.path()), &path).await.unwrap();
        assert_eq!(rebuilt.warnings, Vec::<String>::new());
        dump(&Store::open_existing_read_only(&path).await.unwrap()).await
    }
}

impl Attempt {
    /// Logs events that nobody reads yet.
    pub(super) fn write(&mut self, events: impl IntoIterator<Item = Event>) {
        let path = self.folder.join("events.jsonl");
        let log = self.log.get_or_insert_with(|| Writer::create(&path, self.cohort.id, self.number).unwrap());
        events.into_iter().for_each(|event| log.append(event).unwrap());
    }
}

fn part(cohort: &Cohort, range: std::ops::Range<usize>) -> Cohort {
    Cohort::new(cohort.members[range].to_vec(), Arc::clone(&cohort.scores))
}

fn scored(job: JobId, step: u64, value: f64) -> Event {
    Event::Scored { job, step, scores: vec![score(Metric::Wasserstein, value)], seconds: 0.5 }
}

fn done(job: JobId) -> Event {
    Event::JobDone { job, step: 100, seconds: 3.0 }
}

fn ended(outcome: Outcome) -> Event {
    Event::Ended { outcome, message: format!("{outcome:?}") }
}

#[tokio::test]
async fn deaths_splits_retries_and_cancelled_jobs_are_rebuilt() {
    let sweep = sweep("s", &[0.1, 0.2], &[0.1], 3);
    let home = Home::new(&sweep).await;
    let whole = part(&cohort(&sweep), 0..5);
    let id = |index: usize| whole.members[index].0;
    let decide = async |job: usize, decision: Decision| {
        assert_eq!(home.store.decide(&at(home.path()), &[id(job)], decision).await.unwrap(), [id(job)]);
    };

    let [mut first] = home.start(&[&whole], &[], "cuda:0/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut first, [started(0), scored(id(0), 50, 0.1), Event::Checkpointed { step: 50 }]).await;
    home.log(&mut first, [ended(Outcome::OutOfMemory)]).await;
    home.end(&first, AttemptOutcome::OutOfMemory, Members::Release, "4 GiB asked for").await;

    // The part that is registered first starts last.
    let (left, right) = (part(&whole, 0..2), part(&whole, 2..5));
    let [mut waiting, mut works] =
        home.start(&[&left, &right], &[&whole], "cuda:0/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut works, [started(50), scored(id(2), 50, f64::NAN), scored(id(3), 50, 0.5)]).await;
    decide(3, Decision::Cancel).await;
    home.log(&mut works, [scored(id(2), 100, 0.2), done(id(2)), done(id(3)), ended(Outcome::Stopped)]).await;
    home.end(&works, AttemptOutcome::Stopped, Members::Release, "").await;
    home.log(&mut waiting, [started(50), Event::Progress { step: 60, rate: 9.0 }]).await;
    home.end(&waiting, AttemptOutcome::Died, Members::Fail, "killed by signal 9").await;
    let [idle] = home.start(&[&right], &[&whole], "cpu/1", &[id(3)]).await.try_into().ok().unwrap();
    home.end(&idle, AttemptOutcome::Stopped, Members::Release, "not started").await;

    // One of two failed jobs is retried, and one of two waiting jobs is cancelled.
    decide(0, Decision::Retry).await;
    let [mut again] = home.start(&[&left], &[&whole], "cpu/0", &[id(1)]).await.try_into().ok().unwrap();
    home.log(&mut again, [started(60), done(id(0)), ended(Outcome::Finished)]).await;
    decide(4, Decision::Cancel).await;
    assert_eq!(home.store.decide(&at(home.path()), &[id(0), id(4)], Decision::Cancel).await.unwrap(), []);
    let states = home.store.states("s").await.unwrap();
    let expected = [Status::Done, Status::Failed, Status::Done, Status::Cancelled, Status::Cancelled];
    assert_eq!([0, 1, 2, 3, 4].map(|index| states[&id(index)]), expected);
    assert!(home.store.resumable("s").await.unwrap().is_empty());

    // A cancelled job that is retried counts as new, and the fate of its old cohort does not affect it.
    decide(3, Decision::Retry).await;
    assert!(home.store.resumable("s").await.unwrap().is_empty());
    let alone = part(&whole, 3..4);
    let [mut alone] = home.start(&[&alone], &[], "cpu/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut alone, [started(0)]).await;
    alone.write([Event::Progress { step: 30, rate: 3.0 }]);
    // The orchestrator dies; the next one recovers.
    assert_eq!(home.store.release_stale(&at(home.path())).await.unwrap(), [id(3)]);
    let resumable = home.store.resumable("s").await.unwrap();
    assert_eq!((resumable.len(), resumable[0].cohort.id, resumable[0].step), (1, alone.cohort.id, 30));
    assert_eq!(home.rebuilt().await, dump(&home.store).await);

    // The right part has nothing left to do; in the whole and the left one a job failed, and the last one waits.
    let directory = |cohort: &Cohort| PathBuf::from("runs").join(cohort.id.to_string());
    assert_eq!(home.store.spent().await.unwrap(), [directory(&right)]);
    decide(1, Decision::Retry).await;
    decide(1, Decision::Cancel).await;
    assert_eq!(home.store.spent().await.unwrap(), [&whole, &left, &right].map(directory));
}

#[tokio::test]
async fn a_cohort_goes_on_without_the_cancelled_and_knows_its_parent() {
    let sweep = sweep("s", &[0.1], &[0.1], 4);
    let home = Home::new(&sweep).await;
    let whole = cohort(&sweep);
    let half = part(&whole, 0..2);
    let [mut attempt] = home.start(&[&half], &[&whole], "cpu/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut attempt, [started(0), ended(Outcome::Stopped)]).await;
    home.end(&attempt, AttemptOutcome::Stopped, Members::Release, "").await;
    let cancelled = half.members[1].0;
    home.store.decide(&at(home.path()), &[cancelled], Decision::Cancel).await.unwrap();
    home.store.decide(&at(home.path()), &[cancelled], Decision::Retry).await.unwrap();
    let resumable = home.store.resumable("s").await.unwrap();
    assert_eq!((resumable.len(), &resumable[0].parents[..]), (1, &[whole.id][..]));
    assert_eq!(resumable[0].states, [Status::Pending, Status::Cancelled]);
    assert_eq!(home.store.states("s").await.unwrap()[&cancelled], Status::Pending);

    // The fate of the cohort in which it was cancelled does not affect it.
    let [mut again] = home.start(&[&half], &[&whole], "cpu/0", &[cancelled]).await.try_into().ok().unwrap();
    home.log(&mut again, [started(0)]).await;
    assert_eq!(home.store.states("s").await.unwrap()[&cancelled], Status::Pending);
    home.end(&again, AttemptOutcome::Died, Members::Fail, "killed by signal 9").await;
    let states = home.store.states("s").await.unwrap();
    assert_eq!([states[&half.members[0].0], states[&cancelled]], [Status::Failed, Status::Pending]);

    // Members of several cohorts were combined, and later members of others.
    let other = part(&whole, 2..4);
    let both = part(&whole, 1..4);
    for parents in [vec![&half, &other], vec![&whole], Vec::new()] {
        let [again] = home.start(&[&both], &parents, "cpu/0", &[]).await.try_into().ok().unwrap();
        home.end(&again, AttemptOutcome::Stopped, Members::Release, "").await;
        let ids: Vec<CohortId> = parents.iter().map(|parent| parent.id).collect();
        assert_eq!(home.store.resumable("s").await.unwrap()[0].parents, ids);
    }
    assert_eq!(home.rebuilt().await, dump(&home.store).await);

    let before = fs::read_to_string(home.path().join("decisions.jsonl")).unwrap();
    assert_eq!(before.lines().count(), 2);
    // A cut line is left out and does not spoil others.
    fs::write(home.path().join("decisions.jsonl"), format!("{before}{{\"at\": 1")).unwrap();
    home.store.decide(&at(home.path()), &[cancelled], Decision::Cancel).await.unwrap();
    let path = home.path().join("again.db");
    let rebuilt = rebuild(&at(home.path()), &path).await.unwrap();
    assert!(rebuilt.warnings.len() == 1 && rebuilt.warnings[0].contains("line 3"), "{:?}", rebuilt.warnings);
    let again = Store::open_existing_read_only(&path).await.unwrap();
    assert_eq!(again.states("s").await.unwrap()[&cancelled], Status::Cancelled);
}

#[tokio::test]
async fn decisions_are_rebuilt_in_the_order_of_their_lines() {
    let sweep = sweep("s", &[0.1], &[0.1], 2);
    let home = Home::new(&sweep).await;
    let [first, second] = [0, 1].map(|index| sweep.entries[index].id);
    for (job, decision) in [(first, Decision::Cancel), (first, Decision::Retry), (second, Decision::Cancel)] {
        assert_eq!(home.store.decide(&at(home.path()), &[job], decision).await.unwrap(), [job]);
    }
    let before = dump(&home.store).await;
    // The clock was set back after the first decision.
    let file = home.path().join("decisions.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter_mut().zip([3e9, 1e9, 2e9]).for_each(|(line, at)| line["at"] = at.into());
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&file, &text).unwrap();
    assert_eq!(home.rebuilt().await, before);

    // An invalid byte only spoils its own line.
    let mut bytes = text.into_bytes();
    bytes.splice(0..0, *b"{\"at\": 1, \xff}\n");
    fs::write(&file, bytes).unwrap();
    let path = home.path().join("third.db");
    let rebuilt = rebuild(&at(home.path()), &path).await.unwrap();
    assert!(rebuilt.warnings.len() == 1 && rebuilt.warnings[0].contains("line 1: not a decision"), "{rebuilt:?}");
    assert_eq!(dump(&Store::open_existing_read_only(&path).await.unwrap()).await, before);
}

#[tokio::test]
async fn what_is_heard_after_a_decision_comes_after_it_whatever_clocks_say() {
    let sweep = sweep("s", &[0.1], &[0.1], 3);
    let home = Home::new(&sweep).await;
    let whole = cohort(&sweep);
    let [mut attempt] = home.start(&[&whole], &[], "cpu/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut attempt, [started(0), Event::Progress { step: 20, rate: 9.0 }]).await;
    // From a clock that is far ahead.
    let path = attempt.folder.join("events.jsonl");
    let ahead = Record { seq: 2, at: 9e9, event: Event::Progress { step: 30, rate: 9.0 } };
    let mut text = fs::read(&path).unwrap();
    text.extend(serde_json::to_vec(&ahead).unwrap());
    text.push(b'\n');
    fs::write(&path, &text).unwrap();
    home.store.ingest(whole.id, 1, &[ahead], text.len() as u64).await.unwrap();
    // And written before the decision, but read after it.
    let [first, second, third] = [0, 1, 2].map(|index| whole.members[index].0);
    let events = [Event::Progress { step: 90, rate: 9.0 }, scored(second, 100, 0.5)].into_iter();
    let events = events.chain([first, second, third].map(done)).chain([ended(Outcome::Finished)]);
    let records: Vec<Record> = (3..).zip(events).map(|(seq, event)| Record { seq, at: 1e9, event }).collect();
    for record in &records {
        text.extend(serde_json::to_vec(record).unwrap());
        text.push(b'\n');
    }
    fs::write(&path, &text).unwrap();
    let taken = Taken { cohort: whole.id, attempt: 1, events: 3 };
    note((&at(home.path()), now()), &[(vec![second], Decision::Cancel, vec![taken])]).unwrap();
    let decided = Write::Decided { jobs: vec![second], decision: Decision::Cancel };
    let read = Write::Events { cohort: whole.id, attempt: 1, records, offset: text.len() as u64 };
    home.store.record(&[decided, read]).await.unwrap();

    let states = home.store.states("s").await.unwrap();
    assert_eq!([first, second, third].map(|job| states[&job]), [Status::Done, Status::Cancelled, Status::Done]);
    let job = home.store.job(second).await.unwrap();
    assert_eq!((job.step, job.scores.len()), (30, 1), "what it has scored stays");
    assert_eq!(home.rebuilt().await, dump(&home.store).await);
    // The times alone suggest otherwise.
    let file = home.path().join("decisions.jsonl");
    let line = fs::read_to_string(&file).unwrap();
    let start = line.split(",\"taken\"").next().unwrap();
    assert!(start.len() < line.len(), "{line}");
    fs::write(&file, format!("{start}}}\n")).unwrap();
    assert!(home.rebuilt().await != dump(&home.store).await);
}

#[tokio::test]
async fn what_was_decided_while_nobody_read_a_log_comes_before_what_is_read_of_it_later() {
    for retry in [false, true] {
        let sweep = sweep("s", &[0.1], &[0.1], 3);
        let home = Home::new(&sweep).await;
        let whole = cohort(&sweep);
        let [mut attempt] = home.start(&[&whole], &[], "cpu/0", &[]).await.try_into().ok().unwrap();
        home.log(&mut attempt, [started(0), Event::Progress { step: 20, rate: 9.0 }]).await;
        // The orchestrator is gone, and its worker continues for a while.
        let job = whole.members[1].0;
        attempt.write([Event::Progress { step: 90, rate: 9.0 }, done(job)]);
        let decisions = [Some(Decision::Cancel), retry.then_some(Decision::Retry)];
        for decision in decisions.into_iter().flatten() {
            assert_eq!(home.store.decide(&at(home.path()), &[job], decision).await.unwrap(), [job]);
        }
        // The next orchestrator starts.
        assert_eq!(home.store.catch_up(&at(home.path())).await.unwrap(), 0);
        home.store.release_stale(&at(home.path())).await.unwrap();
        let known = home.store.job(job).await.unwrap();
        assert_eq!((known.status, known.step), (if retry { Status::Pending } else { Status::Cancelled }, 20));
        assert_eq!(home.rebuilt().await, dump(&home.store).await);
    }
}

#[tokio::test]
async fn a_decision_that_the_database_had_not_learnt_of_is_made_up_for_before_training_goes_on() {
    let sweep = sweep("s", &[0.1], &[0.1], 3);
    let home = Home::new(&sweep).await;
    let whole = cohort(&sweep);
    let [mut attempt] = home.start(&[&whole], &[], "cpu/0", &[]).await.try_into().ok().unwrap();
    home.log(&mut attempt, [started(0), Event::Progress { step: 20, rate: 9.0 }]).await;
    assert_eq!(home.store.catch_up(&at(home.path())).await.unwrap(), 0);
    assert!(home.store.states("s").await.unwrap().values().all(|state| *state == Status::Running), "nothing to do");
    // The orchestrator is killed after its worker heard of the decision and before the database did.
    let job = whole.members[1].0;
    let taken = Taken { cohort: whole.id, attempt: 1, events: 3 };
    attempt.write([Event::Progress { step: 40, rate: 9.0 }, Event::Checkpointed { step: 50 }]);
    note((&at(home.path()), now()), &[(vec![job], Decision::Cancel, vec![taken])]).unwrap();
    assert_eq!(home.store.catch_up(&at(home.path())).await.unwrap(), 0, "no attempt was missing");
    let known = home.store.job(job).await.unwrap();
    assert_eq!((known.status, known.step), (Status::Cancelled, 40));
    assert_eq!(home.store.release_stale(&at(home.path())).await.unwrap(), []);
    let resumable = home.store.resumable("s").await.unwrap();
    assert_eq!((resumable.len(), resumable[0].step), (1, 50));
    assert_eq!(resumable[0].states, [Status::Pending, Status::Cancelled, Status::Pending]);
    let caught_up = dump(&home.store).await;
    assert_eq!(home.rebuilt().await, caught_up);
    assert_eq!(home.store.catch_up(&at(home.path())).await.unwrap(), 0);
    assert_eq!(dump(&home.store).await, caught_up);
}
