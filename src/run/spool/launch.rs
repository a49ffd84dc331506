//! How agents are started: by a batch system, on hosts, or by a command of the user's own.

use std::collections::HashMap;
use std::path::PathBuf;

use super::fleet::Queue;
use sweep_wire::home::Home;

/// Starts agents. What it does takes seconds, and is done beside the run.
pub trait Launcher: Send + Sync {
    /// What starts them, for people: `Slurm`.
    fn name(&self) -> &str;

    /// Seconds between two looks at what was asked for; whoever runs a cluster counts them.
    fn look_seconds(&self) -> f64 {
        60.0
    }

    /// Whether one that was ended from outside may be started again without being asked for.
    fn starts_again(&self) -> bool {
        false
    }

    /// Where the agent of this number in `home` writes what it says to people.
    fn log(&self, home: &Home, number: usize) -> PathBuf {
        home.agent(number).log()
    }

    /// Has agents of these numbers started; what each is called from then on.
    ///
    /// # Errors
    ///
    /// In words; none of them was started then.
    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String>;

    /// Where these stand. Those that are not in it have ended.
    ///
    /// # Errors
    ///
    /// In words: nothing is known then.
    fn look(&self, handles: &[String]) -> Result<HashMap<String, Queue>, String>;

    /// Ends these, whether they have begun or not.
    fn cancel(&self, handles: &[String]);
}
