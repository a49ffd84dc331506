//! The worker process: one order after another, until stdin ends or a signal says stop.

use std::io::{self, BufRead};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::{consts, flag};

use super::cohort::{self, CohortError};
use super::kit::{Kit, KitError};
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

/// Why a worker can't even report.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// stdin or a signal handler.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An order that can't be read.
    #[error("{path}: not an order: {message}")]
    Order {
        /// The order.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// A log that can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// By these the orchestrator, and a batch system that knows nothing of it, ask a worker to stop.
const STOP: [i32; 3] = [consts::SIGTERM, consts::SIGUSR1, consts::SIGUSR2];

/// Trains the orders whose paths come on stdin, one a line. SIGTERM, SIGUSR1, SIGUSR2: the cohort in training is checkpointed and the process
/// ends.
pub fn serve() -> Result<(), ServeError> {
    let stop = Arc::new(AtomicBool::new(false));
    let idle = Arc::new(AtomicBool::new(false));
    for signal in STOP {
        flag::register(signal, Arc::clone(&stop))?;
        // Between orders there is nothing to save, and a read that waits would not notice the flag.
        flag::register_conditional_shutdown(signal, 0, Arc::clone(&idle))?;
    }
    // A terminal's Ctrl-C is the orchestrator's affair.
    flag::register(consts::SIGINT, Arc::new(AtomicBool::new(false)))?;
    memory::keep_freed();
    device::init();

    let mut kit = Kit::default();
    let mut stdin = io::stdin().lock();
    while !stop.load(Ordering::Relaxed) {
        let mut line = String::new();
        idle.store(true, Ordering::Relaxed);
        let read = stdin.read_line(&mut line)?;
        idle.store(false, Ordering::Relaxed);
        if read == 0 {
            break;
        }
        serve_order(Path::new(line.trim_end_matches('\n')), &mut kit, &stop)?;
    }
    Ok(())
}

fn serve_order(path: &Path, kit: &mut Kit, stop: &AtomicBool) -> Result<(), ServeError> {
    let unreadable = |message: String| ServeError::Order { path: path.to_owned(), message };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let order: Order = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let mut report = Report::start(&order.events, order.cohort, order.attempt)?;
    let (outcome, message) = if order.protocol == PROTOCOL {
        // libtorch's errors are panics, out of memory among them.
        let serve = || match order.probe_seconds {
            None => match &order.blueprint {
                Blueprint::BuiltIn(blueprint) => {
                    let trained = cohort::train((&order, blueprint), &mut report, kit, stop);
                    trained.map(|outcome| (outcome, String::new()))
                }
                Blueprint::Own(trainer) => own::train((&order, trainer), &mut report, kit, stop),
            },
            Some(seconds) => probe::measure(&order, seconds, &mut report).map(|outcome| (outcome, String::new())),
        };
        match panic::catch_unwind(AssertUnwindSafe(serve)) {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => ended(outcome_of(&error), &error.to_string()),
            Err(panic) => {
                *kit = Kit::default();
                ended(Outcome::Failed, &text_of(panic))
            }
        }
    } else {
        let message = format!("this worker speaks protocol {PROTOCOL}, the order protocol {}", order.protocol);
        (Outcome::Refused, message)
    };
    report.append(Event::Ended { outcome, message })?;
    Ok(())
}

/// What to report of an error, in words for a person.
fn ended(outcome: Outcome, message: &str) -> (Outcome, String) {
    let outcome = match (Shortage::told_by(message), outcome) {
        (Some(Shortage::Memory), _) => Outcome::OutOfMemory,
        (Some(Shortage::Space), Outcome::Failed) => Outcome::NoSpace,
        // What must not be read is no matter of space.
        (Some(Shortage::Space) | None, outcome) => outcome,
    };
    (outcome, without_frames(message))
}

fn outcome_of(error: &CohortError) -> Outcome {
    match error {
        CohortError::Kit(KitError::Metric(error)) | CohortError::Metric(error) => match error.cause() {
            Cause::Request => Outcome::Refused,
            Cause::Environment | Cause::Program => Outcome::Failed,
        },
        CohortError::Kit(KitError::Data(_) | KitError::Sight(_))
        | CohortError::Precision(_)
        | CohortError::Revision { .. } => Outcome::Refused,
        CohortError::Checkpoint(_) | CohortError::Log(_) | CohortError::Sheet(_) | CohortError::Io { .. } => {
            Outcome::Failed
        }
    }
}

/// What a panic says.
pub(super) fn text_of(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_libtorch_are_said_in_its_own_words() {
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
