//! `sweep agent`: trains on this machine what a run on another one hands out.

use std::num::NonZeroUsize;

use super::slots::SlotArgs;
use super::{Exit, Failure, Global, events};
use sweep_operations::agent::{Request, serve};
use sweep_spec::policy::seconds;

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
    let Args { number, slots, idle, agents_here, time } = args;
    let request = Request { number, slots: slots.choice(), idle, others: agents_here.get() - 1, time };
    serve(&global.places, request, &events::tell())?;
    Ok(Exit::Ok)
}
