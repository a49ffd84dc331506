//! What `sweep bench` is asked: how fast the networks of a sweep train here, without running it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use sweep_plan::slot::Device;

/// What `sweep bench` is told.
#[derive(clap::Args)]
pub struct Args {
    /// The sweep file
    pub file: PathBuf,
    /// Jobs that train together, one or several numbers with commas between them [default: as `sweep plan` packs them on one slot;
    /// on a GPU that is what `sweep run` has found to be best there]
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub members: Vec<NonZeroUsize>,
    /// Where to compute: `cpu`, `cuda:0`
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,
    /// CPU threads [default: 1 on the CPU, all cores on a GPU]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU32>,
    /// Seconds of training a round
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub seconds: Duration,
    /// Rounds; in each, all networks train in turn
    #[arg(long, value_name = "N", default_value = "3")]
    pub rounds: NonZeroU32,
    /// Count the time that the processor spends on this process, not what passes: for a machine that is busy with other things
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
