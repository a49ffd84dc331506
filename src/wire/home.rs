//! Where everything is in a home directory. No other place of the program knows a name of these.
//!
//! ```text
//! HOME/lock                                  held by who trains or writes there
//! HOME/sweep.db                              the database, unless `--db` names another: see [`Database`](super::database::Database)
//! HOME/sweeps/NAME.json                      each sweep, as it was run last
//! HOME/decisions.jsonl                       what users decided of jobs
//! HOME/measured.json                         what was learnt of devices
//! HOME/requests/PROCESS-N.json               what is asked of a run; ends in `.done` once it is done
//! HOME/paused                                there while a run is paused
//! HOME/at-work.json                          who is at work there, where several machines share it
//! HOME/database.json                         and which of them has the database that `sweep.db` is a copy of
//! HOME/logs/sweep.log                        the orchestrator's log
//! HOME/logs/run.log                          what a detached run says
//! HOME/logs/worker-SLOT.log, .old.log        what workers say on stderr
//! HOME/jobs/JOB/                             what a trainer of the user's own keeps of a job
//! HOME/jobs/JOB.json                         how far it had got with it
//! HOME/probes/                               what is measured before a run, as long as it is
//! HOME/agents/fleet.json                     which agents on other machines there are, or may be
//! HOME/agents/N/orders.json                  what agent N is to do
//! HOME/agents/N/state.json                   what it does
//! HOME/agents/N/agent.log                    what it says on stderr
//! HOME/runs/COHORT/                          see [`RunFolder`]
//!      checkpoint.safetensors                the newest state, while there is training to do
//!      checkpoint.previous.safetensors       the one before it
//!      last.safetensors                      the state in which training ended, where it was to stay
//!      generators.safetensors                what training leaves
//!      samples/JOB.png, .npy                 a sample sheet of each job at its last step; of points, the first of them
//!      samples/JOB-STEP.png, .npy            the same at an earlier step, where that was asked for
//!      rescore-N.jsonl, .part                scores that were computed anew
//!      attempt-N/                            see [`AttemptFolder`]
//!           order.json                       what the worker was told
//!           control.json                     what it was told since, if anything
//!           events.jsonl                     what it reported
//!           end.json                         how it ended, where it could not say so itself
//!           parameters-JOB.json              what a trainer of the user's own is told of a job
//!           scores-JOB.jsonl                 what it reports of the job there
//! ```

use std::ffi::OsStr;
use std::path::{Display, Path, PathBuf};

use super::agent::AgentFolder;
use sweep_spec::id::{CohortId, JobId};

const LOCK: &str = "lock";
const DATABASE: &str = "sweep.db";
const SWEEPS: &str = "sweeps";
const DECISIONS: &str = "decisions.jsonl";
const MEASURED: &str = "measured.json";
const REQUESTS: &str = "requests";
const PAUSED: &str = "paused";
const AT_WORK: &str = "at-work.json";
const POINTER: &str = "database.json";
const LOGS: &str = "logs";
const LOG: &str = "sweep.log";
const RUN_LOG: &str = "run.log";
const WORKER: &str = "worker-";
const JOBS: &str = "jobs";
const PROBES: &str = "probes";
const AGENTS: &str = "agents";
const FLEET: &str = "fleet.json";
const RUNS: &str = "runs";
const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS: &str = "checkpoint.previous.safetensors";
const LAST: &str = "last.safetensors";
const GENERATORS: &str = "generators.safetensors";
const SAMPLES: &str = "samples";
const RESCORING: &str = "rescore-";
const ATTEMPT: &str = "attempt-";
const ORDER: &str = "order.json";
const CONTROL: &str = "control.json";
const EVENTS: &str = "events.jsonl";
const END: &str = "end.json";
const PARAMETERS: &str = "parameters-";
const SCORES: &str = "scores-";

/// How names end of files with one JSON text, and of those with one a line.
const JSON: &str = ".json";
const LINES: &str = ".jsonl";
/// And that of a request that was done.
const DONE: &str = "done";
/// And that of a log that is not complete.
const PART: &str = ".part";
/// Names under which earlier versions wrote what is complete only under another one.
const EARLIER: [&str; 2] = ["order.json.new", "measured.json.new"];

/// Bytes of a sweep's name in that of its file, before a hash: file systems have 255 for all of it, some fewer. What is cut is longer than
/// this with its hash, so that no other name's file can be the same.
const LONGEST: usize = 180;

/// A home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// The one at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Home(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The same for people.
    pub fn display(&self) -> Display<'_> {
        self.0.display()
    }

    /// The file that is locked by who trains or writes in it.
    pub fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// The database that it has of its own.
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// The folder of sweeps.
    pub fn sweeps(&self) -> PathBuf {
        self.0.join(SWEEPS)
    }

    /// The file of the sweep of this name. Characters that a file name may not have are written as `%` and their code; of a name that is too
    /// long so, the beginning and a hash.
    pub fn sweep(&self, name: &str) -> PathBuf {
        let mut file = String::new();
        // The end of the last character that still fits.
        let mut fits = 0;
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(char::from(byte)),
                other => file.push_str(&format!("%{other:02x}")),
            }
            if file.len() <= LONGEST {
                fits = file.len();
            }
        }
        if file.len() > LONGEST {
            file.truncate(fits);
            file.push_str(&format!("-{}", &blake3::hash(name.as_bytes()).to_hex()[..16]));
        }
        self.sweeps().join(file + JSON)
    }

    /// What users decided of jobs.
    pub fn decisions(&self) -> PathBuf {
        self.0.join(DECISIONS)
    }

    /// What was learnt of devices.
    pub fn measured(&self) -> PathBuf {
        self.0.join(MEASURED)
    }

    /// The folder of what is asked of a run.
    pub fn requests(&self) -> PathBuf {
        self.0.join(REQUESTS)
    }

    /// Request `number` of a process. Once it is done it is [`done`].
    pub fn request(&self, process: u32, number: u32) -> PathBuf {
        self.requests().join(format!("{process}-{number}{JSON}"))
    }

    /// The file that is there while a run is paused.
    pub fn paused(&self) -> PathBuf {
        self.0.join(PAUSED)
    }

    /// Who is at work there, where several machines share it.
    pub fn at_work(&self) -> PathBuf {
        self.0.join(AT_WORK)
    }

    /// Which machine has the database that [`Home::database`] is a copy of.
    pub fn pointer(&self) -> PathBuf {
        self.0.join(POINTER)
    }

    /// The folder of logs.
    pub fn logs(&self) -> PathBuf {
        self.0.join(LOGS)
    }

    /// The orchestrator's log.
    pub fn log(&self) -> PathBuf {
        self.logs().join(LOG)
    }

    /// What a detached run says.
    pub fn run_log(&self) -> PathBuf {
        self.logs().join(RUN_LOG)
    }

    /// What the workers of a slot say on stderr.
    pub fn worker_log(&self, slot: usize) -> PathBuf {
        self.logs().join(format!("{WORKER}{slot}.log"))
    }

    /// What they said before that, once it is long.
    pub fn earlier_worker_log(&self, slot: usize) -> PathBuf {
        self.logs().join(format!("{WORKER}{slot}.old.log"))
    }

    /// The folder of what trainers of the user's own keep of their jobs, each in a folder by its id.
    pub fn jobs(&self) -> PathBuf {
        self.0.join(JOBS)
    }

    /// A home directory within this one for what is measured before a run. It goes with that.
    pub fn probes(&self) -> Home {
        Home(self.0.join(PROBES))
    }

    /// The folder of agents.
    pub fn agents(&self) -> PathBuf {
        self.0.join(AGENTS)
    }

    /// Which agents there are, or may be.
    pub fn fleet(&self) -> PathBuf {
        self.agents().join(FLEET)
    }

    /// The folder of the agent of this number.
    pub fn agent(&self, number: usize) -> AgentFolder {
        AgentFolder::at(self.agents().join(number.to_string()))
    }

    /// The folder of runs.
    pub fn runs(&self) -> PathBuf {
        self.0.join(RUNS)
    }

    /// The folder of a cohort.
    pub fn run(&self, cohort: CohortId) -> RunFolder {
        self.run_in(Home::place(cohort))
    }

    /// Where the folder of a cohort is, relative to the home directory.
    pub fn place(cohort: CohortId) -> PathBuf {
        Path::new(RUNS).join(cohort.to_string())
    }

    /// The folder of a cohort by its place relative to the home directory.
    pub fn run_in(&self, place: impl AsRef<Path>) -> RunFolder {
        RunFolder::at(self.0.join(place))
    }
}

/// A cohort's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The one at `path`.
    pub fn at(path: PathBuf) -> Self {
        RunFolder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The newest state of its training, while there is training to do.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join(CHECKPOINT)
    }

    /// The state before it.
    pub fn previous(&self) -> PathBuf {
        previous(&self.checkpoint())
    }

    /// The state in which training ended, where it was to stay.
    pub fn last(&self) -> PathBuf {
        self.0.join(LAST)
    }

    /// The generators that training leaves.
    pub fn generators(&self) -> PathBuf {
        self.0.join(GENERATORS)
    }

    /// The folder of sample sheets.
    pub fn samples(&self) -> PathBuf {
        self.0.join(SAMPLES)
    }

    /// Where a job's sample sheet is, relative to this folder.
    pub fn sheet(job: JobId) -> String {
        format!("{SAMPLES}/{job}.png")
    }

    /// Where its sample sheet of an earlier step is.
    pub fn sheet_at(job: JobId, step: u64) -> String {
        format!("{SAMPLES}/{job}-{step}.png")
    }

    /// Log `number` of scores that were computed anew.
    pub fn rescoring(&self, number: u32) -> PathBuf {
        self.0.join(format!("{RESCORING}{number}{LINES}"))
    }

    /// That log while it is not complete.
    pub fn rescoring_part(&self, number: u32) -> PathBuf {
        self.0.join(format!("{RESCORING}{number}{LINES}{PART}"))
    }

    /// The folder of attempt `number`, from 1 on.
    pub fn attempt(&self, number: u32) -> AttemptFolder {
        AttemptFolder(self.0.join(format!("{ATTEMPT}{number}")))
    }
}

/// An attempt's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

impl AttemptFolder {
    /// The one at `path`.
    pub fn at(path: PathBuf) -> Self {
        AttemptFolder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What the worker is told.
    pub fn order(&self) -> PathBuf {
        self.0.join(ORDER)
    }

    /// What the worker is told since: see [`Control`](super::control::Control).
    pub fn control(&self) -> PathBuf {
        self.0.join(CONTROL)
    }

    /// A job's parameters, for a trainer of the user's own.
    pub fn parameters(&self, job: JobId) -> PathBuf {
        self.0.join(format!("{PARAMETERS}{job}{JSON}"))
    }

    /// Where a trainer of the user's own may append a job's scores.
    pub fn scores(&self, job: JobId) -> PathBuf {
        self.0.join(format!("{SCORES}{job}{LINES}"))
    }

    /// What it reports.
    pub fn events(&self) -> PathBuf {
        self.0.join(EVENTS)
    }

    /// The same beside an order that is known by its path.
    pub fn events_beside(order: &Path) -> PathBuf {
        order.with_file_name(EVENTS)
    }

    /// How the attempt ended, where the worker could not say so.
    pub fn end(&self) -> PathBuf {
        self.0.join(END)
    }
}

/// What a trainer of the user's own keeps of a job, in the folder of these.
pub fn job_folder(jobs: &Path, job: JobId) -> PathBuf {
    jobs.join(job.to_string())
}

/// Where the samples are that a trainer has left in the folder of a job: an array, or a folder of pictures; none where it has left none.
pub fn left_samples(folder: &Path) -> Option<PathBuf> {
    ["samples.npy", "samples"].into_iter().map(|name| folder.join(name)).find(|path| path.exists())
}

/// How far it had got with the job.
pub fn job_state(jobs: &Path, job: JobId) -> PathBuf {
    jobs.join(format!("{job}{JSON}"))
}

/// Where the points of a sample sheet are: beside it.
pub fn points_of(sheet: &Path) -> PathBuf {
    sheet.with_extension("npy")
}

/// Where the state before the one at `checkpoint` is.
pub fn previous(checkpoint: &Path) -> PathBuf {
    checkpoint.with_file_name(PREVIOUS)
}

/// Which attempt's folder has this name in that of its cohort, if one does.
pub fn attempt_of(name: &OsStr) -> Option<u32> {
    number(name.to_str()?.strip_prefix(ATTEMPT)?)
}

/// Which log of scores that were computed anew has this name in the folder of its cohort, if one does.
pub fn rescoring_of(name: &OsStr) -> Option<u32> {
    number(name.to_str()?.strip_prefix(RESCORING)?.strip_suffix(LINES)?)
}

/// Whether a file in the folder of sweeps, or of requests, is one: no temporary one, and no request that was done.
pub fn is_json(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(JSON))
}

/// Where a request is once it is done.
pub fn done(request: &Path) -> PathBuf {
    request.with_extension(DONE)
}

/// Whether a file of this name in a home directory is not complete: of a process that was killed, unless one is at it.
pub fn is_unfinished(name: &OsStr) -> bool {
    let part = || rescoring_of(OsStr::new(name.to_str()?.strip_suffix(PART)?));
    EARLIER.iter().any(|earlier| name == *earlier) || part().is_some()
}

/// A number as it stands in a name: the digits that it is shown with.
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|number: &u32| number.to_string() == digits)
}

#[cfg(test)]
mod tests;
