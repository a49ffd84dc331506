//! Prepares a worker to compute an order.

use std::time::Duration;

use sweep_plan::slot::Device;
use sweep_spec::blueprint::{BuiltIn, Precision};
use sweep_system::gpu;
use sweep_tensor::precision::allow_tf32;
use sweep_tensor::threads;
use sweep_train::net::Setup;
use sweep_wire::event::Event;

/// A cohort trains for about this long between two checks for a stop.
pub(super) const TURN: Duration = Duration::from_millis(500);

/// The precision needs a GPU, and the slot is on the CPU.
#[derive(Debug, thiserror::Error)]
#[error("`train.precision: {}` needs a GPU, and this slot is on the CPU", .0.name())]
pub struct PrecisionError(Precision);

/// Sets the process up to train `blueprint` on a slot, and returns the settings for the trainer.
///
/// # Errors
///
/// If the device does not support the precision.
pub(super) fn setup(blueprint: &BuiltIn, device: Device, threads: u32) -> Result<Setup, PrecisionError> {
    let precision = blueprint.train.precision;
    if device == Device::Cpu && precision.needs_gpu() {
        return Err(PrecisionError(precision));
    }
    threads::limit(threads);
    // Set for each order, since libtorch's convolutions use TF32 by default.
    allow_tf32(precision == Precision::Tf32);
    Ok(Setup::on(place(device), precision))
}

/// libtorch's name for `device`.
pub(super) fn place(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index as usize),
    }
}

/// The first event of an order that starts at `step`.
pub(super) fn started(step: u64, device: Device) -> Event {
    Event::Started {
        step,
        pid: std::process::id(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        device: device_name(device),
    }
}

/// `cpu`, or the driver's name for the GPU.
fn device_name(device: Device) -> String {
    // The orchestrator makes only one GPU visible to this process.
    let gpu = match device {
        Device::Cpu => None,
        Device::Cuda(index) => std::env::var("CUDA_VISIBLE_DEVICES").ok().or_else(|| Some(index.to_string())),
    };
    gpu.and_then(|entry| gpu::describe(&entry).ok()).map_or_else(|| device.to_string(), |gpu| gpu.name)
}
