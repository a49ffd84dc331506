//! The page next to a run. It is a separate process: requests cost the run only a little processor time, and a bug in
//! the page does not end the run.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::database::block_on;
use crate::{Failure, Places, Tell};
use sweep_store::Store;
use sweep_wire::database::Database;

/// How long the page may take to end by itself when it is alone, and how often this is checked.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// A page that exists as long as this value. It also ends by itself if this process dies, when the other end of its
/// stdin is closed.
pub(crate) struct LivePage {
    child: Child,
    database: PathBuf,
}

impl LivePage {
    /// Starts it for the folders of this command, on this port, or with 0 on a free one, and tells the user its
    /// address.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub(crate) fn start(places: &Places, port: u16, tell: &Tell) -> Result<Self, Failure> {
        let database = places.database();
        let start = || {
            Command::new(std::env::current_exe()?)
                .args(["serve", "--beside", "--port", &port.to_string(), "--home"])
                .arg(std::path::absolute(places.home.path())?)
                .arg("--db")
                .arg(std::path::absolute(&database)?)
                // A Ctrl-C at the terminal is meant for the run, whose workers then checkpoint. The page still shows
                // that.
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        };
        let child = start().map_err(|error| Failure::environment(format!("cannot start `sweep serve`: {error}")))?;
        let mut page = LivePage { child, database };
        // It prints the address and how to reach it, or an error on stderr.
        let lines = page.child.stdout.take().map(|stdout| BufReader::new(stdout).lines().take(2).map_while(Result::ok));
        let said: Vec<String> = lines.into_iter().flatten().collect();
        if said.len() < 2 {
            return Err(Failure::environment("the page that --serve asks for did not start"));
        }
        tell.say(format!("live page: {}", said.join("\n")));
        Ok(page)
    }
}

impl Drop for LivePage {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let start = Instant::now();
        let mut ended = false;
        while !ended && start.elapsed() < PATIENCE {
            std::thread::sleep(LOOK);
            ended = !matches!(self.child.try_wait(), Ok(None));
        }
        if !ended {
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
        // Only the last process that has a database open, and may write, can remove the log next to it.
        let is_left = Database::at(&self.database).log().exists() && self.database.exists();
        let tidy = async {
            Store::open_within(&self.database, LOOK).await?.close().await;
            Ok(())
        };
        let _ = if is_left { block_on(tidy) } else { Ok(()) };
    }
}
