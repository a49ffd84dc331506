//! `sweep serve`: a page that follows what runs.

use std::fs::Permissions;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::nice;
use rustix::system::uname;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::figures::InHome;
use super::home::absolute;
use super::progress::say;
use super::reading::{block_on, draw, failure, with_store};
use super::{Exit, Failure, Global, page, report};
use sweep_figure::{Files, Picture};
use sweep_report::render::html;
use sweep_report::{Options, Step};
use sweep_run::asked_to_stop;
use sweep_serve::{Page, Pages, Place, Server};
use sweep_spec::text::plain;
use sweep_store::{Store, StoreError};
use sweep_system::whole::{self, Survives};

/// By so much this process stands back behind those that train.
const NICE: i32 = 10;

#[derive(clap::Args)]
#[command(long_about = "\
Serve a page with the report of each sweep, how far they are, what runs and why jobs failed, that follows the database while runs write to \
it. It only reads, and only this machine sees it, with the token in the address that it prints; the ssh command that it prints, too, brings it to \
another machine. Ctrl-C ends it. `sweep run --serve FILE` starts one beside a run.")]
pub(crate) struct Args {
    /// The port [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
    /// End with whoever holds the other end of stdin, and wait for a database that is not there yet
    #[arg(long, hide = true)]
    beside: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    if !args.beside {
        // What cannot be read is said at once; and the database of an earlier program is brought up to date.
        with_store(global, async |_| Ok(()))?;
    }
    let place = Place { home: global.absolute_home()?, database: absolute(&global.database())? };
    // Whoever may not, need not.
    let _ = nice(NICE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)?;
    let result = runtime.block_on(serve(place, args));
    // A page that is being made is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(place: Place, Args { port, open, beside }: Args) -> Result<Exit, Failure> {
    // Before anybody knows the address, so that whoever does can end it.
    let mut stop = Box::pin(asked_to_stop().map_err(Failure::environment)?);
    let server = Server::bind(port).await.map_err(|error| {
        let other = if port == 0 { "" } else { "; without --port it is a free one" };
        Failure::environment(format!("cannot listen on port {port} of this machine's loopback: {error}{other}"))
    })?;
    let host = uname().nodename().to_string_lossy().into_owned();
    draw(&plain(&format!("{}\nfrom another machine: {}\n", server.address(), server.tunnel(&host))))?;
    let _opened = if open { Some(opened(&server.address())?) } else { None };
    let left = if beside { Some(alone()) } else { None };
    let mut signal = None;
    let stopped = async {
        match left {
            Some(left) => tokio::select! { number = &mut stop => signal = Some(number), _ = left => {} },
            None => signal = Some(stop.await),
        }
    };
    let pages = Arc::new(Reports { database: place.database.clone(), home: place.home.path().to_owned() });
    server.run(place, pages, stopped).await.map_err(Failure::environment)?;
    Ok(signal.map_or(Exit::Ok, Exit::Signal))
}

/// Comes when whoever holds the other end of stdin is gone.
fn alone() -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _ = tell.send(());
    });
    told
}

/// Opens the address in the user's browser by way of a file that only this user can read: whatever a command is told, all users of the machine
/// can see. The file goes with the answer.
fn opened(address: &str) -> Result<TempDir, Failure> {
    let private = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().permissions(private).tempdir().map_err(Failure::environment)?;
    let file = folder.path().join("sweep.html");
    let text = format!(
        "<!doctype html><meta http-equiv=\"refresh\" content=\"0; url={address}\"><a href=\"{address}\">sweep</a>"
    );
    whole::write(&file, text.as_bytes(), Survives::Kill).map_err(Failure::environment)?;
    if !page::is_shown(&file) {
        say("there is no program here that opens a browser (xdg-open): open the address yourself");
    }
    Ok(folder)
}

/// The report of one sweep, or of the one that was run last.
struct Reports {
    database: PathBuf,
    home: PathBuf,
}

impl Pages for Reports {
    fn page(&self, sweep: Option<&str>) -> Result<Page, String> {
        let made = block_on(async {
            let store = match Store::open_existing_read_only(&self.database).await {
                Err(StoreError::Missing(_)) => return Ok(None),
                store => store.map_err(failure)?,
            };
            let made = match store.sweep(sweep).await {
                Err(StoreError::NoSweep { known, .. }) if sweep.is_none() && known.is_empty() => Ok(None),
                Err(error) => Err(failure(error)),
                Ok(sweep) => {
                    let options = Options { metric: None, short: false, step: Step::Last };
                    report::make(store.clone(), vec![sweep.name], options).await.map(Some)
                }
            };
            store.close().await;
            made
        });
        let (title, main) = match made.map_err(Failure::into_words)? {
            None => ("sweep".to_owned(), "<p>No sweep was run here yet.</p>".to_owned()),
            Some(made) => {
                (made.document.title.clone(), html::main(&made.document, &Served { home: InHome(&self.home) }))
            }
        };
        let around = html::Page { made: "It follows the database.", pictures: "", alone: false };
        Ok(Page { html: html::page(&title, &main, &around), policy: html::policy(&around) })
    }
}

/// Sample sheets as the server has them: a browser asks for those that it shows.
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
