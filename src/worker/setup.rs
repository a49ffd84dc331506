//! How a worker computes what its orders say.

use std::time::Duration;

use sweep_plan::slot::Device;
use sweep_spec::blueprint::{BuiltIn, Precision};
use sweep_system::gpu;
use sweep_tensor::precision::allow_tf32;
use sweep_tensor::threads;
use sweep_train::net::Setup;
use sweep_wire::event::Event;

/// A cohort trains about this long before it looks whether it should stop.
pub(super) const TURN: Duration = Duration::from_millis(500);

/// A precision that only GPUs compute in, on a CPU.
#[derive(Debug, thiserror::Error)]
#[error("`train.precision: {}` needs a GPU, and this slot is on the CPU", .0.name())]
pub struct PrecisionError(Precision);

/// How to compute what `blueprint` says on a slot; sets the process up for it.
///
/// # Errors
///
/// A precision that the device doesn't have.
pub(super) fn setup(blueprint: &BuiltIn, device: Device, threads: u32) -> Result<Setup, PrecisionError> {
    let precision = blueprint.train.precision;
    if device == Device::Cpu && precision.needs_gpu() {
        return Err(PrecisionError(precision));
    }
    threads::limit(threads);
    // Said each time, since libtorch's convolutions do it unless they are told not to.
    allow_tf32(precision == Precision::Tf32);
    Ok(Setup::on(place(device), precision))
}

/// What libtorch calls `device`.
pub(super) fn place(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index as usize),
    }
}

/// The first event of an order, at `step`.
pub(super) fn started(step: u64, device: Device) -> Event {
    Event::Started {
        step,
        pid: std::process::id(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        device: device_name(device),
    }
}

/// `cpu`, or what the driver calls the GPU.
fn device_name(device: Device) -> String {
    // The orchestrator leaves this process one GPU.
    let gpu = match device {
        Device::Cpu => None,
        Device::Cuda(index) => std::env::var("CUDA_VISIBLE_DEVICES").ok().or_else(|| Some(index.to_string())),
    };
    gpu.and_then(|entry| gpu::describe(&entry).ok()).map_or_else(|| device.to_string(), |gpu| gpu.name)
}
