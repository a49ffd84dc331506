//! TensorBoard: an event file a run, in a folder of its own.
//!
//! An event file is a row of records: the length (u64), its checksum, an `Event` as Protocol Buffers write it, its
//! checksum. The numbers of fields are those of `event.proto`, `summary.proto`, `tensor.proto` and the hparams plugin's
//! `plugin_data.proto`. Values are float32, as TensorBoard's own writers make them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::places::{folder, tidy};
use super::protobuf::Message;
use super::run::value_text;
use super::{Done, ExportError, Exporter, Run};
use sweep_store::Outline;
use sweep_system::whole::{self, Survives};
use sweep_wire::status::Status;

/// TensorBoard reads whatever has `tfevents` in its name. It is the same in each export, so that the next one takes the
/// place of this one.
const FILE: &str = "events.out.tfevents.0.sweep";

/// A folder with a folder a run.
#[derive(Debug)]
pub(crate) struct TensorBoard {
    out: PathBuf,
    taken: BTreeSet<PathBuf>,
}

impl TensorBoard {
    pub(crate) fn new(out: &Path) -> Result<Self, ExportError> {
        folder(out)?;
        Ok(TensorBoard { out: out.to_owned(), taken: BTreeSet::new() })
    }
}

impl Exporter for TensorBoard {
    fn sweep(&mut self, _: &Outline) -> Result<(), ExportError> {
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Done, ExportError> {
        if !run.has_begun() {
            return Ok(Done::NotBegun);
        }
        let name = format!("{} {}", tidy(&run.name), run.job.short());
        let mut path = self.out.join(tidy(&run.sweep)).join(tidy(&run.variant)).join(&name);
        // Two names may be one without what no name of a file has.
        for number in 2.. {
            if self.taken.insert(path.clone()) {
                break;
            }
            path.set_file_name(format!("{name} {number}"));
        }
        folder(&path)?;
        let (path, bytes) = (path.join(FILE), events(run));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(Done::Same);
        }
        whole::write(&path, &bytes, Survives::Kill).map_err(ExportError::write(&path))?;
        Ok(Done::Written)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        Ok(())
    }
}

/// The file of a run.
fn events(run: &Run) -> Vec<u8> {
    let mut file = Vec::new();
    let start = run.time_of(0);
    let mut event = |time: f64, step: u64, field: u32, content: &[u8]| {
        let event = Message::default().double(1, time).int(2, step as i64).bytes(field, content);
        record(&mut file, event.encoded());
    };
    event(start, 0, 3, b"brain.Event:2");
    let settings = run.all_settings();
    let settings = settings.iter().filter(|(_, value)| !value.is_null());
    let begun = settings.fold(Message::default(), |begun, (name, value)| begun.message(1, &setting(name, value)));
    let begun = begun.text(4, &format!("{} {}", run.sweep, run.job)).double(5, start);
    event(start, 0, 5, hparams("_hparams_/session_start_info", 3, &begun).encoded());
    for (step, points) in run.by_step() {
        let summary = points.iter().fold(Message::default(), |summary, point| {
            // Tags that begin alike are shown together.
            let group = if point.protocol.is_some() { "scores" } else { "losses" };
            let tag = format!("{group}/{}", point.metric);
            summary.message(1, &Message::default().text(1, &tag).float(2, point.value as f32))
        });
        event(run.time_of(step), step, 5, summary.encoded());
    }
    if run.has_ended() {
        let end = run.ended_at().unwrap_or(start);
        let success = matches!(run.status, Status::Done | Status::Pruned);
        let ended = Message::default().int(1, if success { 1 } else { 2 }).double(2, end);
        event(end, run.step, 5, hparams("_hparams_/session_end_info", 4, &ended).encoded());
    }
    file
}

/// An entry of the map of settings; a value is of the kind of `google.protobuf.Value`.
fn setting(name: &str, value: &Value) -> Message {
    let of = Message::default();
    let of = match value {
        Value::Bool(flag) => of.int(4, i64::from(*flag)),
        Value::Number(number) => of.double(2, number.as_f64().unwrap_or(f64::NAN)),
        other => of.text(3, &value_text(other)),
    };
    Message::default().text(1, name).message(2, &of)
}

/// What the hparams plugin reads: it stands in the description of a tensor without a value.
fn hparams(tag: &str, field: u32, content: &Message) -> Message {
    const FLOAT: i64 = 1;
    let data = Message::default().message(field, content);
    let plugin = Message::default().text(1, "hparams").message(2, &data);
    let tensor = Message::default().int(1, FLOAT).message(2, &Message::default());
    let value = Message::default().text(1, tag).message(9, &Message::default().message(1, &plugin)).message(8, &tensor);
    Message::default().message(1, &value)
}

fn record(file: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    file.extend(length);
    file.extend(masked(&length).to_le_bytes());
    file.extend(data);
    file.extend(masked(data).to_le_bytes());
}

/// CRC-32C, turned so that a checksum of data with checksums in it stays one.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

/// By the polynomial of Castagnoli, 0x1edc6f41, whose lowest bit comes first here.
const TABLE: [u32; 256] = {
    let (mut table, mut at) = ([0; 256], 0);
    while at < 256 {
        let (mut crc, mut bit) = (at as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn checksums_are_those_of_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
