use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::fingerprint::tests::{settle, unsettle};
use super::*;
use crate::Real;
use sweep_spec::own_data::Shape;

/// Numbered samples of 1×1×3: the number twice, then 255. Every `damaged`th one is damaged.
struct Numbers {
    count: usize,
    damaged: usize,
    values: Values,
    /// From this sample on, the contents differ, in files that look the same.
    replaced: usize,
    fingerprint: Fingerprint,
    /// Reading fails after this many samples.
    fails: AtomicUsize,
    read: AtomicUsize,
    digested: AtomicUsize,
}

impl Numbers {
    fn new(count: usize) -> Self {
        Numbers::with(count, usize::MAX, Values::Bytes)
    }

    fn with(count: usize, damaged: usize, values: Values) -> Self {
        let (fails, read, digested) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0), AtomicUsize::new(0));
        let fingerprint = settle(Fingerprint::new(format!("{count} {damaged} {values:?}"), Path::new("nowhere")));
        Numbers { count, damaged, values, replaced: usize::MAX, fingerprint, fails, read, digested }
    }

    /// Makes the metadata of the files unreliable.
    fn unsettled(self) -> Self {
        let fingerprint =
            Fingerprint::new(format!("{} {} {:?}", self.count, self.damaged, self.values), Path::new("nowhere"));
        Numbers { fingerprint: unsettle(fingerprint), ..self }
    }

    fn raw(&self, at: usize) -> [u8; 3] {
        [(at % 256) as u8, (at / 256) as u8, if at >= self.replaced { 254 } else { 255 }]
    }

    fn hash(&self, range: Range<usize>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        range.for_each(|at| {
            hasher.update(&self.raw(at));
        });
        hasher.finalize()
    }

    fn counts(&self) -> (usize, usize) {
        (self.read.swap(0, Ordering::Relaxed), self.digested.swap(0, Ordering::Relaxed))
    }
}

impl Input for Numbers {
    fn name(&self) -> String {
        "numbers".to_owned()
    }

    fn path(&self) -> &Path {
        Path::new("nowhere")
    }

    fn form(&self) -> Form {
        Form { size: Some(self.damaged as u32), range: None }
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn look_again(&self) -> Result<Fingerprint, DataError> {
        Ok(Fingerprint::new(format!("{} {} {:?}", self.count, self.damaged, self.values), Path::new("nowhere")))
    }

    fn left_out(&self) -> Option<String> {
        None
    }

    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError> {
        self.digested.fetch_add(range.len(), Ordering::Relaxed);
        done(range.len());
        Ok(self.hash(range))
    }

    fn shape(&self) -> Shape {
        Shape::Image([3, 1, 1])
    }

    fn values(&self) -> Values {
        self.values
    }

    fn labelled(&self) -> Labelled {
        Labelled { classes: vec!["even".to_owned(), "odd".to_owned()] }
    }

    fn len(&self) -> usize {
        self.count
    }

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        if range.end > self.fails.load(Ordering::Relaxed) {
            let (path, source) = (PathBuf::from("nowhere"), std::io::ErrorKind::Interrupted.into());
            return Err(DataError::Read { path, source });
        }
        self.read.fetch_add(range.len(), Ordering::Relaxed);
        done(range.len());
        let source = self.hash(range.clone());
        let mut block = Block { samples: Vec::new(), labels: Vec::new(), damaged: Vec::new(), source };
        for at in range {
            if (at + 1).is_multiple_of(self.damaged) {
                block.damaged.push(Damaged { name: at.to_string(), why: "by intent".to_owned() });
                continue;
            }
            let bytes = self.raw(at);
            match self.values {
                Values::Bytes => block.samples.extend(bytes),
                Values::Floats => block.samples.extend(bytes.iter().flat_map(|&byte| f32::from(byte).to_le_bytes())),
            }
            block.labels.push((at % 2) as u16);
        }
        Ok(block)
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        Ok(vec!["a note".to_owned()])
    }
}

/// Returns the only folder in a folder.
fn only(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let first = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    first
}

fn make(input: &Numbers, root: &Path) -> Result<DataId, DataError> {
    build(input, root, &|_| {})
}

#[test]
fn an_interrupted_cache_continues_and_ends_the_same() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = make(&Numbers::new(7000), whole.path()).unwrap();
    let input = Numbers::new(7000);
    input.fails.store(5000, Ordering::Relaxed);
    assert!(matches!(make(&input, parts.path()), Err(DataError::Read { .. })));
    assert_eq!(input.read.load(Ordering::Relaxed), 4096, "two pieces");

    // The state that a process killed while writing leaves: samples without their line, a line without its end.
    let unfinished_folder = only(&unfinished_dir(parts.path()));
    let append = |name: &str, bytes: &[u8]| {
        let path = unfinished_folder.join(name);
        fs::write(&path, [fs::read(&path).unwrap(), bytes.to_vec()].concat()).unwrap();
    };
    append("samples.bin", &[9; 1000]);
    append("labels.bin", &[9; 3]);
    append("journal.jsonl", br#"{"read":2048,"piece":{"samples":2048,"#);

    assert!(unfinished_bytes(parts.path()) > 4096 * 5);
    input.fails.store(usize::MAX, Ordering::Relaxed);
    let begun = Mutex::new(Vec::new());
    let again = build(&input, parts.path(), &|event| {
        if let PrepareEvent::Begun { done, total, .. } = event {
            begun.lock().unwrap().push((done, total));
        }
    });
    assert_eq!(again.unwrap(), content);
    assert_eq!(*begun.lock().unwrap(), [(4096, 7000)]);
    assert_eq!(unfinished_bytes(parts.path()), 0);
    assert_eq!(input.read.load(Ordering::Relaxed), 7000, "nothing is read twice");
    let files = |root: &Path| fs::read(folder(root, content).samples()).unwrap();
    assert_eq!(files(parts.path()), files(whole.path()));
    assert_eq!(make(&input, parts.path()).unwrap(), content);
    assert_eq!(input.read.load(Ordering::Relaxed), 7000, "a finished cache is found again");
}

#[test]
fn metadata_saves_reading_again_only_if_it_is_proof() {
    let root = tempfile::tempdir().unwrap();
    let settled = Numbers::new(5000);
    let content = make(&settled, root.path()).unwrap();
    assert_eq!(settled.counts(), (5000, 0), "what is read first is read once");
    assert_eq!(make(&settled, root.path()).unwrap(), content);
    assert_eq!(settled.counts(), (0, 0));

    // Names, sizes and times are the same, but contents decide.
    let root = tempfile::tempdir().unwrap();
    let unsettled = Numbers::new(5000).unsettled();
    assert_eq!(make(&unsettled, root.path()).unwrap(), content);
    for _ in 0..2 {
        assert_eq!(make(&unsettled, root.path()).unwrap(), content);
        assert_eq!(known(root.path(), &unsettled).unwrap(), Some(content));
    }
    assert_eq!(unsettled.counts(), (5000, 20_000));
    let other = Numbers { replaced: 4999, ..Numbers::new(5000) }.unsettled();
    assert_eq!(known(root.path(), &other).unwrap(), None);
    let changed = make(&other, root.path()).unwrap();
    assert_ne!(changed, content);
    assert_eq!(Mapped::open(root.path(), changed).unwrap().reference(5000).len(), 15_000);
    assert_eq!(other.counts(), (5000, 10_000));
    for (input, content) in [(&unsettled, content), (&other, changed)] {
        assert_eq!(known(root.path(), input).unwrap(), Some(content), "both are known from now on");
    }
}

#[test]
fn an_interrupted_cache_is_not_continued_from_other_files() {
    for settled in [false, true] {
        // By the first sample that differs: in the first piece, in the second, and in one that is not read yet.
        for (replaced, taken_over) in [(0, 0), (2047, 0), (2048, 2048), (4096, 4096), (usize::MAX, 4096)] {
            let root = tempfile::tempdir().unwrap();
            let killed = Numbers::new(7000).unsettled();
            killed.fails.store(5000, Ordering::Relaxed);
            make(&killed, root.path()).unwrap_err();
            let after = Numbers { replaced, ..Numbers::new(7000) };
            // Even if the metadata is reliable by now: it was not when the files were read.
            let after = if settled { after } else { after.unsettled() };
            let content = make(&after, root.path()).unwrap();
            let counts = after.counts();
            let alone = make(&Numbers { replaced, ..Numbers::new(7000) }, tempfile::tempdir().unwrap().path()).unwrap();
            assert_eq!(content, alone, "{replaced}");
            assert_eq!(counts.0, 7000 - taken_over, "{replaced}");
            Mapped::open(root.path(), content).unwrap().check().unwrap();
            assert_eq!(unfinished_bytes(root.path()), 0);
        }
    }
}

#[test]
fn files_that_change_while_they_are_read_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut input = Numbers::new(100);
    input.fingerprint.add_for_test("another file");
    let error = make(&input, root.path()).unwrap_err().to_string();
    assert!(error.contains("it changed while it was read; wait until nothing writes to it"), "{error}");
    assert_eq!(list(root.path()).len(), 0);
}

#[test]
fn a_piece_lost_from_disk_is_read_again() {
    let root = tempfile::tempdir().unwrap();
    let input = Numbers::new(7000);
    input.fails.store(5000, Ordering::Relaxed);
    make(&input, root.path()).unwrap_err();
    let unfinished_folder = only(&unfinished_dir(root.path()));
    fs::File::options().write(true).open(unfinished_folder.join("samples.bin")).unwrap().set_len(3 * 3000).unwrap();
    input.fails.store(usize::MAX, Ordering::Relaxed);
    let content = make(&input, root.path()).unwrap();
    assert_eq!(input.read.load(Ordering::Relaxed), 7000 + 2048);
    Mapped::open(root.path(), content).unwrap().check().unwrap();

    // Changed bytes are found before the cache gets its name.
    let other = Numbers::with(7000, 5000, Values::Bytes);
    other.fails.store(5000, Ordering::Relaxed);
    make(&other, root.path()).unwrap_err();
    let path = only(&unfinished_dir(root.path())).join("samples.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[77] ^= 1;
    fs::write(&path, bytes).unwrap();
    other.fails.store(usize::MAX, Ordering::Relaxed);
    let error = make(&other, root.path()).unwrap_err().to_string();
    assert!(error.contains("run the same command again"), "{error}");
    assert!(make(&other, root.path()).is_ok());
}

#[test]
fn two_builds_at_once_make_one_cache() {
    let root = tempfile::tempdir().unwrap();
    let input = Numbers::new(9000);
    let contents: Vec<DataId> = std::thread::scope(|scope| {
        let one = || make(&input, root.path()).unwrap();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(contents.iter().all(|content| *content == contents[0]));
    assert_eq!(input.read.load(Ordering::Relaxed), 9000);
}

#[test]
fn a_few_damaged_samples_are_left_out_and_many_are_an_error() {
    let root = tempfile::tempdir().unwrap();
    let few = Numbers::with(5000, 1000, Values::Bytes);
    let told = Mutex::new(Vec::new());
    let content = build(&few, root.path(), &|event| {
        if let PrepareEvent::Damaged(damaged) = event {
            told.lock().unwrap().push(damaged.name.clone());
        }
    });
    let mapped = Mapped::open(root.path(), content.unwrap()).unwrap();
    assert_eq!(*told.lock().unwrap(), ["999", "1999", "2999", "3999", "4999"]);
    assert_eq!((mapped.manifest().samples(), mapped.manifest().damaged.len()), (4995, 5));
    assert_eq!((mapped.label(998), mapped.label(999)), (0, 0), "labels move with their samples");
    assert_eq!(mapped.manifest().notes, ["a note"]);

    let many = Numbers::with(5000, 50, Values::Bytes);
    let error = make(&many, root.path()).unwrap_err().to_string();
    assert!(error.contains("81 of the first 4096 samples of numbers are damaged"), "{error}");
    assert!(error.contains("49: by intent; 99: by intent; 149: by intent; …"), "{error}");
    let alone = Numbers::with(1, 1, Values::Bytes);
    assert!(matches!(make(&alone, root.path()), Err(DataError::Damaged { damaged: 1, .. })));
    assert!(matches!(make(&Numbers::new(0), root.path()), Err(DataError::Empty)));
}

#[test]
fn training_uses_the_samples_that_were_read() {
    let root = tempfile::tempdir().unwrap();
    for values in [Values::Bytes, Values::Floats] {
        let input = Numbers::with(3000, usize::MAX, values);
        let mapped = Mapped::open(root.path(), make(&input, root.path()).unwrap()).unwrap();
        assert_eq!((mapped.features(), Real::len(&mapped)), (3, Some(3000)));
        assert_eq!(mapped.label_frequencies().unwrap(), [0.5, 0.5]);
        let byte = |x: f32| match values {
            Values::Bytes => ((x + 1.0) * 127.5).round() as usize,
            Values::Floats => x as usize,
        };
        let number = |sample: &[f32]| byte(sample[0]) + 256 * byte(sample[1]);
        let mut seen = Vec::new();
        let mut batch = vec![f32::NAN; 3 * 64];
        for index in 0..94 {
            mapped.batch(5, index, &mut batch);
            seen.extend(batch.chunks(3).map(number));
        }
        seen.truncate(3000);
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..3000), "an epoch has every sample once");
        assert_eq!(mapped.reference(5)[..], mapped.reference(9000)[..15]);
        assert_eq!(mapped.reference(9000).len(), 9000);
    }
    assert_eq!(list(root.path()).len(), 2);
}

#[test]
fn a_changed_cache_is_reported_with_the_position() {
    let root = tempfile::tempdir().unwrap();
    let content = make(&Numbers::new(5000), root.path()).unwrap();
    let path = folder(root.path(), content).samples();
    let open = || Mapped::open(root.path(), content).and_then(|mapped| mapped.check()).unwrap_err().to_string();
    let sound = fs::read(&path).unwrap();
    let mut changed = sound.clone();
    changed[3 * 2048 + 5] ^= 1;
    fs::write(&path, changed).unwrap();
    assert!(open().contains("samples.bin: the samples from byte 6144 on differ from those that were written"));
    fs::write(&path, &sound[..14_000]).unwrap();
    assert!(open().contains("expected 15000 bytes according to the manifest, but the file ends at byte 14000"));
    fs::remove_file(&path).unwrap();
    assert!(open().contains("samples.bin: cannot be read"));
    fs::write(folder(root.path(), content).manifest(), "{").unwrap();
    assert!(open().contains("manifest.json: EOF"));
    let none = Mapped::open(root.path(), DataId::of(b"none")).unwrap_err().to_string();
    assert!(none.contains("run `sweep data prepare FILE`"), "{none}");
}

#[test]
fn an_unwritable_folder_is_reported() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = make(&Numbers::new(10), file.path()).unwrap_err().to_string();
    assert!(error.starts_with("cannot write to ") && error.contains("--data or SWEEP_DATA"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn arbitrary_bytes_are_an_error_or_a_valid_cache(
        name in prop::sample::select(vec!["samples.bin", "labels.bin", "journal.jsonl", "head.json", "manifest.json"]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        finished in any::<bool>(),
    ) {
        let root = tempfile::tempdir().unwrap();
        let input = Numbers::new(3000);
        let content = make(&input, root.path()).unwrap();
        let finished_folder = folder(root.path(), content).0;
        let place = if finished { finished_folder.clone() } else {
            // As if the process was killed before the cache got its name.
            input.fails.store(2500, Ordering::Relaxed);
            fs::remove_dir_all(home(root.path())).unwrap();
            make(&input, root.path()).unwrap_err();
            input.fails.store(usize::MAX, Ordering::Relaxed);
            only(&unfinished_dir(root.path()))
        };
        let mut changed = fs::read(place.join(name)).unwrap_or_default();
        let at = at.index(changed.len() + 1);
        changed.truncate(at);
        changed.extend(bytes);
        fs::write(place.join(name), changed).unwrap();
        let _ = Mapped::open(root.path(), content).and_then(|mapped| mapped.check());
        if let Ok(again) = make(&input, root.path()) {
            prop_assert_eq!(again, content);
        }
    }
}
