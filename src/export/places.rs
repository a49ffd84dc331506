//! Folders, and names of files.

use std::fs;
use std::path::Path;

use super::ExportError;
use sweep_system::whole::sweep_up;

/// Characters of a name at most: three bytes each are within what file systems take.
const LONGEST: usize = 80;

/// Makes a folder, and removes what a killed export has left in it half-written.
pub(crate) fn folder(path: &Path) -> Result<(), ExportError> {
    if path.exists() && !path.is_dir() {
        return Err(ExportError::Usage(format!("{} is a file: name a folder", path.display())));
    }
    fs::create_dir_all(path).map_err(ExportError::write(path))?;
    sweep_up(path);
    Ok(())
}

/// A name as that of a file or folder: without what separates folders, what a shell would read, and a dot that would
/// hide it.
pub(crate) fn tidy(name: &str) -> String {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '_' | '-' | '+' | '=');
    let tidy: String = name.chars().map(|c| if fine(c) { c } else { '_' }).take(LONGEST).collect();
    match tidy.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => tidy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for (name, expected) in [
            ("GAN + R1", "GAN + R1"),
            ("../../etc", "_._.._etc"),
            ("a/b:c\\d*?", "a_b_c_d__"),
            ("..", "_."),
            ("α = 0.1", "α = 0.1"),
        ] {
            assert_eq!(tidy(name), expected);
        }
        assert!(tidy(&"万".repeat(100)).len() <= 255);
    }
}
