//! GPUs as reported by NVIDIA's driver, whether or not libtorch can use them.

use std::sync::OnceLock;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

/// A GPU, or a MIG device, which is a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Its memory in bytes.
    pub memory: u64,
}

/// Describes the GPU that `entry` names in `CUDA_VISIBLE_DEVICES`, with GPUs numbered by PCI bus: a number, a UUID, or
/// the start of one.
///
/// # Errors
///
/// If there is no driver or no such GPU.
pub fn describe(entry: &str) -> Result<Gpu, String> {
    ask(entry, |device| Ok(Gpu { name: device.name()?, memory: device.memory_info()?.total }))
}

/// Returns how many bytes of a GPU's memory are in use by any process; `entry` names it as in [`describe`].
///
/// # Errors
///
/// As [`describe`].
pub fn used(entry: &str) -> Result<u64, String> {
    ask(entry, |device| Ok(device.memory_info()?.used))
}

/// Counts the GPUs; 0 without a driver.
pub fn count() -> usize {
    let counted = library().ok().and_then(|library| library.device_count().ok());
    counted.map_or(0, |count| count as usize)
}

fn ask<T>(entry: &str, question: impl Fn(&Device) -> Result<T, NvmlError>) -> Result<T, String> {
    find(library()?, entry).and_then(|device| question(&device)).map_err(|error| said(&error))
}

fn library() -> Result<&'static Nvml, String> {
    static LIBRARY: OnceLock<Result<Nvml, String>> = OnceLock::new();
    LIBRARY.get_or_init(|| Nvml::init().map_err(|error| said(&error))).as_ref().map_err(Clone::clone)
}

fn said(error: &NvmlError) -> String {
    format!("NVIDIA's management library says: {error}")
}

fn find<'a>(library: &'a Nvml, entry: &str) -> Result<Device<'a>, NvmlError> {
    // NVML also numbers GPUs by PCI bus.
    if let Ok(index) = entry.parse() {
        return library.device_by_index(index);
    }
    library.device_by_uuid(entry).or_else(|error| {
        let all = (0..library.device_count()?).filter_map(|index| library.device_by_index(index).ok());
        let begins = |device: &Device| device.uuid().is_ok_and(|uuid| uuid.starts_with(entry));
        all.into_iter().find(begins).ok_or(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_in_words() {
        for entry in ["9999", "GPU-of-nobody"] {
            let error = describe(entry).unwrap_err();
            assert!(error.contains("management library says: "), "{error}");
        }
    }
}
