//! Measures training speed: how many steps a second a cohort makes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::setup::{PrecisionError, TURN, setup};
use sweep_data::{DataError, Idx, Images, Real, Resident};
use sweep_numerics::random::{Purpose, Stream};
use sweep_plan::slot::Slot;
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::job::Job;
use sweep_tensor::threads;
use sweep_train::game::{Member, RealBatch};
use sweep_train::trainer::Trainer;

/// Random images that stand in for a data set.
pub const POOL: usize = 10_000;
/// The first step allocates memory and selects kernels. More steps would take minutes with large networks.
const WARM_UP: u64 = 1;

/// Which time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Wall-clock time.
    Wall,
    /// The processor time of this process: the same if nothing else runs.
    Processor,
}

impl Clock {
    /// Seconds since some fixed moment.
    fn seconds(self) -> f64 {
        let id = match self {
            Clock::Wall => ClockId::Monotonic,
            Clock::Processor => ClockId::ProcessCPUTime,
        };
        let now = clock_gettime(id);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    }
}

/// Why a cohort cannot train.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Its data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device does not support its precision.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
}

/// A cohort in training.
pub struct Bench {
    trainer: Trainer,
    members: usize,
    threads: u32,
    block: u64,
}

impl Bench {
    /// Prepares a cohort of `jobs`, all with the blueprint of the first one, on the threads and device of `slot`, and
    /// runs the first steps. Real images are replaced with [`POOL`] random images in memory that are read the same way;
    /// 2-D points are those of the data set.
    ///
    /// # Errors
    ///
    /// If the data set is not available, or the device does not support the precision.
    ///
    /// # Panics
    ///
    /// If `sweep` itself trains none of the jobs, and whenever libtorch does, for example because memory ran out.
    pub fn new(jobs: &[Job], slot: &Slot) -> Result<Self, BenchError> {
        let blueprint = jobs.first().and_then(|job| job.blueprint.built_in()).expect("a job that this program trains");
        let setup = setup(blueprint, slot.device, slot.threads)?;
        let member = |job: &Job| Member { id: job.id(), parameters: job.parameters.clone(), seed: job.seed };
        let real = real(&blueprint.dataset)?;
        let batch: RealBatch = Arc::new(move |seed, index, out| real.batch(seed, index, out));
        let trainer = Trainer::new(blueprint, jobs.iter().map(member).collect(), batch, setup);
        let mut bench = Bench { trainer, members: jobs.len(), threads: slot.threads, block: 1 };
        bench.advance(WARM_UP);
        let start = Instant::now();
        bench.advance(1);
        let step = start.elapsed().as_secs_f64().max(1e-9);
        bench.block = (TURN.as_secs_f64() / step).ceil() as u64;
        Ok(bench)
    }

    /// Trains for about `time` and returns model-steps (steps times members) per second of `clock`.
    pub fn round(&mut self, time: Duration, clock: Clock) -> f64 {
        threads::limit(self.threads);
        let (start, before, mut steps) = (Instant::now(), clock.seconds(), 0);
        loop {
            self.advance(self.block);
            steps += self.block;
            if start.elapsed() >= time {
                break;
            }
        }
        steps as f64 * self.members as f64 / (clock.seconds() - before)
    }

    /// Steps done so far.
    pub fn steps(&self) -> u64 {
        self.trainer.steps()
    }

    fn advance(&mut self, steps: u64) {
        self.trainer.advance(steps);
    }
}

/// Real samples of `dataset` that need no files.
fn real(dataset: &Dataset) -> Result<Box<dyn Real>, DataError> {
    if !dataset.is_images() {
        let drawn = match dataset {
            Dataset::Gaussians(mixture) => *mixture,
            // Any points will do.
            Dataset::Toy(_)
            | Dataset::Own(_)
            | Dataset::Mnist
            | Dataset::FashionMnist
            | Dataset::Mnist1k
            | Dataset::Cifar10
            | Dataset::Stl10 => Gaussians::normal(dataset.features()),
        };
        return sweep_data::open(&Dataset::Gaussians(drawn), std::path::Path::new(""));
    }
    let stream = Stream::new(0, Purpose::Data, 0);
    let mut pixels = vec![0u32; POOL * dataset.features()];
    stream.fill_below(256, &mut pixels);
    let pixels = pixels.into_iter().map(|pixel| pixel as u8).collect();
    let images = Idx { dims: vec![POOL, dataset.features()], values: pixels };
    let labels = Idx { dims: vec![POOL], values: vec![0; POOL] };
    Ok(Box::new(Resident::new(Images::new(images, labels)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_plan::slot::Device;
    use sweep_spec::sweep::Sweep;

    #[test]
    fn an_unsupported_precision_is_refused() {
        let text = "sweep: s\ndataset: gaussians\nobjective: gan\nmodel: {generator: [8], discriminator: [8]}\n\
                    train: {steps: 10, batch: 4, precision: tf32}";
        let expansion = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap();
        let blueprint = expansion.entries[0].job.blueprint.built_in().unwrap();
        let error = setup(blueprint, Device::Cpu, 1).unwrap_err().to_string();
        assert!(error.contains("`train.precision: tf32` needs a GPU"), "{error}");
    }

    #[test]
    fn every_kind_of_data_trains_without_files() {
        for dataset in ["gaussians", "mnist"] {
            let text = format!(
                "sweep: s\ndataset: {dataset}\nobjective: gan\nseeds: 3\nmodel: {{generator: [8], discriminator: \
                [8]}}\n\
                 train: {{steps: 10, batch: 4}}"
            );
            let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap();
            let jobs: Vec<Job> = expansion.tasks().into_iter().map(|task| task.job).collect();
            let mut bench = Bench::new(&jobs, &Slot { device: Device::Cpu, threads: 1 }).unwrap();
            for clock in [Clock::Wall, Clock::Processor] {
                let before = bench.steps();
                let rate = bench.round(Duration::from_millis(1), clock);
                let steps = (bench.steps() - before) as f64;
                assert!(steps >= 1.0 && rate > 0.0, "{clock:?}: {steps} steps, {rate} a second");
            }
        }
    }
}
