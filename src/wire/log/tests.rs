//! Logs in all conditions: torn, damaged, with holes, in pieces.

use super::*;

#[test]
fn the_last_line_tells_whether_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    assert!(ended(&path).is_none());
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    assert!(ended(&path).is_none());
    writer.append(Event::Warning { message: "x".repeat(100_000) }).unwrap();
    assert!(ended(&path).is_none());
    writer.append(Event::Ended { outcome: Outcome::Stopped, message: "\"ended\"".into() }).unwrap();
    assert_eq!(ended(&path), Some(Outcome::Stopped));
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(ended(&path).is_none(), "torn");
}

#[test]
fn a_torn_line_is_read_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    assert_eq!(read(&path, 0).unwrap().offset, 0);
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    writer.append(Event::Checkpointed { step: 1 }).unwrap();
    writer.append(Event::Ended { outcome: Outcome::Finished, message: String::new() }).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let reference = read(&path, 0).unwrap();
    assert_eq!((reference.records.len(), reference.offset), (2, whole.len() as u64));
    for cut in 0..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let first = read(&path, 0).unwrap();
        std::fs::write(&path, &whole).unwrap();
        let rest = read(&path, first.offset).unwrap();
        assert!(first.header.or(rest.header).is_some());
        assert_eq!([first.records, rest.records].concat(), reference.records);
    }
    for most in 1..whole.len() as u64 + 2 {
        let (mut records, mut offset, mut more) = (Vec::new(), 0, true);
        while more {
            let batch = read_some(&path, offset, most).unwrap();
            assert!(!batch.more || batch.offset > offset, "a piece has a line at least");
            records.extend(batch.records);
            (offset, more) = (batch.offset, batch.more);
        }
        assert_eq!((records.len(), offset), (reference.records.len(), reference.offset), "{most}");
    }
}

/// Another machine's last writes may become visible before its earlier ones.
#[test]
fn a_hole_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    writer.append(started()).unwrap();
    for step in 1..=2 {
        writer.append(Event::Checkpointed { step }).unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
    for (from, to) in [(ends[0] + 1, ends[1]), (ends[0] + 1, ends[1] + 1), (ends[1] - 3, ends[2] - 3), (3, 9)] {
        let mut holed = whole.clone();
        holed[from..to].fill(0);
        std::fs::write(&path, &holed).unwrap();
        let mut reader = Reader::new(path.clone(), check(), 0).waiting();
        let before = reader.read().unwrap();
        assert!(!before.more && before.offset <= from as u64, "{before:?}");
        assert!(reader.read().unwrap().records.is_empty(), "not yet");
        std::fs::write(&path, &whole).unwrap();
        let after = reader.read().unwrap();
        assert_eq!(before.records.len() + after.records.len(), 3, "{from}..{to}");
        assert_eq!(after.offset, whole.len() as u64);
    }
}

#[test]
fn garbage_is_an_error_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let header = std::fs::metadata(&path).unwrap().len();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"nonsense\n").unwrap();
    let before = read(&path, 0).unwrap();
    assert_eq!((before.header.is_some(), before.offset), (true, header));
    match read(&path, header) {
        Err(LogError::Garbage { offset, .. }) => assert_eq!(offset, header),
        other => panic!("{other:?}"),
    }
}

fn started() -> Event {
    Event::Started { step: 0, pid: 1, host: String::new(), device: String::new() }
}

fn check() -> Check {
    Check::new(PROTOCOL, (CohortId::of(b"c"), 1), 100, [].into())
}

#[test]
fn a_reader_keeps_what_comes_before_garbage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let events = [started(), Event::Checkpointed { step: 1 }, Event::Checkpointed { step: 2 }];
    events.into_iter().for_each(|event| writer.append(event).unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // One line is deleted; the number of good events before the gap.
    for (deleted, good) in [(1, 0), (2, 1)] {
        let rest: String = lines.iter().enumerate().filter(|(at, _)| *at != deleted).map(|(_, line)| *line).collect();
        std::fs::write(&path, rest).unwrap();
        let mut reader = Reader::new(path.clone(), check(), 0);
        let batch = reader.read().unwrap();
        assert_eq!((batch.records.len(), batch.more), (good, true), "an error is to be read");
        for _ in 0..2 {
            match reader.read() {
                Err(LogError::Garbage { offset, message, .. }) => {
                    assert_eq!(offset, batch.offset);
                    assert_eq!(message, format!("event {} where {good} was expected", good + 1));
                }
                other => panic!("{other:?}"),
            }
        }
    }
    std::fs::remove_file(&path).unwrap();
    Writer::create(&path, CohortId::of(b"c"), 2).unwrap();
    let error = Reader::new(path, check(), 0).read().unwrap_err().to_string();
    assert!(error.contains(&format!("attempt 1; it has {PROTOCOL}, ")), "{error}");
}

#[test]
fn a_reader_takes_a_log_in_pieces_and_nothing_behind_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let end = Event::Ended { outcome: Outcome::Finished, message: String::new() };
    let events = [started(), Event::Checkpointed { step: 1 }, end.clone()];
    events.into_iter().for_each(|event| writer.append(event).unwrap());
    let ended = std::fs::metadata(&path).unwrap().len();
    writer.append(end).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for piece in [1, 7, 64, whole.len()] {
        std::fs::write(&path, "").unwrap();
        let mut reader = Reader::new(path.clone(), check(), 0);
        let (mut records, mut offset) = (0, 0);
        for bytes in whole.chunks(piece) {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(bytes).unwrap();
            let batch = reader.read().unwrap();
            assert!(!batch.more);
            (records, offset) = (records + batch.records.len(), batch.offset);
        }
        assert_eq!((records, offset), (3, ended), "{piece}");
    }
}

#[test]
fn no_bit_of_a_log_can_change_unseen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let end = Event::Ended { outcome: Outcome::Finished, message: String::new() };
    let events = [started(), Event::Progress { step: 1, rate: 52.25 }, Event::Checkpointed { step: 1 }, end];
    events.into_iter().for_each(|event| writer.append(event).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let read = || {
        let (mut reader, mut records) = (Reader::new(path.clone(), check(), 0), Vec::new());
        loop {
            match reader.read() {
                Ok(batch) if batch.records.is_empty() && !batch.more => return (records, false),
                Ok(batch) => records.extend(batch.records),
                Err(_) => return (records, true),
            }
        }
    };
    let (whole, damaged) = read();
    assert_eq!((whole.len(), damaged), (4, false));
    let mut seen = 0;
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &bytes).unwrap();
        let (records, damaged) = read();
        assert!(whole.starts_with(&records), "bit {bit}");
        seen += usize::from(damaged || records.len() < whole.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    // The rest are bits in the checksums' own names.
    assert!(seen >= 8 * (bytes.len() - 5 * SEAL.len()), "{seen} of {}", 8 * bytes.len());
}

#[test]
fn a_line_without_an_end_is_garbage_when_it_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let header = std::fs::metadata(&path).unwrap().len();
    let mut reader = Reader::new(path.clone(), check(), 0);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(reader.read().unwrap().offset, header);
    for _ in 0..16 {
        file.write_all(&[b'x'; 1 << 20]).unwrap();
        assert_eq!(reader.read().unwrap().offset, header, "not yet");
    }
    // Much longer lines are not even read.
    file.set_len(1 << 32).unwrap();
    for _ in 0..2 {
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains("a line of more than 16 MiB"), "{error}");
        assert!(reader.held.capacity() < 64 << 20);
    }
    assert!(read(&path, header).is_err());
}

#[test]
fn mutants_of_event_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
    let job = sweep_spec::id::JobId::of(b"j");
    writer.append(Event::Started { step: 0, pid: 7, host: "h".into(), device: "cpu".into() }).unwrap();
    writer.append(Event::Progress { step: 5, rate: 3.5 }).unwrap();
    writer.append(Event::JobDone { job, step: 9, seconds: 0.5 }).unwrap();
    drop(writer);
    let sealed = std::fs::read_to_string(&path).unwrap();
    // Without checksums, as other workers write them: with one, mutants would never reach the rest of the reader.
    let line = |line: &str| line.split_once(",\"crc\"").map_or(String::new(), |(object, _)| format!("{object}}}\n"));
    let plain: String = sealed.lines().map(line).collect();
    sweep_fuzz::survive_as_file(&[sealed.into_bytes(), plain.into_bytes()], |path| {
        let mut offset = 0;
        while let Ok(batch) = read(path, offset) {
            if batch.offset == offset {
                break;
            }
            offset = batch.offset;
        }
    });
}
