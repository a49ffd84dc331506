//! Why a worker died that said nothing in its log.

use std::fs;

use crate::state::Clue;

/// What a process says that has got no memory: libtorch, C++, Rust, the system.
const NO_MEMORY: [&str; 5] =
    ["out of memory", "can't allocate memory", "Cannot allocate memory", "bad_alloc", "memory allocation of"];
/// What the system says of a disk that is full or must not be written to, and of a file that `ulimit -f` lets grow no further.
const NO_SPACE: [&str; 4] =
    ["No space left on device", "Disk quota exceeded", "Read-only file system", "File too large"];
/// Lines at the end that tell of it.
const LAST: usize = 10;
/// The signal by which the system ends processes when there is no memory left.
const KILL: i32 = 9;

/// The cause, by the process's last words on stderr and the signal that ended it, and the line that says so, if one does; `killed` says whether
/// the system has ended any process for want of memory meanwhile.
pub(super) fn clue(said: &str, signal: Option<i32>, killed: bool) -> Option<(Clue, Option<&str>)> {
    // What it said long before is not what ended it.
    let last = || said.lines().rev().take(LAST);
    let line = |texts: &[&str]| last().find(|line| texts.iter().any(|text| line.contains(text)));
    if let Some(line) = line(&NO_SPACE) {
        Some((Clue::NoSpace, Some(line)))
    } else if let Some(line) = line(&NO_MEMORY) {
        Some((Clue::NoMemory, Some(line)))
    } else {
        let clue = if killed { Clue::NoMemory } else { Clue::Killed };
        (signal == Some(KILL)).then_some((clue, None))
    }
}

/// How many processes the system has ended for want of memory since it started; 0 where it does not say.
pub(super) fn killed_for_memory() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_and_signals_tell_causes() {
        let full = "and then\nerror: x: No space left on device (os error 28)\nbye";
        assert_eq!(clue(full, None, false), Some((Clue::NoSpace, full.lines().nth(1))));
        let limited = "error: checkpoint: File too large (os error 27)";
        assert_eq!(clue(limited, None, false), Some((Clue::NoSpace, Some(limited))));
        let words = "memory allocation of 805306368 bytes failed";
        assert_eq!(clue(words, Some(6), false), Some((Clue::NoMemory, Some(words))));
        assert_eq!(clue("what():  std::bad_alloc", Some(6), false).unwrap().0, Clue::NoMemory);
        assert_eq!(clue("", Some(9), true), Some((Clue::NoMemory, None)));
        assert_eq!(clue("", Some(9), false), Some((Clue::Killed, None)));
        assert_eq!(clue("thread panicked", None, true), None);
    }
}
