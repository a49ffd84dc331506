//! The arguments of `sweep classifier`.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use sweep_data::FileSet;

/// The arguments of `sweep classifier`.
#[derive(clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with a classifier.
#[derive(Subcommand)]
pub enum Command {
    /// Train the network on the training set, on one CPU thread, and write its weights
    Train {
        /// File for the weights (safetensors)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// The data set whose classes it learns
        #[arg(long, value_name = "NAME", default_value = "mnist", value_parser = sets())]
        dataset: FileSet,
        /// Seed: the same one gives the same weights on the same kind of processor
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Passes over the training set
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
        epochs: u64,
    },
    /// Print the share of the test set that the network misclassifies
    Test {
        /// Weights that `sweep classifier train` wrote [default: those in the program]
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// The data set whose classes it was trained on
        #[arg(long, value_name = "NAME", default_value = "mnist", value_parser = sets())]
        dataset: FileSet,
    },
}

fn sets() -> impl TypedValueParser<Value = FileSet> {
    let all = [FileSet::Mnist, FileSet::FashionMnist];
    PossibleValuesParser::new(all.map(FileSet::name))
        .try_map(move |name| all.into_iter().find(|set| set.name() == name).ok_or("no such data set"))
}
