//! Recognises folders that are parts of a data set, or belong to its pictures, rather than classes.

use std::path::Path;

/// Names of such folders. The one to train on comes first; then parts, pictures, and what accompanies pictures.
const WORDS: [&str; 22] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "dev",
    "test",
    "testing",
    "eval",
    "evaluation",
    "unlabeled",
    "unlabelled",
    "images",
    "image",
    "imgs",
    "img",
    "masks",
    "mask",
    "labels",
    "annotations",
    "segmentations",
    "thumbnails",
];

/// Returns the index in [`WORDS`] of a folder's name. It may be followed by something that does not continue the word:
/// `train2017`, `test_images`, `trainA`.
fn word(name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let fits = |word: &str| {
        let rest = lower.strip_prefix(word)?;
        let letters = rest.chars().take_while(|c| c.is_alphabetic()).count();
        // The two domains of a data set of pairs.
        let domain = letters == 1 && rest.len() == 1 && name.ends_with(['A', 'B']);
        (letters == 0 || domain).then_some(())
    };
    WORDS.iter().position(|word| fits(word).is_some())
}

/// Returns the index in [`WORDS`] of the word that a folder's name ends with, and what precedes it apart from numbers:
/// `faces_train`, `1_val`.
fn ending(name: &str) -> Option<(usize, String)> {
    let lower = name.to_lowercase();
    let text = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let before = |word: &str| text.strip_suffix(word).filter(|before| !before.ends_with(char::is_alphabetic));
    let (place, before) = WORDS.iter().enumerate().find_map(|(place, word)| Some((place, before(word)?)))?;
    Some((place, before.chars().filter(|c| !c.is_numeric()).collect()))
}

/// Returns those of `names` that are parts. There must be several that start with such words, or that differ only in
/// them. `bullet_train` and `litmus_test` don't.
fn parts<'a>(names: &[&'a str]) -> Vec<(usize, &'a str)> {
    let begin: Vec<_> = names.iter().filter_map(|name| Some((word(name)?, *name))).collect();
    if begin.len() > 1 {
        return begin;
    }
    let ends: Vec<_> = names.iter().filter_map(|name| Some((ending(name)?, *name))).collect();
    let differs = |((place, before), name): &((usize, String), &'a str)| {
        let other = ends.iter().any(|((other, text), _)| text == before && other != place);
        other.then_some((*place, *name))
    };
    ends.iter().filter_map(differs).collect()
}

/// Returns what is wrong with a folder, and what to do. `names` are its subfolders with pictures, and `first` is a
/// picture in the folder itself, if there is one. `top` says whether it is the folder that the user named.
pub(super) fn refusal(folder: &Path, top: bool, first: Option<&str>, names: &[&str]) -> Option<(String, String)> {
    let mut parts = parts(names);
    parts.sort_unstable();
    let at = |name: &str| folder.join(name).display().to_string();
    // A single class may be called `train`, next to cars and buses.
    if let [(_, part), _, ..] = parts[..] {
        let (found, more) = (&names[..names.len().min(6)], if names.len() > 6 { ", …" } else { "" });
        let found = found.join(", ");
        let what =
            format!("expected folders that are classes, found {found}{more}: these look like parts of a data set");
        return Some((what, format!("set the path to the one to use: {}", at(part))));
    }
    match (top, first, names) {
        (false, _, _) | (true, _, []) | (true, None, [_, _, ..]) => None,
        (true, None, [only]) => {
            let what =
                format!("expected pictures, or several class folders, found a single folder with pictures, {only}");
            Some((what, format!("set the path to it: {}", at(only))))
        }
        (true, Some(first), [folder, ..]) => {
            let what = format!("expected either pictures or class folders, found both, such as {first} and {folder}");
            Some((
                what,
                "move the pictures elsewhere if the folders are classes, or set the path to one \
                folder"
                    .to_owned(),
            ))
        }
    }
}
