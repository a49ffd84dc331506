//! A page that shows the progress of runs.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::nice;
use rustix::system::uname;
use tokio::sync::oneshot;

use crate::database::{block_on, with_store};
use crate::home_files::InHome;
use crate::places::absolute;
use crate::report::report_on;
use crate::run::End;
use crate::{Failure, Places};
use sweep_figure::{Files, Picture};
use sweep_report::render::html;
use sweep_report::{Options, Step};
use sweep_run::asked_to_stop;
use sweep_serve::{Page, Pages, Place, Server};
use sweep_store::{Store, StoreError};

/// The niceness added to this process, to leave the processors to those that train.
const NICE: i32 = 10;

/// Where to serve a page, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The port on the loopback interface; 0 for a free one.
    pub port: u16,
    /// Whether it ends when the other end of stdin is closed, and waits for a database that does not exist yet.
    pub beside: bool,
    /// Formats sentences of reports.
    pub sentences: fn(&str) -> String,
}

/// Where a page is.
#[derive(Clone, Debug)]
pub struct Address {
    /// The URL on this machine, with the token that opens it.
    pub here: String,
    /// The command that forwards it to another machine.
    pub tunnel: String,
}

/// Serves the page until it is asked to stop. Calls `begun` with its address, and keeps the result until then.
///
/// # Errors
///
/// The database cannot be read, the port cannot be used, or `begun` fails.
pub fn serve<T>(
    places: &Places,
    request: Request,
    begun: impl FnOnce(Address) -> Result<T, Failure>,
) -> Result<End, Failure> {
    if !request.beside {
        // Reports at once if the database cannot be read, and updates one of an earlier version.
        with_store(places, async |_| Ok(()))?;
    }
    let place = Place { home: places.absolute_home()?, database: absolute(&places.database())? };
    // If this is not allowed, it does not matter.
    let _ = nice(NICE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let result = runtime.block_on(until_stopped(place, request, begun));
    // Does not wait for a page that is being made.
    runtime.shutdown_background();
    result
}

async fn until_stopped<T>(
    place: Place,
    Request { port, beside, sentences }: Request,
    begun: impl FnOnce(Address) -> Result<T, Failure>,
) -> Result<End, Failure> {
    // Before the address is known, so that anyone who knows it can stop this.
    let mut stop = Box::pin(asked_to_stop().map_err(Failure::environment)?);
    let server = Server::bind(port).await.map_err(|error| {
        let other = if port == 0 { "" } else { "; without --port it is a free one" };
        Failure::environment(format!("cannot listen on port {port} of this machine's loopback: {error}{other}"))
    })?;
    let host = uname().nodename().to_string_lossy().into_owned();
    let _kept = begun(Address { here: server.address(), tunnel: server.tunnel(&host) })?;
    let left = if beside { Some(alone()) } else { None };
    let mut signal = None;
    let stopped = async {
        match left {
            Some(left) => tokio::select! { number = &mut stop => signal = Some(number), _ = left => {} },
            None => signal = Some(stop.await),
        }
    };
    let pages = Arc::new(Reports { database: place.database.clone(), home: place.home.path().to_owned(), sentences });
    server.run(place, pages, stopped).await.map_err(Failure::environment)?;
    Ok(signal.map_or(End::Done, |signal| End::Stopped(Some(signal))))
}

/// Resolves when the other end of stdin is closed.
fn alone() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _ = tell.send(());
    });
    told
}

/// The report of one sweep, or of the one that was run last.
struct Reports {
    database: PathBuf,
    home: PathBuf,
    sentences: fn(&str) -> String,
}

impl Pages for Reports {
    fn page(&self, sweep: Option<&str>) -> Result<Page, String> {
        let made = block_on(async {
            let store = match Store::open_existing_read_only(&self.database).await {
                Err(StoreError::Missing(_)) => return Ok(None),
                store => store?,
            };
            let made = match store.sweep(sweep).await {
                Err(StoreError::NoSweep { known, .. }) if sweep.is_none() && known.is_empty() => Ok(None),
                Err(error) => Err(error.into()),
                Ok(sweep) => {
                    let options = Options { metric: None, short: false, step: Step::Last };
                    report_on(store.clone(), vec![sweep.name], options).await.map(Some)
                }
            };
            store.close().await;
            made
        });
        let (title, main) = match made.map_err(Failure::into_words)? {
            None => ("sweep".to_owned(), "<p>No sweep has run here yet.</p>".to_owned()),
            Some(mut made) => {
                made.document.edit_sentences(self.sentences);
                (made.document.title.clone(), html::main(&made.document, &Served { home: InHome(&self.home) }))
            }
        };
        let around = html::Page { made: "It follows the database.", pictures: "", alone: false };
        Ok(Page { html: html::page(&title, &main, &around), policy: html::policy(&around) })
    }
}

/// Sample sheets as the server has them: a browser requests those that it shows.
struct Served<'a> {
    home: InHome<'a>,
}

impl Files for Served<'_> {
    fn picture(&self, job: &str, step: u64, _: &str) -> Option<Picture> {
        Some(Picture { href: format!("/sample/{job}/{step}.png"), png: Vec::new() })
    }

    fn points(&self, path: &str) -> Option<Vec<[f64; 2]>> {
        self.home.points(path)
    }
}
