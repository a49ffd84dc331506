//! Finds characters that look like a space, a colon or nothing, but are letters to YAML. Editors, input methods and web
//! pages insert them, and the mistakes they cause are hard to see.

use std::ops::Range;

use super::text::acts;

/// Where such a character stands, and what to say about it.
#[derive(Debug, PartialEq)]
pub(super) struct Odd {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub message: String,
    pub help: &'static str,
}

/// Returns the first such character of the line around byte `at`, if it stands where YAML expects a space or ends the
/// line.
pub(super) fn on_line(text: &str, at: usize) -> Option<Odd> {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next()?;
    let ends = |(place, c): (usize, char)| line[place + c.len_utf8()..].trim().is_empty();
    find(line).filter(|&found| marked(line, found) || ends(found)).map(|(place, c)| odd(start + place, c))
}

/// Returns the first such character that stands where YAML expects a space, up to the line after byte `at`: a parser
/// may stop before what it cannot read. A tab used for indentation counts too.
pub(super) fn before(text: &str, at: usize) -> Option<Odd> {
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\n', '\r']);
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let tab = line[..indent].find('\t').map(|place| (place, '\t')).filter(|_| indent < line.len());
        if let Some((place, c)) = tab.or_else(|| find(line).filter(|&found| marked(line, found))) {
            return Some(odd(start + place, c));
        }
        if start > at {
            break;
        }
        start += whole.len();
    }
    None
}

/// The full-width colon of Chinese and Japanese.
const WIDE_COLON: char = '\u{ff1a}';

/// Returns whether it stands before the first word of its line or after a mark; for a colon, after a key.
fn marked(line: &str, (place, c): (usize, char)) -> bool {
    if c == WIDE_COLON {
        return true;
    }
    let before = line[..place].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with([':', '-', ',', '[', '{'])
}

/// Returns the first one in a line, ignoring comments and quoted text.
fn find(line: &str) -> Option<(usize, char)> {
    let mut quote = None;
    let mut last = ' ';
    for (place, c) in line.char_indices() {
        let blank = |c: char| c.is_whitespace() || acts(c);
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if blank(last) || "[{,:-".contains(last) => quote = Some(c),
            (None, '#') if blank(last) => return None,
            // A byte order mark at the start of the file is fine.
            (None, '\u{feff}') if place == 0 => {}
            (None, WIDE_COLON) if is_key(&line[..place]) => return Some((place, c)),
            (None, c) if !c.is_ascii() && blank(c) => return Some((place, c)),
            (None, _) => {}
        }
        last = c;
    }
    None
}

/// Returns whether the last word looks like a key and stands where a key can stand.
fn is_key(before: &str) -> bool {
    let word = before.trim_end_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    word.len() < before.len() && (word.trim().is_empty() || word.trim_end().ends_with(['-', ',', '{']))
}

fn odd(at: usize, c: char) -> Odd {
    let code = c as u32;
    let (message, help) = match c {
        '\t' => ("a tab indents this line, which YAML does not allow".to_owned(), "indent with spaces"),
        WIDE_COLON => {
            ("this is a full-width colon (U+FF1A), which YAML takes for a letter".to_owned(), "write `:` and a space")
        }
        '\u{a0}' => {
            ("this is a no-break space (U+00A0), which YAML takes for a letter".to_owned(), "write an ordinary space")
        }
        c if c.is_whitespace() => (
            format!("this is a special space (U+{code:04X}), which YAML takes for a letter"),
            "write an ordinary space",
        ),
        _ => (format!("this is an invisible character (U+{code:04X}), which YAML takes for a letter"), "delete it"),
    };
    Odd { span: at..at + c.len_utf8(), message, help }
}

#[cfg(test)]
mod tests {
    use crate::error::Mistake;
    use crate::sweep::Sweep;

    const BASE: &str = "sweep: s\ndataset: gaussians\nobjective: gan\nseeds: 2\ntrain:\n  steps: 10\n  batch: 8\n";

    /// Returns the first mistake's message, help and column.
    fn first(text: &str) -> (String, String, usize) {
        let errors = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap_err();
        let mistake = &errors.mistakes[0];
        (mistake.message.clone(), mistake.help.clone().unwrap_or_default(), mistake.span.start)
    }

    #[test]
    fn an_odd_space_is_named_wherever_yaml_looks_for_one() {
        Sweep::parse("f", BASE).and_then(|sweep| sweep.expand()).unwrap();
        // Replace each space of the file in turn; all stand after a colon or before a word.
        let spaces: Vec<usize> = BASE.match_indices(' ').map(|(at, _)| at).collect();
        assert!(spaces.len() > 8);
        for c in ['\u{a0}', '\u{2003}', '\u{202f}', '\u{3000}', '\u{200b}'] {
            for &at in &spaces {
                let text = format!("{}{c}{}", &BASE[..at], &BASE[at + 1..]);
                let (message, help, place) = first(&text);
                assert!(message.contains(&format!("(U+{:04X})", c as u32)), "{text:?}: {message}");
                assert_eq!((place, help.is_empty()), (at, false), "{text:?}: {message}");
            }
        }
    }

    #[test]
    fn one_behind_a_value_and_a_tab_that_indents_are_named() {
        let (message, _, _) = first(&BASE.replace("steps: 10", "steps: 10\u{a0}"));
        assert!(message.contains("U+00A0"), "{message}");
        for text in [BASE.replace("  steps", "\tsteps"), BASE.replace("  batch", "  \tbatch")] {
            let (message, help, _) = first(&text);
            assert_eq!((message.contains("a tab indents"), help.as_str()), (true, "indent with spaces"), "{message}");
        }
    }

    #[test]
    fn a_wide_colon_is_named_where_one_ends_a_key() {
        for (text, place) in [
            (BASE.replace("dataset: ", "dataset\u{ff1a} "), 16),
            (BASE.replace("dataset: ", "dataset\u{ff1a}"), 16),
            (BASE.replace("seeds: 2", "seeds\u{ff1a} 2"), 48),
            ("sweep: s\ndataset: mnist\nobjective: gan\ntrain: {steps\u{ff1a} 10, batch: 8}\n".to_owned(), 52),
        ] {
            let errors = Sweep::parse("f", &text).unwrap_err();
            let named = |mistake: &&Mistake| mistake.message.contains("a full-width colon (U+FF1A)");
            let mistake = errors.mistakes.iter().find(named).unwrap_or_else(|| panic!("{text:?}: {errors}"));
            assert_eq!(
                (mistake.help.as_deref(), mistake.span.start),
                (Some("write `:` and a space"), place),
                "{text:?}"
            );
        }
        let named = BASE.replace("sweep: s", "sweep: a\u{ff1a}b").replace("steps: 10", "steps: x");
        assert!(first(&named).0.contains("a whole number"));
    }

    #[test]
    fn names_quotes_and_comments_may_have_them() {
        let text = BASE.replace("sweep: s", "sweep: \"a:\u{a0}b\" #\u{a0}x").replace("seeds: 2", "seeds: x");
        assert!(first(&text).0.contains("a whole number"));
        let text = BASE.replace("sweep: s", "sweep: a\u{a0}b\u{3000}c");
        assert!(Sweep::parse("f", &text).is_ok());
    }
}
