//! Writes samples of one job as a file that other programs read.

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

/// The default number of samples.
pub const COUNT: u32 = 1000;
/// The default number of paths from one noise vector to another.
pub const PATHS: u32 = 10;
/// The largest number of images on a sheet.
const SHEET: u32 = 10_000;

/// What to write.
#[derive(Clone, Debug)]
pub struct Request {
    /// A job's id, or its first characters.
    pub job: String,
    /// The file or folder to write. Its name determines the format.
    pub out: PathBuf,
    /// How many samples or paths; by default [`COUNT`] or [`PATHS`].
    pub count: Option<u32>,
    /// Uses the generator after this step; by default the last.
    pub step: Option<u64>,
    /// The seed of the noise; by default, the noise of the job's scores.
    pub seed: Option<u64>,
    /// The job from whose scores the noise is taken.
    pub noise_from: Option<String>,
    /// Writes paths from one noise vector to another, with this many points each.
    pub interpolate: Option<u32>,
    /// Which weights to use, if the job kept a moving average of them.
    pub weights: Weights,
    /// The slot on which to compute.
    pub slot: Slot,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The job.
    pub job: JobId,
    /// The step of its generator.
    pub step: u64,
    /// The number of samples.
    pub samples: usize,
    /// The sizes of the array, if it is one.
    pub shape: Option<Vec<usize>>,
}

/// Writes samples.
///
/// # Errors
///
/// The job has no generator, cannot be trained again, or cannot give what is asked for; or something is missing or
/// cannot be written.
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

/// Returns the job's blueprint, if this program trained it.
fn built_in<'a>(places: &Places, stored: &'a JobDetails) -> Result<&'a BuiltIn, Failure> {
    match &*stored.job.blueprint {
        Blueprint::BuiltIn(blueprint) => Ok(blueprint),
        Blueprint::Own(_) => {
            let folder = job_folder(&places.home.jobs(), stored.id);
            let left = match left_samples(&folder) {
                Some(path) => format!("its samples are in {}", path.display()),
                None => format!("its files are in {}", folder.display()),
            };
            Err(Failure::usage(format!("job {} was trained by your own trainer: {left}", stored.id.short())))
        }
    }
}

/// Determines the format of the file from its name.
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
                "{shown}: cannot write a file ending in .{other}: end the name in .npy, .npz or .png, or name a folder"
            )));
        }
    };
    match format {
        SampleFormat::Folder if !images => {
            Err(Failure::usage(format!("{shown}: single points cannot be drawn: end the name in .npy, .npz or .png")))
        }
        SampleFormat::Folder if is_filled(out) => {
            Err(Failure::usage(format!("{shown} is there already, and not an empty folder: name another one")))
        }
        SampleFormat::Sheet if images && request.count.unwrap_or(0) * request.interpolate.unwrap_or(1) > SHEET => {
            let most = count(SHEET as usize);
            Err(Failure::usage(format!(
                "{shown}: a picture has room for at most {most} images: ask for fewer (-n), or for a folder or an array"
            )))
        }
        format => Ok(format),
    }
}

/// Whether there is something other than an empty folder.
fn is_filled(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}

/// Returns the noise with which another job was scored, for a generator of this one's kind.
fn noise_of(other: &JobDetails, blueprint: &BuiltIn) -> Result<Noise, Failure> {
    let id = other.id.short();
    let Some(its) = other.job.blueprint.built_in() else {
        return Err(Failure::usage(format!("job {id} was trained by your own trainer: its noise is not known")));
    };
    let of = |blueprint: &BuiltIn| (blueprint.model.noise, blueprint.model.noise_distribution);
    if of(its) != of(blueprint) {
        return Err(Failure::usage(format!(
            "job {id} has {} values of {} noise, and this one {} of {}: take the noise of a job with the same kind, \
            or use --seed",
            its.model.noise,
            its.model.noise_distribution.name(),
            blueprint.model.noise,
            blueprint.model.noise_distribution.name()
        )));
    }
    Ok(Noise::Scored { seed: other.job.seed, step: its.train.steps })
}

/// Returns the file with the job's generator, if it saved one.
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
        // If the job diverged, its cohort's file has only the generators of the others.
        if held.iter().any(|job| renamed.get(job).unwrap_or(job) == &stored.id) {
            return absolute(&file).map(Some);
        }
    }
    Ok(None)
}

/// Returns the generator after a step, by training again.
fn again(
    (places, tell): (&Places, &Tell),
    stored: &JobDetails,
    blueprint: &BuiltIn,
    (asked, step): (Option<u64>, u64),
) -> Result<Generator, Failure> {
    let id = stored.id.short();
    if asked.is_none() {
        let why = match stored.status {
            Status::Done => "its generator is no longer there".to_owned(),
            status => format!("it is {status}, and only finished jobs save a generator"),
        };
        return Err(Failure::usage(format!("job {id}: {why}; with --step, it is trained again up to that step")));
    }
    if stored.job.id() != stored.id || !blueprint.is_current() {
        return Err(Failure::usage(format!(
            "job {id} was trained by another version of this program, with which its settings give other results: \
            this version cannot train it again"
        )));
    }
    let data = absolute(&places.data_root()?)?;
    ensure(&data, tell, stored.asked.iter().map(|score| (&blueprint.dataset, &**score)))?;
    tell.say(format!(
        "training job {id} again, alone, up to step {}: generators of earlier steps are not kept",
        count(step as usize)
    ));
    Ok(Generator::Trained { step, data })
}

/// Does the task, and returns the sizes of the array.
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
