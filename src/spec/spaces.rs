//! Characters that look like spaces, like a colon or like nothing, and are letters to YAML: editors, input methods and web pages leave them
//! behind. A file that is right but for them has mistakes that nobody sees a reason for.

use std::ops::Range;

use super::text::acts;

/// Where one stands, and what to say of it.
#[derive(Debug, PartialEq)]
pub(super) struct Odd {
    /// Bytes of the text.
    pub span: Range<usize>,
    pub message: String,
    pub help: &'static str,
}

/// The first of the line around byte `at`, if it stands where YAML looks for a space, or ends the line.
pub(super) fn on_line(text: &str, at: usize) -> Option<Odd> {
    let at = at.min(text.len());
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next()?;
    let ends = |(place, c): (usize, char)| line[place + c.len_utf8()..].trim().is_empty();
    find(line).filter(|&found| marked(line, found) || ends(found)).map(|(place, c)| odd(start + place, c))
}

/// The first up to the line behind that around byte `at`, where a reader may have stopped short of what it could not read, that stands where YAML looks for a space. A tab that indents is one too.
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

/// The colon of Chinese and Japanese.
const WIDE_COLON: char = '\u{ff1a}';

/// Whether it stands before the first word of its line, or behind a mark; a colon behind a key.
fn marked(line: &str, (place, c): (usize, char)) -> bool {
    if c == WIDE_COLON {
        return true;
    }
    let before = line[..place].trim_end_matches([' ', '\t']);
    before.is_empty() || before.ends_with([':', '-', ',', '[', '{'])
}

/// The first in a line, its comment and what it has in quotes aside.
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
            // A byte order mark begins a file.
            (None, '\u{feff}') if place == 0 => {}
            (None, WIDE_COLON) if is_key(&line[..place]) => return Some((place, c)),
            (None, c) if !c.is_ascii() && blank(c) => return Some((place, c)),
            (None, _) => {}
        }
        last = c;
    }
    None
}

/// Whether the last word of this is where a key stands, and like one.
fn is_key(before: &str) -> bool {
    let word = before.trim_end_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    word.len() < before.len() && (word.trim().is_empty() || word.trim_end().ends_with(['-', ',', '{']))
}

fn odd(at: usize, c: char) -> Odd {
    let code = c as u32;
    let (message, help) = match c {
        '\t' => ("a tab indents this line, which YAML does not allow".to_owned(), "indent by spaces"),
        WIDE_COLON => ("a full-width colon (U+FF1A) stands here, a letter to YAML".to_owned(), "write `:` and a space"),
        '\u{a0}' => ("a no-break space (U+00A0) stands here, a letter to YAML".to_owned(), "write an ordinary space"),
        c if c.is_whitespace() => {
            (format!("a space that is a letter to YAML (U+{code:04X}) stands here"), "write an ordinary space")
        }
        _ => (format!("a character that nobody sees (U+{code:04X}) stands here, a letter to YAML"), "delete it"),
    };
    Odd { span: at..at + c.len_utf8(), message, help }
}

#[cfg(test)]
mod tests {
    use crate::error::Mistake;
    use crate::sweep::Sweep;

    const BASE: &str = "sweep: s\ndataset: gaussians\nobjective: gan\nseeds: 2\ntrain:\n  steps: 10\n  batch: 8\n";

    /// What is said of the first mistake.
    fn first(text: &str) -> (String, String, usize) {
        let errors = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap_err();
        let mistake = &errors.mistakes[0];
        (mistake.message.clone(), mistake.help.clone().unwrap_or_default(), mistake.span.start)
    }

    #[test]
    fn an_odd_space_is_named_wherever_yaml_looks_for_one() {
        Sweep::parse("f", BASE).and_then(|sweep| sweep.expand()).unwrap();
        // Every space of the file in turn, which are all behind a colon or before a word.
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
            assert_eq!((message.contains("a tab indents"), help.as_str()), (true, "indent by spaces"), "{message}");
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
