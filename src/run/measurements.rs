//! Training rates and memory limits that earlier runs have measured. They are saved in the home directory by kind of
//! device, and the next run does not measure them again.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use super::WriteError;
use sweep_plan::measured::{self, Known};
use sweep_system::whole::{self, Survives};
use sweep_wire::home::Home;

/// Changes when the meaning of the file's contents changes.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    devices: Known,
}

/// Loads what earlier runs in `home` have measured. Deleting the file makes sweep measure again.
///
/// # Errors
///
/// The file cannot be read, or is damaged.
pub fn load_measurements(home: &Home) -> Result<Known, WriteError> {
    let path = home.measured();
    let damaged = |why: String| {
        io::Error::other(format!(
            "this file of measured training rates and memory limits is damaged: {why}; delete it, and sweep measures \
            again"
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

/// Adds what this run has measured. Returns the contents of the file afterwards.
///
/// # Errors
///
/// See [`load_measurements`]; also if the file cannot be written.
pub fn add_measurements(home: &Home, news: &Known) -> Result<Known, WriteError> {
    let before = load_measurements(home)?;
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
    fn measurements_are_saved_by_device_and_blueprint() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let (gpu, cpu) = (Kind::gpu("NVIDIA H100", 80 << 30), Kinds::default().of(Device::Cpu));
        let (a, b) = (BlueprintId::of(b"a"), BlueprintId::of(b"b"));
        let measured = |rates: &[(usize, f64)], limit| Measured { rates: rates.iter().copied().collect(), limit };
        assert!(load_measurements(&home).unwrap().is_empty());
        let on_gpu = BTreeMap::from([(a, measured(&[(1, 0.1), (4, 1e3 / 3.0)], None)), (b, measured(&[], Some(2)))]);
        add_measurements(&home, &Known::from([(gpu.clone(), on_gpu.clone())])).unwrap();
        let on_cpu = BTreeMap::from([(a, measured(&[], Some(8)))]);
        let all = add_measurements(&home, &Known::from([(cpu.clone(), on_cpu.clone())])).unwrap();
        assert_eq!(all, Known::from([(gpu, on_gpu), (cpu, on_cpu)]));
        assert_eq!(load_measurements(&home).unwrap(), all);
    }

    #[test]
    fn a_damaged_file_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        for (text, why) in
            [("{", "EOF"), ("{\"format\": 9, \"devices\": {}}", "its format is 9, not 1"), ("{}", "format")]
        {
            fs::write(folder.path().join("measured.json"), text).unwrap();
            let error = load_measurements(&home).unwrap_err().to_string();
            assert!(error.contains("measured.json") && error.contains(why) && error.contains("delete it"), "{error}");
            assert_eq!(add_measurements(&home, &Known::new()).unwrap_err().to_string(), error);
        }
    }
}
