//! Reads Python's pickle format, as far as a dictionary of tensors by `torch.save` needs it: protocol 2, and only the
//! functions that build ordered dictionaries and tensors. Nothing is ever executed, whatever the file contains.

use std::collections::HashMap;

use super::Flaw;

/// The most bytes read of one pickle. The largest network in use needs a tenth of that.
const MOST: usize = 1 << 20;
/// The longest name in bytes, and the most dimensions of a tensor. Both are copied each time the pickle refers to them.
const LONGEST: usize = 1000;
const DIMENSIONS: usize = 8;

/// The index of a value among all values. As in Python, values may be shared, and changed after others refer to them.
type ValueIndex = usize;

/// A value in a pickle.
#[derive(Clone, Debug)]
enum PickleValue {
    /// `None`.
    Null,
    /// True or false. Nothing depends on which.
    Bool,
    Int(i64),
    Text(String),
    /// A class or function, as "module name".
    Global(String),
    Tuple(Vec<ValueIndex>),
    List(Vec<ValueIndex>),
    Dict(Vec<(ValueIndex, ValueIndex)>),
    Storage(Storage),
    Tensor(Tensor),
}

/// Numbers stored elsewhere in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Their type, such as `FloatStorage`.
    pub kind: String,
    /// The name under which they are stored.
    pub key: String,
    /// The number of values.
    pub count: usize,
}

/// How a tensor is laid out in its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub storage: Storage,
    /// The index of its first number.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The contents of a pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<PickleValue>,
    root: ValueIndex,
    /// Its length in bytes.
    pub length: usize,
}

impl Pickle {
    /// Reads the pickle at the start of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let bytes = &bytes[..bytes.len().min(MOST)];
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }.run()
    }

    /// Returns the tensors of a dictionary, by name.
    pub(super) fn tensors(&self) -> Result<HashMap<String, Tensor>, Flaw> {
        let PickleValue::Dict(entries) = &self.values[self.root] else {
            return Err(Flaw::Format("expected a dictionary of tensors".to_owned()));
        };
        let tensor = |&(name, value): &(ValueIndex, ValueIndex)| match (&self.values[name], &self.values[value]) {
            (PickleValue::Text(name), PickleValue::Tensor(tensor)) => Some((name.clone(), tensor.clone())),
            _ => None,
        };
        Ok(entries.iter().filter_map(tensor).collect())
    }

    /// Returns the texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<&str>, Flaw> {
        let none = || Flaw::Format("expected a list of storages".to_owned());
        let PickleValue::List(items) = &self.values[self.root] else { return Err(none()) };
        let text = |&item: &ValueIndex| match &self.values[item] {
            PickleValue::Text(text) => Ok(text.as_str()),
            _ => Err(none()),
        };
        items.iter().map(text).collect()
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<PickleValue>,
    stack: Vec<ValueIndex>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, ValueIndex>,
}

impl Machine<'_> {
    fn run(mut self) -> Result<Pickle, Flaw> {
        loop {
            let start = self.at;
            let [operation] = self.take()?;
            if operation == b'.' {
                let root = self.pop()?;
                return Ok(Pickle { values: self.values, root, length: self.at });
            }
            if !self.step(operation)? {
                let what = format!(
                    "the pickle has an operation that weights don't need, {operation:#04x} at its byte {start}"
                );
                return Err(Flaw::Format(what));
            }
        }
    }

    /// Runs one operation. Returns false if it is unknown.
    fn step(&mut self, operation: u8) -> Result<bool, Flaw> {
        match operation {
            0x80 => drop(self.take::<1>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(PickleValue::Null),
            0x88 | 0x89 => self.push(PickleValue::Bool),
            b'K' => {
                let [byte] = self.take()?;
                self.push(PickleValue::Int(byte.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(PickleValue::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(PickleValue::Int(value.into()));
            }
            0x8a => {
                let [length] = self.take()?;
                let value = integer(self.slice(length.into())?).ok_or_else(|| {
                    self.wrong(
                        "a number of more than 64 \
                    bits",
                    )
                })?;
                self.push(PickleValue::Int(value));
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(length as usize)?;
            }
            b'U' => {
                let [length] = self.take()?;
                self.text(length.into())?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(PickleValue::Global(format!("{module} {name}")));
            }
            b'}' => self.push(PickleValue::Dict(Vec::new())),
            b']' => self.push(PickleValue::List(Vec::new())),
            b')' => self.push(PickleValue::Tuple(Vec::new())),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(operation - 0x84))?;
                self.push(PickleValue::Tuple(items));
            }
            b't' => {
                let items = self.pop_marked()?;
                self.push(PickleValue::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.pop_marked()?;
                self.append(&items)?;
            }
            b's' => {
                let entry = self.pop_many(2)?;
                self.set(&entry)?;
            }
            b'u' => {
                let entries = self.pop_marked()?;
                self.set(&entries)?;
            }
            b'q' | b'r' => {
                let key = self.key(operation == b'r')?;
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            b'h' | b'j' => {
                let key = self.key(operation == b'j')?;
                let id = *self.memo.get(&key).ok_or_else(|| self.wrong("a reference to a missing value"))?;
                self.stack.push(id);
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id).ok_or_else(|| self.wrong("an invalid storage"))?;
                self.push(PickleValue::Storage(storage));
            }
            b'R' => self.call()?,
            // Attributes of an ordered dictionary, which are not needed.
            b'b' => drop(self.pop()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Calls a function with its arguments.
    fn call(&mut self) -> Result<(), Flaw> {
        let [function, arguments] = self.pop_many(2)?[..] else { return Err(self.wrong("a call without a function")) };
        let (PickleValue::Global(function), PickleValue::Tuple(arguments)) =
            (&self.values[function], &self.values[arguments])
        else {
            return Err(self.wrong("a call without a function"));
        };
        match (function.as_str(), &arguments[..]) {
            ("collections OrderedDict", []) => self.push(PickleValue::Dict(Vec::new())),
            ("torch._utils _rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor([*storage, *offset, *shape, *strides]);
                let tensor = tensor.ok_or_else(|| self.wrong("an invalid tensor"))?;
                self.push(PickleValue::Tensor(tensor));
            }
            ("torch._utils _rebuild_parameter", [tensor, ..]) => self.stack.push(*tensor),
            (other, _) => {
                return Err(Flaw::Format(format!(
                    "expected only weights, but the pickle calls `{}`",
                    other.replace(' ', ".").escape_debug()
                )));
            }
        }
        Ok(())
    }

    fn storage(&self, id: ValueIndex) -> Option<Storage> {
        let PickleValue::Tuple(parts) = &self.values[id] else { return None };
        // The last part may be a view into another storage, which PyTorch stopped writing in 2017.
        let (parts, view) = parts.split_at_checked(5)?;
        if !view.iter().all(|&id| matches!(self.values[id], PickleValue::Null)) {
            return None;
        }
        match [0, 1, 2, 4].map(|at| &self.values[parts[at]]) {
            [PickleValue::Text(word), PickleValue::Global(kind), PickleValue::Text(key), PickleValue::Int(count)]
                if word == "storage" =>
            {
                let kind = kind.strip_prefix("torch ")?.to_owned();
                Some(Storage { kind, key: key.clone(), count: usize::try_from(*count).ok()? })
            }
            _ => None,
        }
    }

    fn tensor(&self, parts: [ValueIndex; 4]) -> Option<Tensor> {
        let sizes = |items: &[ValueIndex]| {
            let size = |&id: &ValueIndex| match self.values[id] {
                PickleValue::Int(size) => usize::try_from(size).ok(),
                _ => None,
            };
            items.iter().map(size).collect::<Option<Vec<usize>>>()
        };
        match parts.map(|id| &self.values[id]) {
            [
                PickleValue::Storage(storage),
                PickleValue::Int(offset),
                PickleValue::Tuple(shape),
                PickleValue::Tuple(strides),
            ] if shape.len() == strides.len() && shape.len() <= DIMENSIONS => {
                let (storage, offset) = (storage.clone(), usize::try_from(*offset).ok()?);
                Some(Tensor { storage, offset, shape: sizes(shape)?, strides: sizes(strides)? })
            }
            _ => None,
        }
    }

    fn append(&mut self, items: &[ValueIndex]) -> Result<(), Flaw> {
        let top = self.top()?;
        match &mut self.values[top] {
            PickleValue::List(list) => list.extend(items),
            _ => return Err(self.wrong("an item of something that is not a list")),
        }
        Ok(())
    }

    fn set(&mut self, entries: &[ValueIndex]) -> Result<(), Flaw> {
        let top = self.top()?;
        match &mut self.values[top] {
            PickleValue::Dict(dict) if entries.len().is_multiple_of(2) => {
                dict.extend(entries.chunks_exact(2).map(|entry| (entry[0], entry[1])));
            }
            _ => return Err(self.wrong("an entry of something that is not a dictionary")),
        }
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Flaw> {
        if length > LONGEST {
            return Err(self.wrong("a text that is too long"));
        }
        let text = String::from_utf8_lossy(self.slice(length)?).into_owned();
        self.push(PickleValue::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String, Flaw> {
        let length = self.bytes[self.at..].iter().position(|&byte| byte == b'\n').ok_or_else(|| self.torn())?;
        if length > LONGEST {
            return Err(self.wrong("a name that is too long"));
        }
        let line = String::from_utf8_lossy(self.slice(length)?).into_owned();
        self.take::<1>()?;
        Ok(line)
    }

    fn key(&mut self, long: bool) -> Result<u32, Flaw> {
        if long {
            return Ok(u32::from_le_bytes(self.take()?));
        }
        let [key] = self.take()?;
        Ok(key.into())
    }

    fn push(&mut self, value: PickleValue) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<ValueIndex, Flaw> {
        self.stack.last().copied().ok_or_else(|| self.wrong("a missing value"))
    }

    fn pop(&mut self) -> Result<ValueIndex, Flaw> {
        self.stack.pop().ok_or_else(|| self.wrong("a missing value"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<ValueIndex>, Flaw> {
        let rest = self.stack.len().checked_sub(count).ok_or_else(|| self.wrong("a missing value"))?;
        Ok(self.stack.split_off(rest))
    }

    fn pop_marked(&mut self) -> Result<Vec<ValueIndex>, Flaw> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(|| self.wrong("an end without a start"))?))
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], Flaw> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or_else(|| self.torn())?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(N)?);
        Ok(out)
    }

    fn torn(&self) -> Flaw {
        Flaw::Format(format!("the pickle is truncated after its byte {}", self.bytes.len()))
    }

    fn wrong(&self, what: &str) -> Flaw {
        Flaw::Format(format!("the pickle is damaged: {what} before its byte {}", self.at))
    }
}

/// Reads a little-endian integer in two's complement, of up to eight bytes.
fn integer(bytes: &[u8]) -> Option<i64> {
    let sign = bytes.last().map_or(0, |&last| if last >= 0x80 { 0xff } else { 0 });
    let mut whole = [sign; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}
