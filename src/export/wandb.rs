//! Weights & Biases: offline runs, which `wandb sync` uploads.
//!
//! A run is a folder with a `.wandb` file: a head of seven bytes, and `Record`s as Protocol Buffers write them, in the
//! blocks of a LevelDB log. The numbers of fields are those of `wandb_internal.proto`. The id of a run depends on
//! sweep, variant and job, so that another upload of it goes to the same run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::places::folder;
use super::protobuf::Message;
use super::{Done, ExportError, Exporter, Run};
use sweep_store::Outline;
use sweep_system::clock::date;
use sweep_system::whole::{self, Survives};
use sweep_wire::status::Status;

/// A folder with a folder a run.
#[derive(Debug)]
pub(crate) struct Offline {
    out: PathBuf,
    /// The runs that are there.
    there: Vec<String>,
}

impl Offline {
    pub(crate) fn new(out: &Path) -> Result<Self, ExportError> {
        folder(out)?;
        let entries = fs::read_dir(out).map_err(ExportError::write(out))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(Offline { out: out.to_owned(), there: names.filter(|name| name.starts_with(FOLDER)).collect() })
    }
}

/// What names of folders begin with.
const FOLDER: &str = "offline-run-";

impl Exporter for Offline {
    fn sweep(&mut self, _: &Outline) -> Result<(), ExportError> {
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Done, ExportError> {
        if !run.has_begun() {
            return Ok(Done::NotBegun);
        }
        let id = id(run);
        // Its time is another one where the job has been tried again.
        let known = self.there.iter().find(|name| name.strip_suffix(&id).is_some_and(|start| start.ends_with('-')));
        let name = known.cloned().unwrap_or_else(|| format!("{FOLDER}{}-{id}", stamp(run.time_of(0))));
        let path = self.out.join(&name);
        folder(&path)?;
        let path = path.join(format!("run-{id}.wandb"));
        let bytes = log(&records(run, &id));
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(Done::Same);
        }
        // By this `wandb sync` knows what it has uploaded, which was something else.
        let synced = path.with_extension("wandb.synced");
        whole::remove(&synced).map_err(ExportError::write(&synced))?;
        whole::write(&path, &bytes, Survives::Kill).map_err(ExportError::write(&path))?;
        Ok(Done::Written)
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        Ok(())
    }
}

/// The id of a run: that of the job, and what tells its entries apart.
fn id(run: &Run) -> String {
    let entry = blake3::hash(json!([run.sweep, run.variant]).to_string().as_bytes()).to_hex();
    format!("{}{}", run.job, &entry[..6])
}

/// A time as `20261129_160512`.
fn stamp(at: f64) -> String {
    let minutes = date(at);
    let (day, time) = (minutes[..10].replace('-', ""), minutes[11..16].replace(':', ""));
    format!("{day}_{time}{:02}", at.rem_euclid(60.0) as u32)
}

/// What the file of a run holds.
fn records(run: &Run, id: &str) -> Vec<Message> {
    let start = run.time_of(0);
    let version = Message::default().text(1, concat!("sweep ", env!("CARGO_PKG_VERSION"))).text(2, "0.70.0");
    let mut records = vec![Message::default().message(21, &Message::default().message(1, &version))];

    let mut settings = run.all_settings();
    settings.entry("job").or_insert_with(|| json!(run.job.to_string()));
    settings.entry("variant").or_insert_with(|| json!(run.variant));
    let config = settings.iter().fold(Message::default(), |config, (name, value)| {
        config.message(1, &Message::default().text(1, name).text(16, &value.to_string()))
    });
    let mut of = Message::default()
        .text(1, id)
        .text(3, &run.sweep)
        .message(4, &config)
        .text(6, &run.variant)
        .text(8, &run.name)
        .text(10, run.status.name());
    if !run.message.is_empty() {
        of = of.text(9, &run.message);
    }
    let (seconds, nanos) = (start.floor(), (start.rem_euclid(1.0) * 1e9) as i64);
    let time = Message::default().int(1, seconds as i64).int(2, nanos);
    records.push(Message::default().message(17, &of.text(13, run.host()).message(17, &time)));

    let mut last = Vec::new();
    for (step, points) in run.by_step() {
        let time = run.time_of(step);
        let mut items: Vec<(&str, String)> =
            points.iter().map(|point| (point.metric.as_str(), number(point.value))).collect();
        items.extend([("_timestamp", number(time)), ("_runtime", number(time - start)), ("_step", step.to_string())]);
        let history = fields(&items).message(2, &Message::default().int(1, step as i64));
        records.push(Message::default().message(2, &history));
        for (name, value) in items {
            last.retain(|(known, _)| *known != name);
            last.push((name, value));
        }
    }
    if !last.is_empty() {
        records.push(Message::default().message(3, &fields(&last)));
    }
    if run.has_ended() {
        let code = i64::from(!matches!(run.status, Status::Done | Status::Pruned));
        let runtime = (run.ended_at().unwrap_or(start) - start).clamp(0.0, f64::from(i32::MAX)) as i64;
        records.push(Message::default().message(18, &Message::default().int(1, code).int(2, runtime)));
    }
    let numbered = records.into_iter().zip(1..);
    numbered.map(|(record, number)| record.int(1, number)).collect()
}

/// Items of a history or a summary.
fn fields(items: &[(&str, String)]) -> Message {
    items.iter().fold(Message::default(), |all, (name, value)| {
        all.message(1, &Message::default().text(2, name).text(16, value))
    })
}

/// A number as Python's JSON has it.
fn number(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value => Value::from(value).to_string(),
    }
}

/// Bytes of a block.
const BLOCK: usize = 32_768;
/// Bytes before each part of a record: checksum, length, and which part it is.
const HEAD: usize = 7;

/// Records in blocks: one that does not fit into what is left of a block goes on in the next one.
fn log(records: &[Message]) -> Vec<u8> {
    let mut file = b":W&B\xe1\xbe\x00".to_vec();
    for record in records {
        let (mut rest, mut first) = (record.encoded(), true);
        loop {
            let left = BLOCK - file.len() % BLOCK;
            if left < HEAD {
                file.resize(file.len() + left, 0);
                continue;
            }
            let (part, more) = rest.split_at(rest.len().min(left - HEAD));
            let kind = match (first, more.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            // Of LevelDB's format all but this: the checksum is that of zlib, as it is.
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(&[kind]);
            checksum.update(part);
            file.extend(checksum.finalize().to_le_bytes());
            file.extend((part.len() as u16).to_le_bytes());
            file.push(kind);
            file.extend(part);
            (rest, first) = (more, false);
            if rest.is_empty() {
                break;
            }
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_seconds() {
        assert_eq!(stamp(951_782_399.9), "20000228_235959");
        assert_eq!(stamp(951_782_400.0), "20000229_000000");
    }

    #[test]
    fn a_record_goes_on_in_the_next_block() {
        let of = |bytes: usize| Message::default().bytes(1, &vec![7; bytes]);
        for bytes in [1, BLOCK - 25, BLOCK - 24, BLOCK - 20, BLOCK - 18, 3 * BLOCK] {
            let records = [of(bytes), of(9)];
            let (file, mut at) = (log(&records), HEAD);
            let (mut found, mut whole): (Vec<Vec<u8>>, Vec<u8>) = Default::default();
            while at < file.len() {
                if BLOCK - at % BLOCK < HEAD {
                    at += BLOCK - at % BLOCK;
                    continue;
                }
                let length = usize::from(u16::from_le_bytes([file[at + 4], file[at + 5]]));
                let kind = file[at + 6];
                whole.extend(&file[at + HEAD..at + HEAD + length]);
                at += HEAD + length;
                assert!(at.div_ceil(BLOCK) == (at - length).div_ceil(BLOCK), "no part crosses a block");
                if matches!(kind, 1 | 4) {
                    found.push(std::mem::take(&mut whole));
                }
            }
            assert_eq!(found, records.map(|record| record.encoded().to_vec()), "{bytes}");
        }
    }
}
