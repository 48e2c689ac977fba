use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use napi::Result;
use napi::bindgen_prelude::{Int8Array, Uint16Array, Uint32Array};
use napi_derive::napi;
use serde_json::json;
use tinytrain_exec::{ExecError, SampleSource};

use crate::error::Failure;

/// The storage of samples.
enum Place {
    Memory(Vec<i8>),
    File(Mutex<File>),
}

impl Place {
    fn read(&self, slot: usize, out: &mut [i8]) -> std::io::Result<()> {
        let at = slot * out.len();
        match self {
            Self::Memory(data) => out.copy_from_slice(&data[at..][..out.len()]),
            Self::File(file) => {
                let mut bytes = vec![0u8; out.len()];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(at as u64))?;
                file.read_exact(&mut bytes)?;
                out.iter_mut().zip(bytes).for_each(|(o, b)| *o = b as i8);
            }
        }
        Ok(())
    }
}

enum Content {
    Filling(Vec<i8>),
    Whole(Arc<Place>),
}

/// Decoded samples of equal length, in memory or in a file, from which data sets are selected.
#[napi]
pub struct SampleStore {
    count: usize,
    length: usize,
    content: Content,
}

#[napi]
impl SampleStore {
    /// Allocates room for `count` samples of `length` bytes.
    #[napi(catch_unwind, factory)]
    pub fn in_memory(count: u32, length: u32) -> Result<Self> {
        let (count, length) = (count as usize, length as usize);
        let mut data = Vec::new();
        let room = count.checked_mul(length).filter(|&bytes| data.try_reserve_exact(bytes).is_ok());
        let Some(bytes) = room else {
            let what = format!("there is no memory for {count} samples of {length} B");
            return Err(Failure::new("MEMORY", what).with(json!({ "samples": count, "length": length })).into());
        };
        data.resize(bytes, 0);
        Ok(Self { count, length, content: Content::Filling(data) })
    }

    /// Samples stored consecutively in a file.
    #[napi(catch_unwind, factory)]
    pub fn from_file(path: String, count: u32, length: u32) -> Result<Self> {
        let file = File::open(&path).map_err(|e| Failure::new("IO", format!("{path}: {e}")))?;
        let content = Content::Whole(Arc::new(Place::File(Mutex::new(file))));
        Ok(Self { count: count as usize, length: length as usize, content })
    }

    /// Stores sample `slot`. Not allowed after the first data set has been created.
    #[napi(catch_unwind)]
    pub fn put(&mut self, slot: u32, sample: Int8Array) -> Result<()> {
        let slot = slot as usize;
        if sample.len() != self.length || slot >= self.count {
            return Err(size("bytes of a sample", sample.len(), self.length).into());
        }
        match &mut self.content {
            Content::Filling(data) => data[slot * self.length..][..self.length].copy_from_slice(&sample),
            Content::Whole(_) => {
                return Err(Failure::new("USAGE", "samples cannot be added once a data set has been created").into());
            }
        }
        Ok(())
    }

    /// Creates a data set of the samples in `slots`, in this order.
    #[napi(catch_unwind)]
    pub fn subset(&mut self, slots: Uint32Array, labels: Uint16Array) -> Result<Dataset> {
        if slots.len() != labels.len() {
            return Err(size("number of labels", labels.len(), slots.len()).into());
        }
        if let Some(&s) = slots.iter().find(|&&s| s as usize >= self.count) {
            return Err(size("number of a sample", s as usize, self.count).into());
        }
        let place = match &mut self.content {
            Content::Whole(place) => place.clone(),
            Content::Filling(data) => {
                let place = Arc::new(Place::Memory(std::mem::take(data)));
                self.content = Content::Whole(place.clone());
                place
            }
        };
        let subset = Subset { place, slots: slots.to_vec(), labels: labels.to_vec() };
        Ok(Dataset { length: self.length, inner: Arc::new(subset) })
    }
}

fn size(what: &'static str, found: usize, expected: usize) -> Failure {
    Failure::from(ExecError::Size { what, found, expected }).with(json!({ "found": found, "expected": expected }))
}

struct Subset {
    place: Arc<Place>,
    slots: Vec<u32>,
    labels: Vec<u16>,
}

impl SampleSource for Subset {
    fn len(&self) -> usize {
        self.slots.len()
    }
    fn label(&self, i: usize) -> usize {
        self.labels[i] as usize
    }
    fn read(&self, i: usize, out: &mut [i8]) -> std::result::Result<(), ExecError> {
        Ok(self.place.read(self.slots[i] as usize, out)?)
    }
}

/// Samples with labels.
#[napi]
pub struct Dataset {
    length: usize,
    inner: Arc<Subset>,
}

#[napi]
impl Dataset {
    /// A copy of sample `index`.
    #[napi(catch_unwind)]
    pub fn sample(&self, index: u32) -> Result<Int8Array> {
        if index as usize >= self.inner.len() {
            return Err(size("number of a sample", index as usize, self.inner.len()).into());
        }
        let mut out = vec![0; self.length];
        self.inner.read(index as usize, &mut out).map_err(Failure::from)?;
        Ok(Int8Array::new(out))
    }

    /// The samples at `indices`, in this order; nothing is copied.
    #[napi(catch_unwind)]
    pub fn subset(&self, indices: Uint32Array) -> Result<Dataset> {
        let Subset { place, slots, labels } = &*self.inner;
        if let Some(&i) = indices.iter().find(|&&i| i as usize >= slots.len()) {
            return Err(size("number of a sample", i as usize, slots.len()).into());
        }
        let subset = Subset {
            place: place.clone(),
            slots: indices.iter().map(|&i| slots[i as usize]).collect(),
            labels: indices.iter().map(|&i| labels[i as usize]).collect(),
        };
        Ok(Self { length: self.length, inner: Arc::new(subset) })
    }

    /// The same samples with other labels; nothing is copied.
    #[napi(catch_unwind)]
    pub fn labelled(&self, labels: Uint16Array) -> Result<Dataset> {
        let Subset { place, slots, .. } = &*self.inner;
        if labels.len() != slots.len() {
            return Err(size("number of labels", labels.len(), slots.len()).into());
        }
        let subset = Subset { place: place.clone(), slots: slots.clone(), labels: labels.to_vec() };
        Ok(Self { length: self.length, inner: Arc::new(subset) })
    }
}

impl Dataset {
    /// The samples, after checking that they have the length of a Program's input.
    pub(crate) fn fitting(&self, length: usize) -> std::result::Result<Arc<dyn SampleSource>, Failure> {
        if self.length == length { Ok(self.inner.clone()) } else { Err(size("bytes of a sample", self.length, length)) }
    }
}
