//! The commands that compute with libtorch: the worker, and commands that score, train or measure by themselves.

mod bench;
mod classifier;
mod score;

use sweep_cli::{Computing, Exit, Failure, Global, logging};

/// Runs a command in the executable with libtorch, built from the sources with this hash. Returns the exit code of an
/// `Exit`.
pub fn main(sources: &'static str) -> u8 {
    sweep_cli::computing(sources, run)
}

fn run(global: &Global, command: Computing) -> Result<Exit, Failure> {
    sweep_tensor::device::init();
    match command {
        Computing::Score(args) => score::run(global, *args),
        Computing::Classifier(args) => classifier::run(global, args),
        Computing::Bench(args) => bench::run(global, args),
        Computing::Worker => {
            logging::of_worker(global.verbose);
            sweep_worker::serve().map_err(Failure::environment).map(|()| Exit::Ok)
        }
        Computing::Tasks => {
            logging::of_worker(global.verbose);
            sweep_worker::serve_tasks().map_err(Failure::environment).map(|()| Exit::Ok)
        }
    }
}
