//! Settings: what a file says about a job, with later layers overriding earlier ones, and the blueprint and parameters
//! that follow from it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::arch::Resnet;
use super::blueprint::{Blueprint, BuiltIn, Checkpoints, Score, Sheets, Train};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::job::{DATASET, OBJECTIVE, PENALTIES};
use super::keys::model::ARCH;
use super::keys::score::{EVERY, METRICS, SHEETS};
use super::keys::train::{
    ADAM_BETAS, BATCH, CHECKPOINTS, D_STEPS, FRESH_NOISE, G_STEPS, MOVES, OPTIMIZER_DISCRIMINATOR, OPTIMIZER_GENERATOR,
    PRECISION, STEPS,
};
use super::keys::{self, Described, Held, Key, Section, Typed, Used, Usual};
use super::objective::{Declaration, Objective, Written};
use super::parameters::{Parameters, Plain};
use super::penalty::Penalty;
use super::trainer::Trainer;
use super::value::{Arch, Hidden, SettingValue};

/// The smallest images that can be halved three times by convolutional networks.
const MIN_SIDE: usize = 8;

/// A place in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// The path of the key.
    pub path: Arc<str>,
    /// A range of bytes.
    pub span: Range<usize>,
}

/// A value with its place.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    /// `None` after a mistake, which has been reported. What depends on it is not checked.
    pub value: Option<SettingValue>,
    /// Where it was set.
    pub place: Place,
}

/// The value of each key that the file sets. Groups (`lr`) are stored as their parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    set: BTreeMap<Key, Arc<Setting>>,
    /// The user's own trainer that trains the jobs, if any.
    pub(super) trainer: Option<Arc<Trainer>>,
}

impl Settings {
    /// Returns empty settings for jobs of this trainer.
    pub(super) fn of(trainer: Option<Arc<Trainer>>) -> Self {
        Settings { set: BTreeMap::new(), trainer }
    }

    /// Sets `key`, or its parts.
    pub(super) fn set(&mut self, key: &Key, setting: &Arc<Setting>) {
        match (key.parts(), &setting.value) {
            ([], _) => {
                self.set.insert(key.clone(), Arc::clone(setting));
            }
            (&[first, second], &Some(SettingValue::Pair(a, b))) => {
                for (part, number) in [(first, a), (second, b)] {
                    let value = Some(SettingValue::number(number));
                    self.set.insert(Key::Fixed(part), Arc::new(Setting { value, place: setting.place.clone() }));
                }
            }
            (parts, _) => {
                for &part in parts {
                    self.set.insert(Key::Fixed(part), Arc::clone(setting));
                }
            }
        }
    }

    /// Returns whether the file sets `key`.
    pub(super) fn sets(&self, key: &Key) -> bool {
        self.set.contains_key(key)
    }

    /// Returns what the file sets for the key with this name; `None` after a mistake.
    fn said(&self, name: &str) -> Option<&SettingValue> {
        self.set.get(name)?.value.as_ref()
    }

    /// Returns the value of `key`: what the file says, or else the default. `None` after a mistake, and for a group
    /// whose parts differ.
    ///
    /// # Panics
    ///
    /// If the default has another type.
    pub(super) fn get<T: Held>(&self, key: &'static Typed<T>) -> Option<T> {
        let value = self.described(key)?;
        Some(T::of(&value).unwrap_or_else(|| panic!("`{}` is {value:?}", key.name)))
    }

    /// Returns the largest value of a number at any step.
    pub(super) fn greatest(&self, key: &'static Typed<f64>) -> Option<f64> {
        self.value(&key.into())?.greatest()
    }

    /// The same as [`Settings::get`] for any key, without a fixed type.
    pub(super) fn value(&self, key: &Key) -> Option<SettingValue> {
        match key {
            Key::Fixed(described) => self.described(described),
            Key::Parameter(name) => self.parameter(name),
            Key::Own(declared) => match self.set.get(key) {
                Some(setting) => setting.value.clone(),
                None => Some(SettingValue::Plain(declared.usual.clone())),
            },
            Key::Elsewhere(_) => None,
        }
    }

    fn described(&self, key: &'static Described) -> Option<SettingValue> {
        match *key.parts {
            [] => match self.set.get(key.name) {
                Some(setting) => setting.value.clone(),
                None => self.usual(key),
            },
            [first, second] => match (self.described(first)?, self.described(second)?) {
                (SettingValue::Plain(a), SettingValue::Plain(b)) if std::ptr::eq(key, ADAM_BETAS.described()) => {
                    Some(SettingValue::Pair(a.number()?, b.number()?))
                }
                (a, b) if a == b => Some(a),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the default value, preferring that of the objective's paper. `None`: the file must set it.
    pub(super) fn usual(&self, key: &'static Described) -> Option<SettingValue> {
        if let Some(value) = self.objective().and_then(|objective| objective.declares().usual(key)) {
            return Some(value);
        }
        self.usual_of(&key.usual)
    }

    fn usual_of(&self, usual: &Usual) -> Option<SettingValue> {
        match usual {
            Usual::Said(_) => None,
            Usual::Always(value) => Some(value()),
            Usual::Number(number) => Some(SettingValue::number(*number)),
            Usual::From(_, value) => value(self),
        }
    }

    /// Returns the value of a parameter of the objective: what the file says, or else the default. `None` if there is
    /// neither, if the objective has no parameter with this name, or after a mistake.
    pub(super) fn parameter(&self, name: &str) -> Option<SettingValue> {
        match self.set.get(name) {
            Some(setting) => setting.value.clone(),
            None => self.usual_of(&self.objective()?.declares().parameter(name)?.usual),
        }
    }

    /// Returns whether all keys with these names are free of mistakes.
    pub(super) fn sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.set.get(*name).is_none_or(|setting| setting.value.is_some()))
    }

    /// Returns where the first of these keys that the file sets was set, or else `otherwise`.
    pub(super) fn place<'a>(&'a self, names: &[&str], otherwise: &'a Place) -> &'a Place {
        names.iter().find_map(|name| self.set.get(*name)).map_or(otherwise, |setting| &setting.place)
    }

    /// Returns the data set, if it is known.
    pub(super) fn dataset(&self) -> Option<Dataset> {
        self.said(DATASET.name).and_then(Dataset::of)
    }

    /// Returns whether samples are known to be images.
    pub(super) fn images(&self) -> bool {
        self.dataset().is_some_and(|dataset| dataset.is_images())
    }

    /// Returns the objective that the file names, if it is known, without its settings.
    pub(super) fn objective(&self) -> Option<Objective> {
        self.said(OBJECTIVE.name).and_then(Objective::of)
    }

    /// Returns the formulas with their places, if the objective is written out in the file.
    pub(super) fn formulas(&self) -> Option<&Arc<Written>> {
        match self.said(OBJECTIVE.name)? {
            SettingValue::Formulas(written) => Some(written),
            _ => None,
        }
    }

    /// Returns the objective with its settings, if it is known.
    pub(super) fn game(&self) -> Option<Objective> {
        self.objective()?.with(self)
    }

    /// Returns whether the objective's declaration satisfies `has`; true if the objective is not known.
    pub(super) fn declares(&self, has: impl FnOnce(&Declaration) -> bool) -> bool {
        self.objective().is_none_or(|objective| has(objective.declares()))
    }

    /// Returns the number of generators, if it is known.
    pub(super) fn groups(&self) -> Option<u64> {
        Some(self.game()?.generators().into())
    }

    /// Returns whether the networks are convolutional.
    pub(super) fn convolutional(&self) -> bool {
        self.get(&ARCH).is_some_and(|arch| arch != Arch::Mlp)
    }

    /// Returns the number of features that a denoiser has; `None` if there is none, or after a mistake, which is
    /// reported elsewhere.
    pub(super) fn denoised(&self) -> Option<u32> {
        let nowhere = Place { path: "".into(), span: 0..0 };
        let model = self.model(&self.dataset()?, self.game()?, &nowhere, &mut Mistakes::default())?;
        match model.denoiser.first()? {
            super::arch::Layer::Linear { inputs, .. } => Some(*inputs),
            _ => None,
        }
    }

    /// Returns whether the network of `key` is written out layer by layer.
    pub(super) fn layer_by_layer(&self, key: &'static Typed<Hidden>) -> bool {
        matches!(self.get(key), Some(Hidden::Layers(_)))
    }

    /// Returns whether the job has any scores.
    pub(super) fn any_scores(&self) -> bool {
        self.get(&METRICS).is_none_or(|metrics| !metrics.is_empty())
    }

    /// Returns whether another value of `key` would give another job: SGD has no Adam betas, GAN no α.
    pub(super) fn matters(&self, key: &Key) -> bool {
        let described = match key {
            Key::Fixed(described) => described,
            Key::Parameter(name) => {
                let declared = self.declares(|declared| declared.parameter(name).is_some());
                return self.trainer.is_none() && (declared || self.penalised_by(name));
            }
            // Compare by name: two trainers may have the same parameter with other defaults.
            Key::Own(declared) => {
                let has = |trainer: &Arc<Trainer>| trainer.parameter(declared.name()).is_some();
                return self.trainer.as_ref().is_some_and(has);
            }
            Key::Elsewhere(_) => return false,
        };
        if self.trainer.is_some() && !self.matters_to_own(described) {
            return false;
        }
        match described.used {
            Used::Always => true,
            Used::ByObjectives(has) => self.declares(has),
            Used::ByObjectivesWith(has, _, holds) => self.declares(has) && holds(self),
            Used::ByScores => self.scores_with(described),
            Used::ByOptimizer(optimizers) => [&OPTIMIZER_GENERATOR, &OPTIMIZER_DISCRIMINATOR]
                .into_iter()
                // After a mistake, assume that it matters; only the mistake is worth reporting.
                .any(|key| self.get(key).is_none_or(|used| optimizers.contains(&used))),
            Used::Where(_, holds) => holds(self),
        }
    }

    /// Returns whether a built-in key matters to the user's own trainer. All scoring keys except the steps of scoring
    /// matter if there are samples to score, since the trainer decides when.
    fn matters_to_own(&self, key: &Described) -> bool {
        let of_own_steps = [EVERY.name, SHEETS.name].contains(&key.name);
        key.name == DATASET.name || key.section == Section::Score && !of_own_steps && self.dataset().is_some()
    }

    /// Returns the parameters of jobs with these settings, in the order of their names.
    pub(super) fn parameter_keys(&self) -> Vec<Key> {
        if let Some(trainer) = &self.trainer {
            return trainer.parameters.iter().map(|declared| Key::Own(Arc::clone(declared))).collect();
        }
        let training = keys::fixed().filter(|key| key.parameter).map(Key::Fixed);
        let own = self.objective().map_or(&[][..], |objective| objective.declares().parameters);
        let own = own.iter().filter(|key| key.parameter).map(|key| Key::Parameter(key.name.into()));
        let penalties = self.get(&PENALTIES).unwrap_or_default();
        let of_penalties =
            penalties.iter().flat_map(Penalty::parameters).map(|(name, _)| Key::Parameter(Arc::clone(name)));
        let mut all: Vec<Key> = training.filter(|key| self.matters(key)).chain(own).chain(of_penalties).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Returns the values of the parameters with these `keys` and `names`; `None` after a mistake.
    pub(super) fn parameters(
        &self,
        keys: &[Key],
        names: &Arc<[Arc<str>]>,
        variant: &Place,
        mistakes: &mut Mistakes,
    ) -> Option<Parameters> {
        let mut values = Vec::with_capacity(keys.len());
        // The indices of those that are not part of this job.
        let mut absent = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match self.value(key) {
                Some(SettingValue::Plain(value)) if self.trainer.is_some() => values.push(value),
                Some(SettingValue::Schedule(written)) => {
                    values.extend(self.scheduled(key, written, variant, mistakes).map(Plain::Schedule));
                }
                Some(value) => {
                    let number = value.as_number().unwrap_or_else(|| panic!("`{}` is {value:?}", key.name()));
                    if !self.in_range(key, number, variant, mistakes) {
                        continue;
                    }
                    if self.before(key) == Some(number) {
                        absent.push(at);
                    }
                    values.push(Plain::Number(number));
                }
                None if self.trainer.is_some() || !self.sound(&[key.name()]) => {}
                None => {
                    let (name, example) = (key.name(), key.example());
                    let declared = self.objective().and_then(|objective| objective.declares().parameter(name));
                    let (of, whose) = match (declared, self.objective()) {
                        (Some(_), Some(objective)) => (OBJECTIVE.name, format!("`{}`", objective.name())),
                        _ => (PENALTIES.name, "a penalty".to_owned()),
                    };
                    let place = self.place(&[of], variant);
                    mistakes.advise(
                        &*place.path,
                        &place.span,
                        format!("{whose} needs `{name}`, which is not set"),
                        format!(
                            "set it next to `{of}` (`{name}: {example}`), or sweep it in `grid`, `zip` or `random`"
                        ),
                    );
                }
            }
        }
        if values.len() < keys.len() {
            return None;
        }
        if absent.is_empty() {
            return Some(Parameters::new(Arc::clone(names), values));
        }
        let all = names.iter().zip(values).enumerate();
        Some(all.filter(|(at, _)| !absent.contains(at)).map(|(_, parameter)| parameter).collect())
    }

    /// Returns the number that jobs from before this parameter existed used, or `None` if it always existed. Objectives
    /// may have parameters with the same name and different numbers.
    pub(super) fn before(&self, key: &Key) -> Option<f64> {
        match key {
            Key::Fixed(described) => described.before,
            Key::Parameter(name) => self.objective()?.declares().parameter(name)?.before,
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Returns the blueprint and how its jobs are scored; `None` after a mistake. `variant` is the place to report
    /// missing settings.
    pub(super) fn blueprint(&self, variant: &Place, mistakes: &mut Mistakes) -> Option<(Blueprint, Score)> {
        if let Some(trainer) = &self.trainer {
            return self.own_blueprint(trainer, variant, mistakes);
        }
        let before = mistakes.len();
        for key in keys::fixed() {
            let Usual::Said(example) = key.usual else { continue };
            if key.parts.is_empty() && !self.set.contains_key(key.name) {
                let help = match key.section {
                    Section::Top => format!("add `{}: {example}`", key.name),
                    section => format!("add `{}: {{{}: {example}}}`", section.name(), key.name),
                };
                mistakes.advise(&*variant.path, &variant.span, format!("`{}` is not set", key.path()), help);
            }
        }
        self.check(variant, mistakes);
        if mistakes.len() > before || self.set.values().any(|setting| setting.value.is_none()) {
            return None;
        }
        let (dataset, objective) = (self.dataset()?, self.game()?);
        let model = self.model(&dataset, objective, variant, mistakes)?;
        let train = Train {
            steps: self.get(&STEPS)?,
            batch: self.get(&BATCH)? as u32,
            d_steps: self.get(&D_STEPS)? as u32,
            generator: self.get(&OPTIMIZER_GENERATOR)?,
            discriminator: self.get(&OPTIMIZER_DISCRIMINATOR)?,
            precision: self.get(&PRECISION)?,
            g_steps: self.get(&G_STEPS)? as u32,
            moves: self.get(&MOVES)?,
            fresh_noise: self.get(&FRESH_NOISE)?,
        };
        let built_in = BuiltIn::new(dataset, objective, model, train);
        let penalties = self.get(&PENALTIES)?.to_vec();
        Some((Blueprint::BuiltIn(BuiltIn { penalties, ..built_in }), self.score(&dataset)?))
    }

    /// Returns whether final checkpoints of jobs of `blueprint` are kept.
    pub(super) fn keeps(&self, blueprint: &Blueprint) -> bool {
        let Blueprint::BuiltIn(built_in) = blueprint else { return false };
        match self.get(&CHECKPOINTS) {
            Some(said) => said == Checkpoints::Keep,
            None => built_in.kept_bytes() <= Checkpoints::SMALL,
        }
    }

    /// The same as [`Settings::blueprint`] for the user's own trainer.
    fn own_blueprint(&self, trainer: &Trainer, variant: &Place, mistakes: &mut Mistakes) -> Option<(Blueprint, Score)> {
        let before = mistakes.len();
        let dataset = self.dataset();
        self.check_score(variant, mistakes);
        let wanted = self.set.get(METRICS.name).filter(|_| dataset.is_none() && self.sound(&[DATASET.name]));
        if let Some(Setting { value: Some(SettingValue::Metrics(metrics)), place }) = wanted.map(|setting| &**setting)
            && !metrics.is_empty()
        {
            let help = "set `dataset`, or declare the scores that your trainer prints in `trainer: {scores: …}`";
            let message = "these scores compare samples with real ones, but no data set is set";
            mistakes.advise(&*place.path, &place.span, message, help);
        }
        if mistakes.len() > before || self.set.values().any(|setting| setting.value.is_none()) {
            return None;
        }
        let score = match dataset {
            Some(dataset) => self.score(&dataset)?,
            None => Score::default(),
        };
        let score = Score { every: 0, sheets: Sheets::Last, reported: trainer.reported.clone(), ..score };
        Some((Blueprint::Own(trainer.blueprint(dataset)), score))
    }

    /// Reports values that are each valid but do not fit together.
    fn check(&self, variant: &Place, mistakes: &mut Mistakes) {
        if let (Some(dataset), Some(kind @ (Arch::Conv(_) | Arch::Resnet))) = (self.dataset(), self.get(&ARCH)) {
            let (arch, name) = (kind.name(), dataset.name());
            let step = Resnet::SIDE as usize;
            let trouble = match *dataset.shape() {
                [_, height, width] if height != width || height < MIN_SIDE => Some(format!(
                    "`{arch}` needs square images of at least {MIN_SIDE}×{MIN_SIDE} pixels, but {name} has \
                    {height}×{width}"
                )),
                [_, side, _] if kind == Arch::Resnet && !side.is_multiple_of(step) => Some(format!(
                    "`{arch}` needs images with sides that are a multiple of {step} pixels, but {name} has \
                    {side}×{side}"
                )),
                [_, _, _] => None,
                _ => Some(format!("`{arch}` needs images, but {name} has points")),
            };
            if let Some(message) = trouble {
                let place = self.place(&[ARCH.name], variant);
                mistakes.advise(&*place.path, &place.span, message, "use `arch: mlp`, or another data set");
            }
        }
        self.check_batch(variant, mistakes);
        self.check_margin(variant, mistakes);
        self.check_average(variant, mistakes);
        self.check_penalties(variant, mistakes);
        self.check_written(variant, mistakes);
        self.check_score(variant, mistakes);
    }
}
