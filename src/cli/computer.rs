//! The executable that links libtorch: commands are handed over to it, and tasks are asked of it.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use super::{Exit, Failure};
use sweep_run::executor::worker_program;
use sweep_wire::task::{Answer, Devices, Task};

/// What a shell, and the system's loader, end with where a program cannot be started as it should be.
const CANNOT: i32 = 127;

/// Has it run the command that this process was given.
pub(super) fn hand_over() -> Result<Exit, Failure> {
    let program = program()?;
    let mut command = Command::new(&program);
    command.args(env::args_os().skip(1));
    let status = mortal(&mut command).status().map_err(|error| missing(&program, &error.to_string()))?;
    match (status.code(), status.signal()) {
        (Some(CANNOT), _) => Err(missing(&program, "it does not start")),
        (Some(code), _) => Ok(Exit::Of(code as u8)),
        (None, signal) => Ok(Exit::Signal(signal.unwrap_or(0) as u8)),
    }
}

/// Does tasks, one after the other.
pub(crate) struct Computer {
    program: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Computer {
    /// # Errors
    ///
    /// Where it cannot be started.
    pub(crate) fn start() -> Result<Computer, Failure> {
        let program = program()?;
        let mut command = Command::new(&program);
        // A Ctrl-C on the terminal is for this process, which decides what becomes of tasks.
        command.arg("tasks").stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = mortal(&mut command).spawn().map_err(|error| missing(&program, &error.to_string()))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Computer { program, child, stdin: Some(stdin), stdout: BufReader::new(stdout) })
            }
            _ => Err(Failure::internal("a process without stdin and stdout")),
        }
    }

    /// Has it do a task.
    ///
    /// # Errors
    ///
    /// Where it is gone.
    pub(crate) fn ask(&mut self, task: &Task) -> Result<(), Failure> {
        let line = serde_json::to_string(task).map_err(Failure::internal)? + "\n";
        let written = self.stdin.as_mut().map(|stdin| stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()));
        match written {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(self.gone()),
        }
    }

    /// The next thing that it says of the task.
    ///
    /// # Errors
    ///
    /// Where it is gone.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) | Err(_) => Err(self.gone()),
            Ok(_) => serde_json::from_str(&line).map_err(|error| {
                Failure::internal(format!("{}: {error}: {}", self.program.display(), line.trim_end()))
            }),
        }
    }

    /// Ends the task that it is at.
    pub(crate) fn stop(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have just ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn gone(&mut self) -> Failure {
        self.stdin = None;
        let why = match self.child.wait() {
            Ok(status) if status.code() == Some(CANNOT) => "it does not start".to_owned(),
            Ok(status) => said(status),
            Err(error) => error.to_string(),
        };
        missing(&self.program, &why)
    }
}

/// It ends once nothing more can come.
impl Drop for Computer {
    fn drop(&mut self) {
        if self.stdin.take().is_some() {
            let _ = self.child.wait();
        }
    }
}

/// Which libtorch there is, and which GPUs it can use.
///
/// # Errors
///
/// Where there is none.
pub(crate) fn devices() -> Result<Devices, Failure> {
    let mut computer = Computer::start()?;
    computer.ask(&Task::Devices)?;
    match computer.answer()? {
        Answer::Devices(devices) => Ok(devices),
        other => Err(unexpected(&other)),
    }
}

/// What answers a task and is no answer to it.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    Failure::internal(format!("the worker answered {answer:?}"))
}

fn program() -> Result<PathBuf, Failure> {
    worker_program().map_err(Failure::environment)
}

/// It does not outlive this process.
fn mortal(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) }
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

fn missing(program: &Path, why: &str) -> Failure {
    Failure::environment(format!(
        "{}, which trains and scores: {why}: `sweep doctor` says what is missing",
        program.display()
    ))
}
