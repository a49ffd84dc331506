//! The figures of a sweep: their content, computed from its runs. `sweep_figure` draws them.

mod best_of;
mod curves;
mod distribution;
mod gallery;
mod heat_map;
mod history;
mod intervals;
mod keys;
mod losses;
mod rungs;
mod timeline;

pub(super) use best_of::best_of;
pub(super) use curves::{cell_curves, curves, underway};
pub(super) use distribution::{distribution, shares};
pub(super) use gallery::{galleries, scatter};
pub(super) use heat_map::heat_map;
pub(super) use history::history;
pub(super) use intervals::{forest, rates};
pub(super) use keys::{parallel, slices};
pub(super) use losses::losses;
pub(super) use rungs::rungs;
pub(super) use timeline::timeline;

use std::collections::BTreeSet;

use super::document::Block;
use super::study::Study;
use sweep_figure::{Figure, Plot};
use sweep_spec::metric::Measure;

/// Creates a figure of a score.
fn of_score(study: &Study, (kind, metric): (&str, Measure), title: String, notes: Vec<String>, plot: Plot) -> Figure {
    let (name, score, first) =
        (format!("{kind}-{}", metric.name()), Some(metric.name()), study.ranking.contains(&metric));
    Figure { name, title, score, first, small: false, notes, plot }
}

/// Creates a figure of no particular score.
fn of_none(kind: &str, title: String, notes: Vec<String>, plot: Plot) -> Figure {
    Figure { name: kind.to_owned(), title, score: None, first: true, small: false, notes, plot }
}

/// Returns the scores that figures show: those of the ranking, then the others.
pub(super) fn scores(study: &Study) -> Vec<Measure> {
    let others = study.metrics.iter().filter(|metric| !study.ranking.contains(metric));
    study.ranking.iter().chain(others).copied().collect()
}

/// Turns the names of all figures of a document into unique file names. With several sweeps, each starts with its
/// sweep's name.
pub(super) fn name(blocks: &mut [Block], several: bool) {
    let (mut section, mut taken) = (String::new(), BTreeSet::new());
    for block in blocks {
        match block {
            Block::Section(name) => section = if several { format!("{name}-") } else { String::new() },
            Block::Figure(figure) => {
                let wanted = slug(&format!("{section}{}", figure.name));
                let numbered = (2_u32..).map(|n| format!("{wanted}-{n}"));
                let free = std::iter::once(wanted.clone())
                    .chain(numbered)
                    .find(|name| taken.insert(name.to_ascii_lowercase()));
                figure.name = free.unwrap_or(wanted);
            }
            Block::Verdict(_) | Block::Paragraph(_) | Block::Table(_) | Block::Jobs(_) => {}
        }
    }
}

/// Most characters of a name.
const LONG: usize = 200;

/// Returns `text` as a file name for any system: letters, digits, `-` and `_`.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => out.push(c),
            'α' => out.push_str("alpha"),
            'β' => out.push_str("beta"),
            _ if !out.is_empty() && !out.ends_with('-') => out.push('-'),
            _ => {}
        }
        if out.len() >= LONG {
            break;
        }
    }
    let out = out.trim_matches('-');
    if out.is_empty() { "figure".to_owned() } else { out.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_files_and_no_two_are_one() {
        let figure = |name: &str| {
            let bars = sweep_figure::Timeline { slots: Vec::new(), from: 0.0, bars: Vec::new() };
            Block::Figure(of_none(name, String::new(), Vec::new(), Plot::Timeline(bars)))
        };
        let mut blocks = ["a b", "A B", "../../etc/passwd", "模型", &"x".repeat(500), "a-b"].map(figure).to_vec();
        blocks.insert(0, Block::Section("s/1".into()));
        let names = |blocks: &[Block]| {
            let name = |block: &Block| match block {
                Block::Figure(figure) => Some(figure.name.clone()),
                Block::Section(_) | Block::Verdict(_) | Block::Paragraph(_) | Block::Table(_) | Block::Jobs(_) => None,
            };
            blocks.iter().filter_map(name).collect::<Vec<_>>()
        };
        name(&mut blocks, false);
        let long = "x".repeat(200);
        assert_eq!(names(&blocks), ["a-b", "A-B-2", "etc-passwd", "figure", &long, "a-b-3"]);
        name(&mut blocks, true);
        assert_eq!(names(&blocks)[0], "s-1-a-b");
    }
}
