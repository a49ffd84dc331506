//! A process of a trainer of your own: starts it, reads its output and ends it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// Last lines that are kept to explain its end.
const KEPT: usize = 10;
/// Largest length of a line in bytes; a longer line is split.
const LONG: usize = 1 << 16;
/// After the process has ended, its children may keep the pipes open. They count as silent after this time.
const DRAIN: Duration = Duration::from_millis(500);

/// Output of a process.
pub(super) enum Output {
    /// It printed a line.
    Line { index: usize, line: String, error: bool },
    /// One of its two streams has ended.
    Closed(usize),
}

/// How to start a process.
pub(super) struct Start<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// The working directory.
    pub folder: Option<&'a Path>,
    /// Environment variables in addition to those of this process. The first one is unique to the process.
    pub environment: &'a [(&'static str, String)],
    /// The file to which it may append scores.
    pub scores: PathBuf,
}

/// A process that runs or has ended.
pub(super) struct Process {
    child: Child,
    scores: Tail,
    /// Its unique environment variable, which its children inherit.
    mark: String,
    /// Streams that have not ended.
    open: usize,
    ended: Option<ExitStatus>,
    /// When it last printed something, or ended.
    heard: Instant,
    /// Whether its remaining children were asked to end.
    asked: bool,
    last: VecDeque<String>,
    /// The last line on stderr, which usually says what went wrong.
    error: Option<String>,
}

impl Process {
    /// Starts it as number `index`; its output arrives through `heard`.
    pub(super) fn start(index: usize, start: &Start, heard: &SyncSender<Output>) -> io::Result<Process> {
        let Start { command, folder, environment, scores } = start;
        let (program, arguments) =
            command.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
        // Left over from an earlier start of the same attempt.
        match fs::remove_file(scores) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        // A path is relative to the working directory; a plain name is searched in PATH.
        let program = match folder {
            Some(folder) if program.contains('/') => folder.join(program),
            Some(_) | None => PathBuf::from(program),
        };
        let mut child = Command::new(program);
        child.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(folder) = folder {
            child.current_dir(folder);
        }
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe {
            child.pre_exec(|| Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        let mut child = child.spawn()?;
        if let Some(stdout) = child.stdout.take() {
            listen((index, false), stdout, heard.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            listen((index, true), stderr, heard.clone());
        }
        let scores = Tail { path: scores.clone(), at: 0, held: Vec::new() };
        let mark = environment.first().map_or(String::new(), |(name, value)| format!("{name}={value}"));
        let (heard, last) = (Instant::now(), VecDeque::new());
        Ok(Process { child, scores, mark, open: 2, ended: None, heard, asked: false, last, error: None })
    }

    /// Remembers a line that it printed.
    pub(super) fn printed(&mut self, line: &str, error: bool) {
        self.heard = Instant::now();
        if !line.trim().is_empty() {
            if error {
                self.error = Some(line.to_owned());
            }
            self.last.push_back(line.to_owned());
            if self.last.len() > KEPT {
                self.last.pop_front();
            }
        }
    }

    /// One of its streams has ended.
    pub(super) fn closed(&mut self) {
        self.open -= 1;
        self.heard = Instant::now();
    }

    /// Reads new lines of its file of scores; after its end, everything that is left.
    pub(super) fn scores(&mut self) -> Vec<String> {
        let mut lines = self.scores.lines();
        if self.ended.is_some() {
            loop {
                let at = self.scores.at;
                lines.extend(self.scores.lines());
                if self.scores.at == at {
                    break;
                }
            }
            // No newline will follow.
            let rest = std::mem::take(&mut self.scores.held);
            let rest = String::from_utf8_lossy(&rest).into_owned();
            lines.extend(Some(rest).filter(|rest| !rest.trim().is_empty()));
        }
        lines
    }

    /// The exit status, once the process and all its children have ended and all their output was read. `heard` says
    /// whether all output so far was read. If the process was asked to end, its children may go on for a while, for
    /// example to write a checkpoint; otherwise they are killed.
    pub(super) fn ended(&mut self, heard: bool) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
            if self.ended.is_some() {
                self.heard = Instant::now();
            }
        }
        let Some(status) = self.ended else { return Ok(None) };
        let left = processes(&self.mark);
        if !left.is_empty() {
            let signal = if self.asked { Signal::TERM } else { Signal::KILL };
            if !self.asked || self.heard.elapsed() >= DRAIN {
                self.heard = Instant::now();
                send(left, signal);
            }
            return Ok(None);
        }
        let drained = heard && (self.open == 0 || self.heard.elapsed() >= DRAIN);
        Ok(drained.then_some(status))
    }

    /// Asks it to end. Its children are asked once it has ended.
    pub(super) fn ask(&mut self) {
        self.asked = true;
        self.signal(Signal::TERM);
    }

    /// Kills it and its children.
    pub(super) fn kill(&mut self) {
        self.asked = false;
        self.signal(Signal::KILL);
        send(processes(&self.mark), Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none()
            && let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
        {
            // It may have just ended by itself.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// The last lines that it printed.
    pub(super) fn last_lines(&self) -> String {
        self.last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// How it ended, for people, with the last line that it printed.
    pub(super) fn words(&self, status: ExitStatus) -> String {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("killed by signal {signal}"),
            (None, None) => status.to_string(),
        };
        match self.error.as_ref().or(self.last.back()) {
            Some(line) => format!("{how}: {}", line.trim()),
            None => how,
        }
    }
}

/// The process must not outlive the worker that reads its output.
impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// Sends each line of `stream`. A line ends in a newline, or in a carriage return, as those of progress bars do.
fn listen((index, error): (usize, bool), mut stream: impl Read + Send + 'static, heard: SyncSender<Output>) {
    thread::spawn(move || {
        let mut line = Vec::new();
        let send_line = |line: &mut Vec<u8>| {
            let text = String::from_utf8_lossy(line).into_owned();
            line.clear();
            heard.send(Output::Line { index, line: text, error }).is_ok()
        };
        let (mut buffer, mut before) = ([0; 8192], 0);
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            for &byte in &buffer[..read] {
                let ends = matches!(byte, b'\n' | b'\r');
                // `\r\n` ends one line.
                let is_sent = (!ends || (byte, before) == (b'\n', b'\r')) || send_line(&mut line);
                if !ends {
                    line.push(byte);
                }
                if !is_sent || line.len() >= LONG && !send_line(&mut line) {
                    return;
                }
                before = byte;
            }
        }
        if !line.is_empty() {
            send_line(&mut line);
        }
        let _ = heard.send(Output::Closed(index));
    });
}

fn send(processes: Vec<Pid>, signal: Signal) {
    for pid in processes {
        // It may have just ended by itself.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The processes in whose environment `mark` stands, but for this one.
fn processes(mark: &str) -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let marked = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| *name != own)?;
        let pid = Pid::from_raw(name.parse().ok()?)?;
        // Those of others cannot be read.
        let environment = fs::read(entry.path().join("environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()).then_some(pid)
    });
    marked.collect()
}

/// A file that grows.
struct Tail {
    path: PathBuf,
    at: u64,
    /// A line that has no end yet.
    held: Vec<u8>,
}

impl Tail {
    fn lines(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        let read = |bytes: &mut Vec<u8>| -> io::Result<()> {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.at))?;
            file.take(1 << 20).read_to_end(bytes)?;
            Ok(())
        };
        // Where there is none, it has appended nothing.
        if read(&mut bytes).is_err() || bytes.is_empty() {
            return Vec::new();
        }
        self.at += bytes.len() as u64;
        self.held.append(&mut bytes);
        let Some(end) = self.held.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = self.held.split_off(end + 1);
        let whole = std::mem::replace(&mut self.held, rest);
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}
