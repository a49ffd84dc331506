//! Selects one of several arrays in a file.

use std::path::Path;

use super::{NumbersError, wrong};

/// The most names of arrays that an error lists.
const NAMES: usize = 10;

/// Which array in a file to use.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name, if the user gave one.
    pub key: Option<&'a str>,
    /// The flag for that name.
    pub flag: &'static str,
    /// Its usual name, used if the user gave none.
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
