//! Typed access to a pickle's values, each with its path for error messages.

use super::pickle::{Id, Pickle, Value};
use crate::budget::Budget;
use crate::error::{Fault, malformed};

/// Most entries of a dict that is searched: a module has about a dozen.
const MAX_ENTRIES: usize = 1 << 8;

/// A value and its path.
#[derive(Clone)]
pub(super) struct Record<'p, 'a> {
    pickle: &'p Pickle<'a>,
    id: Id,
    pub path: String,
}

/// An array's element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    I8,
    I32,
    F32,
    F64,
}

/// Content of an array.
enum Content<'a> {
    Bytes(&'a [u8]),
    Latin1(&'a str),
}

impl<'p, 'a> Record<'p, 'a> {
    pub(super) fn root(pickle: &'p Pickle<'a>) -> Self {
        Self { pickle, id: pickle.root, path: String::new() }
    }

    fn value(&self) -> &'p Value<'a> {
        self.pickle.value(self.id)
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, Fault> {
        let path = if self.path.is_empty() { "the pickle's root" } else { &self.path };
        malformed(format!("{path} is not {expected}"))
    }

    fn child(&self, id: Id, path: String) -> Self {
        Self { pickle: self.pickle, id, path }
    }

    /// An entry of a dict, if it exists and is not None.
    pub(super) fn find(&self, key: &str) -> Result<Option<Self>, Fault> {
        let Value::Dict(entries) = self.value() else { return self.wrong("a dict") };
        if entries.len() > MAX_ENTRIES {
            return self.wrong("a dict the size of a module");
        }
        // As in Python, the last assignment wins.
        let is = |id: Id| matches!(self.pickle.value(id), Value::Text(k) if *k == key);
        let found = entries.iter().rev().find(|(k, _)| is(*k)).map(|&(_, id)| id);
        let dot = if self.path.is_empty() { "" } else { "." };
        Ok(found
            .filter(|&id| !matches!(self.pickle.value(id), Value::None))
            .map(|id| self.child(id, format!("{}{dot}{key}", self.path))))
    }

    /// An entry of a dict.
    pub(super) fn get(&self, key: &str) -> Result<Self, Fault> {
        match self.find(key)? {
            Some(found) => Ok(found),
            None => self.wrong(&format!("complete: '{key}' is missing")),
        }
    }

    /// Items of a list or tuple, at most `most`.
    pub(super) fn items(&self, most: usize) -> Result<Vec<Self>, Fault> {
        match self.value() {
            Value::List(items) | Value::Tuple(items) if items.len() <= most => {
                Ok(items.iter().enumerate().map(|(n, &id)| self.child(id, format!("{}[{n}]", self.path))).collect())
            }
            _ => self.wrong(&format!("a list of at most {most} items")),
        }
    }

    pub(super) fn int(&self) -> Result<i64, Fault> {
        match *self.value() {
            Value::Int(v) => Ok(v),
            Value::Float(v) if v.fract() == 0.0 && v.abs() < 1e15 => Ok(v as i64),
            _ => self.wrong("an integer"),
        }
    }

    /// An integer from 1 to 65,536: a size.
    pub(super) fn size(&self) -> Result<usize, Fault> {
        match self.int()? {
            n @ 1..=65536 => Ok(n as usize),
            _ => self.wrong("a size"),
        }
    }

    pub(super) fn float(&self) -> Result<f64, Fault> {
        match *self.value() {
            Value::Float(v) => Ok(v),
            Value::Int(v) => Ok(v as f64),
            _ => self.wrong("a number"),
        }
    }

    pub(super) fn bool(&self) -> Result<bool, Fault> {
        match *self.value() {
            Value::Bool(v) => Ok(v),
            _ => self.wrong("True or False"),
        }
    }

    /// One size for both directions, or a pair.
    pub(super) fn pair(&self) -> Result<[usize; 2], Fault> {
        match self.value() {
            Value::Int(_) => Ok([self.size()?; 2]),
            _ => match &self.items(2)?[..] {
                [a, b] => Ok([a.size()?, b.size()?]),
                _ => self.wrong("a pair of sizes"),
            },
        }
    }

    /// An int8 array: shape and content.
    pub(super) fn int8(&self, budget: &mut Budget) -> Result<(Vec<usize>, Vec<i8>), Fault> {
        let (shape, element, bytes) = self.array(budget)?;
        match element {
            Element::I8 => Ok((shape, bytes.into_iter().map(|b| b as i8).collect())),
            other => self.wrong(&format!("an int8 array (it is {other:?})")),
        }
    }

    /// A one-dimensional int32 array.
    pub(super) fn int32(&self, budget: &mut Budget) -> Result<Vec<i32>, Fault> {
        let (shape, element, bytes) = self.array(budget)?;
        match (element, shape.len()) {
            (Element::I32, 1) => {
                Ok(bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
            }
            _ => self.wrong("a one-dimensional int32 array"),
        }
    }

    /// A one-dimensional array of floats, widened.
    pub(super) fn floats(&self, budget: &mut Budget) -> Result<Vec<f64>, Fault> {
        let (shape, element, bytes) = self.array(budget)?;
        match (element, shape.len()) {
            (Element::F32, 1) => {
                Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f64).collect())
            }
            (Element::F64, 1) => {
                Ok(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect())
            }
            _ => self.wrong("a one-dimensional float array"),
        }
    }

    /// Shape, element type and little-endian bytes in row-major order: exactly as many as the shape implies.
    fn array(&self, budget: &mut Budget) -> Result<(Vec<usize>, Element, Vec<u8>), Fault> {
        let Value::Array { state: Some(state) } = *self.value() else { return self.wrong("an array") };
        let parts = self.child(state, self.path.clone()).items(5)?;
        let [_, shape, dtype, fortran, content] = &parts[..] else { return self.wrong("a complete array") };
        if fortran.bool()? {
            return self.wrong("a row-major array");
        }
        let shape = shape.items(4)?.iter().map(Self::size).collect::<Result<Vec<_>, _>>()?;
        let element = dtype.element()?;
        let width = match element {
            Element::I8 => 1,
            Element::I32 | Element::F32 => 4,
            Element::F64 => 8,
        };
        let Some(len) = shape.iter().try_fold(width, |n: usize, &d| n.checked_mul(d)) else {
            return self.wrong("an array that fits into memory");
        };
        let bytes = content.content()?.bytes(len, budget)?;
        match bytes {
            Some(bytes) => Ok((shape, element, bytes)),
            None => self.wrong(&format!("an array with the {len} bytes that its shape {shape:?} implies")),
        }
    }

    fn element(&self) -> Result<Element, Fault> {
        match *self.value() {
            Value::Dtype { order: Some(">"), .. } => self.wrong("a little-endian array"),
            Value::Dtype { code: "i1" | "|i1", .. } => Ok(Element::I8),
            Value::Dtype { code: "i4" | "<i4", .. } => Ok(Element::I32),
            Value::Dtype { code: "f4" | "<f4", .. } => Ok(Element::F32),
            Value::Dtype { code: "f8" | "<f8", .. } => Ok(Element::F64),
            _ => self.wrong("an array of int8, int32, float32 or float64"),
        }
    }

    fn content(&self) -> Result<Content<'a>, Fault> {
        match *self.value() {
            Value::Bytes(b) => Ok(Content::Bytes(b)),
            Value::Latin1(t) => Ok(Content::Latin1(t)),
            _ => self.wrong("the content of an array"),
        }
    }
}

impl Content<'_> {
    /// The bytes, if there are exactly `len`.
    fn bytes(&self, len: usize, budget: &mut Budget) -> Result<Option<Vec<u8>>, Fault> {
        // Text takes at most two bytes of the file per byte of content; anything longer need not be decoded.
        let stored = match self {
            Self::Bytes(b) => b.len(),
            Self::Latin1(t) => t.len(),
        };
        if stored < len || stored > len.saturating_mul(2) {
            return Ok(None);
        }
        budget.take(len)?;
        let mut out = Vec::with_capacity(len);
        match self {
            Self::Bytes(b) => out.extend_from_slice(b),
            Self::Latin1(t) => {
                for c in t.chars() {
                    match u8::try_from(c) {
                        Ok(b) => out.push(b),
                        Err(_) => return malformed("the content of an array has a character beyond Latin-1"),
                    }
                }
            }
        }
        Ok(Some(out).filter(|out| out.len() == len))
    }
}
