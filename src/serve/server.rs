//! The server: one port of the loopback, from its start to its end.

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

/// How often it is looked whether anything has changed.
const LOOK: Duration = Duration::from_secs(1);

/// How long answers that are under way are waited for at the end.
const GRACE: Duration = Duration::from_millis(500);

/// A page that has its address and is not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    pass: Pass,
}

impl Server {
    /// Takes this port of the loopback, or with 0 a free one.
    ///
    /// # Errors
    ///
    /// Where somebody has it.
    pub async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        Ok(Server { listener, port, pass: Pass::new(port)? })
    }

    /// The address, with the token.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.pass.token())
    }

    /// The command that makes the same address work on another machine, where this one is called `host` there.
    pub fn tunnel(&self, host: &str) -> String {
        let port = self.port;
        format!("ssh -N -L {port}:127.0.0.1:{port} {host}")
    }

    /// Serves until `stop` comes, and ends within a second then, whoever still looks.
    ///
    /// # Errors
    ///
    /// Where no connection can be taken any more.
    pub async fn run(self, place: Place, pages: Arc<dyn Pages>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let ((tell, revision), (end, ends)) = (watch::channel(1), watch::channel(false));
        let app = App::new(self.pass, Reader::new(place), pages, revision, ends.clone());
        let looking = tokio::spawn(look(Arc::clone(&app), tell));
        let ended = |mut ends: watch::Receiver<bool>| async move {
            // Nobody is left who could say so otherwise.
            let _ = ends.wait_for(|ends| *ends).await;
        };
        let served = axum::serve(self.listener, router(app)).with_graceful_shutdown(ended(ends.clone())).into_future();
        let until = async {
            stop.await;
            // Streams of news end by it; connections without a request under way do, too.
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

/// Counts the revision up with each change that is seen.
async fn look(app: Arc<App>, revision: watch::Sender<u64>) {
    let (mut seen, mut ticks) = (None, interval(LOOK));
    // After a sleep of the machine, one look is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if app.reader.is_news(&mut seen).await {
            revision.send_modify(|revision| *revision += 1);
        }
    }
}
