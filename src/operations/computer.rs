//! The executable that links libtorch. Commands are handed over to it, and it does tasks.

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

/// The exit code of a shell, and of the system's loader, if a program cannot be started.
const CANNOT: i32 = 127;

/// How an executable ended that took over a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandedOver {
    /// It exited with this code.
    Code(u8),
    /// It was ended by this signal.
    Signal(u8),
}

/// Runs this process's command in that executable. `replaces`: it replaces this process, whose parent sends it signals.
///
/// # Errors
///
/// It cannot be started.
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

/// Checks that this executable is from the same build as the one that started it.
///
/// # Errors
///
/// It is not.
pub fn check_origin() -> Result<(), Failure> {
    match env::var(origin::VARIABLE) {
        Ok(other) if !other.is_empty() && other != origin::sources() => {
            let here = env::current_exe().unwrap_or_default();
            Err(Failure::environment(format!(
                "{} was built from other sources than the `sweep` that started it: build both again, or copy both",
                here.display()
            )))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A process that does tasks, one after the other.
pub struct Computer {
    tell: Tell,
    program: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// The thread that passes on its stderr and returns the last line.
    words: Option<JoinHandle<String>>,
    /// It is working on a task.
    busy: bool,
}

impl Computer {
    /// # Errors
    ///
    /// It cannot be started.
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

    /// Gives it a task. The caller must then read its answers up to the [last](Answer::is_last).
    ///
    /// # Errors
    ///
    /// It has ended.
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

    /// Returns its next answer to the task.
    ///
    /// # Errors
    ///
    /// It has ended.
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

    /// Ends its current task.
    pub(crate) fn stop(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself a moment ago.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// It has closed its stdout or is about to, so no more answers come.
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

/// It ends when no more answers can come, or at once if no one will read them.
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

/// Passes on its stderr line by line, and returns the last line.
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

/// Returns which libtorch there is, and which GPUs it can use.
///
/// # Errors
///
/// There is no libtorch.
pub(crate) fn devices(tell: &Tell) -> Result<Devices, Failure> {
    let mut computer = Computer::start(tell)?;
    computer.ask(&Task::Devices)?;
    match computer.answer()? {
        Answer::Devices(devices) => Ok(devices),
        other => Err(unexpected(&other)),
    }
}

/// Returns the failure for an answer that does not fit the task.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    Failure::internal(format!("the worker answered {answer:?}"))
}

fn command() -> Result<(PathBuf, Command), Failure> {
    let program = worker_program()
        .map_err(|error| Failure::environment(format!("cannot find the path of this executable: {error}")))?;
    let mut command = Command::new(&program);
    // `cuda:1` must be the same GPU here as for workers.
    command.env(origin::VARIABLE, origin::sources()).env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    Ok((program, command))
}

/// Makes sure that it does not outlive this process.
fn mortal(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec, this makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) }
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(9)) => "it was killed (signal 9), by someone or for lack of memory".to_owned(),
        (None, signal) => format!("it was ended by signal {}", signal.unwrap_or(0)),
    }
}

fn missing(program: &Path, why: &str) -> Failure {
    let program = program.display();
    Failure::environment(format!(
        "{program}, which trains and scores: {why}; it must lie next to `sweep` and find libtorch (for the Python \
         wheel, `pip install 'torch==2.11.*'` installs that): `sweep doctor` checks both"
    ))
}
