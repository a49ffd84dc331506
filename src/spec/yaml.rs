//! YAML with positions: a tree of nodes that know where they stand in the text.
//!
//! Built on the events of `saphyr-parser` without recursion, so that no text can overflow the stack. Aliases are
//! copied, and depth and number of nodes are limited, so that no text can fill the memory.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Maximum size of a file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Maximum nesting depth of lists and maps.
const MAX_DEPTH: usize = 32;
/// Maximum number of nodes, with aliases counted each time.
const MAX_NODES: usize = 200_000;
/// Maximum number of characters of a value that a message shows.
const MAX_SHOWN: usize = 40;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The value.
    pub content: Content,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One word, number or text.
    Scalar {
        /// The text without quotes and escapes.
        text: String,
        /// Whether it has no quotes in the file: then it may be a number, a truth value or null.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map in file order; keys may repeat.
    Map(Vec<(Name, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// The key.
    pub text: String,
}

/// Text that is not valid YAML, or uses YAML that this program does not accept.
#[derive(Clone, Debug, PartialEq)]
pub struct Syntax {
    /// Where it is wrong.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

impl Node {
    /// Returns the value as `serde_yaml` would: plain scalars that look like numbers, truth values or null become such.
    pub fn value(&self) -> serde_yaml::Value {
        use serde_yaml::Value;
        match &self.content {
            Content::Scalar { text, plain: true } => match serde_yaml::from_str(text) {
                Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
                _ => Value::String(text.clone()),
            },
            Content::Scalar { text, plain: false } => Value::String(text.clone()),
            Content::List(nodes) => nodes.iter().map(Node::value).collect(),
            Content::Map(entries) => {
                Value::Mapping(entries.iter().map(|(key, node)| (key.text.clone().into(), node.value())).collect())
            }
        }
    }

    /// Describes it for "expected a number, found …".
    pub fn describe(&self) -> String {
        let short = |text: &str| text.chars().count() <= MAX_SHOWN;
        match &self.content {
            Content::Scalar { .. } if self.is_nothing() => "nothing".to_owned(),
            Content::Scalar { text, .. } if !short(text) => "a long text".to_owned(),
            Content::Scalar { text, plain: true } => format!("`{text}`"),
            Content::Scalar { text, plain: false } => format!("the text \"{text}\""),
            Content::List(nodes) if nodes.is_empty() => "an empty list".to_owned(),
            Content::Map(entries) if entries.is_empty() => "an empty map".to_owned(),
            Content::List(nodes) => match self.flow() {
                text if short(&text) => format!("the list `{text}`"),
                _ => format!("a list of {}", nodes.len()),
            },
            Content::Map(entries) => match self.flow() {
                text if short(&text) => format!("the map `{text}`"),
                _ => format!("a map of {}", entries.len()),
            },
        }
    }

    /// Returns whether there is no value: nothing after a colon or a dash, `~` or `null`.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.content, Content::Scalar { plain: true, .. }) && self.value().is_null()
    }

    /// Returns the node on one line; long ones are cut.
    fn flow(&self) -> String {
        // Recursion is safe here: no node is deeper than MAX_DEPTH.
        let inside = |items: &mut dyn Iterator<Item = String>| {
            let mut text = String::new();
            for item in items {
                if !text.is_empty() {
                    text.push_str(", ");
                }
                text.push_str(&item);
                if text.len() > MAX_SHOWN * '\u{10ffff}'.len_utf8() {
                    break;
                }
            }
            text
        };
        match &self.content {
            Content::Scalar { text, plain: true } => text.clone(),
            Content::Scalar { text, plain: false } => format!("{text:?}"),
            Content::List(nodes) => format!("[{}]", inside(&mut nodes.iter().map(Node::flow))),
            Content::Map(entries) => {
                let entry = |(key, node): &(Name, Node)| format!("{}: {}", key.text, node.flow());
                format!("{{{}}}", inside(&mut entries.iter().map(entry)))
            }
        }
    }

    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    fn nodes(&self) -> usize {
        // Recursion is safe here: no node is deeper than MAX_DEPTH.
        1 + match &self.content {
            Content::Scalar { .. } => 0,
            Content::List(nodes) => nodes.iter().map(Node::nodes).sum(),
            Content::Map(entries) => entries.iter().map(|(_, node)| 1 + node.nodes()).sum(),
        }
    }

    fn depth(&self) -> usize {
        match &self.content {
            Content::Scalar { .. } => 0,
            Content::List(nodes) => 1 + nodes.iter().map(Node::depth).max().unwrap_or(0),
            Content::Map(entries) => 1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or(0),
        }
    }
}

/// A list or map that is not finished.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
    /// In a map, the key whose value comes next.
    key: Option<Name>,
}

/// Parses the single document in `text`; an empty text is an empty map.
pub fn load(text: &str) -> Result<Node, Syntax> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, but at most {MAX_BYTES} are allowed", text.len());
        return Err(Syntax { span: 0..0, message });
    }
    // A byte order mark is not content. Removing it shifts positions, which `skipped` corrects.
    let (text, skipped) = text.strip_prefix('\u{feff}').map_or((text, 0), |rest| (rest, '\u{feff}'.len_utf8()));
    // The parser counts characters; everything else here counts bytes.
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at + skipped).chain([text.len() + skipped]).collect();
    let byte = |character: usize| bytes[character.min(bytes.len() - 1)];

    let mut parser = Parser::new_from_str(text);
    let mut loader = Loader::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let at = byte(error.marker().index());
            Syntax { span: at..at, message: format!("not valid YAML: {}", error.info()) }
        })?;
        let span = byte(span.start.index())..byte(span.end.index());
        loader.event(event, span.clone()).map_err(|message| Syntax { span, message })?;
    }
    Ok(loader.root.unwrap_or(Node { span: 0..0, content: Content::Map(Vec::new()) }))
}

#[derive(Default)]
struct Loader {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Loader {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => {
                Err("a second document starts here, but a sweep file has only one".to_owned())
            }
            Event::DocumentStart(_) => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                refuse(tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                self.add(Node { span, content: Content::Scalar { text: text.into_owned(), plain } }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse(tag.is_some())?;
                self.start(Open { start: span.start, anchor, content: Content::List(Vec::new()), key: None })
            }
            Event::MappingStart(anchor, tag) => {
                refuse(tag.is_some())?;
                self.start(Open { start: span.start, anchor, content: Content::Map(Vec::new()), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { start, anchor, content, .. }) => {
                    // A flow collection ends at its bracket. For the end of a block, the parser's position is after the
                    // empty lines and comments that follow.
                    let block = if span.is_empty() { last_end(&content) } else { None };
                    let end = block.unwrap_or(span.end).max(start);
                    self.add(Node { span: start..end, content }, anchor)
                }
                None => Err("an end without a start".to_owned()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let node = node.clone();
                    if self.open.len() + node.depth() > MAX_DEPTH {
                        return Err(too_deep());
                    }
                    self.nodes += node.nodes();
                    self.add(node, 0)
                }
                None => Err("an alias inside the value that it refers to".to_owned()),
            },
        }
    }

    fn start(&mut self, open: Open) -> Result<(), String> {
        if let Some(Open { content: Content::Map(_), key: None, .. }) = self.open.last() {
            return Err("a key must be a word, not a list or a map".to_owned());
        }
        self.open.push(open);
        if self.open.len() > MAX_DEPTH { Err(too_deep()) } else { Ok(()) }
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values (aliases count each time)"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { content: Content::List(nodes), .. }) => nodes.push(node),
            Some(Open { content: Content::Map(entries), key, .. }) => match (key.take(), node.content) {
                (Some(key), content) => entries.push((key, Node { span: node.span, content })),
                (None, Content::Scalar { text, .. }) => *key = Some(Name { span: node.span, text }),
                (None, Content::List(_) | Content::Map(_)) => {
                    return Err("a key must be a word, not a list or a map".to_owned());
                }
            },
            Some(Open { content: Content::Scalar { .. }, .. }) => {}
        }
        Ok(())
    }
}

/// Returns a value that is not in a file, such as one on a command line.
pub(super) fn scalar(text: &str) -> Node {
    Node { span: 0..text.len(), content: Content::Scalar { text: text.to_owned(), plain: true } }
}

/// Returns where the last value ends.
fn last_end(content: &Content) -> Option<usize> {
    match content {
        Content::Scalar { .. } => None,
        Content::List(nodes) => nodes.last().map(|node| node.span.end),
        Content::Map(entries) => entries.last().map(|(_, node)| node.span.end),
    }
}

fn refuse(tagged: bool) -> Result<(), String> {
    if tagged { Err("tags (`!…`) are not allowed in a sweep file".to_owned()) } else { Ok(()) }
}

fn too_deep() -> String {
    format!("lists and maps are nested more than {MAX_DEPTH} deep")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_bytes_of_the_text() {
        for text in ["é: [1, \"ü\"]\nb:\n  - x\n\n# end\n", "\u{feff}é: [1, \"ü\"]\r\nb:\r\n  - x\r\n"] {
            let Content::Map(entries) = load(text).unwrap().content else { panic!() };
            let cut: Vec<_> =
                entries.iter().map(|(key, node)| (&text[key.span.clone()], &text[node.span.clone()])).collect();
            assert_eq!(cut[0].0, "é");
            assert_eq!(cut[0].1, "[1, \"ü\"]");
            assert_eq!(cut[1], ("b", "- x"));
        }
    }

    #[test]
    fn plain_scalars_have_types_and_quoted_ones_do_not() {
        let node = load("[2e-4, 1e3, 7, true, ~, \"7\", word, .inf, 0x10, -0.5, 1_000]").unwrap();
        let json = serde_json::to_string(&node.value().as_sequence().unwrap()[..7]).unwrap();
        assert_eq!(json, r#"[0.0002,1000.0,7,true,null,"7","word"]"#);
    }

    #[test]
    fn values_are_told_by_what_they_are() {
        for (text, expected) in [
            ("", "nothing"),
            ("~", "nothing"),
            ("null", "nothing"),
            ("7", "`7`"),
            ("\"\"", "the text \"\""),
            ("\"null\"", "the text \"null\""),
            ("[]", "an empty list"),
            ("{}", "an empty map"),
            ("[0.5, [a, \"b\"]]", "the list `[0.5, [a, \"b\"]]`"),
            ("{a: {b: ~}}", "the map `{a: {b: ~}}`"),
        ] {
            let Content::Map(entries) = load(&format!("key: {text}")).unwrap().content else { panic!() };
            assert_eq!(entries[0].1.describe(), expected, "{text}");
        }
        let described = |text: &str| load(text).unwrap().describe();
        assert_eq!(described(&format!("[{}]", "1, ".repeat(100))), "a list of 100");
        assert_eq!(described(&format!("{{{}: 1, b: 2}}", "a".repeat(100))), "a map of 2");
        assert_eq!(described(&"x".repeat(41)), "a long text");
    }

    #[test]
    fn hostile_texts_are_errors() {
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
            + &('b'..='i').zip('a'..).fold(String::new(), |text, (name, of)| {
                text + &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(", "))
            });
        for text in [
            "[".repeat(100_000),
            "- ".repeat(100_000),
            "? ".repeat(100_000),
            "{a: ".repeat(100_000),
            "x".repeat(MAX_BYTES + 1),
            "a: &x [*x]".to_owned(),
            "a: *nowhere".to_owned(),
            "a: !!binary x".to_owned(),
            "a: 1\n---\nb: 2".to_owned(),
            "[1, 2]: 3".to_owned(),
            bomb,
        ] {
            assert!(load(&text).is_err(), "{}", &text[..text.len().min(60)]);
        }
        assert_eq!(load("a: &x [1]\nb: *x").unwrap().nodes(), 7);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\PC|[\\n\\t:#\\[\\]{}&*!|>'\"-]| )*") {
            let _ = load(&text);
        }
    }
}
