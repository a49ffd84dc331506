//! Who is at work in a home directory that several machines share: a file that says so every few seconds, since locks may not reach from one
//! machine to another.

use std::fs;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distance::{age, delay, host};
use sweep_system::whole::{self, Survives};
use sweep_wire::home::Home;
use sweep_wire::spool;

/// How often it says so.
const BEAT: Duration = Duration::from_secs(10);
/// Who has said nothing for so long is not there.
const PATIENCE: f64 = 60.0;

#[derive(Serialize, Deserialize)]
struct AtWork {
    host: String,
    process: u32,
}

/// Says that this process is at work, as long as it lives.
#[derive(Debug)]
pub(super) struct Presence {
    end: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl Presence {
    /// In `home`.
    pub(super) fn new(home: &Home) -> Self {
        let (end, ended) = channel::<()>();
        let home = home.clone();
        let beats = std::thread::spawn(move || {
            loop {
                let at_work = AtWork { host: host(), process: std::process::id() };
                let write = || whole::write(&home.at_work(), &spool::write(&at_work)?, Survives::PowerCut);
                // The next one says the same.
                let _ = write();
                if ended.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout) {
                    let _ = whole::remove(&home.at_work());
                    return;
                }
            }
        });
        Presence { end: Some(end), beats: Some(beats) }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        drop(self.end.take());
        self.beats.take().map(JoinHandle::join);
    }
}

/// Who is at work in `home` on another machine: `process 7, home /x, host n1`.
pub(super) fn elsewhere(home: &Home) -> Option<String> {
    let AtWork { host: name, process } = spool::read(&fs::read(home.at_work()).ok()?)?;
    let fresh = age(&home.at_work()).is_some_and(|age| age < PATIENCE + delay(home).unwrap_or_default());
    (name != host() && fresh).then(|| format!("process {process}, home {}, host {name}", home.display()))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_others_that_were_heard_of_lately_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(elsewhere(&home), None);
        let presence = Presence::new(&home);
        while !home.at_work().exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(elsewhere(&home), None, "this machine has locks");
        drop(presence);
        assert!(!home.at_work().exists());
        let say = |ago: u64| {
            let at_work = AtWork { host: "n1".into(), process: 7 };
            fs::write(home.at_work(), spool::write(&at_work).unwrap()).unwrap();
            let file = fs::File::options().append(true).open(home.at_work()).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
        };
        say(5);
        assert_eq!(elsewhere(&home).unwrap(), format!("process 7, home {}, host n1", folder.path().display()));
        say(200);
        assert_eq!(elsewhere(&home), None);
    }
}
