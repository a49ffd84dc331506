//! Recognises shared file systems.

use std::path::Path;

use rustix::fs::statfs;

/// File systems that several machines may share: the kernel's numbers (from statfs(2) and the kernel's sources) and
/// names.
const SHARED: [(u64, &str); 15] = [
    (0x6969, "NFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x00C3_6400, "Ceph"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x517B, "SMB"),
    (0x1983_0326, "BeeGFS"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0xAAD7_AAEA, "PanFS"),
];

/// Returns the name of the file system of `path`, or of its nearest existing parent, if other machines may change it,
/// too.
pub fn shared(path: &Path) -> Option<&'static str> {
    let there = path.ancestors().find(|path| path.exists())?;
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    // Some platforms sign-extend the number; only its lower 32 bits count.
    let kind = statfs(there).ok()?.f_type as u64 & 0xFFFF_FFFF;
    SHARED.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_machine_has_is_not_shared() {
        assert_eq!(shared(Path::new("/proc/self/none/at/all")), None);
        assert_eq!(shared(Path::new("/dev/shm")), None);
    }
}
