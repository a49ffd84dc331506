//! `sweep export`: results for other programs.

use std::env;
use std::path::PathBuf;

use super::stderr::say;
use super::{Exit, Failure, Global, events};
use sweep_operations::export::{Exported, Format, Request, export};
use sweep_report::format::plural;

#[derive(clap::Args)]
#[command(
    long_about = "Write results of sweeps for other programs: as tables, for TensorBoard, for an MLflow server, \
    or as \
    offline runs of Weights & Biases. Each job comes with its settings, its scores at each step and its losses. An \
    export \
    to a place that has an earlier one replaces what has changed there, and leaves everything else alone."
)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Sweeps by name [default: the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweeps: Vec<String>,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: To,
    /// Where to write: a folder; for mlflow the address of the server [default for mlflow: MLFLOW_TRACKING_URI]
    #[arg(short, long, value_name = "DIR|URL")]
    out: Option<PathBuf>,
}

const AFTER: &str = "\
Examples:
  sweep export --to csv -o tables                  # results.csv, history.csv, protocols.csv
  sweep export wide narrow --to parquet -o tables  # two sweeps in the same tables
  sweep export --to tensorboard -o tb              # then: tensorboard --logdir tb
  sweep export --to mlflow -o http://localhost:5000
  sweep export --to wandb-offline -o offline       # then: wandb sync offline/offline-run-*

MLflow: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who you are.";

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// Tables as comma-separated values: one row a job, one row a number
    Csv,
    /// The same tables as Parquet; needs a build with `--features parquet`
    Parquet,
    /// Event files, a folder a job
    Tensorboard,
    /// Runs on an MLflow server: an experiment a sweep, a run a job
    Mlflow,
    /// Offline runs for `wandb sync`: a project a sweep, a group a variant, a run a job
    WandbOffline,
}

impl To {
    fn format(self) -> Format {
        match self {
            To::Csv => Format::Csv,
            To::Parquet => Format::Parquet,
            To::Tensorboard => Format::TensorBoard,
            To::Mlflow => Format::Mlflow,
            To::WandbOffline => Format::WandbOffline,
        }
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { sweeps, to, out } = args;
    let out = match out {
        Some(out) => out,
        None if to == To::Mlflow => {
            let address = env::var_os("MLFLOW_TRACKING_URI").filter(|value| !value.is_empty());
            address.map(PathBuf::from).ok_or_else(|| {
                Failure::usage(
                    "--to mlflow needs the address of a server: `-o http://localhost:5000`, or MLFLOW_TRACKING_URI",
                )
            })?
        }
        None => return Err(Failure::usage("--out is not set: name the folder to write to, such as `-o exported`")),
    };
    let shown = out.display().to_string();
    let exported = export(&global.places, &Request { sweeps, format: to.format(), out }, &events::tell())?;
    let Exported { sweeps, written, same, not_begun } = exported;
    let mut line = format!("{shown}: {} of {}", plural(written, "job"), plural(sweeps, "sweep"));
    if same > 0 {
        line += &format!("; {} there already, as they are", plural(same, "job"));
    }
    if not_begun > 0 {
        line += &format!("; {} left out, not begun yet", plural(not_begun, "job"));
    }
    say(line);
    Ok(Exit::Ok)
}
