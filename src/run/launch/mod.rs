//! What starts agents: Slurm, ssh, or a command of the user's.

mod command;
mod slurm;
mod ssh;

use std::process::{Command, Output, Stdio};

pub use command::ByCommand;
pub use slurm::Slurm;
pub use ssh::{Host, Ssh};
use sweep_system::shell::quoted;

/// The shell script that runs an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Environment variables that it needs, with their values.
    pub environment: Vec<(String, String)>,
    /// The user's lines that come before it.
    pub before: Option<String>,
    /// Shell words to run instead of the program.
    pub program: Option<String>,
    /// The program and its arguments, except for the agent's number.
    pub words: Vec<String>,
}

impl Script {
    /// Returns the lines for a process that is not an agent.
    fn whole(&self) -> String {
        self.before_words()
            + &format!("exec {}\n", self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "))
    }

    /// Returns the lines for the agent whose number this shell word stands for, with these further arguments.
    fn lines(&self, number: &str, more: &[&str]) -> String {
        let words = self.words.iter().map(String::as_str).chain(more.iter().copied());
        let words: Vec<String> =
            self.program.iter().cloned().chain(words.skip(usize::from(self.program.is_some())).map(quoted)).collect();
        self.before_words() + &format!("exec {} --number {number}\n", words.join(" "))
    }

    fn before_words(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.environment {
            text += &format!("export {name}={}\n", quoted(value));
        }
        if let Some(before) = &self.before {
            text += before.trim_end();
            text.push('\n');
        }
        text
    }
}

/// Runs a program that ends soon and returns its output. The error is what it wrote to stderr if it fails.
fn said_by(command: &mut Command, input: Option<&str>) -> Result<Output, String> {
    use std::io::Write;
    use std::os::unix::process::CommandExt;
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("`{name}` is not installed here"),
        _ => format!("`{name}`: {error}"),
    };
    // A Ctrl-C at the terminal is meant for the run, even when agents are started in the background of a shell.
    command.process_group(0);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A program that does not read its input says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    Err(if said.is_empty() { format!("`{name}` failed ({})", output.status) } else { said.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        let script = Script {
            program: None,
            environment: vec![("A".into(), "it's $HOME".into())],
            before: Some("B=2 # module load\n".into()),
            words: ["printf", "%s|", "a b", "", "$A", "é\"`"].map(str::to_owned).to_vec(),
        };
        let text = script.lines("\"$N\"", &["x;y"]) + "not reached";
        let mut shell = Command::new("sh");
        let output = said_by(shell.env("N", "7 8"), Some(&text)).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "a b||$A|é\"`|x;y|--number|7 8|");
        let text = text.replace("exec printf", "printf \"$A $B|\"; exec printf");
        let output = said_by(Command::new("sh").env("N", "7"), Some(&text)).unwrap();
        assert!(output.stdout.starts_with(b"it's $HOME 2|"));
        let script = Script { program: Some("echo in a  box".into()), ..script };
        let output = said_by(&mut Command::new("sh"), Some(&script.lines("7", &[]))).unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "in a box %s| a b  $A é\"` --number 7\n");
    }

    #[test]
    fn who_fails_says_why() {
        assert_eq!(said_by(Command::new("sh").args(["-c", "echo no >&2; exit 3"]), None).unwrap_err(), "no");
        assert_eq!(
            said_by(&mut Command::new("no-such-program"), None).unwrap_err(),
            "`no-such-program` is not installed here"
        );
    }
}
