//! `sweep serve`: serves a page about runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::stderr::say;
use super::stdout::draw;
use super::{Exit, Failure, Global, hints, page};
use sweep_operations::serve::{Address, Request, serve};
use sweep_spec::text::plain;
use sweep_system::whole::{self, Survives};

#[derive(clap::Args)]
#[command(long_about = "Serve a live page with the report and progress of each sweep, what runs now, and why jobs \
    failed. It only reads the database. Only this machine can open it, with the token in the printed address; the \
    printed ssh command forwards it to another machine. Ctrl-C ends it. `sweep run --serve FILE` serves one during a \
    run.")]
pub(crate) struct Args {
    /// The port [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Open the page in a browser
    #[arg(long)]
    open: bool,
    /// End when the other end of stdin is closed, and wait for a database that does not exist yet
    #[arg(long, hide = true)]
    beside: bool,
}

pub(crate) fn run(global: &Global, Args { port, open, beside }: Args) -> Result<Exit, Failure> {
    let request = Request { port, beside, sentences: hints::complete };
    let end = serve(&global.places, request, |Address { here, tunnel }| {
        draw(&plain(&format!("{here}\nfrom another machine: {tunnel}\n")))?;
        if open { opened(&here).map(Some) } else { Ok(None) }
    })?;
    Ok(end.into())
}

/// Opens the address in the user's browser by way of a file that only this user can read, since all users of the
/// machine can see the arguments of a command. The file is removed with the returned value.
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
