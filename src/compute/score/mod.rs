//! `sweep score`: scores samples of any program.

mod given;
mod input;
mod moments;
mod rules;
mod show;

pub(crate) use sweep_cli::score::Args;
use sweep_cli::stdout::{print, print_json};
use sweep_cli::{Exit, Failure, Global};

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let found = match (&args.samples, &args.probs, &args.logits, &args.features) {
        (Some(samples), ..) => input::of_samples(global, &args, samples)?,
        (_, Some(path), ..) => input::of_probabilities(&args, path, false)?,
        (_, _, Some(path), _) => input::of_probabilities(&args, path, true)?,
        (.., Some(path)) => input::of_features(&args, path)?,
        _ => return Err(Failure::usage("nothing to score: give samples, --probs, --logits or --features")),
    };
    if args.json {
        print_json(&show::as_json(&found)?)?
    } else {
        print(&show::as_table(&found))?
    }
    Ok(Exit::Ok)
}
