//! Reads what `model:` says about networks.

use std::ops::Range;

use super::arch::{Activation, Init, Written};
use super::network::{Network, Spot};
use super::value::{Hidden, MAX_SIZE, Reader, SettingValue};
use super::yaml::{Content, Name, Node};

/// Maximum number of hidden layers.
const MAX_LAYERS: usize = 64;
/// Maximum number of written-out layers, including nested ones: their random streams are numbered up to this.
const MAX_WRITTEN: usize = 256;
/// Maximum number of feature maps.
const MAX_MAPS: u64 = 1 << 12;
/// Maximum kernel size and stride, in pixels.
const MAX_KERNEL: u64 = 64;
/// Maximum nesting depth of layers.
const MAX_DEPTH: usize = 8;
/// Maximum factor by which feature maps grow or shrink.
const MAX_FACTOR: u64 = 64;
/// Maximum side of an image, in pixels.
const MAX_SIDE: u64 = 1 << 12;

impl Reader<'_> {
    /// Reads hidden sizes.
    pub(super) fn sizes(&mut self) -> Option<SettingValue> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of layer sizes, such as [400, 400]");
            return None;
        };
        if !self.at_most(items.len(), MAX_LAYERS) {
            return None;
        }
        let sizes: Vec<Option<u64>> = items.iter().map(|node| self.at(node).count(1, MAX_SIZE)).collect();
        sizes
            .into_iter()
            .map(|size| size.map(|size| size as u32))
            .collect::<Option<Vec<u32>>>()
            .map(|sizes| SettingValue::sizes(&sizes))
    }

    fn at_most(&mut self, layers: usize, most: usize) -> bool {
        if layers > most {
            self.mistakes.add(self.path, &self.node.span, format!("{layers} layers, but at most {most} are allowed"));
        }
        layers <= most
    }

    /// Reads hidden sizes, or a network layer by layer.
    pub(super) fn network(&mut self) -> Option<SettingValue> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of layer sizes, such as [400, 400], or of layers, such as [{linear: 400}, relu]");
            return None;
        };
        let number = |node: &Node| node.value().is_number();
        let layer = |node: &Node| match (&node.content, node.text()) {
            (Content::Map(_), _) => true,
            (_, Some(text)) => kinds().any(|kind| kind.name() == text),
            (Content::Scalar { .. } | Content::List(_), None) => false,
        };
        let sizes = items.is_empty() || items.iter().any(number) && !items.iter().any(layer);
        if sizes {
            return self.sizes();
        }
        let layers = self.layers(items, 0)?;
        let all: usize = layers.iter().map(|(layer, _)| layer.count()).sum();
        self.at_most(all, MAX_WRITTEN).then(|| SettingValue::Hidden(Hidden::Layers(Network::new(layers))))
    }

    /// Reads a list of layers at this nesting depth.
    fn layers(&mut self, items: &[Node], depth: usize) -> Option<Vec<(Written, Spot)>> {
        if !self.at_most(items.len(), MAX_WRITTEN) {
            return None;
        }
        let layers = items.iter().enumerate().map(|(at, node)| {
            let path = format!("{}[{at}]", self.path);
            let (layer, within) = Reader { node, path: &path, mistakes: self.mistakes }.layer(depth)?;
            Some((layer, Spot { span: node.span.clone(), within }))
        });
        // Collect first, to report the mistakes of all layers.
        let layers: Vec<Option<_>> = layers.collect();
        layers.into_iter().collect()
    }

    /// Reads `relu`, `{linear: 400}`, `{conv: {maps: 64, kernel: 5}}`, …, with the places of the layers inside it.
    fn layer(&mut self, depth: usize) -> Option<(Written, Vec<Spot>)> {
        let (name, span, given) = match (self.single(), self.node.text().filter(|_| !self.node.is_nothing())) {
            (Some((name, node)), _) => (name.text.as_str(), &name.span, Some(node)),
            (None, Some(text)) if !self.node.value().is_number() => (text, &self.node.span, None),
            (None, Some(size)) => {
                let message = format!("`{size}` is a size, but this is a list of layers");
                self.mistakes.advise(self.path, &self.node.span, message, format!("write `{{linear: {size}}}`"));
                return None;
            }
            (None, None) => {
                let help = "write one layer per item: `[{linear: 400}, batch_norm, relu]`";
                let message = format!("expected one layer, found {}", self.node.describe());
                self.mistakes.advise(self.path, &self.node.span, message, help);
                return None;
            }
        };
        let Some(kind) = kinds().find(|kind| kind.name() == name) else {
            let names: Vec<&str> = kinds().map(|kind| kind.name()).collect();
            self.mistakes.unknown(self.path, span, "a layer", name, &names);
            return None;
        };
        if let (Written::Residual(_), Some(node)) = (&kind, given) {
            let path = format!("{}.{name}", self.path);
            return Reader { node, path: &path, mistakes: self.mistakes }.residual(depth);
        }
        self.simple(kind, span, given).map(|layer| (layer, Vec::new()))
    }

    /// Reads a layer of this kind that has no layers inside.
    fn simple(&mut self, kind: Written, span: &Range<usize>, given: Option<&Node>) -> Option<Written> {
        let name = kind.name();
        match (&kind, given) {
            (Written::Linear { .. }, Some(node)) => {
                Some(Written::Linear { outputs: self.at(node).count(1, MAX_SIZE)? as u32 })
            }
            (Written::Maxout { .. }, Some(node)) => {
                Some(Written::Maxout { pieces: self.at(node).count(2, MAX_SIZE)? as u32 })
            }
            (Written::Dropout { .. }, Some(node)) => {
                let rate = self.at(node).number("a number above 0 and below 1", |rate| 0.0 < rate && rate < 1.0)?;
                Some(Written::Dropout { rate })
            }
            (Written::Conv { .. } | Written::ConvTranspose { .. }, Some(node)) => self.at(node).convolution(&kind),
            (Written::Unflatten(_), Some(node)) => self.at(node).maps().map(|shape| Written::Unflatten(Some(shape))),
            (Written::Activation(Activation::LeakyRelu { .. }), Some(node)) => {
                let slope = self.at(node).slope()?;
                Some(Written::Activation(Activation::LeakyRelu { slope }))
            }
            (Written::Upsample { .. }, Some(node)) => {
                Some(Written::Upsample { factor: self.at(node).count(2, MAX_FACTOR)? as u32 })
            }
            (Written::AvgPool { .. }, Some(node)) => {
                Some(Written::AvgPool { factor: self.at(node).count(2, MAX_FACTOR)? as u32 })
            }
            (Written::Residual(_), _) => {
                let message = format!("`{name}` needs layers");
                self.mistakes.advise(
                    self.path,
                    span,
                    message,
                    "write its layers, for example `{residual: [{linear: 128}, relu]}`",
                );
                None
            }
            (
                Written::Linear { .. }
                | Written::Maxout { .. }
                | Written::Dropout { .. }
                | Written::Conv { .. }
                | Written::ConvTranspose { .. }
                | Written::Upsample { .. }
                | Written::AvgPool { .. },
                None,
            ) => {
                self.mistakes.advise(
                    self.path,
                    span,
                    format!("`{name}` needs settings"),
                    format!("write for example `{kind}`"),
                );
                None
            }
            (
                Written::Flatten
                | Written::BatchNorm
                | Written::LayerNorm
                | Written::WeightNorm
                | Written::SpectralNorm
                | Written::Prelu
                | Written::SumPool
                | Written::Activation(_),
                Some(_),
            ) => {
                self.mistakes.advise(self.path, span, format!("`{name}` has no settings"), format!("write `{name}`"));
                None
            }
            (
                Written::Unflatten(_)
                | Written::Flatten
                | Written::BatchNorm
                | Written::LayerNorm
                | Written::WeightNorm
                | Written::SpectralNorm
                | Written::Prelu
                | Written::SumPool
                | Written::Activation(_),
                None,
            ) => Some(kind),
        }
    }

    /// Reads the layers of a residual block.
    fn residual(&mut self, depth: usize) -> Option<(Written, Vec<Spot>)> {
        let items = match &self.node.content {
            Content::List(items) if !items.is_empty() => items,
            Content::List(_) | Content::Scalar { .. } | Content::Map(_) => {
                self.expected("the layers of a residual, such as [{linear: 128}, relu]");
                return None;
            }
        };
        if depth == MAX_DEPTH {
            let message = format!("layers can be nested at most {MAX_DEPTH} deep");
            self.mistakes.add(self.path, &self.node.span, message);
            return None;
        }
        let (layers, places) = self.layers(items, depth + 1)?.into_iter().unzip();
        Some((Written::Residual(layers), places))
    }

    /// Reads `[MAPS, SIDE]`.
    fn maps(&mut self) -> Option<[u32; 2]> {
        let Content::List(nodes) = &self.node.content else {
            self.expected("the number of maps and their side in pixels, such as [128, 7]");
            return None;
        };
        let [maps, side] = &nodes[..] else {
            let message = format!("expected two numbers, the maps and their side in pixels, found {}", nodes.len());
            self.mistakes.advise(self.path, &self.node.span, message, "write `{unflatten: [128, 7]}`");
            return None;
        };
        let (maps, side) = (self.at(maps).count(1, MAX_MAPS), self.at(side).count(1, MAX_SIDE));
        Some([maps? as u32, side? as u32])
    }

    /// Reads the settings of a convolution or a transposed one: `{maps: 64, kernel: 5, stride: 2}`.
    fn convolution(&mut self, kind: &Written) -> Option<Written> {
        let transposed = matches!(kind, Written::ConvTranspose { .. });
        let before = self.mistakes.len();
        let entries: &[(Name, Node)] = match &self.node.content {
            Content::Map(entries) => entries,
            Content::Scalar { .. } | Content::List(_) => {
                self.expected("settings such as {maps: 64, kernel: 5, stride: 2}");
                return None;
            }
        };
        let (mut maps, mut kernel, mut stride, mut side, mut padding) = (None, None, Some(1), None, None);
        for (at, (name, node)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(other, _)| other.text == name.text) {
                self.mistakes.add(self.path, &name.span, format!("`{}` is set twice", name.text));
            }
            match name.text.as_str() {
                "maps" => maps = self.at(node).count(1, MAX_MAPS),
                "kernel" => kernel = self.at(node).count(1, MAX_KERNEL),
                "stride" => stride = self.at(node).count(1, MAX_KERNEL),
                "padding" => padding = self.at(node).count(0, MAX_KERNEL),
                "side" if transposed => side = self.at(node).count(1, MAX_SIDE),
                text => {
                    let known = ["maps", "kernel", "stride", "padding", "side"];
                    let known = if transposed { &known[..] } else { &known[..4] };
                    let what = format!("a setting of `{}`", kind.name());
                    self.mistakes.unknown(self.path, &name.span, &what, text, known);
                }
            }
        }
        for wanted in ["maps", "kernel"] {
            if !entries.iter().any(|(name, _)| name.text == wanted) {
                let message = format!("`{wanted}` is not set");
                self.mistakes.advise(self.path, &self.node.span, message, format!("write `{kind}`"));
            }
        }
        if self.mistakes.len() > before {
            return None;
        }
        let [maps, kernel, stride] = [maps?, kernel?, stride?].map(|size| size as u32);
        let [side, padding] = [side, padding].map(|size| size.map(|size| size as u32));
        Some(match transposed {
            false => Written::Conv { maps, kernel, stride, padding },
            true => Written::ConvTranspose { maps, kernel, stride, side, padding },
        })
    }

    /// Reads an activation, or `none` if `or_none` is set.
    pub(super) fn activation(&mut self, or_none: bool) -> Option<SettingValue> {
        if let Some((name, node)) = self.single()
            && name.text == "leaky_relu"
        {
            let slope = self.at(node).slope()?;
            return Some(SettingValue::Activation(Some(Activation::LeakyRelu { slope })));
        }
        let none = or_none.then_some(("none", None)).into_iter();
        let known: Vec<_> = none.chain(Activation::ALL.map(|known| (known.name(), Some(known)))).collect();
        self.named("an activation", &known).map(SettingValue::Activation)
    }

    /// Reads the slope of a leaky ReLU.
    fn slope(&mut self) -> Option<f64> {
        self.number("a slope of at least 0, such as 0.2", |slope| slope >= 0.0)
    }

    /// Reads an initialisation: `{normal: STD}`, `xavier_uniform`, ….
    pub(super) fn init(&mut self) -> Option<SettingValue> {
        let (name, span, given) = match (self.single(), self.node.text()) {
            (Some((name, node)), _) => (name.text.as_str(), &name.span, Some(node)),
            (None, Some(text)) if text.parse::<f64>().is_err() && !self.node.is_nothing() => {
                (text, &self.node.span, None)
            }
            _ => {
                self.expected(&format!("an initialisation, such as {}", Init::ALL[0]));
                return None;
            }
        };
        let Some(known) = Init::ALL.into_iter().find(|init| init.name() == name) else {
            let names = Init::ALL.map(Init::name);
            self.mistakes.unknown(self.path, span, "an initialisation of weights", name, &names);
            return None;
        };
        let mut number = |what| match given {
            Some(node) => self.at(node).number(what, |x| x > 0.0),
            None => {
                self.mistakes.advise(self.path, span, format!("`{name}` needs {what}"), format!("write `{known}`"));
                None
            }
        };
        let init = match known {
            Init::Normal { .. } => Init::Normal { std: number("a standard deviation above 0")? },
            Init::Uniform { .. } => Init::Uniform { bound: number("a bound above 0")? },
            Init::Orthogonal { .. } => Init::Orthogonal { gain: number("a gain above 0")? },
            Init::XavierUniform
            | Init::XavierNormal
            | Init::HeUniform
            | Init::HeNormal
            | Init::LecunNormal
            | Init::Pytorch => {
                if given.is_some() {
                    let message = format!("`{name}` takes no number, since the spread follows from the layer's size");
                    self.mistakes.advise(self.path, span, message, format!("write `{name}`"));
                    return None;
                }
                known
            }
        };
        Some(SettingValue::Init(init))
    }
}

/// Returns one layer of each kind.
fn kinds() -> impl Iterator<Item = Written> {
    Written::EXAMPLES.into_iter().chain(Activation::ALL.map(Written::Activation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Mistakes;
    use crate::keys::Key;
    use crate::yaml;

    fn read(key: &str, text: &str) -> Result<SettingValue, String> {
        let Content::Map(entries) = yaml::load(&format!("key: {text}")).unwrap().content else { panic!() };
        let mut mistakes = Mistakes::default();
        let value = Reader { node: &entries[0].1, path: "key", mistakes: &mut mistakes }.read(&Key::find(key).unwrap());
        value.ok_or_else(|| mistakes.error("f", &text.into()).to_string())
    }

    #[test]
    fn what_a_network_shows_reads_as_the_same() {
        for text in [
            "[{linear: 6272}, {unflatten: [128, 7]}, batch_norm, relu]",
            "[unflatten, {conv: {maps: 64, kernel: 5, stride: 2}}, layer_norm, elu, {dropout: 0.5}, flatten]",
            "[{conv_transpose: {maps: 64, kernel: 4, stride: 2}}, {leaky_relu: 0.1}, {maxout: 5}]",
            "[{conv_transpose: {maps: 64, kernel: 4, stride: 2, side: 7}}, sigmoid]",
            "[{conv: {maps: 64, kernel: 3, stride: 1, padding: 0}}, spectral_norm, prelu, {avg_pool: 2}, sum_pool]",
            "[{conv_transpose: {maps: 64, kernel: 4, stride: 2, side: 7, padding: 1}}, {upsample: 2}, \
             selu, gelu, silu]",
            "[{residual: [relu, {linear: 8}, {residual: [{dropout: 0.5}, {leaky_relu: 0.1}]}]}, {linear: 1}]",
        ] {
            assert_eq!(read("generator", text).unwrap().to_string(), text);
        }
        let same = "[{conv: {kernel: 3, maps: 8}}, leaky_relu]";
        let shown = "[{conv: {maps: 8, kernel: 3, stride: 1}}, {leaky_relu: 0.2}]";
        assert_eq!(read("discriminator", same), read("discriminator", shown));
        assert_ne!(read("discriminator", "[{linear: 3}]"), read("discriminator", "[{linear: 4}]"));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, expected) in [
            ("400", "expected a list of layer sizes, such as [400, 400], or of layers"),
            ("[400, big]", "expected a whole number from 1 to 65536, found `big`"),
            ("[rellu]", "key[0]: `rellu` is not a layer (did you mean `relu`?)"),
            ("[{linaer: 4}, relu]", "key[0]: `linaer` is not a layer (did you mean `linear`?)"),
            ("[400, relu]", "key[0]: `400` is a size, but this is a list of layers (write `{linear: 400}`)"),
            ("[relu, linear]", "key[1]: `linear` needs settings (write for example `{linear: 400}`)"),
            ("[{relu: 1}]", "`relu` has no settings (write `relu`)"),
            (
                "[{linear: 4, relu: 1}]",
                "expected one layer, found the map `{linear: 4, relu: 1}` (write one layer per item",
            ),
            ("[relu, [1]]", "key[1]: expected one layer, found the list `[1]`"),
            ("[{linear: 0}]", "expected a whole number from 1 to 65536, found `0`"),
            ("[{maxout: 1}]", "expected a whole number from 2"),
            ("[{dropout: 1}]", "expected a number above 0 and below 1, found `1`"),
            ("[{leaky_relu: -1}]", "expected a slope of at least 0"),
            ("[{unflatten: 7}]", "expected the number of maps and their side"),
            ("[{unflatten: [1, 2, 3]}]", "expected two numbers, the maps and their side in pixels, found 3"),
            ("[{conv: 5}]", "expected settings such as {maps: 64"),
            ("[{conv: {maps: 3}}]", "`kernel` is not set"),
            ("[{conv: {maps: 3, kernel: 3, side: 4}}]", "`side` is not a setting of `conv`"),
            ("[{conv_transpose: {maps: 3, kernel: 3, strid: 4}}]", "did you mean `stride`?"),
            ("[{conv: {maps: 3, maps: 3, kernel: 3}}]", "`maps` is set twice"),
            ("[{conv: {maps: 3, kernel: 3, padding: -1}}]", "expected a whole number from 0 to 64, found `-1`"),
            ("[{spectral_norm: 1}]", "`spectral_norm` has no settings (write `spectral_norm`)"),
            ("[upsample]", "`upsample` needs settings (write for example `{upsample: 2}`)"),
            ("[{avg_pool: 1}]", "expected a whole number from 2"),
            ("[residual]", "write its layers, for example `{residual: [{linear: 128}, relu]}`"),
            ("[{residual: []}]", "key[0].residual: expected the layers of a residual"),
            (
                "[relu, {residual: [relu, {residual: [rellu]}]}]",
                "key[1].residual[1].residual[0]: `rellu` is not a layer",
            ),
            ("[{residual: [400]}]", "`400` is a size, but this is a list of layers (write `{linear: 400}`)"),
        ] {
            let error = read("generator", text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let many = format!("[{}]", vec!["relu"; 257].join(", "));
        assert!(read("generator", &many).unwrap_err().contains("257 layers, but at most 256 are allowed"));
        let within = format!("[{{residual: [{}]}}, relu]", vec!["relu"; 255].join(", "));
        assert!(read("generator", &within).unwrap_err().contains("257 layers, but at most 256 are allowed"));
        let deep = format!("{}[relu]{}", "[{residual: ".repeat(9), "}]".repeat(9));
        assert!(read("generator", &deep).unwrap_err().contains("layers can be nested at most 8 deep"));
        let both = read("generator", "[rellu, tahn]").unwrap_err();
        assert!(both.contains("key[0]") && both.contains("key[1]"), "all at once: {both}");
    }

    #[test]
    fn weights_that_cannot_start_so_are_refused_with_what_to_write() {
        for (text, expected) in [
            ("0.02", "expected an initialisation, such as {normal: 0.02}, found `0.02`"),
            ("normal", "`normal` needs a standard deviation above 0 (write `{normal: 0.02}`)"),
            ("{orthogonal: -1}", "expected a gain above 0, found `-1`"),
            ("{he_normal: 2}", "`he_normal` takes no number"),
            ("xavier", "expected one of: normal, uniform, xavier_uniform"),
            ("he_norml", "did you mean `he_normal`?"),
        ] {
            let error = read("init", text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
