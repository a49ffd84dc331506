//! Reading what `model:` says of networks.

use super::arch::{Activation, Init};
use super::value::{MAX_SIZE, Reader, Value};
use super::yaml::Content;

/// The most hidden layers.
const MAX_LAYERS: usize = 64;

impl Reader<'_> {
    /// Hidden sizes.
    pub(super) fn sizes(&mut self) -> Option<Value> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of layer sizes, such as [400, 400]");
            return None;
        };
        if items.len() > MAX_LAYERS {
            self.mistakes.add(self.path, &self.node.span, format!("{} layers: at most {MAX_LAYERS}", items.len()));
            return None;
        }
        let sizes: Vec<Option<u64>> = items.iter().map(|node| self.at(node).count(1, MAX_SIZE)).collect();
        sizes.into_iter().map(|size| size.map(|size| size as u32)).collect::<Option<_>>().map(Value::Sizes)
    }

    /// An activation, or none where `or_none` says that this makes sense.
    pub(super) fn activation(&mut self, or_none: bool) -> Option<Value> {
        if let Some((name, node)) = self.single()
            && name.text == "leaky_relu"
        {
            let slope = self.at(node).slope()?;
            return Some(Value::Activation(Some(Activation::LeakyRelu { slope })));
        }
        let none = or_none.then_some(("none", None)).into_iter();
        let known: Vec<_> = none.chain(Activation::ALL.map(|known| (known.name(), Some(known)))).collect();
        self.named("an activation", &known).map(Value::Activation)
    }

    /// The slope of a leaky ReLU.
    fn slope(&mut self) -> Option<f64> {
        self.number("a slope of at least 0, such as 0.2", |slope| slope >= 0.0)
    }

    /// How weights start: `{normal: STD}`, `xavier_uniform`, ….
    pub(super) fn init(&mut self) -> Option<Value> {
        let (name, span, given) = match (self.single(), self.node.text()) {
            (Some((name, node)), _) => (name.text.as_str(), &name.span, Some(node)),
            (None, Some(text)) if text.parse::<f64>().is_err() => (text, &self.node.span, None),
            _ => {
                self.expected(&format!("initial weights, such as {}", Init::ALL[0]));
                return None;
            }
        };
        let Some(known) = Init::ALL.into_iter().find(|init| init.name() == name) else {
            let names = Init::ALL.map(Init::name);
            self.mistakes.unknown(self.path, span, "a way to start weights", name, &names);
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
            Init::XavierUniform | Init::XavierNormal | Init::HeUniform | Init::HeNormal => {
                if given.is_some() {
                    let message = format!("`{name}` takes no number: the spread follows from the layer's sizes");
                    self.mistakes.advise(self.path, span, message, format!("write `{name}`"));
                    return None;
                }
                known
            }
        };
        Some(Value::Init(init))
    }
}
