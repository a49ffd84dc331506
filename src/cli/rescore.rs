//! `sweep rescore`: computes further scores of finished jobs from their saved generators.

use serde_json::json;

use super::score_args::ScoreArgs;
use super::stdout::print_json;
use super::{Exit, Failure, Global, events};
use sweep_operations::rescore::{Request, Rescored, rescore};
use sweep_operations::run::End;
use sweep_plan::slot::Device;
use sweep_spec::metric::Metric;

#[derive(clap::Args)]
#[command(long_about = "Compute further scores of finished jobs from their saved generators \
    (runs/<cohort>/generators.safetensors), without training again. The samples are those that were scored at the \
    last step, so the same settings give the same values. If the settings differ, reports show the new values until \
    the sweep's file is run again; earlier values stay in the database. `sweep rebuild` restores the new scores, too.")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Name of a sweep [default: the one that was run last]
    #[arg(add = super::complete::sweeps(), value_name = "SWEEP")]
    sweep: Option<String>,
    /// Only these of its jobs: ids, or their first characters
    #[arg(add = super::complete::jobs(), long = "job", value_name = "ID,…", value_delimiter = ',')]
    jobs: Vec<String>,
    /// Scores [default: those of each job]
    #[arg(
        add = super::complete::metrics(),
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        value_parser = super::report::metric
    )]
    metrics: Option<Vec<Metric>>,
    /// Device: `cpu` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// CPU threads
    #[arg(
        long,
        value_name = "N",
        env = "SWEEP_THREADS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    threads: u32,
    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
    /// Samples of each generator
    #[arg(long, value_name = "N", help_heading = HOW, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    samples: Option<u32>,
    #[command(flatten, next_help_heading = HOW)]
    how: ScoreArgs,
}

const HOW: &str = "Settings of scores, by default those of each job";

const AFTER: &str = "\
Examples:
  sweep rescore --metrics precision,recall,frechet
  sweep rescore quickstart --samples 50000
  sweep rescore cifar10 --metrics frechet --classifier inception --device cuda:0";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { sweep, jobs, metrics, device, threads, json, samples, how } = args;
    let request = Request { sweep, jobs, metrics, samples, settings: how.0, device, threads };
    let rescored = rescore(&global.places, &request, &events::tell())?;
    if json && !matches!(rescored.end, End::Stopped(_)) {
        print_json(&as_json(&rescored))?;
    }
    Ok(rescored.end.into())
}

fn as_json(Rescored { sweep, jobs, scores, seconds, failed, without_generator, .. }: &Rescored) -> String {
    let document = json!({
        "sweep": sweep, "jobs": jobs, "scores": scores, "seconds": seconds, "failed": failed,
        "without_generator": without_generator
    });
    format!("{document:#}\n")
}
