//! Why a worker died that said nothing in its log.

use std::fs;

use crate::state::Clue;
use sweep_wire::shortage::Shortage;

/// Lines at the end that tell of it.
const LAST: usize = 10;
/// The signal by which the system ends processes when there is no memory left.
const KILL: i32 = 9;

/// The cause, by the process's last words on stderr and the signal that ended it, and the line that says so, if one does; `killed` says whether
/// the system has ended any process for want of memory meanwhile.
pub(super) fn clue(said: &str, signal: Option<i32>, killed: bool) -> Option<(Clue, Option<&str>)> {
    // What it said long before is not what ended it.
    let mut last = said.lines().rev().take(LAST).enumerate();
    // What was denied ended it where it had nothing to say after that, and was not ended by a signal.
    let counts = |n: usize, line: &str| !Shortage::is_denied(line) || n == 0 && signal.is_none();
    let told = last.find_map(|(n, line)| Some((Shortage::told_by(line).filter(|_| counts(n, line))?, line)));
    match told {
        Some((Shortage::Memory, line)) => Some((Clue::NoMemory, Some(line))),
        Some((Shortage::Space, _)) if killed && signal == Some(KILL) => Some((Clue::NoMemory, None)),
        Some((Shortage::Space, line)) => Some((Clue::NoSpace, Some(line))),
        None => {
            let clue = if killed { Clue::NoMemory } else { Clue::Killed };
            (signal == Some(KILL)).then_some((clue, None))
        }
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
        // As a worker that is not this program's may say it.
        let denied = "PermissionError: [Errno 13] Permission denied: '/results/x'";
        assert_eq!(clue(denied, None, false), Some((Clue::NoSpace, Some(denied))));
        // Of another file, before something else ended it.
        assert_eq!(clue("warning: /root/x: Permission denied", Some(11), false), None);
        assert_eq!(clue(&format!("{denied}\nValueError: x"), None, false), None);
        assert_eq!(clue(full, Some(9), true), Some((Clue::NoMemory, None)));
        let words = "memory allocation of 805306368 bytes failed";
        assert_eq!(clue(words, Some(6), false), Some((Clue::NoMemory, Some(words))));
        // The last word counts, and what was said long before does not.
        let both = format!("{full}\n{words}");
        assert_eq!(clue(&both, Some(6), false), Some((Clue::NoMemory, Some(words))));
        let before = format!("{words}{}", "\n".repeat(LAST + 1));
        assert_eq!(clue(&before, Some(9), false), Some((Clue::Killed, None)));
        assert_eq!(clue("", Some(9), true), Some((Clue::NoMemory, None)));
        assert_eq!(clue("", Some(9), false), Some((Clue::Killed, None)));
        assert_eq!(clue("thread panicked", None, true), None);
    }
}
