//! What an orchestrator and agents on other machines tell each other, through files on a file system that they share.
//!
//! Each file has one writer, who replaces it as a whole, and one name. It says how things are to be, or are, not what has happened since it
//! was written last: whoever sees only every tenth version misses nothing, whoever sees one late acts late, and whoever does not know whether
//! it was written writes it again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::log::{check_seal, seal};
use sweep_plan::slot::{Kind, Slot};

/// What agents and orchestrators must agree on, the [orders](super::PROTOCOL) among them.
pub const VERSION: u32 = 2;

/// What an orchestrator wants of an agent: the whole of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Which orchestrator says so: a later one has a higher number.
    pub epoch: u64,
    /// Which version of it this is: a later one has a higher number.
    pub turn: u64,
    /// For whom it is: an agent that was started under the same number earlier or later is not meant.
    pub agent: String,
    /// What each of its workers is to do.
    pub workers: Vec<Wanted>,
    /// It is not needed any more, and exits when its workers have.
    pub dismissed: bool,
}

/// What one worker is to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Which worker: another number is another process. 0 is none.
    pub worker: u32,
    /// How many of its orders are over and not listed any more.
    pub over: u64,
    /// The orders after those.
    pub orders: Vec<Sheet>,
    /// Whether it is to end, and how.
    pub end: End,
}

/// An order: a file, and what must be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The file.
    pub path: PathBuf,
    /// The first digits of its BLAKE3 checksum: who sees another file there does not see it yet.
    pub digest: String,
    /// The log that the worker will write.
    pub events: PathBuf,
}

/// How a worker is to end; what is further down includes what is above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Not at all: more orders may come.
    #[default]
    Not,
    /// After its orders.
    After,
    /// After a checkpoint.
    Soon,
    /// At once.
    Now,
}

/// What an agent says: the whole of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Who says so: no other agent ever has this name.
    pub agent: String,
    /// Of the orchestrator that it obeys.
    pub epoch: u64,
    /// The turn of what it was told last.
    pub heard: u64,
    /// Goes up every few seconds as long as it lives.
    pub beat: u64,
    /// Where it is.
    pub hello: Hello,
    /// Why it will be gone soon. Its workers were told to checkpoint.
    pub leaving: Option<String>,
    /// Whether whoever ends it may start it again: a batch system that needs its machine for another.
    pub returns: bool,
    /// It is gone, and so are its workers.
    pub gone: bool,
    /// The same logs of workers that an earlier orchestrator wanted.
    pub before: Vec<(PathBuf, u64)>,
    /// How its workers are.
    pub workers: Vec<Doing>,
}

/// Where an agent is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The name of its machine.
    pub host: String,
    /// What the batch system calls it: `1234_7`.
    pub job: Option<String>,
    /// One a worker.
    pub places: Vec<Seat>,
}

/// Where one worker is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seat {
    /// Its device, as the agent numbers it, and its threads.
    pub slot: Slot,
    /// Of which kind the device is.
    pub kind: Kind,
    /// Whether it is the agent's first one there.
    pub first: bool,
    /// Bytes that a cohort may take there, where that is known.
    pub bytes: Option<u64>,
}

/// How a worker is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Doing {
    /// Which worker.
    pub worker: u32,
    /// How many orders it was handed.
    pub taken: u64,
    /// How many lines it has printed: its log has grown by then.
    pub lines: u64,
    /// The last that it has said on stderr, by the number of the order that it was at; of those that are not known to be over.
    pub words: BTreeMap<u64, String>,
    /// How it ended, where it has.
    pub exit: Option<Exit>,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// In words.
    pub status: String,
    /// What its last words and the system say about the cause, by name.
    pub clue: Option<String>,
    /// The logs of its orders that were not over, and how many bytes each has: who sees less does not see all yet.
    pub logs: Vec<(PathBuf, u64)>,
}

/// The text of such a file.
///
/// # Errors
///
/// Never, for what this module has.
pub fn write<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    seal(&mut text);
    text.push(b'\n');
    Ok(text)
}

/// What stands in such a file; none where it is damaged, or only a part of it is there.
pub fn read<T: serde::de::DeserializeOwned>(text: &[u8]) -> Option<T> {
    let line = text.strip_suffix(b"\n")?;
    check_seal(line).ok()?;
    serde_json::from_slice(line).ok()
}

/// The version of whoever has written such a file whole; none where it is not whole.
pub fn version(text: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Written {
        version: u32,
    }
    read::<Written>(text).map(|written| written.version)
}

/// The checksum of an order's file, as [`Sheet`] has it.
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
