//! Expands one variant: goes through all its points and makes one job per point and seed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sweep_formula::game::{self, Finding};
use sweep_formula::lint;

use super::amount::Amount;
use super::arch::Layer;
use super::blueprint::{Blueprint, Score};
use super::error::Mistakes;
use super::expand::Entry;
use super::id::{BlueprintId, JobId};
use super::job::Job;
use super::keys::Key;
use super::keys::job::PENALTIES;
use super::keys::train::STEPS;
use super::objective::rules::{Loss, Rules};
use super::objective::{Objective, Written};
use super::parameters::{Parameters, Plain};
use super::penalty::Penalty;
use super::point::text;
use super::prune;
use super::schedule::Schedule;
use super::settings::{Setting, Settings};
use super::sweep::{Swept, Variant};

/// The parameters that set what discriminators should output.
const AIMS: [&str; 5] = ["real_label", "fake_label", "real_target", "fake_target", "generator_target"];

/// Maximum number of parameter settings for which the file's own losses are linted.
const MOST_LINTED: usize = 1000;

/// Operations of a typical loss. Longer losses are linted for fewer settings.
const USUAL_SIZE: usize = 60;

/// The values of the parameters in a loss, whether its logits are bounded, and whether any parameter is scheduled.
type Circumstances = (Vec<u64>, bool, bool);

/// The losses linted so far.
#[derive(Default)]
struct Looked {
    /// The settings linted, per objective by address: one that is swept widely must not use up the limit of the others.
    at: HashMap<*const Written, HashSet<Circumstances>>,
    /// The labels and targets linted, for the built-in objectives.
    aims: HashMap<*const Rules, HashSet<[u64; AIMS.len()]>>,
    /// Each finding once, with the other values for which it also holds.
    found: Vec<(Arc<Written>, Finding, BTreeSet<String>)>,
}

impl Looked {
    fn add(&mut self, written: &Arc<Written>, finding: Finding) {
        let known = self.found.iter_mut().find(|(other, known, _)| {
            Arc::ptr_eq(other, written) && (known.whose, &known.what) == (finding.whose, &finding.what)
        });
        match known {
            Some((_, first, others)) if first.values != finding.values => {
                others.insert(finding.values);
            }
            Some(_) => {}
            None => self.found.push((Arc::clone(written), finding, BTreeSet::new())),
        }
    }
}

/// The index of the point picked from an axis; `None` if the axis is not swept here.
type Pick = Option<usize>;

/// Blueprints and scorings shared by all variants, each stored once.
#[derive(Default)]
pub(super) struct Shared {
    blueprints: HashMap<BlueprintId, Arc<Blueprint>>,
    scores: Vec<Arc<Score>>,
    /// The blueprints whose jobs' final checkpoints are to be kept.
    pub keeps: BTreeSet<BlueprintId>,
    looked: Looked,
}

impl Shared {
    /// Reports the lint findings about the file's own losses.
    pub(crate) fn say_found(&mut self, mistakes: &mut Mistakes, warnings: &mut Mistakes) {
        for (written, mut finding, others) in std::mem::take(&mut self.looked.found) {
            match others.len() {
                0 => {}
                1 => finding.values += ", and with 1 other value",
                more => finding.values += &format!(", and with {more} other values"),
            }
            written.say(&finding, mistakes, warnings);
        }
    }

    fn score(&mut self, score: Score) -> Arc<Score> {
        match self.scores.iter().find(|known| ***known == score) {
            Some(known) => Arc::clone(known),
            None => {
                self.scores.push(Arc::new(score));
                Arc::clone(&self.scores[self.scores.len() - 1])
            }
        }
    }
}

/// What points share if they differ only in parameters.
#[derive(Debug)]
struct Shape {
    /// The blueprint with its id, and the scoring; `None` after a mistake.
    blueprint: Option<(BlueprintId, Arc<Blueprint>, Arc<Score>)>,
    /// Whether a swept key has an effect here, by axis and key.
    matter: Vec<Vec<bool>>,
    /// The parameters that have an effect here, with their names.
    parameters: (Vec<Key>, Arc<[Arc<str>]>),
}

/// Goes through all points of one variant.
pub(super) struct VariantExpander<'a> {
    variant: &'a Variant,
    name: Arc<str>,
    /// The names of the axes' keys, by axis and key.
    names: Vec<Vec<Arc<str>>>,
    /// The values of the axes as text, by axis, point and key.
    texts: Vec<Vec<Vec<Arc<str>>>>,
    /// The axes that change more than parameters. Most axes only sweep parameters.
    shaping: Vec<usize>,
    mistakes: &'a mut Mistakes,
    entries: &'a mut Vec<Entry>,
    /// What pruning spares, if the file declares pruning.
    spare: Option<&'a prune::Declared>,
    /// What variants share.
    shared: &'a mut Shared,
    /// The known shapes, by the points of the shaping axes.
    shapes: HashMap<Vec<Pick>, Arc<Shape>>,
    /// Whether some objective is wrong for any parameter values.
    unfit: bool,
    /// The jobs created so far, each with the address of its scoring.
    seen: HashSet<(JobId, *const Score)>,
    /// Whether a swept key has an effect anywhere, by axis and key.
    matter: Vec<Vec<bool>>,
    /// Whether any point is not excluded.
    pub(super) included: bool,
    /// The keys that the file sets and that have had no effect so far.
    pub(super) idle: Vec<Key>,
    warnings: &'a mut Mistakes,
}

impl<'a> VariantExpander<'a> {
    pub(super) fn new(
        variant: &'a Variant,
        idle: Vec<Key>,
        (mistakes, warnings): (&'a mut Mistakes, &'a mut Mistakes),
        entries: &'a mut Vec<Entry>,
        shared: &'a mut Shared,
    ) -> Self {
        let texts = variant.axes.iter().map(|swept| {
            let text = |(key, setting): (&Key, &Arc<Setting>)| {
                setting.value.as_ref().map(|value| text(key, value)).unwrap_or_default().into()
            };
            swept.axis.points.iter().map(|point| swept.axis.keys.iter().zip(point).map(text).collect()).collect()
        });
        let parameters_alone = |axis: &usize| variant.axes[*axis].axis.keys.iter().all(Key::only_parameters);
        let names = variant.axes.iter().map(|swept| swept.axis.keys.iter().map(|key| key.name().into()).collect());
        VariantExpander {
            name: variant.name.as_str().into(),
            names: names.collect(),
            texts: texts.collect(),
            shaping: (0..variant.axes.len()).filter(|axis| !parameters_alone(axis)).collect(),
            variant,
            mistakes,
            entries,
            spare: None,
            shared,
            shapes: HashMap::new(),
            unfit: false,
            seen: HashSet::new(),
            matter: variant.axes.iter().map(|swept| vec![false; swept.axis.keys.len()]).collect(),
            included: false,
            idle,
            warnings,
        }
    }

    /// Sets which jobs pruning spares.
    pub(super) fn spare(&mut self, declared: Option<&'a prune::Declared>) {
        self.spare = declared;
    }

    /// Returns the swept keys that have an effect anywhere.
    pub(super) fn matter(&self) -> HashSet<Key> {
        let keys =
            self.variant.axes.iter().zip(&self.matter).flat_map(|(swept, matter)| swept.axis.keys.iter().zip(matter));
        keys.filter(|(_, matter)| **matter).map(|(key, _)| key.clone()).collect()
    }

    /// Returns the blueprints of all shapes.
    pub(super) fn blueprints(&self) -> impl Iterator<Item = BlueprintId> + use<> {
        let ids: Vec<BlueprintId> =
            self.shapes.values().filter_map(|shape| Some(shape.blueprint.as_ref()?.0)).collect();
        ids.into_iter()
    }

    /// Goes through the points of axis `picks.len()`. Picks `None` for an axis that is not swept here. Leaves
    /// `settings` unchanged.
    pub(super) fn axis(&mut self, settings: &mut Settings, picks: &mut Vec<Pick>) {
        let Some(swept) = self.variant.axes.get(picks.len()) else {
            self.point(settings, picks);
            return;
        };
        if !swept.when.iter().all(|condition| condition.holds(settings)) {
            picks.push(None);
            self.axis(settings, picks);
            picks.pop();
            return;
        }
        let before = settings.clone();
        for (at, point) in swept.axis.points.iter().enumerate() {
            // All points of an axis set the same keys, so each overwrites the one before.
            for (key, setting) in swept.axis.keys.iter().zip(point) {
                settings.set(key, setting);
            }
            picks.push(Some(at));
            self.axis(settings, picks);
            picks.pop();
        }
        *settings = before;
    }

    fn point(&mut self, settings: &Settings, picks: &[Pick]) {
        if self.variant.exclude.iter().any(|condition| condition.holds(settings)) {
            return;
        }
        self.included = true;
        let shape = self.shape(settings, picks);
        let mut axes = Vec::with_capacity(picks.len());
        for (at, pick) in picks.iter().enumerate() {
            let Some(point) = pick else { continue };
            for (key, text) in self.texts[at][*point].iter().enumerate() {
                if shape.matter[at][key] {
                    self.matter[at][key] = true;
                    axes.push((Arc::clone(&self.names[at][key]), Arc::clone(text)));
                }
            }
        }
        let axes: Arc<[_]> = axes.into();
        let (keys, names) = &shape.parameters;
        let parameters = settings.parameters(keys, names, &self.variant.place, self.mistakes);
        let (Some((id, blueprint, score)), Some(parameters)) = (&shape.blueprint, parameters) else { return };
        self.lint(settings, blueprint, &parameters);
        let spared = self.spare.is_some_and(|declared| declared.spares(&self.variant.name, settings));
        for &seed in &self.variant.seeds {
            let job = Job { blueprint: Arc::clone(blueprint), parameters: parameters.clone(), seed };
            let id = job.id_in(*id);
            // Two points give the same job if the keys that differ have no effect.
            if self.seen.insert((id, Arc::as_ptr(score))) {
                let (variant, axes, score) = (Arc::clone(&self.name), Arc::clone(&axes), Arc::clone(score));
                self.entries.push(Entry { variant, axes, id, job, score, spared });
            }
        }
    }

    /// Lints the file's own losses for these parameter values.
    fn lint(&mut self, settings: &Settings, blueprint: &Blueprint, parameters: &Parameters) {
        let Some(written) = settings.formulas() else { return self.lint_aims(settings, parameters) };
        if self.unfit {
            return;
        }
        // A file may have very many values; a limited number is enough to find what is wrong.
        let looked = self.shared.looked.at.entry(Arc::as_ptr(written)).or_default();
        if looked.len() >= MOST_LINTED * USUAL_SIZE / written.size().max(USUAL_SIZE) {
            return;
        }
        let declared = written.objective.declares().parameters;
        let penalties = settings.get(&PENALTIES).unwrap_or_default();
        // Lint schedules at both ends, as far as training gets. At each such step, the other schedules have their
        // values of that step.
        let last = settings.get(&STEPS).unwrap_or(1) - 1;
        let turns = |name: &str| {
            let turns = parameters.get(name).and_then(Plain::schedule).into_iter().flat_map(Schedule::turns);
            turns.map(move |step| step.min(last))
        };
        let weighs = |penalty: &Penalty| match penalty.form.weight() {
            Amount::Number(weight) => *weight > 0.0,
            Amount::Parameter(name) => {
                let at = |step| parameters.at(name, step).is_some_and(|weight| weight > 0.0);
                [0].into_iter().chain(turns(name)).any(at)
            }
        };
        let layers = blueprint.built_in().map_or(&[][..], |built_in| &built_in.model.discriminator);
        let (weighted, normed) = Layer::spectral(layers);
        let bounded = penalties.iter().any(weighs) || weighted == normed;
        let steps = declared.iter().flat_map(|parameter| turns(parameter.name));
        let steps: BTreeSet<u64> = [0].into_iter().chain(steps).collect();
        let scheduled = steps.len() > 1;
        for step in steps {
            let value = |name: &str| parameters.at(name, step).unwrap_or(f64::NAN);
            let values: Vec<u64> = written.names().map(|name| value(name).to_bits()).collect();
            let looked = self.shared.looked.at.entry(Arc::as_ptr(written)).or_default();
            if looked.insert((values, bounded, scheduled)) {
                for finding in written.values(value, bounded, scheduled) {
                    self.shared.looked.add(written, finding);
                }
            }
        }
    }

    /// Reports labels or targets of built-in objectives that make the game unwinnable.
    fn lint_aims(&mut self, settings: &Settings, parameters: &Parameters) {
        let set: Vec<&str> = AIMS.iter().copied().filter(|name| parameters.get(name).is_some()).collect();
        let Some(rules) = settings.objective().and_then(Objective::rules).filter(|_| !set.is_empty()) else { return };
        // A value that changes during training may be right at another step.
        if set.iter().any(|name| parameters.number(name).is_none()) {
            return;
        }
        // Parameters at their default are not part of the job.
        let usual = |name: &str| settings.before(&Key::Parameter(name.into()));
        let value = |name: &str| parameters.number(name).or_else(|| usual(name)).unwrap_or(f64::NAN);
        let looked = self.shared.looked.aims.entry(rules).or_default();
        if looked.len() >= MOST_LINTED || !looked.insert(AIMS.map(|name| value(name).to_bits())) {
            return;
        }
        let loss = |of: &'static Loss| game::Loss { written: &of.formula, program: &of.program };
        let (discriminator, generator) = (loss(&rules.discriminator), loss(&rules.generator));
        let game = game::Game { discriminators: rules.discriminators, discriminator, generator, bounded: true };
        for finding in lint::values(&game, false, value).iter().filter(|finding| finding.fatal) {
            let place = settings.place(&set, &self.variant.place);
            let message = format!("{}{}", finding.what.message, finding.values);
            let help = "set different labels or targets for the two sides, as in the paper";
            self.mistakes.advise(&*place.path, &place.span, message, help);
        }
    }

    fn shape(&mut self, settings: &Settings, picks: &[Pick]) -> Arc<Shape> {
        let shaping: Vec<Pick> = self.shaping.iter().map(|&axis| picks[axis]).collect();
        if let Some(known) = self.shapes.get(&shaping) {
            return Arc::clone(known);
        }
        let blueprint = settings.blueprint(&self.variant.place, self.mistakes).map(|(blueprint, score)| {
            let id = blueprint.id();
            if settings.keeps(&blueprint) {
                self.shared.keeps.insert(id);
            }
            let blueprint = self.shared.blueprints.entry(id).or_insert_with(|| Arc::new(blueprint));
            (id, Arc::clone(blueprint), self.shared.score(score))
        });
        self.idle.retain(|key| !settings.matters(key));
        if settings.trainer.is_none() {
            if let Some(written) = settings.formulas() {
                self.unfit |= !written.check(self.mistakes, self.warnings);
            }
            settings.warn(&self.variant.place, self.warnings);
        }
        // Which keys have an effect does not depend on parameters.
        let matters = |swept: &Swept| swept.axis.keys.iter().map(|key| settings.matters(key)).collect();
        let matter = self.variant.axes.iter().map(matters).collect();
        // A parameter that is never set is not part of any job, so do not look it up for each.
        let swept = |key: &Key| self.variant.axes.iter().any(|swept| swept.axis.keys.contains(key));
        let mut keys = settings.parameter_keys();
        keys.retain(|key| settings.before(key).is_none() || settings.sets(key) || swept(key));
        let names = keys.iter().map(|key| key.name().into()).collect();
        let shape = Arc::new(Shape { blueprint, matter, parameters: (keys, names) });
        self.shapes.insert(shaping, Arc::clone(&shape));
        shape
    }
}
