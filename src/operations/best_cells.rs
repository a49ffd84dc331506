//! Cells that a file takes from another sweep.

use crate::database::with_store;
use crate::previous_sweep::previous;
use crate::{Failure, Places, Tell};
use sweep_report::format::plural;
use sweep_report::search::{Best, Unpicked, best};
use sweep_spec::expand::Expansion;
use sweep_spec::from::{From, Picked};
use sweep_spec::own_data::Trouble;
use sweep_system::clock::now;

/// Picks the best cells of another sweep for a variant. Returns the cells picked before if the file still says the
/// same.
///
/// # Errors
///
/// The cells are not known.
pub(crate) fn pick(
    places: &Places,
    tell: &Tell,
    (sweep, variant): (&str, &str),
    from: &From,
) -> Result<Picked, Trouble> {
    if from.sweep == sweep {
        let help =
            "name the sweep that found these cells; to search and confirm cells in one file, write `search`".to_owned();
        return Err(Trouble { message: format!("`{sweep}` is this sweep itself"), help: Some(help) });
    }
    let found = find(places, tell, variant, from);
    let old = previous(&places.home, sweep, tell).map(|old| old.picked).unwrap_or_default();
    let Some(old) = old.into_iter().find(|old| old.variant == variant && old.from == *from) else { return found };
    if found.is_ok_and(|found| found.points != old.points) {
        tell.say(format!(
            "note: the best cells of `{}` in `{}` have changed; `{sweep}` keeps those that it started with. To pick \
            again, give it another name (`sweep: …`)",
            from.variant, from.sweep
        ));
    }
    Ok(old)
}

fn find(places: &Places, tell: &Tell, variant: &str, from: &From) -> Result<Picked, Trouble> {
    let trouble = |message: String, help: &str| Trouble { message, help: Some(help.to_owned()) };
    let other = &from.sweep;
    let earlier = previous(&places.home, other, tell).map(|old| old.picked).unwrap_or_default();
    let read = with_store(places, async |store| {
        let sweep = store.sweep(Some(other)).await?;
        Ok::<_, Failure>(store.results(&sweep).await?)
    });
    let results = read.map_err(|error| {
        let words = error.into_words();
        let message = format!("the cells of `{other}` are not known: {}", words.lines().next().unwrap_or_default());
        trouble(message, "run that sweep first, in the same home directory")
    })?;
    let Best { points, of, seeds } =
        best(&results, &from.variant, from.by.as_deref(), from.top).map_err(|why| match why {
            Unpicked::NoVariant(known) => {
                let message = format!("`{other}` has no variant `{}`", from.variant);
                trouble(message, &format!("it has {}: write `variant: …` into `from`", known.join(", ")))
            }
            Unpicked::Sought => trouble(
                format!("the search for `{}` in `{other}` has confirmed nothing yet", from.variant),
                "run that sweep to its end first",
            ),
            Unpicked::NoScore(known) => {
                let message =
                    format!("`{}` is not among the scores of `{other}`", from.by.as_deref().unwrap_or_default());
                trouble(
                    message,
                    &format!("it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }),
                )
            }
            Unpicked::Open(jobs) => {
                let (jobs, have) = (plural(jobs, "job"), if jobs == 1 { "has" } else { "have" });
                trouble(
                    format!("{jobs} of `{}` in `{other}` {have} not ended", from.variant),
                    "run that sweep to its end first",
                )
            }
            Unpicked::NothingSwept => trouble(
                format!("`{}` in `{other}` has one cell: nothing is swept in it", from.variant),
                "write `from` into the variants whose cells it has, and not at the top of the file",
            ),
            Unpicked::TooFew(scored, all) => {
                let message = format!(
                    "the file asks for {}, but `{}` in `{other}` has {scored} with a score, of {}",
                    plural(from.top, "cell"),
                    from.variant,
                    plural(all, "cell")
                );
                trouble(message, "ask for fewer: `top: …`")
            }
        })?;
    // A sweep that picked its cells for that sweep shares its seeds, and the cells picked here do, too.
    let before = earlier.into_iter().filter(|picked| picked.variant == from.variant).flat_map(|picked| picked.seeds);
    let seeds = seeds.into_iter().chain(before).collect();
    Ok(Picked { variant: variant.to_owned(), from: from.clone(), at: now(), points, of, seeds })
}

/// Describes picked cells for a plan.
pub(crate) fn planned(picked: &[Picked], expansion: &Expansion) -> Option<(&'static str, String)> {
    let line = |Picked { variant, from, points, of, .. }: &Picked| {
        let by = from.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{variant}: the best {} of {} of `{}`{by}", points.len(), plural(*of, "cell"), from.sweep)
    };
    let is_used = |picked: &&Picked| expansion.variants.iter().any(|variant| variant.name == picked.variant);
    let lines: Vec<String> = picked.iter().filter(is_used).map(line).collect();
    (!lines.is_empty()).then(|| ("cells", lines.join("\n")))
}
