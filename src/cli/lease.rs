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
    /// Seconds for which the agent that started this may give no sign of life
    #[arg(long, value_name = "S")]
    seconds: f64,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    // A batch system tells all processes to end. This one ends when the agent has ended.
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
        flag::register(signal, Arc::default()).map_err(Failure::environment)?;
    }
    watch(&Home::new(absolute(global.places.home.path())?), args.seconds).map_err(Failure::environment)?;
    Ok(Exit::Ok)
}
