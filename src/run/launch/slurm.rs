//! Agents as tasks of Slurm job arrays.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Script, said_by};
use crate::spool::{Launcher, Queue};
use sweep_spec::cluster;
use sweep_wire::agent::AgentFolder;
use sweep_wire::home::Home;

/// Task numbers are below this if the controller does not say otherwise.
const MAX_ARRAY: usize = 1001;
/// Slurm warns an agent this many seconds before its time is over, or up to half a minute earlier.
const NOTICE: f64 = 120.0;
/// The largest number of handles in one command.
const MANY: usize = 500;
/// Environment variables that change what these commands do. A user may have set them for other calls.
const OTHERS: [&str; 12] = [
    "SQUEUE_FORMAT",
    "SQUEUE_FORMAT2",
    "SQUEUE_STATES",
    "SQUEUE_SORT",
    "SQUEUE_PARTITION",
    "SQUEUE_ALL",
    "SBATCH_ARRAY_INX",
    "SBATCH_JOB_NAME",
    "SBATCH_OUTPUT",
    "SBATCH_OPEN_MODE",
    "SBATCH_SIGNAL",
    "SBATCH_TIMELIMIT",
];

/// Starts agents with Slurm.
#[derive(Debug)]
pub struct Slurm {
    /// The name of its jobs.
    pub job: String,
    /// The resources to ask for.
    pub wanted: cluster::Slurm,
    /// What an agent runs.
    pub script: Script,
    /// The home directory of the agents.
    pub home: Home,
    max_array: OnceLock<usize>,
}

impl Slurm {
    /// Makes a launcher of agents in `home` for the sweep of this name.
    pub fn new(sweep: &str, wanted: cluster::Slurm, script: Script, home: Home) -> Self {
        let job = format!("sweep-{}", sweep.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "_"));
        Slurm { job, wanted, script, home, max_array: OnceLock::new() }
    }

    /// Returns the sbatch script for the agents with these numbers, which count from `first`.
    pub fn batch(&self, first: usize, numbers: &[usize]) -> String {
        let cluster::Slurm { agents, time, memory, sbatch, .. } = &self.wanted;
        let notice = NOTICE.min((time / 4.0).floor()) as u64;
        let mut lines = vec![
            "#!/bin/sh".to_owned(),
            format!("#SBATCH --job-name={}", self.job),
            format!("#SBATCH --array={}", ranges(numbers.iter().map(|number| number - first))),
            format!("#SBATCH --time={}", clock(*time)),
            "#SBATCH --nodes=1".to_owned(),
            "#SBATCH --ntasks=1".to_owned(),
            format!("#SBATCH --cpus-per-task={}", agents.cpus),
            format!("#SBATCH --signal=B:USR1@{notice}"),
            // After preemption or a node failure, Slurm starts it again.
            "#SBATCH --requeue".to_owned(),
            "#SBATCH --open-mode=append".to_owned(),
        ];
        if agents.gpus > 0 {
            lines.push(format!("#SBATCH --gres=gpu:{}", agents.gpus));
        }
        lines.extend(memory.iter().map(|memory| format!("#SBATCH --mem={memory}")));
        // The placeholder for a task's number is not part of the folder.
        let agents = named(&self.home.agents());
        lines.push(format!("#SBATCH --output=\"{agents}/{}\"", log_in_array(first, "%a").display()));
        lines.extend(sbatch.iter().map(|option| format!("#SBATCH {option}")));
        let number = match first {
            0 => "\"$SLURM_ARRAY_TASK_ID\"".to_owned(),
            _ => format!("\"$((SLURM_ARRAY_TASK_ID + {first}))\""),
        };
        lines.join("\n") + "\n\n" + &self.script.lines(&number, &[])
    }

    /// Lets Slurm start the run itself, with the command `words`, in a job of one core, after job `after` has ended.
    /// Returns the id of the Slurm job.
    ///
    /// # Errors
    ///
    /// Slurm does not accept the job. The error says why.
    pub fn detach(&self, words: &[String], after: Option<&str>) -> Result<String, String> {
        let mut command = command("sbatch");
        command.arg("--parsable").args(after.map(|job| format!("--dependency=afterany:{job}")));
        let output = said_by(&mut command, Some(&self.run(words)))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.trim().split(';').next().unwrap_or_default().to_owned())
    }

    /// Returns the sbatch script for this.
    pub fn run(&self, words: &[String]) -> String {
        let cluster::Slurm { time, sbatch, detach, .. } = &self.wanted;
        let notice = NOTICE.min((time / 4.0).floor()) as u64;
        let mut lines = vec![
            "#!/bin/sh".to_owned(),
            format!("#SBATCH --job-name={}-run", self.job),
            format!("#SBATCH --time={}", clock(*time)),
            "#SBATCH --nodes=1".to_owned(),
            "#SBATCH --ntasks=1".to_owned(),
            "#SBATCH --cpus-per-task=1".to_owned(),
            format!("#SBATCH --signal=B:USR1@{notice}"),
            "#SBATCH --requeue".to_owned(),
            "#SBATCH --open-mode=append".to_owned(),
            format!("#SBATCH --output=\"{}\"", named(&self.home.run_log())),
        ];
        lines.extend(detach.as_ref().unwrap_or(sbatch).iter().map(|option| format!("#SBATCH {option}")));
        lines.join("\n") + "\n\n" + &Script { words: words.to_vec(), ..self.script.clone() }.whole()
    }

    /// Returns what Slurm says about the first agent without starting it.
    ///
    /// # Errors
    ///
    /// Slurm would not accept the job. The error says why.
    pub fn test(&self) -> Result<String, String> {
        let output = said_by(command("sbatch").arg("--test-only"), Some(&self.batch(0, &[0])))?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn max_array(&self) -> usize {
        *self.max_array.get_or_init(|| {
            let output = said_by(command("scontrol").args(["show", "config"]), None);
            let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            let line = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize"));
            let size = line.and_then(|rest| rest.trim_start_matches([' ', '=']).trim().parse().ok());
            size.unwrap_or(MAX_ARRAY).max(1)
        })
    }
}

/// Returns where a task of the array of agents from `first` on writes its log, in the folder of agents. File name
/// patterns of arrays cannot add, so if there are several arrays, a log's name has both numbers.
fn log_in_array(first: usize, task: &str) -> PathBuf {
    match first {
        0 => AgentFolder::at(PathBuf::from(task)).log(),
        _ => PathBuf::from(format!("from-{first}-{task}.log")),
    }
}

/// Quotes a path so that Slurm does not read any part of it as a pattern. Slurm has no escape for a backslash.
fn named(path: &Path) -> String {
    path.display().to_string().replace('%', "%%").replace('"', "\\\"")
}

fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    for name in OTHERS {
        command.env_remove(name);
    }
    command
}

impl Launcher for Slurm {
    fn name(&self) -> &str {
        "Slurm"
    }

    fn starts_again(&self) -> bool {
        true
    }

    fn log(&self, home: &Home, number: usize) -> PathBuf {
        let task = number % self.max_array();
        home.agents().join(log_in_array(number - task, &task.to_string()))
    }

    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String> {
        let max = self.max_array();
        let mut arrays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &number in numbers {
            arrays.entry(number / max * max).or_default().push(number);
        }
        let mut launched = Vec::new();
        for (first, numbers) in arrays {
            match said_by(command("sbatch").arg("--parsable"), Some(&self.batch(first, &numbers))) {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    // If there are several clusters, the cluster's name follows.
                    let job = text.trim().split(';').next().unwrap_or_default().to_owned();
                    launched.extend(numbers.into_iter().map(|number| (number, format!("{job}_{}", number - first))));
                }
                Err(why) if launched.is_empty() => return Err(why),
                // The agents are asked for again later.
                Err(why) => tracing::warn!("sbatch: {why}"),
            }
        }
        Ok(launched)
    }

    fn look(&self, _: &[String]) -> Result<HashMap<String, Queue>, String> {
        let output = said_by(command("squeue").args(["--me", "--noheader", "--array", "--format=%i %T %r"]), None)?;
        Ok(queue(&String::from_utf8_lossy(&output.stdout)))
    }

    fn cancel(&self, handles: &[String]) {
        for handles in handles.chunks(MANY) {
            if let Err(why) = said_by(command("scancel").args(handles), None) {
                tracing::warn!("scancel: {why}");
            }
        }
    }
}

/// Reads the output of squeue.
fn queue(text: &str) -> HashMap<String, Queue> {
    let line = |line: &str| {
        let (handle, rest) = line.trim().split_once(' ')?;
        let (state, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let queue = match state {
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "SPECIAL_EXIT" | "RESV_DEL_HOLD" => {
                // Slurm has not considered this one yet.
                Queue::Waiting(if reason.trim() == "None" { String::new() } else { reason.trim().to_owned() })
            }
            "RUNNING" | "CONFIGURING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT" | "RESIZING" => {
                Queue::Running
            }
            _ => return None,
        };
        Some((handle.to_owned(), queue))
    };
    text.lines().filter_map(line).collect()
}

/// Writes ascending numbers as `0-3,7`.
fn ranges(numbers: impl Iterator<Item = usize>) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let span =
        |(first, last): (usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    spans.into_iter().map(span).collect::<Vec<_>>().join(",")
}

/// Writes seconds as Slurm writes a time: `1-02:03:04`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    format!("{days}-{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slurm() -> Slurm {
        let wanted = cluster::Slurm {
            agents: cluster::Agents { agents: 16, cpus: 8, gpus: 1, idle: 300.0, program: None },
            time: 4.0 * 3600.0,
            memory: Some("32G".into()),
            sbatch: vec!["--partition=gpu".into(), "--account=lab".into()],
            detach: None,
            before: Some("module load cuda".into()),
        };
        let script = Script {
            program: None,
            environment: vec![("SWEEP_DELAY".into(), "60".into())],
            before: wanted.before.clone(),
            words: ["/opt/sweep", "--home", "/shared/a b", "agent"].map(str::to_owned).to_vec(),
        };
        Slurm::new("α/β", wanted, script, Home::new("/shared/a b"))
    }

    #[test]
    fn a_batch_script_is_what_a_person_would_write() {
        let expected = "#!/bin/sh\n#SBATCH --job-name=sweep-___\n#SBATCH --array=0-2,5\n#SBATCH \
            --time=0-04:00:00\n#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task=8\n#SBATCH \
            --signal=B:USR1@120\n#SBATCH --requeue\n#SBATCH --open-mode=append\n#SBATCH --gres=gpu:1\n#SBATCH \
            --mem=32G\n#SBATCH --output=\"/shared/a b/agents/%a/agent.log\"\n#SBATCH --partition=gpu\n#SBATCH \
            --account=lab\n\nexport SWEEP_DELAY=60\nmodule load cuda\nexec /opt/sweep --home '/shared/a b' agent \
            --number \"$SLURM_ARRAY_TASK_ID\"\n";
        assert_eq!(slurm().batch(0, &[0, 1, 2, 5]), expected);
        // These numbers are beyond what an array may have.
        let far = slurm().batch(2002, &[2003, 2004]);
        assert!(far.contains("--array=1-2\n") && far.contains("--number \"$((SLURM_ARRAY_TASK_ID + 2002))\""), "{far}");
        assert!(far.contains("from-2002-%a.log"), "{far}");
        let log = |number| slurm().log(&slurm().home, number).display().to_string();
        assert!(log(1000).ends_with("/agents/1000/agent.log"), "{}", log(1000));
        assert!(log(2005).ends_with("/agents/from-2002-3.log"), "{}", log(2005));
    }

    #[test]
    fn a_folder_is_no_pattern() {
        let batch = Slurm { home: Home::new("/a \"b\"/%a"), ..slurm() }.batch(0, &[0]);
        assert!(batch.contains("#SBATCH --output=\"/a \\\"b\\\"/%%a/agents/%a/agent.log\"\n"), "{batch}");
    }

    #[test]
    fn times_and_numbers_are_as_slurm_writes_them() {
        assert_eq!([clock(59.2), clock(93_784.0)], ["0-00:01:00", "1-02:03:04"]);
        assert_eq!(ranges([0, 1, 2, 4, 6, 7].into_iter()), "0-2,4,6-7");
    }

    /// Output of squeue 22.05.
    #[test]
    fn the_queue_is_read() {
        let text = "1_4 PENDING Resources\n1_0 RUNNING None\n12_0 COMPLETING None\n5_1 PENDING job requeued in held \
            state\n7_2 PENDING Dependency,None\n8_0 CANCELLED None\n9_9 NODE_FAIL NodeDown\n\n";
        let found = queue(text);
        let waits = |why: &str| Some(Queue::Waiting(why.to_owned()));
        assert_eq!(found.get("1_4").cloned(), waits("Resources"));
        assert_eq!(found.get("5_1").cloned(), waits("job requeued in held state"));
        assert_eq!(found.get("7_2").cloned(), waits("Dependency,None"));
        assert_eq!(found.get("1_0"), Some(&Queue::Running));
        assert_eq!(found.len(), 4);
    }
}
