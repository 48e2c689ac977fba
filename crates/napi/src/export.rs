//! What was learned, as files that others read.

use napi::bindgen_prelude::{Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;
use tinytrain_compile::adapted;
use tinytrain_export::{Functions, Labels};

use crate::task::on_thread;
use crate::{Model, Program};

/// A model with the state that a Program of it starts with, as a `.tflite`. `mean` and `std` are the normalisation of pixels, empty for series.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array>")]
pub fn export_tflite<'e>(
    env: &'e Env,
    model: &Model,
    program: &Program,
    classes: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
) -> Result<Object<'e>> {
    let (graph, program) = (model.graph(), program.inner.clone());
    on_thread(env, move || {
        let labels = Labels { classes: &classes, mean: &mean, std: &std };
        Ok(Uint8Array::from(tinytrain_export::tflite(&adapted(&graph, &program)?, &labels, Functions::Tables)?))
    })
}

/// The weights of a model with the state that a Program of it starts with, as an `.npz`.
#[napi(catch_unwind, ts_return_type = "Promise<Uint8Array>")]
pub fn export_npz<'e>(env: &'e Env, model: &Model, program: &Program, classes: Vec<String>) -> Result<Object<'e>> {
    let (graph, program) = (model.graph(), program.inner.clone());
    on_thread(env, move || Ok(Uint8Array::from(tinytrain_export::npz(&adapted(&graph, &program)?, &classes)?)))
}
