//! Folders that hold parts of a data set, or something beside its pictures, and no classes.

use std::path::Path;

/// How such folders are called, the one to train on first: parts, then pictures and what belongs to each of them.
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

/// The place in [`WORDS`] of a folder's name, by itself or with more after it that begins no word: `train2017`, `test_images`, `trainA`.
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

/// The place in [`WORDS`] of the word that a folder's name ends with, and what stands before it but numbers: `faces_train`, `1_val`.
fn ending(name: &str) -> Option<(usize, String)> {
    let lower = name.to_lowercase();
    let text = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let before = |word: &str| text.strip_suffix(word).filter(|before| !before.ends_with(char::is_alphabetic));
    let (place, before) = WORDS.iter().enumerate().find_map(|(place, word)| Some((place, before(word)?)))?;
    Some((place, before.chars().filter(|c| !c.is_numeric()).collect()))
}

/// Those of `names` that are parts: several that begin with words of parts, or that differ in nothing else, as `bullet_train` and
/// `litmus_test` do not.
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

/// What is wrong with a folder, and what to do, where folders of these `names` with pictures lie in it, beside a `first` picture of its own if
/// there is one; the `top` folder is the one that a user names.
pub(super) fn refusal(folder: &Path, top: bool, first: Option<&str>, names: &[&str]) -> Option<(String, String)> {
    let mut parts = parts(names);
    parts.sort_unstable();
    let at = |name: &str| folder.join(name).display().to_string();
    // A class can be called `train` among cars and buses.
    if let [(_, part), _, ..] = parts[..] {
        let (found, more) = (&names[..names.len().min(6)], if names.len() > 6 { ", …" } else { "" });
        let found = found.join(", ");
        let what =
            format!("expected folders that are classes, found {found}{more}: these look like parts of a data set");
        return Some((what, format!("name the one to use: {}", at(part))));
    }
    match (top, first, names) {
        (false, _, _) | (true, _, []) | (true, None, [_, _, ..]) => None,
        (true, None, [only]) => {
            let what = format!(
                "expected pictures, or several folders that are classes, found one folder with pictures, {only}"
            );
            Some((what, format!("name it: {}", at(only))))
        }
        (true, Some(first), [folder, ..]) => {
            let what =
                format!("expected pictures, or folders that are classes, found both, such as {first} and {folder}");
            Some((what, "move the pictures elsewhere if the folders are classes, or name one folder".to_owned()))
        }
    }
}
