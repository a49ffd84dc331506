//! How agents are started: by a batch system, on hosts, or by a command of the user's.

use std::collections::HashMap;
use std::path::PathBuf;

use super::fleet::Queue;
use sweep_wire::home::Home;

/// Starts agents. Its calls take seconds and are made in parallel with the run.
pub trait Launcher: Send + Sync {
    /// Returns its name for people: `Slurm`.
    fn name(&self) -> &str;

    /// Returns the seconds between two checks of requests. Operators of clusters count them.
    fn look_seconds(&self) -> f64 {
        60.0
    }

    /// Whether an agent that was ended from outside may be started again without a new request.
    fn starts_again(&self) -> bool {
        false
    }

    /// Returns the file of the messages of the agent with this number in `home`.
    fn log(&self, home: &Home, number: usize) -> PathBuf {
        home.agent(number).log()
    }

    /// Starts agents with these numbers. Returns a handle for each.
    ///
    /// # Errors
    ///
    /// None of them was started. The error says why in words.
    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String>;

    /// Returns the states of these agents. Those that are missing have ended.
    ///
    /// # Errors
    ///
    /// Their states are not known. The error says why in words.
    fn look(&self, handles: &[String]) -> Result<HashMap<String, Queue>, String>;

    /// Ends these, whether they have started or not.
    fn cancel(&self, handles: &[String]);
}
