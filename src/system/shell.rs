//! Quotes words for a POSIX shell.

/// Quotes a word so a shell reads it unchanged.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Quotes words that follow a command and its flags, so a shell reads them unchanged and the command takes none of them
/// for a flag.
pub fn operands(words: &[&str]) -> String {
    let quoted = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    if words.iter().any(|word| word.starts_with('-')) { format!("-- {quoted}") } else { quoted }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_a_shell_reads_them() {
        assert_eq!(operands(&["quickstart", "a/b.yaml"]), "quickstart a/b.yaml");
        assert_eq!(operands(&["D2GAN β", "it's", "$HOME;", ""]), r"'D2GAN β' 'it'\''s' '$HOME;' ''");
        assert_eq!(operands(&["a", "-x y"]), "-- a '-x y'");
        // A shell reads back the original words.
        let words = ["it's \"one\"", "`a` $b \\", "-n", "*", "ü", "~", "#x", "a=b"];
        let command = format!("printf '%s\\n' {}", operands(&words));
        let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        let read = String::from_utf8(output.stdout).unwrap();
        assert_eq!(read.lines().filter(|line| *line != "--").collect::<Vec<_>>(), words);
    }
}
