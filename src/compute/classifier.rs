//! `sweep classifier`.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use indicatif::{HumanDuration, ProgressStyle};

use sweep_cli::classifier::{Args, Command};
use sweep_cli::stderr::{bar, say};
use sweep_cli::stdout::print;
use sweep_cli::{Exit, Failure, Global};
use sweep_data::{FileSet, Images, Split, regular};
use sweep_metrics::nets::augment::Augment;
use sweep_metrics::nets::classifier::{Classifier, Design, Examples};
use sweep_metrics::nets::train::{BATCH, Options, train};
use sweep_system::output::Output;

/// The shape of the classifiers of digits and clothing.
const DESIGN: Design = Design { shape: [1, 28, 28], classes: 10 };

/// Images of 28×28 in ten classes.
struct Drawings(Images);

impl Examples for Drawings {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn shape(&self) -> [usize; 3] {
        DESIGN.shape
    }

    fn classes(&self) -> usize {
        DESIGN.classes
    }

    fn read(&self, number: usize, pixels: &mut [u8]) -> usize {
        pixels.copy_from_slice(&self.0.pixels[number * pixels.len()..(number + 1) * pixels.len()]);
        self.0.labels[number].into()
    }
}

/// Largest size of a file with weights, in bytes: these networks are small.
const WEIGHTS: u64 = 1 << 28;

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let root = global.places.data_root()?;
    match args.command {
        Command::Train { out, dataset, seed, epochs } => learn(&root, &out, dataset, seed, epochs),
        Command::Test { weights, dataset } => {
            let net = match weights {
                Some(path) => {
                    let bytes = regular::read(&path, WEIGHTS)
                        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
                    Classifier::read(&path.display().to_string(), &bytes, DESIGN).map_err(Failure::usage)?
                }
                None => Classifier::shipped(&dataset.dataset()).map_err(Failure::usage)?,
            };
            examine(&net, &root, dataset)
        }
    }
}

fn learn(root: &Path, out: &Path, set: FileSet, seed: u64, epochs: u64) -> Result<Exit, Failure> {
    // Before training, so a wrong path fails at once.
    let cannot = |error: std::io::Error| Failure::usage(format!("cannot write {}: {error}", out.display()));
    let mut output = Output::open(out).map_err(cannot)?;
    let images = Drawings(set.load(root, Split::Train).map_err(Failure::environment)?);
    let steps = epochs * images.count().div_ceil(BATCH) as u64;
    let note = format!("{}, seed {seed}, {epochs} epochs", set.name());
    let options = Options { note, seed, steps, augment: Augment::DRAWINGS };
    let picks: Vec<u32> = (0..images.count() as u32).collect();

    let start = Instant::now();
    let bar = bar(0).with_message("-");
    bar.set_style(
        ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {per_sec}, loss {msg}, {eta} left")
            .map_err(Failure::internal)?,
    );
    let weights = train(&images, &picks, &options, |progress| {
        bar.set_length(progress.steps);
        bar.set_position(progress.step);
        bar.set_message(format!("{:.4}", progress.loss));
    })
    .map_err(Failure::internal)?;
    bar.finish_and_clear();

    output.write_all(&weights).and_then(|()| output.finish()).map_err(cannot)?;
    say(format!("trained in {}; weights saved in {}", HumanDuration(start.elapsed()), out.display()));
    let net = Classifier::read(&out.display().to_string(), &weights, DESIGN).map_err(Failure::internal)?;
    examine(&net, root, set)
}

fn examine(net: &Classifier, root: &Path, set: FileSet) -> Result<Exit, Failure> {
    let images = Drawings(set.load(root, Split::Test).map_err(Failure::environment)?);
    let errors = net.errors(&images, 0..images.count()).map_err(Failure::internal)?;
    let percent = 100.0 * errors as f64 / images.count() as f64;
    print(&format!(
        "test error {percent:.2} %: {errors} of {} images of {}\nnetwork {}, checksum {}\n",
        images.count(),
        set.name(),
        net.name(),
        net.checksum()
    ))?;
    Ok(Exit::Ok)
}
