//! The command line: one file per subcommand, each its arguments and one function.

mod bench;
mod cancel;
mod data;
mod doctor;
mod pause;
mod plan;
mod query;
mod rebuild;
mod report;
mod rescore;
mod retry;
mod run;
mod score;
mod sets;
mod show;
mod status;
mod verify;
mod worker;

mod busy;
mod changed;
mod chosen;
mod classifier;
mod counter;
mod exit;
mod hints;
mod home;
mod inception;
mod load;
mod logging;
mod measure;
mod memory;
mod prepare;
mod progress;
mod reading;
mod scoring;
mod slots;
mod summary;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub(crate) use exit::{Exit, Failure};

/// Sweep grids of small GANs: train them together, score them, compare them
#[derive(Parser)]
#[command(name = "sweep", version, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Where runs, samples and the database are
    #[arg(long, global = true, value_name = "DIR", env = "SWEEP_HOME", default_value = Global::HOME)]
    pub home: PathBuf,
    /// The results database [default: sweep.db in the home directory]
    #[arg(long, global = true, value_name = "FILE", env = "SWEEP_DB")]
    pub db: Option<PathBuf>,
    /// Where the data sets are [default: sweep/data in the user's cache directory]
    #[arg(long, global = true, value_name = "DIR", env = "SWEEP_DATA")]
    pub data: Option<PathBuf>,
    /// More on stderr: -v for debug, -vv for trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Show what would run: jobs, cohorts, slots, memory, predicted time
    Plan(plan::Args),
    /// Run a sweep, or what of it is not done yet
    Run(run::Args),
    /// Show jobs by state and what is running now
    Status(status::Args),
    /// Do not train jobs any more
    Cancel(cancel::Args),
    /// Train jobs after all that have failed or were cancelled
    Retry(retry::Args),
    /// Let a run leave its devices to others for a while
    Pause(pause::PauseArgs),
    /// Let a paused run go on
    Resume(pause::ResumeArgs),
    /// Compare the variants of one or more sweeps
    Report(report::Args),
    /// Run read-only SQL on the results database
    Query(query::Args),
    /// Show one job: its settings, attempts, scores, samples, why it failed
    Show(show::Args),
    /// Train a finished job again, alone, and say whether its scores agree
    Verify(verify::Args),
    /// Score samples that any program made
    Score(Box<score::Args>),
    /// Compute other scores of finished jobs from the generators that they left, without training again
    Rescore(rescore::Args),
    /// List, fetch and verify data sets
    Data(data::Args),
    /// Train or test the network that scores digits
    Classifier(classifier::Args),
    /// Measure how fast the networks of a sweep train here, and how near that is to what the machine can do
    Bench(bench::Args),
    /// Check devices, libtorch, data and database, and say what to do about what doesn't work
    Doctor(doctor::Args),
    /// Recreate the database from the run directories
    Rebuild(rebuild::Args),
    /// Train cohorts by the orders that come on stdin
    #[command(hide = true)]
    Worker(worker::Args),
}

/// Runs the program; the exit codes are those of `Exit`.
pub fn main() -> ExitCode {
    let Cli { global, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Ok.into() };
        }
    };
    hints::remember(&global);
    if !matches!(command, Command::Run(_) | Command::Verify(_) | Command::Worker(_)) {
        logging::to_stderr(global.verbose);
    }
    let result = match command {
        Command::Plan(args) => plan::run(&global, args),
        Command::Run(args) => run::run(&global, args),
        Command::Status(args) => status::run(&global, args),
        Command::Cancel(args) => cancel::run(&global, args),
        Command::Retry(args) => retry::run(&global, args),
        Command::Pause(args) => pause::pause(&global, args),
        Command::Resume(args) => pause::resume(&global, args),
        Command::Report(args) => report::run(&global, args),
        Command::Query(args) => query::run(&global, args),
        Command::Show(args) => show::run(&global, args),
        Command::Verify(args) => verify::run(&global, args),
        Command::Score(args) => score::run(&global, *args),
        Command::Rescore(args) => rescore::run(&global, args),
        Command::Data(args) => data::run(&global, args),
        Command::Classifier(args) => classifier::run(&global, args),
        Command::Bench(args) => bench::run(&global, args),
        Command::Doctor(args) => doctor::run(&global, args),
        Command::Rebuild(args) => rebuild::run(&global, args),
        Command::Worker(args) => worker::run(&global, args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}
