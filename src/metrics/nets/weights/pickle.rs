//! Python's pickle, as far as a dictionary of tensors by `torch.save` needs it: protocol 2, and of all functions only those that make
//! ordered dictionaries and tensors. Nothing is executed, whatever the file says.

use std::collections::HashMap;

use super::Flaw;

/// The most bytes that are read of one pickle; that of the largest network in use has a tenth.
const MOST: usize = 1 << 20;
/// The most bytes of a name, and the most dimensions of a tensor: both are copied each time that the pickle refers to them.
const LONGEST: usize = 1000;
const DIMENSIONS: usize = 8;

/// A value's place among all values: that way values may be shared and changed after others refer to them, as in Python.
type Id = usize;

/// A value.
#[derive(Clone, Debug)]
enum Value {
    /// `None`.
    Null,
    /// True or false: nothing depends on it.
    Bool,
    Int(i64),
    Text(String),
    /// A class or function, "module name".
    Global(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage(Storage),
    Tensor(Tensor),
}

/// Numbers that lie elsewhere in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    /// Their type, as `FloatStorage`.
    pub kind: String,
    /// The name under which they lie there.
    pub key: String,
    /// How many there are.
    pub count: usize,
}

/// How a tensor lies in its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub storage: Storage,
    /// The first number.
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What a pickle comes to.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    root: Id,
    /// Bytes that it takes.
    pub length: usize,
}

impl Pickle {
    /// Reads the pickle at the beginning of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let bytes = &bytes[..bytes.len().min(MOST)];
        Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }.run()
    }

    /// The tensors of a dictionary, with their names.
    pub(super) fn tensors(&self) -> Result<HashMap<String, Tensor>, Flaw> {
        let Value::Dict(entries) = &self.values[self.root] else {
            return Err(Flaw::Format("expected a dictionary of tensors, found something else".to_owned()));
        };
        let tensor = |&(name, value): &(Id, Id)| match (&self.values[name], &self.values[value]) {
            (Value::Text(name), Value::Tensor(tensor)) => Some((name.clone(), tensor.clone())),
            _ => None,
        };
        Ok(entries.iter().filter_map(tensor).collect())
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Result<Vec<&str>, Flaw> {
        let none = || Flaw::Format("expected the list of storages, found something else".to_owned());
        let Value::List(items) = &self.values[self.root] else { return Err(none()) };
        let text = |&item: &Id| match &self.values[item] {
            Value::Text(text) => Ok(text.as_str()),
            _ => Err(none()),
        };
        items.iter().map(text).collect()
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
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
                    "the pickle has an operation that weights have no need of, {operation:#04x} at its byte {start}"
                );
                return Err(Flaw::Format(what));
            }
        }
    }

    /// One operation; false where it is not known.
    fn step(&mut self, operation: u8) -> Result<bool, Flaw> {
        match operation {
            0x80 => drop(self.take::<1>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::Null),
            0x88 | 0x89 => self.push(Value::Bool),
            b'K' => {
                let [byte] = self.take()?;
                self.push(Value::Int(byte.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()));
            }
            0x8a => {
                let [length] = self.take()?;
                let value = integer(self.slice(length.into())?).ok_or_else(|| self.wrong("a number beyond 64 bits"))?;
                self.push(Value::Int(value));
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
                self.push(Value::Global(format!("{module} {name}")));
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(operation - 0x84))?;
                self.push(Value::Tuple(items));
            }
            b't' => {
                let items = self.pop_marked()?;
                self.push(Value::Tuple(items));
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
                let id = *self.memo.get(&key).ok_or_else(|| self.wrong("a reference to nothing"))?;
                self.stack.push(id);
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id).ok_or_else(|| self.wrong("a storage that is none"))?;
                self.push(Value::Storage(storage));
            }
            b'R' => self.call()?,
            // What an ordered dictionary knows beside its entries.
            b'b' => drop(self.pop()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A function with its arguments.
    fn call(&mut self) -> Result<(), Flaw> {
        let [function, arguments] = self.pop_many(2)?[..] else { return Err(self.wrong("a call without a function")) };
        let (Value::Global(function), Value::Tuple(arguments)) = (&self.values[function], &self.values[arguments])
        else {
            return Err(self.wrong("a call without a function"));
        };
        match (function.as_str(), &arguments[..]) {
            ("collections OrderedDict", []) => self.push(Value::Dict(Vec::new())),
            ("torch._utils _rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                let tensor = self.tensor([*storage, *offset, *shape, *strides]);
                let tensor = tensor.ok_or_else(|| self.wrong("a tensor that is none"))?;
                self.push(Value::Tensor(tensor));
            }
            ("torch._utils _rebuild_parameter", [tensor, ..]) => self.stack.push(*tensor),
            (other, _) => {
                return Err(Flaw::Format(format!(
                    "expected weights alone, but the pickle calls `{}`",
                    other.replace(' ', ".").escape_debug()
                )));
            }
        }
        Ok(())
    }

    fn storage(&self, id: Id) -> Option<Storage> {
        let Value::Tuple(parts) = &self.values[id] else { return None };
        // The last may be a view into another storage, which PyTorch stopped writing in 2017.
        let (parts, view) = parts.split_at_checked(5)?;
        if !view.iter().all(|&id| matches!(self.values[id], Value::Null)) {
            return None;
        }
        match [0, 1, 2, 4].map(|at| &self.values[parts[at]]) {
            [Value::Text(word), Value::Global(kind), Value::Text(key), Value::Int(count)] if word == "storage" => {
                let kind = kind.strip_prefix("torch ")?.to_owned();
                Some(Storage { kind, key: key.clone(), count: usize::try_from(*count).ok()? })
            }
            _ => None,
        }
    }

    fn tensor(&self, parts: [Id; 4]) -> Option<Tensor> {
        let sizes = |items: &[Id]| {
            let size = |&id: &Id| match self.values[id] {
                Value::Int(size) => usize::try_from(size).ok(),
                _ => None,
            };
            items.iter().map(size).collect::<Option<Vec<usize>>>()
        };
        match parts.map(|id| &self.values[id]) {
            [Value::Storage(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides)]
                if shape.len() == strides.len() && shape.len() <= DIMENSIONS =>
            {
                let (storage, offset) = (storage.clone(), usize::try_from(*offset).ok()?);
                Some(Tensor { storage, offset, shape: sizes(shape)?, strides: sizes(strides)? })
            }
            _ => None,
        }
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Flaw> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            _ => return Err(self.wrong("an item of something that is no list")),
        }
        Ok(())
    }

    fn set(&mut self, entries: &[Id]) -> Result<(), Flaw> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(dict) if entries.len().is_multiple_of(2) => {
                dict.extend(entries.chunks_exact(2).map(|entry| (entry[0], entry[1])));
            }
            _ => return Err(self.wrong("an entry of something that is no dictionary")),
        }
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Flaw> {
        if length > LONGEST {
            return Err(self.wrong("a text that is too long"));
        }
        let text = String::from_utf8_lossy(self.slice(length)?).into_owned();
        self.push(Value::Text(text));
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

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn top(&self) -> Result<Id, Flaw> {
        self.stack.last().copied().ok_or_else(|| self.wrong("a value too few"))
    }

    fn pop(&mut self) -> Result<Id, Flaw> {
        self.stack.pop().ok_or_else(|| self.wrong("a value too few"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Flaw> {
        let rest = self.stack.len().checked_sub(count).ok_or_else(|| self.wrong("a value too few"))?;
        Ok(self.stack.split_off(rest))
    }

    fn pop_marked(&mut self) -> Result<Vec<Id>, Flaw> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(|| self.wrong("the end of something without a beginning"))?))
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
        Flaw::Format(format!(
            "the pickle breaks off: it goes on after its byte {}, where it should end",
            self.bytes.len()
        ))
    }

    fn wrong(&self, what: &str) -> Flaw {
        Flaw::Format(format!("the pickle is damaged: {what} before its byte {}", self.at))
    }
}

/// A whole number in two's complement of any length up to eight bytes.
fn integer(bytes: &[u8]) -> Option<i64> {
    let sign = bytes.last().map_or(0, |&last| if last >= 0x80 { 0xff } else { 0 });
    let mut whole = [sign; 8];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(whole))
}
