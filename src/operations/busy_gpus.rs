//! GPUs that others are using.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::{Failure, Tell};
use sweep_plan::slot::{Device, Slot};
use sweep_run::executor::visible;
use sweep_system::gpu;

/// Time between two checks while waiting.
const WAIT: Duration = Duration::from_millis(500);
/// Bytes that an idle GPU may have in use, by the driver or a desktop.
const IDLE_BYTES: u64 = 1 << 30;

/// What to do about slots on GPUs whose memory others use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusyGpus {
    /// Do not use them.
    Leave,
    /// Wait until they are free.
    Wait,
    /// Use them anyway.
    Share,
}

/// Returns the slots to use.
///
/// # Errors
///
/// None is left.
pub(crate) fn free(slots: Vec<Slot>, how: BusyGpus, tell: &Tell) -> Result<Vec<Slot>, Failure> {
    let own = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    choose(slots, how, tell, |device| {
        let entry = visible(own.as_deref(), device).ok()?;
        gpu::used(&entry).ok()
    })
}

/// Does the same with `used`, which returns how many bytes of a device's memory are in use, if known.
fn choose(
    slots: Vec<Slot>,
    how: BusyGpus,
    tell: &Tell,
    used: impl Fn(Device) -> Option<u64>,
) -> Result<Vec<Slot>, Failure> {
    let busy = || -> BTreeMap<Device, u64> {
        let gpus = slots.iter().map(|slot| slot.device).filter(|device| *device != Device::Cpu);
        gpus.filter_map(|device| Some((device, used(device).filter(|&bytes| bytes > IDLE_BYTES)?))).collect()
    };
    let words = |busy: &BTreeMap<Device, u64>| {
        let each = busy.iter().map(|(device, bytes)| format!("{device} ({:.1} GB)", *bytes as f64 / 1e9));
        each.collect::<Vec<_>>().join(", ")
    };
    let mut now = busy();
    if now.is_empty() || how == BusyGpus::Share {
        return Ok(slots);
    }
    if how == BusyGpus::Wait {
        tell.say(format!("waiting until others free memory on {}", words(&now)));
        while !now.is_empty() {
            thread::sleep(WAIT);
            now = busy();
        }
        return Ok(slots);
    }
    let free: Vec<Slot> = slots.iter().filter(|slot| !now.contains_key(&slot.device)).cloned().collect();
    let advice = "--busy-gpus wait waits for them, --busy-gpus share uses them anyway";
    if free.is_empty() {
        let text = format!("others use memory of all chosen GPUs: {}; {advice}", words(&now));
        return Err(Failure::environment(text));
    }
    tell.say(format!("not using {}, since others use memory there; {advice}", words(&now)));
    Ok(free)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn slots(devices: &[&str]) -> Vec<Slot> {
        devices.iter().map(|device| Slot { device: device.parse().unwrap(), threads: 1 }).collect()
    }

    fn names(slots: &[Slot]) -> Vec<String> {
        slots.iter().map(|slot| slot.device.to_string()).collect()
    }

    #[test]
    fn gpus_that_others_use_are_left_or_waited_for_or_shared() {
        let all = slots(&["cuda:0", "cuda:1", "cuda:1", "cpu"]);
        let used = |device: Device| match device {
            Device::Cuda(1) => Some(40 << 30),
            Device::Cuda(_) => Some(400 << 20),
            Device::Cpu => panic!("not asked"),
        };
        assert_eq!(names(&choose(all.clone(), BusyGpus::Leave, &Tell::silent(), used).unwrap()), ["cuda:0", "cpu"]);
        assert_eq!(choose(all.clone(), BusyGpus::Share, &Tell::silent(), used).unwrap().len(), 4);
        let looks = Cell::new(0);
        let later = |device: Device| {
            looks.set(looks.get() + 1);
            used(device).filter(|_| looks.get() < 5)
        };
        assert_eq!(choose(all, BusyGpus::Wait, &Tell::silent(), later).unwrap().len(), 4);
        assert!(looks.get() >= 5);
        assert!(choose(slots(&["cuda:1"]), BusyGpus::Leave, &Tell::silent(), used).is_err());
        assert_eq!(
            choose(slots(&["cuda:1"]), BusyGpus::Leave, &Tell::silent(), |_| None).unwrap().len(),
            1,
            "nobody knows"
        );
    }
}
