//! The arguments of `sweep score`, which scores samples of any program.

use std::path::PathBuf;

use super::score_args::ScoreArgs;
use sweep_plan::slot::Device;
use sweep_spec::metric::Metric;

/// The arguments of `sweep score`.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["samples", "probs", "logits", "features"]))]
#[command(after_help = AFTER)]
pub struct Args {
    /// Samples: points [N, coordinates] or images [N, channels, height, width], as .npy, .npz, .safetensors or a folder
    /// of PNGs and JPEGs of the data set's size
    #[arg(value_name = "SAMPLES", requires = "dataset")]
    pub samples: Option<PathBuf>,
    /// Their data set, as in a sweep file: gaussians, mnist, cifar10, "{name: images, path: DIR}", …
    #[arg(long, value_name = "NAME", conflicts_with_all = ["probs", "logits", "features"])]
    pub dataset: Option<String>,
    /// The values of black and white in images of floats: -1,1 or 0,1 or 0,255
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = pair)]
    pub range: Option<(f64, f64)>,
    /// Class probabilities [N, classes]
    #[arg(long, value_name = "FILE")]
    pub probs: Option<PathBuf>,
    /// Logits [N, classes]
    #[arg(long, value_name = "FILE")]
    pub logits: Option<PathBuf>,
    /// Labels of the training set, an array of numbers from 0 to classes − 1: for the MODE scores
    #[arg(long, value_name = "FILE", conflicts_with = "prior")]
    pub labels: Option<PathBuf>,
    /// The share of each class in the training set: for the MODE scores
    #[arg(long, value_name = "P,…", value_delimiter = ',', allow_hyphen_values = true)]
    pub prior: Option<Vec<f64>>,
    /// Features of generated samples [N, values]
    #[arg(long, value_name = "FILE", requires = "reference")]
    pub features: Option<PathBuf>,
    /// Features of real samples [M, values]; for frechet, also an .npz of their mean and covariance, mu and sigma
    #[arg(long, value_name = "FILE", requires = "features")]
    pub reference: Option<PathBuf>,
    /// Scores [default: all that apply]
    #[arg(
        add = super::complete::metrics(),
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        value_parser = super::report::metric
    )]
    pub metrics: Option<Vec<Metric>>,
    /// Name of the array in an .npz or .safetensors with several [default: samples, probs, logits or features]
    #[arg(long, value_name = "NAME")]
    pub key: Option<String>,
    /// The same in the file of --labels [default: labels]
    #[arg(long, value_name = "NAME", requires = "labels")]
    pub labels_key: Option<String>,
    /// The same in the file of --reference [default: reference]
    #[arg(long, value_name = "NAME", requires = "reference")]
    pub reference_key: Option<String>,
    /// Seed of random directions, subsets and parts of the samples [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How scores are measured.
    #[command(flatten)]
    pub how: ScoreArgs,
    /// Device of the network that classifies images: cpu or cuda:N [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<Device>,
    /// Machine-readable output
    #[arg(long)]
    pub json: bool,
}

const AFTER: &str = "\
Examples:
  sweep score samples.npy --dataset gaussians
  sweep score pictures/ --dataset mnist
  sweep score samples.npy --dataset mnist --range 0,1
  sweep score --probs p.npy --labels train_labels.npy
  sweep score --features f.npy --reference r.npy --metrics frechet,kid
  sweep score --features f.npy --reference fid_stats.npz
  sweep score --features both.npz --key fake --reference both.npz --reference-key real

Arrays are of bool, int8 to int64, uint8 to uint64, float16 to float64 or (.safetensors) bfloat16, in any byte order \
and memory layout.

Defaults: 10 splits; k = 5; 50 bins in a range that depends on the data set; 2048 points a side for transport (10000 \
of features), drawn at random if there are more; as many real samples as generated ones (all of features); 1000 \
projections; and a regularisation of 0.1.";

fn pair(text: &str) -> Result<(f64, f64), String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [low, high] if low < high && low.is_finite() && high.is_finite() && text.split(',').count() == 2 => {
            Ok((low, high))
        }
        _ => Err("expected two numbers, the lower first, such as -1,1".to_owned()),
    }
}
