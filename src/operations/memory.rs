//! How much memory this process and its workers may use: the machine's, or less if a cgroup or a ulimit says so.

use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// A number of bytes, and what sets this limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The bytes.
    pub bytes: u64,
    /// The file of a cgroup, or a ulimit.
    pub by: String,
}

/// The limits on memory on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The machine's memory in bytes; 0 if unknown.
    pub machine: u64,
    /// The limit on all processes together, if that is less.
    pub together: Option<Limit>,
    /// The limit on each process, if that is less.
    pub each: Option<Limit>,
}

impl Memory {
    /// Returns the limits of this process, which its workers inherit.
    pub fn here() -> Self {
        let system = rustix::system::sysinfo();
        let machine = u64::from(system.mem_unit).saturating_mul(system.totalram);
        let less = |limit: &Limit| machine == 0 || limit.bytes < machine;
        Memory { machine, together: cgroup(Path::new("/")).filter(less), each: ulimit().filter(less) }
    }

    /// Returns the bytes that all processes together may use; `None` if unknown.
    pub fn bytes(&self) -> Option<u64> {
        let machine = (self.machine > 0).then_some(self.machine);
        self.together.as_ref().map(|limit| limit.bytes).or(machine)
    }

    /// Returns the bytes that this process may use if nothing else runs; `None` if unknown.
    pub fn alone(&self) -> Option<u64> {
        self.each.iter().map(|limit| limit.bytes).chain(self.bytes()).min()
    }
}

/// Returns the limit on a process's address space, or on its data segment.
fn ulimit() -> Option<Limit> {
    let of = |resource, by: &str| Some(Limit { bytes: getrlimit(resource).current?, by: by.to_owned() });
    let limits = [of(Resource::As, "ulimit -v"), of(Resource::Data, "ulimit -d")];
    limits.into_iter().flatten().min_by_key(|limit| limit.bytes)
}

/// Returns the smallest limit of this process's cgroups, from its own up to the root, in version 1, version 2, or both.
/// `root` is `/`.
fn cgroup(root: &Path) -> Option<Limit> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mounts: Vec<Mount> = mounts.lines().filter_map(Mount::parse).collect();
    let mut limits = Vec::new();
    for line in groups.lines() {
        // `4:memory:/a/b`; in version 2, which has one tree for everything, `0::/a/b`.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let names: &[&str] = match controllers {
            "" => &["memory.max", "memory.high"],
            controllers if controllers.split(',').any(|name| name == "memory") => &["memory.limit_in_bytes"],
            _ => continue,
        };
        for mount in mounts.iter().filter(|mount| mount.unified == controllers.is_empty()) {
            let folder = mount.folder(root, Path::new(group));
            let top = mount.point(root);
            let folders = folder.ancestors().take_while(|folder| folder.starts_with(&top));
            limits.extend(folders.flat_map(|folder| names.iter().filter_map(|name| limit(&folder.join(name)))));
        }
    }
    limits.into_iter().min_by_key(|limit| limit.bytes)
}

/// Reads the limit in a file; `max` means none.
fn limit(file: &Path) -> Option<Limit> {
    let bytes = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(Limit { bytes, by: file.display().to_string() })
}

/// A mounted tree of cgroups that may limit memory.
#[derive(Debug)]
struct Mount {
    /// The part of the tree that is mounted.
    part: PathBuf,
    point: PathBuf,
    /// Whether it is version 2.
    unified: bool,
}

impl Mount {
    /// Parses a line such as `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`.
    fn parse(line: &str) -> Option<Mount> {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let unified = match kind.next()? {
            "cgroup2" => true,
            "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => false,
            _ => return None,
        };
        let mut place = place.split(' ').skip(3);
        // Characters that would end a word are written as octal codes.
        let mut path = || Some(PathBuf::from(place.next()?.replace("\\040", " ")));
        Some(Mount { part: path()?, point: path()?, unified })
    }

    fn point(&self, root: &Path) -> PathBuf {
        root.join(self.point.strip_prefix("/").unwrap_or(&self.point))
    }

    /// Returns the folder of `group`. If the group is outside the mounted part, as in a container, returns the part's
    /// own folder.
    fn folder(&self, root: &Path, group: &Path) -> PathBuf {
        let below = group.strip_prefix(&self.part).ok();
        let below = below.filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        below.map_or_else(|| self.point(root), |below| self.point(root).join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str =
        "24 1 0:22 / /proc rw - proc proc rw\n30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    const V1: &str = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n34 31 0:31 / /sys/fs/cgroup/cpuset rw \
        - cgroup cgroup rw,cpuset\n35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup \
        rw,memory\n";

    /// Returns the limit in a tree of files, with the name of its file.
    fn of(group: &str, mounts: &str, files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = tempfile::tempdir().unwrap();
        let all = [("proc/self/cgroup", group), ("proc/self/mountinfo", mounts)];
        for (name, text) in all.iter().chain(files) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let start = format!("{}/sys/fs/cgroup/", root.path().display());
        cgroup(root.path()).map(|limit| (limit.bytes, limit.by.strip_prefix(&start).unwrap().to_owned()))
    }

    fn found(bytes: u64, by: &str) -> Option<(u64, String)> {
        Some((bytes, by.to_owned()))
    }

    #[test]
    fn the_smallest_limit_on_the_path_to_the_root_counts() {
        let group = "0::/slurm/job_7/step_0\n";
        let files = [
            ("sys/fs/cgroup/slurm/memory.max", "64000\n"),
            ("sys/fs/cgroup/slurm/job_7/memory.max", "8000\n"),
            ("sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n"),
            ("sys/fs/cgroup/slurm/job_8/memory.max", "5\n"),
        ];
        assert_eq!(of(group, V2, &files), found(8000, "slurm/job_7/memory.max"));
        let high = [files.as_slice(), &[("sys/fs/cgroup/slurm/memory.high", "7000\n")]].concat();
        assert_eq!(of(group, V2, &high), found(7000, "slurm/memory.high"), "beyond it everything stalls");
        assert_eq!(of(group, V2, &files[2..]), None);
        assert_eq!(of("0::/\n", V2, &[("sys/fs/cgroup/memory.max", "9")]), found(9, "memory.max"), "of a container");
        assert_eq!(of("", V2, &files), None);
        assert_eq!(of(group, "", &files), None);
    }

    #[test]
    fn version_1_has_a_tree_for_memory() {
        let group = "9:cpuset:/other\n4:cpu,memory:/docker/ab\n0::/\n";
        let files = [
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "3000\n"),
            ("sys/fs/cgroup/cpuset/other/memory.limit_in_bytes", "1\n"),
        ];
        assert_eq!(of(group, V1, &files), found(3000, "memory/docker/ab/memory.limit_in_bytes"));
        // A container sees its own group at the top, under the name that it has outside.
        let inside = V1.replace("0:32 / /", "0:32 /docker/ab /");
        let top = [("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n")];
        assert_eq!(of(group, &inside, &top), found(2000, "memory/memory.limit_in_bytes"));
        assert_eq!(of("4:memory:/elsewhere\n", &inside, &top), found(2000, "memory/memory.limit_in_bytes"));
        assert_eq!(of("4:memory:/../..\n", V1, &top), found(2000, "memory/memory.limit_in_bytes"));
        // Both at once: the smaller limit counts.
        let both = format!("{V1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let unified = [files.as_slice(), &[("sys/fs/cgroup/unified/memory.max", "2500")]].concat();
        assert_eq!(of(group, &both, &unified), found(2500, "unified/memory.max"));
        let spaces = V1.replace("/sys/fs/cgroup/memory", "/sys/fs/cgroup/my\\040memory");
        let there = [("sys/fs/cgroup/my memory/docker/memory.limit_in_bytes", "1000")];
        assert_eq!(of(group, &spaces, &there), found(1000, "my memory/docker/memory.limit_in_bytes"));
    }

    #[test]
    fn a_limit_replaces_what_the_machine_has() {
        let limit = |bytes| Some(Limit { bytes, by: String::new() });
        let memory = |machine, together| Memory { machine, together, each: None }.bytes();
        assert_eq!(memory(100, None), Some(100));
        assert_eq!(memory(100, limit(40)), Some(40));
        assert_eq!((memory(0, None), memory(0, limit(40))), (None, Some(40)));
        let alone = |each| Memory { machine: 100, together: limit(40), each }.alone();
        assert_eq!((alone(limit(30)), alone(limit(50)), alone(None)), (Some(30), Some(40), Some(40)));
    }
}
