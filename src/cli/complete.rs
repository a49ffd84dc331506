//! Shell completions and manual pages. A shell asks this program itself, with the variable `COMPLETE`, what may come
//! next. The names of sweeps and ids of jobs are therefore those in the database.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::stderr::say;
use super::stdout::draw;
use super::{Cli, Exit, Failure, Places, keys};
use sweep_operations::database::with_store;
use sweep_spec::metric::Metric;
use sweep_wire::home::Home;

/// The variable with which a shell asks for completions.
const VARIABLE: &str = "COMPLETE";
/// The largest number of jobs that are offered.
const JOBS: u32 = 500;

/// A shell.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

#[derive(clap::Args)]
#[command(after_help = "\
Try it in this shell:
  source <(sweep completions bash)
For every new one:
  echo 'source <(sweep completions bash)' >> ~/.bashrc
  echo 'source <(sweep completions zsh)' >> ~/.zshrc
  sweep completions fish > ~/.config/fish/completions/sweep.fish

Names of sweeps, ids of jobs, scores and keys are completed, too. They come from the database in --home, SWEEP_HOME, \
or the current folder.")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(clap::Args)]
pub(crate) struct ManArgs {
    /// Folder to write them to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Answers a shell that asks what may come next, and then exits.
pub(super) fn answer() {
    if env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).complete();
    }
}

/// Prints a script that makes a shell ask this program.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let shell = shells.completer(name).ok_or_else(|| Failure::internal(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "sweep", "sweep", "sweep", &mut script).map_err(Failure::internal)?;
    draw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

/// Writes a manual page for each command.
pub(crate) fn man(args: &ManArgs) -> Result<Exit, Failure> {
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(&args.folder)?;
        clap_mangen::generate_to(Cli::command(), &args.folder)
    };
    write().map_err(|error| Failure::environment(format!("{}: {error}", args.folder.display())))?;
    say(format!("manual pages are in {}: `man -l {}/sweep.1`", args.folder.display(), args.folder.display()));
    Ok(Exit::Ok)
}

/// Completes names of sweeps.
pub(super) fn sweeps() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = with_store(&place(), |store| async move { store.sweeps().await.map_err(Failure::from) });
        let names = names.unwrap_or_default().into_iter().map(|sweep| (sweep.name, sweep.file));
        beginning(current, names)
    })
}

/// Completes ids of jobs.
pub(super) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let Some(prefix) = current.to_str() else { return Vec::new() };
        let (prefix, place) = (prefix.to_owned(), place());
        let jobs =
            with_store(&place, |store| async move { store.jobs_beginning(&prefix, JOBS).await.map_err(Failure::from) });
        beginning(current, jobs.unwrap_or_default())
    })
}

/// Completes names of scores.
pub(super) fn metrics() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        beginning(current, Metric::ALL.map(|metric| (metric.name().to_owned(), metric.description().help.to_owned())))
    })
}

/// Completes names of keys, objectives, scores and everything else that can be explained.
pub(super) fn explained() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| beginning(current, keys::names()))
}

/// Returns the candidates that start with what was typed. After a comma another one starts.
fn beginning(current: &OsStr, all: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let (before, last) =
        current.rsplit_once(',').map_or(("", current), |(_, last)| (&current[..current.len() - last.len()], last));
    let found = all.into_iter().filter(|(name, _)| name.starts_with(last));
    found.map(|(name, words)| CompletionCandidate::new(format!("{before}{name}")).help(Some(words.into()))).collect()
}

/// Returns where the database is, according to the line that is being completed.
fn place() -> Places {
    let words: Vec<OsString> = env::args_os().skip_while(|word| word != "--").collect();
    let said = |flag: &str, variable: &str| {
        let after = |(at, word): (usize, &OsString)| match word.to_str()?.strip_prefix(flag)? {
            "" => words.get(at + 1).cloned(),
            rest => rest.strip_prefix('=').map(OsString::from),
        };
        let of_line = words.iter().enumerate().find_map(after).filter(|value| !value.is_empty());
        of_line.or_else(|| env::var_os(variable).filter(|value| !value.is_empty()))
    };
    let home = said("--home", "SWEEP_HOME").unwrap_or_else(|| Places::HOME.into());
    Places { home: Home::new(Path::new(&home)), db: said("--db", "SWEEP_DB").map(PathBuf::from), data: None }
}
