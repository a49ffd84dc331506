//! `sweep data`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::stderr::say;
use super::stdout::{print, print_json};
use super::table::{self, Align};
use super::{Exit, Failure, Global, events};
use sweep_data::cache::{self, Cached, Manifest, Mapped};
use sweep_data::{Depth, Fetched, FileSet, SourceState, inception, source_state};
use sweep_operations::Tell;
use sweep_operations::data_files::{Condition, State, fetch_inception, fetch_set, problem};
use sweep_operations::inception::Weights;
use sweep_operations::prepare::{Ready, prepare_for, preparing};
use sweep_operations::sweep_file::Around;
use sweep_spec::dataset::Toy;
use sweep_spec::own_data::Kind;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List data sets and where they are
    List {
        /// Machine-readable output
        #[arg(long)]
        json: bool,
    },
    /// Download data sets, or the network behind the scores of photographs, unless they are there already
    Fetch {
        /// What to download
        #[arg(required = true, value_name = "NAME", value_parser = named(KNOWN.into_iter().chain([Named::Imagenet])))]
        sets: Vec<Named>,
    },
    /// Read the data sets at the paths in sweep files now, so that `sweep run` finds them ready
    Prepare {
        /// Sweep files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Check every byte against the published checksums
    Verify {
        /// Data sets [default: those that are there]
        #[arg(value_name = "NAME", value_parser = named(KNOWN))]
        sets: Vec<Named>,
    },
}

/// What can be named.
#[derive(Clone, Copy)]
enum Named {
    Set(FileSet),
    /// The weights of the Inception network.
    Inception,
    /// ImageNet, which needs an account.
    Imagenet,
}

/// Everything that can be downloaded.
const KNOWN: [Named; 5] = {
    let [a, b, c, d] = FileSet::ALL;
    [Named::Set(a), Named::Set(b), Named::Set(c), Named::Set(d), Named::Inception]
};

impl Named {
    fn name(self) -> &'static str {
        match self {
            Named::Set(set) => set.name(),
            Named::Inception => inception::NAME,
            Named::Imagenet => Kind::Imagenet32.name(),
        }
    }
}

fn named(those: impl IntoIterator<Item = Named>) -> impl TypedValueParser<Value = Named> {
    let those: Vec<Named> = those.into_iter().collect();
    PossibleValuesParser::new(those.iter().map(|named| named.name()))
        .try_map(move |name| those.iter().copied().find(|named| named.name() == name).ok_or("no such data set"))
}

/// How to get ImageNet, with the file and checksum that PyTorch's torchvision uses.
const IMAGENET: &str = "\
imagenet32 cannot be downloaded automatically: ImageNet requires an account, and that you accept its terms.
Get an account at https://image-net.org and download this file of ILSVRC 2012, about 138 GB:
  ILSVRC2012_img_train.tar  (MD5 1d675b47d978889d74fa0da5fadfb00e)
unpack it, and each of the 1,000 tars in it into a folder of its name:
  mkdir train && tar -xf ILSVRC2012_img_train.tar -C train && cd train
  for tar in *.tar; do mkdir \"${tar%.tar}\" && tar -xf \"$tar\" -C \"${tar%.tar}\" && rm \"$tar\"; done
and name the folder in a sweep file:
  dataset: {name: imagenet32, path: /where/it/is/train}
`sweep run` then reads the pictures once, or `sweep data prepare FILE` does so in advance";

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let (root, tell) = (global.places.data_root()?, events::tell());
    match args.command {
        Command::List { json } => {
            let states = FileSet::ALL.map(|set| State::of(set, &root, Depth::Quick));
            let (weights, caches) = (Weights::of(&root, Depth::Quick), cache::list(&root));
            if json {
                print_json(&as_json(&root, &states, &weights, &caches))?;
            } else {
                print(&as_table(&root, &states, &weights, &caches))?;
            }
            Ok(Exit::Ok)
        }
        Command::Fetch { sets } => {
            for named in sets {
                let (fetched, how) = match named {
                    Named::Set(set) => (fetch_set(set, &root, &tell)?, "with correct checksums"),
                    Named::Inception => (fetch_inception(&root, &tell)?, "`sweep data verify` compares its checksum"),
                    Named::Imagenet => return Err(Failure::environment(IMAGENET)),
                };
                if fetched == Fetched::AlreadyThere {
                    print(&format!("{} is there already, {how}\n", named.name()))?;
                }
            }
            Ok(Exit::Ok)
        }
        Command::Prepare { files } => {
            prepare(&files, Around { root: &root, places: Some(&global.places), tell: &tell })
        }
        Command::Verify { sets } => verify(&root, &sets, &tell),
    }
}

fn prepare(files: &[PathBuf], around: Around) -> Result<Exit, Failure> {
    for file in files {
        for Ready { name, content, samples } in prepare_for(file, around)? {
            print(&format!("{name}: {} samples ready, {content}\n", table::count(samples)))?;
        }
    }
    Ok(Exit::Ok)
}

fn as_table(root: &Path, states: &[State], weights: &Weights, caches: &[Cached]) -> String {
    let row = |state: &State| {
        let (train, test) = state.set.samples();
        let (folder, size) = (shown(root, state.folder().as_deref()), size(state.bytes()));
        let (name, state) = (state.set.name(), state.condition.word());
        vec![name.to_owned(), state.to_owned(), table::count(train), table::count(test), size, folder]
    };
    let drawn = ["gaussians"].into_iter().chain(Toy::ALL.iter().map(Toy::name));
    let built_in = drawn.map(|name| [name, "built in", "endless", "-", "-", "-"].map(str::to_owned).to_vec());
    let (left, right) = (Align::Left, Align::Right);
    let header =
        [("data set", left), ("state", left), ("train", right), ("test", right), ("size", right), ("folder", left)];
    let table = table::table(&header, states.iter().map(row).chain(built_in).chain([weights_row(weights, root)]));
    let unwell = states.iter().filter(|state| state.condition != Condition::Present);
    let mut advice: String = unwell.map(|state| format!("\n{}\n", state.advice(root))).collect();
    if weights.condition() != Condition::Present {
        advice.push_str(&format!("\n{}\n", weights.advice(root)));
    }
    for note in states.iter().flat_map(State::notes) {
        advice.push_str(&format!("\n{note}\n"));
    }
    format!("Data sets in {}\n\n{table}{advice}{}{}", root.display(), caches_table(caches), unfinished(root))
}

/// Returns the disk space that something takes; empty if it is not there.
fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { table::binary_bytes(bytes) }
}

/// Returns a folder as it is shown next to the `root` of data sets.
fn shown(root: &Path, folder: Option<&Path>) -> String {
    folder.map_or("-".to_owned(), |folder| {
        let below = folder.strip_prefix(root).unwrap_or(folder);
        if below == Path::new("") { ".".to_owned() } else { below.display().to_string() }
    })
}

/// Returns the row of the Inception network in the table of data sets.
fn weights_row(weights: &Weights, root: &Path) -> Vec<String> {
    let folder = weights.file().and_then(|file| file.path.parent());
    let bytes = size(weights.file().map_or(0, |file| file.bytes));
    [inception::NAME, weights.condition().word(), "-", "-", &bytes, &shown(root, folder)].map(str::to_owned).to_vec()
}

fn weights_json(weights: &Weights) -> serde_json::Value {
    json!({
        "name": inception::NAME,
        "state": weights.condition().word(),
        "path": weights.file().map(|file| file.path.display().to_string()),
        "bytes": weights.file().map(|file| file.bytes),
        "problem": weights.file().and_then(|file| file.flaw.as_ref()).map(ToString::to_string),
    })
}

/// Returns the line of the Inception network if its file is intact.
fn verified(weights: &Weights) -> Option<String> {
    let file = weights.file().filter(|file| file.flaw.is_none())?;
    let checksum = file.sha256().map_or("(no published checksum)".to_owned(), |sha256| format!("SHA-256 {sha256}"));
    Some(format!("ok  {checksum}  {}\n", file.path.display()))
}

/// Describes what interrupted runs have left, if anything.
fn unfinished(root: &Path) -> String {
    match cache::unfinished_bytes(root) {
        0 => String::new(),
        bytes => format!(
            "\n{} are incomplete: the next run with these data sets continues them; to prevent that, remove {}\n",
            table::binary_bytes(bytes),
            cache::unfinished_dir(root).display()
        ),
    }
}

/// Returns the table of data sets that were read.
fn caches_table(caches: &[Cached]) -> String {
    if caches.is_empty() {
        return String::new();
    }
    let row = |cached: &Cached| {
        let cells = match &cached.manifest {
            Ok(manifest) => {
                let bytes = manifest.samples() * manifest.sample_bytes();
                let dims: Vec<String> = manifest.shape.dims().iter().map(ToString::to_string).collect();
                let damaged = table::count(manifest.damaged.len());
                let (name, size) = (manifest.name.clone(), table::binary_bytes(bytes as u64));
                [name, table::count(manifest.samples()), damaged, dims.join("×"), size, manifest.path.clone()]
            }
            Err(error) => ["broken", "-", "-", "-", "-", &error.to_string()].map(str::to_owned),
        };
        [vec![cached.content.short()], cells.to_vec()].concat()
    };
    let (left, right) = (Align::Left, Align::Right);
    let header = [
        ("ready", left),
        ("data set", left),
        ("samples", right),
        ("left out", right),
        ("shape", left),
        ("size", right),
        ("read from", left),
    ];
    format!("\n{}", table::table(&header, caches.iter().map(row)))
}

fn as_json(root: &Path, states: &[State], weights: &Weights, caches: &[Cached]) -> String {
    let sets: Vec<_> = states
        .iter()
        .map(|state| {
            let (train, test) = state.set.samples();
            let files: Vec<_> = state
                .files
                .iter()
                .map(|file| {
                    let path = file.found.as_ref().map(|(path, _)| path.display().to_string());
                    let bytes = file.found.as_ref().map(|(_, bytes)| bytes);
                    json!({
                        "name": file.file.name, "path": path, "bytes": bytes, "problem": problem(file),
                        "note": file.note
                    })
                })
                .collect();
            json!({
                "name": state.set.name(),
                "state": state.condition.word(),
                "train_samples": train,
                "test_samples": test,
                "bytes": state.bytes(),
                "folder": state.folder().map(|folder| folder.display().to_string()),
                "files": files,
            })
        })
        .collect();
    let caches: Vec<_> = caches
        .iter()
        .map(|cached| {
            let (id, folder) = (cached.content, cached.folder.display().to_string());
            match &cached.manifest {
                Ok(manifest) => json!({
                    "id": id,
                    "folder": folder,
                    "name": manifest.name,
                    "path": manifest.path,
                    "samples": manifest.samples(),
                    "shape": manifest.shape,
                    "bytes": manifest.samples() * manifest.sample_bytes(),
                    "classes": manifest.classes,
                    "damaged": manifest.damaged,
                    "notes": manifest.notes,
                    "left_out": manifest.left_out,
                }),
                Err(error) => json!({"id": id, "folder": folder, "problem": error.to_string()}),
            }
        })
        .collect();
    format!(
        "{:#}\n",
        json!({"root": root.display().to_string(), "sets": sets, "networks": [weights_json(weights)], "caches": caches})
    )
}

/// Compares the files at a path with what was read into the cache.
fn compare(root: &Path, cached: &Cached, manifest: &Manifest, tell: &Tell) -> Result<(), Failure> {
    let (content, path) = (cached.content, &manifest.path);
    let why = match preparing(tell, |events| source_state(root, manifest, events)) {
        SourceState::Same => return print(&format!("ok  {content}  {path}\n")),
        SourceState::Gone | SourceState::Unknown => return Ok(()),
        SourceState::Other(None) => String::new(),
        SourceState::Other(Some(error)) => format!(" ({error})"),
    };
    say(format!(
        "warning: the files in {path} are not those that were read into {}{why}: the next run reads them again, and \
        changed samples count as another data set",
        cached.folder.display()
    ));
    Ok(())
}

fn verify(root: &Path, asked: &[Named], tell: &Tell) -> Result<Exit, Failure> {
    let all = asked.is_empty();
    let (mut states, mut weights) = (Vec::new(), None);
    for named in if all { &KNOWN } else { asked } {
        match named {
            Named::Set(set) => states.push(State::of(*set, root, Depth::Full)),
            Named::Inception => weights = Some(Weights::of(root, Depth::Full)),
            Named::Imagenet => {}
        }
    }
    if all {
        states.retain(|state| state.condition != Condition::Missing);
        weights = weights.filter(|weights| weights.condition() != Condition::Missing);
    }
    let caches = if all { cache::list(root) } else { Vec::new() };
    if states.is_empty() && weights.is_none() && caches.is_empty() {
        return Err(Failure::environment(format!(
            "no data set in {}: run `sweep data fetch NAME`, or name another folder with --data or SWEEP_DATA",
            root.display()
        )));
    }
    let mut bad = Vec::new();
    for state in &states {
        for file in &state.files {
            if let Some((path, _)) = file.found.as_ref().filter(|_| file.is_sound()) {
                let checksum = match file.note {
                    None => file.file.checksum().to_string(),
                    Some(_) => "(not the whole published file)".to_owned(),
                };
                print(&format!("ok  {checksum}  {}\n", path.display()))?;
                file.note.iter().for_each(|note| say(format!("warning: {note}")));
            }
        }
        if state.condition != Condition::Present {
            bad.push(state.advice(root));
        }
    }
    if let Some(weights) = weights {
        match verified(&weights) {
            Some(line) => print(&line)?,
            None => bad.push(weights.advice(root)),
        }
    }
    for cached in caches {
        match Mapped::open(root, cached.content).and_then(|mapped| mapped.check()) {
            Ok(()) => print(&format!("ok  {}  {}\n", cached.content, cached.folder.display()))?,
            Err(error) => bad.push(error.to_string()),
        }
        if let Ok(manifest) = &cached.manifest {
            compare(root, &cached, manifest, tell)?;
        }
    }
    if bad.is_empty() { Ok(Exit::Ok) } else { Err(Failure::environment(bad.join("\nerror: "))) }
}
