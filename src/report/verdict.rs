//! Whether variants beat the baseline: in words, or in a table where there are many.

use super::comparison::{Comparison, Comparisons, Replicates, Side, TOLD, Verdict, comparisons};
use super::document::{Block, Cell, Table};
use super::format::{self, list, part, plural, probability};
use super::inference::{Interval, LEVEL};
use super::stats::Summary;
use super::study::Study;

/// Each variant against the baseline: in words where they are few, and in a table where they are many or the report is not short.
pub(super) fn blocks(study: &Study, short: bool) -> Vec<Block> {
    let found = comparisons(study);
    let pairs: Vec<&[Comparison]> = found.all.chunk_by(same_pair).collect();
    let told = pairs.len() <= TOLD;
    let mut blocks = Vec::new();
    if told {
        blocks.extend(pairs.into_iter().map(paragraph).map(Block::Paragraph));
    }
    if found.all.is_empty() {
        return blocks;
    }
    blocks.push(if told && short {
        Block::Paragraph(method(&found.all))
    } else {
        Block::Table(differences(study, &found))
    });
    blocks
}

fn same_pair(a: &Comparison, b: &Comparison) -> bool {
    (a.rival.variant, a.baseline.variant) == (b.rival.variant, b.baseline.variant)
}

/// For each metric a row for each baseline, and one for each variant against it: means, and how far they are from each other.
fn differences(study: &Study, found: &Comparisons) -> Table {
    let names: Vec<String> = found.baselines.iter().map(|&name| name.to_owned()).collect();
    let mut title = format!("Means, and how far they are from those of {}", list(&names));
    let picked = found.all.iter().any(|comparison| comparison.rival.of > 1 || comparison.baseline.of > 1);
    if picked {
        title.push_str("; of the best cell of each variant, which having been picked flatters");
    }
    let columns = ["score", "variant", "n", "mean ± std", "Δ", "95 % interval", "p (Holm)", "verdict"];
    let mut table = Table::new("differences", title, 2, &columns);
    table.grouped = true;
    for &metric in &study.ranking {
        let key = |variant: String| [Cell::Text(metric.name().to_owned()), Cell::Text(variant)];
        for &name in &found.baselines {
            let is = |comparison: &&Comparison| comparison.metric == metric && comparison.baseline.variant == name;
            let of: Vec<&Comparison> = found.all.iter().filter(is).collect();
            if let Some(Comparison { baseline: side, .. }) = of.first() {
                let n = Cell::Part { count: side.summary.n, of: side.jobs };
                let rest = [n, mean(side), Cell::Empty, Cell::Empty, Cell::Empty, Cell::Text("(baseline)".into())];
                table.rows.push(key(name.to_owned()).into_iter().chain(rest).collect());
            }
            for comparison in of {
                let rival = comparison.rival.variant;
                let label = if names.len() > 1 { format!("{rival} against {name}") } else { rival.to_owned() };
                table.rows.push(key(label).into_iter().chain(row(comparison)).collect());
            }
        }
    }
    table.notes.push(method(&found.all));
    table
}

fn row(comparison: &Comparison) -> [Cell; 6] {
    let n = match comparison.replicates {
        Replicates::Pairs { n, of } => Cell::Part { count: n, of },
        Replicates::Apart { rival, baseline } => Cell::Text(format!("{rival} and {baseline}")),
    };
    let interval = comparison.interval.map_or(Cell::Empty, |Interval { low, high }| Cell::Interval { low, high });
    let verdict = match comparison.verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Open => "can't tell",
        Verdict::TooFew { .. } => "n too small",
    };
    let difference = Cell::Number(comparison.difference);
    [n, mean(&comparison.rival), difference, interval, Cell::Probability(comparison.p), Cell::Text(verdict.into())]
}

fn mean(side: &Side) -> Cell {
    let Summary { mean, std, n, .. } = side.summary;
    Cell::Mean { mean, std, n, of: side.jobs }
}

/// What there is to say of one pair of variants.
fn paragraph(pair: &[Comparison]) -> String {
    let mut said: Vec<String> = Vec::new();
    for (index, comparison) in pair.iter().enumerate() {
        said.push(sentence(comparison, index.checked_sub(1).map(|before| pair[before].verdict)));
    }
    for side in pair.first().map(|comparison| [&comparison.rival, &comparison.baseline]).into_iter().flatten() {
        if side.of > 1 {
            said.push(format!(
                "{} was picked as the best of {} by these very runs, which flatters its mean; p is {} times as large for it.",
                capital(&side.label),
                side.of,
                side.of
            ));
        }
    }
    said.join(" ")
}

/// One comparison, after one of the same pair with the verdict `before`, where there was one.
fn sentence(comparison: &Comparison, before: Option<Verdict>) -> String {
    let (rival, baseline, metric) = (&comparison.rival.label, &comparison.baseline.label, comparison.metric.name());
    let subject = if before.is_some() { "it".to_owned() } else { rival.clone() };
    let pair = |said: String| if before.is_some() { String::new() } else { said };
    let verdict = match comparison.verdict {
        Verdict::TooFew { .. } | Verdict::Open if before == Some(comparison.verdict) => format!("nor in mean {metric}"),
        Verdict::Better => format!("{subject} beats {baseline} in mean {metric}"),
        Verdict::Worse => format!("{subject} is worse than {baseline} in mean {metric}"),
        Verdict::Open => {
            let pair = pair(format!(" between {rival} and {baseline}"));
            format!("no difference{pair} can be told in mean {metric}")
        }
        Verdict::TooFew { least } => {
            let n = match comparison.replicates {
                Replicates::Pairs { n, .. } => n,
                Replicates::Apart { rival, baseline } => rival.min(baseline),
            };
            let least = plural(least, "seed");
            let pair = pair(format!(" on {rival} against {baseline}"));
            format!("no verdict{pair} in mean {metric}, as n = {n} is too small for one ({least} are the least)")
        }
    };
    format!(
        "{}: {} against {}, a difference of {}{}.",
        capital(&verdict),
        figures(&comparison.rival),
        figures(&comparison.baseline),
        format::difference(comparison.difference, scale(comparison)),
        evidence(comparison)
    )
}

fn figures(side: &Side) -> String {
    let Summary { mean, std, n, .. } = side.summary;
    let of = if n < side.jobs { format!(" of {} jobs", side.jobs) } else { String::new() };
    format!("{} (n = {n}{of})", format::mean(mean, std))
}

/// ` (95 % interval +0.50 to +1.50, p = 0.012, 8 of 10 pairs)`, as far as there is something to say.
fn evidence(comparison: &Comparison) -> String {
    let mut said = Vec::new();
    if let Some(Interval { low, high }) = comparison.interval {
        let written = |end| format::difference(end, scale(comparison));
        said.push(format!("95 % interval {} to {}", written(low), written(high)));
    }
    if !matches!(comparison.verdict, Verdict::TooFew { .. }) {
        let sign = if comparison.p < 0.001 { "" } else { "= " };
        said.push(format!("p {sign}{}", probability(comparison.p)));
    }
    said.extend(match comparison.replicates {
        Replicates::Pairs { n, of } if n < of => Some(format!("{} pairs", part(n, of))),
        Replicates::Pairs { .. } | Replicates::Apart { .. } => None,
    });
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// The largest of its differences, whose decimals suit all of them.
fn scale(comparison: &Comparison) -> f64 {
    let ends = comparison.interval.map_or(0.0, |Interval { low, high }| low.abs().max(high.abs()));
    comparison.difference.abs().max(ends)
}

/// How the comparisons were made.
fn method(all: &[Comparison]) -> String {
    let mut said = Vec::new();
    if all.iter().any(|comparison| matches!(comparison.replicates, Replicates::Pairs { .. })) {
        said.push("Runs of the same seed are paired.".to_owned());
    }
    let lost = |comparison: &Comparison| {
        comparison.rival.summary.n < comparison.rival.jobs || comparison.baseline.summary.n < comparison.baseline.jobs
    };
    if all.iter().any(lost) {
        said.push("Where some runs have no finite score, what is compared is the others.".to_owned());
    }
    if all.iter().any(|comparison| comparison.interval.is_some()) {
        said.push("Intervals are by bootstrap over seeds, each for itself.".to_owned());
    }
    let mut tests: Vec<&str> = Vec::new();
    for comparison in all.iter().filter(|comparison| !matches!(comparison.verdict, Verdict::TooFew { .. })) {
        if !tests.contains(&comparison.replicates.test()) {
            tests.push(comparison.replicates.test());
        }
    }
    let corrected = match all.len() {
        1 => String::new(),
        many => format!(", corrected for {many} comparisons (Holm)"),
    };
    if !tests.is_empty() {
        let tests = list(&tests.into_iter().map(str::to_owned).collect::<Vec<_>>());
        said.push(format!("p is of {tests}{corrected}; better or worse is said only where it is below {LEVEL}."));
    }
    let least = all.iter().filter_map(|comparison| match comparison.verdict {
        Verdict::TooFew { least } => Some(least),
        Verdict::Better | Verdict::Worse | Verdict::Open => None,
    });
    if let Some(least) = least.max() {
        let corrected = match all.len() {
            1 => String::new(),
            many => format!(" after correction for {many} comparisons (Holm)"),
        };
        said.push(format!(
            "Where n is too small, no difference is large enough for p below {LEVEL}{corrected}; with {least} seeds for each cell it could be."
        ));
    }
    said.join(" ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
