//! Shows who is at work in a home directory that several machines share. A file is updated every few seconds, since
//! locks may not work across machines.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::distance::{age, delay, host};
use sweep_system::whole::{self, Survives};
use sweep_wire::home::Home;
use sweep_wire::spool;

/// How often the file is updated.
const BEAT: Duration = Duration::from_secs(10);
/// A process that has not updated the file for this long counts as gone.
const PATIENCE: f64 = 60.0;

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct AtWork {
    host: String,
    process: u32,
}

impl AtWork {
    fn me() -> Self {
        AtWork { host: host(), process: std::process::id() }
    }

    /// Reads who is at work in `home`.
    fn read(home: &Home) -> io::Result<Option<Self>> {
        fs::read(home.at_work()).map(|text| spool::read(&text))
    }

    /// Describes it for people: `process 7, home /x, host n1`.
    fn words(&self, home: &Home) -> String {
        format!("process {}, home {}, host {}", self.process, home.display(), self.host)
    }
}

/// Shows that this process is the one at work in a home directory. If it is suspended for long, it counts as gone and
/// another process takes over.
#[derive(Clone, Debug, Default)]
pub struct Hold(Option<Home>);

impl Hold {
    /// Returns the process that has taken over. `None` if it is still this one, or if the file cannot be read.
    pub fn lost_to(&self) -> Option<String> {
        let home = self.0.as_ref()?;
        match AtWork::read(home) {
            Ok(Some(other)) if other != AtWork::me() => Some(other.words(home)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && home.path().exists() => {
                Some("which has ended since".to_owned())
            }
            Ok(_) | Err(_) => None,
        }
    }
}

/// Announces that this process is at work, as long as this value lives.
#[derive(Debug)]
pub(super) struct Presence {
    hold: Hold,
    end: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl Presence {
    /// Announces it in `home`.
    pub(super) fn new(home: &Home) -> io::Result<Self> {
        let say = |home: &Home| whole::write(&home.at_work(), &spool::write(&AtWork::me())?, Survives::PowerCut);
        say(home)?;
        let hold = Hold(Some(home.clone()));
        let (end, ended) = channel::<()>();
        let (home, own) = (home.clone(), hold.clone());
        let beats = std::thread::spawn(move || {
            loop {
                let is_over = ended.recv_timeout(BEAT) != Err(RecvTimeoutError::Timeout);
                if own.lost_to().is_some() {
                    return;
                }
                if is_over {
                    let _ = whole::remove(&home.at_work());
                    return;
                }
                // If this fails, the next update says the same.
                let _ = say(&home);
            }
        });
        Ok(Presence { hold, end: Some(end), beats: Some(beats) })
    }

    /// Returns a handle that shows whether this process still holds the directory.
    pub(super) fn hold(&self) -> Hold {
        self.hold.clone()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        drop(self.end.take());
        self.beats.take().map(JoinHandle::join);
    }
}

/// Returns which other process is at work in `home`: `process 7, home /x, host n1`.
pub(super) fn other(home: &Home) -> Option<String> {
    let at_work = AtWork::read(home).ok()??;
    let me = AtWork::me();
    // For a process on this machine, the system knows whether it lives.
    let may_be = match at_work.host == me.host {
        true => at_work.process != me.process && Path::new(&format!("/proc/{}", at_work.process)).exists(),
        false => true,
    };
    let fresh = || age(&home.at_work()).is_some_and(|age| age < PATIENCE + delay(home).unwrap_or_default());
    (may_be && fresh()).then(|| at_work.words(home))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_others_that_were_heard_of_lately_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(other(&home), None);
        let presence = Presence::new(&home).unwrap();
        assert_eq!(other(&home), None, "it is this process");
        assert_eq!(presence.hold().lost_to(), None);
        drop(presence);
        assert!(!home.at_work().exists());
        let say = |ago: u64| {
            let at_work = AtWork { host: "n1".into(), process: 7 };
            fs::write(home.at_work(), spool::write(&at_work).unwrap()).unwrap();
            let file = fs::File::options().append(true).open(home.at_work()).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(ago)).unwrap();
        };
        say(5);
        assert_eq!(other(&home).unwrap(), format!("process 7, home {}, host n1", folder.path().display()));
        say(200);
        assert_eq!(other(&home), None);
        // A process that wakes up and finds that another has taken over, or has been there and gone, changes nothing.
        let presence = Presence::new(&home).unwrap();
        let hold = presence.hold();
        say(5);
        assert_eq!(hold.lost_to(), other(&home));
        drop(presence);
        assert!(home.at_work().exists());
        whole::remove(&home.at_work()).unwrap();
        assert!(hold.lost_to().is_some());
        assert_eq!(Hold::default().lost_to(), None);
    }
}
