//! The server: listens on one port of the loopback address.

use std::future::{Future, IntoFuture};
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Pages;
use super::guard::Pass;
use super::reader::{Place, Reader};
use super::routes::{App, router};

/// How often the server checks for changes.
const LOOK: Duration = Duration::from_secs(1);

/// How long the server waits for unfinished answers when it stops.
const GRACE: Duration = Duration::from_millis(500);

/// A server that has its address but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    pass: Pass,
}

impl Server {
    /// Binds this port of the loopback address, or any free port if it is 0.
    ///
    /// # Errors
    ///
    /// If the port is already in use.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Server { listener, port, pass: Pass::new(port)? })
    }

    /// Returns the address, with the token.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.pass.token())
    }

    /// Returns the ssh command that makes the same address work on another machine, from which this one is reached as
    /// `host`.
    pub fn tunnel(&self, host: &str) -> String {
        let port = self.port;
        format!("ssh -N -L {port}:127.0.0.1:{port} {host}")
    }

    /// Serves until `stop` completes, then ends within a second even if clients are still connected.
    ///
    /// # Errors
    ///
    /// If no more connections can be accepted.
    pub async fn run(self, place: Place, pages: Arc<dyn Pages>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let ((tell, revision), (end, ends)) = (watch::channel(1), watch::channel(false));
        let app = App::new(self.pass, Reader::new(place), pages, revision, ends.clone());
        let looking = tokio::spawn(look(Arc::clone(&app), tell));
        let ended = |mut ends: watch::Receiver<bool>| async move {
            // An error means that the sender is gone, so it is time to stop anyway.
            let _ = ends.wait_for(|ends| *ends).await;
        };
        let served = axum::serve(self.listener, router(app)).with_graceful_shutdown(ended(ends.clone())).into_future();
        let until = async {
            stop.await;
            // This ends event streams and idle connections.
            let _ = end.send(true);
            sleep(GRACE).await;
        };
        tokio::pin!(served, until);
        let result = tokio::select! {
            result = &mut served => result,
            () = &mut until => Ok(()),
        };
        looking.abort();
        result
    }
}

/// Increments the revision with each change it finds.
async fn look(app: Arc<App>, revision: watch::Sender<u64>) {
    let (mut seen, mut ticks) = (None, interval(LOOK));
    // After the machine was suspended, one check is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if app.reader.is_news(&mut seen).await {
            revision.send_modify(|revision| *revision += 1);
        }
    }
}
