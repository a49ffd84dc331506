//! Who is at work in a home directory that several machines share: a file that says so every few seconds, since locks may not reach from one
//! machine to another.

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

/// How often it says so.
const BEAT: Duration = Duration::from_secs(10);
/// Who has said nothing for so long is not there.
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

    /// Who says so in `home`.
    fn read(home: &Home) -> io::Result<Option<Self>> {
        fs::read(home.at_work()).map(|text| spool::read(&text))
    }

    /// For people: `process 7, home /x, host n1`.
    fn words(&self, home: &Home) -> String {
        format!("process {}, home {}, host {}", self.process, home.display(), self.host)
    }
}

/// That this process is the one at work in a home directory. One that stands still for long is taken for gone, and another takes its place.
#[derive(Clone, Debug, Default)]
pub struct Hold(Option<Home>);

impl Hold {
    /// Who is at work there by now, if it is another. Where that cannot be read nothing is known of it.
    pub fn lost_to(&self) -> Option<String> {
        let home = self.0.as_ref()?;
        match AtWork::read(home) {
            Ok(Some(other)) if other != AtWork::me() => Some(other.words(home)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && home.path().exists() => {
                Some("it has ended by now".to_owned())
            }
            Ok(_) | Err(_) => None,
        }
    }
}

/// Says that this process is at work, as long as it lives.
#[derive(Debug)]
pub(super) struct Presence {
    hold: Hold,
    end: Option<Sender<()>>,
    beats: Option<JoinHandle<()>>,
}

impl Presence {
    /// In `home`.
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
                // The next one says the same.
                let _ = say(&home);
            }
        });
        Ok(Presence { hold, end: Some(end), beats: Some(beats) })
    }

    /// Whether it is so still.
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

/// Which other process is at work in `home`: `process 7, home /x, host n1`.
pub(super) fn other(home: &Home) -> Option<String> {
    let at_work = AtWork::read(home).ok()??;
    let me = AtWork::me();
    // Of those on this machine it is known whether they live.
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
        // Who wakes up finds another in its place, or that one gone, and leaves all as it is.
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
