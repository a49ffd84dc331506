//! Tasks other than training, which the program sends its worker as lines of JSON on stdin, with answers as lines on
//! stdout.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::Event;
use sweep_plan::slot::Device;
use sweep_spec::blueprint::{Blueprint, BuiltIn, Score};
use sweep_spec::dataset::Dataset;
use sweep_spec::id::JobId;
use sweep_spec::moves::Weights;
use sweep_spec::parameters::Parameters;

/// A task. A worker does one task after the other, and keeps loaded data for later ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Report the libtorch and the GPUs it can use: [`Answer::Devices`].
    Devices,
    /// Measure how fast one core is: [`Answer::Speed`].
    Speed {
        /// Duration of each measurement.
        milliseconds: u64,
    },
    /// Train a classifier on the data set's labels, unless there is one: [`Answer::Learning`], and at the end
    /// [`Answer::Learnt`].
    Learn {
        /// The data set.
        dataset: Dataset,
        /// The folder of data sets.
        data: PathBuf,
    },
    /// Score jobs from their saved generators or samples: [`Answer::Seen`] and [`Answer::Event`], and at the end
    /// [`Answer::Scored`].
    Rescore(Box<Rescore>),
    /// Write samples of a job: [`Answer::Learning`] if it must train first, and at the end [`Answer::Written`].
    Sample(Box<Sample>),
}

/// Samples of a job to write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its blueprint.
    pub blueprint: BuiltIn,
    /// Its id.
    pub job: JobId,
    /// Its parameters.
    pub parameters: Parameters,
    /// Its seed.
    pub seed: u64,
    /// The generator to use.
    pub generator: Generator,
    /// Which of its weights to use.
    pub weights: Weights,
    /// The noise to use.
    pub noise: Noise,
    /// The number of samples, or of [paths](Sample::path).
    pub count: usize,
    /// Points on a path from one noise vector to another, including its ends: at least 2.
    pub path: Option<usize>,
    /// The file or folder to write.
    pub out: PathBuf,
    /// The format to write.
    pub format: SampleFormat,
    /// The device to compute on.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
}

/// The source of a generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// The one that training saved.
    Left {
        /// The file.
        file: PathBuf,
        /// Former job ids in the file, with today's ids.
        renamed: HashMap<JobId, JobId>,
    },
    /// Train from the start up to a step.
    Trained {
        /// The step.
        step: u64,
        /// The folder of data sets.
        data: PathBuf,
    },
}

/// The noise that samples are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The noise used to score a job with this seed at a step.
    Scored {
        /// The job's seed.
        seed: u64,
        /// The step.
        step: u64,
    },
    /// Other noise, the same for all jobs.
    Drawn {
        /// The seed of the noise.
        seed: u64,
    },
}

/// The format of written samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleFormat {
    /// A NumPy array, float32 `[n, coordinates]` or `[n, channels, height, width]` in [−1, 1]; for paths
    /// `[paths, points, …]`.
    Npy,
    /// The same array as `samples`, with the noise `[n, values]` as `noise`.
    Npz,
    /// One picture with all samples.
    Sheet,
    /// A folder with a picture per sample.
    Folder,
}

/// Jobs of one cohort to score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescore {
    /// The blueprint they share.
    pub blueprint: Blueprint,
    /// The generators that training saved.
    pub generators: PathBuf,
    /// Former job ids in this file, with today's ids.
    pub renamed: HashMap<JobId, JobId>,
    /// The folder in which own trainers keep files of their jobs.
    pub kept: PathBuf,
    /// The scores to measure.
    pub score: Score,
    /// The jobs with their seeds.
    pub jobs: Vec<(JobId, u64)>,
    /// The folder of data sets.
    pub data: PathBuf,
    /// The device to compute on.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
}

/// A worker's answer to a task. SIGTERM ends the current task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The libtorch and the GPUs.
    Devices(Devices),
    /// The speed of one core.
    Speed(Speed),
    /// Progress of training.
    Learning {
        /// Steps done.
        step: u64,
        /// Of so many.
        steps: u64,
    },
    /// There is a classifier; with the result of its training if it is new.
    Learnt(Option<Learnt>),
    /// Progress of processing a job's samples.
    Seen {
        /// Samples processed.
        seen: usize,
        /// Samples in all; 0 while another process does the same.
        all: usize,
    },
    /// An event for the rescoring's log.
    Event(Event),
    /// Scoring has ended, complete or not.
    Scored {
        /// Whether it is complete.
        whole: bool,
    },
    /// The samples are written.
    Written {
        /// Sizes, outermost first.
        shape: Vec<usize>,
    },
    /// The task failed.
    Failed {
        /// The kind of failure.
        fault: Fault,
        /// Why.
        message: String,
    },
}

impl Answer {
    /// Whether this is the last answer to the task.
    pub fn is_last(&self) -> bool {
        match self {
            Answer::Devices(_)
            | Answer::Speed(_)
            | Answer::Learnt(_)
            | Answer::Scored { .. }
            | Answer::Written { .. }
            | Answer::Failed { .. } => true,
            Answer::Learning { .. } | Answer::Seen { .. } | Answer::Event(_) => false,
        }
    }
}

/// The libtorch of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// Its path, if known.
    pub libtorch: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// The state of its CUDA part.
    pub cuda: CudaPart,
    /// GPUs that it can use.
    pub gpus: usize,
}

/// The state of libtorch's CUDA part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CudaPart {
    /// It is loaded.
    Loaded,
    /// This machine has no NVIDIA driver.
    NoDriver,
    /// There is a driver, but this libtorch has no CUDA part.
    NoLibrary,
    /// It exists but cannot be loaded.
    Failed(String),
}

/// The speed of one core.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// 10⁹ floating-point operations per second in products of float32 matrices.
    pub gflops: f64,
    /// 10⁹ bytes per second to and from memory.
    pub gigabytes: f64,
    /// Whether MKL may take its fast path on this processor.
    pub mkl: bool,
}

/// The result of training a classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Its weights.
    pub path: PathBuf,
    /// Misclassified test images.
    pub wrong: usize,
    /// Of so many.
    pub of: usize,
}

/// Why a task failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request makes no sense.
    Usage,
    /// Something is missing or broken on this machine.
    Environment,
    /// The generators of these jobs cannot be used.
    Generators,
    /// The samples that a trainer saved for these jobs cannot be used.
    Samples,
}
