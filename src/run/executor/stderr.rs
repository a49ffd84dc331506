//! The last words of a worker.

use std::collections::VecDeque;

/// Bytes kept: enough for 100 lines of a log or a backtrace.
const BYTES: usize = 64 * 1024;
/// Lines handed out.
const LINES: usize = 100;

/// The end of a stream of text.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    /// Appends `bytes`, and forgets what is too long ago.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(BYTES);
        self.bytes.drain(..surplus);
        self.cut |= surplus > 0;
    }

    /// The last lines since [`Tail::take`] was last called.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<&str> = text.lines().collect();
        if self.cut && lines.len() > 1 {
            lines.remove(0); // Its beginning is missing.
        }
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// The last lines since this was last called.
    pub(super) fn take(&mut self) -> String {
        let text = self.text();
        *self = Tail::default();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_lines_stay() {
        let mut tail = Tail::default();
        (0..250).for_each(|line| tail.push(format!("line {line}\n").as_bytes()));
        let text = tail.take();
        assert_eq!((text.lines().count(), text.lines().next()), (100, Some("line 150")));
        assert_eq!(tail.take(), "", "taken once");
    }

    #[test]
    fn memory_is_bounded_and_a_cut_line_is_left_out() {
        let mut tail = Tail::default();
        tail.push(&[b'x'; 3 * BYTES]);
        assert_eq!(tail.bytes.len(), BYTES);
        tail.push(b"\nthe end\xff\n");
        assert_eq!(tail.take(), "the end\u{fffd}");
    }
}
