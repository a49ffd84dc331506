//! Agents that a command of the user's starts: works with any batch system.

use std::collections::HashMap;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Script, said_by};
use crate::spool::{Launcher, Queue};
use sweep_spec::cluster::Launch;
use sweep_system::shell::quoted;
use sweep_wire::home::Home;

/// An error at the end of a log counts as the agent's last words once nothing has followed it for this long.
const QUIET: Duration = Duration::from_secs(5);
/// How many characters of a log line are shown.
const SHOWN: usize = 200;

/// Starts agents by running a command.
#[derive(Debug)]
pub struct ByCommand {
    wanted: Launch,
    script: Script,
    home: Home,
    /// What is known of the agents that were asked for, by their names.
    asked: Mutex<HashMap<String, Asked>>,
}

#[derive(Debug)]
struct Asked {
    number: usize,
    /// How long its log was before.
    before: usize,
    /// How long its log was last, and since when.
    length: usize,
    since: Instant,
}

impl ByCommand {
    /// Starts agents of `home` that run `script`, with the command in the sweep file.
    pub fn new(wanted: Launch, script: Script, home: Home) -> Self {
        ByCommand { wanted, script, home, asked: Mutex::default() }
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, number: usize) -> Vec<u8> {
        fs::read(self.home.agent(number).log()).unwrap_or_default()
    }

    /// Returns the command line for the agent with this number.
    pub fn line(&self, number: usize) -> String {
        // If the agent does not start, this is the last line of its log.
        let trap = "trap 'echo \"error: the agent did not start (exit code $?)\" >&2' EXIT\n";
        let agent = trap.to_owned() + &self.script.lines(&number.to_string(), &[]);
        let log = quoted(&self.home.agent(number).log().display().to_string());
        let (number, agent) = (number.to_string(), quoted(agent.trim_end()));
        filled(&self.wanted.command, &[("{number}", &number), ("{log}", &log), ("{agent}", &agent)])
    }
}

/// Replaces these names in `template`. Names inside the replacements are left alone.
fn filled(template: &str, names: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        text += &rest[..at];
        rest = &rest[at..];
        let (name, value) = names.iter().copied().find(|(name, _)| rest.starts_with(name)).unwrap_or(("{", "{"));
        text += value;
        rest = &rest[name.len()..];
    }
    text + rest
}

impl Launcher for ByCommand {
    fn name(&self) -> &str {
        "`run.launch`"
    }

    fn look_seconds(&self) -> f64 {
        if self.wanted.status.is_some() { 30.0 } else { 5.0 }
    }

    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String> {
        let mut launched = Vec::new();
        for &number in numbers {
            let before = self.log(number).len();
            match said_by(Command::new("sh").arg("-c").arg(self.line(number)), None) {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    let handle = text.split_whitespace().next().map_or_else(|| number.to_string(), str::to_owned);
                    let asked = Asked { number, before, length: before, since: Instant::now() };
                    self.asked().insert(handle.clone(), asked);
                    launched.push((number, handle));
                }
                Err(why) if launched.is_empty() => return Err(why),
                Err(why) => {
                    tracing::warn!("an agent could not be started: {why}");
                    break;
                }
            }
        }
        Ok(launched)
    }

    /// Asks the `status` command. Without one, treats agents as waiting, except those whose logs end with an error.
    fn look(&self, handles: &[String]) -> Result<HashMap<String, Queue>, String> {
        let mut asked = self.asked();
        let mut stand = |handle: &String| {
            let waits = |why: &str| Some((handle.clone(), Queue::Waiting(why.to_owned())));
            if let Some(status) = &self.wanted.status {
                let line = filled(status, &[("{handle}", &quoted(handle))]);
                return said_by(Command::new("sh").arg("-c").arg(line), None).ok().and_then(|_| waits(""));
            }
            let Some(asked) = asked.get_mut(handle) else { return waits("asked for") };
            let log = self.log(asked.number);
            if log.len() != asked.length {
                (asked.length, asked.since) = (log.len(), Instant::now());
            }
            let new = String::from_utf8_lossy(log.get(asked.before..).unwrap_or_default());
            let Some(last) = new.lines().rfind(|line| !line.trim().is_empty()) else { return waits("asked for") };
            if last.to_lowercase().contains("error") && asked.since.elapsed() > QUIET {
                return None;
            }
            waits(&format!("its log ends with: {}", last.trim().chars().take(SHOWN).collect::<String>()))
        };
        Ok(handles.iter().filter_map(&mut stand).collect())
    }

    fn cancel(&self, handles: &[String]) {
        let Some(cancel) = &self.wanted.cancel else { return };
        for handle in handles {
            let line = filled(cancel, &[("{handle}", &quoted(handle))]);
            if let Err(why) = said_by(Command::new("sh").arg("-c").arg(&line), None) {
                tracing::warn!("{line}: {why}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::cluster::Agents;

    fn by(home: &std::path::Path, before: &str, words: &[&str]) -> ByCommand {
        let wanted = Launch {
            agents: Agents::default(),
            command: "sh -c {agent} x >>{log} 2>&1; echo 77.server".into(),
            cancel: None,
            status: None,
            time: None,
            before: Some(before.into()),
        };
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let script = Script { program: None, environment: Vec::new(), before: wanted.before.clone(), words };
        let by = ByCommand::new(wanted, script, Home::new(home));
        fs::create_dir_all(by.home.agent(3).path()).unwrap();
        by
    }

    #[test]
    fn the_agent_is_one_word_of_the_command() {
        let home = tempfile::tempdir().unwrap();
        let by = by(home.path(), "N='1 2'", &["echo", "it's", "a  b"]);
        assert_eq!(by.launch(&[3]).unwrap(), [(3, "77.server".to_owned())]);
        assert_eq!(fs::read_to_string(by.home.agent(3).log()).unwrap(), "it's a  b --number 3\n");
    }

    #[test]
    fn a_command_may_say_who_is_there() {
        let home = tempfile::tempdir().unwrap();
        let mut by = by(home.path(), "true", &["true"]);
        by.wanted.status = Some("test {handle} = 8.server".into());
        let found = by.look(&["7.server".to_owned(), "8.server".to_owned()]).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["8.server"]);
    }

    #[test]
    fn what_replaces_a_name_has_none() {
        let names = [("{a}", "{b}"), ("{b}", "x{a}")];
        assert_eq!(filled("{a}${c} {b}{{b}} {", &names), "{b}${c} x{a}{x{a}} {");
    }

    #[test]
    fn whose_log_ends_with_an_error_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let handle = ["77.server".to_owned()];
        for (before, words, last) in [
            ("exit 3", ["true"], "error: the agent did not start (exit code 3)"),
            ("true", ["/no/such/program"], "error: the agent did not start (exit code 127)"),
            ("true", ["true"], ""),
        ] {
            let by = by(home.path(), before, &words);
            // What an earlier agent wrote is ignored.
            by.launch(&[3]).unwrap();
            let words = format!("its log ends with: {last}");
            let waits = Queue::Waiting(if last.is_empty() { "asked for".to_owned() } else { words });
            assert_eq!(by.look(&handle).unwrap().get(&handle[0]), Some(&waits));
            by.asked().values_mut().for_each(|asked| asked.since -= 2 * QUIET);
            assert_eq!(by.look(&handle).unwrap().is_empty(), !last.is_empty());
        }
    }
}
