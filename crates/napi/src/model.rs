use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Int8Array, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;
use serde_json::{Value, json};
use tinytrain_compile::{forward_program, forward_tensors};
use tinytrain_exec::{Executor, Kernels, chosen_kernels};
use tinytrain_import::{ImportError, ImportOptions, Imported, Normalisation};
use tinytrain_ir::{Graph, Layer, Node, Op, Quant, Shape, TensorId};
use tinytrain_program::Slot;

use crate::Control;
use crate::error::Failure;
use crate::program::HeadRow;
use crate::task::{on_thread, stoppable};

/// Most channels of an input for which tables are made.
const MAX_CHANNELS: u32 = 1 << 16;

impl From<ImportError> for Failure {
    fn from(e: ImportError) -> Self {
        let details = e.operator().map_or(
            json!({}),
            |o| json!({ "operator": { "index": o.index, "name": o.name, "inputs": o.inputs, "outputs": o.outputs } }),
        );
        // Lines after the first tell how to proceed.
        let text = e.to_string();
        let (message, help) = text.split_once('\n').unwrap_or((&text, ""));
        let mut details = details;
        if !help.is_empty() {
            details["help"] = help.lines().map(str::trim).collect();
        }
        Self::new(e.code(), message).with(details)
    }
}

/// A model as stored in its file.
#[napi]
pub struct Model {
    inner: Arc<Imported>,
    graph: Arc<Graph>,
    forward: Arc<Forward>,
}

/// Programs of the forward pass, compiled on first use.
#[derive(Default)]
struct Forward {
    lean: OnceLock<Runnable>,
    whole: OnceLock<Runnable>,
}

/// A Program, ready to be cloned and run, and the location of the file's tensors after a run.
struct Runnable {
    executor: Executor,
    tensors: Vec<(u32, Slot)>,
}

/// Options for opening a model.
#[napi(object)]
#[derive(Default)]
pub struct ModelOptions {
    /// Rows of the input, if the file does not fix them.
    pub height: Option<u32>,
    /// Columns of the input, if the file does not fix them.
    pub width: Option<u32>,
    /// Mean of the input normalisation, in pixel values: one, or one per channel.
    pub mean: Option<Vec<f64>>,
    /// Standard deviation of the input normalisation, in pixel values: one, or one per channel.
    pub std: Option<Vec<f64>>,
}

/// A tensor in the file.
#[napi(object)]
pub struct TensorData {
    /// Its index in the file.
    pub index: u32,
    /// Its int8 values.
    pub data: Int8Array,
}

/// The result of a forward pass.
#[napi(object)]
pub struct ForwardData {
    /// The model's outputs.
    pub outputs: Vec<Int8Array>,
    /// Every tensor, if requested.
    pub tensors: Vec<TensorData>,
}

impl From<ModelOptions> for ImportOptions {
    fn from(o: ModelOptions) -> Self {
        let normalisation = match (o.mean, o.std) {
            (None, None) => None,
            (mean, std) => Some(Normalisation { mean: mean.unwrap_or(vec![0.0]), std: std.unwrap_or(vec![1.0]) }),
        };
        let input = o.height.zip(o.width).map(|(h, w)| [h as usize, w as usize]);
        Self { input, normalisation }
    }
}

#[napi]
impl Model {
    /// Parses a model. `path` is used only in messages and for the model's name.
    #[napi(catch_unwind, ts_return_type = "Promise<Model>")]
    pub fn load<'e>(env: &'e Env, path: String, bytes: Uint8Array, options: ModelOptions) -> Result<Object<'e>> {
        let bytes = bytes.to_vec();
        on_thread(env, move || {
            let imported = tinytrain_import::import(&path, &bytes, &options.into())?;
            let graph = Arc::new(imported.graph.clone());
            Ok(Self { inner: Arc::new(imported), graph, forward: Arc::default() })
        })
    }

    /// Operations, shapes and sizes as JSON.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> String {
        describe(&self.inner).to_string()
    }

    /// The graph as text.
    #[napi(catch_unwind)]
    pub fn dump(&self) -> String {
        self.graph.dump()
    }

    /// Runs the unchanged model on one input.
    #[napi(catch_unwind, ts_return_type = "Promise<ForwardData>")]
    pub fn forward<'e>(&self, env: &'e Env, input: Int8Array, tensors: bool, control: &Control) -> Result<Object<'e>> {
        let (imported, forward, input) = (self.inner.clone(), self.forward.clone(), input.to_vec());
        stoppable(env, control, move || {
            let runnable = forward.get(&imported, tensors)?;
            let mut executor = runnable.executor.clone();
            executor.forward(&input)?;
            let copy = |slot: Slot| Int8Array::new(executor.bytes(slot).to_vec());
            Ok(ForwardData {
                outputs: executor.program().outputs.iter().map(|&slot| copy(slot)).collect(),
                tensors: runnable.tensors.iter().map(|&(index, slot)| TensorData { index, data: copy(slot) }).collect(),
            })
        })
    }

    /// The model's own classifier: what each of its classes starts with in a head. None if it has no classifier.
    #[napi(catch_unwind)]
    pub fn classifier(&self) -> Result<Option<Vec<HeadRow>>> {
        let rows = tinytrain_passes::classifier(&self.graph).map_err(Failure::from)?;
        let row = |r: tinytrain_ir::HeadRow| HeadRow { weights: r.weights.into(), bias: r.bias };
        Ok(rows.map(|rows| rows.into_iter().map(row).collect()))
    }

    pub(crate) fn graph(&self) -> Arc<Graph> {
        self.graph.clone()
    }
}

impl Forward {
    fn get(&self, imported: &Imported, tensors: bool) -> std::result::Result<&Runnable, Failure> {
        let cell = if tensors { &self.whole } else { &self.lean };
        if let Some(runnable) = cell.get() {
            return Ok(runnable);
        }
        let program = Arc::new(forward_program(&imported.graph, tensors)?);
        let executor = Executor::new(program.clone())?;
        let places = if tensors { forward_tensors(&imported.graph, &program) } else { Vec::new() };
        let tensors =
            places.iter().flat_map(|&(id, slot)| names(imported, id).map(move |index| (index, slot))).collect();
        // If two calls race, both have compiled the same Program.
        Ok(cell.get_or_init(|| Runnable { executor, tensors }))
    }
}

/// The file's indices of a tensor of the graph; for a file without indices, the graph's own index.
fn names(imported: &Imported, id: TensorId) -> impl Iterator<Item = u32> {
    let own = imported.tensors.iter().filter(move |t| t.tensor == id);
    own.map(move |t| t.source.unwrap_or(id.index()) as u32)
}

/// The kernels of this process.
#[napi(object)]
pub struct KernelSelection {
    /// The ones in use: the fastest, or those requested by the environment.
    pub chosen: String,
    /// All that this processor can run.
    pub available: Vec<String>,
}

/// The kernels of this process; the variable `TINYTRAIN_KERNELS` chooses them.
#[napi(catch_unwind)]
pub fn kernels() -> Result<KernelSelection> {
    let chosen = chosen_kernels().map_err(Failure::from)?.name().into();
    let available = Kernels::ALL.into_iter().filter(|k| k.available()).map(|k| k.name().into()).collect();
    Ok(KernelSelection { chosen, available })
}

/// The int8 value of each of the 256 pixel values, for an input with this quantisation and normalisation: one table per channel (at most four if they
/// are all the same).
#[napi(catch_unwind)]
pub fn input_tables(channels: u32, scale: f64, zero: i32, mean: Vec<f64>, std: Vec<f64>) -> Result<Vec<Int8Array>> {
    let channels_valid = (1..=MAX_CHANNELS).contains(&channels);
    let quant_valid = scale.is_finite() && scale > 0.0 && (-128..=127).contains(&zero);
    if !(channels_valid && quant_valid) {
        let what = format!("an input with {channels} channels, scale {scale} and zero point {zero} is not possible");
        return Err(Failure::new("INPUT_INVALID", what).into());
    }
    let tables = Normalisation { mean, std }.tables(channels as usize, Quant { scale, zero });
    let tables = tables.map_err(|what| Failure::new("INPUT_INVALID", what))?;
    Ok(tables.iter().map(|table| Int8Array::new(table.to_vec())).collect())
}

/// Operators that a model may contain, named as in the file format.
#[napi(catch_unwind)]
pub fn supported_operators() -> Vec<String> {
    tinytrain_import::supported_ops().iter().map(|&name| name.into()).collect()
}

fn dims(s: Shape) -> [usize; 3] {
    [s.h, s.w, s.c]
}

/// Totals over convolutions.
fn totals(layers: &[Layer]) -> Value {
    let sum = |f: &dyn Fn(&Layer) -> u64| layers.iter().map(f).sum::<u64>();
    json!({
        "convolutions": layers.len(),
        "macs": sum(&Layer::macs),
        "weights": sum(&|l| l.weights.len() as u64),
        "biases": sum(&|l| l.bias.len() as u64),
    })
}

fn describe(imported: &Imported) -> Value {
    let (graph, input) = (&imported.graph, &imported.input);
    // The convolutions that remain when a head replaces the classifier, which are those that schemes number. If a model cannot have a head, the reason.
    let (backbone, headless) = match tinytrain_passes::backbone(graph) {
        Ok(layers) => (totals(&graph.layers[..layers]), Value::Null),
        Err(why) => (Value::Null, json!(why.to_string())),
    };
    let layers: Vec<Value> = graph.nodes.iter().enumerate().map(|(i, n)| describe_node(graph, i, n)).collect();
    json!({
        "name": graph.name,
        "format": imported.format,
        "input": {
            "shape": dims(input.shape), "scale": input.quant.scale, "zero": input.quant.zero,
            "mean": input.normalisation.mean, "std": input.normalisation.std, "guessed": input.guessed,
        },
        "layers": layers,
        "totals": totals(&graph.layers),
        "backbone": backbone,
        "headless": headless,
        "labels": imported.labels,
        "leftOut": imported.left_out.iter().map(|o| json!({ "index": o.index, "name": o.name })).collect::<Vec<_>>(),
    })
}

fn describe_node(graph: &Graph, index: usize, node: &Node) -> Value {
    let shape = |t: &TensorId| dims(graph.tensor(*t).shape);
    let mut record = json!({
        "index": index,
        "op": node.op.name(),
        "inputs": node.inputs.iter().map(shape).collect::<Vec<_>>(),
        "output": node.outputs.first().map(shape),
        "macs": 0,
        "weights": 0,
        "biases": 0,
    });
    if let Some(source) = node.origin.op {
        record["source"] = json!(source);
    }
    if let Op::Conv(id) = node.op {
        let (layer, g) = (graph.layer(id), &graph.layer(id).geo);
        record["conv"] = json!(id.0);
        record["depthwise"] = json!(layer.depthwise);
        record["kernel"] = json!([g.kh, g.kw]);
        record["stride"] = json!([g.stride_h, g.stride_w]);
        record["macs"] = json!(layer.macs());
        record["weights"] = json!(layer.weights.len());
        record["biases"] = json!(layer.bias.len());
    }
    record
}
