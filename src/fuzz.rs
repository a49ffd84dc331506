//! Tests of parsers with damaged files: whatever the bytes, they are read or refused, without a panic and without more memory than such a file is
//! worth. `SWEEP_FUZZ=1000000 cargo test --release --lib mutants` tries a million for each parser.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Mutants of each corpus in the usual tests.
const FEW: usize = 2000;
/// Bytes that a parser may have at a time for each byte of its input, and beside that.
const EACH: usize = 256;
const BESIDE: usize = 16 << 20;

thread_local! {
    /// Bytes that this thread has asked for and not given back, and the most that these have been.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // A thread at its end has no counters any more.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(now.get())));
    });
}

// SAFETY: everything is handed on to the system's allocator as it comes; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller's own promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A small generator of random numbers (xorshift64*), the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }
}

/// Texts that mean something to some parser.
const WORDS: [&[u8]; 22] = [
    b"\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b": ",
    b", ",
    b"\"",
    b"'",
    b"-",
    b"&a",
    b"*a",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"nan",
    b"null",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    b"(",
    b"../",
];

/// Damages `bytes`, often in several places.
fn damage(bytes: &mut Vec<u8>, others: &[Vec<u8>], dice: &mut Dice) {
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        let length = dice.below(1 + (bytes.len() - at).min(64));
        match dice.below(9) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = dice.next() as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let other = &others[dice.below(others.len())];
                let from = dice.below(other.len() + 1);
                let piece = other[from..other.len().min(from + 64)].to_vec();
                bytes.splice(at..at, piece);
            }
            6 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            _ => {
                let word = WORDS[dice.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
}

/// Hands many damaged forms of the files in `corpus`, which must not be empty, to `parse`.
#[track_caller]
pub(crate) fn survive(corpus: &[Vec<u8>], parse: impl FnMut(&[u8])) {
    survive_within(BESIDE, corpus, parse);
}

/// The same with so much memory beside what the input is worth.
#[track_caller]
fn survive_within(beside: usize, corpus: &[Vec<u8>], mut parse: impl FnMut(&[u8])) {
    let mutants = std::env::var("SWEEP_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for mutant in 0..mutants {
        let mut bytes = corpus[dice.below(corpus.len())].clone();
        // The files themselves come first.
        if mutant >= corpus.len() {
            damage(&mut bytes, corpus, &mut dice);
        }
        let before = NOW.get();
        MOST.set(before);
        parse(&bytes);
        let most = (MOST.get() - before).unsigned_abs();
        assert!(
            most <= EACH * bytes.len() + beside,
            "{most} bytes of memory for {} bytes: {:?}",
            bytes.len(),
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::data::Idx;
    use crate::data::numbers::{self, Wanted};
    use crate::plan::slot::Device;
    use crate::spec::id::{CohortId, JobId};
    use crate::spec::sweep::Sweep;
    use crate::tensor::file;
    use crate::wire::event::Event;
    use crate::wire::log::{self, Writer};
    use crate::wire::order::{Member, Order};

    /// Hands the damaged bytes over as a file.
    fn survive_as_file(corpus: &[Vec<u8>], mut parse: impl FnMut(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        survive(corpus, |bytes| {
            fs::write(&path, bytes).unwrap();
            parse(&path);
        });
    }

    #[test]
    fn memory_is_counted() {
        let result =
            std::panic::catch_unwind(|| survive(&[vec![0]], |_| drop(std::hint::black_box(vec![1_u8; 1 << 26]))));
        assert!(result.unwrap_err().downcast_ref::<String>().unwrap().contains("bytes of memory for"));
    }

    #[test]
    fn mutants_of_sweep_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps");
        let texts = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        // Not the one of 41,472 jobs: what is wrong with it as a whole takes time to find.
        let corpus: Vec<Vec<u8>> =
            texts.filter(|text| text.len() < 4000 && !text.starts_with(b"# The wide grid")).collect();
        assert!(corpus.len() > 5);
        // A mutant may ask for many jobs, but for a million at most.
        survive_within(1 << 30, &corpus, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            match Sweep::parse("fuzzed.yaml", &text) {
                Err(errors) => assert!(!errors.render(80, false).is_empty()),
                Ok(sweep) => drop(sweep),
            }
        });
    }

    #[test]
    fn mutants_of_idx_files() {
        let file = |dims: &[u32], values: usize| {
            let header = [0, 0, 8, dims.len() as u8].into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes()));
            header.chain((0..values).map(|value| value as u8)).collect::<Vec<u8>>()
        };
        survive(&[file(&[2, 28, 28], 1568), file(&[5], 5), file(&[0, 28, 28], 0)], |bytes| {
            let _ = Idx::parse(bytes.to_vec(), &[None, Some(28), Some(28)]);
            let _ = Idx::parse(bytes.to_vec(), &[None]);
        });
    }

    #[test]
    fn mutants_of_arrays_and_tensors() {
        let npy = |descr: &str, shape: &str, values: &[u8]| {
            let dictionary = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
            let length = (dictionary.len() as u16).to_le_bytes();
            [b"\x93NUMPY\x01\x00", length.as_slice(), dictionary.as_bytes(), values].concat()
        };
        let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &[0; 16]).unwrap();
        let corpus = [
            npy("<f4", "(2, 2)", &[0; 16]),
            npy(">i8", "(3,)", &[7; 24]),
            npy("|b1", "(2, 1, 2)", &[1; 4]),
            safetensors::serialize([("samples", tensor)], None).unwrap(),
        ];
        survive_as_file(&corpus, |path| {
            let wanted = Wanted { key: None, flag: "--key", usual: "samples" };
            if let Ok(numbers) = numbers::read(path, wanted) {
                let _ = (numbers.rows(), numbers.points(), numbers.label_counts(3));
                let _ = numbers.images([1, 2, 1], Some((0.0, 1.0)));
            }
        });
    }

    #[test]
    fn mutants_of_event_logs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
        let job = JobId::of(b"j");
        writer.append(Event::Started { step: 0, pid: 7, host: "h".into(), device: "cpu".into() }).unwrap();
        writer.append(Event::Progress { step: 5, rate: 3.5 }).unwrap();
        writer.append(Event::JobDone { job, step: 9, seconds: 0.5 }).unwrap();
        drop(writer);
        let sealed = fs::read_to_string(&path).unwrap();
        // As other workers write them: a checksum would keep the rest of the reader from ever seeing a mutant.
        let line =
            |line: &str| line.split_once(",\"crc\"").map_or(String::new(), |(object, _)| format!("{object}}}\n"));
        let plain: String = sealed.lines().map(line).collect();
        survive_as_file(&[sealed.into_bytes(), plain.into_bytes()], |path| {
            let mut offset = 0;
            while let Ok(batch) = log::read(path, offset) {
                if batch.offset == offset {
                    break;
                }
                offset = batch.offset;
            }
        });
    }

    #[test]
    fn mutants_of_orders() {
        let text = "sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 0.1\nbeta: 0.2\ntrain: {steps: 4}";
        let job = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().jobs().remove(0).1;
        let order = Order {
            protocol: 1,
            cohort: CohortId::of(b"c"),
            attempt: 1,
            blueprint: (*job.blueprint).clone(),
            members: vec![Member { id: job.id(), knobs: job.knobs.clone(), seed: 3 }],
            device: Device::Cuda(0),
            threads: 1,
            data: "/d".into(),
            directory: "/r".into(),
            events: "/e".into(),
            checkpoint_seconds: 60,
            resume: false,
            from: Some("/f".into()),
            parent: Some(CohortId::of(b"p")),
            without: vec![job.id()],
            probe_seconds: None,
            slot: Some("cuda:0/0".into()),
            at: Some(1.5),
        };
        let text = serde_json::to_vec(&order).unwrap();
        assert_eq!(serde_json::from_slice::<Order>(&text).unwrap(), order);
        survive(&[text], |bytes| drop(serde_json::from_slice::<Order>(bytes)));
    }

    #[test]
    fn mutants_of_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        let tensors = [("a.weight".to_owned(), tch::Tensor::from_slice(&[1.0_f32; 12]).reshape([3, 4]))].into();
        file::write(&path, &tensors, [("step".to_owned(), "7".to_owned())].into()).unwrap();
        // What is not refused means what was written: white space may be another.
        survive_as_file(&[fs::read(&path).unwrap()], |path| {
            if let Ok(contents) = file::read(path) {
                assert_eq!(contents.metadata["step"], "7");
                assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["a.weight"]);
                assert_eq!(contents.tensors["a.weight"], tensors["a.weight"]);
            }
        });
    }
}
