//! Writes samples of one job, as a file that other programs read.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::computer::{Computer, unexpected};
use crate::database::with_store;
use crate::places::absolute;
use crate::prepare::ensure;
use crate::slots::{check_precision, check_present};
use crate::{Event, Failure, Places, Retraining, Tell};
use sweep_plan::slot::Slot;
use sweep_report::format::count;
use sweep_spec::blueprint::{Blueprint, BuiltIn};
use sweep_spec::id::JobId;
use sweep_spec::moves::Weights;
use sweep_store::{JobDetails, generators_in};
use sweep_wire::home::{job_folder, left_samples};
use sweep_wire::status::Status;
use sweep_wire::task::{Answer, Fault, Generator, Noise, Sample, SampleFormat, Task};

/// Samples where nobody says how many.
pub const COUNT: u32 = 1000;
/// Paths from one noise vector to another where nobody says how many.
pub const PATHS: u32 = 10;
/// Images on a sheet at most.
const SHEET: u32 = 10_000;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// A job's id, or the first characters of it.
    pub job: String,
    /// The file or folder to write; its name says in which format.
    pub out: PathBuf,
    /// How many samples or paths; [`COUNT`] or [`PATHS`] without.
    pub count: Option<u32>,
    /// The generator after this step; the last without.
    pub step: Option<u64>,
    /// By which seed the noise is drawn; the noise of the job's scores without.
    pub seed: Option<u64>,
    /// The job whose scores have the noise that is taken.
    pub noise_from: Option<String>,
    /// Paths from one noise vector to another, with so many points each.
    pub interpolate: Option<u32>,
    /// Which weights, where the job kept a moving average of them.
    pub weights: Weights,
    /// Where to compute.
    pub slot: Slot,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Of this job.
    pub job: JobId,
    /// After this step.
    pub step: u64,
    /// How many samples.
    pub samples: usize,
    /// The sizes of the array, where it is one.
    pub shape: Option<Vec<usize>>,
}

/// Writes samples.
///
/// # Errors
///
/// The job has no generator, cannot be trained again, or cannot do what is asked for; or something is missing or cannot be written.
pub fn sample(places: &Places, request: &Request, tell: &Tell) -> Result<Written, Failure> {
    let (stored, other, renamed) = with_store(places, async |store| {
        let job = async |text: &str| {
            let id = store.find_job(text).await?;
            store.job(id).await
        };
        let other = match &request.noise_from {
            Some(text) => Some(job(text).await?),
            None => None,
        };
        Ok((job(&request.job).await?, other, store.renamed().await?))
    })?;
    let blueprint = built_in(places, &stored)?;
    let format = format(request, blueprint)?;
    let steps = blueprint.train.steps;
    let step = request.step.unwrap_or(steps);
    if step > steps {
        let (id, steps) = (stored.id.short(), count(steps as usize));
        return Err(Failure::usage(format!("job {id} has {steps} steps: ask for one of these with --step")));
    }
    let noise = match (request.seed, &other) {
        (Some(seed), _) => Noise::Drawn { seed },
        (None, Some(other)) => noise_of(other, blueprint)?,
        (None, None) => Noise::Scored { seed: stored.job.seed, step },
    };
    let slots = [request.slot.clone()];
    check_precision(format_args!("job {}", stored.id.short()), "--device", [&*stored.job.blueprint], &slots)?;
    check_present(&slots, tell)?;
    let generator = match generator(places, &stored, &renamed)?.filter(|_| step == steps) {
        Some(file) => Generator::Left { file, renamed },
        None => again((places, tell), &stored, blueprint, (request.step, step))?,
    };
    let paths = request.interpolate;
    let task = Sample {
        blueprint: blueprint.clone(),
        job: stored.id,
        parameters: stored.job.parameters.clone(),
        seed: stored.job.seed,
        generator,
        weights: request.weights,
        noise,
        count: request.count.unwrap_or(if paths.is_some() { PATHS } else { COUNT }) as usize,
        path: paths.map(|points| points as usize),
        out: absolute(&request.out)?,
        format,
        device: request.slot.device,
        threads: request.slot.threads,
    };
    tell.event(Event::Retraining(Retraining::Begun { job: stored.id }));
    let shape = written(task, tell);
    tell.event(Event::Retraining(Retraining::Ended));
    let shape = shape?;
    let of_samples = shape.len() - blueprint.dataset.shape().len();
    let samples = shape[..of_samples].iter().product();
    let shape = match format {
        SampleFormat::Npy | SampleFormat::Npz => Some(shape),
        SampleFormat::Sheet | SampleFormat::Folder => None,
    };
    Ok(Written { job: stored.id, step, samples, shape })
}

/// What the job trains, where this program has trained it.
fn built_in<'a>(places: &Places, stored: &'a JobDetails) -> Result<&'a BuiltIn, Failure> {
    match &*stored.job.blueprint {
        Blueprint::BuiltIn(blueprint) => Ok(blueprint),
        Blueprint::Own(_) => {
            let folder = job_folder(&places.home.jobs(), stored.id);
            let left = match left_samples(&folder) {
                Some(path) => format!("the samples that it has left are in {}", path.display()),
                None => format!("what it keeps is in {}", folder.display()),
            };
            Err(Failure::usage(format!("job {} was trained by a program of yours: {left}", stored.id.short())))
        }
    }
}

/// How the file is to be written, by its name.
fn format(request: &Request, blueprint: &BuiltIn) -> Result<SampleFormat, Failure> {
    let out = &request.out;
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
        SampleFormat::Sheet if images && request.count.unwrap_or(0) * request.interpolate.unwrap_or(1) > SHEET => {
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
    places: &Places,
    stored: &JobDetails,
    renamed: &HashMap<JobId, JobId>,
) -> Result<Option<PathBuf>, Failure> {
    if stored.status != Status::Done {
        return Ok(None);
    }
    let files = stored.attempts.iter().rev().map(|attempt| places.home.run_in(&attempt.directory).generators());
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
    (places, tell): (&Places, &Tell),
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
    let data = absolute(&places.data_root()?)?;
    ensure(&data, tell, stored.asked.iter().map(|score| (&blueprint.dataset, &**score)))?;
    tell.say(format!(
        "training job {id} again, alone, up to step {}: of earlier steps no generator is kept",
        count(step as usize)
    ));
    Ok(Generator::Trained { step, data })
}

/// Has it done. Sizes of the array.
fn written(task: Sample, tell: &Tell) -> Result<Vec<usize>, Failure> {
    let job = task.job;
    let mut computer = Computer::start(tell)?;
    computer.ask(&Task::Sample(Box::new(task)))?;
    loop {
        match computer.answer()? {
            Answer::Learning { step, steps } => tell.event(Event::Retraining(Retraining::Step { step, steps })),
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
