//! Reads the value of `dataset:`.

use std::sync::Arc;

use super::dataset::{Dataset, Gaussians, Toy};
use super::own_data::{Kind, MAX_SIDE, Source};
use super::value::{Reader, SettingValue};
use super::yaml::{Content, Name, Node};

/// Default height and width of the user's own images.
const SIZE: u32 = 32;

impl Reader<'_> {
    /// Reads a name, `{gaussians: {…}}`, or `{name: images, path: …}`.
    pub(super) fn dataset(&mut self) -> Option<SettingValue> {
        let drawn = [Dataset::Gaussians(Gaussians::RING)].into_iter().chain(Toy::ALL.map(Dataset::Toy));
        let sets = drawn.chain(Dataset::IMAGES);
        let known: Vec<_> = sets.map(|dataset| (dataset.name(), dataset)).collect();
        if let Content::Map(entries) = &self.node.content
            && let Some((_, name)) = entries.iter().find(|(name, _)| name.text == "name")
        {
            let mut names: Vec<(&str, Result<Kind, Dataset>)> =
                Kind::ALL.map(|kind| (kind.name(), Ok(kind))).into_iter().collect();
            names.extend(known.iter().map(|(name, dataset)| (*name, Err(*dataset))));
            return match self.at(name).named("a data set", &names)? {
                Ok(kind) => self.own(kind, entries),
                Err(dataset) => self.nothing_else(entries, dataset),
            };
        }
        match self.single() {
            Some((name, node)) if name.text == "gaussians" => {
                self.at(node).gaussians().map(|gaussians| SettingValue::Dataset(Dataset::Gaussians(gaussians)))
            }
            Some((name, node)) => {
                if let Some(toy) = Toy::ALL.into_iter().find(|toy| toy.name() == name.text) {
                    return self.at(node).toy(toy).map(|toy| SettingValue::Dataset(Dataset::Toy(toy)));
                }
                let known: Vec<&str> = ["gaussians"].into_iter().chain(Toy::ALL.iter().map(Toy::name)).collect();
                self.mistakes.unknown(self.path, &name.span, "a data set with settings", &name.text, &known);
                None
            }
            None => {
                if let Some(kind) = Kind::ALL.into_iter().find(|kind| self.node.text() == Some(kind.name())) {
                    let name = kind.name();
                    let help = format!("write `{{name: {name}, path: PATH}}`");
                    self.mistakes.advise(
                        self.path,
                        &self.node.span,
                        format!("the data set `{name}` needs a path"),
                        help,
                    );
                    return None;
                }
                let own = Kind::ALL.map(|kind| (kind.name(), None));
                let all: Vec<_> = known.into_iter().map(|(name, dataset)| (name, Some(dataset))).chain(own).collect();
                self.named("a data set", &all)?.map(SettingValue::Dataset)
            }
        }
    }

    /// Reads `{name: mnist}`, which has no other keys.
    fn nothing_else(&mut self, entries: &[(Name, Node)], dataset: Dataset) -> Option<SettingValue> {
        let mut others = entries.iter().filter(|(name, _)| name.text != "name").peekable();
        if others.peek().is_none() {
            return Some(SettingValue::Dataset(dataset));
        }
        let set = dataset.name();
        for (name, _) in others {
            let message = format!("`{}` is not a setting next to the name of `{set}`", name.text);
            let help = match dataset {
                Dataset::Gaussians(_) | Dataset::Toy(_) => {
                    format!("write the settings below the name: `{{{set}: {{{}: …}}}}`", name.text)
                }
                _ => format!("`{set}` has no settings"),
            };
            self.mistakes.advise(self.path, &name.span, message, help);
        }
        None
    }

    /// Reads a data set with a path.
    fn own(&mut self, kind: Kind, entries: &[(Name, Node)]) -> Option<SettingValue> {
        let before = self.mistakes.len();
        let mut source = Source { kind, path: String::new(), size: None, range: None };
        let mut place = None;
        for (name, node) in entries {
            match (name.text.as_str(), kind) {
                ("name", _) => {}
                ("path", _) => match node.text().filter(|path| !path.is_empty() && !path.contains('\0')) {
                    Some(path) => {
                        path.clone_into(&mut source.path);
                        place = Some(node.span.clone());
                    }
                    None => self.at(node).expected("a path"),
                },
                ("size", Kind::Images) => {
                    source.size = self.at(node).count(1, MAX_SIDE as u64).map(|size| size as u32);
                }
                ("range", Kind::Npy) => source.range = self.at(node).range(),
                (text, Kind::Imagenet32) => {
                    self.mistakes.unknown(self.path, &name.span, "a setting of `imagenet32`", text, &["name", "path"]);
                }
                (text, Kind::Images) => {
                    let known = ["name", "path", "size"];
                    self.mistakes.unknown(self.path, &name.span, "a setting of `images`", text, &known);
                }
                (text, Kind::Npy) => {
                    let known = ["name", "path", "range"];
                    self.mistakes.unknown(self.path, &name.span, "a setting of `npy`", text, &known);
                }
            }
        }
        if place.is_none() && self.mistakes.len() == before {
            let help = format!("write `{{name: {}, path: PATH}}`", kind.name());
            self.mistakes.advise(self.path, &self.node.span, "`path` is not set", help);
        }
        if self.mistakes.len() > before {
            return None;
        }
        source.size = match kind {
            Kind::Imagenet32 => Some(SIZE),
            Kind::Images => source.size.or(Some(SIZE)),
            Kind::Npy => None,
        };
        let own = self.mistakes.look(&source, self.path, &place?)?;
        Some(SettingValue::Own(Arc::new(source), own))
    }

    /// Reads `[low, high]`.
    fn range(&mut self) -> Option<(f64, f64)> {
        let pair = serde_yaml::from_value::<(f64, f64)>(self.node.value()).ok();
        let pair = pair.filter(|(low, high)| low.is_finite() && high.is_finite() && low < high);
        if pair.is_none() {
            self.expected("two numbers, the smaller one first, such as [0, 1]");
        }
        pair.map(|(low, high)| (low + 0.0, high + 0.0))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::error::Mistakes;
    use crate::id::DataId;
    use crate::keys::Key;
    use crate::own_data::{OwnData, Shape, Trouble};
    use crate::sweep::Sweep;
    use crate::yaml;

    /// Finds images everywhere except at `nowhere`, with the path as their contents.
    fn look(source: &Source) -> Result<OwnData, Trouble> {
        if source.path == "nowhere" {
            return Err(Trouble { message: "there is nothing".into(), help: Some("look elsewhere".into()) });
        }
        let side = source.size.unwrap_or(28) as usize;
        let content = Some(DataId::of(source.path.trim_start_matches("moved/").as_bytes()));
        Ok(OwnData { kind: source.kind, shape: Shape::Image([3, side, side]), content })
    }

    fn read(text: &str) -> Result<SettingValue, String> {
        let Content::Map(entries) = yaml::load(&format!("key: {text}")).unwrap().content else { panic!() };
        let mut mistakes = Mistakes::looking(Rc::new(look));
        let value =
            Reader { node: &entries[0].1, path: "key", mistakes: &mut mistakes }.read(&Key::find("dataset").unwrap());
        value.ok_or_else(|| mistakes.error("f", &text.into()).to_string())
    }

    #[test]
    fn what_a_path_shows_reads_as_the_same() {
        for text in [
            r#"{name: images, path: "my pictures", size: 64}"#,
            r#"{name: imagenet32, path: "/data/train"}"#,
            r#"{name: npy, path: "x.npy", range: [0, 1]}"#,
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("{name: images, path: a}"), read("{path: a, size: 32, name: images}"));
        assert_eq!(read("{name: mnist}"), read("mnist"));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, expected) in [
            ("images", "write `{name: images, path: PATH}`"),
            ("{name: images}", "`path` is not set"),
            ("{name: image, path: a}", "did you mean `images`?"),
            ("{name: imagenet32, path: a, size: 64}", "`size` is not a setting of `imagenet32`"),
            ("{name: images, path: a, range: [0, 1]}", "`range` is not a setting of `images`"),
            ("{name: images, path: a, size: 0}", "expected a whole number from 1 to 1024"),
            ("{name: images, path: []}", "expected a path"),
            ("{name: npy, path: a, range: [1, 0]}", "the smaller one first"),
            ("{name: mnist, path: a}", "`path` is not a setting next to the name of `mnist`"),
            ("{name: swiss_roll, limit: 100}", "write the settings below the name: `{swiss_roll: {limit: …}}`"),
            ("{name: npy, path: nowhere}", "there is nothing"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_job_is_known_by_what_lies_at_the_path() {
        let sweep = |path: &str, rest: &str| {
            let text = format!(
                "sweep: s\ndataset: {{name: images, path: {path}}}\nobjective: gan\ntrain: {{steps: 10}}\n{rest}"
            );
            Sweep::parse_looking("f", &text, Rc::new(look)).and_then(|sweep| sweep.expand())
        };
        let id = |path: &str| sweep(path, "").unwrap().entries[0].id;
        assert_eq!(id("a"), id("moved/a"));
        assert_ne!(id("a"), id("b"));
        let axes = sweep("a", "grid: {dataset: [mnist, {name: images, path: b}]}").unwrap();
        assert_eq!(axes.entries[1].axes[0].1.as_ref(), r#"{name: images, path: "b", size: 32}"#);
        let error = sweep("nowhere", "alpha: 0").unwrap_err().to_string();
        assert!(error.contains("f:2:31: dataset: there is nothing"), "{error}");
        assert!(error.contains("f:5:8: alpha"), "all mistakes at once: {error}");

        // Reports do not need the data.
        let text = "sweep: s\ndataset: {name: npy, path: nowhere}\nobjective: gan\ntrain: {steps: 10}\n";
        assert_eq!(Sweep::parse("f", text).unwrap().expand().unwrap().entries, []);
    }

    #[test]
    fn convolutions_want_square_images_of_8_pixels_at_least() {
        let sweep = |shape: Shape, arch: &str| {
            let text = format!(
                "sweep: s\ndataset: {{name: npy, path: a}}\nobjective: gan\ntrain: {{steps: 10}}\nmodel: {{arch: \
                {arch}}}"
            );
            let look = move |source: &Source| Ok(OwnData { shape, ..look(source)? });
            let sweep = Sweep::parse_looking("f", &text, Rc::new(look)).and_then(|sweep| sweep.expand());
            sweep.map(|expansion| expansion.entries.len()).map_err(|errors| errors.to_string())
        };
        for arch in ["dcgan", "metz"] {
            for side in [8, 28, 31, 64] {
                assert_eq!(sweep(Shape::Image([3, side, side]), arch), Ok(1), "{arch} {side}");
            }
            let oblong = sweep(Shape::Image([3, 32, 48]), arch).unwrap_err();
            assert!(oblong.contains("needs square images of at least 8×8 pixels, but npy has 32×48"), "{oblong}");
            assert!(sweep(Shape::Image([3, 7, 7]), arch).is_err() && sweep(Shape::Points([2]), arch).is_err());
        }
        for shape in [Shape::Points([2]), Shape::Points([16]), Shape::Image([1, 7, 7]), Shape::Image([3, 32, 48])] {
            assert_eq!(sweep(shape, "mlp"), Ok(1), "{shape:?}");
        }
    }
}
