//! Downloads data sets. No other part of the program uses the network.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};

use super::checksum::Checksum;
use super::error::Flaw;
use super::hex::hex;
use super::published::{Contents, Depth, FileSet, PublishedFile};
use super::source::{Source, SourceError};
use sweep_system::whole::{self, NewFile, Survives};

/// The result of a successful fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// All files were there already, and correct.
    AlreadyThere,
    /// These files were written.
    Stored(Vec<PathBuf>),
}

/// An event of a fetch.
#[derive(Debug)]
pub enum FetchEvent<'a> {
    /// A source is tried.
    Trying(&'a str),
    /// The source does not have the files, or cannot be reached.
    Failed(&'a str, &'a SourceError),
    /// Something with this name, and size if known, is arriving.
    File {
        /// A file's or a package's name.
        name: &'a str,
        /// Bytes to come.
        bytes: Option<u64>,
    },
    /// This many more bytes have arrived.
    Progress(u64),
    /// A file has been checked and stored.
    Stored(&'a Path),
}

/// Why a data set could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No source provided all files.
    #[error("{}", instructions(*set, home, missing, tried))]
    NoSource {
        /// The data set.
        set: FileSet,
        /// Where the files belong.
        home: PathBuf,
        /// The files that are still missing.
        missing: Vec<&'static str>,
        /// The sources, and why each failed.
        tried: Vec<(String, SourceError)>,
    },
    /// No source provided the weights of the Inception network: why, and how to get them by hand.
    #[error("{0}")]
    NoWeights(String),
    /// Files cannot be written.
    #[error("cannot write to {}: {source}; choose another folder with --data or SWEEP_DATA", path.display())]
    Write {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

fn instructions(set: FileSet, home: &Path, missing: &[&str], tried: &[(String, SourceError)]) -> String {
    let name = set.name();
    let mut text = format!("{name} could not be fetched from any of these places:\n");
    for (place, error) in tried {
        let _ = writeln!(text, "  {place}: {error}");
    }
    let archive = Source::of(set).into_iter().find_map(|source| match source {
        Source::Archive { address, md5, .. } => Some((address, md5)),
        _ => None,
    });
    let _ = match archive {
        Some((address, md5)) => {
            writeln!(
                text,
                "On a machine with a network, download {address}\n(MD5 {md5}), unpack it, and take these files from it:"
            )
        }
        None => writeln!(text, "Get these files from elsewhere, compressed (with names that end in .gz) or not:"),
    };
    for file in missing {
        let _ = writeln!(text, "  {file}");
    }
    let _ = write!(text, "put them into {}\nand run `sweep data verify {name}`", home.display());
    text
}

/// Makes sure that the files of `set` are in `root`; does nothing if they are. Each file is only kept if it passes its
/// checks (its checksum; size and labels if no checksum is published), and has a temporary name until it is complete.
///
/// # Errors
/// If no source provides all files, or they cannot be written. The text says what to do by hand.
pub fn fetch(set: FileSet, root: &Path, events: &dyn Fn(FetchEvent<'_>)) -> Result<Fetched, FetchError> {
    let unsound =
        set.state(root, Depth::Quick).into_iter().filter(|state| !state.is_sound()).map(|state| state.file).collect();
    fetch_from(&Source::of(set), set, &set.home(root), unsound, events)
}

fn fetch_from(
    sources: &[Source],
    set: FileSet,
    home: &Path,
    mut wanted: Vec<&'static PublishedFile>,
    events: &dyn Fn(FetchEvent<'_>),
) -> Result<Fetched, FetchError> {
    if wanted.is_empty() {
        return Ok(Fetched::AlreadyThere);
    }
    let unwritable = |source| FetchError::Write { path: home.to_owned(), source };
    std::fs::create_dir_all(home).map_err(unwritable)?;
    // Files that an interrupted fetch left: they may be as large as a data set.
    whole::sweep_up(home);
    let (mut stored, mut tried) = (Vec::new(), Vec::new());
    for source in sources {
        let place = source.to_string();
        events(FetchEvent::Trying(&place));
        let result = source.get(&wanted, events, &mut |file, contents| {
            let path = store(set, home, file, contents)?;
            events(FetchEvent::Stored(&path));
            stored.push(path);
            Ok(())
        });
        wanted.retain(|file| !stored.contains(&home.join(file.name)));
        match result {
            Ok(()) => return Ok(Fetched::Stored(stored)),
            Err(SourceError::Write(source)) => return Err(unwritable(source)),
            Err(error) => {
                events(FetchEvent::Failed(&place, &error));
                tried.push((place, error));
            }
        }
    }
    let missing = wanted.iter().map(|file| file.name).collect();
    Err(FetchError::NoSource { set, home: home.to_owned(), missing, tried })
}

/// Checks one file and stores it.
fn store(set: FileSet, home: &Path, file: &PublishedFile, contents: &mut dyn Read) -> Result<PathBuf, SourceError> {
    let path = home.join(file.name);
    let mut new = NewFile::beside(&path).map_err(SourceError::Write)?;
    let mut contents = contents.take(file.bytes() as u64 + 1);
    let checked = match file.contents {
        Contents::Large { md5: expected } => {
            let found = copy::<Md5>(&mut contents, &mut new)?;
            if found == expected { Ok(()) } else { Err(Flaw::Checksum { expected: Checksum::Md5(expected), found }) }
        }
        Contents::Idx { .. } | Contents::Records { .. } => {
            let mut bytes = Vec::with_capacity(file.bytes() + 1);
            contents.read_to_end(&mut bytes).map_err(SourceError::Read)?;
            new.write_all(&bytes).map_err(SourceError::Write)?;
            file.check(set, bytes).map(|_| ())
        }
    };
    checked.map_err(|flaw| SourceError::Flaw { name: file.name, flaw })?;
    new.put(Survives::PowerCut).map_err(SourceError::Write)?;
    Ok(path)
}

/// Copies piece by piece and returns the checksum.
pub(super) fn copy<D: Digest>(from: &mut dyn Read, to: &mut dyn Write) -> Result<String, SourceError> {
    let (mut digest, mut piece) = (D::new(), vec![0; 1 << 20]);
    loop {
        match from.read(&mut piece).map_err(SourceError::Read)? {
            0 => return Ok(hex(&digest.finalize(), "")),
            n => {
                digest.update(&piece[..n]);
                to.write_all(&piece[..n]).map_err(SourceError::Write)?;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use flate2::Compression;
    use flate2::read::GzEncoder;

    use super::*;

    /// Three labels, 0 1 2, and their checksum.
    static LABELS: PublishedFile = PublishedFile {
        name: "labels",
        contents: Contents::Idx { dims: &[3], md5: "2dab5672e75db8be26c5d98d167b573d" },
    };
    static IMAGES: PublishedFile = PublishedFile {
        name: "images",
        contents: Contents::Idx { dims: &[3, 1, 2], md5: "dad5520a7c9d234288dd9edbc292fa42" },
    };

    fn contents(file: &PublishedFile) -> Vec<u8> {
        let Contents::Idx { dims, .. } = file.contents else { panic!("{file:?}") };
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        dims.iter().for_each(|&size| bytes.extend((size as u32).to_be_bytes()));
        bytes.extend(0..dims.iter().product::<usize>() as u8);
        bytes
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        GzEncoder::new(bytes, Compression::default()).read_to_end(&mut out).unwrap();
        out
    }

    fn mirror(files: Vec<(&'static str, Vec<u8>)>) -> Source {
        Source::Mirror(serve(files))
    }

    /// The address of a server on this machine that has `files` and answers anything else with 404.
    pub(crate) fn serve(files: Vec<(&'static str, Vec<u8>)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let mut request = String::new();
                stream.read_line(&mut request).unwrap();
                let mut line = String::new();
                while stream.read_line(&mut line).unwrap() > 2 {
                    line.clear();
                }
                let path = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
                let (status, body) = match files.iter().find(|(name, _)| *name == path) {
                    Some((_, body)) => ("200 OK", &body[..]),
                    None => ("404 Not Found", &b"<html>"[..]),
                };
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.get_mut().write_all(&[head.as_bytes(), body].concat()).unwrap();
            }
        });
        address
    }

    /// Fetches both files and tells what happened.
    fn run(sources: &[Source], home: &Path) -> (Result<Fetched, FetchError>, Vec<String>) {
        let log = RefCell::new(Vec::new());
        let result = fetch_from(sources, FileSet::Mnist, home, vec![&IMAGES, &LABELS], &|event| {
            log.borrow_mut().push(match event {
                FetchEvent::Trying(_) => "trying".to_owned(),
                FetchEvent::Failed(_, error) => format!("failed: {error}"),
                FetchEvent::File { name, bytes } => format!("{name} of {bytes:?}"),
                FetchEvent::Progress(_) => return,
                FetchEvent::Stored(path) => format!("stored {}", path.file_name().unwrap().display()),
            });
        });
        (result, log.into_inner())
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_come_from_the_first_source_with_correct_ones() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("new folder");
        let mut damaged = contents(&LABELS);
        damaged[9] ^= 1;
        let sources = [
            mirror(vec![]),
            mirror(vec![("images.gz", gz(&contents(&IMAGES))), ("labels.gz", gz(&damaged))]),
            mirror(vec![("labels.gz", gz(&contents(&LABELS)))]),
        ];
        let (result, log) = run(&sources, &home);
        let paths = [home.join("images"), home.join("labels")];
        assert_eq!(result.unwrap(), Fetched::Stored(paths.to_vec()));
        assert_eq!(std::fs::read(&paths[0]).unwrap(), contents(&IMAGES));
        assert_eq!(std::fs::read(&paths[1]).unwrap(), contents(&LABELS));
        assert_eq!(names(&home), ["images", "labels"], "nothing else is left behind");
        let images = format!("images of Some({})", gz(&contents(&IMAGES)).len());
        let labels = format!("labels of Some({})", gz(&contents(&LABELS)).len());
        assert_eq!(log[..5], ["trying", "failed: http status: 404", "trying", &images, "stored images"]);
        assert_eq!(log[5], labels);
        assert!(
            log[6].contains("failed: labels: the contents differ from the published file: expected MD5"),
            "{}",
            log[6]
        );
        assert_eq!(log[7..], ["trying", &labels, "stored labels"]);
    }

    #[test]
    fn a_wrong_answer_leaves_nothing_behind() {
        for body in [b"<html>".to_vec(), gz(b"<html>"), gz(&[0; 100_000]), gz(&contents(&IMAGES))[..30].to_vec()] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(".tmpAbCdEf"), "half a file, of a fetch that was killed").unwrap();
            let (result, log) = run(&[mirror(vec![("images.gz", body)])], dir.path());
            assert!(matches!(result, Err(FetchError::NoSource { .. })));
            assert!(log.last().unwrap().starts_with("failed: "), "{log:?}");
            assert_eq!(names(dir.path()), [""; 0]);
        }
    }

    #[test]
    fn offline_the_error_says_which_files_to_put_where() {
        let dir = tempfile::tempdir().unwrap();
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (result, _) = run(&[Source::Mirror(format!("http://{port}/"))], dir.path());
        let text = result.unwrap_err().to_string();
        for part in [format!("http://{port}/: "), format!("put them into {}", dir.path().display())] {
            assert!(text.contains(&part), "{text}");
        }
        assert!(text.contains("\n  images\n  labels\n") && text.contains("run `sweep data verify mnist`"), "{text}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_ends_the_search() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (result, log) = run(&[mirror(vec![])], &file.path().join("mnist"));
        assert!(matches!(result, Err(FetchError::Write { .. })));
        assert_eq!(log, [""; 0]);
    }
}
