//! Writes samples of a job to a file for other programs. They come from the saved generator, or from one that is
//! trained again.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::serve::text_of;
use super::setup::{PrecisionError, TURN, setup};
use super::sheet::{self, SheetError};
use sweep_data::{DataError, npy};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::arch::NoiseDistribution;
use sweep_spec::dataset::Dataset;
use sweep_system::whole::{self, NewFile, Survives};
use sweep_tensor::message::without_frames;
use sweep_train::error::CheckpointError;
use sweep_train::game::{Member, RealBatch};
use sweep_train::generators::{self, Generators};
use sweep_train::net::Setup;
use sweep_train::trainer::Trainer;
use sweep_wire::task::{Generator, Noise, Sample, SampleFormat};

/// Images in a row of a sheet of up to a hundred images.
const COLUMNS: usize = 10;

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    /// The saved generator cannot be read.
    #[error(transparent)]
    Generator(#[from] CheckpointError),
    /// Its training data is not available.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device does not support the precision.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// Training diverged before that step.
    #[error("training diverges at step {step}: {message}; ask for an earlier step")]
    Diverged {
        /// The step after which it diverged.
        step: u64,
        /// What was not finite.
        message: String,
    },
    /// The samples cannot be drawn.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// The samples cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// libtorch failed, for example because memory ran out.
    #[error("libtorch: {0}")]
    Torch(String),
}

/// Makes the samples that `work` asks for and writes them, whole or not at all. Returns the shape of the array,
/// outermost first. `progress` gets the training steps done and their total if the job is trained again.
///
/// # Errors
///
/// If there is no generator, or the file cannot be written.
pub(crate) fn sample(work: &Sample, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<usize>, SampleError> {
    // libtorch reports errors as panics.
    panic::catch_unwind(AssertUnwindSafe(|| make(work, progress)))
        .unwrap_or_else(|panic| Err(SampleError::Torch(without_frames(&text_of(panic)))))
}

fn make(work: &Sample, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<usize>, SampleError> {
    let setup = setup(&work.blueprint, work.device, work.threads)?;
    let noise = noise(work);
    let samples = match &work.generator {
        Generator::Left { file, renamed } => {
            Generators::open(file, &work.blueprint, setup, renamed)?.evaluate(work.job, work.weights, &noise)?
        }
        Generator::Trained { step, data } => {
            trained(work, (*step, data), setup, progress)?.evaluate(0, work.weights, &noise)
        }
    };
    let dataset = &work.blueprint.dataset;
    let leading = match work.path {
        None => vec![work.count],
        Some(points) => vec![work.count, points],
    };
    let shape = [&leading, dataset.shape()].concat();
    let of_noise = [&leading[..], &[work.blueprint.model.noise as usize]].concat();
    write(work, (&samples, &shape), (&noise, &of_noise))?;
    Ok(shape)
}

/// Trains the job alone, from the start up to `step`.
fn trained(
    work: &Sample,
    (step, data): (u64, &Path),
    setup: Setup,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Trainer, SampleError> {
    let real = sweep_data::open(&work.blueprint.dataset, data)?;
    let batch: RealBatch = Arc::new(move |seed, index, out| real.batch(seed, index, out));
    let member = Member { id: work.job, parameters: work.parameters.clone(), seed: work.seed };
    let mut trainer = Trainer::new(&work.blueprint, vec![member], batch, setup);
    let mut turn = 1;
    while trainer.steps() < step {
        progress(trainer.steps(), step);
        let start = Instant::now();
        let steps = turn.min(step - trainer.steps());
        if let Some(diverged) = trainer.advance(steps).into_iter().next() {
            return Err(SampleError::Diverged { step: diverged.step, message: diverged.message });
        }
        turn = if start.elapsed() < TURN / 2 { 2 * steps } else { steps };
    }
    progress(step, step);
    Ok(trainer)
}

/// The noise that `work` asks for: row-major `[n, values]`, path by path.
fn noise(work: &Sample) -> Vec<f32> {
    let (values, distribution) = (work.blueprint.model.noise as usize, work.blueprint.model.noise_distribution);
    let stream = match work.noise {
        Noise::Scored { seed, step } => Stream::new(seed, Purpose::Score, step),
        Noise::Drawn { seed } => Stream::new(seed, Purpose::Drawn, 0),
    };
    match work.path {
        None => generators::noise(distribution, &stream, work.count * values),
        Some(points) => {
            let ends = generators::noise(distribution, &stream, 2 * work.count * values);
            let paths = ends.chunks_exact(2 * values).map(|ends| ends.split_at(values));
            paths.flat_map(|(from, to)| path(distribution, from, to, points)).collect()
        }
    }
}

/// Returns `points` points on the path between two vectors, including both. Normal vectors of many values lie near a
/// sphere, and a generator is not trained off it, so the path follows a great circle (White, "Sampling Generative
/// Networks", arXiv 1609.04468, section 2).
fn path(distribution: NoiseDistribution, from: &[f32], to: &[f32], points: usize) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let cosine = dot(from, to) / (dot(from, from) * dot(to, to)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let is_round = distribution == NoiseDistribution::Normal && angle.sin() > 1e-6;
    let at = |point: usize| {
        let t = point as f64 / (points - 1) as f64;
        let (a, b) = match is_round {
            true => (((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()),
            false => (1.0 - t, t),
        };
        from.iter().zip(to).map(move |(&from, &to)| (a * f64::from(from) + b * f64::from(to)) as f32)
    };
    (0..points).flat_map(at).collect()
}

/// A row-major array and its shape.
type Array<'a> = (&'a [f32], &'a [usize]);

fn write(work: &Sample, samples: Array, noise: Array) -> Result<(), SampleError> {
    let (dataset, out) = (&work.blueprint.dataset, &work.out);
    let failed = |source| SampleError::Write { path: out.clone(), source };
    let file = |write: &dyn Fn(&mut NewFile) -> io::Result<()>| {
        let mut file = NewFile::beside(out)?;
        write(&mut file)?;
        file.put(Survives::PowerCut)
    };
    match work.format {
        SampleFormat::Npy => file(&|file| npy::write_f32(file, samples.0, samples.1)).map_err(failed),
        SampleFormat::Npz => {
            let arrays = [("samples", samples.0, samples.1), ("noise", noise.0, noise.1)];
            file(&|file| npy::write_npz(file, &arrays)).map_err(failed)
        }
        SampleFormat::Sheet => {
            let columns = work.path.unwrap_or(COLUMNS.max((work.count as f64).sqrt().ceil() as usize));
            sheet::save(out, &sheet::draw(dataset, samples.0, columns)?.into()).map_err(failed)
        }
        SampleFormat::Folder => pictures(work, dataset, samples.0),
    }
}

/// Writes a picture of each sample to a folder, which gets its name once all are in it.
fn pictures(work: &Sample, dataset: &Dataset, samples: &[f32]) -> Result<(), SampleError> {
    let out = &work.out;
    let failed = |source| SampleError::Write { path: out.clone(), source };
    let mut part = out.clone().into_os_string();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    fs::create_dir_all(&part).map_err(failed)?;
    let all = samples.len() / dataset.features();
    let width = |count: usize| count.saturating_sub(1).to_string().len();
    let name = |place: usize| match work.path {
        None => format!("{place:0width$}.png", width = width(all)),
        Some(points) => {
            let (path, point) = (place / points, place % points);
            format!("{path:0paths$}-{point:0points$}.png", paths = width(work.count), points = width(points))
        }
    };
    let written = samples.chunks_exact(dataset.features()).enumerate().try_for_each(|(place, sample)| {
        let picture = sheet::picture(dataset.shape(), sample);
        sheet::save(&part.join(name(place)), &picture).map_err(failed)
    });
    // An empty folder of that name is replaced.
    let put = || whole::rename(&part, out, Survives::Kill).map_err(failed);
    written.and_then(|()| put()).inspect_err(|_| {
        let _ = fs::remove_dir_all(&part);
    })
}
