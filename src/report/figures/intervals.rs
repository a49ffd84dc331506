//! Values with intervals: the probability that a variant is better, and how often training diverged, collapsed or found
//! all modes.

use super::super::collapse::{QUESTIONS, Question, WHOSE_MODES, counts_modes, share};
use super::super::comparison::{Comparisons, Verdict};
use super::super::document::Cell;
use super::super::study::Study;
use super::of_none;
use sweep_figure::format::{part, probability};
use sweep_figure::{Figure, Interval, Intervals, Panel, Plot};

/// Returns the probability that a run of each variant scores better than one of the baseline, with intervals if there
/// are any.
pub(in super::super) fn forest(study: &Study, found: &Comparisons) -> Option<Figure> {
    let mut panels = Vec::new();
    for &metric in &study.ranking {
        let rows = found.all.iter().filter(|comparison| comparison.metric == metric).map(|comparison| {
            let (rival, baseline) = (comparison.rival.variant, comparison.baseline.variant);
            let name = if found.baselines.len() > 1 { format!("{rival} against {baseline}") } else { rival.to_owned() };
            let said = match comparison.verdict {
                Verdict::Better => format!("better, p {}", equals(comparison.p)),
                Verdict::Worse => format!("worse, p {}", equals(comparison.p)),
                Verdict::Open => format!("can't tell, p {}", equals(comparison.p)),
                Verdict::Looking => format!("undecided, p {}", equals(comparison.p)),
                Verdict::TooFew { .. } => "n too small".to_owned(),
                Verdict::Early { .. } => "too early".to_owned(),
            };
            let variant = study.variants.iter().position(|variant| variant.name == rival).unwrap_or(0);
            let interval = comparison.interval.map(|interval| (interval.low, interval.high));
            Interval { name, variant, value: comparison.chance, interval, said }
        });
        let rows: Vec<Interval> = rows.collect();
        if !rows.is_empty() {
            let title = format!(
                "{}: probability that a run scores better than one of {}",
                metric.name(),
                found.baselines.join(" or ")
            );
            let ends = Some(("worse".to_owned(), "better".to_owned()));
            panels.push(Panel { title, reference: Some(0.5), ends, percent: false, rows });
        }
    }
    if panels.is_empty() {
        return None;
    }
    let notes = vec![
        "The best cell of each variant. Bars: 95 % intervals, not corrected for several comparisons; p is corrected \
        for all of them (Holm). There are no intervals for differences of means: with GAN scores, they would not hold \
        at 95 % (docs/statistics.md)."
            .to_owned(),
    ];
    Some(of_none(
        "forest",
        "How each variant compares with the baseline".into(),
        notes,
        Plot::Intervals(Intervals { panels }),
    ))
}

fn equals(p: f64) -> String {
    let text = probability(p);
    if text.starts_with('<') { text } else { format!("= {text}") }
}

/// Returns how many jobs of each variant diverged, collapsed, and found all modes or none.
pub(in super::super) fn rates(study: &Study) -> Option<Figure> {
    let panel = |question: &Question| {
        let rows = study.variants.iter().enumerate().filter_map(|(place, variant)| {
            let Cell::Rate { count, of, low, high } = share(study, &variant.runs, question) else { return None };
            Some(Interval {
                name: variant.name.to_owned(),
                variant: place,
                value: count as f64 / of as f64,
                interval: Some((low, high)),
                said: if count == of { format!("all {}", part(of, of)) } else { part(count, of) },
            })
        });
        let rows: Vec<Interval> = rows.collect();
        Panel { title: question.title.to_owned(), reference: None, ends: None, percent: true, rows }
    };
    let panels: Vec<Panel> = QUESTIONS.iter().map(panel).filter(|panel| !panel.rows.is_empty()).collect();
    // If modes are unknown and nothing diverged, a figure is not worthwhile.
    let seen = |panel: &Panel| panel.rows.iter().any(|row| row.value > 0.0);
    if !counts_modes(study) && !panels.iter().any(seen) {
        return None;
    }
    let notes = vec![format!(
        "Bars: the 95 % interval of the rate (Wilson), which treats all jobs of a variant alike, whatever their cell. \
        Diverged: out of the jobs that ended, except failed and cancelled ones. Collapsed: out of those with a \
        modes_covered. {WHOSE_MODES}"
    )];
    Some(of_none(
        "rates",
        "How often training diverged, collapsed, or found all modes".into(),
        notes,
        Plot::Intervals(Intervals { panels }),
    ))
}
