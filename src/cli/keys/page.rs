//! The page `docs/sweep-file.md`: written text, with tables made from the descriptions.

use super::sentence;
use sweep_spec::keys::Section;
use sweep_spec::keys::reference::{Entry, entries};
use sweep_spec::metric::Metric;
use sweep_spec::objective::{Function, Objective};

/// The written text, with a mark for each table.
const WRITTEN: &str = include_str!("page.md");

/// Returns the page.
pub(super) fn markdown() -> String {
    let of = |wanted: Section| move |entry: &Entry| !entry.of_objectives && entry.section == wanted;
    let mut page = WRITTEN.to_owned();
    for (mark, text) in [
        ("{keys}", keys(of(Section::Top))),
        ("{parameters}", keys(|entry| entry.of_objectives)),
        ("{model}", keys(of(Section::Model))),
        ("{train}", keys(of(Section::Train))),
        ("{score}", keys(of(Section::Score))),
        ("{objectives}", objectives()),
        ("{functions}", functions()),
        ("{scores}", scores()),
    ] {
        page = page.replace(mark, text.trim_end());
    }
    page
}

/// Returns a table of keys.
fn keys(wanted: impl Fn(&Entry) -> bool) -> String {
    let row = |entry: Entry| {
        let with = entry.belongs.map(|owner| format!(" With {owner}.")).unwrap_or_default();
        [format!("`{}`", entry.name), format!("{}{with}", entry.help), entry.takes, entry.usual]
    };
    table(["key", "what it is", "takes", "default"], entries().into_iter().filter(wanted).map(row))
}

fn objectives() -> String {
    let row = |objective: Objective| {
        let parameters: Vec<String> =
            objective.declares().parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        [format!("`{}`", objective.name()), objective.about().to_owned(), parameters.join(", ")]
    };
    table(["objective", "what it is", "parameters"], Objective::ALL.into_iter().map(row))
}

fn functions() -> String {
    let row = |function: &Function| [format!("`{}`", function.name()), function.about().to_owned()];
    table(["function", "what it is"], Function::ALL.iter().map(row))
}

fn scores() -> String {
    let row = |score: Metric| {
        let keys = Section::Score.keys().iter().filter(|key| score.reads(key)).map(|key| format!("`{}`", key.name));
        let keys: Vec<String> = keys.collect();
        let (of, better) = (score.needs().name().to_owned(), score.better().name().to_owned());
        [format!("`{}`", score.name()), sentence(score.description().help), better, of, keys.join(", ")]
    };
    table(["score", "what it is", "better", "of", "keys"], Metric::ALL.into_iter().map(row))
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let mut out = line(header.map(str::to_owned));
    out.push_str(&line([(); N].map(|()| "---".to_owned())).replace(' ', ""));
    out.extend(rows.map(line));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/sweep-file.md");
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(found == markdown(), "update it with `sweep keys --page > docs/sweep-file.md`");
    }
}
