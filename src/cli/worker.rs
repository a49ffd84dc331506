//! `sweep worker`.

use super::{Exit, Failure, Global, logging};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(global: &Global, _args: Args) -> Result<Exit, Failure> {
    logging::to_stderr(global.verbose);
    Err(Failure::internal("not built yet"))
}
