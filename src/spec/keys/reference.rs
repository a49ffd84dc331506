//! The reference: describes each key, parameter and objective in words.

use super::{Described, Section, Usual, fixed};
use crate::objective::Objective;

/// The description of a key, or of a parameter of objectives.
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The section it belongs to; parameters belong to the top.
    pub section: Section,
    /// Whether objectives declare it.
    pub of_objectives: bool,
    /// What it is.
    pub help: &'static str,
    /// The accepted values.
    pub takes: String,
    /// The default.
    pub usual: String,
    /// Which jobs use it; `None` if all do.
    pub belongs: Option<String>,
    /// The flag of `sweep score` and `sweep rescore` that sets it.
    pub flag: Option<&'static str>,
}

/// Returns all entries: the keys at the top, the objectives' parameters, then section by section.
pub fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = fixed().map(entry).collect();
    let top = entries.iter().filter(|entry| entry.section == Section::Top).count();
    let mut of_objectives: Vec<Entry> = Vec::new();
    for (_, parameter) in parameters() {
        if of_objectives.iter().all(|known| known.name != parameter.name) {
            of_objectives.push(Entry { of_objectives: true, ..entry(parameter) });
        }
    }
    entries.splice(top..top, of_objectives);
    entries
}

/// Returns each objective with each of its parameters.
fn parameters() -> impl Iterator<Item = (Objective, &'static Described)> {
    Objective::ALL
        .into_iter()
        .flat_map(|objective| objective.declares().parameters.iter().map(move |parameter| (objective, parameter)))
}

fn entry(key: &'static Described) -> Entry {
    Entry {
        name: key.name,
        section: key.section,
        of_objectives: false,
        help: key.help.trim(),
        takes: match key.scheduled() {
            Some(range) => format!("{range}, or a schedule"),
            None => key.kind.words(),
        },
        usual: usual(key),
        belongs: super::Key::find(key.name).and_then(|key| key.owner()),
        flag: key.flag.map(|(flag, _)| flag),
    }
}

/// Describes the default, the most common one first.
fn usual(key: &'static Described) -> String {
    if !key.parts.is_empty() {
        let parts: Vec<String> = key.parts.iter().map(|part| format!("`{}`", part.name)).collect();
        return format!("sets {}", parts.join(" and "));
    }
    let words = |usual: &Usual| match usual {
        Usual::Said(example) => format!("required, such as `{example}`"),
        Usual::Always(value) => format!("`{}`", value()),
        Usual::Number(number) => format!("`{number}`"),
        Usual::From(words, _) => (*words).to_owned(),
    };
    // Objectives that agree share one entry.
    let mut cases: Vec<(String, Vec<&str>)> = Vec::new();
    let mut case = |value: String, objective: Objective| match cases.iter_mut().find(|(known, _)| *known == value) {
        Some((_, names)) => names.push(objective.name()),
        None => cases.push((value, vec![objective.name()])),
    };
    let own: Vec<_> = parameters().filter(|(_, parameter)| parameter.name == key.name).collect();
    for &(objective, parameter) in &own {
        case(words(&parameter.usual), objective);
    }
    for objective in Objective::ALL {
        if let Some(value) = objective.declares().usual(key) {
            case(format!("`{value}`"), objective);
        }
    }
    match &cases[..] {
        [(value, _)] if !own.is_empty() => value.clone(),
        cases => {
            let general = own.is_empty().then(|| words(&key.usual));
            let cases = cases.iter().map(|(value, names)| format!("with {}: {value}", names.join(", ")));
            general.into_iter().chain(cases).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    fn find(name: &str) -> Entry {
        entries().into_iter().find(|entry| entry.name == name).unwrap()
    }

    #[test]
    fn every_key_and_parameter_is_explained_once() {
        let entries = entries();
        assert!(entries.len() > 60);
        for entry in &entries {
            assert_eq!(entries.iter().filter(|other| other.name == entry.name).count(), 1, "{}", entry.name);
            assert!(entry.help.ends_with('.') && !entry.takes.is_empty() && !entry.usual.is_empty(), "{entry:?}");
        }
        for (objective, parameter) in parameters() {
            let owner = find(parameter.name).belongs.unwrap();
            assert!(owner.contains(&format!("`{}`", objective.name())) || owner.contains(objective.name()), "{owner}");
        }
    }

    #[test]
    fn what_is_usual_is_what_jobs_have() {
        assert_eq!(find("lr_generator").usual, "`0.0002`; with wgan: `0.00005`; with wgan_gp: `0.0001`");
        assert_eq!(find("gradient_penalty").usual, "with wgan_gp, dragan: `10`; with wgan_div: `2`");
        assert_eq!(find("clip").usual, "`0.01`");
        assert_eq!(find("lr").usual, "sets `lr_generator` and `lr_discriminator`");
        assert_eq!(find("alpha").usual, "required, such as `0.2`");
        // Defaults that are described as numbers are the numbers that jobs have.
        for objective in Objective::ALL {
            let text = format!(
                "sweep: s\ndataset: gaussians\nalpha: 0.5\nbeta: 0.5\ntrain: {{steps: 9999}}\nobjective: {}\n",
                objective.name()
            );
            let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
            for (name, value) in job.parameters.iter() {
                let usual = find(name).usual;
                let of = |case: &str| match case.strip_prefix("with ").and_then(|case| case.split_once(": ")) {
                    Some((names, words)) => {
                        names.split(", ").any(|one| one == objective.name()).then(|| words.to_owned())
                    }
                    None => Some(case.to_owned()),
                };
                let words = usual.rsplit("; ").find_map(of).unwrap();
                if let Some(words) = words.strip_prefix('`') {
                    assert_eq!(words.trim_end_matches('`'), value.to_string(), "{name} of {}", objective.name());
                }
            }
        }
    }
}
