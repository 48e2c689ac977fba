//! `.onnx`: float networks, and those with QuantizeLinear and DequantizeLinear, whose quantisations are kept.
//!
//! The file is untrusted: `prost` checks its encoding; here every length is held against the dimensions, and every tensor that a node reads has to have
//! been yielded before it. Data in other files is refused.

mod constants;
mod nodes;
mod proto;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use prost::Message;

use self::constants::constant;
use crate::build::{Builder, Constant, Order, View};
use crate::error::{Fault, malformed, unsupported};
use crate::graph::Network;

/// The ONNX operators that are read, sorted.
pub const SUPPORTED: &[&str] = &[
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "QuantizeLinear",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
];

/// A name's meaning: a value of the network, or a constant.
#[derive(Clone, Debug)]
enum Symbol {
    View(View),
    Constant(Constant),
}

/// Whether the bytes look like an ONNX model: a protobuf whose first field is the version of the format.
pub fn is(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=20, 0x12 | 0x1a | 0x22 | 0x2a | 0x3a | 0x42, ..])
}

/// The network of an ONNX model. `size` gives rows and columns where the file leaves them open.
pub fn read(bytes: &[u8], size: Option<[usize; 2]>) -> Result<Network, Fault> {
    let model = proto::Model::decode(bytes).map_err(|e| Fault::Malformed(e.to_string()))?;
    let Some(graph) = model.graph else { return malformed("it has no graph") };
    let mut unsigned = HashSet::new();
    let mut symbols = HashMap::new();
    for tensor in &graph.initializers {
        let place = |f: Fault| f.within(&format!("tensor '{}'", short(&tensor.name)));
        if tensor.data_type == constants::UINT8 {
            unsigned.insert(tensor.name.clone());
        }
        symbols.insert(tensor.name.clone(), Symbol::Constant(constant(tensor).map_err(place)?));
    }
    let inputs: Vec<&proto::ValueInfo> = graph.inputs.iter().filter(|i| !symbols.contains_key(&i.name)).collect();
    let &[input] = &inputs[..] else {
        return unsupported(format!("it has {} inputs; one is supported", inputs.len()));
    };
    let order = order(&graph, &input.name);
    let (builder, view) = Builder::new(&dims(input, order, size)?, order)?;
    symbols.insert(input.name.clone(), Symbol::View(view));
    let Some(output) = graph.outputs.first() else { return malformed("it has no output") };
    let mut reader =
        Reader { builder, symbols, unsigned, outputs: graph.outputs.iter().map(|o| o.name.clone()).collect() };
    for (i, node) in graph.nodes.iter().enumerate() {
        let name = if node.name.is_empty() { String::new() } else { format!(" '{}'", short(&node.name)) };
        reader.node(node).map_err(|f| f.within(&format!("operator {i} ({}{name})", short(&node.op_type))))?;
    }
    match reader.symbols.get(&output.name) {
        Some(Symbol::View(view)) => {
            let view = view.clone();
            reader.builder.finish(&view)
        }
        Some(Symbol::Constant(_)) => unsupported("its output does not depend on its input"),
        None => malformed(format!("nothing yields its output '{}'", short(&output.name))),
    }
}

/// Exporters from Keras begin with a transpose from channels last; all others have channels first.
fn order(graph: &proto::Graph, input: &str) -> Order {
    let mut readers = graph.nodes.iter().filter(|n| n.inputs.iter().any(|i| i == input));
    let turns = |n: &proto::Node| {
        n.op_type == "Transpose"
            && n.attributes.iter().any(|a| a.name == "perm" && matches!(a.ints[..], [0, 3, 1, 2] | [0, 2, 1]))
    };
    if readers.next().is_some_and(turns) { Order::ChannelsLast } else { Order::ChannelsFirst }
}

/// The dimensions of the input: an open batch is 1, open rows and columns are those asked for.
fn dims(input: &proto::ValueInfo, order: Order, size: Option<[usize; 2]>) -> Result<Vec<usize>, Fault> {
    let tensor = input.r#type.as_ref().and_then(|t| t.tensor.as_ref());
    let Some(shape) = tensor.and_then(|t| t.shape.as_ref()) else { return unsupported("its input has no shape") };
    let n = shape.dims.len();
    let spatial = match (order, n) {
        (Order::ChannelsFirst, 4) => [2, 3],
        (Order::ChannelsLast, 4) => [1, 2],
        _ => [usize::MAX; 2],
    };
    let known = |(i, d): (usize, &proto::Dimension)| {
        let asked = spatial.iter().position(|&s| s == i).and_then(|s| size.map(|size| size[s]));
        match (d.value, asked) {
            (0, _) if i == 0 => Ok(1),
            (0, Some(n)) => Ok(n),
            (0, None) => {
                unsupported(format!("dimension {i} of its input is open; --input ROWSxCOLUMNS gives those of images"))
            }
            (v, Some(n)) if v != n as i64 => unsupported(format!(
                "its input has a fixed size; {} is {v}, not {n}",
                if i == spatial[0] { "the number of rows" } else { "the number of columns" }
            )),
            (v, _) => usize::try_from(v).or_else(|_| malformed("a dimension below 0")),
        }
    };
    shape.dims.iter().enumerate().map(known).collect()
}

/// A name for a message, cut and printable.
fn short(name: &str) -> String {
    name.chars().take(60).collect::<String>().escape_debug().to_string()
}

struct Reader {
    builder: Builder,
    symbols: HashMap<String, Symbol>,
    /// Constants of uint8, whose zero points are those of int8 plus 128.
    unsigned: HashSet<String>,
    outputs: Vec<String>,
}
