//! The places of everything in a home directory. Only this module knows these names.
//!
//! ```text
//! HOME/lock                                  held by the process that trains or writes there
//! HOME/sweep.db                              the database, unless `--db` names another:
//!                                            [`Database`](super::database::Database)
//! HOME/sweeps/NAME.json                      each sweep, as it was last run
//! HOME/decisions.jsonl                       users' decisions about jobs
//! HOME/measured.json                         measurements of devices
//! HOME/requests/PROCESS-N.json               a request to a run; ends in `.done` once it is done
//! HOME/paused                                exists while a run is paused
//! HOME/at-work.json                          the process at work there, if several machines share it
//! HOME/database.json                         the machine with the original of `sweep.db`
//! HOME/logs/sweep.log                        the orchestrator's log
//! HOME/logs/run.log                          the output of a detached run
//! HOME/logs/worker-SLOT.log, .old.log        the workers' stderr
//! HOME/jobs/JOB/                             an own trainer's files of a job
//! HOME/jobs/JOB.json                         its progress with the job
//! HOME/probes/                               measurements before a run, while they are made
//! HOME/agents/fleet.json                     the agents on other machines
//! HOME/agents/N/orders.json                  the orders of agent N
//! HOME/agents/N/state.json                   its state
//! HOME/agents/N/agent.log                    its stderr
//! HOME/runs/COHORT/                          see [`RunFolder`]
//!      checkpoint.safetensors                the newest checkpoint, while there is training left
//!      checkpoint.previous.safetensors       the checkpoint before it
//!      last.safetensors                      the last state of training, if it was to be kept
//!      generators.safetensors                the generators that training saves
//!      samples/JOB.png, .npy                 sample sheet of each job at its last step; .npy: its first points
//!      samples/JOB-STEP.png, .npy            the same at an earlier step, if asked for
//!      rescore-N.jsonl, .part                scores of a rescoring
//!      attempt-N/                            see [`AttemptFolder`]
//!           order.json                       the worker's order
//!           control.json                     later changes to the order, if any
//!           events.jsonl                     its events
//!           end.json                         how it ended, if it could not report it
//!           parameters-JOB.json              a job's parameters, for an own trainer
//!           scores-JOB.jsonl                 the scores it reports for the job
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

/// The suffixes of files with one JSON text, and with one per line.
const JSON: &str = ".json";
const LINES: &str = ".jsonl";
/// The suffix of a request that is done.
const DONE: &str = "done";
/// The suffix of an incomplete log.
const PART: &str = ".part";
/// Temporary names that earlier versions used.
const EARLIER: [&str; 2] = ["order.json.new", "measured.json.new"];

/// Most bytes of a sweep's name in its file name, before a hash: file systems allow 255 for the whole name, some fewer.
/// A shortened name with its hash is longer than this, so it cannot equal another sweep's file name.
const LONGEST: usize = 180;

/// A home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Returns the folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Home(path.into())
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns its path for people.
    pub fn display(&self) -> Display<'_> {
        self.0.display()
    }

    /// Returns the lock file of the process that trains or writes in it.
    pub fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// Returns its default database.
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// Returns the folder of sweeps.
    pub fn sweeps(&self) -> PathBuf {
        self.0.join(SWEEPS)
    }

    /// Returns the file of the sweep with this name. Characters not allowed in file names are written as `%` and their
    /// code; names that are too long are shortened and get a hash.
    pub fn sweep(&self, name: &str) -> PathBuf {
        let mut file = String::new();
        // The end of the last complete character that fits.
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

    /// Returns the file of users' decisions about jobs.
    pub fn decisions(&self) -> PathBuf {
        self.0.join(DECISIONS)
    }

    /// Returns the file of measurements of devices.
    pub fn measured(&self) -> PathBuf {
        self.0.join(MEASURED)
    }

    /// Returns the folder of requests to a run.
    pub fn requests(&self) -> PathBuf {
        self.0.join(REQUESTS)
    }

    /// Returns request `number` of a process. Once it is done, it is renamed to [`done`].
    pub fn request(&self, process: u32, number: u32) -> PathBuf {
        self.requests().join(format!("{process}-{number}{JSON}"))
    }

    /// Returns the file that exists while a run is paused.
    pub fn paused(&self) -> PathBuf {
        self.0.join(PAUSED)
    }

    /// Returns the file that says which process is at work, for home directories shared by several machines.
    pub fn at_work(&self) -> PathBuf {
        self.0.join(AT_WORK)
    }

    /// Returns the file that says which machine has the original of [`Home::database`].
    pub fn pointer(&self) -> PathBuf {
        self.0.join(POINTER)
    }

    /// Returns the folder of logs.
    pub fn logs(&self) -> PathBuf {
        self.0.join(LOGS)
    }

    /// Returns the orchestrator's log.
    pub fn log(&self) -> PathBuf {
        self.logs().join(LOG)
    }

    /// Returns the output of a detached run.
    pub fn run_log(&self) -> PathBuf {
        self.logs().join(RUN_LOG)
    }

    /// Returns the stderr log of a slot's workers.
    pub fn worker_log(&self, slot: usize) -> PathBuf {
        self.logs().join(format!("{WORKER}{slot}.log"))
    }

    /// Returns the earlier part of that log, once it is long.
    pub fn earlier_worker_log(&self, slot: usize) -> PathBuf {
        self.logs().join(format!("{WORKER}{slot}.old.log"))
    }

    /// Returns the folder in which own trainers keep files of their jobs, each in a folder named by its id.
    pub fn jobs(&self) -> PathBuf {
        self.0.join(JOBS)
    }

    /// Returns a home directory within this one for measurements before a run. It is deleted after them.
    pub fn probes(&self) -> Home {
        Home(self.0.join(PROBES))
    }

    /// Returns the folder of agents.
    pub fn agents(&self) -> PathBuf {
        self.0.join(AGENTS)
    }

    /// Returns the file that lists the agents.
    pub fn fleet(&self) -> PathBuf {
        self.agents().join(FLEET)
    }

    /// Returns the folder of the agent with this number.
    pub fn agent(&self, number: usize) -> AgentFolder {
        AgentFolder::at(self.agents().join(number.to_string()))
    }

    /// Returns the folder of runs.
    pub fn runs(&self) -> PathBuf {
        self.0.join(RUNS)
    }

    /// Returns the folder of a cohort.
    pub fn run(&self, cohort: CohortId) -> RunFolder {
        self.run_in(Home::place(cohort))
    }

    /// Returns the folder of a cohort, relative to the home directory.
    pub fn place(cohort: CohortId) -> PathBuf {
        Path::new(RUNS).join(cohort.to_string())
    }

    /// Returns the folder of a cohort from its path relative to the home directory.
    pub fn run_in(&self, place: impl AsRef<Path>) -> RunFolder {
        RunFolder::at(self.0.join(place))
    }
}

/// A cohort's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Returns the folder at `path`.
    pub fn at(path: PathBuf) -> Self {
        RunFolder(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the newest checkpoint, which exists while there is training left.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join(CHECKPOINT)
    }

    /// Returns the checkpoint before it.
    pub fn previous(&self) -> PathBuf {
        previous(&self.checkpoint())
    }

    /// Returns the last state of training, if it was to be kept.
    pub fn last(&self) -> PathBuf {
        self.0.join(LAST)
    }

    /// Returns the generators that training saves.
    pub fn generators(&self) -> PathBuf {
        self.0.join(GENERATORS)
    }

    /// Returns the folder of sample sheets.
    pub fn samples(&self) -> PathBuf {
        self.0.join(SAMPLES)
    }

    /// Returns the path of a job's sample sheet, relative to this folder.
    pub fn sheet(job: JobId) -> String {
        format!("{SAMPLES}/{job}.png")
    }

    /// Returns the path of its sample sheet at an earlier step.
    pub fn sheet_at(job: JobId, step: u64) -> String {
        format!("{SAMPLES}/{job}-{step}.png")
    }

    /// Returns log `number` of rescorings.
    pub fn rescoring(&self, number: u32) -> PathBuf {
        self.0.join(format!("{RESCORING}{number}{LINES}"))
    }

    /// Returns that log while it is incomplete.
    pub fn rescoring_part(&self, number: u32) -> PathBuf {
        self.0.join(format!("{RESCORING}{number}{LINES}{PART}"))
    }

    /// Returns the folder of attempt `number`, from 1 on.
    pub fn attempt(&self, number: u32) -> AttemptFolder {
        AttemptFolder(self.0.join(format!("{ATTEMPT}{number}")))
    }
}

/// An attempt's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

impl AttemptFolder {
    /// Returns the folder at `path`.
    pub fn at(path: PathBuf) -> Self {
        AttemptFolder(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the worker's order.
    pub fn order(&self) -> PathBuf {
        self.0.join(ORDER)
    }

    /// Returns later changes to the order: see [`Control`](super::control::Control).
    pub fn control(&self) -> PathBuf {
        self.0.join(CONTROL)
    }

    /// Returns a job's parameters, for an own trainer.
    pub fn parameters(&self, job: JobId) -> PathBuf {
        self.0.join(format!("{PARAMETERS}{job}{JSON}"))
    }

    /// Returns the file to which an own trainer may append a job's scores.
    pub fn scores(&self, job: JobId) -> PathBuf {
        self.0.join(format!("{SCORES}{job}{LINES}"))
    }

    /// Returns the log of the worker's events.
    pub fn events(&self) -> PathBuf {
        self.0.join(EVENTS)
    }

    /// Returns that log next to the order at this path.
    pub fn events_beside(order: &Path) -> PathBuf {
        order.with_file_name(EVENTS)
    }

    /// Returns the file on how the attempt ended, if the worker could not report it.
    pub fn end(&self) -> PathBuf {
        self.0.join(END)
    }
}

/// Returns the folder in which an own trainer keeps files of a job.
pub fn job_folder(jobs: &Path, job: JobId) -> PathBuf {
    jobs.join(job.to_string())
}

/// Returns the samples that a trainer saved in the folder of a job: an array or a folder of pictures; `None` if there
/// are none.
pub fn left_samples(folder: &Path) -> Option<PathBuf> {
    ["samples.npy", "samples"].into_iter().map(|name| folder.join(name)).find(|path| path.exists())
}

/// Returns the file on its progress with the job.
pub fn job_state(jobs: &Path, job: JobId) -> PathBuf {
    jobs.join(format!("{job}{JSON}"))
}

/// Returns the file with the points of a sample sheet, next to the sheet.
pub fn points_of(sheet: &Path) -> PathBuf {
    sheet.with_extension("npy")
}

/// Returns the file of the checkpoint before the one at `checkpoint`.
pub fn previous(checkpoint: &Path) -> PathBuf {
    checkpoint.with_file_name(PREVIOUS)
}

/// Returns the number of the attempt whose folder has this name; `None` if it is no such folder.
pub fn attempt_of(name: &OsStr) -> Option<u32> {
    number(name.to_str()?.strip_prefix(ATTEMPT)?)
}

/// Returns the number of the rescoring log with this name; `None` if it is no such log.
pub fn rescoring_of(name: &OsStr) -> Option<u32> {
    number(name.to_str()?.strip_prefix(RESCORING)?.strip_suffix(LINES)?)
}

/// Whether a file in the folder of sweeps or requests is one, rather than temporary or a request that is done.
pub fn is_json(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.ends_with(JSON))
}

/// Returns the name of a request once it is done.
pub fn done(request: &Path) -> PathBuf {
    request.with_extension(DONE)
}

/// Whether a file of this name in a home directory is incomplete: a process was killed while writing it, or is still
/// writing it.
pub fn is_unfinished(name: &OsStr) -> bool {
    let part = || rescoring_of(OsStr::new(name.to_str()?.strip_suffix(PART)?));
    EARLIER.iter().any(|earlier| name == *earlier) || part().is_some()
}

/// Parses a number in a name, without leading zeros or signs.
fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|number: &u32| number.to_string() == digits)
}

#[cfg(test)]
mod tests;
