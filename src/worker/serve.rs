//! The worker process: trains one order after another until stdin ends or a signal stops it.

use std::io::{self, BufRead};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::{consts, flag};

use super::cohort::{self, CohortError};
use super::dataset_cache::{DatasetCache, DatasetError};
use super::own;
use super::probe;
use super::report::Report;
use sweep_metrics::Cause;
use sweep_spec::blueprint::Blueprint;
use sweep_tensor::{device, memory};
use sweep_wire::PROTOCOL;
use sweep_wire::event::{Event, Outcome};
use sweep_wire::log::LogError;
use sweep_wire::order::Order;
use sweep_wire::shortage::Shortage;

use sweep_tensor::message::without_frames;

/// Why a worker cannot even report an outcome.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// stdin or a signal handler failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The order cannot be read.
    #[error("{path}: not an order: {message}")]
    Order {
        /// The order.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Signals that stop a worker: from the orchestrator, or from a batch system that does not know it.
const STOP: [i32; 3] = [consts::SIGTERM, consts::SIGUSR1, consts::SIGUSR2];

/// Trains the orders whose paths arrive on stdin, one a line. On SIGTERM, SIGUSR1 or SIGUSR2 it checkpoints the cohort
/// in training and exits.
pub fn serve() -> Result<(), ServeError> {
    let stop = Arc::new(AtomicBool::new(false));
    let idle = Arc::new(AtomicBool::new(false));
    for signal in STOP {
        flag::register(signal, Arc::clone(&stop))?;
        // Between orders there is nothing to save, and a blocking read would not notice the flag.
        flag::register_conditional_shutdown(signal, 0, Arc::clone(&idle))?;
    }
    // The orchestrator handles Ctrl-C in a terminal.
    flag::register(consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
    memory::keep_freed();
    device::init();

    let mut cache = DatasetCache::default();
    let mut stdin = io::stdin().lock();
    while !stop.load(Ordering::Relaxed) {
        let mut line = String::new();
        idle.store(true, Ordering::Relaxed);
        let read = stdin.read_line(&mut line)?;
        idle.store(false, Ordering::Relaxed);
        if read == 0 {
            break;
        }
        serve_order(Path::new(line.trim_end_matches('\n')), &mut cache, &stop)?;
    }
    Ok(())
}

fn serve_order(path: &Path, cache: &mut DatasetCache, stop: &AtomicBool) -> Result<(), ServeError> {
    let unreadable = |message: String| ServeError::Order { path: path.to_owned(), message };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let order: Order = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let mut report = Report::start(&order.events, order.cohort, order.attempt)?;
    let (outcome, message) = if order.protocol == PROTOCOL {
        // libtorch reports errors as panics, including out of memory.
        let serve = || match order.probe_seconds {
            None => match &order.blueprint {
                Blueprint::BuiltIn(blueprint) => {
                    let trained = cohort::train((&order, blueprint), &mut report, cache, stop);
                    trained.map(|outcome| (outcome, String::new()))
                }
                Blueprint::Own(trainer) => own::train((&order, trainer), &mut report, cache, stop),
            },
            Some(seconds) => probe::measure(&order, seconds, &mut report).map(|outcome| (outcome, String::new())),
        };
        match panic::catch_unwind(AssertUnwindSafe(serve)) {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => ended(outcome_of(&error), &error.to_string()),
            Err(panic) => {
                *cache = DatasetCache::default();
                ended(Outcome::Failed, &text_of(panic))
            }
        }
    } else {
        let message = format!("this worker speaks protocol {PROTOCOL}, and the order has protocol {}", order.protocol);
        (Outcome::Refused, message)
    };
    report.append(Event::Ended { outcome, message })?;
    Ok(())
}

/// The outcome to report for an error, with a message for people.
fn ended(outcome: Outcome, message: &str) -> (Outcome, String) {
    let outcome = match (Shortage::told_by(message), outcome) {
        (Some(Shortage::Memory), _) => Outcome::OutOfMemory,
        (Some(Shortage::Space), Outcome::Failed) => Outcome::NoSpace,
        // A checkpoint that is damaged has nothing to do with free space.
        (Some(Shortage::Space) | None, outcome) => outcome,
    };
    (outcome, without_frames(message))
}

fn outcome_of(error: &CohortError) -> Outcome {
    match error {
        CohortError::Dataset(DatasetError::Metric(error)) | CohortError::Metric(error) => match error.cause() {
            Cause::Request => Outcome::Refused,
            Cause::Environment | Cause::Program => Outcome::Failed,
        },
        CohortError::Dataset(DatasetError::Data(_) | DatasetError::Network(_))
        | CohortError::Precision(_)
        | CohortError::Revision { .. } => Outcome::Refused,
        CohortError::Checkpoint(_) | CohortError::Log(_) | CohortError::Sheet(_) | CohortError::Io { .. } => {
            Outcome::Failed
        }
    }
}

/// The message of a panic.
pub(super) fn text_of(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_libtorchs_message() {
        let shape = panic::catch_unwind(|| {
            tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU).mm(&tch::Tensor::zeros([2, 3], tch::kind::FLOAT_CPU))
        });
        let (outcome, message) = ended(Outcome::Failed, &text_of(shape.unwrap_err()));
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(message, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)");

        let huge = panic::catch_unwind(|| tch::Tensor::empty([1 << 60], tch::kind::FLOAT_CPU));
        let (outcome, message) = ended(Outcome::Failed, &text_of(huge.unwrap_err()));
        assert_eq!(outcome, Outcome::OutOfMemory, "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
