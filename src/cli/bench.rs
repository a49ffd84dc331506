//! The arguments of `sweep bench`, which measures how fast the networks of a sweep train here, without running it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use sweep_plan::slot::Device;

/// The arguments of `sweep bench`.
#[derive(clap::Args)]
pub struct Args {
    /// The sweep file
    pub file: PathBuf,
    /// Jobs that train together: a number, or several separated by commas [default: as `sweep plan` packs them on one
    /// slot; on a GPU, the number that `sweep run` has found to be fastest there]
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub members: Vec<NonZeroUsize>,
    /// Device: `cpu`, `cuda:0`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// CPU threads [default: 1 on the CPU, all cores on a GPU]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU32>,
    /// Seconds of training in each round
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub seconds: Duration,
    /// Rounds; in each, all networks train in turn
    #[arg(long, value_name = "N", default_value = "3")]
    pub rounds: NonZeroU32,
    /// Count the time that the processor spends on this process instead of real time: for a machine that is busy with
    /// other work
    #[arg(long)]
    pub cpu_time: bool,
    /// Machine-readable output
    #[arg(long)]
    pub json: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
