//! The command line: one file per subcommand, each its arguments and one function.

mod agent;
pub mod bench;
mod cancel;
mod data;
mod doctor;
mod export;
mod gc;
mod pause;
mod plan;
mod plan_json;
mod query;
mod rebuild;
mod report;
mod rescore;
mod retry;
mod run;
mod sample;
pub mod score;
mod serve;
mod show;
mod status;
mod verify;

pub mod classifier;
mod complete;
pub mod events;
mod exit;
mod figures;
mod front;
mod hints;
mod init;
mod keys;
mod lease;
pub mod logging;
mod logs;
mod page;
mod policy;
mod progress;
pub mod score_args;
mod slots;
pub mod stderr;
pub mod stdout;
pub mod table;
mod terminal;

use std::ffi::OsStr;
use std::io::stdout;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use signal_hook::consts::SIGXFSZ;

pub use exit::Exit;
use stderr::say;
use stdout::draw;
use sweep_operations::computer::{self, HandedOver};
pub use sweep_operations::{Failure, Places};
use sweep_system::origin;
use sweep_wire::home::Home;

/// The heading above the options of all commands.
const HEADING: &str = "Places and messages";
/// The widest help text, in columns.
const WIDEST: u16 = 100;

/// Train, score and compare sweeps of GANs
#[derive(Parser)]
#[command(name = "sweep", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// The options of all commands.
#[derive(Args)]
struct GlobalArgs {
    /// Directory of runs, samples and the database
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "DIR",
        env = "SWEEP_HOME",
        default_value = Places::HOME,
        value_parser = PathBufValueParser::new().map(Home::new)
    )]
    home: Home,
    /// The results database [default: sweep.db in the home directory]
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE", env = "SWEEP_DB")]
    db: Option<PathBuf>,
    /// Directory of data sets [default: sweep/data in the user's cache directory]
    #[arg(long, global = true, help_heading = HEADING, value_name = "DIR", env = "SWEEP_DATA")]
    data: Option<PathBuf>,
    /// More messages on stderr: -v for debug, -vv for trace
    #[arg(short, long, global = true, help_heading = HEADING, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The parsed options of all commands.
#[derive(Clone, Debug)]
pub struct Global {
    /// Where runs, results and data sets are.
    pub places: Places,
    /// How much is logged; 0 is the default.
    pub verbose: u8,
}

impl From<GlobalArgs> for Global {
    fn from(GlobalArgs { home, db, data, verbose }: GlobalArgs) -> Self {
        Global { places: Places { home, db, data }, verbose }
    }
}

/// A doc comment would replace the `long_about` of the arguments, so commands that have one get `about`.
#[derive(Subcommand)]
enum Command {
    /// Write a sweep file to start from
    Init(init::Args),
    /// Show what would run: jobs, cohorts, slots, memory, predicted time
    Plan(plan::Args),
    /// Run a sweep, or what is not done yet of one
    Run(run::Args),
    /// Show jobs by state, what is running now, and the time left
    Status(status::Args),
    #[command(about = "Serve a live page about runs, for a browser on this machine")]
    Serve(serve::Args),
    /// Cancel a sweep, or some of its jobs
    Cancel(cancel::Args),
    /// Retry failed or cancelled jobs
    Retry(retry::Args),
    #[command(about = "Pause a run: its workers save checkpoints and free their devices")]
    Pause(pause::PauseArgs),
    #[command(about = "Resume a paused run")]
    Resume(pause::ResumeArgs),
    /// Compare the variants of one or more sweeps
    Report(report::Args),
    #[command(about = "Write results for other programs: CSV, Parquet, TensorBoard, MLflow, Weights & Biases")]
    Export(export::Args),
    /// List or explain what a sweep file can contain: keys, objectives, scores
    Keys(keys::Args),
    /// Run read-only SQL on the results database
    Query(query::Args),
    /// Show one job: settings, attempts, scores, samples, and why it failed
    Show(show::Args),
    /// Show what happened to one job, in order; --follow it while it trains
    Logs(logs::Args),
    #[command(about = "Train a finished job again, alone, and compare its scores")]
    Verify(verify::Args),
    #[command(flatten)]
    Computing(Computing),
    #[command(about = "Write samples of a job, or a picture of them")]
    Sample(sample::Args),
    #[command(about = "Compute further scores of finished jobs, without training again")]
    Rescore(rescore::Args),
    /// List, download and verify data sets
    Data(data::Args),
    /// Check devices, libtorch, data and the database, and say how to fix problems
    Doctor(doctor::Args),
    #[command(about = "Show files that are no longer needed, and remove them")]
    Gc(gc::Args),
    #[command(about = "Rebuild the database from the run directories")]
    Rebuild(rebuild::Args),
    /// Print completions for a shell
    Completions(complete::CompletionsArgs),
    /// Write manual pages
    Man(complete::ManArgs),
    #[command(about = "Train on this machine what a run on another machine assigns to it")]
    Agent(agent::Args),
    /// Watch over the agent that started this
    #[command(hide = true)]
    Lease(lease::Args),
}

/// Commands that are handed over to the executable that links libtorch.
#[derive(Subcommand)]
pub enum Computing {
    /// Score samples that any program made
    Score(Box<score::Args>),
    /// Train or test the network that scores digits
    Classifier(classifier::Args),
    /// Measure how fast the networks of a sweep train on this machine
    Bench(bench::Args),
    /// Train cohorts by the orders on stdin
    #[command(hide = true)]
    Worker,
    /// Do the tasks on stdin
    #[command(hide = true)]
    Tasks,
}

/// Reads the command line and the environment.
fn parse() -> Result<Cli, clap::Error> {
    let width = terminal::width(&stdout()).unwrap_or(WIDEST).min(WIDEST);
    let mut command = without_empty(Cli::command().term_width(width.into()));
    Cli::from_arg_matches(&command.try_get_matches_from_mut(std::env::args_os())?)
        .map_err(|error| error.format(&mut command))
}

/// Makes `command` ignore environment variables that are empty.
fn without_empty(command: clap::Command) -> clap::Command {
    let empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|arg| if arg.get_env().is_some_and(empty) { arg.env(None::<&str>) } else { arg });
    command.mut_subcommands(without_empty)
}

/// Prints help, or what is wrong with the command line.
fn told(error: &clap::Error) -> Result<Exit, Failure> {
    let text = error.render();
    if error.use_stderr() {
        say(text.to_string().trim_end());
        return Ok(Exit::Usage);
    }
    draw(&if terminal::colours(&stdout()) { text.ansi().to_string() } else { text.to_string() })?;
    Ok(Exit::Ok)
}

/// Runs the program that was built from these sources. The exit code is that of an `Exit`.
pub fn main(sources: &'static str) -> u8 {
    origin::remember(sources);
    complete::answer();
    run(|global, command| match command {
        Command::Init(args) => init::run(&args),
        Command::Plan(args) => plan::run(global, args),
        Command::Run(args) => run::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Serve(args) => serve::run(global, args),
        Command::Cancel(args) => cancel::run(global, args),
        Command::Retry(args) => retry::run(global, args),
        Command::Pause(args) => pause::pause(global, args),
        Command::Resume(args) => pause::resume(global, args),
        Command::Report(args) => report::run(global, args),
        Command::Export(args) => export::run(global, args),
        Command::Keys(args) => keys::run(global, args),
        Command::Query(args) => query::run(global, args),
        Command::Show(args) => show::run(global, args),
        Command::Logs(args) => logs::run(global, args),
        Command::Verify(args) => verify::run(global, args),
        Command::Computing(command) => hand_over(&command),
        Command::Sample(args) => sample::run(global, args),
        Command::Rescore(args) => rescore::run(global, args),
        Command::Data(args) => data::run(global, args),
        Command::Doctor(args) => doctor::run(global, args),
        Command::Gc(args) => gc::run(global, args),
        Command::Rebuild(args) => rebuild::run(global, args),
        Command::Completions(args) => complete::completions(&args),
        Command::Man(args) => complete::man(&args),
        Command::Agent(args) => agent::run(global, args),
        Command::Lease(args) => lease::run(global, args),
    })
}

/// Runs a command that was handed over to the executable that links libtorch, with `compute`. The exit code is that of
/// an `Exit`.
pub fn computing(sources: &'static str, compute: impl FnOnce(&Global, Computing) -> Result<Exit, Failure>) -> u8 {
    origin::remember(sources);
    run(|global, command| match command {
        Command::Computing(command) => {
            computer::check_origin()?;
            compute(global, command)
        }
        _ => Err(Failure::usage("this executable is a part of sweep: run `sweep`, which lies next to it")),
    })
}

/// Runs this process's command in the executable that links libtorch.
fn hand_over(command: &Computing) -> Result<Exit, Failure> {
    let replaces = matches!(command, Computing::Worker | Computing::Tasks);
    Ok(match computer::hand_over(replaces, &events::tell())? {
        HandedOver::Code(code) => Exit::HandedOver(code),
        HandedOver::Signal(signal) => Exit::Signal(signal),
    })
}

fn run(command: impl FnOnce(&Global, Command) -> Result<Exit, Failure>) -> u8 {
    // With a limit on the size of files (`ulimit -f`), writing then fails with an error that is reported, instead of
    // ending the process.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        return exit::report(Failure::internal(format!("cannot handle SIGXFSZ: {error}"))).code();
    }
    let Cli { global, command: of } = match parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error).unwrap_or_else(exit::report).code(),
    };
    let global = Global::from(global);
    hints::remember(&global.places);
    let own_log = |command: &Command| {
        matches!(
            command,
            Command::Run(_) | Command::Verify(_) | Command::Computing(Computing::Worker | Computing::Tasks)
        )
    };
    if !own_log(&of) {
        logging::to_stderr(global.verbose);
    }
    match command(&global, of) {
        Ok(exit) => exit.code(),
        Err(failure) => exit::report(failure).code(),
    }
}
