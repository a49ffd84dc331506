//! Why a worker died that logged no reason.

use std::fs;

use crate::state::Clue;
use sweep_wire::shortage::Shortage;

/// How many of the last lines may name the cause.
const LAST: usize = 10;
/// SIGKILL, which the system sends to processes when no memory is left.
const KILL: i32 = 9;

/// Finds the cause from the process's last lines on stderr and the signal that ended it, and the line that names it, if
/// one does. `killed`: whether the system has killed any process for lack of memory in the meantime.
pub(super) fn clue(said: &str, signal: Option<i32>, killed: bool) -> Option<(Clue, Option<&str>)> {
    // Older lines are not about the cause.
    let mut last = said.lines().rev().take(LAST).enumerate();
    // A denied permission is the cause only if it is on the last line and no signal ended the process.
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

/// Returns how many processes the system has killed for lack of memory since it started; 0 if it does not say.
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
        // What an external worker may say.
        let denied = "PermissionError: [Errno 13] Permission denied: '/results/x'";
        assert_eq!(clue(denied, None, false), Some((Clue::NoSpace, Some(denied))));
        // This is about another file, before something else ended it.
        assert_eq!(clue("warning: /root/x: Permission denied", Some(11), false), None);
        assert_eq!(clue(&format!("{denied}\nValueError: x"), None, false), None);
        assert_eq!(clue(full, Some(9), true), Some((Clue::NoMemory, None)));
        let words = "memory allocation of 805306368 bytes failed";
        assert_eq!(clue(words, Some(6), false), Some((Clue::NoMemory, Some(words))));
        // The last line counts, and old lines don't.
        let both = format!("{full}\n{words}");
        assert_eq!(clue(&both, Some(6), false), Some((Clue::NoMemory, Some(words))));
        let before = format!("{words}{}", "\n".repeat(LAST + 1));
        assert_eq!(clue(&before, Some(9), false), Some((Clue::Killed, None)));
        assert_eq!(clue("", Some(9), true), Some((Clue::NoMemory, None)));
        assert_eq!(clue("", Some(9), false), Some((Clue::Killed, None)));
        assert_eq!(clue("thread panicked", None, true), None);
    }
}
