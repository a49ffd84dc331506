//! `sweep plan`: shows what would run, and starts nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::init::advice;
use super::plan_json::{expanded, json};
use super::slots::SlotArgs;
use super::stdout::{print, print_json};
use super::table::{self, Align};
use super::{Exit, Failure, Global, events};
use sweep_operations::budget::Budget;
use sweep_operations::networks::hidden;
use sweep_operations::own_trainers::{Seconds, as_typed, commands};
use sweep_operations::plan::{Draft, Planned};
use sweep_operations::{early_stopping, interim_looks};
use sweep_plan::measured::Question;
use sweep_plan::{Placed, Plan};
use sweep_spec::blueprint::{Blueprint, BuiltIn};
use sweep_spec::expand::{Expansion, Summary};
use sweep_spec::id::BlueprintId;
use sweep_wire::home::Home;

/// The largest number of kinds of cohorts that are shown one by one.
const SHOWN: usize = 12;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sweep file
    file: Option<PathBuf>,
    #[command(flatten)]
    slots: SlotArgs,
    /// Show how many seeds of each cell fit into this time (90s, 15m, 2h, 1d) or these GPU-hours (16gpuh)
    #[arg(long, value_name = "TIME")]
    budget: Option<Budget>,
    /// Print the plan as JSON: every cohort with its jobs
    #[arg(long, conflicts_with = "expanded")]
    json: bool,
    /// Print every job as YAML, with all settings after defaults and overrides
    #[arg(long)]
    expanded: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let Some(file) = &args.file else { return Err(Failure::usage(advice("plan", Path::new(".")))) };
    let (places, tell) = (&global.places, events::tell());
    // Points that are not known yet are planned for, but are not jobs that could be listed.
    let draft = Draft::read(places, file, !args.json && !args.expanded, &tell)?;
    let text = if args.expanded {
        expanded(&draft.expansion)?
    } else {
        let planned = draft.plan((places, file), &args.slots.choice(), args.budget, &tell)?;
        if args.json { json(&planned, &places.home)? } else { readable(&planned, &places.home) }
    };
    if args.json {
        print_json(&text)?
    } else {
        print(&text)?
    }
    Ok(Exit::Ok)
}

fn readable(planned: &Planned, home: &Home) -> String {
    let Planned { expansion, unique, plan, slots, questions, seconds, budget, cells, .. } = planned;
    let datasets: BTreeSet<&str> = expansion
        .variants
        .iter()
        .flat_map(|variant| variant.datasets.iter().copied())
        .filter(|name| !name.is_empty())
        .collect();
    let datasets: Vec<&str> = datasets.into_iter().collect();
    let total = expansion.entries.len();
    let mut facts = vec![
        ("sweep", expansion.sweep.clone()),
        ("data set", if datasets.is_empty() { "none".to_owned() } else { datasets.join(", ") }),
    ];
    match interim_looks::planned(expansion, *unique) {
        Some(planned) => facts.extend(planned),
        None => facts.push(("jobs", jobs(total, *unique))),
    }
    facts.extend(cells.iter().cloned());
    facts.extend(early_stopping::planned(expansion));
    facts.extend([
        ("cohorts", cohorts(plan)),
        ("slots", table::slots(slots)),
        ("memory", memory(plan)),
        ("time", time(plan, seconds) + at_most(expansion)),
    ]);
    facts.extend(budget.clone().map(|budget| ("budget", budget)));
    facts.extend(disk(expansion).map(|disk| ("disk", disk)));
    facts.extend(commands(expansion, home).iter().map(|(_, command)| ("command", as_typed(command))));
    if let Some(text) = unmeasured(questions) {
        facts.push(("not known", text));
    }
    if !expansion.expects.is_empty() {
        let lines: Vec<&str> = expansion.expects.iter().map(|expect| expect.text.as_str()).collect();
        facts.push(("expects", lines.join("\n")));
    }
    let mut out = table::facts(&facts);
    out.push('\n');

    let header = [
        ("variant", Align::Left),
        ("objective", Align::Left),
        ("swept", Align::Left),
        ("seeds", Align::Right),
        ("jobs", Align::Right),
    ];
    let rows = expansion.variants.iter().map(|variant| {
        let objectives: Vec<&str> = variant.objectives.iter().copied().collect();
        vec![
            variant.name.clone(),
            objectives.join(", "),
            axes(variant),
            variant.seeds.to_string(),
            table::count(variant.jobs),
        ]
    });
    out.push_str(&table::table(&header, rows));
    out.push('\n');
    out.push_str(&shapes(plan, seconds));
    out
}

/// Says what the time refers to if not everything may be trained.
fn at_most(expansion: &Expansion) -> &'static str {
    match (expansion.race.is_some(), expansion.prune.is_some() || !expansion.stops.is_empty()) {
        (true, _) => ", for the most jobs",
        (false, true) => ", if nothing is stopped early",
        (false, false) => "",
    }
}

fn jobs(total: usize, unique: usize) -> String {
    match total - unique {
        0 => table::count(total),
        again => format!(
            "{}, of which {} are different ({} appear twice)",
            table::count(total),
            table::count(unique),
            table::count(again)
        ),
    }
}

/// Describes the disk space of last states that are kept.
fn disk(expansion: &Expansion) -> Option<String> {
    let mut bytes: HashMap<BlueprintId, u64> = HashMap::new();
    let mut ids: HashMap<*const Blueprint, BlueprintId> = HashMap::new();
    let mut seen = HashSet::new();
    for entry in expansion.entries.iter().filter(|entry| seen.insert(entry.id)) {
        let blueprint = &entry.job.blueprint;
        let id = *ids.entry(Arc::as_ptr(blueprint)).or_insert_with(|| blueprint.id());
        if let Some(built_in) = blueprint.built_in().filter(|_| expansion.keeps.contains(&id)) {
            *bytes.entry(id).or_default() += built_in.kept_bytes();
        }
    }
    let all: u64 = bytes.values().sum();
    (all > 0).then(|| {
        format!(
            "about {} of last states, from which training can continue for more steps (`train: {{checkpoints: drop}}` \
            keeps none)",
            table::bytes(all)
        )
    })
}

/// Describes how long it takes, as far as that is known.
fn time(plan: &Plan, seconds: &Seconds) -> String {
    let own = |placed: &&Placed| placed.cohort.blueprint.own().is_some();
    let unknown = plan.cohorts.iter().filter(own).filter(|placed| !seconds.contains_key(&placed.blueprint)).count();
    match plan.cohorts.len() - unknown {
        0 => "unknown until a job has ended".to_owned(),
        _ if unknown > 0 => {
            format!("unknown until a job of your own trainer has ended; {} cohorts use it", table::count(unknown))
        }
        _ => format!("about {} (estimated; training and scoring)", table::duration(plan.seconds)),
    }
}

fn cohorts(plan: &Plan) -> String {
    let members = |placed: &Placed| placed.cohort.members.len();
    let (least, most) = (plan.cohorts.iter().map(members).min(), plan.cohorts.iter().map(members).max());
    let blueprints: BTreeSet<*const Blueprint> =
        plan.cohorts.iter().map(|p| Arc::as_ptr(&p.cohort.blueprint)).collect();
    format!(
        "{} of {} jobs, from {}",
        table::count(plan.cohorts.len()),
        table::span(least.unwrap_or(0), most.unwrap_or(0)),
        match blueprints.len() {
            1 => "one blueprint".to_owned(),
            n => format!("{} blueprints", table::count(n)),
        }
    )
}

/// Describes for which jobs `sweep run` will first measure how many train best together.
fn unmeasured(questions: &[Question]) -> Option<String> {
    let kinds: BTreeSet<String> = questions.iter().map(|question| question.kind.to_string()).collect();
    (!kinds.is_empty()).then(|| {
        let blueprints: BTreeSet<BlueprintId> = questions.iter().map(|question| question.blueprint).collect();
        format!(
            "how many jobs train best together, for {} on {}:\n`sweep run` measures that first, then plans again",
            table::plural(blueprints.len(), "blueprint"),
            kinds.into_iter().collect::<Vec<_>>().join("; ")
        )
    })
}

fn memory(plan: &Plan) -> String {
    let own = |placed: &&Placed| placed.cohort.blueprint.own().is_some();
    let most = plan.cohorts.iter().filter(|placed| !own(placed)).map(|placed| placed.bytes).max();
    let most = most.map(|most| format!("about {} a cohort at most", table::bytes(most)));
    match (most, plan.cohorts.iter().any(|placed| own(&placed))) {
        (Some(most), false) => most,
        (Some(most), true) => format!("{most}, in addition to your own trainer"),
        (None, _) => "that of your own trainer".to_owned(),
    }
}

fn axes(variant: &Summary) -> String {
    let axes = variant.axes.iter().map(|(keys, points)| format!("{} ({points})", keys.join("+")));
    let axes: Vec<String> = axes.collect();
    if axes.is_empty() { "nothing".to_owned() } else { axes.join(" × ") }
}

/// Lists the cohorts by what a reader can tell apart; as many as fit on a screen, longest first.
fn shapes(plan: &Plan, seconds: &Seconds) -> String {
    let mut groups: Vec<([String; 3], Vec<&Placed>)> = Vec::new();
    let mut index: BTreeMap<[String; 3], usize> = BTreeMap::new();
    for placed in &plan.cohorts {
        let blueprint = &*placed.cohort.blueprint;
        let networks = match blueprint {
            Blueprint::BuiltIn(BuiltIn { model, .. }) => {
                format!("G {}, D {}", hidden(&model.generator), hidden(&model.discriminator))
            }
            Blueprint::Own(_) => "of its trainer".to_owned(),
        };
        let steps = table::count(blueprint.steps() as usize);
        let shape = [blueprint.objective_name().to_owned(), networks, steps];
        let at = *index.entry(shape.clone()).or_insert_with(|| {
            groups.push((shape, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(placed);
    }
    let header = [
        ("objective", Align::Left),
        ("networks", Align::Left),
        ("steps", Align::Right),
        ("cohorts", Align::Right),
        ("memory", Align::Right),
        ("time each", Align::Right),
    ];
    let rows = groups.iter().take(SHOWN).map(|([objective, networks, steps], placed)| {
        let sizes = placed.iter().map(|placed| placed.cohort.members.len());
        let sizes = table::span(sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        let own = placed.iter().any(|placed| placed.cohort.blueprint.own().is_some());
        let known = !own || placed.iter().all(|placed| seconds.contains_key(&placed.blueprint));
        let bytes = placed.iter().map(|placed| placed.bytes).max().unwrap_or(0);
        let longest = placed.iter().map(|placed| placed.seconds).fold(0.0, f64::max);
        vec![
            objective.clone(),
            networks.clone(),
            steps.clone(),
            format!("{} × {sizes}", table::count(placed.len())),
            if own { "not known".to_owned() } else { table::bytes(bytes) },
            if known { table::duration(longest) } else { "not known".to_owned() },
        ]
    });
    let mut out = table::table(&header, rows);
    if groups.len() > SHOWN {
        let more = table::count(groups.len() - SHOWN);
        out.push_str(&format!("… and {more} more, which take less time (all cohorts: --json)\n"));
    }
    out
}
