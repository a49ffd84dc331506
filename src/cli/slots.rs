//! Where cohorts train: the flags that `sweep plan` and `sweep run` share.

use std::num::{NonZeroU32, NonZeroUsize};

use sweep_operations::slots::SlotChoice;
use sweep_plan::slot::Device;

/// Which slots to use. A slot trains one cohort at a time, in its own worker process.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct SlotArgs {
    /// Number of workers [default: one for each GPU in --devices, and one for every --threads cores if `cpu` is among
    /// them]
    #[arg(long, value_name = "N", env = "SWEEP_SLOTS")]
    slots: Option<NonZeroUsize>,
    /// CPU threads of each worker [default: 1 on the CPU; on a GPU, its share of the cores if no worker is on the CPU]
    #[arg(long, value_name = "N", env = "SWEEP_THREADS")]
    threads: Option<NonZeroU32>,
    /// Devices: `cpu`, `cuda:0`, or several separated by commas. GPUs are used only if they are named [default: cpu]
    #[arg(long, value_name = "DEVICE", env = "SWEEP_DEVICES", value_delimiter = ',')]
    devices: Vec<Device>,
    /// Largest number of jobs to train together, if memory allows [default: 16 on the CPU; on a GPU, `sweep run` takes
    /// a few seconds to measure what is fastest when it first trains a network]
    #[arg(long, value_name = "K", env = "SWEEP_MEMBERS")]
    members: Option<NonZeroUsize>,
}

impl SlotArgs {
    /// Returns the choice of slots.
    pub(crate) fn choice(self) -> SlotChoice {
        let SlotArgs { slots, threads, devices, members } = self;
        SlotChoice { slots, threads, devices, members }
    }
}
