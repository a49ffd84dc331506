//! `sweep sample`: writes samples of one job as a file that other programs read.

use std::path::PathBuf;

use super::stderr::say;
use super::table::count;
use super::{Exit, Failure, Global, events};
use sweep_operations::sample::{Request, sample};
use sweep_plan::slot::{Device, Slot};
use sweep_spec::moves::Weights;

#[derive(clap::Args)]
#[command(long_about = "Write samples of a job's generator. By default, they are the first of the samples that were \
    scored. With as many samples, `sweep score` gives the job's scores again, except those of a random part of the \
    samples, which it draws again. Arrays are float32: points [n, coordinates], images [n, channels, height, width] \
    in [−1, 1].")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A job's id, or its first characters
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// Output: an array (.npy), samples and their noise (.npz), one picture of all samples (.png), or a folder with a
    /// picture of each
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// How many samples [default: 1000]; with --interpolate, how many paths [default: 10]
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: Option<u32>,
    /// Use the generator after this step. Only the last one is kept: for another, the job is trained again up to that
    /// step
    #[arg(long, value_name = "STEP")]
    step: Option<u64>,
    /// Seed of the noise. The same seed gives all jobs the same noise
    #[arg(long, value_name = "N", conflicts_with = "noise_from")]
    seed: Option<u64>,
    /// Use the noise from which this job was scored
    #[arg(add = super::complete::jobs(), long, value_name = "JOB")]
    noise_from: Option<String>,
    /// Go from one noise vector to another with this many points, on each of N paths
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(u32).range(2..=1000))]
    interpolate: Option<u32>,
    /// Which weights to use if the job kept a moving average of them: ema or raw
    #[arg(long, value_name = "WHICH", default_value = "ema", value_parser = weights)]
    weights: Weights,
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
}

const AFTER: &str = "\
Examples:
  sweep sample 3f2a -n 10000 -o samples.npy
  sweep sample 3f2a -o sheet.png --interpolate 10
  sweep sample 3f2a -o early.npy --step 2000
  sweep sample 3f2a -o a.npz; sweep sample 9b41 -o b.npz --noise-from 3f2a";

fn weights(text: &str) -> Result<Weights, String> {
    Weights::ALL.into_iter().find(|weights| weights.name() == text).ok_or_else(|| "expected ema or raw".to_owned())
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Args { job, out, count: wanted, step, seed, noise_from, interpolate, weights, device, threads } = args;
    let slot = Slot { device, threads };
    let shown = out.display().to_string();
    let request = Request { job, out, count: wanted, step, seed, noise_from, interpolate, weights, slot };
    let written = sample(&global.places, &request, &events::tell())?;
    let form = written.shape.map_or_else(String::new, |shape| format!(", float32 {shape:?}"));
    let (id, step) = (written.job.short(), count(written.step as usize));
    say(format!("{shown}: {} samples of job {id} at step {step}{form}", count(written.samples)));
    Ok(Exit::Ok)
}
