//! Tasks: what the program asks of its worker beside training, each a line of JSON on stdin, with answers as lines on stdout.

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

/// What is to be done. A worker does one task after the other, and keeps what it has read for those that follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Say which libtorch there is, and which GPUs it can use: [`Answer::Devices`].
    Devices,
    /// Measure how fast one core is: [`Answer::Speed`].
    Speed {
        /// For so long each.
        milliseconds: u64,
    },
    /// Train a classifier of the data set's own labels, unless there is one: [`Answer::Learning`], and at last [`Answer::Learnt`].
    Learn {
        /// The data set.
        dataset: Dataset,
        /// The folder of data sets.
        data: PathBuf,
    },
    /// Score jobs from what they have left: [`Answer::Seen`] and [`Answer::Event`], and at last [`Answer::Scored`].
    Rescore(Box<Rescore>),
    /// Write samples of a job: [`Answer::Learning`] where it trains for that, and at last [`Answer::Written`].
    Sample(Box<Sample>),
}

/// Samples of a job, and where they go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What the job is.
    pub blueprint: BuiltIn,
    /// Its id.
    pub job: JobId,
    /// Its parameters.
    pub parameters: Parameters,
    /// Its seed.
    pub seed: u64,
    /// What makes the samples.
    pub generator: Generator,
    /// By which of its weights.
    pub weights: Weights,
    /// From which noise.
    pub noise: Noise,
    /// How many; of [paths](Sample::path), how many of these.
    pub count: usize,
    /// Points on a path from one noise vector to another, its ends among them: at least 2.
    pub path: Option<usize>,
    /// The file or folder to write.
    pub out: PathBuf,
    /// What it is to be.
    pub format: SampleFormat,
    /// Where to compute.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
}

/// Where a generator is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generator {
    /// The one that training left.
    Left {
        /// The file.
        file: PathBuf,
        /// What jobs are called that the file may call otherwise.
        renamed: HashMap<JobId, JobId>,
    },
    /// Training, from its start up to a step.
    Trained {
        /// The step.
        step: u64,
        /// The folder of data sets.
        data: PathBuf,
    },
}

/// Noise that samples are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// That from which a job of this seed is scored at a step.
    Scored {
        /// The job's seed.
        seed: u64,
        /// The step.
        step: u64,
    },
    /// Other noise, the same for all jobs.
    Drawn {
        /// What it follows.
        seed: u64,
    },
}

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleFormat {
    /// An array of NumPy, float32 `[n, coordinates]` or `[n, channels, height, width]` in [−1, 1]; of paths `[paths, points, …]`.
    Npy,
    /// The same as `samples`, with the noise `[n, values]` as `noise`.
    Npz,
    /// One picture of them all.
    Sheet,
    /// A folder with a picture of each.
    Folder,
}

/// Jobs of one cohort, and how they are to be scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescore {
    /// What they share.
    pub blueprint: Blueprint,
    /// The generators that training left.
    pub generators: PathBuf,
    /// What jobs are called that this file may call otherwise.
    pub renamed: HashMap<JobId, JobId>,
    /// The folder of what trainers of the user's own keep of their jobs.
    pub kept: PathBuf,
    /// Which scores, and how.
    pub score: Score,
    /// The jobs with their seeds.
    pub jobs: Vec<(JobId, u64)>,
    /// The folder of data sets.
    pub data: PathBuf,
    /// Where to compute.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
}

/// What a worker says of a task. SIGTERM ends the task that it is at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Which libtorch, and which GPUs.
    Devices(Devices),
    /// How fast one core is.
    Speed(Speed),
    /// How far training is.
    Learning {
        /// Steps done.
        step: u64,
        /// Of so many.
        steps: u64,
    },
    /// There is a classifier; what became of its training, where there was none before.
    Learnt(Option<Learnt>),
    /// So many samples of a job have been seen.
    Seen {
        /// Seen.
        seen: usize,
        /// Of so many; 0 while another process is at the same.
        all: usize,
    },
    /// For the log of the scoring.
    Event(Event),
    /// All is scored, or it was ended before.
    Scored {
        /// Whether it came to its end.
        whole: bool,
    },
    /// Samples are written.
    Written {
        /// Sizes, outermost first.
        shape: Vec<usize>,
    },
    /// It cannot be done.
    Failed {
        /// Of which kind.
        fault: Fault,
        /// Why.
        message: String,
    },
}

impl Answer {
    /// Whether nothing more of the task follows.
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
    /// Where it lies, where that can be told.
    pub libtorch: Option<PathBuf>,
    /// Its version.
    pub version: Option<String>,
    /// What became of its CUDA part.
    pub cuda: CudaPart,
    /// GPUs that it can use.
    pub gpus: usize,
}

/// What became of libtorch's CUDA part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CudaPart {
    /// It is loaded.
    Loaded,
    /// This machine has no NVIDIA driver.
    NoDriver,
    /// There is a driver, but this libtorch has no CUDA part.
    NoLibrary,
    /// It is there, and cannot be loaded.
    Failed(String),
}

/// How fast one core is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// 10⁹ floating-point operations a second in products of float32 matrices.
    pub gflops: f64,
    /// 10⁹ bytes a second to and from memory.
    pub gigabytes: f64,
    /// Whether MKL may take its fast path on this processor.
    pub mkl: bool,
}

/// What became of training a classifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// Its weights.
    pub path: PathBuf,
    /// Images that it was not trained on about which it is wrong.
    pub wrong: usize,
    /// Of so many.
    pub of: usize,
}

/// Why something cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// What is asked for makes no sense.
    Usage,
    /// Something is missing or broken here.
    Environment,
    /// The generators of these jobs cannot be used.
    Generators,
    /// The samples that a trainer has left of these jobs cannot be used.
    Samples,
}
