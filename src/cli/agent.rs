//! `sweep agent`: trains on this machine what a run on another machine assigns to it.

use std::num::NonZeroUsize;

use super::slots::SlotArgs;
use super::{Exit, Failure, Global, events};
use sweep_operations::agent::{Request, serve};
use sweep_spec::policy::seconds;

#[derive(clap::Args)]
#[command(
    long_about = "Train on this machine what `sweep run --on …` on another machine assigns to it. Normally that run \
        starts agents itself, through Slurm, ssh, or the command in the sweep file. An agent reads its orders from \
        its folder in the home directory, which all machines share, and reports the state of its workers there. It \
        exits when it is dismissed, when its time is over, or after being idle for a while. On SIGTERM or SIGUSR1, \
        its workers save checkpoints first."
)]
pub(crate) struct Args {
    /// Number of this agent; no two agents may have the same one at a time
    #[arg(long, value_name = "N")]
    number: usize,
    #[command(flatten)]
    slots: SlotArgs,
    /// Exit after being without work for this long (90s, 15m, 2h)
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "5m")]
    idle: f64,
    /// Number of agents that share this machine's memory, including this one
    #[arg(long, value_name = "N", default_value = "1")]
    agents_here: NonZeroUsize,
    /// Be gone after this long; workers are stopped one minute before [default: the time limit that Slurm has set, if
    /// Slurm runs it]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    time: Option<f64>,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { number, slots, idle, agents_here, time } = args;
    let request = Request { number, slots: slots.choice(), idle, others: agents_here.get() - 1, time };
    serve(&global.places, request, &events::tell())?;
    Ok(Exit::Ok)
}
