//! Agents that a command of the user's own starts: any batch system.

use std::collections::HashMap;
use std::process::Command;

use super::{Script, quoted, said_by};
use crate::spool::{Launcher, Queue};
use sweep_spec::cluster::Launch;
use sweep_wire::home::Home;

/// Has a command start agents.
#[derive(Debug)]
pub struct ByCommand {
    /// What the file says.
    pub wanted: Launch,
    /// What an agent is.
    pub script: Script,
    /// Whose agents they are.
    pub home: Home,
}

impl ByCommand {
    /// The line for the agent of this number.
    pub fn line(&self, number: usize) -> String {
        let agent = self.script.lines(&number.to_string(), &[]);
        let log = self.home.agent(number).log();
        let line = self.wanted.command.replace("{number}", &number.to_string());
        line.replace("{log}", &quoted(&log.display().to_string())).replace("{agent}", &quoted(agent.trim_end()))
    }
}

impl Launcher for ByCommand {
    fn name(&self) -> &str {
        "`run.launch`"
    }

    fn look_seconds(&self) -> f64 {
        30.0
    }

    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String> {
        let mut launched = Vec::new();
        for &number in numbers {
            match said_by(Command::new("sh").arg("-c").arg(self.line(number)), None) {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout);
                    let handle = text.split_whitespace().next().map_or_else(|| number.to_string(), str::to_owned);
                    launched.push((number, handle));
                }
                Err(why) if launched.is_empty() => return Err(why),
                Err(why) => {
                    tracing::warn!("an agent could not be asked for: {why}");
                    break;
                }
            }
        }
        Ok(launched)
    }

    /// Where nobody says how they stand, they are waited for.
    fn look(&self, handles: &[String]) -> Result<HashMap<String, Queue>, String> {
        let is_there = |handle: &&String| {
            let Some(status) = &self.wanted.status else { return true };
            let line = status.replace("{handle}", &quoted(handle));
            said_by(Command::new("sh").arg("-c").arg(line), None).is_ok()
        };
        let there = handles.iter().filter(is_there);
        Ok(there.map(|handle| (handle.clone(), Queue::Waiting(String::new()))).collect())
    }

    fn cancel(&self, handles: &[String]) {
        let Some(cancel) = &self.wanted.cancel else { return };
        for handle in handles {
            let line = cancel.replace("{handle}", &quoted(handle));
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

    #[test]
    fn the_agent_is_one_word_of_the_command() {
        let wanted = Launch {
            agents: Agents::default(),
            command: "sh -c {agent} x >{log}; echo 77.server".into(),
            cancel: None,
            status: Some("test {handle} = 8.server".into()),
            time: None,
            before: Some("N='1 2'".into()),
        };
        let home = tempfile::tempdir().unwrap();
        let words = ["echo", "it's", "a  b"].map(str::to_owned).to_vec();
        let script = Script { program: None, environment: Vec::new(), before: wanted.before.clone(), words };
        let by = ByCommand { wanted, script, home: Home::new(home.path()) };
        std::fs::create_dir_all(by.home.agent(3).path()).unwrap();
        assert_eq!(by.launch(&[3]).unwrap(), [(3, "77.server".to_owned())]);
        let found = by.look(&["7.server".to_owned(), "8.server".to_owned()]).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["8.server"]);
        assert_eq!(std::fs::read_to_string(by.home.agent(3).log()).unwrap(), "it's a  b --number 3\n");
    }
}
