//! Where cohorts train.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::thread::available_parallelism;

use crate::memory::Memory;
use crate::{Failure, Tell, computer};
use sweep_plan::Limits;
use sweep_plan::slot::{Device, Kind, Kinds, Slot};
use sweep_run::executor::visible;
use sweep_run::load_measurements;
use sweep_spec::blueprint::Blueprint;
use sweep_system::gpu::{self, Gpu};
use sweep_wire::home::Home;

/// The share of the machine's memory that all workers together may use.
const MEMORY_SHARE: f64 = 0.8;
/// Bytes that a worker on the CPU needs for itself: libtorch, and the data set.
const WORKER_BYTES: u64 = 600_000_000;
/// Bytes of address space that such a worker reserves in addition to a cohort's. 600 MB were measured; a data set comes
/// on top.
const WORKER_RESERVED: u64 = 1_000_000_000;
/// More threads than this generate noise faster than it can be copied to a GPU.
const GPU_THREADS: usize = 16;

/// Which slots to use. A slot trains one cohort at a time, in its own worker process.
#[derive(Clone, Debug, Default)]
pub struct SlotChoice {
    /// The number of workers. `None`: one for each GPU in `devices`, and one for every `threads` cores if the CPU is
    /// among them.
    pub slots: Option<NonZeroUsize>,
    /// CPU threads of each worker. `None`: 1 on the CPU; on a GPU, its share of the cores if no worker is on the CPU.
    pub threads: Option<NonZeroU32>,
    /// The devices to train on; if empty, the CPU. GPUs are used only if they are named.
    pub devices: Vec<Device>,
    /// The largest number of jobs to train together, if memory allows. `None`: the fastest number, as far as it is
    /// known.
    pub members: Option<NonZeroUsize>,
}

impl SlotChoice {
    /// Returns the slots, those on GPUs first. Tells the user if GPUs stay idle since no devices were chosen.
    ///
    /// # Errors
    ///
    /// There are fewer slots than devices.
    pub fn slots(&self, tell: &Tell) -> Result<Vec<Slot>, Failure> {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        if self.devices.is_empty()
            && let Some(note) = idle(gpus())
        {
            tell.say(note);
        }
        self.on(cores)
    }

    /// Returns what limits cohorts on these slots. Those on the CPU share this machine's memory with those of `others`
    /// processes like this one. For GPUs, uses what runs in `home` have measured.
    ///
    /// # Errors
    ///
    /// The measurements in `home` cannot be read.
    pub fn limits(&self, slots: &[Slot], others: usize, home: &Home) -> Result<Limits, Failure> {
        let workers = (slots.iter().filter(|slot| slot.device == Device::Cpu).count().max(1) * (1 + others)) as u64;
        Ok(Limits {
            cpu_bytes: cohort_bytes(&Memory::here(), workers),
            chosen: self.members.map(NonZeroUsize::get),
            known: load_measurements(home).map_err(Failure::environment)?,
            kinds: kinds(slots),
            ..Limits::default()
        })
    }

    fn on(&self, cores: usize) -> Result<Vec<Slot>, Failure> {
        let mut devices = if self.devices.is_empty() { vec![Device::Cpu] } else { self.devices.clone() };
        // GPUs before the CPU: the longest cohorts start first, and belong there.
        devices.sort_by_key(|device| (*device == Device::Cpu, *device));
        devices.dedup();
        let threads = self.threads.map_or(1, NonZeroU32::get);
        let per_core = (cores / threads as usize).max(1);
        let gpus = devices.iter().filter(|device| **device != Device::Cpu).count();
        let count = match self.slots {
            Some(slots) => slots.get(),
            None if devices.contains(&Device::Cpu) => gpus + per_core,
            None => gpus,
        };
        if count < devices.len() {
            return Err(Failure::usage(format!(
                "--slots {count} is too few for {} devices ({}): give at least one slot a device, or fewer devices",
                devices.len(),
                devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        // With the CPU among the devices, each GPU has one slot and the CPU the rest. Otherwise the GPUs share the
        // slots.
        let device =
            |at: usize| if devices.contains(&Device::Cpu) { devices[at.min(gpus)] } else { devices[at % gpus] };
        let threads = match self.threads {
            None if !devices.contains(&Device::Cpu) => (cores / count).clamp(1, GPU_THREADS) as u32,
            Some(_) | None => threads,
        };
        let mut slots: Vec<Slot> = (0..count).map(|at| Slot { device: device(at), threads }).collect();
        slots.sort_by_key(|slot| (slot.device == Device::Cpu, slot.device));
        Ok(slots)
    }
}

/// Returns the bytes for a cohort if this many workers on the CPU share `memory`.
fn cohort_bytes(memory: &Memory, workers: u64) -> Option<u64> {
    let share =
        memory.bytes().map(|bytes| ((bytes as f64 * MEMORY_SHARE) as u64 / workers).saturating_sub(WORKER_BYTES));
    // A ulimit counts what a process reserves, which is more than it uses.
    let own = memory.each.as_ref().map(|limit| limit.bytes.saturating_sub(WORKER_RESERVED));
    share.into_iter().chain(own).min()
}

/// Checks that this process can use the GPUs among `slots`.
///
/// # Errors
///
/// One is not there.
pub fn check_present(slots: &[Slot], tell: &Tell) -> Result<(), Failure> {
    if slots.iter().all(|slot| slot.device == Device::Cpu) {
        return Ok(());
    }
    let gpus = computer::devices(tell)?.gpus;
    let missing = |slot: &&Slot| match slot.device {
        Device::Cpu => false,
        Device::Cuda(index) => index as usize >= gpus,
    };
    match slots.iter().find(missing) {
        None => Ok(()),
        Some(slot) => {
            Err(Failure::usage(format!("there is no {} here: `sweep doctor` lists the devices", slot.device)))
        }
    }
}

/// Returns how many GPUs the driver has for this process.
fn gpus() -> usize {
    let own = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let is_visible = |index: &usize| visible(own.as_deref(), Device::Cuda(*index as u32)).is_ok();
    (0..gpu::count()).take_while(is_visible).count()
}

/// Returns the kinds of the GPUs among `slots`.
fn kinds(slots: &[Slot]) -> Kinds {
    let own = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let devices: BTreeSet<Device> =
        slots.iter().map(|slot| slot.device).filter(|device| *device != Device::Cpu).collect();
    let kind = |device: Device| match visible(own.as_deref(), device).and_then(|entry| gpu::describe(&entry)) {
        Ok(Gpu { name, memory }) => Some((device, Kind::gpu(&name, memory))),
        Err(why) => {
            tracing::info!(
                "{device}: its name and memory are unknown ({why}), so measurements on it count only for this device \
                number"
            );
            None
        }
    };
    devices.into_iter().filter_map(kind).collect()
}

/// Checks that `slots` can compute in the precisions of `blueprints`. `whose`: the file or job that they belong to;
/// `flag`: the option that chooses devices.
///
/// # Errors
///
/// A precision needs a GPU, and a slot is on the CPU.
pub fn check_precision<'a>(
    whose: impl Display,
    flag: &str,
    blueprints: impl IntoIterator<Item = &'a Blueprint>,
    slots: &[Slot],
) -> Result<(), Failure> {
    if slots.iter().all(|slot| slot.device != Device::Cpu) {
        return Ok(());
    }
    let built_in = blueprints.into_iter().filter_map(Blueprint::built_in);
    let precisions = built_in.map(|blueprint| blueprint.train.precision);
    match precisions.into_iter().find(|precision| precision.needs_gpu()) {
        None => Ok(()),
        Some(precision) => Err(Failure::usage(format!(
            "{whose}: `train.precision: {}` needs a GPU, but {} on the CPU: give {flag} cuda:0 (`sweep doctor` lists \
            the GPUs), or leave the field out to compute in float32",
            precision.name(),
            if slots.iter().any(|slot| slot.device != Device::Cpu) { "some slots are" } else { "this would compute" },
        ))),
    }
}

/// Returns what to say if there are GPUs and none was chosen.
fn idle(gpus: usize) -> Option<String> {
    let names: Vec<String> = (0..gpus).map(|gpu| format!("cuda:{gpu}")).collect();
    let found = match gpus {
        0 => return None,
        1 => "there is a GPU that is not used".to_owned(),
        _ => format!("there are {gpus} GPUs that are not used"),
    };
    Some(format!(
        "note: {found}; use --devices {} (`sweep doctor` checks whether libtorch can use it)",
        names.join(",")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Limit;

    fn args(slots: Option<usize>, threads: Option<u32>, devices: &[&str]) -> SlotChoice {
        SlotChoice {
            slots: slots.and_then(NonZeroUsize::new),
            threads: threads.and_then(NonZeroU32::new),
            devices: devices.iter().map(|device| device.parse().unwrap()).collect(),
            members: None,
        }
    }

    fn slots(slots: Option<usize>, threads: u32, devices: &[&str]) -> Result<String, Failure> {
        let slots = args(slots, Some(threads), devices).on(8)?;
        assert!(slots.iter().all(|slot| slot.threads == threads));
        Ok(slots.iter().map(|slot| slot.device.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn cores_and_gpus_make_slots() {
        assert_eq!(slots(None, 1, &["cpu"]).unwrap(), "cpu ".repeat(8).trim_end());
        assert_eq!(slots(None, 3, &["cpu"]).unwrap(), "cpu cpu");
        assert_eq!(slots(None, 4, &[]).unwrap(), "cpu cpu", "the default is the CPU");
        assert_eq!(slots(None, 16, &["cpu"]).unwrap(), "cpu");
        assert_eq!(slots(Some(2), 1, &["cpu", "cpu"]).unwrap(), "cpu cpu");
        assert_eq!(slots(None, 1, &["cuda:1", "cuda:0"]).unwrap(), "cuda:0 cuda:1");
        assert_eq!(slots(Some(3), 1, &["cuda:0", "cuda:1"]).unwrap(), "cuda:0 cuda:0 cuda:1");
        assert_eq!(slots(Some(3), 1, &["cpu", "cuda:0"]).unwrap(), "cuda:0 cpu cpu");
        assert_eq!(slots(None, 4, &["cpu", "cuda:0"]).unwrap(), "cuda:0 cpu cpu");
        assert!(slots(Some(1), 1, &["cpu", "cuda:0"]).is_err());
    }

    #[test]
    fn gpus_share_the_cores_that_no_other_slot_has() {
        let threads = |slots, devices: &[&str]| args(slots, None, devices).on(8).unwrap()[0].threads;
        assert_eq!(threads(None, &["cpu"]), 1);
        assert_eq!(threads(None, &["cuda:0"]), 8);
        assert_eq!(threads(None, &["cuda:0", "cuda:1"]), 4);
        assert_eq!(threads(Some(3), &["cuda:0"]), 2);
        assert_eq!(threads(Some(20), &["cuda:0"]), 1);
        assert_eq!(threads(None, &["cpu", "cuda:0"]), 1);
        assert_eq!(args(None, None, &["cuda"]).on(64).unwrap()[0].threads, 16);
    }

    #[test]
    fn workers_share_what_there_is_and_each_has_its_limit() {
        let limit = |bytes| Some(Limit { bytes, by: String::new() });
        let bytes = |together, each| cohort_bytes(&Memory { machine: 64_000_000_000, together, each }, 4);
        assert_eq!(bytes(None, None), Some(12_200_000_000));
        assert_eq!(bytes(limit(16_000_000_000), None), Some(2_600_000_000));
        assert_eq!(bytes(limit(16_000_000_000), limit(3_000_000_000)), Some(2_000_000_000));
        assert_eq!(bytes(None, limit(1_000_000_000)), Some(0), "one at a time");
        assert_eq!(cohort_bytes(&Memory { machine: 0, together: None, each: None }, 4), None);
    }

    #[test]
    fn gpus_that_stay_idle_are_named() {
        assert_eq!(idle(0), None);
        assert_eq!(
            idle(1).unwrap(),
            "note: there is a GPU that is not used; use --devices cuda:0 (`sweep doctor` checks whether libtorch can \
            use it)"
        );
        assert_eq!(
            idle(2).unwrap().split(" (").next(),
            Some("note: there are 2 GPUs that are not used; use --devices cuda:0,cuda:1")
        );
    }
}
