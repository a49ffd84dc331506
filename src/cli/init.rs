//! `sweep init`: writes a sweep file to start from.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::stderr::say;
use super::table::plural;
use super::{Exit, Failure};
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep;
use sweep_system::shell::operands;

/// Data sets that are suggested. Others can be put into the file.
const DATASETS: [&str; 5] = ["gaussians", "mnist", "fashion_mnist", "mnist_1k", "cifar10"];

#[derive(clap::Args)]
#[command(after_help = "\
At a terminal, it asks for everything that no flag says. The file has comments; `sweep keys` explains each key, and \
docs/sweep-file.md describes everything that a file can contain.

Examples:
  sweep init
  sweep init digits.yaml --dataset mnist --objectives d2gan,wgan_gp,gan --seeds 5")]
pub(crate) struct Args {
    /// The file to write [default: sweep.yaml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The data set: gaussians, mnist, fashion_mnist, mnist_1k or cifar10 [default: gaussians]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Objectives to compare, separated by commas [default: d2gan,gan]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    objectives: Vec<String>,
    /// Runs of each setting [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    seeds: Option<u32>,
}

/// What to write.
#[derive(Debug)]
struct Wanted {
    file: PathBuf,
    dataset: &'static str,
    objectives: Vec<Objective>,
    seeds: u32,
}

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let wanted = wanted(args)?;
    let (file, text) = (&wanted.file, text(&wanted));
    let shown = file.display();
    let sweep = Sweep::parse(&shown.to_string(), &text).and_then(|sweep| sweep.expand());
    let jobs = sweep.map_err(Failure::internal)?.entries.len();
    let write = || OpenOptions::new().write(true).create_new(true).open(file)?.write_all(text.as_bytes());
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{shown} exists already: name another file")),
        _ => Failure::environment(format!("{shown}: {error}")),
    })?;
    let operand = operands(&[&shown.to_string()]);
    say(format!(
        "wrote {shown} with {}: check it, then `sweep plan {operand}` and `sweep run {operand}`",
        plural(jobs, "job")
    ));
    Ok(Exit::Ok)
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let ask = Ask { asks };
    let dataset =
        ask.get(args.dataset.as_deref(), &format!("Data set ({})", DATASETS.join(", ")), DATASETS[0], |name| {
            DATASETS.into_iter().find(|known| *known == name).ok_or_else(|| {
                format!("`{name}` is not one of {}; any other data set can be put into the file", DATASETS.join(", "))
            })
        })?;
    let given = (!args.objectives.is_empty()).then(|| args.objectives.join(","));
    let objectives = ask.get(
        given.as_deref(),
        "What to compare, separated by commas (`sweep keys` lists all)",
        "d2gan,gan",
        |names| {
            let one = |name: &str| {
                let found = Objective::ALL.into_iter().find(|objective| objective.name() == name.trim());
                found.ok_or_else(|| format!("`{}` is not an objective: `sweep keys` lists them", name.trim()))
            };
            names.split(',').map(one).collect::<Result<Vec<Objective>, String>>()
        },
    )?;
    let given = args.seeds.map(|seeds| seeds.to_string());
    let seeds = ask.get(
        given.as_deref(),
        "Runs of each setting (with fewer than six, no difference can be told from chance)",
        "8",
        |text| {
            text.parse()
                .ok()
                .filter(|seeds| (1..=10_000).contains(seeds))
                .ok_or_else(|| format!("`{text}` is not a number from 1 to 10,000"))
        },
    )?;
    let given = args.file.as_ref().map(|file| file.display().to_string());
    let file = ask.get(given.as_deref(), "File", "sweep.yaml", |name| {
        let path = PathBuf::from(name);
        if path.exists() { Err(format!("{name} exists already: name another file")) } else { Ok(path) }
    })?;
    Ok(Wanted { file: args.file.clone().unwrap_or(file), dataset, objectives, seeds })
}

/// Asks for what no flag says, if there is a terminal.
struct Ask {
    asks: bool,
}

impl Ask {
    fn get<T>(
        &self,
        given: Option<&str>,
        question: &str,
        usual: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        if let Some(given) = given {
            return parse(given).map_err(Failure::usage);
        }
        if !self.asks {
            return parse(usual).map_err(Failure::usage);
        }
        loop {
            eprint!("{question} [{usual}]: ");
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line).map_err(Failure::environment)? == 0 {
                return Err(Failure::usage("nothing was written"));
            }
            let answer = line.trim();
            match parse(if answer.is_empty() { usual } else { answer }) {
                Ok(value) => return Ok(value),
                Err(why) => say(why),
            }
        }
    }
}

fn text(wanted: &Wanted) -> String {
    let Wanted { file, dataset, objectives, seeds } = wanted;
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("sweep");
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = if name.trim_matches('-').is_empty() { "sweep" } else { name.trim_matches('-') };
    let (model, train, score) = shape(dataset);
    let variants: Vec<String> = objectives.iter().map(|objective| variant(*objective)).collect();
    format!(
        "\
# Made by `sweep init`. `sweep plan {shown}` shows what it runs, `sweep keys NAME` explains a key.

sweep: {name:28} # its name in the database and in reports
dataset: {dataset}
seeds: {seeds:<28} # runs of each setting; {{looks: [8, 12, 16, 20]}} adds some only while a comparison is undecided

{model}
{train}
{score}
variants:                           # compared with each other; each may override any key above
{}
",
        variants.join("\n"),
        shown = operands(&[&file.display().to_string()]),
        name = name,
    )
}

/// Networks, training and scores that suit a data set.
fn shape(dataset: &str) -> (&'static str, &'static str, &'static str) {
    match dataset {
        "gaussians" => (
            "model:\n  generator: [128, 128]             # hidden layers\n  discriminator: [128]\n  noise: 64\n  \
            discriminator_activation: relu\n",
            "train:\n  steps: 8000\n  batch: 128\n  lr: 5e-4                          # Adam, for both players\n",
            "score:\n  every: 2000                       # steps\n  samples: 10000\n  metrics: [modes_covered, \
            wasserstein]\n",
        ),
        "mnist" | "fashion_mnist" => (
            "model:\n  arch: mlp\n  generator: [400, 400]             # hidden layers\n  discriminator: [256, 256]\n  \
            noise: 100\n  generator_norm: batch\n",
            "train:\n  steps: 8000\n  batch: 64\n  lr: 1e-3\n  adam_betas: [0.5, 0.999]\n",
            "score:\n  every: 2000                       # steps\n  samples: 10000\n  metrics: [mode_score, \
            inception_score, modes_covered, frechet]\n",
        ),
        _ => (
            "model:\n  arch: dcgan\n  width: 64                         # sets the maps of the widest layers\n  \
            noise: 100\n",
            "train:\n  steps: 20000\n  batch: 64\n  lr: 2e-4\n  adam_betas: [0.5, 0.999]\n",
            "score:\n  every: 5000                       # steps\n  samples: 10000\n",
        ),
    }
}

fn variant(objective: Objective) -> String {
    let name = objective.name();
    match name {
        // They have no defaults.
        "d2gan" | "d2gan_dfm" => format!(
            "  - name: {name}\n    objective: {name}\n    grid:                           # all combinations\n      \
            alpha: [0.1, 0.2]\n      beta: [0.05, 0.1]"
        ),
        // They share a batch.
        "mgan" => "  - {name: mgan, objective: mgan, generators: 8}".to_owned(),
        _ => format!("  - {{name: {name}, objective: {name}}}"),
    }
}

/// Says what to do if `command` is given no file: use one of those in `folder`, or make one.
pub(super) fn advice(command: &str, folder: &Path) -> String {
    let is_sweep = |path: &PathBuf| {
        let ends = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        ends && std::fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line.starts_with("sweep:")))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<String> =
        entries.filter(is_sweep).filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    files.sort();
    let some: Vec<&str> = files.iter().map(String::as_str).take(5).collect();
    match &some[..] {
        [] => "name a sweep file: `sweep init` writes one to start from".to_owned(),
        some => {
            let more = if files.len() > some.len() { ", …" } else { "" };
            format!(
                "name a sweep file, such as `sweep {command} {}` (here: {}{more})",
                operands(&some[..1]),
                some.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_set_and_objective_makes_a_file_without_mistakes() {
        for dataset in DATASETS {
            for objective in Objective::ALL {
                let wanted = Wanted { file: "a b.yaml".into(), dataset, objectives: vec![objective], seeds: 3 };
                let text = text(&wanted);
                let sweep = Sweep::parse("f", &text).and_then(|sweep| sweep.expand());
                match sweep {
                    Ok(expansion) => assert!(expansion.entries.len() % 3 == 0 && !expansion.entries.is_empty()),
                    Err(errors) => panic!("{dataset}, {}: {errors}\n{text}", objective.name()),
                }
            }
        }
    }
}
