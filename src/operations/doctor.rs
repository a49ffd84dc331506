//! Checks that everything a run needs is there and works: devices, libtorch, data, folders.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::computer::{Computer, unexpected};
use crate::data_files::{Condition, State};
use crate::memory::{Limit, Memory};
use crate::{Failure, Places, Tell};
use sweep_data::{Depth, FileSet};
use sweep_report::format::{binary_bytes, plural};
use sweep_system::disk;
use sweep_system::whole::NewFile;
use sweep_wire::task::{Answer, CudaPart, Devices, Speed, Task};

/// The version of libtorch that this program needs.
const LIBTORCH: &str = "2.11.";
/// How a user gets that libtorch, for a `sweep` built in a clone of the repository and for one that pip installed.
const GET: &str =
    "in a clone run scripts/setup-libtorch and build again; for the Python wheel run pip install 'torch==2.11.*'";
/// A modern processor that is slower than this is not running at full speed.
const SLOW_GFLOPS: f64 = 20.0;
/// The bytes of memory that a cohort with its data takes, roughly.
const LITTLE_MEMORY: u64 = 2 << 30;
/// The bytes on disk for the checkpoints and samples of a large sweep, roughly.
const LITTLE_DISK: u64 = 1 << 30;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Ok,
    /// It works, but not at its best, or not for everything.
    Warn,
    /// Something needed does not work.
    Fail,
}

impl Status {
    /// Returns it as a word.
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        }
    }
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// The result.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do; empty if nothing needs to be done.
    pub advice: String,
}

impl Check {
    fn new(name: &str, status: Status, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Check { name: name.to_owned(), status, found: found.into(), advice: advice.into() }
    }

    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, found, "")
    }
}

/// Checks everything that a run needs.
pub fn examine(places: &Places, tell: &Tell) -> Vec<Check> {
    let mut checks = vec![processor(), memory(&Memory::here())];
    checks.extend(computing(tell));
    match places.data_root() {
        Ok(root) => checks.extend(FileSet::ALL.map(|set| data_set(&State::of(set, &root, Depth::Quick), &root))),
        Err(_) => {
            checks.push(Check::new(
                "data",
                Status::Fail,
                "HOME is not set",
                "set it, or name a folder with --data or SWEEP_DATA",
            ));
        }
    }
    checks.extend([home(places.home.path()), database(&places.database())]);
    checks
}

fn processor() -> Check {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let all = info.lines().filter(|line| line.starts_with("processor")).count();
    Check::ok("processor", format!("{}, {}", processor_name(), usable(cores, all)))
}

/// Describes `cores` of the machine's `all` cores. Which of them this process may use is found when slots are made.
fn usable(cores: usize, all: usize) -> String {
    if cores < all {
        format!(
            "{cores} of {} (limited by this process's CPU affinity, or by the CPU quota of a cgroup)",
            plural(all, "core")
        )
    } else {
        plural(cores, "core")
    }
}

/// Returns the processor's name for itself.
pub fn processor_name() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}

fn memory(here: &Memory) -> Check {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = line.and_then(|line| line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().ok());
    let (Some(free), true) = (free.map(|kilobytes| kilobytes << 10), here.machine > 0) else {
        return Check::ok("memory", "unknown");
    };
    let mut found = format!("{} free of {}", binary_bytes(free), binary_bytes(here.machine));
    for (limit, who) in [(&here.together, "all workers together"), (&here.each, "each worker")] {
        if let Some(Limit { bytes, by }) = limit {
            found += &format!("; {who} may use {} ({by})", binary_bytes(*bytes));
        }
    }
    let limits = [&here.together, &here.each].into_iter().flatten().map(|limit| limit.bytes);
    match limits.min() {
        _ if free < LITTLE_MEMORY => {
            Check::new("memory", Status::Warn, found, "run fewer slots at a time, or end other programs")
        }
        Some(least) if least < LITTLE_MEMORY => {
            Check::new("memory", Status::Warn, found, "run fewer slots at a time, or raise the limit")
        }
        Some(_) | None => Check::ok("memory", found),
    }
}

/// Checks what the executable that trains and scores reports.
fn computing(tell: &Tell) -> Vec<Check> {
    let asked = || -> Result<(Devices, Speed), Failure> {
        let mut computer = Computer::start(tell)?;
        computer.ask(&Task::Devices)?;
        let devices = match computer.answer()? {
            Answer::Devices(devices) => devices,
            other => return Err(unexpected(&other)),
        };
        computer.ask(&Task::Speed { milliseconds: 300 })?;
        match computer.answer()? {
            Answer::Speed(speed) => Ok((devices, speed)),
            other => Err(unexpected(&other)),
        }
    };
    match asked() {
        Ok((devices, of)) => vec![libtorch(&devices), speed(of), cuda(&devices.cuda, devices.gpus)],
        Err(error) => vec![Check::new(
            "libtorch",
            Status::Fail,
            error.into_words(),
            format!(
                "sweep-worker must lie next to sweep, come from the same build, and find libtorch: {GET}; plans, \
                 reports and queries work without it"
            ),
        )],
    }
}

fn libtorch(devices: &Devices) -> Check {
    let place = devices.libtorch.as_ref().map_or("linked in".to_owned(), |path| path.display().to_string());
    match &devices.version {
        Some(version) if version.starts_with(LIBTORCH) => Check::ok("libtorch", format!("{version}, {place}")),
        Some(version) => Check::new(
            "libtorch",
            Status::Warn,
            format!("{version}, {place}"),
            format!("this program is made for {LIBTORCH}0: {GET}"),
        ),
        None => Check::ok("libtorch", format!("unknown version, {place}")),
    }
}

fn speed(Speed { gflops, gigabytes, mkl: told }: Speed) -> Check {
    let path = if told { "MKL's fast path is on" } else { "MKL's fast path is off" };
    let found =
        format!("{gflops:.0} GFLOP/s in float32 products and {gigabytes:.0} GB/s of memory on one core; {path}");
    if !told {
        Check::new(
            "speed",
            Status::Warn,
            found,
            "the executable does not export mkl_serv_intel_cpu_true: build it with cargo, without changes",
        )
    } else if gflops < SLOW_GFLOPS {
        Check::new("speed", Status::Warn, found, "other programs may be using the cores")
    } else {
        Check::ok("speed", found)
    }
}

fn cuda(part: &CudaPart, devices: usize) -> Check {
    let name = "GPUs";
    match part {
        CudaPart::Loaded | CudaPart::NoDriver if devices > 0 => Check::ok(name, gpu_names(devices)),
        CudaPart::Loaded => Check::new(
            name,
            Status::Warn,
            "none that can be used",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES; CPU cores are used",
        ),
        CudaPart::NoDriver => Check::ok(name, "none; CPU cores are used"),
        CudaPart::NoLibrary => Check::new(
            name,
            Status::Warn,
            "there is an NVIDIA driver, but this libtorch is for CPUs only",
            "in a clone run SWEEP_CUDA=1 scripts/setup-libtorch; for the Python wheel install a torch with CUDA; until \
             then CPU cores are used",
        ),
        CudaPart::Failed(why) => Check::new(
            name,
            Status::Warn,
            format!("libtorch's CUDA part cannot be loaded: {why}"),
            "in a clone remove .libtorch, run scripts/setup-libtorch and build again; for the Python wheel run pip \
             install --force-reinstall 'torch==2.11.*'; until then CPU cores are used",
        ),
    }
}

/// Returns the driver's names of the GPUs, or else their number.
fn gpu_names(devices: usize) -> String {
    let folders = fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let names: Vec<String> = folders
        .filter_map(|folder| {
            let text = fs::read_to_string(folder.path().join("information")).ok()?;
            Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned())
        })
        .collect();
    if names.is_empty() { devices.to_string() } else { format!("{devices}: {}", names.join(", ")) }
}

fn data_set(state: &State, root: &Path) -> Check {
    let name = format!("data: {}", state.set.name());
    let word = state.condition.word();
    let status = match state.condition {
        Condition::Present => {
            let folder = state.folder().unwrap_or_else(|| root.to_owned());
            return Check::ok(&name, format!("{word}, checksums correct, {}", folder.display()));
        }
        // Not every user needs every data set.
        Condition::Missing => Status::Warn,
        Condition::Incomplete | Condition::Damaged => Status::Fail,
    };
    Check::new(&name, status, word, state.advice(root))
}

/// Checks that the folder, or its nearest existing parent, can be written and has space.
fn home(home: &Path) -> Check {
    let absolute = std::path::absolute(home).unwrap_or_else(|_| home.to_owned());
    let place = absolute.display();
    let existing = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if let Err(error) = NewFile::beside(&existing.join("any")) {
        return Check::new(
            "results",
            Status::Fail,
            format!("{place}: cannot write to {}: {error}", existing.display()),
            "choose another folder with --home or SWEEP_HOME",
        );
    }
    let new = if existing == absolute { "" } else { ", not there yet" };
    match rustix::fs::statvfs(existing) {
        Ok(space) => {
            let free = space.f_bavail * space.f_frsize;
            let shared = disk::shared(existing);
            let shared = shared.map_or_else(String::new, |kind| format!(", on {kind}, which other machines may share"));
            let found = format!("{place}{new}, {} free{shared}", binary_bytes(free));
            if free < LITTLE_DISK {
                Check::new(
                    "results",
                    Status::Warn,
                    found,
                    "free some space, or choose another folder with --home or SWEEP_HOME",
                )
            } else {
                Check::ok("results", found)
            }
        }
        Err(error) => Check::new("results", Status::Warn, format!("{place}{new}, free space unknown: {error}"), ""),
    }
}

fn database(path: &Path) -> Check {
    let name = "database";
    let place = path.display();
    let mut header = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Ok(()) if header == *b"SQLite format 3\0" => {
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            Check::ok(name, format!("{place}, {}", binary_bytes(size)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Check::ok(name, format!("{place}, not there yet")),
        // SQLite treats an empty file as a new database.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && path.metadata().is_ok_and(|file| file.len() == 0) => {
            Check::ok(name, format!("{place}, empty"))
        }
        Ok(()) | Err(_) => {
            let why = read.err().filter(|error| error.kind() != ErrorKind::UnexpectedEof);
            let why = why.map_or("this is not an SQLite file".to_owned(), |error| error.to_string());
            let advice = "move it away and run `sweep rebuild`, or choose another with --db or SWEEP_DB";
            Check::new(name, Status::Fail, format!("{place}: {why}"), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_a_limit_leaves_counts() {
        let limit = |bytes, by: &str| Some(Limit { bytes, by: by.to_owned() });
        let (little, cgroup) = (limit(1 << 30, "ulimit -v"), limit(8 << 40, "/sys/fs/cgroup/a/memory.max"));
        let check = memory(&Memory { machine: 16 << 40, together: cgroup.clone(), each: None });
        assert!(
            check.found.ends_with("all workers together may use 8.00 TiB (/sys/fs/cgroup/a/memory.max)"),
            "{check:?}"
        );
        let check = memory(&Memory { machine: 16 << 40, together: cgroup, each: little });
        assert_eq!(check.status, Status::Warn, "{check:?}");
        assert!(check.found.ends_with("each worker may use 1.00 GiB (ulimit -v)"), "{check:?}");
    }

    #[test]
    fn cores_that_are_not_left_to_this_process_are_named() {
        assert_eq!(usable(8, 8), "8 cores");
        assert!(
            usable(2, 8).starts_with("2 of 8 cores (limited by this process's CPU affinity, or"),
            "{}",
            usable(2, 8)
        );
    }

    #[test]
    fn a_database_is_new_or_empty_or_sqlite_or_broken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sweep.db");
        let status = |contents: Option<&[u8]>| {
            if let Some(contents) = contents {
                fs::write(&path, contents).unwrap();
            }
            database(&path).status
        };
        assert_eq!(status(None), Status::Ok);
        assert_eq!(status(Some(b"")), Status::Ok);
        assert_eq!(status(Some(b"SQLite format 3\0 and pages")), Status::Ok);
        assert_eq!(status(Some(b"SQLite")), Status::Fail);
        assert_eq!(status(Some(b"sweep,variant,mode_score")), Status::Fail);
        let folder = database(dir.path());
        assert_eq!(folder.status, Status::Fail);
        assert!(
            !folder.found.contains("not an SQLite file"),
            "a folder is distinguished from a wrong file: {}",
            folder.found
        );
    }

    #[test]
    fn a_home_that_is_not_there_yet_is_well_and_one_below_a_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let inner = home(&dir.path().join("a/b"));
        assert_eq!(inner.status, Status::Ok, "{inner:?}");
        assert!(inner.found.contains("not there yet"), "{inner:?}");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(home(&file.join("results")).status, Status::Fail);
    }

    #[test]
    fn what_is_amiss_with_gpus_says_what_to_do_and_never_fails_a_cpu_machine() {
        assert_eq!(cuda(&CudaPart::NoDriver, 0).status, Status::Ok);
        assert_eq!(cuda(&CudaPart::Loaded, 2).status, Status::Ok);
        for part in [CudaPart::Loaded, CudaPart::NoLibrary, CudaPart::Failed("libcudart.so.13: not found".to_owned())] {
            let check = cuda(&part, 0);
            assert_eq!(check.status, Status::Warn);
            assert!(!check.advice.is_empty());
        }
    }

    #[test]
    fn a_missing_data_set_warns_and_a_broken_one_fails() {
        let dir = tempfile::tempdir().unwrap();
        let check = || data_set(&State::of(FileSet::Mnist, dir.path(), Depth::Quick), dir.path());
        assert_eq!(check().status, Status::Warn);
        fs::write(dir.path().join("t10k-labels-idx1-ubyte"), "<html>").unwrap();
        let broken = check();
        assert_eq!((broken.status, broken.found.as_str()), (Status::Fail, "damaged"));
        assert!(broken.advice.contains("sweep data fetch mnist"), "{}", broken.advice);
    }
}
