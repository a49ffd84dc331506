//! `sweep worker`.

use super::{Exit, Failure, Global, logging};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Exit, Failure> {
    logging::of_worker(global.verbose);
    sweep_worker::serve().map_err(Failure::environment)?;
    Ok(Exit::Ok)
}
