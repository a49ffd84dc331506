//! The words of a command: arguments as a sweep file has them, and as a job gets them.
//!
//! `${args}`, as an argument by itself, stands for `--name=value` of each parameter, and `--seed=…`.
//! `${args_no_boolean_flags}` stands for the same with `--name` for a flag that is true, and nothing for one that is
//! false, as in W&B. `${NAME}` stands for the parameter of that name, or for one of [`STANDING`]; `${envvar:NAME}` for
//! an environment variable; `$${` for `${`.

use crate::parameters::{Parameters, Plain};

/// Names with a meaning in every command, in addition to [`ARGS`] and [`ARGS_NO_BOOLEAN_FLAGS`]. A parameter with the
/// same name takes precedence.
pub const STANDING: [&str; 4] = ["seed", "steps", "dir", "params_file"];
/// The argument that stands for all parameters.
pub const ARGS: &str = "${args}";
/// The same for programs whose flags take no value.
pub const ARGS_NO_BOOLEAN_FLAGS: &str = "${args_no_boolean_flags}";
/// The prefix of the name of an environment variable.
const VARIABLE: &str = "envvar:";

/// A piece of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Literal text.
    Text(&'a str),
    /// The value with this name.
    Value(&'a str),
    /// An environment variable.
    Variable(&'a str),
}

/// Splits an argument into its pieces.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn pieces(argument: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut pieces, mut rest) = (Vec::new(), argument);
    while let Some(at) = rest.find("${") {
        let escaped = at > 0 && rest.as_bytes()[at - 1] == b'$';
        if escaped {
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        pieces.push(Piece::Text(&rest[..at]));
        let inner = &rest[at + 2..];
        let end = inner.find('}').ok_or_else(|| format!("`{}` is not closed by `}}`", &rest[at..]))?;
        let name = &inner[..end];
        pieces.push(match name.strip_prefix(VARIABLE) {
            Some(variable) if !variable.is_empty() && !variable.contains(['=', '\0']) => Piece::Variable(variable),
            Some(_) => return Err(format!("`${{{name}}}` does not name an environment variable")),
            None => Piece::Value(name),
        });
        rest = &inner[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

/// Returns the environment variables that `command` uses.
pub fn variables(command: &[String]) -> impl Iterator<Item = &str> {
    command.iter().flat_map(|argument| pieces(argument).unwrap_or_default()).filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) | Piece::Value(_) => None,
    })
}

/// The values for one job's command.
pub struct Filling<'a> {
    /// Its parameters.
    pub parameters: &'a Parameters,
    /// Its seed.
    pub seed: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Its folder.
    pub dir: &'a str,
    /// The file with its parameters, as JSON.
    pub params_file: &'a str,
    /// Looks up environment variables.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Filling<'_> {
    /// Returns the program and its arguments.
    ///
    /// # Errors
    ///
    /// Names the missing environment variable.
    pub fn fill(&self, command: &[String]) -> Result<Vec<String>, String> {
        let mut filled = Vec::with_capacity(command.len());
        for argument in command {
            if argument == ARGS || argument == ARGS_NO_BOOLEAN_FLAGS {
                let switches = argument == ARGS_NO_BOOLEAN_FLAGS;
                filled.extend(self.parameters.iter().filter_map(|(name, value)| match value {
                    Plain::Flag(on) if switches => on.then(|| format!("--{name}")),
                    value => Some(format!("--{name}={}", text(value))),
                }));
                filled.push(format!("--seed={}", self.seed));
                continue;
            }
            let mut whole = String::new();
            for piece in pieces(argument)? {
                match piece {
                    Piece::Text(text) => whole.push_str(text),
                    Piece::Value(name) => whole.push_str(&self.value(name)?),
                    Piece::Variable(name) => {
                        let missing =
                            || format!("the command needs the environment variable `{name}`, which is not set");
                        whole.push_str(&(self.variable)(name).ok_or_else(missing)?);
                    }
                }
            }
            filled.push(whole);
        }
        Ok(filled)
    }

    fn value(&self, name: &str) -> Result<String, String> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(text(value));
        }
        match name {
            "seed" => Ok(self.seed.to_string()),
            "steps" => Ok(self.steps.to_string()),
            "dir" => Ok(self.dir.to_owned()),
            "params_file" => Ok(self.params_file.to_owned()),
            other => Err(format!("`${{{other}}}` has no value in this job")),
        }
    }
}

/// Returns a value as an argument: words as they are, lists as JSON.
pub fn text(value: &Plain) -> String {
    match value {
        Plain::Flag(_) | Plain::Whole(_) | Plain::Text(_) => value.to_string(),
        // In the form that Rust and Python read back exactly, with a decimal point if it is whole, so that it is still
        // a float.
        Plain::Number(number) => serde_json::json!(number).to_string(),
        Plain::List(_) | Plain::Schedule(_) => serde_json::json!(value).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(command: &[&str]) -> Result<Vec<String>, String> {
        let list = Plain::List([Plain::Whole(64), Plain::Text("a b".into())].into());
        let parameters: Parameters = [
            ("alpha", Plain::Number(1e-5)),
            ("beta", Plain::Number(1.0)),
            ("norm", Plain::Text("batch".into())),
            ("sizes", list),
            ("skip", Plain::Flag(false)),
            ("slow", Plain::Flag(true)),
            ("steps", Plain::Whole(7)),
        ]
        .into_iter()
        .collect();
        let variable = |name: &str| (name == "HOST").then(|| "here".to_owned());
        let filling =
            Filling { parameters: &parameters, seed: 3, steps: 100, dir: "/d", params_file: "/p", variable: &variable };
        filling.fill(&command.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_are_filled() {
        assert_eq!(
            fill(&["python3", "train.py", "${args}"]).unwrap(),
            [
                "python3",
                "train.py",
                "--alpha=0.00001",
                "--beta=1.0",
                "--norm=batch",
                "--sizes=[64,\"a b\"]",
                "--skip=false",
                "--slow=true",
                "--steps=7",
                "--seed=3"
            ]
        );
        assert_eq!(
            fill(&["${args_no_boolean_flags}"]).unwrap(),
            [
                "--alpha=0.00001",
                "--beta=1.0",
                "--norm=batch",
                "--sizes=[64,\"a b\"]",
                "--slow",
                "--steps=7",
                "--seed=3"
            ]
        );
        assert_eq!(
            fill(&["${dir}/x", "a=${alpha},${seed}", "${steps}", "${envvar:HOST}:$${HOME}", "$x", "${params_file}"])
                .unwrap(),
            ["/d/x", "a=0.00001,3", "7", "here:${HOME}", "$x", "/p"]
        );
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        for (argument, what) in [
            ("${gamma}", "has no value"),
            ("${alpha", "is not closed"),
            ("${envvar:}", "does not name an environment variable"),
            ("${envvar:NOT_THERE}", "environment variable `NOT_THERE`"),
            ("x${args}", "has no value"),
        ] {
            let error = fill(&[argument]).unwrap_err();
            assert!(error.contains(what), "{argument}: {error}");
        }
        let command = ["a${envvar:X}b".to_owned(), "${envvar:Y}$${envvar:Z}".to_owned()];
        assert_eq!(variables(&command).collect::<Vec<_>>(), ["X", "Y"]);
    }
}
