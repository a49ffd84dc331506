//! Messages between an orchestrator and agents on other machines, as files on a shared file system.
//!
//! Each file has one name and one writer, who replaces it as a whole. It describes the wanted or actual state, not what
//! has changed since the last write. So a reader who sees only every tenth version misses nothing, a reader who sees a
//! version late acts late, and a writer who does not know whether a write succeeded writes again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::log::{check_seal, seal};
use sweep_plan::slot::{Kind, Slot};

/// The version that agents and orchestrators must agree on, which includes that of [orders](super::PROTOCOL).
pub const VERSION: u32 = 2;

/// Everything an orchestrator wants from an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The number of the orchestrator; later ones have higher numbers.
    pub epoch: u64,
    /// The number of this version; later ones have higher numbers.
    pub turn: u64,
    /// The agent it is for, which excludes other agents started under the same number.
    pub agent: String,
    /// What each of its workers should do.
    pub workers: Vec<Wanted>,
    /// Whether it is no longer needed and should exit after its workers.
    pub dismissed: bool,
}

/// What one worker should do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// The number of the worker process; 0 means none.
    pub worker: u32,
    /// How many of its orders are over and no longer listed.
    pub over: u64,
    /// The orders after those.
    pub orders: Vec<Sheet>,
    /// Whether and how it should end.
    pub end: End,
}

/// An order: a file, and its expected content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The file.
    pub path: PathBuf,
    /// The first digits of its BLAKE3 checksum. A file with another checksum is not yet the right one.
    pub digest: String,
    /// The log that the worker will write.
    pub events: PathBuf,
}

/// How a worker should end; later variants include earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Not at all, because more orders may come.
    #[default]
    Not,
    /// After its orders.
    After,
    /// After a checkpoint.
    Soon,
    /// Immediately.
    Now,
}

/// The whole state of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The agent's name, which is unique forever.
    pub agent: String,
    /// The number of the orchestrator it obeys.
    pub epoch: u64,
    /// The number of the last version it has read.
    pub heard: u64,
    /// Increases every few seconds as long as it lives.
    pub beat: u64,
    /// Its machine and workers' devices.
    pub hello: Hello,
    /// Why it will exit soon. Its workers were told to checkpoint.
    pub leaving: Option<String>,
    /// Whether it may be started again by the batch system that ends it to free its machine.
    pub returns: bool,
    /// Whether it and its workers are gone.
    pub gone: bool,
    /// The logs, with their lengths, of workers from an earlier orchestrator.
    pub before: Vec<(PathBuf, u64)>,
    /// The states of its workers.
    pub workers: Vec<Doing>,
}

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The name of its machine.
    pub host: String,
    /// Its id in the batch system: `1234_7`.
    pub job: Option<String>,
    /// One per worker.
    pub places: Vec<Seat>,
}

/// Where one worker is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seat {
    /// Its device, as numbered by the agent, and its threads.
    pub slot: Slot,
    /// The kind of the device.
    pub kind: Kind,
    /// Whether it is the agent's first worker on this device.
    pub first: bool,
    /// Bytes of memory that a cohort may use there, if known.
    pub bytes: Option<u64>,
}

/// The state of a worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Doing {
    /// The number of the worker.
    pub worker: u32,
    /// How many orders it was given.
    pub taken: u64,
    /// How many lines it has printed, each after its log has grown.
    pub lines: u64,
    /// Its last stderr output by the number of the order, for orders not known to be over.
    pub words: BTreeMap<u64, String>,
    /// How it ended, if it has.
    pub exit: Option<Exit>,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit status, for people.
    pub status: String,
    /// The name of the cause, according to its last output and the system.
    pub clue: Option<String>,
    /// The logs of its unfinished orders with their lengths in bytes. A shorter log is not fully visible yet.
    pub logs: Vec<(PathBuf, u64)>,
}

/// Returns the text of such a file.
///
/// # Errors
///
/// Never for the types of this module.
pub fn write<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    seal(&mut text);
    text.push(b'\n');
    Ok(text)
}

/// Parses such a file; `None` if it is damaged or incomplete.
pub fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> Option<T> {
    let line = text.strip_suffix(b"\n")?;
    check_seal(line).ok()?;
    serde_json::from_slice(line).ok()
}

/// Returns the version of such a file's writer; `None` if the file is incomplete.
pub fn version(text: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Written {
        version: u32,
    }
    read::<Written>(text).map(|written| written.version)
}

/// Returns the checksum of an order's file, as in [`Sheet`].
pub fn digest(text: &[u8]) -> String {
    blake3::hash(text).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_plan::slot::{Device, Kinds};

    fn said() -> Said {
        let seat = Seat {
            slot: Slot { device: Device::Cuda(1), threads: 4 },
            kind: Kinds::default().of(Device::Cuda(1)),
            first: true,
            bytes: Some(7),
        };
        let exit = Exit {
            status: "exit code 1".into(),
            clue: Some("killed".into()),
            logs: vec![("/a".into(), 812), ("/b".into(), 0)],
        };
        let doing = Doing { worker: 3, taken: 2, lines: 40, words: [(1, "ü\n\"".into())].into(), exit: Some(exit) };
        Said {
            version: VERSION,
            agent: "n1-7".into(),
            epoch: 5,
            heard: 4,
            beat: 9,
            hello: Hello { host: "n1".into(), job: None, places: vec![seat] },
            leaving: Some("its time is over".into()),
            returns: true,
            gone: false,
            before: vec![("/c".into(), 7)],
            workers: vec![doing],
        }
    }

    #[test]
    fn a_part_of_a_file_is_none() {
        let text = write(&said()).unwrap();
        assert_eq!(read::<Said>(&text), Some(said()));
        for end in 0..text.len() {
            assert_eq!(read::<Said>(&text[..end]), None, "{end}");
        }
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert!(read::<Said>(&other).is_none_or(|found| found == said()), "byte {at}");
        }
        sweep_fuzz::survive(&[text], |bytes| drop(read::<Said>(bytes)));
    }

    #[test]
    fn ends_include_each_other() {
        assert!(End::Not < End::After && End::After < End::Soon && End::Soon < End::Now);
    }
}
