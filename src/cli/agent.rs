//! `sweep agent`: trains on this machine what a run on another one hands out.

use std::env;
use std::num::NonZeroUsize;
use std::process::Command;

use super::home::absolute;
use super::on;
use super::progress::say;
use super::reading::block_on;
use super::slots::{SlotArgs, check_present};
use super::table::plural;
use super::terminal::variable;
use super::{Exit, Failure, Global};
use sweep_run::spool::{Agent, serve};
use sweep_spec::policy::seconds;
use sweep_wire::home::Home;

/// So long before its time is over an agent stops by itself, where nobody has told it to: a checkpoint takes seconds.
const NOTICE: f64 = 60.0;

#[derive(clap::Args)]
#[command(long_about = "\
Train on this machine what `sweep run --on …` hands out elsewhere: it starts agents itself, through Slurm, ssh, or the command in the sweep \
file. An agent does what it finds in its folder of the home directory, which all machines share, and says there how its workers are. It exits \
when it is dismissed, when its time is over, or when there has been nothing to do for long; a SIGTERM or SIGUSR1 has its workers checkpoint \
first.")]
pub(crate) struct Args {
    /// Which agent it is; no two have the same number at a time
    #[arg(long, value_name = "N")]
    number: usize,
    #[command(flatten)]
    slots: SlotArgs,
    /// Exit once there has been nothing to do for so long (90s, 15m, 2h)
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "5m")]
    idle: f64,
    /// So many agents on this machine, this one among them, share its memory
    #[arg(long, value_name = "N", default_value = "1")]
    agents_here: NonZeroUsize,
    /// Exit after so long, one minute before [default: what Slurm leaves it, if it is there]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    time: Option<f64>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let home = Home::new(absolute(global.home.path())?);
    let slots = args.slots.slots()?;
    let worker = variable("SWEEP_WORKER");
    if worker.is_none() {
        check_present(&slots)?;
    }
    let limits = args.slots.limits(&slots, args.agents_here.get() - 1, &home)?;
    let host = sweep_run::host();
    let time = args.time.or_else(slurm_time).map(|time| f64::max(time - NOTICE, time / 2.0));
    let agent = Agent {
        delay: on::delay(&home)?,
        number: args.number,
        worker,
        slots,
        kinds: limits.kinds,
        bytes: limits.cpu_bytes,
        job: job(),
        idle: args.idle,
        time,
        host,
        home,
    };
    let (number, host) = (agent.number, agent.host.clone());
    let workers = plural(agent.slots.len(), "worker");
    say(format!("agent {number} on {host}: {workers}, process {}", std::process::id()));
    // Workers die with the thread that starts them: everything runs on this one.
    let why = block_on(async { serve(agent).await.map_err(Failure::environment) })?;
    say(format!("agent {number} on {host} ends: {why}"));
    Ok(Exit::Ok)
}

/// What Slurm calls this job.
fn job() -> Option<String> {
    let of = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    match (of("SLURM_ARRAY_JOB_ID"), of("SLURM_ARRAY_TASK_ID")) {
        (Some(array), Some(task)) => Some(format!("{array}_{task}")),
        _ => of("SLURM_JOB_ID"),
    }
}

/// The seconds that Slurm leaves this job. Asked once: whoever runs the cluster counts such questions.
fn slurm_time() -> Option<f64> {
    let job = env::var("SLURM_JOB_ID").ok()?;
    let output = Command::new("squeue").args(["--noheader", "--format=%L", "--jobs", &job]).output().ok()?;
    left(String::from_utf8_lossy(&output.stdout).trim())
}

/// The seconds in `[days-]hours:minutes:seconds`, `minutes:seconds`; none where there is no limit.
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

    /// As squeue 22.05 prints them.
    #[test]
    fn what_slurm_leaves_is_read() {
        assert_eq!(left("1-02:03:04"), Some(93_784.0));
        assert_eq!((left("2:03:04"), left("59:58"), left("0:09")), (Some(7384.0), Some(3598.0), Some(9.0)));
        assert_eq!((left("UNLIMITED"), left("INVALID"), left("")), (None, None, None));
    }
}
