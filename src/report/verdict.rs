//! Whether variants beat the baseline: in sentences, or in a table if there are many variants.

use super::comparison::{Comparison, Comparisons, MOST_PAIRS, Replicates, Side, Verdict};
use super::document::{Block, Cell, Table};
use super::inference::Interval;
use super::options::Options;
use super::race::Reached;
use super::stats::Summary;
use super::study::Study;
use sweep_figure::format::{self, count, list, part, plural, probability};
use sweep_spec::metric::Measure;
use sweep_spec::race::{Look, Race, Spending};

/// Returns the comparison of each variant with the baseline: in sentences if there are few, and in a table if there are
/// many or the report is not short.
pub(super) fn blocks(study: &Study, found: &Comparisons, options: Options) -> Vec<Block> {
    let pairs: Vec<&[Comparison]> = found.all.chunk_by(same_pair).collect();
    let are_few = pairs.len() <= MOST_PAIRS;
    let mut blocks = Vec::new();
    if are_few {
        blocks.extend(pairs.into_iter().map(paragraph).map(Block::Verdict));
    } else {
        blocks.extend(study.ranking.iter().filter_map(|&metric| summed(found, metric)).map(Block::Verdict));
    }
    blocks.extend(uneven(found).map(Block::Paragraph));
    blocks.extend(declared_otherwise(study, found).map(Block::Paragraph));
    if found.all.is_empty() {
        return blocks;
    }
    blocks.push(if are_few && options.short {
        Block::Paragraph(method(found))
    } else {
        Block::Table(table(study, found))
    });
    blocks
}

/// Most variants that a sentence names.
const NAMED: usize = 6;

/// Summarises the verdicts on many variants in one metric.
fn summed(found: &Comparisons, metric: Measure) -> Option<String> {
    let of: Vec<&Comparison> = found.all.iter().filter(|comparison| comparison.metric == metric).collect();
    let mut said: Vec<String> = Vec::new();
    let mut say = |is: fn(Verdict) -> bool, one: &str, many: &str| {
        let names: Vec<String> = of
            .iter()
            .filter(|comparison| is(comparison.verdict))
            .map(|comparison| comparison.rival.variant.to_owned())
            .collect();
        let words = if names.len() == 1 { one } else { many };
        match names.len() {
            0 => {}
            1..=NAMED => said.push(format!("{} {words}", list(&names))),
            more => said.push(format!("{} {words}", plural(more, "variant"))),
        }
    };
    say(|verdict| verdict == Verdict::Better, "is better", "are better");
    say(|verdict| verdict == Verdict::Worse, "is worse", "are worse");
    say(|verdict| verdict == Verdict::Open, "shows no significant difference", "show no significant difference");
    say(|verdict| verdict == Verdict::Looking, "is still undecided", "are still undecided");
    say(
        |verdict| matches!(verdict, Verdict::TooFew { .. }),
        "has too few seeds for a verdict",
        "have too few seeds for a verdict",
    );
    say(
        |verdict| matches!(verdict, Verdict::Early { .. }),
        "is not compared yet, because jobs have not ended",
        "are not compared yet, because jobs have not ended",
    );
    let baselines: Vec<String> = found.baselines.iter().map(|&name| name.to_owned()).collect();
    (!said.is_empty())
        .then(|| format!("In {}, compared with {}: {}.", metric.name(), list(&baselines), said.join("; ")))
}

fn same_pair(a: &Comparison, b: &Comparison) -> bool {
    (a.rival.variant, a.baseline.variant) == (b.rival.variant, b.baseline.variant)
}

/// Returns the note on looks that were taken before the file declared them as it does now.
fn declared_otherwise(study: &Study, found: &Comparisons) -> Option<String> {
    let names: Vec<&str> = study.variants.iter().map(|variant| variant.name).collect();
    let is_other = |look: &&Look| found.race.as_ref() != Some(&look.race) || look.variants != names;
    let others = study.results.sweep.looks.iter().filter(is_other).count();
    (others > 0).then(|| {
        format!(
            "{} taken before `seeds` or `variants` had their present values. Changing them after seeing scores makes \
            wrong verdicts more likely than p says.",
            if others == 1 { "A look was".to_owned() } else { plural(others, "look") + " were" },
        )
    })
}

/// Says why some variants are not compared, and what to do.
fn uneven(found: &Comparisons) -> Option<String> {
    let pairs: Vec<String> =
        found.uneven.iter().map(|(rival, baseline)| format!("{rival} against {baseline}")).collect();
    (!pairs.is_empty()).then(|| {
        format!(
            "No verdict on {}: their runs were not all scored at the same steps, and the best of more steps looks \
            better. To compare them, use `--step last` or a step at which all were scored, or give all the same \
            `every` and `steps`.",
            list(&pairs)
        )
    })
}

/// Returns a table with, for each metric, a row per baseline and a row per variant compared with it.
fn table(study: &Study, found: &Comparisons) -> Table {
    let names: Vec<String> = found.baselines.iter().map(|&name| name.to_owned()).collect();
    let mut title = format!("Probability that a run of each variant scores better than a run of {}", list(&names));
    let picked = found.all.iter().any(|comparison| comparison.rival.of > 1 || comparison.baseline.of > 1);
    if picked {
        title.push_str("; best cell of each, picked by these scores, so its mean and probability look too good");
    }
    let columns = ["score", "variant", "n", "mean ± std", "P(better)", "95 % interval", "p (Holm)", "look", "verdict"];
    let columns: Vec<&str> = columns.into_iter().filter(|name| *name != "look" || found.race.is_some()).collect();
    let mut table = Table::new("comparisons", title, 2, &columns);
    table.grouped = true;
    for &metric in &study.ranking {
        let key = |variant: String| [Cell::Text(metric.name().to_owned()), Cell::Text(variant)];
        for &name in &found.baselines {
            let is = |comparison: &&Comparison| comparison.metric == metric && comparison.baseline.variant == name;
            let of: Vec<&Comparison> = found.all.iter().filter(is).collect();
            if let Some(Comparison { baseline: side, .. }) = of.first() {
                let n = Cell::Part { count: finite(side), of: side.jobs };
                let rest = [n, mean(side), Cell::Empty, Cell::Empty, Cell::Empty];
                let look = found.race.iter().map(|_| Cell::Empty);
                let rest = rest.into_iter().chain(look).chain([Cell::Text("(baseline)".into())]);
                table.rows.push(key(name.to_owned()).into_iter().chain(rest).collect());
            }
            for comparison in of {
                let rival = comparison.rival.variant;
                let label = if names.len() > 1 { format!("{rival} against {name}") } else { rival.to_owned() };
                table.rows.push(key(label).into_iter().chain(row(comparison)).collect());
            }
        }
    }
    table.notes.push(method(found));
    table
}

fn row(comparison: &Comparison) -> Vec<Cell> {
    let n = match &comparison.replicates {
        Replicates::Pairs(seeds) => Cell::Part { count: seeds.len(), of: comparison.rival.jobs },
        Replicates::Apart { rival, baseline } => Cell::Text(format!("{rival} and {baseline}")),
    };
    let interval = comparison.interval.map_or(Cell::Empty, |Interval { low, high }| Cell::Interval { low, high });
    let verdict = match comparison.verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Open => "can't tell",
        Verdict::Looking => "undecided",
        Verdict::TooFew { .. } => "n too small",
        Verdict::Early { .. } => "too early",
    };
    let p = match comparison.verdict {
        Verdict::Early { .. } => Cell::Empty,
        Verdict::Better | Verdict::Worse | Verdict::Open | Verdict::Looking | Verdict::TooFew { .. } => {
            Cell::Probability(comparison.p)
        }
    };
    let look = comparison.look.map(|Reached { looks, of, decided, .. }| {
        if looks == 0 { Cell::Empty } else { Cell::Text(format!("{} of {of}", decided.unwrap_or(looks))) }
    });
    let cells = [n, mean(&comparison.rival), Cell::Number(comparison.chance), interval, p];
    cells.into_iter().chain(look).chain([Cell::Text(verdict.into())]).collect()
}

fn finite(side: &Side) -> usize {
    side.summary.map_or(0, |summary| summary.n)
}

fn mean(side: &Side) -> Cell {
    side.summary.map_or(Cell::Empty, |Summary { mean, std, n, .. }| Cell::Mean { mean, std, n, of: side.jobs })
}

/// Describes the comparison of one pair of variants.
fn paragraph(pair: &[Comparison]) -> String {
    let mut said: Vec<String> = Vec::new();
    for (index, comparison) in pair.iter().enumerate() {
        said.push(sentence(comparison, index.checked_sub(1).map(|before| pair[before].verdict)));
    }
    for side in pair.first().map(|comparison| [&comparison.rival, &comparison.baseline]).into_iter().flatten() {
        if side.of > 1 {
            let interval = pair.iter().any(|comparison| comparison.interval.is_some());
            let p = pair.iter().any(|comparison| comparison.verdict.is_of_test());
            let allowed = match (p, interval) {
                (true, true) => "; p and the interval account for this",
                (true, false) => "; p accounts for this",
                (false, true) => "; the interval accounts for this",
                (false, false) => "",
            };
            let stopped = match side.stopped {
                0 => String::new(),
                n => format!(" ({} stopped early)", count(n)),
            };
            said.push(format!(
                "{} was picked as the best of {} cells{stopped} by the scores of these same runs, so its mean and \
                probability look too good{allowed}.",
                capital(&side.label),
                side.of,
            ));
        }
    }
    said.join(" ")
}

/// Describes one comparison. `before` is the verdict of the sentence before, if that was on the same pair.
fn sentence(comparison: &Comparison, before: Option<Verdict>) -> String {
    let (rival, baseline, metric) = (&comparison.rival.label, &comparison.baseline.label, comparison.metric.name());
    let subject = if before.is_some() { "it".to_owned() } else { rival.clone() };
    let pair = |said: String| if before.is_some() { String::new() } else { said };
    let verdict = match comparison.verdict {
        Verdict::TooFew { .. } | Verdict::Open | Verdict::Looking | Verdict::Early { .. }
            if before == Some(comparison.verdict) =>
        {
            format!("nor in {metric}")
        }
        Verdict::Better => format!("{subject} beats {baseline} in {metric}"),
        Verdict::Worse => format!("{subject} is worse than {baseline} in {metric}"),
        Verdict::Open => {
            let pair = pair(format!(" between {rival} and {baseline}"));
            format!("no significant difference{pair} in {metric}")
        }
        Verdict::Looking => {
            let pair = pair(format!(" on {rival} against {baseline}"));
            format!("no verdict yet{pair} in {metric}")
        }
        Verdict::TooFew { least } => {
            let (n, least) = (comparison.replicates.least(), plural(least, "seed"));
            let pair = pair(format!(" on {rival} against {baseline}"));
            format!("no verdict{pair} in {metric}, because n = {n} is too small (a verdict needs at least {least})")
        }
        Verdict::Early { open } => {
            let pair = pair(format!(" on {rival} against {baseline}"));
            let have = if open == 1 { "has" } else { "have" };
            format!("no verdict yet{pair} in {metric}, because {} of their jobs {have} not ended", count(open))
        }
    };
    let verdict = match comparison.look.filter(|look| look.looks > 0) {
        Some(Reached { looks, of, seeds, decided }) => match decided {
            Some(look) => format!("{verdict}, decided at look {look} of {of}"),
            None => format!("{verdict}, at look {looks} of {of} ({})", plural(seeds as usize, "seed")),
        },
        None => verdict,
    };
    let so_far = if matches!(comparison.verdict, Verdict::Early { .. }) { "so far " } else { "" };
    format!(
        "{}: {so_far}a run of {} scores better with probability {}{}; mean {} against {}.",
        capital(&verdict),
        comparison.rival.variant,
        format::chance(comparison.chance),
        evidence(comparison),
        figures(&comparison.rival),
        figures(&comparison.baseline),
    )
}

/// `7.15 ± 0.07 (n = 8 of 9 jobs, 1 lost)`
fn figures(side: &Side) -> String {
    let n = finite(side);
    let mut of = if n < side.jobs { format!(" of {} jobs", side.jobs) } else { String::new() };
    if side.lost > 0 {
        of.push_str(&format!(", {} lost", side.lost));
    }
    let mean = side.summary.map_or("–".to_owned(), |Summary { mean, std, .. }| format::mean(mean, std));
    format!("{mean} (n = {n}{of})")
}

/// Formats ` (95 % interval 0.64 to 0.98, p = 0.012, 8 of 10 pairs: seeds 0–7)`, or as much of it as applies.
fn evidence(comparison: &Comparison) -> String {
    let mut said = Vec::new();
    if let Some(Interval { low, high }) = comparison.interval {
        said.push(format!("95 % interval {} to {}", format::chance(low), format::chance(high)));
    }
    if comparison.verdict.is_of_test() {
        let sign = if comparison.p < 0.001 { "" } else { "= " };
        said.push(format!("p {sign}{}", probability(comparison.p)));
    }
    let most = comparison.rival.jobs.max(comparison.baseline.jobs);
    said.extend(match &comparison.replicates {
        Replicates::Pairs(seeds) if seeds.len() < most => {
            Some(format!("{} pairs: {}", part(seeds.len(), most), format::seeds(seeds)))
        }
        Replicates::Pairs(_) | Replicates::Apart { .. } => None,
    });
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// Explains how the comparisons were made.
fn method(found: &Comparisons) -> String {
    let all = &found.all;
    let mut said = vec![
        "Better: a run of this variant scores better than a run of the baseline more often than not (ties count half)."
            .to_owned(),
    ];
    said.extend(pairing(all));
    if all.iter().any(|comparison| comparison.rival.lost + comparison.baseline.lost > 0) {
        said.push(
            "Lost: diverged, collapsed, or without a finite score. A lost run is worse than any other and in no \
            mean."
                .to_owned(),
        );
    }
    let tested: Vec<&Comparison> = all.iter().filter(|comparison| comparison.verdict.is_of_test()).collect();
    let (many, level) = (found.tests, found.level);
    said.extend(found.race.as_ref().map(looks));
    let corrected = if many > 1 { format!(", corrected for {many} comparisons (Holm)") } else { String::new() };
    if !tested.is_empty() {
        let exact = if tested.iter().all(|comparison| comparison.exact) {
            "all swaps"
        } else {
            "up to 20,000 random \
            swaps"
        };
        said.push(format!(
            "p is from a permutation test that swaps runs between the two variants ({exact}){corrected}. A verdict of \
            better or worse needs p < {level}."
        ));
    }
    let least = all.iter().filter_map(|comparison| match comparison.verdict {
        Verdict::TooFew { least } => Some(least),
        Verdict::Better | Verdict::Worse | Verdict::Open | Verdict::Looking | Verdict::Early { .. } => None,
    });
    if let Some(least) = least.max() {
        let corrected =
            if many > 1 { format!(" after correction for {many} comparisons (Holm)") } else { String::new() };
        said.push(format!(
            "Where n is too small, no result can reach p < {level}{corrected}; with {least} seeds for each cell, it \
            could."
        ));
    }
    if found.race.is_none() && all.iter().any(|comparison| matches!(comparison.verdict, Verdict::Early { .. })) {
        said.push(
            "Two variants are compared once all their jobs have ended. Checking again and again until a difference \
            shows gives wrong verdicts in more than 5 % of sweeps, and jobs that diverge or collapse end first."
                .to_owned(),
        );
    }
    if all.iter().any(|comparison| comparison.interval.is_some()) {
        said.push("Intervals are not corrected for several comparisons.".to_owned());
    }
    said.join(" ")
}

/// Explains the planned looks of a sweep that adds seeds until comparisons are decided.
fn looks(race: &Race) -> String {
    let looks: Vec<String> = race.looks.iter().map(u64::to_string).collect();
    let spending = match race.spending {
        Spending::Pocock => "Pocock",
        Spending::ObrienFleming => "O'Brien-Fleming",
    };
    format!(
        "Seeds are added until a comparison is decided, up to {}. The planned looks are at {} seeds; p and intervals \
        hold over all looks together (Lan & DeMets 1983, {spending} spending).",
        plural(race.looks.last().copied().unwrap_or_default() as usize, "seed"),
        list(&looks),
    )
}

/// Says which runs are paired.
fn pairing(all: &[Comparison]) -> Option<String> {
    let mut seeds: Vec<&Vec<u64>> = Vec::new();
    for comparison in all {
        match &comparison.replicates {
            Replicates::Pairs(pairs) if !seeds.contains(&pairs) => seeds.push(pairs),
            Replicates::Pairs(_) | Replicates::Apart { .. } => {}
        }
    }
    match seeds.as_slice() {
        [] => None,
        [one] => Some(format!("Runs with the same seed are paired ({}).", format::seeds(one))),
        _ => Some("Runs with the same seed are paired; seeds that only one variant has are left out.".to_owned()),
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
