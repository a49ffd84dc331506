//! One attempt on disk: the orchestrator writes its order, its worker writes its log.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::leftovers::sweep_up_cohort;
use sweep_plan::cohort::Cohort;
use sweep_plan::slot::{Device, Slot};
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::Earlier;
use sweep_system::whole::{self, Survives};
use sweep_wire::PROTOCOL;
use sweep_wire::check::Check;
use sweep_wire::control::Control;
use sweep_wire::event::Record;
use sweep_wire::home::{AttemptFolder, Home};
use sweep_wire::log::Reader;
use sweep_wire::order::{Member, Order, Parent};

/// A file of the home directory cannot be written, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// What all orders of a run have in common.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The home directory, absolute.
    pub home: Home,
    /// The folder of data sets, absolute.
    pub data: PathBuf,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
    /// If set, measures for this many seconds how fast the members train, and does nothing else.
    pub probe_seconds: Option<f64>,
    /// The ids that earlier versions gave to jobs: [`sweep_wire::order::Member::was`].
    pub was: HashMap<JobId, Vec<JobId>>,
    /// Blueprints whose jobs' last states are kept.
    pub keeps: BTreeSet<BlueprintId>,
    /// The shorter jobs from whose last states jobs continue.
    pub after: HashMap<JobId, Earlier>,
    /// The absolute folders in which the user's own trainers start, by the blueprints of their jobs.
    pub folders: HashMap<BlueprintId, PathBuf>,
}

/// What an order says in addition to what is trained and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// The cohorts that members were in before. Members continue from their checkpoints until they have one of their
    /// own.
    pub parents: Vec<CohortId>,
    /// Members, each with the shorter job from whose last state it continues.
    pub after: Vec<(JobId, JobId)>,
    /// The step at which it stops, if that is not the last one.
    pub until: Option<u64>,
    /// Members that are no longer trained.
    pub without: Vec<JobId>,
    /// The orchestrator's name for the slot, as in the database.
    pub slot: Option<String>,
    /// When the attempt was recorded, as in the database.
    pub at: Option<f64>,
}

/// An attempt whose log is being read.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The cohort.
    pub cohort: CohortId,
    /// Counts from 1.
    pub number: u32,
    /// The folder of its files.
    pub folder: AttemptFolder,
    /// How many of its events are in the database or on their way there.
    pub taken: u64,
    members: HashSet<JobId>,
    reader: Box<Reader>,
    more: bool,
}

impl Orders {
    /// Orders for cohorts that start from scratch and use only built-in trainers.
    pub fn new(home: Home, data: PathBuf, checkpoint_seconds: u64) -> Self {
        Orders {
            home,
            data,
            checkpoint_seconds,
            probe_seconds: None,
            was: HashMap::new(),
            keeps: BTreeSet::new(),
            after: HashMap::new(),
            folders: HashMap::new(),
        }
    }

    /// Returns the members of `cohort` with the shorter jobs from whose last states in one of `parents` they continue.
    /// Leaves out members that were in a parent themselves.
    pub(super) fn after(&self, cohort: &Cohort, parents: &[CohortId]) -> Vec<(JobId, JobId)> {
        let of = |id: &JobId| self.after.get(id).filter(|earlier| parents.contains(&earlier.cohort));
        cohort.members.iter().filter_map(|(id, _)| Some((*id, of(id)?.job))).collect()
    }

    /// Returns the state in `parent` that `cohort` would continue from.
    pub(super) fn from(&self, cohort: &Cohort, parent: CohortId) -> PathBuf {
        let run = self.home.run(parent);
        if self.after(cohort, &[parent]).is_empty() { run.checkpoint() } else { run.last() }
    }
}

impl Attempt {
    /// Writes the order of attempt `number` of `cohort` for `slot`.
    pub(crate) fn write(
        orders: &Orders,
        cohort: &Cohort,
        number: u32,
        slot: &Slot,
        details: Details,
    ) -> Result<Self, WriteError> {
        let Details { parents, after, until, without, slot: name, at } = details;
        let run = orders.home.run(cohort.id);
        let folder = run.attempt(number);
        let failed = |path: &Path, source| WriteError { path: path.to_owned(), source };
        fs::create_dir_all(folder.path()).map_err(|source| failed(folder.path(), source))?;
        // The control file may be left over from a worker that was killed in this cohort and is known to be gone.
        if number > 1 {
            sweep_up_cohort(&run)?;
        }
        let own = cohort.blueprint.own();
        let after: HashMap<JobId, JobId> = after.into_iter().collect();
        let order = Order {
            protocol: PROTOCOL,
            cohort: cohort.id,
            attempt: number,
            blueprint: (*cohort.blueprint).clone(),
            scores: cohort.scores.iter().map(|score| (**score).clone()).collect(),
            members: cohort
                .members
                .iter()
                .map(|(id, job)| Member {
                    id: *id,
                    was: orders.was.get(id).cloned().unwrap_or_default(),
                    after: after.get(id).copied(),
                    parameters: job.parameters.clone(),
                    seed: job.seed,
                })
                .collect(),
            device: match slot.device {
                Device::Cpu => Device::Cpu,
                Device::Cuda(_) => Device::Cuda(0), // The only one that its worker sees.
            },
            threads: slot.threads,
            data: orders.data.clone(),
            directory: run.path().to_owned(),
            events: folder.events(),
            folder: own.and_then(|_| orders.folders.get(&cohort.blueprint.id()).cloned()),
            jobs: own.map(|_| orders.home.jobs()),
            checkpoint_seconds: orders.checkpoint_seconds,
            resume: number > 1,
            parents: parents
                .into_iter()
                .map(|parent| Parent { cohort: parent, checkpoint: orders.from(cohort, parent) })
                .collect(),
            until,
            keep: orders.keeps.contains(&cohort.blueprint.id()),
            without,
            probe_seconds: orders.probe_seconds,
            slot: name,
            at,
        };
        let path = folder.order();
        let write = || whole::write(&path, &serde_json::to_vec(&order)?, Survives::PowerCut);
        write().map_err(|source| failed(&path, source))?;
        let reader = Box::new(Reader::new(folder.events(), Check::of(&order), 0).waiting());
        let members = cohort.members.iter().map(|(id, _)| *id).collect();
        Ok(Attempt { cohort: cohort.id, number, folder, taken: 0, members, reader, more: false })
    }

    /// Whether its order contains one of `jobs`.
    pub(crate) fn has_any(&self, jobs: &[JobId]) -> bool {
        jobs.iter().any(|job| self.members.contains(job))
    }

    /// Tells its worker which members to stop training.
    pub(crate) fn control(&self, without: Vec<JobId>) -> Result<(), WriteError> {
        let path = self.folder.control();
        let control = Control { cohort: self.cohort, attempt: self.number, without };
        // After a power cut no worker is at this attempt, so the file need not survive one.
        let write = || whole::write(&path, &control.write()?, Survives::Kill);
        write().map_err(|source| WriteError { path: path.clone(), source })
    }

    /// Whether the last [`Attempt::read`] did not reach the end of the log.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Reads what the worker has logged since the last call, or the next piece of it. Returns the records and the
    /// position in the log up to which they go; the error says why what follows is not the log of this attempt.
    pub(crate) fn read(&mut self) -> Result<(Vec<Record>, u64), String> {
        let batch = self.reader.read().map_err(|error| error.to_string())?;
        self.more = batch.more;
        Ok((batch.records, batch.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fixtures::cohort;
    use sweep_wire::event::Event;
    use sweep_wire::log;

    fn started() -> Event {
        Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() }
    }

    /// The same attempt, read from its start again.
    fn again(attempt: &Attempt, order: &Order) -> Attempt {
        let reader = Box::new(Reader::new(order.events.clone(), Check::of(order), 0));
        let (folder, members) = (attempt.folder.clone(), attempt.members.clone());
        Attempt { cohort: attempt.cohort, number: attempt.number, folder, taken: 0, members, reader, more: false }
    }

    fn attempt(home: &Path, number: u32, device: Device) -> (Attempt, Order) {
        let orders = Orders::new(Home::new(home), "/data".into(), 7);
        let attempt =
            Attempt::write(&orders, &cohort(1, 2), number, &Slot { device, threads: 3 }, Details::default()).unwrap();
        let order = serde_json::from_slice(&fs::read(attempt.folder.order()).unwrap()).unwrap();
        (attempt, order)
    }

    #[test]
    fn an_order_says_where_everything_is() {
        let home = tempfile::tempdir().unwrap();
        let (attempt, order) = attempt(home.path(), 2, Device::Cuda(3));
        assert_eq!(order.members.len(), 2);
        assert_eq!((order.device, order.threads, order.resume), (Device::Cuda(0), 3, true));
        assert_eq!(order.directory, home.path().join("runs").join(attempt.cohort.to_string()));
        assert_eq!(order.events, order.directory.join("attempt-2/events.jsonl"));
        assert_eq!((order.parents.len(), order.without.len(), order.slot, order.at), (0, 0, None, None));
    }

    #[test]
    fn an_order_of_a_part_says_what_it_goes_on_from() {
        let home = tempfile::tempdir().unwrap();
        let orders = Orders::new(Home::new(home.path()), "/data".into(), 7);
        let (whole, part) = (cohort(1, 4), cohort(1, 2));
        let folder = home.path().join("runs").join(part.id.to_string());
        fs::create_dir_all(folder.join("attempt-1")).unwrap();
        fs::write(folder.join(".tmpabcdef"), "of a worker that was killed").unwrap();
        let cancelled = part.members[1].0;
        let details = Details {
            parents: vec![whole.id],
            after: Vec::new(),
            until: Some(50),
            without: vec![cancelled],
            slot: Some("cpu/1".to_owned()),
            at: Some(1.5),
        };
        let slot = Slot { device: Device::Cpu, threads: 1 };
        let attempt = Attempt::write(&orders, &part, 2, &slot, details).unwrap();
        let order: Order = serde_json::from_slice(&fs::read(attempt.folder.order()).unwrap()).unwrap();
        let checkpoint = home.path().join(format!("runs/{}/checkpoint.safetensors", whole.id));
        assert_eq!(order.parents, [Parent { cohort: whole.id, checkpoint }]);
        assert_eq!((order.until, order.without), (Some(50), vec![cancelled]));
        assert_eq!((order.slot.as_deref(), order.at), (Some("cpu/1"), Some(1.5)));
        assert!(!folder.join(".tmpabcdef").exists());
    }

    #[test]
    fn a_log_is_read_once_and_must_be_its_own() {
        let home = tempfile::tempdir().unwrap();
        let (mut attempt, order) = attempt(home.path(), 1, Device::Cpu);
        assert!(!order.resume);
        assert_eq!(attempt.read(), Ok((Vec::new(), 0)));
        let mut writer = log::Writer::create(&order.events, order.cohort, 1).unwrap();
        writer.append(started()).unwrap();
        assert_eq!(attempt.read().unwrap().0.len(), 1);
        writer.append(Event::Checkpointed { step: 2 }).unwrap();
        let (records, offset) = attempt.read().unwrap();
        assert_eq!((records.len(), records[0].seq), (1, 1));
        assert_eq!(offset, fs::metadata(&order.events).unwrap().len());

        fs::remove_file(&order.events).unwrap();
        log::Writer::create(&order.events, order.cohort, 9).unwrap();
        assert!(again(&attempt, &order).read().unwrap_err().contains("attempt 1"));
        fs::remove_file(&order.events).unwrap();
        let mut writer = log::Writer::create(&order.events, order.cohort, 1).unwrap();
        writer.append(started()).unwrap();
        writer.append(Event::Checkpointed { step: 101 }).unwrap();
        let mut strange = again(&attempt, &order);
        assert_eq!(strange.read().unwrap().0.len(), 1, "what is good comes first");
        assert!(strange.has_more() && strange.read().unwrap_err().contains("step 101 of 100"));
    }

    #[test]
    fn what_is_said_of_an_order_later_lies_beside_it_and_replaces_what_was_said_before() {
        let home = tempfile::tempdir().unwrap();
        let (attempt, order) = attempt(home.path(), 1, Device::Cpu);
        let [first, second] = [0, 1].map(|member| order.members[member].id);
        assert!(attempt.has_any(&[JobId::of(b"another"), second]) && !attempt.has_any(&[JobId::of(b"another")]));
        let control = order.directory.join("attempt-1/control.json");
        for without in [vec![second], vec![second, first]] {
            attempt.control(without.clone()).unwrap();
            let said = Control::read(&fs::read(&control).unwrap(), &order);
            assert_eq!(said, Some(Control { cohort: attempt.cohort, attempt: 1, without }));
        }
        fs::remove_dir_all(attempt.folder.path()).unwrap();
        let error = attempt.control(vec![second]).unwrap_err().to_string();
        assert!(error.contains("attempt-1/control.json: "), "{error}");
    }
}
