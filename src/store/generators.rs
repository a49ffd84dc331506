//! Finds out which generators training saved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::IgnoredAny;

use sweep_spec::id::JobId;

/// Returns the jobs whose generators are in the file at `path`, from the names of its tensors, `<job>.<layer>.<name>`.
/// Does not check that the file is complete.
///
/// # Errors
///
/// If it cannot be read or does not start like a safetensors file.
pub fn generators_in(path: &Path) -> io::Result<BTreeSet<JobId>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let garbage = |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("not a safetensors file: {what}"));
    if length > bytes {
        return Err(garbage(format!("a header of {length} bytes in a file of {bytes}")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header)?;
    let header: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(&header).map_err(|error| garbage(format!("its header is not JSON: {error}")))?;
    Ok(header.keys().filter_map(|name| name.split('.').next()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_known_by_the_beginning_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generators.safetensors");
        let jobs = [JobId::of(b"one"), JobId::of(b"two")];
        let tensor = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        let header = format!(
            "{{\"__metadata__\":{{\"checksum\":\"x\"}},\"{0}.0.weight\":{tensor},\"{0}.0.bias\":{tensor},\
             \"{1}.raw.0.weight\":{tensor}}}",
            jobs[0], jobs[1]
        );
        let whole = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 12]].concat();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            match generators_in(&path) {
                Ok(found) => assert!(found == jobs.into() && cut + 12 >= whole.len(), "cut at {cut}"),
                Err(error) => assert!(cut + 12 < whole.len(), "cut at {cut}: {error}"),
            }
        }
        std::fs::write(&path, [&2_u64.to_le_bytes()[..], b"[]"].concat()).unwrap();
        assert!(generators_in(&path).unwrap_err().to_string().contains("not JSON"));
        assert!(generators_in(&folder.path().join("none")).is_err());
    }
}
