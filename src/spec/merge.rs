//! Merges a variant's settings with those of the file.

use std::sync::Arc;

use super::axes::Axis;
use super::error::Mistakes;
use super::keys::Key;
use super::level::Level;
use super::settings::{Place, Settings};
use super::sweep::{Swept, Variant};
use super::trainer::Trainer;

/// Merges `own` over `base`.
pub(super) fn merge(
    base: &Level,
    own: &Level,
    (name, place): (String, Place),
    trainer: &Option<Arc<Trainer>>,
    whole: bool,
    mistakes: &mut Mistakes,
) -> Variant {
    let mut settings = Settings::of(trainer.clone());
    for (key, setting) in base.settings.iter().chain(&own.settings) {
        settings.set(key, setting);
    }
    let (inherited, mine) = (|axis: &Axis| (axis.clone(), false), |axis: &Axis| (axis.clone(), true));
    let taken = |axis: &&Axis| {
        let again = |key: &Key| own.grid.iter().chain(&own.zip).chain(&own.random).any(|own| own.keys.contains(key));
        !axis.keys.iter().any(|key| own.sets(key) || again(key))
    };
    let mut swept: Vec<(Axis, bool)> =
        base.grid.iter().filter(taken).map(inherited).chain(own.grid.iter().map(mine)).collect();
    for (base, own) in [(&base.zip, &own.zip), (&base.random, &own.random)] {
        match own {
            Some(axis) => swept.push(mine(axis)),
            None => swept.extend(base.iter().filter(taken).map(inherited)),
        }
    }

    let seeds = own.seeds.as_ref().or(base.seeds.as_ref()).cloned().unwrap_or_else(|| vec![0]);
    // A variant that defines its own points ignores the file's `search` and `from`.
    let has_points = !own.grid.is_empty() || own.zip.is_some() || own.random.is_some();
    let is_said = has_points || own.search.is_some() || own.from.is_some();
    let inherited = base.search.as_ref().filter(|_| !is_said).and_then(|search| search.without(|key| own.sets(key)));
    let sought = own.search.clone().or(inherited);
    let declared = own.from.as_ref().or(base.from.as_ref().filter(|_| !is_said));
    for place in sought.as_ref().map(|of| &of.place).into_iter().chain(declared.map(|of| &of.place)) {
        let alone = swept.is_empty() && (sought.is_none() || declared.is_none());
        let whole = own.exclude.as_ref().or(base.exclude.as_ref()).is_none_or(Vec::is_empty);
        let plain = own.when.as_ref().or(base.when.as_ref()).is_none_or(Vec::is_empty);
        if !(alone && whole && plain) {
            let message = format!("`{}` cannot be combined with other points or conditions", name);
            let help = "a variant with `search` or `from` cannot have `grid`, `zip`, `random`, `exclude` or `when`, \
                nor both: put swept keys into the \
                        `space` of the search, or make another variant";
            mistakes.advise(&*place.path, &place.span, message, help);
        }
    }
    if let Some(declared) = declared {
        swept.extend(declared.axis(&name, &seeds, mistakes).map(|axis| (axis, true)));
    }
    let is_open = declared.is_some() && swept.is_empty();
    let from = declared.map(|declared| declared.of(&name));

    let mut seen: Vec<Key> = Vec::new();
    for (axis, _) in &swept {
        for key in &axis.keys {
            if seen.contains(key) {
                mistakes.add(&*axis.place.path, &axis.place.span, format!("`{}` is swept twice", key.name()));
            } else {
                seen.push(key.clone());
            }
        }
    }
    let conditions = own.when.as_ref().or(base.when.as_ref()).map_or(&[][..], Vec::as_slice);
    for (key, _, place) in conditions.iter().filter(|_| own.when.is_some()) {
        if !seen.contains(key) && !matches!(key, Key::Elsewhere(_)) {
            let names: Vec<&str> = seen.iter().map(|key| key.name()).collect();
            let swept = if names.is_empty() {
                "nothing is swept".to_owned()
            } else {
                format!("these are: {}", names.join(", "))
            };
            mistakes.advise(&*place.path, &place.span, format!("`{}` is not swept", key.name()), swept);
        }
    }
    let with_conditions = |(axis, mine): (Axis, bool)| {
        let when =
            conditions.iter().filter(|(key, ..)| axis.keys.contains(key)).map(|(_, condition, _)| condition.clone());
        Swept { when: when.collect(), own: mine || whole, axis }
    };
    let mut axes: Vec<Swept> = swept.into_iter().map(with_conditions).collect();
    // Axes with a condition come last, so that the keys in the condition are known by then. The sort is stable.
    axes.sort_by_key(|swept| !swept.when.is_empty());
    Variant {
        name,
        place,
        settings,
        said: own.said(),
        seeds,
        axes,
        sought,
        search: None,
        from,
        is_open,
        exclude: own.exclude.as_ref().or(base.exclude.as_ref()).cloned().unwrap_or_default(),
    }
}
