//! The loaded libtorch and its CUDA part.
//!
//! The executable links only libtorch's CPU part, so one build runs with and without a GPU. The CUDA part registers its
//! kernels when it is loaded. [`init`] loads it if the machine has a GPU driver.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The state of libtorch's CUDA part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaPart {
    /// It is loaded.
    Loaded,
    /// This machine has no NVIDIA driver.
    NoDriver,
    /// There is a driver, but this libtorch has no CUDA part.
    NoLibrary,
    /// It exists, but cannot be loaded.
    Failed(String),
}

/// Loads libtorch's CUDA part if this machine has an NVIDIA driver and the part lies next to the CPU part. Call it
/// before anything asks for CUDA devices; only the first call has an effect.
pub fn init() -> &'static CudaPart {
    static PART: OnceLock<CudaPart> = OnceLock::new();
    PART.get_or_init(|| {
        let part = load(driver(), loaded("libtorch_cuda.so").is_some(), loaded("libtorch_cpu.so").as_deref());
        match &part {
            CudaPart::Loaded => tracing::debug!("libtorch's CUDA part is loaded"),
            CudaPart::NoDriver => tracing::debug!("no NVIDIA driver: CPU only"),
            CudaPart::NoLibrary => {
                tracing::warn!("this machine has an NVIDIA driver, but this libtorch is for CPUs only")
            }
            CudaPart::Failed(why) => tracing::warn!("cannot load libtorch's CUDA part: {why}"),
        }
        part
    })
}

/// Number of CUDA devices that this process may use.
pub fn cuda_devices() -> usize {
    init();
    usize::try_from(tch::Cuda::device_count()).unwrap_or(0)
}

/// The path of the loaded libtorch.
pub fn libtorch() -> Option<PathBuf> {
    loaded("libtorch_cpu.so")
}

/// The version of the loaded libtorch, from the header next to it.
pub fn libtorch_version() -> Option<String> {
    let root = libtorch()?.parent()?.parent()?.to_owned();
    let header = fs::read_to_string(root.join("include/torch/headeronly/version.h")).ok()?;
    let (_, value) = header.split_once("#define TORCH_VERSION ")?;
    Some(value.split('"').nth(1)?.to_owned())
}

/// Whether there is an NVIDIA driver, including on a Windows host.
fn driver() -> bool {
    ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"].iter().any(|path| Path::new(path).exists())
}

/// The path of a library with this name that is loaded in this process.
fn loaded(name: &str) -> Option<PathBuf> {
    find(&fs::read_to_string("/proc/self/maps").ok()?, name)
}

/// Finds a library in the lines of a maps file. Their sixth field is a path, which may contain blanks.
fn find(maps: &str, name: &str) -> Option<PathBuf> {
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    paths.into_iter().find(|path| path.file_name().is_some_and(|file| file == name)).map(Path::to_owned)
}

fn load(driver: bool, already: bool, cpu_part: Option<&Path>) -> CudaPart {
    // First the driver: a torch of pip with CUDA loads this part on machines without a GPU too.
    if !driver {
        return CudaPart::NoDriver;
    }
    if already {
        return CudaPart::Loaded;
    }
    let Some(path) = cpu_part.map(|path| path.with_file_name("libtorch_cuda.so")).filter(|path| path.exists()) else {
        return CudaPart::NoLibrary;
    };
    // SAFETY: the initialisers of libtorch_cuda.so register kernels and only expect the libtorch_cpu.so next to it,
    // which is loaded. Nothing unloads it: the handle is forgotten.
    match unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(library) => {
            std::mem::forget(library);
            CudaPart::Loaded
        }
        // The source of libloading's error has the loader's own message.
        Err(error) => CudaPart::Failed(error.source().map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_libtorch_is_found_with_its_version() {
        assert_eq!(tch::Tensor::from_slice(&[1.0f32]).size(), [1]);
        let path = libtorch().expect("libtorch_cpu.so is loaded");
        assert!(path.is_absolute() && path.exists(), "{}", path.display());
        assert!(libtorch_version().is_some_and(|version| version.starts_with("2.11.")), "{:?}", libtorch_version());
    }

    #[test]
    fn libraries_are_found_in_folders_with_blanks() {
        let maps = "7f00-7f01 r-xp 00000000 fe:01 1234   /home/a b/.libtorch/lib/libtorch_cpu.so\n7f01-7f02 rw-p 0 \
            00:00 0 [heap]\n";
        assert_eq!(find(maps, "libtorch_cpu.so"), Some(PathBuf::from("/home/a b/.libtorch/lib/libtorch_cpu.so")));
        assert_eq!(find(maps, "torch_cpu.so"), None);
    }

    #[test]
    fn the_cuda_part_is_loaded_only_with_a_driver_and_a_broken_one_is_no_crash() {
        let dir = tempfile::tempdir().unwrap();
        let cpu = dir.path().join("libtorch_cpu.so");
        assert_eq!(load(true, true, None), CudaPart::Loaded);
        assert_eq!(load(false, true, None), CudaPart::NoDriver);
        assert_eq!(load(false, false, Some(&cpu)), CudaPart::NoDriver);
        assert_eq!(load(true, false, None), CudaPart::NoLibrary);
        assert_eq!(load(true, false, Some(&cpu)), CudaPart::NoLibrary);
        fs::write(dir.path().join("libtorch_cuda.so"), "no library").unwrap();
        let CudaPart::Failed(why) = load(true, false, Some(&cpu)) else { panic!("a text file was loaded") };
        assert!(why.contains("libtorch_cuda.so"), "{why}");
    }

    #[test]
    fn asking_for_devices_works_everywhere() {
        assert_eq!(init(), init());
        assert!(cuda_devices() < 1000);
    }
}
