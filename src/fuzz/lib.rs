//! Fuzz tests for parsers. Whatever the bytes, a parser must read or refuse them without a panic, and its memory use
//! must be in proportion to the file. `SWEEP_FUZZ=1000000 cargo test --release --workspace --lib mutants` tries a
//! million mutants per parser.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;

/// Mutants per corpus in ordinary test runs.
const FEW: usize = 2000;
/// The most bytes that a parser may hold at a time: so many per byte of input, and a fixed allowance.
const PER_BYTE: usize = 256;
const ALLOWANCE: usize = 16 << 20;

thread_local! {
    /// Bytes that this thread has allocated and not freed yet, and their maximum so far.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    // At the end of a thread its counters are already gone.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(now.get())));
    });
}

// SAFETY: every call is passed on unchanged to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A small random number generator (xorshift64*) that always yields the same numbers.
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

/// Texts with a meaning in some file format.
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

/// Passes many damaged forms of the files in `corpus`, which must not be empty, to `parse`.
#[track_caller]
pub fn survive(corpus: &[Vec<u8>], parse: impl FnMut(&[u8])) {
    survive_within(ALLOWANCE, corpus, parse);
}

/// Like [`survive`], with this many bytes as the fixed memory allowance.
#[track_caller]
pub fn survive_within(allowance: usize, corpus: &[Vec<u8>], mut parse: impl FnMut(&[u8])) {
    let mutants = std::env::var("SWEEP_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for mutant in 0..mutants {
        let mut bytes = corpus[dice.below(corpus.len())].clone();
        // The files themselves come first, undamaged.
        if mutant >= corpus.len() {
            damage(&mut bytes, corpus, &mut dice);
        }
        let most = most_memory(|| parse(&bytes));
        assert!(
            most <= PER_BYTE * bytes.len() + allowance,
            "used {most} bytes of memory for {} bytes of input: {:?}",
            bytes.len(),
            String::from_utf8_lossy(&bytes)
        );
    }
}

/// Returns the most bytes of memory that `work` holds at a time on this thread.
pub fn most_memory(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    MOST.set(before);
    work();
    (MOST.get() - before).unsigned_abs()
}

/// Like [`survive`], but passes the damaged bytes to `parse` as a file.
#[track_caller]
pub fn survive_as_file(corpus: &[Vec<u8>], mut parse: impl FnMut(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    survive(corpus, |bytes| {
        fs::write(&path, bytes).unwrap();
        parse(&path);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted() {
        let result =
            std::panic::catch_unwind(|| survive(&[vec![0]], |_| drop(std::hint::black_box(vec![1_u8; 1 << 26]))));
        assert!(result.unwrap_err().downcast_ref::<String>().unwrap().contains("bytes of memory for"));
    }
}
