//! GPUs as NVIDIA's driver describes them, whether libtorch can use them or not.

use std::sync::OnceLock;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

/// A GPU, or the part of one that a MIG device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Bytes of its memory.
    pub memory: u64,
}

/// The GPU that `entry` names in `CUDA_VISIBLE_DEVICES` where GPUs are numbered by their place on the PCI bus: a number, or a UUID or
/// the beginning of one.
///
/// # Errors
///
/// In words: there is no driver, or no such GPU.
pub fn describe(entry: &str) -> Result<Gpu, String> {
    ask(entry, |device| Ok(Gpu { name: device.name()?, memory: device.memory_info()?.total }))
}

/// Bytes of a GPU's memory that are in use, by whomever; `entry` names it as for [`describe`].
///
/// # Errors
///
/// As [`describe`].
pub fn used(entry: &str) -> Result<u64, String> {
    ask(entry, |device| Ok(device.memory_info()?.used))
}

/// How many GPUs there are; none where there is no driver.
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
    // NVML counts GPUs by their place on the PCI bus, too.
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
