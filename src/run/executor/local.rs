//! Workers that are processes of this machine.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::clue::{clue, killed_for_memory};
use super::orphans::{self, Mark};
use super::stderr::{Kept, Tail};
use super::{Executor, Place, Report, StartError};
use crate::state::Clue;
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_system::origin;
use sweep_wire::home::Home;

/// Starts workers on the slots of this machine.
///
/// A worker dies with the thread that started it (see [`Executor::start`]). Drive this from a thread that lives as long
/// as the process: the main thread, through a current-thread runtime.
#[derive(Debug)]
pub struct Local {
    program: PathBuf,
    chosen: bool,
    slots: Vec<Slot>,
    /// The value of `CUDA_VISIBLE_DEVICES` for the worker of each slot.
    visible: Vec<String>,
    home: Home,
    /// Marks the workers; each one's number is added.
    mark: Mark,
    started: u32,
    first: usize,
    workers: Vec<Option<Worker>>,
    reports: mpsc::UnboundedSender<Report>,
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    /// Order lines on their way to stdin. Dropping it closes stdin.
    orders: Option<mpsc::UnboundedSender<Vec<u8>>>,
    shared: Arc<Shared>,
}

/// What is shared between a worker's watcher and the executor.
#[derive(Debug, Default)]
struct Shared {
    tail: Mutex<Tail>,
    /// Its process has ended, so its id may belong to another process by now.
    gone: AtomicBool,
}

impl Shared {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn signal(&self, send: fn(Pid, Signal) -> rustix::io::Result<()>, signal: Signal) {
        if !self.shared.gone.load(Ordering::Relaxed) {
            // The worker may have ended by itself a moment ago, which is reported anyway.
            let _ = send(self.pid, signal);
        }
    }
}

impl Local {
    /// Makes an executor for `slots`, all of which are available at once. Starts `program` if the user chose one,
    /// otherwise sweep's own worker. Each worker's stderr is also saved in `logs` of `home`, one file a slot, numbered
    /// from `first`.
    ///
    /// GPUs are counted among those that `CUDA_VISIBLE_DEVICES` allows this process. Fails if a slot's GPU is not among
    /// them.
    pub fn new(
        program: Option<OsString>,
        slots: Vec<Slot>,
        kinds: &Kinds,
        (home, first): (&Home, usize),
        reports: mpsc::UnboundedSender<Report>,
    ) -> io::Result<Self> {
        let chosen = program.is_some();
        let program = match program {
            Some(program) => PathBuf::from(program),
            None => worker_program()?,
        };
        let workers = slots.iter().map(|_| None).collect();
        let own = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let visible = slots.iter().map(|slot| visible(own.as_deref(), slot.device)).collect::<Result<_, _>>();
        let visible = visible.map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))?;
        std::fs::create_dir_all(home.logs())?;
        let mark = Mark::all(home);
        for (slot, of) in slots.iter().enumerate() {
            let number = slots[..slot].iter().filter(|other| other.device == of.device).count();
            let (kind, name) = (kinds.of(of.device), format!("{}/{number}", of.device));
            let place = Place { slot: of.clone(), kind, first: number == 0, name, bytes: None };
            // The receiver exists: the caller got it together with this sender.
            let _ = reports.send(Report::Joined { slot, place });
        }
        Ok(Local { first, program, chosen, slots, visible, home: home.clone(), mark, started: 0, workers, reports })
    }

    /// Returns the last lines that the worker of `slot` wrote to stderr.
    pub(crate) fn words(&self, slot: usize) -> String {
        self.workers[slot].as_ref().map_or_else(String::new, |worker| worker.shared.tail().text())
    }

    /// Sends a signal to the process groups of all workers.
    fn signal_all(&self, signal: Signal) {
        self.workers.iter().flatten().for_each(|worker| worker.signal(rustix::process::kill_process_group, signal));
    }

    fn command(&self, slot: usize, mark: &Mark) -> Command {
        let mut command = Command::new(&self.program);
        let (slot, visible) = (&self.slots[slot], &self.visible[slot]);
        command
            .arg("worker")
            .env("CUDA_VISIBLE_DEVICES", visible)
            .env("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
            .env(orphans::MARK, mark.to_string())
            // A backtrace needs memory. With none left, the worker would wait for it for ever, with its message already
            // written.
            .env("RUST_BACKTRACE", "0")
            .env(origin::VARIABLE, if self.chosen { "" } else { origin::sources() })
            .env("OMP_NUM_THREADS", slot.threads.to_string())
            .env("MKL_NUM_THREADS", slot.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C on the terminal is meant only for the orchestrator, which decides what workers do.
            .process_group(0)
            .kill_on_drop(true);
        let parent = rustix::process::getpid();
        // SAFETY: between fork and exec, the closure makes two system calls and allocates nothing.
        unsafe {
            command.pre_exec(move || {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
                // The orchestrator may have died before the line above took effect.
                match rustix::process::getppid() {
                    Some(pid) if pid == parent => Ok(()),
                    Some(_) | None => Err(io::ErrorKind::BrokenPipe.into()),
                }
            });
        }
        command
    }
}

impl Executor for Local {
    fn start(&mut self, slot: usize) -> Result<u32, StartError> {
        let error = |source| StartError { program: self.program.clone(), chosen: self.chosen, source };
        self.started += 1;
        let mark = self.mark.worker(self.started);
        let mut child = self.command(slot, &mark).spawn().map_err(error)?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| error(io::ErrorKind::NotFound.into()))?;
        tracing::info!(slot, pid = pid.as_raw_nonzero(), "worker started");

        let (orders, lines) = mpsc::unbounded_channel();
        if let Some(stdin) = child.stdin.take() {
            tokio::spawn(feed(stdin, lines));
        }
        let shared = Arc::<Shared>::default();
        let number = self.first + slot;
        let kept = Kept::open(&self.home.worker_log(number), &self.home.earlier_worker_log(number));
        if let Err(error) = &kept {
            tracing::warn!(slot, %error, "the worker's stderr is not saved to a file");
        }
        let watched = Watched { slot, number: self.started, child, mark, shared: Arc::clone(&shared) };
        tokio::spawn(watch(watched, kept.ok(), self.reports.clone()));
        self.workers[slot] = Some(Worker { pid, orders: Some(orders), shared });
        Ok(self.started)
    }

    fn send(&mut self, slot: usize, order: &Path) {
        if let Some(orders) = self.workers[slot].as_ref().and_then(|worker| worker.orders.as_ref()) {
            // The exit of a worker that is gone is reported anyway, so a failed send needs no report.
            let _ = orders.send([order.as_os_str().as_bytes(), b"\n"].concat());
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some(worker) = &mut self.workers[slot] {
            worker.orders = None;
        }
    }

    fn stop(&mut self, slot: usize) {
        self.close(slot);
        if let Some(worker) = &self.workers[slot] {
            // Only the worker, not its group: it decides what happens to its own child processes.
            worker.signal(rustix::process::kill_process, Signal::TERM);
        }
    }

    fn kill(&mut self, slot: usize) {
        self.close(slot);
        if let Some(worker) = &self.workers[slot] {
            worker.signal(rustix::process::kill_process_group, Signal::KILL);
        }
    }

    fn suspend(&mut self) {
        self.signal_all(Signal::STOP);
    }

    fn go_on(&mut self) {
        self.signal_all(Signal::CONT);
    }

    fn over(&mut self, slot: usize) -> String {
        self.workers[slot].as_ref().map_or_else(String::new, |worker| worker.shared.tail().take())
    }
}

/// Returns the value of `CUDA_VISIBLE_DEVICES` for a worker on `device` if this process's own value is `own`: GPU `i`
/// is the `i`-th entry of that list. Entries (numbers, UUIDs) are passed on unchanged. As in CUDA, the list ends before
/// a negative number.
pub fn visible(own: Option<&str>, device: Device) -> Result<String, String> {
    let index = match device {
        Device::Cpu => return Ok(String::new()),
        Device::Cuda(index) => index,
    };
    let Some(own) = own else { return Ok(index.to_string()) };
    let seen: Vec<&str> =
        own.split(',').map(str::trim).take_while(|entry| !entry.is_empty() && !entry.starts_with('-')).collect();
    seen.get(index as usize).map(|entry| (*entry).to_owned()).ok_or_else(|| {
        format!(
            "slot {device}: CUDA_VISIBLE_DEVICES={own} allows {} GPUs, counted from cuda:0; choose slots among them, \
            or change the variable",
            seen.len()
        )
    })
}

/// The name of the executable that trains and scores.
const WORKER: &str = "sweep-worker";

/// Returns the path of the executable that trains and scores. It lies next to the running one.
///
/// # Errors
///
/// The path of the running executable cannot be found.
pub fn worker_program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(WORKER))
}

/// Writes order lines to a worker until there are no more, then closes its stdin.
async fn feed(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

/// A worker's process.
struct Watched {
    slot: usize,
    number: u32,
    child: Child,
    mark: Mark,
    shared: Arc<Shared>,
}

/// Reports each line that a worker prints, and its exit.
async fn watch(watched: Watched, mut kept: Option<Kept>, reports: mpsc::UnboundedSender<Report>) {
    let Watched { slot, number, mut child, mark, shared } = watched;
    let killed = killed_for_memory();
    let alive = reports.clone();
    let stdout = tokio::spawn(drain(child.stdout.take(), move |_| drop(alive.send(Report::Alive { slot }))));
    let said = Arc::clone(&shared);
    let stderr = tokio::spawn(drain(child.stderr.take(), move |bytes| {
        said.tail().push(bytes);
        if let Some(kept) = &mut kept {
            kept.push(bytes);
        }
    }));
    let status = child.wait().await;
    shared.gone.store(true, Ordering::Relaxed);
    // What the worker wrote is in the pipes by now, but a process that it left behind may hold them open for ever.
    let _ = tokio::time::timeout(Duration::from_millis(200), async { tokio::join!(stdout, stderr) }).await;
    let signal = status.as_ref().ok().and_then(ExitStatus::signal);
    let said = shared.tail().text();
    let found = clue(&said, signal, killed_for_memory() > killed);
    let status = status.map_or_else(|error| error.to_string(), describe);
    let (clue, status) = match found {
        Some((clue, Some(line))) => (Some(clue), format!("{status}: {}", line.trim_start_matches("error: "))),
        Some((Clue::NoMemory, None)) => (Some(Clue::NoMemory), format!("{status}: the system had no memory left")),
        Some((clue, None)) => (Some(clue), status),
        None => (None, status),
    };
    tracing::info!(slot, status, "worker ended");
    // Its child processes must not continue without it on the same files.
    let left = tokio::task::spawn_blocking(move || orphans::end(&mark)).await.unwrap_or_default();
    if !left.is_empty() {
        tracing::warn!(slot, ?left, "killed processes that the worker left behind");
    }
    let _ = reports.send(Report::Exited { slot, worker: number, status, clue });
}

/// Reads `stream` to its end.
async fn drain<R: AsyncRead + Unpin>(stream: Option<R>, mut each: impl FnMut(&[u8])) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        each(&buffer[..read]);
    }
}

/// Describes in words how a process ended.
fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_count_among_those_that_are_left_to_this_process() {
        let of = |own, index| visible(own, Device::Cuda(index));
        assert_eq!(of(None, 3).unwrap(), "3");
        assert_eq!(of(Some("4, 6"), 1).unwrap(), "6");
        assert_eq!(of(Some("GPU-8932f937-d72c,MIG-1/0"), 0).unwrap(), "GPU-8932f937-d72c");
        assert_eq!(visible(Some("4"), Device::Cpu).unwrap(), "");
        for (own, index) in [("4,6", 2), ("", 0), ("1,-1,2", 1)] {
            let error = of(Some(own), index).unwrap_err();
            assert!(error.contains(&format!("cuda:{index}: CUDA_VISIBLE_DEVICES={own} allows")), "{error}");
        }
    }
}
