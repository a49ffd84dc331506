//! An agent: trains on this machine what a run on another machine assigns to it.

use std::env;
use std::process::Command;

use crate::database::block_on;
use crate::environment::variable;
use crate::places::absolute;
use crate::run::agents;
use crate::slots::{SlotChoice, check_present};
use crate::{Failure, Places, Tell};
use sweep_report::format::plural;
use sweep_run::spool::{self, Agent};
use sweep_wire::home::Home;

/// An agent stops by itself this many seconds before its time is over, unless it was told to stop before. A checkpoint
/// takes seconds.
const NOTICE: f64 = 60.0;

/// The settings of an agent.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its number. No two agents have the same number at a time.
    pub number: usize,
    /// The slots on which it trains.
    pub slots: SlotChoice,
    /// Seconds without work after which it exits.
    pub idle: f64,
    /// Other agents on this machine, which share its memory.
    pub others: usize,
    /// Seconds after which it must be gone; `None`: the time limit that Slurm has set, if Slurm runs it.
    pub time: Option<f64>,
}

/// Trains until it is dismissed, its time is over, or it has had no work for too long. Must be called on a thread that
/// lives as long as the process.
///
/// # Errors
///
/// Something is missing or broken.
pub fn serve(places: &Places, request: Request, tell: &Tell) -> Result<(), Failure> {
    let home = Home::new(absolute(places.home.path())?);
    let slots = request.slots.slots(tell)?;
    let worker = variable("SWEEP_WORKER");
    if worker.is_none() {
        check_present(&slots, tell)?;
    }
    let limits = request.slots.limits(&slots, request.others, &home)?;
    let host = sweep_run::host();
    let time = request.time.or_else(slurm_time).map(|time| f64::max(time - NOTICE, time / 2.0));
    let agent = Agent {
        delay: agents::delay(&home)?,
        number: request.number,
        worker,
        slots,
        kinds: limits.kinds,
        bytes: limits.cpu_bytes,
        job: job(),
        idle: request.idle,
        time,
        host,
        home,
    };
    let (number, host) = (agent.number, agent.host.clone());
    let workers = plural(agent.slots.len(), "worker");
    tell.say(format!("agent {number} on {host}: {workers}, process {}", std::process::id()));
    // Workers die with the thread that starts them, so everything runs on this one.
    let why = block_on(async { spool::serve(agent).await.map_err(Failure::environment) })?;
    tell.say(format!("agent {number} on {host} ends: {why}"));
    Ok(())
}

/// Returns Slurm's name for this job.
fn job() -> Option<String> {
    let of = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match (of("SLURM_ARRAY_JOB_ID"), of("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(task)) => Some(format!("{array}_{task}")),
        _ => of("SLURM_JOB_ID"),
    }
}

/// Returns the seconds that Slurm leaves this job. Asked only once: operators of clusters count such questions.
fn slurm_time() -> Option<f64> {
    let job = env::var("SLURM_JOB_ID").ok()?;
    let output = Command::new("squeue").args(["--noheader", "--format=%L", "--jobs", &job]).output().ok()?;
    left(String::from_utf8_lossy(&output.stdout).trim())
}

/// Parses `[days-]hours:minutes:seconds` or `minutes:seconds` into seconds; `None` if there is no limit.
fn left(text: &str) -> Option<f64> {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (days.parse::<u32>().ok()?, rest),
        None => (0, text),
    };
    let parts = rest.split(':').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<u32>>>()?;
    let seconds = match parts[..] {
        [hours, minutes, seconds] => 3600 * hours + 60 * minutes + seconds,
        [minutes, seconds] => 60 * minutes + seconds,
        _ => return None,
    };
    Some(f64::from(days) * 86_400.0 + f64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of squeue 22.05.
    #[test]
    fn what_slurm_leaves_is_read() {
        assert_eq!(left("1-02:03:04"), Some(93_784.0));
        assert_eq!((left("2:03:04"), left("59:58"), left("0:09")), (Some(7384.0), Some(3598.0), Some(9.0)));
        assert_eq!((left("UNLIMITED"), left("INVALID"), left("")), (None, None, None));
    }
}
