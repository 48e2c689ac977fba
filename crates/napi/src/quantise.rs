//! Float models, and their quantisation with samples.

use std::sync::Arc;

use napi::bindgen_prelude::{Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use serde_json::json;
use tinytrain_exec::SampleSource;
use tinytrain_export::{Functions, Labels};
use tinytrain_import::Normalisation;
use tinytrain_ir::Quant;
use tinytrain_quantise::QuantiseError;

use crate::error::Failure;
use crate::task::{on_thread, stoppable};
use crate::{Control, Dataset};

impl From<QuantiseError> for Failure {
    fn from(e: QuantiseError) -> Self {
        let text = e.to_string();
        let (message, help) = text.split_once('\n').unwrap_or((&text, ""));
        let help: Vec<&str> = help.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        let details = if help.is_empty() { json!({}) } else { json!({ "help": help }) };
        Self::new(e.code(), message).with(details)
    }
}

/// A float model as stored in its file.
#[napi]
pub struct FloatModel {
    inner: Arc<tinytrain_quantise::FloatModel>,
    path: String,
}

/// The quantisation and normalisation of an input.
#[napi(object)]
pub struct FloatInput {
    /// `real = (q - zero) * scale`
    pub scale: f64,
    /// See `scale`.
    pub zero: i32,
    /// Mean of the normalisation, in pixel values: one, or one per channel; none for series.
    pub mean: Vec<f64>,
    /// Standard deviation of the normalisation, in pixel values.
    pub std: Vec<f64>,
}

/// A quantised model.
#[napi(object)]
pub struct QuantisedFile {
    /// The int8 `.tflite`.
    pub tflite: Uint8Array,
    /// Which part of the ranges int8 covers, in words.
    pub method: String,
    /// Held-back samples to which both models give the same class.
    pub agreeing: u32,
    /// Held-back samples.
    pub held_back: u32,
}

#[napi]
impl FloatModel {
    /// Parses a float model; null if the bytes are none. `path` is used only in messages and for the model's name.
    #[napi(catch_unwind, ts_return_type = "Promise<FloatModel | null>")]
    pub fn load<'e>(
        env: &'e Env,
        path: String,
        bytes: Uint8Array,
        height: Option<u32>,
        width: Option<u32>,
    ) -> Result<Object<'e>> {
        let bytes = bytes.to_vec();
        on_thread(env, move || {
            let size = height.zip(width).map(|(h, w)| [h as usize, w as usize]);
            let model = tinytrain_quantise::FloatModel::open(&path, &bytes, size)?;
            Ok(model.map(|model| Self { inner: model.into(), path }))
        })
    }

    /// Name, format, shape and, where the file states it, the quantisation of the input, and what a forward pass takes, as JSON.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> String {
        let shape = self.inner.input();
        let stated = self.inner.stated_input().map(|q| {
            let Normalisation { mean, std } = Normalisation::guess(q);
            json!({ "scale": q.scale, "zero": q.zero, "mean": mean, "std": std })
        });
        let (name, format) = (&self.inner.name, self.inner.format);
        let work = self.inner.work();
        let price = json!({ "products": work.products, "elements": work.elements, "operations": work.operations });
        let shape = [shape.h, shape.w, shape.c];
        json!({ "name": name, "format": format, "shape": shape, "stated": stated, "price": price }).to_string()
    }

    /// Quantises with samples of the quantisation of `input`.
    #[napi(catch_unwind, ts_return_type = "Promise<QuantisedFile>")]
    pub fn quantise<'e>(
        &self,
        env: &'e Env,
        samples: &Dataset,
        input: FloatInput,
        threads: u32,
        control: &Control,
    ) -> Result<Object<'e>> {
        let (model, path) = (self.inner.clone(), self.path.clone());
        let samples = samples.fitting(model.input().len()).map_err(napi::Error::from)?;
        stoppable(env, control, move || {
            let samples = read(&*samples, model.input().len())?;
            let q = Quant { scale: input.scale, zero: input.zero };
            let found = model.quantise(&path, q, &samples, threads as usize)?;
            let labels = Labels { classes: &[], mean: &input.mean, std: &input.std };
            Ok(QuantisedFile {
                tflite: tinytrain_export::tflite(&found.graph, &labels, Functions::Operators)?.into(),
                method: found.method.name(),
                agreeing: found.agreeing as u32,
                held_back: found.held_back as u32,
            })
        })
    }

    /// The class of each sample: the index of its largest output.
    #[napi(catch_unwind, ts_return_type = "Promise<Uint32Array>")]
    pub fn classes<'e>(
        &self,
        env: &'e Env,
        samples: &Dataset,
        input: FloatInput,
        threads: u32,
        control: &Control,
    ) -> Result<Object<'e>> {
        let model = self.inner.clone();
        let samples = samples.fitting(model.input().len()).map_err(napi::Error::from)?;
        stoppable(env, control, move || {
            let samples = read(&*samples, model.input().len())?;
            let q = Quant { scale: input.scale, zero: input.zero };
            let classes = model.classes(q, &samples, threads as usize)?;
            Ok(Uint32Array::from(classes.into_iter().map(|c| c as u32).collect::<Vec<_>>()))
        })
    }
}

fn read(samples: &dyn SampleSource, length: usize) -> std::result::Result<Vec<Vec<i8>>, Failure> {
    let one = |i| {
        let mut sample = vec![0; length];
        samples.read(i, &mut sample).map(|()| sample)
    };
    Ok((0..samples.len()).map(one).collect::<std::result::Result<_, _>>()?)
}
