//! Whether the best cell of a variant beats the GAN baseline, and by how much.

use super::cells::{cells, ranked};
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

/// A paragraph for each variant that is no GAN, where the sweep has a GAN to compare it with.
pub(super) fn paragraphs(study: &Study) -> Vec<String> {
    let gan = Objective::Gan { saturating: false }.name();
    let is_gan = |variant: &&Variant| variant.objectives.iter().eq([&gan]);
    let baselines: Vec<&Variant> = study.variants.iter().filter(is_gan).collect();
    let rivals: Vec<&Variant> = study.variants.iter().filter(|variant| !is_gan(variant)).collect();
    let pairs = rivals.iter().flat_map(|rival| baselines.iter().map(move |baseline| (rival, baseline)));
    pairs.filter_map(|(rival, baseline)| paragraph(study, rival, baseline)).collect()
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
