//! `sweep lease`.

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;

use super::{Exit, Failure, Global};
use sweep_operations::absolute;
use sweep_run::spool::watch;
use sweep_wire::home::Home;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// So long may the agent that has started this not say that it lives
    #[arg(long, value_name = "S")]
    seconds: f64,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    // A batch system tells all processes to end, and this one does when the agent has.
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
        flag::register(signal, Arc::default()).map_err(Failure::environment)?;
    }
    watch(&Home::new(absolute(global.places.home.path())?), args.seconds).map_err(Failure::environment)?;
    Ok(Exit::Ok)
}
