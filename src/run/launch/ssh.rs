//! Agents on hosts that are reached by ssh and share the home directory.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::Script;
use crate::spool::{Launcher, Queue};
use sweep_system::shell::quoted;
use sweep_wire::home::Home;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name for ssh: `user@name`.
    pub name: String,
    /// How many agents run there, each with one worker.
    pub agents: usize,
}

impl Host {
    /// Parses hosts such as `host1,host2x4`, where `x4` means four agents.
    ///
    /// # Errors
    ///
    /// A text that is not a list of hosts. The error says so in words.
    pub fn parse(text: &str) -> Result<Vec<Host>, String> {
        let host = |part: &str| {
            let part = part.trim();
            let (name, agents) = match part.rsplit_once('x') {
                Some((name, digits)) if !name.is_empty() && digits.parse::<usize>().is_ok() => {
                    (name, digits.parse().unwrap_or(0))
                }
                _ => (part, 1),
            };
            let is_plain = !name.is_empty() && !name.starts_with('-') && !name.contains(char::is_whitespace);
            if !is_plain || agents == 0 || agents > 1024 {
                return Err(format!(
                    "`{part}` is not a host: expected a name, or one with a number of workers, such as node1x4"
                ));
            }
            Ok(Host { name: name.to_owned(), agents })
        };
        text.split(',').map(host).collect()
    }
}

/// Starts agents by ssh.
#[derive(Debug)]
pub struct Ssh {
    /// For each agent: its host, its number there, and how many agents run there.
    places: Vec<(String, usize, usize)>,
    /// What an agent runs.
    script: Script,
    /// Whether each has its own GPU.
    gpus: bool,
    home: Home,
    children: Mutex<HashMap<String, Child>>,
}

impl Ssh {
    /// Makes a launcher of agents of `home` on these hosts, each on its own GPU or on the CPU.
    pub fn new(hosts: &[Host], gpus: bool, script: Script, home: Home) -> Self {
        // A host may be named twice.
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let mut places = Vec::new();
        for host in hosts.iter().flat_map(|host| (0..host.agents).map(|_| &host.name)) {
            let count = counts.entry(host).or_default();
            places.push((host.clone(), *count, 0));
            *count += 1;
        }
        places.iter_mut().for_each(|(host, _, all)| *all = counts[host.as_str()]);
        Ssh { places, script, gpus, home, children: Mutex::default() }
    }

    /// Returns the number of agents.
    pub fn agents(&self) -> usize {
        self.places.len()
    }

    /// Returns the shell lines to run there.
    fn lines(&self, number: usize) -> String {
        let (_, at, all) = &self.places[number];
        let device = if self.gpus { format!("cuda:{at}") } else { "cpu".to_owned() };
        self.script
            .lines(&number.to_string(), &["--devices", &device, "--slots", "1", "--agents-here", &all.to_string()])
    }

    fn start(&self, number: usize) -> io::Result<(String, Child)> {
        let (host, ..) = &self.places[number];
        let script = self.lines(number);
        let folder = self.home.agent(number);
        fs::create_dir_all(folder.path())?;
        let log = File::options().create(true).append(true).open(folder.log())?;
        let mut command = Command::new("ssh");
        command
            .args(["-o", "BatchMode=yes", "-o", "ServerAliveInterval=30", "-n", host])
            .arg(format!("sh -c {}", quoted(&script)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C at the terminal is meant for the run.
            .process_group(0);
        let child = command.spawn().map_err(|error| io::Error::new(error.kind(), format!("`ssh`: {error}")))?;
        Ok((format!("{host}#{}", child.id()), child))
    }
}

impl Launcher for Ssh {
    fn name(&self) -> &str {
        "ssh"
    }

    fn look_seconds(&self) -> f64 {
        2.0
    }

    fn launch(&self, numbers: &[usize]) -> Result<Vec<(usize, String)>, String> {
        let mut launched = Vec::new();
        for &number in numbers {
            match self.start(number) {
                Ok((handle, child)) => {
                    self.children.lock().unwrap_or_else(PoisonError::into_inner).insert(handle.clone(), child);
                    launched.push((number, handle));
                }
                Err(error) if launched.is_empty() => return Err(error.to_string()),
                // They are asked for again later.
                Err(error) => {
                    tracing::warn!("an agent could not be started: {error}");
                    break;
                }
            }
        }
        Ok(launched)
    }

    fn look(&self, handles: &[String]) -> Result<HashMap<String, Queue>, String> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|_, child| matches!(child.try_wait(), Ok(None)));
        let alive = handles.iter().filter(|handle| children.contains_key(*handle));
        Ok(alive.map(|handle| (handle.clone(), Queue::Running)).collect())
    }

    fn cancel(&self, handles: &[String]) {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        for handle in handles {
            if let Some(mut child) = children.remove(handle) {
                let _ = child.kill().and_then(|()| child.wait());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_of_a_host_has_a_gpu_of_its_own_and_its_share_of_memory() {
        let script = Script { environment: Vec::new(), before: None, program: None, words: vec!["sweep".into()] };
        let ssh = Ssh::new(&Host::parse("a,b,ax2").unwrap(), true, script, Home::new("/home"));
        let of = |device: &str, all: u32, number: u32| {
            format!("exec sweep --devices {device} --slots 1 --agents-here {all} --number {number}\n")
        };
        let expected = [of("cuda:0", 3, 0), of("cuda:0", 1, 1), of("cuda:1", 3, 2), of("cuda:2", 3, 3)];
        assert_eq!([0, 1, 2, 3].map(|number| ssh.lines(number)), expected);
    }

    #[test]
    fn hosts_are_as_people_write_them() {
        let host = |name: &str, agents| Host { name: name.into(), agents };
        assert_eq!(Host::parse("host1,host2x4").unwrap(), [host("host1", 1), host("host2", 4)]);
        assert_eq!(Host::parse("me@box.lan").unwrap(), [host("me@box.lan", 1)]);
        assert_eq!(Host::parse("linuxbox").unwrap(), [host("linuxbox", 1)]);
        assert_eq!(Host::parse("max3x2").unwrap(), [host("max3", 2)]);
        for wrong in ["", "a,,b", "ax0", "-oProxyCommand=x", "a b"] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
    }
}
