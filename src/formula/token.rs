//! Formulas as tokens: numbers, names and signs.

use std::ops::Range;

use super::ast::Place;
use super::mistake::Mistake;

/// A number, a name or a sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Name(String),
    Sign(char),
}

/// Returns whether `c` is allowed in a name, at index `at`.
pub(super) fn in_name(c: char, at: usize) -> bool {
    c.is_alphabetic() || c == '_' || at > 0 && c.is_alphanumeric()
}

/// Returns the functions that a formula calls, including helpers.
pub fn calls(text: &str) -> Vec<String> {
    let tokens = tokens(text, 0).unwrap_or_default();
    let called = tokens.windows(2).filter_map(|pair| match pair {
        [(Token::Name(name), _), (Token::Sign('('), _)] => Some(name.clone()),
        _ => None,
    });
    called.collect()
}

/// Returns the tokens of `text` with their places.
pub(super) fn tokens(text: &str, source: usize) -> Result<Vec<(Token, Range<usize>)>, Mistake> {
    let mut found = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let token = match c {
            c if c.is_whitespace() => continue,
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | ',' => Token::Sign(c),
            // Editors and papers use this for a minus.
            '−' => Token::Sign('-'),
            '·' => Token::Sign('*'),
            c if c.is_ascii_digit() || c == '.' => {
                let mut end = start + c.len_utf8();
                let mut last = c;
                while let Some(&(at, next)) = rest.peek() {
                    let exponent = matches!(next, '+' | '-') && matches!(last, 'e' | 'E');
                    if !(next.is_ascii_digit() || matches!(next, '.' | 'e' | 'E') || exponent) {
                        break;
                    }
                    (end, last) = (at + next.len_utf8(), next);
                    rest.next();
                }
                match text[start..end].parse::<f64>() {
                    Ok(number) if number.is_finite() => Token::Number(number),
                    Ok(_) | Err(_) => {
                        let message = format!("`{}` is not a number", &text[start..end]);
                        return Err(Mistake::new(&Place { source, span: start..end }, message));
                    }
                }
            }
            c if in_name(c, 0) => {
                let mut end = start + c.len_utf8();
                while let Some(&(at, next)) = rest.peek().filter(|(_, next)| in_name(*next, 1)) {
                    end = at + next.len_utf8();
                    rest.next();
                }
                Token::Name(text[start..end].to_owned())
            }
            c => {
                let message = format!("`{c}` is not allowed in a formula");
                return Err(Mistake::new(&Place { source, span: start..start + c.len_utf8() }, message));
            }
        };
        let end = rest.peek().map_or(text.len(), |&(at, _)| at);
        found.push((token, start..end));
    }
    Ok(found)
}
