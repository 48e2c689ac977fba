//! Reads a pickle as data: an interpreter for the opcodes that encode plain dicts, lists, numbers, strings and numpy
//! arrays. It cannot call anything: REDUCE and BUILD recognise the four constructs that numpy writes and record them;
//! any other name is an error.
//!
//! Values are stored in one list and refer to each other by index, so that neither depth nor sharing costs more than
//! the opcodes that express them: each opcode creates at most one value, and each reference takes at least one byte of
//! the file. Strings and the content of arrays remain slices of the file until they are needed.

use std::collections::HashMap;

use crate::error::{Fault, malformed, printable, unsupported};

/// Far more values than a model has (a few thousand).
const MAX_VALUES: usize = 1 << 20;

/// A value's index.
pub(super) type Id = u32;

/// The four accepted names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Reconstruct,
    NdArray,
    Dtype,
    Encode,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// Bytes, stored directly.
    Bytes(&'a [u8]),
    /// Bytes written as text, one character per byte.
    Latin1(&'a str),
    /// `dtype(code)`; its byte order is set by BUILD.
    Dtype {
        code: &'a str,
        order: Option<&'a str>,
    },
    /// An array; its state (version, shape, dtype, order, content) is set by BUILD.
    Array {
        state: Option<Id>,
    },
}

/// All values, and the root.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    pub root: Id,
}

impl<'a> Pickle<'a> {
    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut machine =
            Machine { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        Ok(Self { values: machine.values, root })
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One opcode; the root at STOP.
    fn step(&mut self) -> Result<Option<Id>, Fault> {
        let place = self.at;
        let opcode = self.take(1)?[0];
        match opcode {
            0x80 => self.protocol()?,
            0x95 => drop(self.take(8)?), // FRAME
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' | b'K' | b'M' | 0x8a => self.integer(opcode)?,
            b'G' => {
                let v = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(v))?;
            }
            b'X' | 0x8c => {
                let text = self.text(opcode == b'X')?;
                self.push(Value::Text(text))?;
            }
            b'B' | b'C' => {
                let n = self.length(opcode == b'B')?;
                let bytes = self.take(n)?;
                self.push(Value::Bytes(bytes))?;
            }
            b')' => self.push(Value::Tuple(Vec::new()))?,
            0x85..=0x87 => self.short_tuple((opcode - 0x84) as usize)?,
            b't' => {
                let items = self.marked()?;
                self.push(Value::Tuple(items))?;
            }
            b']' => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'a' => self.append(1)?,
            b'e' => self.append_marked()?,
            b's' => self.set_items(2)?,
            b'u' => self.set_marked()?,
            b'q' | b'r' | 0x94 => self.memoize(opcode)?,
            b'h' | b'j' => self.recall(opcode)?,
            b'c' => self.global()?,
            0x93 => self.stack_global()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'i' => self.global()?, // INST: names a class, then instantiates it
            b'P' | b'Q' => {
                return unsupported(
                    "the pickle refers to tensors stored elsewhere (a PyTorch checkpoint); numpy arrays are expected",
                );
            }
            _ => {
                return unsupported(format!(
                    "the pickle uses opcode 0x{opcode:02x} at byte {place}; only plain data is supported"
                ));
            }
        }
        Ok(None)
    }

    // ---- bytes ----

    fn take(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        let slice = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        match slice {
            Some(slice) => {
                self.at += n;
                Ok(slice)
            }
            None => malformed(format!("the pickle ends early, at byte {}", self.bytes.len())),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut a = [0; N];
        a.copy_from_slice(self.take(N)?);
        Ok(a)
    }

    fn length(&mut self, long: bool) -> Result<usize, Fault> {
        Ok(if long { u32::from_le_bytes(self.array()?) as usize } else { self.take(1)?[0] as usize })
    }

    fn text(&mut self, long: bool) -> Result<&'a str, Fault> {
        let n = self.length(long)?;
        std::str::from_utf8(self.take(n)?).or_else(|_| malformed("the pickle has a string that is not UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, Fault> {
        let rest = &self.bytes[self.at..];
        let Some(n) = rest.iter().take(1024).position(|&b| b == b'\n') else {
            return malformed("the pickle has a name without an end");
        };
        let line = &self.take(n + 1)?[..n];
        std::str::from_utf8(line).or_else(|_| malformed("the pickle has a name that is not UTF-8"))
    }

    fn protocol(&mut self) -> Result<(), Fault> {
        match self.take(1)?[0] {
            2..=5 => Ok(()),
            p => unsupported(format!("the pickle has protocol {p}; 2 to 5 are supported")),
        }
    }

    fn integer(&mut self, opcode: u8) -> Result<(), Fault> {
        let v = match opcode {
            b'J' => i32::from_le_bytes(self.array()?) as i64,
            b'K' => self.take(1)?[0] as i64,
            b'M' => u16::from_le_bytes(self.array()?) as i64,
            _ => self.long()?,
        };
        self.push(Value::Int(v))
    }

    /// LONG1: up to eight bytes, two's complement.
    fn long(&mut self) -> Result<i64, Fault> {
        let n = self.length(false)?;
        let bytes = self.take(n)?;
        if n > 8 {
            return unsupported(format!("the pickle has an integer of {n} bytes"));
        }
        let sign = if bytes.last().is_some_and(|&b| b >= 0x80) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        wide[..n].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    // ---- stack ----

    fn push(&mut self, v: Value<'a>) -> Result<(), Fault> {
        if self.values.len() >= MAX_VALUES {
            return malformed(format!("the pickle has more than {MAX_VALUES} values"));
        }
        self.stack.push(self.values.len() as Id);
        self.values.push(v);
        Ok(())
    }

    /// The number of values above the innermost MARK: only these may be popped.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        if self.stack.len() > self.floor()
            && let Some(id) = self.stack.pop()
        {
            return Ok(id);
        }
        malformed("the pickle takes from an empty stack")
    }

    fn top(&self) -> Result<Id, Fault> {
        match self.stack.last() {
            Some(&id) if self.stack.len() > self.floor() => Ok(id),
            _ => malformed("the pickle takes from an empty stack"),
        }
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>, Fault> {
        match self.stack.len().checked_sub(n) {
            Some(from) if from >= self.floor() => Ok(self.stack.split_off(from)),
            _ => malformed("the pickle takes from an empty stack"),
        }
    }

    fn marked(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => malformed("the pickle ends a collection that it has not started"),
        }
    }

    fn short_tuple(&mut self, n: usize) -> Result<(), Fault> {
        let items = self.pop_many(n)?;
        self.push(Value::Tuple(items))
    }

    fn append(&mut self, n: usize) -> Result<(), Fault> {
        let items = self.pop_many(n)?;
        self.extend_list(items)
    }

    fn append_marked(&mut self) -> Result<(), Fault> {
        let items = self.marked()?;
        self.extend_list(items)
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let list = self.top()?;
        match &mut self.values[list as usize] {
            Value::List(l) => l.extend(items),
            _ => return malformed("the pickle appends to a value that is not a list"),
        }
        Ok(())
    }

    fn set_items(&mut self, n: usize) -> Result<(), Fault> {
        let items = self.pop_many(n)?;
        self.extend_dict(&items)
    }

    fn set_marked(&mut self) -> Result<(), Fault> {
        let items = self.marked()?;
        self.extend_dict(&items)
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), Fault> {
        let dict = self.top()?;
        match &mut self.values[dict as usize] {
            Value::Dict(d) if items.len().is_multiple_of(2) => d.extend(items.chunks_exact(2).map(|p| (p[0], p[1]))),
            _ => return malformed("the pickle sets items of a value that is not a dict"),
        }
        Ok(())
    }

    fn memoize(&mut self, opcode: u8) -> Result<(), Fault> {
        let key = match opcode {
            b'q' => self.take(1)?[0] as u32,
            b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Fault> {
        let key = if opcode == b'h' { self.take(1)?[0] as u32 } else { u32::from_le_bytes(self.array()?) };
        match self.memo.get(&key) {
            Some(&id) => self.stack.push(id),
            None => return malformed(format!("the pickle recalls {key}, which it has not stored")),
        }
        Ok(())
    }

    // ---- names and the objects built from them ----

    fn global(&mut self) -> Result<(), Fault> {
        let (module, name) = (self.line()?, self.line()?);
        self.resolve(module, name)
    }

    fn stack_global(&mut self) -> Result<(), Fault> {
        let pair = self.pop_many(2)?;
        match (&self.values[pair[0] as usize], &self.values[pair[1] as usize]) {
            (&Value::Text(module), &Value::Text(name)) => self.resolve(module, name),
            _ => malformed("the pickle has a name that is not made of strings"),
        }
    }

    fn resolve(&mut self, module: &str, name: &str) -> Result<(), Fault> {
        let global = match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Global::Reconstruct,
            ("numpy", "ndarray") => Global::NdArray,
            ("numpy", "dtype") => Global::Dtype,
            ("_codecs", "encode") => Global::Encode,
            _ => return Err(Fault::Global(printable(&format!("{module}.{name}")))),
        };
        self.push(Value::Global(global))
    }

    fn reduce(&mut self) -> Result<(), Fault> {
        let pair = self.pop_many(2)?;
        let (Value::Global(global), Value::Tuple(args)) = (self.get(pair[0]), self.get(pair[1])) else {
            return malformed("the pickle calls a value that is not a name");
        };
        let made = match (global, &args[..]) {
            (Global::Encode, [text, coding]) => match (self.get(*text), self.get(*coding)) {
                (&Value::Text(text), Value::Text("latin1" | "latin-1")) => Some(Value::Latin1(text)),
                _ => None,
            },
            (Global::Dtype, [code, ..]) => match self.get(*code) {
                &Value::Text(code) => Some(Value::Dtype { code, order: None }),
                _ => None,
            },
            (Global::Reconstruct, [class, ..]) => match self.get(*class) {
                Value::Global(Global::NdArray) => Some(Value::Array { state: None }),
                _ => None,
            },
            _ => None,
        };
        match made {
            Some(value) => self.push(value),
            None => malformed("the pickle builds an array in an unknown way"),
        }
    }

    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let object = self.top()?;
        let order = match self.get(state) {
            Value::Tuple(items) => match items.get(1).map(|&id| self.get(id)) {
                Some(&Value::Text(order)) => Some(order),
                _ => None,
            },
            _ => return malformed("the pickle gives an object a state that is not a tuple"),
        };
        match &mut self.values[object as usize] {
            Value::Array { state: s } => *s = Some(state),
            Value::Dtype { order: o, .. } => *o = order,
            _ => return malformed("the pickle gives a state to a value that has none"),
        }
        Ok(())
    }

    fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id as usize]
    }
}
