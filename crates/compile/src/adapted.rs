//! What a Program has learned, in terms of its model.

use std::sync::Arc;

use tinytrain_ir::{Graph, HeadRow, Layer, Scheme, Training};
use tinytrain_passes::differentiate;
use tinytrain_program::{Init, Program, State, StateKind};
use tinytrain_spec::arith::bias_value;

use crate::CompileError;

/// The forward graph of a model with the weights, biases and head that a Program of it starts with. Residual bits are not part of it: the forward pass
/// does not read them.
///
/// # Errors
/// A Program of another model.
pub fn adapted(model: &Graph, program: &Program) -> Result<Graph, CompileError> {
    let mut graph = differentiate(model, program.classes, program.seed)?.swap_remove(0).graph;
    let scheme = Scheme::parse(&program.scheme, graph.layers.len())?;
    for i in 0..graph.layers.len() {
        let training = scheme.training(&graph, i);
        let own = |kind| program.states.iter().find(|s| s.kind == kind && s.layer == Some(i));
        let (weights, offsets) = (own(StateKind::Weights), own(StateKind::Biases));
        let layer = &mut graph.layers[i];
        if let Some(state) = weights {
            layer.weights = trained(layer, &training, &content(state))?;
        }
        if let Some(state) = offsets {
            let offsets = whole(words(&content(state)), layer.bias.len())?;
            layer.bias = layer.bias.iter().zip(offsets).map(|(&base, offset)| bias_value(base, offset)).collect();
        }
    }
    let head = graph.head.as_mut().expect("a differentiated graph has a head");
    let features = graph.tensors[head.features.index()].shape.c;
    let own = |kind| program.states.iter().find(|s| s.kind == kind).map(content).unwrap_or_default();
    let weights = own(StateKind::HeadWeights);
    let weights = weights.as_chunks().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
    let weights = whole(weights, program.classes * features)?;
    let biases = whole(words(&own(StateKind::HeadBiases)), program.classes)?;
    let rows = weights.chunks_exact(features).zip(biases);
    head.rows = rows.map(|(w, bias)| Some(HeadRow { weights: w.to_vec(), bias })).collect();
    Ok(graph)
}

/// The bytes with which a tensor of the state starts.
fn content(state: &State) -> Vec<u8> {
    match &state.init {
        Init::Zero => vec![0; state.slot.bytes as usize],
        Init::Bytes(bytes) => bytes.clone(),
    }
}

fn words(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks().0.iter().map(|&b| i32::from_le_bytes(b)).collect()
}

/// The same elements, if there are as many as the model has.
fn whole<T>(elements: Vec<T>, expected: usize) -> Result<Vec<T>, CompileError> {
    if elements.len() == expected { Ok(elements) } else { Err(CompileError::State { found: elements.len(), expected }) }
}

/// A layer's weights with those of its trained channels replaced.
fn trained(layer: &Layer, training: &Training, state: &[u8]) -> Result<Arc<[i8]>, CompileError> {
    let mut is_trained = vec![false; layer.selectable()];
    training.channels.iter().for_each(|&c| is_trained[c as usize] = true);
    let places: Vec<usize> = (0..layer.weights.len()).filter(|&i| is_trained[layer.channel_of(i)]).collect();
    let values = whole(state.to_vec(), places.len())?;
    let mut weights = layer.weights.to_vec();
    places.into_iter().zip(values).for_each(|(i, value)| weights[i] = value as i8);
    Ok(weights.into())
}
