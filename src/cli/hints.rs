//! Makes commands in messages ready to copy: if this command was given another place by a flag or the environment, they
//! need it, too.

use std::sync::OnceLock;

use sweep_operations::Places;
use sweep_spec::text::plain;
use sweep_system::shell::quoted;

/// The flags for places that differ from the default, as they are to be typed again.
static FLAGS: OnceLock<Flags> = OnceLock::new();

/// Commands that need to know the places.
const NAMES: [&str; 17] = [
    "run", "plan", "verify", "rescore", "doctor", "show", "query", "cancel", "retry", "status", "report", "rebuild",
    "pause", "resume", "data", "bench", "serve",
];

#[derive(Debug, Default)]
struct Flags {
    home: Option<String>,
    db: Option<String>,
    data: Option<String>,
}

impl Flags {
    fn of(places: &Places) -> Flags {
        // Texts with them go to terminals, too.
        let flag = |name: &str, path: &std::path::Path| {
            let value = plain(&quoted(&path.to_string_lossy()));
            // Otherwise it would be read as a flag.
            let between = if value.starts_with('-') { '=' } else { ' ' };
            Some(format!("{name}{between}{value}"))
        };
        let elsewhere = places.home.path().as_os_str() != Places::HOME;
        Flags {
            home: elsewhere.then(|| flag("--home", places.home.path())).flatten(),
            db: places.db.as_deref().and_then(|path| flag("--db", path)),
            data: places.data.as_deref().and_then(|path| flag("--data", path)),
        }
    }

    /// Adds the flags to a command. A command without its required arguments is only a mention: `sweep run` is left
    /// alone, `sweep run FILE` is not.
    fn command(&self, command: &str) -> String {
        // Flags may come first.
        let mut words = command.split(' ').skip_while(|word| !NAMES.contains(word));
        let (name, operand) = (words.next().unwrap_or_default(), words.next());
        let (home, db, data) = (self.home.as_ref(), self.db.as_ref(), self.data.as_ref());
        let flags = match name {
            "run" | "plan" | "verify" | "rescore" if operand.is_some() => [home, db, data],
            "doctor" => [home, db, data],
            "show" | "query" | "cancel" | "retry" if operand.is_some() => [home, db, None],
            "status" | "report" | "rebuild" | "serve" => [home, db, None],
            "pause" | "resume" => [home, None, None],
            "data" | "bench" if operand.is_some() => [data, None, None],
            _ => [None; 3],
        };
        let said = |flag: &str| command.split([' ', '=']).any(|word| Some(word) == flag.split([' ', '=']).next());
        let flags = flags.into_iter().flatten().filter(|flag| !said(flag)).map(String::as_str);
        let flags: String = flags.flat_map(|flag| [" ", flag]).collect();
        match command.split_once(" -- ") {
            Some((before, operands)) => format!("{before}{flags} -- {operands}"),
            None => format!("{command}{flags}"),
        }
    }

    /// Does so for all commands in backticks in `text`.
    fn complete(&self, text: &str) -> String {
        let mut parts = text.split('`');
        let mut out = parts.next().unwrap_or_default().to_owned();
        let mut inside = true;
        for part in parts {
            out.push('`');
            if inside && part.starts_with("sweep ") {
                out.push_str(&self.command(part))
            } else {
                out.push_str(part)
            }
            inside = !inside;
        }
        out
    }
}

/// Remembers the places of this command.
pub(super) fn remember(places: &Places) {
    // A test may run several commands.
    let _ = FLAGS.set(Flags::of(places));
}

/// Completes the commands in a text for a person.
pub(super) fn complete(text: &str) -> String {
    FLAGS.get().map_or_else(|| text.to_owned(), |flags| flags.complete(text))
}

/// Completes a command, `sweep …`.
pub(super) fn command(command: &str) -> String {
    FLAGS.get().map_or_else(|| command.to_owned(), |flags| flags.command(command))
}

/// Returns what was typed, as a shell would read it, with the places that came from the environment.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    command(&std::iter::once("sweep".to_owned()).chain(words).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(home: Option<&str>, db: Option<&str>, data: Option<&str>) -> Flags {
        Flags { home: home.map(str::to_owned), db: db.map(str::to_owned), data: data.map(str::to_owned) }
    }

    #[test]
    fn commands_get_the_places_that_they_know() {
        let here = flags(Some("--home 'my results'"), Some("--db x.db"), Some("--data d"));
        for (command, expected) in [
            ("sweep report nine", "sweep report nine --home 'my results' --db x.db"),
            ("sweep report -- -x y", "sweep report --home 'my results' --db x.db -- -x y"),
            ("sweep retry --failed", "sweep retry --failed --home 'my results' --db x.db"),
            ("sweep run a.yaml", "sweep run a.yaml --home 'my results' --db x.db --data d"),
            (
                "sweep run a.yaml --home='my results' --db x.db",
                "sweep run a.yaml --home='my results' --db x.db --data d",
            ),
            ("sweep --home='my results' -v run a.yaml", "sweep --home='my results' -v run a.yaml --db x.db --data d"),
            ("sweep resume", "sweep resume --home 'my results'"),
            ("sweep rebuild", "sweep rebuild --home 'my results' --db x.db"),
            ("sweep data fetch mnist", "sweep data fetch mnist --data d"),
            ("sweep run", "sweep run"),
            ("sweep rescore", "sweep rescore"),
        ] {
            assert_eq!(here.command(command), expected);
            assert_eq!(flags(None, None, None).command(command), command);
        }
    }

    #[test]
    fn only_commands_between_backticks_are_commands() {
        let here = flags(Some("--home h"), None, None);
        let complete = |text| here.complete(text);
        assert_eq!(
            complete("`sweep report nine` shows `nine`; `sweep run` and sweep rebuild"),
            "`sweep report nine --home h` shows `nine`; `sweep run` and sweep rebuild"
        );
        assert_eq!(complete("a ` sweep rebuild `"), "a ` sweep rebuild `");
        assert_eq!(complete("x`y`sweep rebuild`z"), "x`y`sweep rebuild`z", "it is not between");
        assert_eq!(complete(""), "");
    }
}
