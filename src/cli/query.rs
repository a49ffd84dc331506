//! `sweep query`.

use super::{Exit, Failure, Global};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_global: &Global, _args: Args) -> Result<Exit, Failure> {
    Err(Failure::internal("not built yet"))
}
