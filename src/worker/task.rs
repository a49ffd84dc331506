//! Tasks of a worker other than training. They arrive on stdin, one after the other.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::{consts, flag};

use super::dataset_cache::DatasetCache;
use super::rescore::{RescoreError, Rescoring, Source, rescore};
use super::sample::{SampleError, sample};
use super::scoring_network;
use sweep_metrics::Cause;
use sweep_spec::blueprint::Blueprint;
use sweep_spec::dataset::Dataset;
use sweep_tensor::{bench, device, memory};
use sweep_wire::log::LogError;
use sweep_wire::task::{Answer, CudaPart, Devices, Fault, Learnt, Rescore, Sample, Speed, Task};

/// Runs the tasks that arrive on stdin until it ends. SIGTERM ends the current task.
///
/// # Errors
///
/// If a line is not a task, or nobody reads the answers.
pub fn serve_tasks() -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    flag::register(consts::SIGTERM, Arc::clone(&stop))?;
    // Ctrl-C in a terminal is for the process that started this one.
    flag::register(consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
    memory::keep_freed();
    device::init();
    let answers = Answers::take()?;
    let mut cache = DatasetCache::default();
    for line in io::stdin().lock().lines() {
        let task = serde_json::from_str(&line?)?;
        match task {
            Task::Devices => answers.say(&Answer::Devices(devices()))?,
            Task::Speed { milliseconds } => {
                let time = Duration::from_millis(milliseconds);
                let (gflops, gigabytes) = (bench::sgemm_gflops(time), bench::memory_gigabytes(time));
                answers.say(&Answer::Speed(Speed { gflops, gigabytes, mkl: bench::mkl_is_told() }))?;
            }
            Task::Learn { dataset, data } => {
                let answer = learn(&dataset, &data, &answers);
                answers.say(&answer)?;
            }
            Task::Sample(work) => {
                let answer = sampled(&work, &answers);
                answers.say(&answer)?;
            }
            Task::Rescore(work) => {
                let answer = scored(&work, &mut cache, &stop, &answers);
                answers.say(&answer)?;
            }
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

/// The original stdout, where answers go. What libraries print to stdout goes to stderr instead.
struct Answers(File);

impl Answers {
    fn take() -> io::Result<Answers> {
        let out = rustix::io::dup(rustix::stdio::stdout())?;
        rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
        Ok(Answers(out.into()))
    }

    fn say(&self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        (&self.0).write_all(&line)
    }
}

fn failed(fault: Fault, error: impl ToString) -> Answer {
    Answer::Failed { fault, message: error.to_string() }
}

fn devices() -> Devices {
    let cuda = match device::init() {
        device::CudaPart::Loaded => CudaPart::Loaded,
        device::CudaPart::NoDriver => CudaPart::NoDriver,
        device::CudaPart::NoLibrary => CudaPart::NoLibrary,
        device::CudaPart::Failed(why) => CudaPart::Failed(why.clone()),
    };
    let (libtorch, version) = (device::libtorch(), device::libtorch_version());
    Devices { libtorch, version, cuda, gpus: device::cuda_devices() }
}

fn learn(dataset: &Dataset, data: &Path, answers: &Answers) -> Answer {
    let real = match sweep_data::open(dataset, data) {
        Ok(real) => real,
        Err(error) => return failed(Fault::Environment, error),
    };
    // If nobody reads the progress, the final answer notices.
    let learnt = scoring_network::train_classifier(dataset, &*real, data, |progress| {
        let _ = answers.say(&Answer::Learning { step: progress.step, steps: progress.steps });
    });
    match learnt {
        Ok(learnt) => {
            Answer::Learnt(learnt.map(|scoring_network::TrainedClassifier { path, errors: (wrong, of) }| Learnt {
                path,
                wrong,
                of,
            }))
        }
        Err(error) => failed(Fault::Environment, error),
    }
}

fn scored(work: &Rescore, cache: &mut DatasetCache, stop: &AtomicBool, answers: &Answers) -> Answer {
    let rescoring = Rescoring {
        source: match &work.blueprint {
            Blueprint::BuiltIn(blueprint) => {
                Source::Generators { blueprint, file: &work.generators, renamed: &work.renamed }
            }
            Blueprint::Own(own) => Source::Left { own, jobs: &work.kept },
        },
        score: &work.score,
        jobs: &work.jobs,
        data: &work.data,
        device: work.device,
        threads: work.threads,
    };
    let mut watch = |seen, all| match answers.say(&Answer::Seen { seen, all }) {
        Ok(()) if !stop.load(Ordering::Relaxed) => ControlFlow::Continue(()),
        Ok(()) | Err(_) => ControlFlow::Break(()),
    };
    let mut report =
        |event| answers.say(&Answer::Event(event)).map_err(|source| LogError::Io { path: "stdout".into(), source });
    match rescore(&rescoring, cache, &mut watch, &mut report) {
        Ok(whole) => Answer::Scored { whole },
        Err(error) => failed(fault(&error), error),
    }
}

fn sampled(work: &Sample, answers: &Answers) -> Answer {
    // If nobody reads the progress, the final answer notices.
    let mut progress = |step, steps| {
        let _ = answers.say(&Answer::Learning { step, steps });
    };
    match sample(work, &mut progress) {
        Ok(shape) => Answer::Written { shape },
        Err(error) => {
            let fault = match error {
                SampleError::Precision(_) | SampleError::Diverged { .. } => Fault::Usage,
                SampleError::Generator(_) => Fault::Generators,
                SampleError::Data(_) | SampleError::Sheet(_) | SampleError::Write { .. } | SampleError::Torch(_) => {
                    Fault::Environment
                }
            };
            failed(fault, error)
        }
    }
}

fn fault(error: &RescoreError) -> Fault {
    match error {
        RescoreError::Generators(_) => Fault::Generators,
        RescoreError::Samples(_) => Fault::Samples,
        RescoreError::Metric(error) => match error.cause() {
            Cause::Request => Fault::Usage,
            Cause::Environment | Cause::Program => Fault::Environment,
        },
        RescoreError::Precision(_) => Fault::Usage,
        RescoreError::Dataset(_) | RescoreError::Log(_) | RescoreError::Torch(_) => Fault::Environment,
    }
}
