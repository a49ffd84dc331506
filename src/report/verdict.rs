//! Whether the best cell of a variant beats the GAN baseline, and by how much.

use super::cells::{cells, ranked};
use super::document::{Block, Cell, Table};
use super::format;
use super::stats::{Summary, advantage};
use super::study::{Study, Variant};
use crate::spec::metric::Metric;
use crate::spec::objective::Objective;

/// The best cell of a variant, in one metric.
struct Best {
    /// `D2GAN (alpha 0.1, beta 0.2)`
    label: String,
    /// How many cells it was picked from.
    of: usize,
    /// Jobs of the cell.
    jobs: usize,
    summary: Summary,
}

/// Pairs that are told in words; more are a table.
const TOLD: usize = 6;

/// Each variant that is no GAN against each that is one: in words, or in a table where there are many.
pub(super) fn blocks(study: &Study) -> Vec<Block> {
    let gan = Objective::Gan { saturating: false }.name();
    let is_gan = |variant: &&Variant| variant.objectives.iter().eq([&gan]);
    let baselines: Vec<&Variant> = study.variants.iter().filter(is_gan).collect();
    let rivals: Vec<&Variant> = study.variants.iter().filter(|variant| !is_gan(variant)).collect();
    if rivals.len() * baselines.len() > TOLD {
        return vec![Block::Table(differences(study, baselines[0]))];
    }
    let pairs = rivals.iter().flat_map(|rival| baselines.iter().map(move |baseline| (rival, baseline)));
    pairs.filter_map(|(rival, baseline)| paragraph(study, rival, baseline)).map(Block::Paragraph).collect()
}

/// A row for each variant: means, and how far they are from those of `baseline`.
fn differences(study: &Study, baseline: &Variant) -> Table {
    let mut title = format!("Means, and how far they are from those of {}", baseline.name);
    let cells = study.variants.iter().any(|variant| !variant.axes.is_empty());
    if cells {
        title.push_str("; of the best cell of each variant, which having been picked flatters");
    }
    let mut table = Table::new("differences", title, 1, &["variant"]);
    let columns = study.ranking.iter().map(|metric| metric.name());
    table.columns.extend(columns.flat_map(|name| [name.to_owned(), format!("Δ {name}")]));
    let numbers = |variant: &Variant, metric: Metric| {
        let Some(found) = best(study, variant, metric) else { return [Cell::Empty, Cell::Empty] };
        let Summary { mean, std, n, .. } = found.summary;
        let other = best(study, baseline, metric).filter(|_| variant.name != baseline.name);
        let difference = other.map_or(Cell::Empty, |other| Cell::Number(mean - other.summary.mean));
        [Cell::Mean { mean, std, n, of: found.jobs }, difference]
    };
    for variant in &study.variants {
        let row = study.ranking.iter().flat_map(|&metric| numbers(variant, metric));
        table.rows.push(std::iter::once(Cell::Text(variant.name.to_owned())).chain(row).collect());
    }
    table
}

fn paragraph(study: &Study, rival: &Variant, baseline: &Variant) -> Option<String> {
    let mut text = String::new();
    let mut picked = 1;
    for (rank, &metric) in study.ranking.iter().enumerate() {
        let (Some(rival), Some(baseline)) = (best(study, rival, metric), best(study, baseline, metric)) else {
            continue;
        };
        picked = rival.of;
        text.push_str(&sentence(metric, &rival, &baseline, rank > 0));
    }
    if text.is_empty() {
        return None;
    }
    if picked > 1 {
        text.push_str(&format!(
            " The cell was picked as the best of {picked} by these very runs, which flatters it: a fair test needs fresh seeds."
        ));
    }
    Some(text)
}

fn best(study: &Study, variant: &Variant, metric: Metric) -> Option<Best> {
    let cells = cells(variant);
    let ranked = ranked(study, &cells);
    let best = ranked.first()?;
    let label = best.label(variant);
    let label = match (variant.axes.is_empty(), label.is_empty()) {
        (false, false) => format!("the best {} cell ({label})", variant.name),
        _ => variant.name.to_owned(),
    };
    let jobs = best.runs.len();
    Some(Best { label, of: ranked.len(), jobs, summary: best.summary(study, metric)? })
}

fn sentence(metric: Metric, rival: &Best, baseline: &Best, again: bool) -> String {
    let difference = rival.summary.mean - baseline.summary.mean;
    let ahead = advantage(metric, rival.summary.mean, baseline.summary.mean);
    let verb = if ahead > 0.0 {
        "beats"
    } else if ahead < 0.0 {
        "does not beat"
    } else {
        "equals"
    };
    let figures = |best: &Best| {
        let Summary { mean, std, n, .. } = best.summary;
        let of = if n < best.jobs { format!(" of {} jobs", best.jobs) } else { String::new() };
        format!("{} (n = {n}{of})", format::mean(mean, std))
    };
    let subject = if again { "it".to_owned() } else { rival.label.clone() };
    let mut text = format!(
        "{subject} {verb} {} in mean {}: {} against {}, a difference of {}.",
        baseline.label,
        metric.name(),
        figures(rival),
        figures(baseline),
        format::difference(difference)
    );
    if let Some(first) = text.chars().next() {
        text.replace_range(..first.len_utf8(), &first.to_uppercase().to_string());
    }
    if again { format!(" {text}") } else { text }
}
