//! `sweep run`: trains the jobs of one or more sweep files that are not done yet.

use std::env;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::front::Terminal;
use super::hints::command_line;
use super::init::advice;
use super::policy::PolicyArgs;
use super::slots::SlotArgs;
use super::stderr::say;
use super::stdout::print;
use super::terminal::draws;
use super::{Exit, Failure, Global, report};
use sweep_operations::budget::Budget;
use sweep_operations::busy_gpus::BusyGpus;
use sweep_operations::run::agents::{Elsewhere, On};
use sweep_operations::run::{End, Ended, Front, Request, Run};
use sweep_run::Interrupted;
use sweep_system::shell::operands;

/// The flag of a run that is to be detached, and of one that was.
const DETACH: &str = "--detach";
const DETACHED: &str = "--detached";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sweep files; a job that is in several of them trains once
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    slots: SlotArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    /// Seconds between checkpoints; 0 saves one only when a run stops
    #[arg(long, value_name = "S", default_value_t = 60)]
    checkpoint_seconds: u64,
    /// Stop a worker that has been silent for this many seconds, and kill it if it does not stop; 0 never does
    #[arg(long, value_name = "S", default_value_t = 1800)]
    silence_seconds: u64,
    /// Train with agents on other machines that share the home directory: `ssh:HOST,HOSTxN` (N workers there), or
    /// `slurm` or `launch`, as set under `run:` in the sweep file
    #[arg(long, value_name = "WHERE", value_parser = On::parse)]
    on: Option<On>,
    /// With --on: show how agents would be started, ask Slurm whether it would accept them, and start nothing
    #[arg(long, requires = "on")]
    dry_run: bool,
    /// With --on: if the run is interrupted, leave agents at work until their cohorts end; the same command continues
    /// with them [default: at a terminal it asks, otherwise they stop after a checkpoint]
    #[arg(long, requires = "on")]
    keep: bool,
    /// With --on slurm: let Slurm run this command itself, as a job of one core, and return
    #[arg(long, requires = "on")]
    detach: bool,
    /// This is such a job
    #[arg(long, hide = true)]
    detached: bool,
    /// What to do with GPUs in --devices whose memory other programs use
    #[arg(long, value_enum, default_value_t = BusyGpusArg::Leave)]
    busy_gpus: BusyGpusArg,
    /// Train as many seeds of each cell as fit into this time (90s, 15m, 2h, 1d) or these GPU-hours (16gpuh), and then
    /// end; jobs that are already done do not count
    #[arg(long, value_name = "TIME")]
    budget: Option<Budget>,
    /// Train finished jobs again that lack scores of earlier steps (`score.every`); on the CPU the results are
    /// identical to the bit
    #[arg(long)]
    rescore_history: bool,
    /// If another run is at work in the same home directory, wait for it instead of giving up
    #[arg(long)]
    wait: bool,
    /// Serve a page about the run, as `sweep serve` does, on this port or a free one, until the run ends
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    serve: Option<u16>,
    /// Do not print a report at the end
    #[arg(long)]
    no_report: bool,
}

/// What to do about GPUs whose memory others use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum BusyGpusArg {
    /// Do not use them.
    Leave,
    /// Wait until they are free.
    Wait,
    /// Use them anyway.
    Share,
}

impl From<BusyGpusArg> for BusyGpus {
    fn from(arg: BusyGpusArg) -> Self {
        match arg {
            BusyGpusArg::Leave => BusyGpus::Leave,
            BusyGpusArg::Wait => BusyGpus::Wait,
            BusyGpusArg::Share => BusyGpus::Share,
        }
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    if args.files.is_empty() {
        return Err(Failure::usage(advice("run", Path::new("."))));
    }
    let request = Request {
        files: args.files,
        slots: args.slots.choice(),
        policy: args.policy.policy(),
        checkpoint_seconds: args.checkpoint_seconds,
        silence_seconds: args.silence_seconds,
        on: args.on,
        interrupted: interrupted(args.keep || args.detached),
        busy_gpus: args.busy_gpus.into(),
        budget: args.budget,
        rescore_history: args.rescore_history,
        // After its machine was lost, a restarted run may look as if it were still at work for a while.
        wait: args.wait || args.detached,
        page: args.serve,
        again: command_line(),
        successor: if args.detached { Some(detached()?) } else { None },
    };
    let front = Terminal::new(global.verbose);
    let run = Run::read(&global.places, request, front.tell())?;
    if let Some(elsewhere) = run.elsewhere().filter(|_| args.dry_run) {
        return dry_run(elsewhere, args.detach);
    }
    if args.detach && run.elsewhere().is_some() {
        run.detach(&detached()?, front.tell())?;
        return Ok(Exit::Ok);
    }
    let Ended { end, names, results, .. } = &run.train(&front)?;
    let exit = Exit::from(*end);
    match end {
        End::Done | End::JobsFailed => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let judged = if args.no_report { Exit::Ok } else { report::short(global, &names)? };
            say(format!("results: {} (`sweep report {}`)", results.display(), operands(&names)));
            Ok(if exit == Exit::Ok { judged } else { exit })
        }
        End::Stopped(_) | End::HandedOn => Ok(exit),
    }
}

/// Returns what happens to agents when the run is asked to stop. At a terminal, the user is asked.
fn interrupted(keep: bool) -> Interrupted {
    match (keep, draws(&io::stderr()) && io::stdin().is_terminal()) {
        (true, _) => Interrupted::Leave,
        (false, true) => Interrupted::Ask(ask),
        (false, false) => Interrupted::Stop,
    }
}

/// Asks whether agents are to continue.
fn ask() -> bool {
    say("stop agents after a checkpoint [s], or keep them at work until their cohorts end [k]? (Ctrl-C again: stop)");
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    read.is_ok() && line.trim().to_lowercase().starts_with('k')
}

/// Shows how agents are started, and starts none.
fn dry_run(elsewhere: &Elsewhere, detach: bool) -> Result<Exit, Failure> {
    let words = if detach { Some(detached()?) } else { None };
    elsewhere.scripts(words.as_deref()).iter().try_for_each(|text| print(text))?;
    elsewhere.test()?.into_iter().for_each(say);
    Ok(Exit::Ok)
}

/// Returns the command that was typed, for running there.
fn detached() -> Result<Vec<String>, Failure> {
    let program = env::current_exe().map_err(Failure::environment)?;
    let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words = words.filter(|word| word != DETACH && word != DETACHED).chain([DETACHED.to_owned()]);
    Ok(std::iter::once(program.to_string_lossy().into_owned()).chain(words).collect())
}
