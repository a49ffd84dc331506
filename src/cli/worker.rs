//! `sweep worker`.

use super::{Exit, Failure, Global, logging};
use crate::worker;

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Exit, Failure> {
    logging::of_worker(global.verbose);
    worker::serve().map_err(Failure::environment)?;
    Ok(Exit::Ok)
}
