//! `sweep keys`: explains what a sweep file can contain, from the descriptions of keys, objectives and scores.

mod page;

use serde_json::{Value, json};

use super::hints::command;
use super::stdout::{print, print_json};
use super::table::{self, Align};
use super::{Exit, Failure, Global};
use sweep_spec::error::near;
use sweep_spec::keys::Section;
use sweep_spec::keys::reference::{Entry, entries};
use sweep_spec::metric::Metric;
use sweep_spec::objective::{Function, Objective};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A key, parameter, objective, function of formulas, or score to explain
    #[arg(add = super::complete::explained(), value_name = "NAME")]
    name: Option<String>,
    /// As JSON
    #[arg(long, conflicts_with = "page")]
    json: bool,
    /// Print everything as a page of Markdown
    #[arg(long, conflicts_with = "name")]
    page: bool,
}

pub(crate) fn run(_: &Global, args: Args) -> Result<Exit, Failure> {
    let chosen = match &args.name {
        Some(name) => vec![find(name)?],
        None => all(),
    };
    match (&args.name, args.page, args.json) {
        (_, true, _) => print(&page::markdown())?,
        (_, _, true) => {
            let json: Vec<Value> = chosen.iter().map(Explained::json).collect();
            print_json(&match &json[..] {
                [one] if args.name.is_some() => format!("{one:#}"),
                all => format!("{:#}", json!(all)),
            })?
        }
        (Some(_), ..) => print(&chosen.iter().map(Explained::text).collect::<String>())?,
        (None, ..) => print(&listed(&chosen))?,
    }
    Ok(Exit::Ok)
}

/// Something that a sweep file can contain.
enum Explained {
    Key(Entry),
    Objective(Objective),
    Function(Function),
    Score(Metric),
}

fn all() -> Vec<Explained> {
    let keys = entries().into_iter().map(Explained::Key);
    let objectives = Objective::ALL.into_iter().map(Explained::Objective);
    let functions = Function::ALL.iter().copied().map(Explained::Function);
    keys.chain(objectives).chain(functions).chain(Metric::ALL.into_iter().map(Explained::Score)).collect()
}

/// Returns each name that can be explained, with its help.
pub(super) fn names() -> Vec<(String, String)> {
    all().iter().map(|one| (one.name().to_owned(), one.heading())).collect()
}

/// Finds what this name, or this path of a key, stands for.
fn find(name: &str) -> Result<Explained, Failure> {
    let mut all = all();
    match all.iter().position(|one| one.name() == name || one.path() == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names: Vec<&str> = all.iter().map(Explained::name).collect();
            let help = match near(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{} lists all", command("keys")),
            };
            Err(Failure::usage(format!(
                "`{name}` is not a key, parameter, objective, function of formulas, or score ({help})"
            )))
        }
    }
}

impl Explained {
    fn name(&self) -> &'static str {
        match self {
            Explained::Key(entry) => entry.name,
            Explained::Objective(objective) => objective.name(),
            Explained::Function(function) => function.name(),
            Explained::Score(score) => score.name(),
        }
    }

    fn path(&self) -> String {
        match self {
            Explained::Key(Entry { section: Section::Top, name, .. }) => (*name).to_owned(),
            Explained::Key(Entry { section, name, .. }) => format!("{}.{name}", section.name()),
            Explained::Objective(_) | Explained::Function(_) | Explained::Score(_) => self.name().to_owned(),
        }
    }

    /// Returns the heading under which it is listed.
    fn heading(&self) -> String {
        match self {
            Explained::Key(Entry { of_objectives: true, .. }) => {
                "Parameters of objectives, next to `objective`".to_owned()
            }
            Explained::Key(Entry { section: Section::Top, .. }) => "Keys outside of sections".to_owned(),
            Explained::Key(Entry { section, .. }) => format!("Keys of `{}`", section.name()),
            Explained::Objective(_) => "Objectives".to_owned(),
            Explained::Function(_) => {
                "Functions of formulas, in `objective: {discriminator: …, generator: …}`".to_owned()
            }
            Explained::Score(_) => "Scores".to_owned(),
        }
    }

    /// Returns the facts about it, by name.
    fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Explained::Key(entry) => {
                let mut facts = vec![
                    (if entry.of_objectives { "parameter" } else { "key" }, self.path()),
                    ("is", entry.help.to_owned()),
                    ("takes", entry.takes.clone()),
                    ("default", entry.usual.clone()),
                ];
                facts.extend(entry.belongs.clone().map(|owner| ("belongs to", owner)));
                facts.extend(entry.flag.map(|flag| ("flag", format!("--{flag} of `sweep score` and `sweep rescore`"))));
                facts
            }
            Explained::Objective(objective) => {
                let names: Vec<&str> = objective.declares().parameters.iter().map(|one| one.name).collect();
                let parameters = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                let mut facts =
                    vec![("objective", self.path()), ("is", objective.about().to_owned()), ("parameters", parameters)];
                if let Some(losses) = objective.losses() {
                    facts.extend([
                        ("discriminator", losses.discriminator.to_owned()),
                        ("generator", losses.generator.to_owned()),
                        ("source", losses.source.to_owned()),
                    ]);
                }
                facts
            }
            Explained::Function(function) => vec![
                ("function", self.path()),
                ("is", function.about().to_owned()),
                ("arguments", function.arguments().to_string()),
            ],
            Explained::Score(score) => {
                let keys: Vec<&str> =
                    Section::Score.keys().iter().filter(|key| score.reads(key)).map(|key| key.name).collect();
                let mut facts = vec![
                    ("score", self.path()),
                    ("is", sentence(score.description().help)),
                    ("better", score.better().name().to_owned()),
                    ("of", score.needs().name().to_owned()),
                ];
                facts.extend(
                    Some(score.unit().name()).filter(|unit| !unit.is_empty()).map(|unit| ("unit", unit.to_owned())),
                );
                facts.extend((!keys.is_empty()).then(|| ("keys", keys.join(", "))));
                facts
            }
        }
    }

    fn text(&self) -> String {
        table::facts(&self.facts())
    }

    fn json(&self) -> Value {
        Value::Object(self.facts().into_iter().map(|(name, text)| (name.replace(' ', "_"), text.into())).collect())
    }
}

/// Writes a line of help as a sentence. Leaves formulas as they are.
fn sentence(help: &str) -> String {
    let word = help.split(' ').next().unwrap_or_default();
    match help.chars().next() {
        Some(first) if word.chars().all(char::is_alphabetic) => {
            format!("{}{}.", first.to_uppercase(), &help[first.len_utf8()..])
        }
        _ => format!("{help}."),
    }
}

/// Writes a table for each heading.
fn listed(all: &[Explained]) -> String {
    let mut out = String::new();
    for group in all.chunk_by(|one, next| one.heading() == next.heading()) {
        let Some(first) = group.first() else { continue };
        let rows = group.iter().map(|one| one.facts().into_iter().map(|(_, text)| text));
        let columns: &[&str] = match first {
            Explained::Key(_) => &["name", "what it is", "takes", "default"],
            Explained::Objective(_) => &["name", "what it is", "parameters"],
            Explained::Function(_) => &["name", "what it is", "arguments"],
            Explained::Score(_) => &["name", "what it is", "better", "of"],
        };
        let header: Vec<(&str, Align)> = columns.iter().map(|name| (*name, Align::Left)).collect();
        let names = group.iter().map(|one| one.name().to_owned());
        let rows = names
            .zip(rows)
            .map(|(name, facts)| [name].into_iter().chain(facts.skip(1).take(columns.len() - 1)).collect());
        out.push_str(&format!("{}\n\n{}\n", first.heading(), table::table(&header, rows)));
    }
    out.push_str("`sweep keys NAME` explains one of them.\n");
    out
}
