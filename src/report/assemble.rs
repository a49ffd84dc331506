//! The sections of a report, in order.

use super::cells::{cells, ranked};
use super::document::{Block, Cell, Document, Table};
use super::expect::{Outcome, evaluate};
use super::options::{Options, Step};
use super::study::Study;
use super::{
    causes, collapse, comparison, curves, early, figures, grid, jobs, profiles, protocol, search, step, tuning,
    variants, verdict,
};
use sweep_figure::Figure;
use sweep_figure::format::list;
use sweep_spec::expect::Expect;
use sweep_spec::from::From as Picked;
use sweep_spec::metric::Measure;
use sweep_spec::published::Published;
use sweep_spec::race::Race;
use sweep_spec::search::Search;
use sweep_spec::sweep::Sweep;
use sweep_store::Results;
use sweep_wire::status::Status;

/// A report, with the outcomes of the sweeps' expectations.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The report itself.
    pub document: Document,
    /// One per expectation of each sweep.
    pub outcomes: Vec<Outcome>,
}

/// What a sweep's file says in addition to its jobs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The file's expectations.
    pub expects: Vec<Expect>,
    /// Published figures.
    pub published: Vec<Published>,
    /// Set if seeds are added until comparisons are decided.
    pub race: Option<Race>,
    /// The score that decides which cells are stopped early.
    pub pruned_by: Option<Measure>,
    /// Its searches.
    pub searches: Vec<Search>,
    /// The variants whose cells were picked from another sweep.
    pub picked: Vec<(String, Picked)>,
}

impl From<Sweep> for File {
    fn from(sweep: Sweep) -> File {
        File {
            expects: sweep.expects().cloned().collect(),
            published: sweep.published().cloned().collect(),
            pruned_by: sweep.pruned_by(),
            searches: sweep.searches().cloned().collect(),
            picked: sweep.picked_from().map(|(variant, from)| (variant.to_owned(), from.clone())).collect(),
            race: sweep.race,
        }
    }
}

/// Why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The requested metric was not measured.
    #[error(
        "no job of {sweeps} has a {metric} score at {step}; measured: {measured}",
        metric = .metric.name(),
        step = .step.words(Some(*.metric))
    )]
    NotMeasured {
        /// The requested metric.
        metric: Measure,
        /// The requested step.
        step: Step,
        /// The sweeps.
        sweeps: String,
        /// The metrics that were measured.
        measured: String,
    },
}

/// Reports on sweeps, each with its file.
pub fn report(sweeps: &[(Results, File)], options: Options) -> Result<Report, ReportError> {
    let studies: Vec<Study> = sweeps.iter().map(|sweep| study(sweep, options)).collect();
    let names: Vec<String> = sweeps.iter().map(|(results, _)| results.sweep.name.clone()).collect();
    if let Some(metric) = options.metric
        && !studies.iter().any(|study| study.metrics.contains(&metric))
    {
        let mut measured: Vec<&str> =
            studies.iter().flat_map(|study| &study.metrics).map(|metric| metric.name()).collect();
        measured.sort_unstable();
        measured.dedup();
        let measured = if measured.is_empty() { "nothing yet".to_owned() } else { measured.join(", ") };
        return Err(ReportError::NotMeasured { metric, step: options.step, sweeps: list(&names), measured });
    }
    let (mut blocks, mut outcomes) = (Vec::new(), Vec::new());
    for (study, (_, file)) in studies.iter().zip(sweeps) {
        blocks.push(Block::Section(study.results.sweep.name.clone()));
        let (table, found) = evaluate(study, &file.expects, options.step);
        section(study, file, options, &mut blocks);
        blocks.extend(table.map(Block::Table));
        outcomes.extend(found);
    }
    if studies.len() > 1 {
        blocks.extend(side_by_side(&studies));
    }
    figures::name(&mut blocks, studies.len() > 1);
    let title = format!("Report on {}, scores at {}", list(&names), options.step.words(main(&studies)));
    Ok(Report { document: Document { title, blocks }, outcomes })
}

/// Returns the study of a sweep, with variants marked if their cells were picked rather than swept.
fn study<'a>((results, file): &'a (Results, File), options: Options) -> Study<'a> {
    let mut study = Study::new(results, options);
    for variant in &mut study.variants {
        let is_sought = file.searches.iter().any(|search| search.variant == variant.name);
        if is_sought || file.picked.iter().any(|(taken, _)| taken == variant.name) {
            variant.pick();
        }
    }
    study
}

/// Returns the main score, if all sweeps have the same one.
fn main(studies: &[Study]) -> Option<Measure> {
    let mut mains = studies.iter().map(|study| study.ranking.first().copied());
    let first = mains.next()??;
    mains.all(|main| main == Some(first)).then_some(first)
}

fn section(study: &Study, file: &File, options: Options, blocks: &mut Vec<Block>) {
    let published = &file.published[..];
    blocks.push(Block::Paragraph(format!("{}{}", data(study), variants::progress(study))));
    blocks.extend(unscored(study).map(Block::Paragraph));
    blocks.extend(step::caveat(study, options.step).map(Block::Paragraph));
    blocks.extend(curves::left_out(study).map(Block::Paragraph));
    blocks.extend(causes::table(study).map(Block::Table));
    blocks.extend(early::paragraph(study, file.pruned_by).map(Block::Paragraph));
    blocks.extend(search::paragraphs(study, &file.searches).into_iter().map(Block::Paragraph));
    blocks.extend(picked(&file.picked).map(Block::Paragraph));
    let found = comparison::comparisons(study, options.step, file.race.as_ref());
    blocks.extend(verdict::blocks(study, &found, options));
    if options.short {
        let modes = if collapse::is_worth_a_look(study) { collapse::table(study) } else { None };
        let mut tables: Vec<Option<Table>> =
            vec![variants::scores(study, published, options), modes, variants::best_cells(study)];
        tables.extend(study.variants.iter().flat_map(|variant| grid::tables(study, variant)).map(Some));
        tables.extend(search::tables(study, &file.searches).into_iter().map(Some));
        blocks.extend(tables.into_iter().flatten().map(Block::Table));
        return;
    }
    let scores = figures::scores(study);
    let variants = || study.variants.iter().enumerate();
    let mut add = Adding(blocks);
    add.figure(figures::forest(study, &found));
    add.table(variants::scores(study, published, options));
    add.table(collapse::table(study));
    add.figure(figures::rates(study));
    for &metric in &scores {
        add.figure(figures::distribution(study, metric));
        add.figure(figures::shares(study, metric));
    }
    add.table(variants::best_cells(study));
    add.tables(early::tables(study, file.pruned_by));
    for (place, variant) in variants() {
        let compared = file.pruned_by.or(study.ranking.first().copied());
        add.figure(compared.and_then(|metric| figures::rungs(study, (place, variant), metric)));
        add.tables(grid::tables(study, variant));
        for &metric in &scores {
            let swept = variant.as_swept();
            add.figure(figures::heat_map(study, &swept, metric));
            add.figure(figures::parallel(study, &swept, metric));
            add.figure(figures::slices(study, (place, &swept), metric));
        }
    }
    add.figure(figures::history(study, &file.searches));
    add.tables(search::tables(study, &file.searches));
    for (place, trials) in study.placed_trials().filter(|_| study.step == Step::Last) {
        let metric = search::metric(study, trials, &file.searches);
        let study = &*search::by_its_own(study, trials);
        add.figure(metric.and_then(|metric| figures::slices(study, (place, trials), metric)));
        add.figure(metric.and_then(|metric| figures::parallel(study, trials, metric)));
    }
    add.tables(study.ranking.iter().filter_map(|&metric| curves::table(study, metric)));
    for &metric in &scores {
        add.figure(figures::curves(study, metric));
        for variant in variants() {
            add.figure(figures::cell_curves(study, variant, metric));
        }
    }
    for (place, metric) in study.underway().into_iter().enumerate() {
        add.figure(figures::underway(study, metric, place == 0));
    }
    for figure in figures::losses(study) {
        add.figure(Some(figure));
    }
    add.tables(profiles::tables(study));
    add.table(tuning::table(study));
    add.figure(figures::best_of(study));
    add.table(Some(variants::jobs(study)).filter(|table| !table.rows.is_empty()));
    add.figure(figures::scatter(study));
    for gallery in figures::galleries(study) {
        add.figure(Some(gallery));
    }
    add.figure(figures::timeline(study));
    add.0.push(Block::Jobs(jobs::jobs(study, &scores)));
    add.table(protocol::table(study));
}

/// Appends optional blocks.
struct Adding<'a>(&'a mut Vec<Block>);

impl Adding<'_> {
    fn table(&mut self, table: Option<Table>) {
        self.0.extend(table.map(Block::Table));
    }

    fn tables(&mut self, tables: impl IntoIterator<Item = Table>) {
        self.0.extend(tables.into_iter().map(Block::Table));
    }

    fn figure(&mut self, figure: Option<Figure>) {
        self.0.extend(figure.map(Block::Figure));
    }
}

/// Returns the note on cells picked from another sweep.
fn picked(picked: &[(String, Picked)]) -> Option<String> {
    let one = |(variant, from): &(String, Picked)| {
        let of = if from.variant == *variant { String::new() } else { format!(" of {}", from.variant) };
        let by = from.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{variant} has the best {}{of} of the sweep {}{by}", from.top, from.sweep)
    };
    let all: Vec<String> = picked.iter().map(one).collect();
    let seeds = "They were trained again with seeds that played no part in picking them. Tables over all their jobs \
        cover only these picked cells.";
    (!all.is_empty()).then(|| format!("Cells from other sweeps: {}. {seeds}", list(&all)))
}

/// Returns the advice for a sweep with finished jobs but no scores.
fn unscored(study: &Study) -> Option<String> {
    let done = study.everyone().flat_map(|variant| &variant.runs).any(|run| run.status == Status::Done);
    let what = "None of the scores that this sweep asks for was measured. Its samples can be viewed: `sweep show JOB` \
        says where they are. To get scores, put `score: {metrics: [inception_score, frechet]}` in the file, or run \
        `sweep rescore --metrics …`. Scores measured in another way are in the view `history`.";
    (done && study.metrics.is_empty()).then(|| what.to_owned())
}

/// Names the data sets.
fn data(study: &Study) -> String {
    let names: std::collections::BTreeSet<&str> =
        study.everyone().flat_map(|variant| variant.datasets.iter().copied()).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if names.is_empty() { String::new() } else { format!("Data: {}. ", list(&names)) }
}

/// Returns the best cells of all sweeps that are ranked by the same metrics as the first.
fn side_by_side(studies: &[Study]) -> Vec<Block> {
    let Some(first) = studies.iter().find(|study| !study.ranking.is_empty()) else { return Vec::new() };
    let mut table = Table::new("sweeps", "The best cell of each variant", 2, &["sweep", "variant", "cell", "n"]);
    table.columns.extend(first.ranking.iter().map(|metric| metric.name().to_owned()));
    let protocols = |study: &Study| first.ranking.iter().map(|&metric| study.protocol(metric)).collect::<Vec<_>>();
    for study in studies {
        if study.ranking != first.ranking {
            table.notes.push(format!("{} is left out: it has other scores.", study.results.sweep.name));
            continue;
        }
        if protocols(study) != protocols(first) {
            table.notes.push(format!(
                "{} was scored under another protocol than {}: its numbers are not comparable with the others.",
                study.results.sweep.name, first.results.sweep.name
            ));
        }
        for variant in &study.variants {
            let cells = cells(variant);
            let Some(best) = ranked(study, &cells).first().copied() else { continue };
            let n = study.ranking.first().and_then(|&main| best.summary(study, main)).map_or(0, |summary| summary.n);
            let label = best.label(variant);
            let mut row = vec![Cell::Text(study.results.sweep.name.clone()), Cell::Text(variant.name.to_owned())];
            row.extend([if label.is_empty() { Cell::Empty } else { Cell::Text(label) }, Cell::Count(n)]);
            row.extend(study.ranking.iter().map(|&metric| variants::mean(best, study, metric)));
            table.rows.push(row);
        }
    }
    vec![Block::Section("All sweeps side by side".into()), Block::Table(table)]
}
