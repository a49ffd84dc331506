//! Makes text from outside (names, messages, paths, whole files) safe to show. Everything written to a terminal, a
//! table, CSV or Markdown passes through here.

/// Replaces a character that must not be shown.
const INSTEAD: char = '\u{fffd}';

/// Returns whether `c` is invisible and affects how text is shown: it moves a terminal's cursor or begins a terminal
/// command (control characters, including line break and tab), breaks lines elsewhere, changes the order of other
/// characters, or hides among them (Unicode's categories Cc, Cf, Zl and Zp). Excluded are the two joiners, without
/// which some scripts cannot be spelled, and visible signs.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{13430}'..='\u{13438}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns `text` with its lines and tabs, but without any other character that [`acts`].
pub fn plain(text: &str) -> String {
    replaced(text, |c| matches!(c, '\n' | '\t').then_some(c))
}

/// Returns `text` on one line, without any character that [`acts`].
pub fn line(text: &str) -> String {
    replaced(text, |c| matches!(c, '\n' | '\t').then_some(' '))
}

fn replaced(text: &str, kept: impl Fn(char) -> Option<char>) -> String {
    let one = |c: char| if acts(c) { kept(c).unwrap_or(INSTEAD) } else { c };
    // Windows line ends count as one line end.
    text.replace("\r\n", "\n").chars().map(one).collect()
}

/// Returns equivalent JSON with `\u` escapes for each character that [`acts`], except line breaks, which only occur
/// between values.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && c != '\n' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Categories Cf, Zl and Zp, by Python's `unicodedata` 14.0.
    const FORMATS: [(u32, u32); 21] = [
        (0xad, 0xad),
        (0x600, 0x605),
        (0x61c, 0x61c),
        (0x6dd, 0x6dd),
        (0x70f, 0x70f),
        (0x890, 0x891),
        (0x8e2, 0x8e2),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x2064),
        (0x2066, 0x206f),
        (0xfeff, 0xfeff),
        (0xfff9, 0xfffb),
        (0x110bd, 0x110bd),
        (0x110cd, 0x110cd),
        (0x13430, 0x13438),
        (0x1bca0, 0x1bca3),
        (0x1d173, 0x1d17a),
        (0xe0001, 0xe0001),
        (0xe0020, 0xe007f),
    ];
    /// The visible ones among them (marks for numbers and verses in Arabic, Syriac and Kaithi), and the two joiners.
    const SHOWN: [(u32, u32); 8] = [
        (0x600, 0x605),
        (0x6dd, 0x6dd),
        (0x70f, 0x70f),
        (0x890, 0x891),
        (0x8e2, 0x8e2),
        (0x110bd, 0x110bd),
        (0x110cd, 0x110cd),
        (0x200c, 0x200d),
    ];

    #[test]
    fn every_control_and_format_character_acts_and_no_other() {
        let within = |ranges: &[(u32, u32)], c| ranges.iter().any(|&(first, last)| (first..=last).contains(&c));
        for c in '\0'..=char::MAX {
            let n = c as u32;
            let control = n < 0x20 || (0x7f..0xa0).contains(&n);
            // Unassigned, but reserved for such characters.
            let kept = n == 0x2065 || (0xe0000..0xe0080).contains(&n);
            let expected = control || kept || within(&FORMATS, n) && !within(&SHOWN, n);
            assert_eq!(acts(c), expected, "U+{n:04X}");
        }
    }

    #[test]
    fn nothing_that_acts_is_left() {
        let text = "a\x1b[2J\u{9b}b\u{202e}\r\nc\rd\te\u{200d}é\u{e0041}";
        assert_eq!(plain(text), "a\u{fffd}[2J\u{fffd}b\u{fffd}\nc\u{fffd}d\te\u{200d}é\u{fffd}");
        assert_eq!(line(text), "a\u{fffd}[2J\u{fffd}b\u{fffd} c\u{fffd}d e\u{200d}é\u{fffd}");
    }

    #[test]
    fn json_says_the_same() {
        let value = serde_json::json!({"a\u{202e}\n\x1b": ["\u{9b}31m\t\r\n", "\u{e0041}é\u{200d}"], "b": 1});
        for text in [format!("{value}"), format!("{value:#}")] {
            let shown = json(&text);
            assert!(!shown.contains(|c| acts(c) && c != '\n'), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
