//! What earlier runs have measured, and what running out of memory has taught: kept in the home directory by kind of device, so that
//! the next run need not learn it again.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::WriteError;
use sweep_plan::measured::{self, Known};
use sweep_system::whole::{self, Survives};
use sweep_wire::home::Home;

/// Changes whenever what stands in the file means something else.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    devices: Known,
}

/// What earlier runs in `home` have learnt. Deleting the file forgets it.
///
/// # Errors
///
/// The file can't be read, or is damaged.
pub fn learnt(home: &Home) -> Result<Known, WriteError> {
    let path = home.measured();
    let damaged = |why: String| {
        io::Error::other(format!(
            "it should have what was measured of devices, but {why}; delete it, and what is needed is measured again"
        ))
    };
    let read = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Known::new()),
        other => other.and_then(|text| match serde_json::from_slice(&text) {
            Ok(Content { format: FORMAT, devices }) => Ok(devices),
            Ok(Content { format, .. }) => Err(damaged(format!("its format is {format}, not {FORMAT}"))),
            Err(error) => Err(damaged(error.to_string())),
        }),
    };
    read.map_err(|source| WriteError { path, source })
}

/// Adds what this run has learnt; what is in the file after that.
///
/// # Errors
///
/// As [`learnt`], or the file can't be written.
pub fn learn(home: &Home, news: &Known) -> Result<Known, WriteError> {
    let before = learnt(home)?;
    let mut devices = before.clone();
    measured::learn(&mut devices, news);
    if devices == before {
        return Ok(devices);
    }
    let path = home.measured();
    let content = Content { format: FORMAT, devices };
    let write = || whole::write(&path, &serde_json::to_vec_pretty(&content)?, Survives::PowerCut);
    write().map_err(|source| WriteError { path: path.clone(), source })?;
    Ok(content.devices)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use sweep_plan::measured::Measured;
    use sweep_plan::slot::{Device, Kind, Kinds};
    use sweep_spec::id::BlueprintId;

    #[test]
    fn what_is_learnt_is_kept_by_device_and_blueprint() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let (gpu, cpu) = (Kind::gpu("NVIDIA H100", 80 << 30), Kinds::default().of(Device::Cpu));
        let (a, b) = (BlueprintId::of(b"a"), BlueprintId::of(b"b"));
        let measured = |rates: &[(usize, f64)], limit| Measured { rates: rates.iter().copied().collect(), limit };
        assert!(learnt(&home).unwrap().is_empty());
        let on_gpu = BTreeMap::from([(a, measured(&[(1, 0.1), (4, 1e3 / 3.0)], None)), (b, measured(&[], Some(2)))]);
        learn(&home, &Known::from([(gpu.clone(), on_gpu.clone())])).unwrap();
        let on_cpu = BTreeMap::from([(a, measured(&[], Some(8)))]);
        let all = learn(&home, &Known::from([(cpu.clone(), on_cpu.clone())])).unwrap();
        assert_eq!(all, Known::from([(gpu, on_gpu), (cpu, on_cpu)]));
        assert_eq!(learnt(&home).unwrap(), all);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        for (text, why) in
            [("{", "EOF"), ("{\"format\": 9, \"devices\": {}}", "its format is 9, not 1"), ("{}", "format")]
        {
            fs::write(folder.path().join("measured.json"), text).unwrap();
            let error = learnt(&home).unwrap_err().to_string();
            assert!(error.contains("measured.json") && error.contains(why) && error.contains("delete it"), "{error}");
            assert_eq!(learn(&home, &Known::new()).unwrap_err().to_string(), error);
        }
    }
}
