//! The executable that links libtorch: commands are handed over to it, and tasks are asked of it.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::{Failure, Tell};
use sweep_run::executor::worker_program;
use sweep_system::origin;
use sweep_wire::task::{Answer, Devices, Task};

/// What a shell, and the system's loader, end with where a program cannot be started as it should be.
const CANNOT: i32 = 127;

/// How an executable has ended to which a command was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedOver {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

/// Has it run the command that this process was given. `replaces`: it takes the place of this process, since whoever has started this one sends
/// signals to it.
///
/// # Errors
///
/// Where it cannot be started.
pub fn hand_over(replaces: bool, tell: &Tell) -> Result<HandedOver, Failure> {
    let (program, mut command) = command()?;
    command.args(env::args_os().skip(1));
    if replaces {
        return Err(missing(&program, &command.exec().to_string()));
    }
    let status = mortal(&mut command).status().map_err(|error| missing(&program, &error.to_string()))?;
    match (status.code(), status.signal()) {
        (Some(CANNOT), _) => Err(missing(&program, "it does not start")),
        (Some(code), _) => Ok(HandedOver::Code(code as u8)),
        (None, signal) => {
            tell.say(format!("error: {}: {}", program.display(), said(status)));
            Ok(HandedOver::Signal(signal.unwrap_or(0) as u8))
        }
    }
}

/// Whether this executable is from the same build as the one that has started it.
///
/// # Errors
///
/// Where it is not.
pub fn check_origin() -> Result<(), Failure> {
    match env::var(origin::VARIABLE) {
        Ok(other) if !other.is_empty() && other != origin::sources() => {
            let here = env::current_exe().unwrap_or_default();
            Err(Failure::environment(format!(
                "{} was built from other sources than the `sweep` that has started it: build both, or copy both",
                here.display()
            )))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Does tasks, one after the other.
pub struct Computer {
    tell: Tell,
    program: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// Passes on what it says on stderr, of which it has the last line.
    words: Option<JoinHandle<String>>,
    /// It is at a task.
    busy: bool,
}

impl Computer {
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn start(tell: &Tell) -> Result<Computer, Failure> {
        let (program, mut command) = command()?;
        command.arg("tasks").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = mortal(&mut command).spawn().map_err(|error| missing(&program, &error.to_string()))?;
        match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Computer {
                tell: tell.clone(),
                program,
                child,
                stdin: Some(stdin),
                stdout: BufReader::new(stdout),
                words: Some(thread::spawn({
                    let tell = tell.clone();
                    move || pass_on(stderr, &tell)
                })),
                busy: false,
            }),
            _ => Err(Failure::internal("a process without stdin, stdout and stderr")),
        }
    }

    /// Has it do a task. What it says of it is to be read up to the [last](Answer::is_last) of its answers.
    ///
    /// # Errors
    ///
    /// Where it is gone.
    pub fn ask(&mut self, task: &Task) -> Result<(), Failure> {
        let line =
            serde_json::to_string(task).map_err(|error| Failure::usage(format!("a path of the task: {error}")))?;
        let written = self.stdin.as_mut().map(|stdin| stdin.write_all((line + "\n").as_bytes()));
        self.busy = true;
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
    pub fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) | Err(_) => Err(self.gone()),
            Ok(_) => {
                let answer: Answer = serde_json::from_str(&line).map_err(|error| {
                    Failure::internal(format!("{}: {error}: {}", self.program.display(), line.trim_end()))
                })?;
                self.busy &= !answer.is_last();
                Ok(answer)
            }
        }
    }

    /// Ends the task that it is at.
    pub(crate) fn stop(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have just ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// It has closed its stdout, or is about to: nothing more comes.
    fn gone(&mut self) -> Failure {
        self.stdin = None;
        let ended = self.child.wait();
        let last = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        let last = if last.is_empty() { last } else { format!(": {last}") };
        match ended {
            Ok(status) if status.code() == Some(CANNOT) => missing(&self.program, &format!("it does not start{last}")),
            Ok(status) => Failure::environment(format!("{}: {}{last}", self.program.display(), said(status))),
            Err(error) => Failure::environment(format!("{}: {error}", self.program.display())),
        }
    }
}

/// It ends once nothing more can come, or at once where nobody will read what it says.
impl Drop for Computer {
    fn drop(&mut self) {
        if self.busy {
            let _ = self.child.kill();
        }
        self.stdin = None;
        let _ = self.child.wait();
        if let Some(last) = self.words.take().and_then(|words| words.join().ok()).filter(|last| !last.is_empty()) {
            self.tell.say(last);
        }
    }
}

/// Passes on what it says on stderr, line by line; the last line.
fn pass_on(stderr: ChildStderr, tell: &Tell) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
        if !last.is_empty() {
            tell.say(&last);
        }
        last = line;
    }
    last
}

/// Which libtorch there is, and which GPUs it can use.
///
/// # Errors
///
/// Where there is none.
pub(crate) fn devices(tell: &Tell) -> Result<Devices, Failure> {
    let mut computer = Computer::start(tell)?;
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

fn command() -> Result<(PathBuf, Command), Failure> {
    let program =
        worker_program().map_err(|error| Failure::environment(format!("where this executable is: {error}")))?;
    let mut command = Command::new(&program);
    // So that `cuda:1` is the GPU here that it is for workers.
    command.env(origin::VARIABLE, origin::sources()).env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    Ok((program, command))
}

/// It does not outlive this process.
fn mortal(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) }
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(9)) => "it was killed (signal 9): by somebody, or for want of memory".to_owned(),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

fn missing(program: &Path, why: &str) -> Failure {
    let program = program.display();
    Failure::environment(format!(
        "{program}, which trains and scores: {why}; it must lie beside `sweep` and find libtorch: `sweep doctor` checks that"
    ))
}
