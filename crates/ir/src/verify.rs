//! The rules that hold for every graph, whichever pass created it.

use crate::op::{Form, require};
use crate::{Graph, Layer, Node, Op, Tensor};

/// State that must no longer be read because an update has changed it.
#[derive(Default)]
struct Changed {
    layers: Vec<bool>,
    head: bool,
    backward: bool,
}

impl Graph {
    /// Checks that every tensor is written once and before it is read, that number, kinds and shapes of operands match each op, that the forward
    /// pass comes first, and that weights are read before they are updated. `pass` is named in the error.
    pub fn verify(&self, pass: &str) -> Result<(), crate::IrError> {
        self.check().map_err(|what| crate::IrError::Broken { pass: pass.into(), what })
    }

    fn check(&self) -> Result<(), String> {
        let mut written = vec![false; self.tensors.len()];
        *written.get_mut(self.input.index()).ok_or("the input is a tensor that does not exist")? = true;
        for (index, layer) in self.layers.iter().enumerate() {
            layer.check().map_err(|what| format!("layer {index}: {what}"))?;
        }
        let mut changed = Changed { layers: vec![false; self.layers.len()], ..Changed::default() };
        for (n, node) in self.nodes.iter().enumerate() {
            let at = |what: String| format!("node {n} ({}) {what}", node.op.name());
            self.check_tensors(node, &mut written).map_err(at)?;
            self.check_order(node, &mut changed).map_err(at)?;
            self.check_signature(node).map_err(at)?;
            self.check_shapes(node).map_err(at)?;
        }
        match self.outputs.iter().find(|t| written.get(t.index()) != Some(&true)) {
            Some(t) => Err(format!("output %{} is never written", t.0)),
            None => Ok(()),
        }
    }

    fn check_tensors(&self, node: &Node, written: &mut [bool]) -> Result<(), String> {
        for t in &node.inputs {
            match written.get(t.index()) {
                Some(true) => {}
                Some(false) => return Err(format!("reads {} before it is written", self.tensor(*t).name)),
                None => return Err("reads a tensor that does not exist".into()),
            }
        }
        for t in &node.outputs {
            match written.get_mut(t.index()) {
                Some(w) if !*w => *w = true,
                Some(_) => return Err(format!("writes {} a second time", self.tensor(*t).name)),
                None => return Err("writes a tensor that does not exist".into()),
            }
        }
        Ok(())
    }

    fn check_order(&self, node: &Node, changed: &mut Changed) -> Result<(), String> {
        if node.op.is_forward() && changed.backward {
            return Err("belongs to the forward pass and comes after the backward pass".into());
        }
        changed.backward |= !node.op.is_forward();
        match node.op {
            Op::HeadInputGrad if changed.head => return Err("reads the head's weights after their update".into()),
            Op::HeadUpdate => changed.head = true,
            _ => {}
        }
        let Some(l) = node.op.layer() else { return Ok(()) };
        let weights = changed.layers.get_mut(l.index());
        let weights = weights.ok_or_else(|| format!("names layer {} of {}", l.0, self.layers.len()))?;
        match node.op {
            Op::ConvInputGrad(_) if *weights => return Err("reads weights after their update".into()),
            Op::WeightUpdate(_) | Op::ConvWeightStep(_) => *weights = true,
            _ => {}
        }
        Ok(())
    }

    fn check_signature(&self, node: &Node) -> Result<(), String> {
        let signature = node.op.signature();
        let (inputs, outputs) = signature.counts();
        if !inputs.contains(&node.inputs.len()) || !outputs.contains(&node.outputs.len()) {
            return Err(format!("has {} inputs and {} outputs", node.inputs.len(), node.outputs.len()));
        }
        let last = signature.inputs.last();
        let wanted = signature.inputs.iter().chain(std::iter::repeat(last.unwrap_or(&Form::Activation)));
        let yielded = signature.outputs.iter().chain([&Form::Mask]);
        for (t, form) in node.inputs.iter().zip(wanted).chain(node.outputs.iter().zip(yielded)) {
            let Tensor { name, kind, .. } = self.tensor(*t);
            if !form.fits(kind, node.op.layer()) {
                return Err(format!("has {name} where its kind is {form:?}"));
            }
        }
        Ok(())
    }
}

impl Layer {
    fn check(&self) -> Result<(), String> {
        let channels = &self.training.channels;
        require(
            self.geo.trained as usize == channels.len(),
            "the number of trained channels is not that of their list",
        )?;
        require(channels.is_sorted_by(|a, b| a < b), "the trained channels are not in ascending order")?;
        require(channels.last().is_none_or(|&c| (c as usize) < self.selectable()), "a trained channel does not exist")
    }
}
