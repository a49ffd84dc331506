//! `sweep sample`: samples of one job, as a file that other programs read.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::computer::{Computer, unexpected};
use super::home::absolute;
use super::prepare::ensure;
use super::progress::say;
use super::reading::{failure, with_store};
use super::slots::{check_precision, check_present};
use super::steps::StepsBar;
use super::table::count;
use super::{Exit, Failure, Global};
use sweep_plan::slot::{Device, Slot};
use sweep_spec::blueprint::{Blueprint, BuiltIn};
use sweep_spec::id::JobId;
use sweep_spec::moves::Weights;
use sweep_store::{JobDetails, generators_in};
use sweep_wire::home::{job_folder, left_samples};
use sweep_wire::status::Status;
use sweep_wire::task::{Answer, Fault, Generator, Noise, Sample, SampleFormat, Task};

/// Samples where nobody says how many; and paths.
const COUNT: u32 = 1000;
const PATHS: u32 = 10;
/// Images on a sheet at most.
const SHEET: u32 = 10_000;

#[derive(clap::Args)]
#[command(long_about = "\
Write samples of a job's generator. Unless told otherwise, they are the first of those that were scored: of as many, `sweep score` gives the job's scores \
again, but for those of a part of them, which it draws anew. Arrays are float32: points [n, coordinates], images [n, channels, height, width] in [−1, 1].")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// A job's id, or the first characters of it
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// Where to write: an array (.npy), samples and their noise (.npz), one picture of all (.png), or a folder with a picture of each
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// How many samples [default: 1000]; with --interpolate, how many paths [default: 10]
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    count: Option<u32>,
    /// The generator after this step. Only the last one is kept: for another, the job is trained again up to there
    #[arg(long, value_name = "STEP")]
    step: Option<u64>,
    /// Draw the noise by this seed. The same seed gives all jobs the same noise
    #[arg(long, value_name = "N", conflicts_with = "noise_from")]
    seed: Option<u64>,
    /// Take the noise from which this job was scored
    #[arg(add = super::complete::jobs(), long, value_name = "JOB")]
    noise_from: Option<String>,
    /// Go from one noise vector to another with so many points, on each of N paths
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(u32).range(2..=1000))]
    interpolate: Option<u32>,
    /// Which weights, where the job kept a moving average of them: ema or raw
    #[arg(long, value_name = "WHICH", default_value = "ema", value_parser = weights)]
    weights: Weights,
    /// Where to compute: `cpu` or `cuda:N`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// CPU threads
    #[arg(long, value_name = "N", env = "SWEEP_THREADS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
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
    let (stored, other, renamed) = with_store(global, async |store| {
        let job = async |text: &str| {
            let id = store.find_job(text).await.map_err(failure)?;
            store.job(id).await.map_err(failure)
        };
        let other = match &args.noise_from {
            Some(text) => Some(job(text).await?),
            None => None,
        };
        Ok((job(&args.job).await?, other, store.renamed().await.map_err(failure)?))
    })?;
    let blueprint = built_in(global, &stored)?;
    let format = format(&args, blueprint)?;
    let steps = blueprint.train.steps;
    let step = args.step.unwrap_or(steps);
    if step > steps {
        let (id, steps) = (stored.id.short(), count(steps as usize));
        return Err(Failure::usage(format!("job {id} has {steps} steps: ask for one of these with --step")));
    }
    let noise = match (args.seed, &other) {
        (Some(seed), _) => Noise::Drawn { seed },
        (None, Some(other)) => noise_of(other, blueprint)?,
        (None, None) => Noise::Scored { seed: stored.job.seed, step },
    };
    let slots = [Slot { device: args.device, threads: args.threads }];
    check_precision(format_args!("job {}", stored.id.short()), "--device", [&*stored.job.blueprint], &slots)?;
    check_present(&slots)?;
    let generator = match generator(global, &stored, &renamed)?.filter(|_| step == steps) {
        Some(file) => Generator::Left { file, renamed },
        None => again(global, &stored, blueprint, (args.step, step))?,
    };
    let task = Sample {
        blueprint: blueprint.clone(),
        job: stored.id,
        parameters: stored.job.parameters.clone(),
        seed: stored.job.seed,
        generator,
        weights: args.weights,
        noise,
        count: args.count.unwrap_or(if args.interpolate.is_some() { PATHS } else { COUNT }) as usize,
        path: args.interpolate.map(|points| points as usize),
        out: absolute(&args.out)?,
        format,
        device: args.device,
        threads: args.threads,
    };
    let shape = written(task, stored.id)?;
    let n = shape.len() - blueprint.dataset.shape().len();
    let samples = count(shape[..n].iter().product());
    let form = match format {
        SampleFormat::Npy | SampleFormat::Npz => format!(", float32 {shape:?}"),
        SampleFormat::Sheet | SampleFormat::Folder => String::new(),
    };
    let (out, id, step) = (args.out.display(), stored.id.short(), count(step as usize));
    say(format!("{out}: {samples} samples of job {id} at step {step}{form}"));
    Ok(Exit::Ok)
}

/// What the job trains, where this program has trained it.
fn built_in<'a>(global: &Global, stored: &'a JobDetails) -> Result<&'a BuiltIn, Failure> {
    match &*stored.job.blueprint {
        Blueprint::BuiltIn(blueprint) => Ok(blueprint),
        Blueprint::Own(_) => {
            let folder = job_folder(&global.home.jobs(), stored.id);
            let left = match left_samples(&folder) {
                Some(path) => format!("the samples that it has left are in {}", path.display()),
                None => format!("what it keeps is in {}", folder.display()),
            };
            Err(Failure::usage(format!("job {} was trained by a program of yours: {left}", stored.id.short())))
        }
    }
}

/// How the file is to be written, by its name.
fn format(args: &Args, blueprint: &BuiltIn) -> Result<SampleFormat, Failure> {
    let out = &args.out;
    let shown = out.display();
    let images = blueprint.dataset.is_images();
    let format = match out.extension().and_then(|ending| ending.to_str()) {
        _ if out.is_dir() => SampleFormat::Folder,
        Some("npy") => SampleFormat::Npy,
        Some("npz") => SampleFormat::Npz,
        Some("png") => SampleFormat::Sheet,
        None => SampleFormat::Folder,
        Some(other) => {
            return Err(Failure::usage(format!(
                "{shown}: nothing is written as .{other}: end the name in .npy, .npz or .png, or name a folder"
            )));
        }
    };
    match format {
        SampleFormat::Folder if !images => Err(Failure::usage(format!(
            "{shown}: points have no pictures of their own: end the name in .npy, .npz or .png"
        ))),
        SampleFormat::Folder if is_filled(out) => {
            Err(Failure::usage(format!("{shown} is there already, and not an empty folder: name another one")))
        }
        SampleFormat::Sheet if images && args.count.unwrap_or(0) * args.interpolate.unwrap_or(1) > SHEET => {
            let most = count(SHEET as usize);
            Err(Failure::usage(format!(
                "{shown}: a picture holds {most} images at most: ask for fewer (-n), or for a folder or an array"
            )))
        }
        format => Ok(format),
    }
}

/// Whether something is there that is no empty folder.
fn is_filled(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}

/// The noise from which another job was scored, for a generator of this one's kind.
fn noise_of(other: &JobDetails, blueprint: &BuiltIn) -> Result<Noise, Failure> {
    let id = other.id.short();
    let Some(its) = other.job.blueprint.built_in() else {
        return Err(Failure::usage(format!("job {id} was trained by a program of yours: its noise is not known")));
    };
    let of = |blueprint: &BuiltIn| (blueprint.model.noise, blueprint.model.noise_distribution);
    if of(its) != of(blueprint) {
        return Err(Failure::usage(format!(
            "job {id} has {} values of {} noise, and this one {} of {}: take noise of a job with the same, or --seed",
            its.model.noise,
            its.model.noise_distribution.name(),
            blueprint.model.noise,
            blueprint.model.noise_distribution.name()
        )));
    }
    Ok(Noise::Scored { seed: other.job.seed, step: its.train.steps })
}

/// The file with the job's generator, if it has left one.
fn generator(
    global: &Global,
    stored: &JobDetails,
    renamed: &HashMap<JobId, JobId>,
) -> Result<Option<PathBuf>, Failure> {
    if stored.status != Status::Done {
        return Ok(None);
    }
    let files = stored.attempts.iter().rev().map(|attempt| global.home.run_in(&attempt.directory).generators());
    for file in files {
        let held = match generators_in(&file) {
            Ok(held) => held,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::environment(format!("{}: {error}", file.display()))),
        };
        // A cohort in which the job diverged has left those of the others.
        if held.iter().any(|job| renamed.get(job).unwrap_or(job) == &stored.id) {
            return absolute(&file).map(Some);
        }
    }
    Ok(None)
}

/// The generator after a step, by training again.
fn again(
    global: &Global,
    stored: &JobDetails,
    blueprint: &BuiltIn,
    (asked, step): (Option<u64>, u64),
) -> Result<Generator, Failure> {
    let id = stored.id.short();
    if asked.is_none() {
        let why = match stored.status {
            Status::Done => "its generator is not there any more".to_owned(),
            status => format!("it is {status}, and only jobs that are done leave a generator"),
        };
        return Err(Failure::usage(format!("job {id}: {why}: with --step it is trained again up to that step")));
    }
    if stored.job.id() != stored.id || !blueprint.is_current() {
        return Err(Failure::usage(format!(
            "job {id} was trained by another version of this program, in which its settings meant other numbers: this one cannot train it again"
        )));
    }
    let data = absolute(&global.data_root()?)?;
    ensure(&data, stored.asked.iter().map(|score| (&blueprint.dataset, &**score)))?;
    say(format!(
        "training job {id} again, alone, up to step {}: of earlier steps no generator is kept",
        count(step as usize)
    ));
    Ok(Generator::Trained { step, data })
}

/// Has it done, and shows how far training is. Sizes of the array.
fn written(task: Sample, job: JobId) -> Result<Vec<usize>, Failure> {
    let mut bar = StepsBar::new(format!("job {}", job.short()));
    let mut computer = Computer::start()?;
    computer.ask(&Task::Sample(Box::new(task)))?;
    loop {
        match computer.answer()? {
            Answer::Learning { step, steps } => bar.at(step, steps),
            Answer::Written { shape } => return Ok(shape),
            Answer::Failed { fault, message } => {
                return Err(match fault {
                    Fault::Usage => Failure::usage(format!("job {}: {message}", job.short())),
                    Fault::Environment | Fault::Generators | Fault::Samples => Failure::environment(message),
                });
            }
            other => return Err(unexpected(&other)),
        }
    }
}
