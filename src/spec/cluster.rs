//! `run.slurm` and `run.launch`: agents on other machines, and how they are started. Not part of any job.

use super::error::Mistakes;
use super::parts;
use super::policy;
use super::value::Reader;
use super::yaml::{Content, Node};

/// Maximum number of agents; batch systems have fewer machines.
const MAX_AGENTS: u64 = 10_000;
/// Maximum numbers of cores and GPUs per agent.
const MAX_CORES: u64 = 1024;
const MAX_GPUS: u64 = 64;

/// The number of agents and their resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Agents {
    /// The maximum number at a time.
    pub agents: u32,
    /// Cores per agent; without GPUs, the agent runs one worker per core.
    pub cpus: u32,
    /// GPUs per agent; the agent runs one worker per GPU.
    pub gpus: u32,
    /// Seconds without work after which an agent stops.
    pub idle: f64,
    /// Shell words to run there instead of this executable, such as `apptainer exec sweep.sif sweep`.
    pub program: Option<String>,
}

impl Default for Agents {
    fn default() -> Self {
        Agents { agents: 1, cpus: 1, gpus: 0, idle: 300.0, program: None }
    }
}

impl Agents {
    /// Returns the number of workers per agent.
    pub fn places(&self) -> u32 {
        if self.gpus > 0 { self.gpus } else { self.cpus }
    }
}

/// The settings under `run.slurm`.
#[derive(Clone, Debug, PartialEq)]
pub struct Slurm {
    /// The number of agents and their resources.
    pub agents: Agents,
    /// Seconds that an agent may run.
    pub time: f64,
    /// Memory per agent, in the syntax of `sbatch --mem`.
    pub memory: Option<String>,
    /// Options of `sbatch`.
    pub sbatch: Vec<String>,
    /// Options for the batch job of a detached run itself; `None`: those of the agents.
    pub detach: Option<Vec<String>>,
    /// Shell lines to run before an agent starts.
    pub before: Option<String>,
}

/// The settings under `run.launch`: a command that starts agents.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The number of agents and their resources.
    pub agents: Agents,
    /// A shell line that starts one agent. `{agent}` stands for the shell lines of the agent, quoted as one word,
    /// `{number}` for its number, and `{log}` for the file for its output. The first word on stdout becomes the agent's
    /// handle.
    pub command: String,
    /// A shell line that stops the agent with the handle `{handle}`.
    pub cancel: Option<String>,
    /// A shell line that fails once the agent is gone, whether it was running or waiting in a queue.
    pub status: Option<String>,
    /// Seconds that an agent may run.
    pub time: Option<f64>,
    /// Shell lines to run before an agent starts.
    pub before: Option<String>,
}

const SLURM: [&str; 10] = ["agents", "time", "gpus", "cpus", "memory", "idle", "sbatch", "detach", "before", "program"];
const LAUNCH: [&str; 10] =
    ["command", "cancel", "status", "agents", "gpus", "cpus", "time", "idle", "before", "program"];

impl Slurm {
    /// Reads the value of `run.slurm`.
    pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Slurm> {
        let path = "run.slurm";
        let (mut agents, mut time) = (Agents::default(), None);
        let (mut memory, mut sbatch, mut detach, mut before) = (None, Vec::new(), None, None);
        for (name, node) in parts::entries(node, path, mistakes)? {
            let here = format!("{path}.{}", name.text);
            let mut reader = Reader { node, path: &here, mistakes };
            match name.text.as_str() {
                "time" => time = policy::limit(&mut reader),
                "memory" => memory = amount(&mut reader),
                "sbatch" => sbatch = options(node, &here, mistakes),
                "detach" => detach = Some(options(node, &here, mistakes)),
                "before" => before = line(&mut reader, "a shell command, such as `module load cuda`"),
                other if agents.take(other, &mut reader) => {}
                other => mistakes.unknown(&here, &name.span, "a key of `run.slurm`", other, &SLURM),
            }
        }
        let Some(time) = time else {
            if !parts::entries(node, path, &mut Mistakes::default())?.iter().any(|(name, _)| name.text == "time") {
                let help = "set how long one agent may run, such as `time: 4h`; a sweep may take longer, since the \
                    next agent continues";
                mistakes.advise(path, &node.span, "`time` is missing", help);
            }
            return None;
        };
        Some(Slurm { agents, time, memory, sbatch, detach, before })
    }
}

impl Launch {
    /// Reads the value of `run.launch`: a command, or a map with one.
    pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> Option<Launch> {
        let path = "run.launch";
        let mut launch = Launch {
            agents: Agents::default(),
            command: String::new(),
            cancel: None,
            status: None,
            time: None,
            before: None,
        };
        let mut place = node;
        if let Content::Map(_) = &node.content {
            for (name, node) in parts::entries(node, path, mistakes)? {
                let here = format!("{path}.{}", name.text);
                let mut reader = Reader { node, path: &here, mistakes };
                match name.text.as_str() {
                    "command" => {
                        launch.command = line(&mut reader, COMMAND)?;
                        place = node;
                    }
                    "cancel" => launch.cancel = line(&mut reader, "a shell command, such as `qdel {handle}`"),
                    "status" => launch.status = line(&mut reader, "a shell command, such as `qstat {handle}`"),
                    "time" => launch.time = policy::limit(&mut reader),
                    "before" => launch.before = line(&mut reader, "a shell command, such as `module load cuda`"),
                    other if launch.agents.take(other, &mut reader) => {}
                    other => mistakes.unknown(&here, &name.span, "a key of `run.launch`", other, &LAUNCH),
                }
            }
        } else {
            launch.command = line(&mut Reader { node, path, mistakes }, COMMAND)?;
        }
        if !launch.command.contains("{agent}") {
            let help = "put `{agent}` where the agent's commands go, as in `echo {agent} | qsub -l ncpus=1`";
            mistakes.advise(path, &place.span, "the command does not start an agent: it has no `{agent}`", help);
            return None;
        }
        Some(launch)
    }
}

const COMMAND: &str = "a shell command that starts an agent, such as `echo {agent} | qsub`";

impl Agents {
    /// Reads the key with this name and returns `true` if it is one of these.
    fn take(&mut self, name: &str, reader: &mut Reader) -> bool {
        match name {
            "agents" => self.agents = reader.count(1, MAX_AGENTS).map_or(self.agents, |count| count as u32),
            "cpus" => self.cpus = reader.count(1, MAX_CORES).map_or(self.cpus, |count| count as u32),
            "gpus" => self.gpus = reader.count(0, MAX_GPUS).map_or(self.gpus, |count| count as u32),
            "idle" => self.idle = policy::limit(reader).unwrap_or(self.idle),
            "program" => self.program = line(reader, "shell words, such as `apptainer exec sweep.sif sweep`"),
            _ => return false,
        }
        true
    }
}

/// Reads a text of one or more lines.
fn line(reader: &mut Reader, what: &str) -> Option<String> {
    let text = reader.node.text().filter(|text| !text.trim().is_empty() && !text.contains('\0')).map(str::to_owned);
    if text.is_none() {
        reader.expected(what);
    }
    text
}

/// Reads an amount of memory in the syntax of `sbatch --mem`.
fn amount(reader: &mut Reader) -> Option<String> {
    let text = reader.node.text().map(str::trim).filter(|text| {
        let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
        text.len() - digits.len() <= 1 && digits.parse::<u32>().is_ok_and(|amount| amount > 0)
    });
    if text.is_none() {
        reader.expected("an amount of memory, such as 32G");
    }
    text.map(str::to_owned)
}

/// Reads options, each a single word.
fn options(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<String> {
    let nodes: &[Node] = match &node.content {
        Content::List(items) => items,
        Content::Scalar { .. } => std::slice::from_ref(node),
        Content::Map(_) => &[],
    };
    let option = |node: &Node| {
        let text = node.text().filter(|text| text.starts_with('-') && !text.contains(['\n', '\0']));
        text.map(str::to_owned)
    };
    let found: Vec<String> = nodes.iter().filter_map(option).collect();
    if found.len() != nodes.len() || nodes.is_empty() {
        let message = format!("expected options of sbatch, found {}", node.describe());
        mistakes.advise(path, &node.span, message, "such as `[--partition=gpu, --account=lab]`");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::sweep::Sweep;

    fn policy(run: &str) -> Result<Policy, String> {
        let text = format!("sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 1}}\nrun: {run}\n");
        Sweep::parse("f", &text).map(|sweep| sweep.policy).map_err(|error| error.render(200, false))
    }

    #[test]
    fn agents_are_as_the_file_says() {
        let run = "{slurm: {agents: 16, time: 4h, gpus: 1, cpus: 8, memory: 32G, idle: 10m, \
                   sbatch: [--partition=gpu, \"--account=lab\"], detach: [--partition=cpu], \
                   before: \"module load cuda\"}}";
        let agents = Agents { agents: 16, cpus: 8, gpus: 1, idle: 600.0, program: None };
        let slurm = Slurm {
            agents: agents.clone(),
            time: 14_400.0,
            memory: Some("32G".into()),
            sbatch: vec!["--partition=gpu".into(), "--account=lab".into()],
            detach: Some(vec!["--partition=cpu".into()]),
            before: Some("module load cuda".into()),
        };
        assert_eq!((policy(run).unwrap().slurm, agents.places()), (Some(slurm), 1));
        let least = policy("{slurm: {time: 90}}").unwrap().slurm.unwrap();
        assert_eq!((least.agents.clone(), least.agents.places(), least.time), (Agents::default(), 1, 90.0));
        assert_eq!(Agents { cpus: 8, ..Agents::default() }.places(), 8);
        let short = policy("{launch: \"echo {agent} | qsub\"}").unwrap().launch.unwrap();
        assert_eq!((short.command.as_str(), short.agents), ("echo {agent} | qsub", Agents::default()));
        let long =
            policy("{launch: {command: \"x {agent}\", cancel: \"qdel {handle}\", agents: 3, time: 1h}}").unwrap();
        let long = long.launch.unwrap();
        assert_eq!((long.cancel.as_deref(), long.agents.agents, long.time), (Some("qdel {handle}"), 3, Some(3600.0)));
    }

    #[test]
    fn another_program_may_be_started() {
        let run = "{slurm: {time: 1h, program: \"apptainer exec x.sif sweep\"}}";
        assert_eq!(policy(run).unwrap().slurm.unwrap().agents.program.as_deref(), Some("apptainer exec x.sif sweep"));
    }

    #[test]
    fn mistakes_say_what_is_expected() {
        for (run, words) in [
            ("{slurm: {agents: 4}}", "`time` is missing"),
            ("{slurm: {time: 4h, agent: 4}}", "did you mean `agents`?"),
            ("{slurm: {time: 0}}", "a time above 0"),
            ("{slurm: {time: 4h, memory: 32GB}}", "an amount of memory, such as 32G"),
            ("{slurm: {time: 4h, sbatch: partition=gpu}}", "expected options of sbatch"),
            ("{slurm: {time: 4h, before: []}}", "a shell command"),
            ("{slurm: {time: 4h, agents: 0}}", "1"),
            ("{launch: \"qsub agent.sh\"}", "it has no `{agent}`"),
            ("{launch: {agents: 3}}", "it has no `{agent}`"),
            ("{launch: {command: \"x {agent}\", memory: 3}}", "is not a key of `run.launch`"),
        ] {
            let error = policy(run).unwrap_err();
            assert!(error.contains(words), "{run}: {error}");
        }
    }
}
