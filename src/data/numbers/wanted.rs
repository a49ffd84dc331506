//! One of several arrays in a file.

use std::path::Path;

use super::{NumbersError, wrong};

/// Names of arrays that an error lists.
const NAMES: usize = 10;

/// Which of the arrays in a file is meant.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name, as somebody says.
    pub key: Option<&'a str>,
    /// The flag that says so.
    pub flag: &'static str,
    /// What it is usually called.
    pub usual: &'static str,
}

/// Which of the arrays in a file is meant.
pub(super) fn choose(path: &Path, names: &[String], wanted: Wanted) -> Result<String, NumbersError> {
    let Wanted { key, flag, usual } = wanted;
    let found = match (key, names) {
        (Some(key), _) => names.iter().find(|name| *name == key),
        (None, [only]) => Some(only),
        (None, _) => names.iter().find(|name| *name == usual),
    };
    found.cloned().ok_or_else(|| {
        let some = names[..names.len().min(NAMES)].join("`, `");
        let names = match names.len() {
            0 => "none".to_owned(),
            1..=NAMES => format!("`{some}`"),
            all => format!("`{some}` and {} more", all - NAMES),
        };
        let what = match key {
            Some(key) => format!("no array is called `{key}`"),
            None => format!("none of several arrays is called `{usual}`"),
        };
        wrong(path, format!("{what}; arrays in it: {names}; name one with {flag}"))
    })
}
