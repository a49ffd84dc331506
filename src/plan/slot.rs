//! Slots: each trains one cohort at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A device as the orchestrator numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Device {
    /// Cores of this machine.
    Cpu,
    /// An NVIDIA GPU, by its PCI bus order.
    Cuda(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", index)) if index.parse::<u32>().is_ok() => {
                Ok(Device::Cuda(index.parse().unwrap_or_default()))
            }
            _ => Err(format!("`{text}` is not a device: expected `cpu`, `cuda` or `cuda:N`")),
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A kind of device: measurements on one hold for all others of its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind(String);

impl Kind {
    /// Returns the kind of GPUs with this name and this many bytes of memory, as reported by the driver.
    pub fn gpu(name: &str, memory: u64) -> Self {
        Kind(format!("{name}, {} MiB", memory >> 20))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The kind of each device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kinds(BTreeMap<Device, Kind>);

impl Kinds {
    /// Returns the kind of `device`. If the driver did not report it, the device is its own kind.
    pub fn of(&self, device: Device) -> Kind {
        self.0.get(&device).cloned().unwrap_or_else(|| Kind(device.to_string()))
    }
}

impl FromIterator<(Device, Kind)> for Kinds {
    fn from_iter<I: IntoIterator<Item = (Device, Kind)>>(kinds: I) -> Self {
        Kinds(kinds.into_iter().collect())
    }
}

/// A slot for one worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The device it computes on.
    pub device: Device,
    /// CPU threads for its worker.
    pub threads: u32,
}
