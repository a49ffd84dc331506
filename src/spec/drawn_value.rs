//! Reads the settings of data sets that are drawn at random: mixtures of Gaussians, and curves.

use super::gaussians::{Covariance, Flaw, Gaussians, Layout, MAX_LIMIT, MAX_MODES, interned};
use super::own_data::MAX_DIMS;
use super::toy::Toy;
use super::value::Reader;
use super::yaml::{Content, Name, Node};

/// Maximum number of arms of a curve.
const MAX_ARMS: u64 = 1000;

/// The entries of a map of settings.
type Entries = [(Name, Node)];

fn entry<'a>(entries: &'a Entries, key: &str) -> Option<&'a Node> {
    entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)
}

impl Reader<'_> {
    /// Reads the settings of a mixture; missing ones have the layout's defaults.
    pub(super) fn gaussians(&mut self) -> Option<Gaussians> {
        let Content::Map(entries) = &self.node.content else {
            self.expected("a map, such as {layout: ring, modes: 8, radius: 2, covariance: 0.02}");
            return None;
        };
        let before = self.mistakes.len();
        let means = Gaussians::of(Layout::Means(&[]), 0.02, 2);
        let layouts = [
            ("ring", Gaussians::RING),
            ("grid", Gaussians::GRID),
            ("means", means),
            ("manifolds", Gaussians::MANIFOLDS),
        ];
        let mut mixture = match entry(entries, "layout") {
            Some(node) => self.at(node).named("a layout", &layouts)?,
            None if entry(entries, "means").is_some() => means,
            None => Gaussians::RING,
        };
        let mut weights = None;
        for (name, node) in entries {
            let mut at = self.at(node);
            let above = |at: &mut Reader| at.number("a number above 0", |x| x > 0.0);
            match (name.text.as_str(), &mut mixture.layout) {
                ("layout", _) => {}
                ("modes", Layout::Ring { modes, .. }) => set(modes, at.count(1, MAX_MODES as u64).map(|n| n as u32)),
                ("radius", Layout::Ring { radius, .. }) => set(radius, above(&mut at)),
                ("side", Layout::Grid { side, .. }) => set(side, at.count(1, 100).map(|n| n as u32)),
                ("spacing", Layout::Grid { spacing, .. }) => set(spacing, above(&mut at)),
                ("means", Layout::Means(places)) => {
                    if let Some((found, dims)) = at.means() {
                        (*places, mixture.dims) = (found, dims);
                    }
                }
                ("offsets", Layout::Manifolds { offsets, .. }) => {
                    let found = at.numbers("a list of numbers, one per mode", "a finite number", |_| true);
                    set(offsets, found.map(interned));
                }
                ("noise_dims", Layout::Manifolds { noise_dims, .. }) => {
                    set(noise_dims, at.count(1, MAX_DIMS as u64).map(|n| n as usize));
                }
                ("dims", Layout::Ring { .. } | Layout::Grid { .. }) => {
                    set(&mut mixture.dims, at.count(2, MAX_DIMS as u64).map(|n| n as usize));
                }
                ("dims", Layout::Manifolds { .. }) => {
                    set(&mut mixture.dims, at.count(1, MAX_DIMS as u64).map(|n| n as usize));
                }
                ("covariance", Layout::Ring { .. } | Layout::Grid { .. } | Layout::Means(_))
                    if matches!(node.content, Content::List(_)) =>
                {
                    let what = "one variance, or a list with one per coordinate";
                    let found = at.numbers(what, "a number above 0", |x| x > 0.0);
                    set(&mut mixture.covariance, found.map(|found| Covariance::Each(interned(found))));
                }
                ("covariance", _) => set(&mut mixture.covariance, above(&mut at).map(Covariance::Even)),
                ("weights", _) => {
                    weights = at.numbers("a list of numbers above 0, one per mode", "a number above 0", |x| x > 0.0);
                }
                ("limit", _) => {
                    if let Some(limit) = at.count(1, MAX_LIMIT) {
                        mixture.limit = Some(limit as u32);
                    }
                }
                (text, layout) => {
                    let own: &[&str] = match layout {
                        Layout::Ring { .. } => &["modes", "radius", "dims"],
                        Layout::Grid { .. } => &["side", "spacing", "dims"],
                        Layout::Means(_) => &["means"],
                        Layout::Manifolds { .. } => &["offsets", "noise_dims", "dims"],
                    };
                    let known = [&["layout"], own, &["covariance", "weights", "limit"]].concat();
                    at.mistakes.unknown(at.path, &name.span, "a setting of this layout", text, &known);
                }
            }
        }
        if entry(entries, "means").is_none() && matches!(mixture.layout, Layout::Means(_)) {
            let help = "set the centres of the modes, such as `means: [[0, 0], [1, 2]]`";
            self.mistakes.advise(self.path, &self.node.span, "`means` is not set", help);
        }
        if self.mistakes.len() > before {
            return None;
        }
        let checked = mixture.check().and_then(|()| match &weights {
            Some(weights) => mixture.weighted(weights),
            None => Ok(mixture),
        });
        match checked {
            Ok(mixture) => Some(mixture),
            Err(Flaw { setting, message, help }) => {
                let span = &entry(entries, setting).unwrap_or(self.node).span;
                match help {
                    Some(help) => self.mistakes.advise(self.path, span, format!("`{setting}`: {message}"), help),
                    None => self.mistakes.add(self.path, span, format!("`{setting}`: {message}")),
                }
                None
            }
        }
    }

    /// Reads the centres of the modes, and returns them with the number of coordinates.
    fn means(&mut self) -> Option<(&'static [f64], usize)> {
        let what = "a list of modes, each a list of its coordinates, such as [[0, 0], [1, 2]]";
        let Content::List(rows) = &self.node.content else {
            self.expected(what);
            return None;
        };
        let before = self.mistakes.len();
        let (mut all, mut dims) = (Vec::new(), None);
        for row in rows {
            let mut at = self.at(row);
            let Some(found) = at.numbers("a list of the coordinates of a mode", "a finite number", |_| true) else {
                continue;
            };
            let first = *dims.get_or_insert(found.len());
            if found.len() != first {
                at.expected(&format!("{first} coordinates, like the first mode"));
            }
            all.extend(found);
        }
        if dims.is_none() && self.mistakes.len() == before {
            self.expected(what);
        }
        (self.mistakes.len() == before).then(|| (interned(all), dims.unwrap_or(0)))
    }

    /// Reads a list of `what`, whose items are `one` and satisfy `ok`.
    fn numbers(&mut self, what: &str, one: &str, ok: fn(f64) -> bool) -> Option<Vec<f64>> {
        match &self.node.content {
            Content::List(nodes) if !nodes.is_empty() => {
                let found: Vec<Option<f64>> = nodes.iter().map(|node| self.at(node).number(one, ok)).collect();
                found.into_iter().collect()
            }
            Content::List(_) | Content::Scalar { .. } | Content::Map(_) => {
                self.expected(what);
                None
            }
        }
    }

    /// Reads the settings of a curve; missing ones are at their defaults.
    pub(super) fn toy(&mut self, mut toy: Toy) -> Option<Toy> {
        let name = toy.name();
        let Content::Map(entries) = &self.node.content else {
            self.expected(&format!("a map of the settings of `{name}`"));
            return None;
        };
        let before = self.mistakes.len();
        for (key, node) in entries {
            let mut at = self.at(node);
            let above = |at: &mut Reader| at.number("a number above 0", |x| x > 0.0);
            let spread = |at: &mut Reader| at.number("a number of at least 0", |x| x >= 0.0);
            match (key.text.as_str(), &mut toy) {
                ("turns", Toy::SwissRoll { turns, .. } | Toy::Spirals { turns, .. }) => set(turns, above(&mut at)),
                ("noise", Toy::SwissRoll { noise, .. } | Toy::Spirals { noise, .. } | Toy::Circles { noise, .. }) => {
                    set(noise, spread(&mut at));
                }
                ("arms", Toy::Pinwheel { arms, .. } | Toy::Spirals { arms, .. }) => {
                    set(arms, at.count(1, MAX_ARMS).map(|n| n as u32));
                }
                ("radial", Toy::Pinwheel { radial, .. }) => set(radial, spread(&mut at)),
                ("tangential", Toy::Pinwheel { tangential, .. }) => set(tangential, spread(&mut at)),
                ("rate", Toy::Pinwheel { rate, .. }) => set(rate, at.number("a finite number", |_| true)),
                ("radius", Toy::Circles { radius, .. }) => set(radius, above(&mut at)),
                ("factor", Toy::Circles { factor, .. }) => {
                    set(factor, at.number("a number between 0 and 1", |x| x > 0.0 && x < 1.0));
                }
                (
                    "limit",
                    Toy::SwissRoll { limit, .. }
                    | Toy::Pinwheel { limit, .. }
                    | Toy::Spirals { limit, .. }
                    | Toy::Circles { limit, .. },
                ) => {
                    if let Some(count) = at.count(1, MAX_LIMIT) {
                        *limit = Some(count as u32);
                    }
                }
                (text, toy) => {
                    let known: &[&str] = match toy {
                        Toy::SwissRoll { .. } => &["turns", "noise", "limit"],
                        Toy::Pinwheel { .. } => &["arms", "radial", "tangential", "rate", "limit"],
                        Toy::Spirals { .. } => &["arms", "turns", "noise", "limit"],
                        Toy::Circles { .. } => &["radius", "factor", "noise", "limit"],
                    };
                    at.mistakes.unknown(at.path, &key.span, &format!("a setting of `{name}`"), text, known);
                }
            }
        }
        (self.mistakes.len() == before).then_some(toy)
    }
}

/// Sets `place` to the value found, if any.
fn set<T>(place: &mut T, found: Option<T>) {
    if let Some(found) = found {
        *place = found;
    }
}
