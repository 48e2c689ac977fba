use crate::{Graph, IrError, Kind, Op, Shape, TensorId};

impl Graph {
    /// Checks that every tensor is written once and before it is read, that shapes and kinds match each op, and that a layer's weights are read
    /// before they are updated. `pass` is named in the error.
    pub fn verify(&self, pass: &str) -> Result<(), IrError> {
        self.check().map_err(|what| IrError::Broken { pass: pass.into(), what })
    }

    fn check(&self) -> Result<(), String> {
        let mut written = vec![false; self.tensors.len()];
        written[self.input.index()] = true;
        let mut changed = vec![false; self.layers.len()];
        for (n, node) in self.nodes.iter().enumerate() {
            let at = format!("node {n} ({})", node.op.name());
            for t in &node.inputs {
                match written.get(t.index()) {
                    Some(true) => {}
                    Some(false) => return Err(format!("{at} reads {} before it is written", self.tensor(*t).name)),
                    None => return Err(format!("{at} reads a tensor that does not exist")),
                }
            }
            for t in &node.outputs {
                match written.get_mut(t.index()) {
                    Some(w) if !*w => *w = true,
                    Some(_) => return Err(format!("{at} writes {} a second time", self.tensor(*t).name)),
                    None => return Err(format!("{at} writes a tensor that does not exist")),
                }
            }
            if let Some(l) = node.op.layer() {
                let Some(changed) = changed.get_mut(l.index()) else {
                    return Err(format!("{at} names layer {} of {}", l.0, self.layers.len()));
                };
                match node.op {
                    Op::ConvInputGrad(_) if *changed => return Err(format!("{at} reads weights after their update")),
                    Op::WeightUpdate(_) | Op::ConvWeightStep(_) => *changed = true,
                    _ => {}
                }
            }
            self.check_node(n).map_err(|what| format!("{at}: {what}"))?;
        }
        match self.outputs.iter().find(|t| !written[t.index()]) {
            Some(t) => Err(format!("output {} is never written", self.tensor(*t).name)),
            None => Ok(()),
        }
    }

    fn check_node(&self, n: usize) -> Result<(), String> {
        let node = &self.nodes[n];
        let shape = |t: TensorId| self.tensor(t).shape;
        let count = |inputs: usize, outputs: std::ops::RangeInclusive<usize>| {
            if node.inputs.len() == inputs && outputs.contains(&node.outputs.len()) {
                Ok(())
            } else {
                Err(format!("{} inputs and {} outputs", node.inputs.len(), node.outputs.len()))
            }
        };
        let same = |a: Shape, b: Shape| if a == b { Ok(()) } else { Err(format!("shapes {a} and {b} differ")) };
        if node.op.is_forward() && node.outputs.len() == 2 {
            let (y, mask) = (self.tensor(node.outputs[0]), self.tensor(node.outputs[1]));
            same(y.shape, mask.shape)?;
            if mask.kind != Kind::Mask {
                return Err("the second output is not a mask".into());
            }
        }
        match &node.op {
            Op::Conv(l) => {
                count(1, 1..=2)?;
                let g = &self.layer(*l).geo;
                same(shape(node.inputs[0]), Shape::new(g.in_h as usize, g.in_w as usize, g.in_c as usize))?;
                same(shape(node.outputs[0]), Shape::new(g.out_h as usize, g.out_w as usize, g.out_c as usize))
            }
            Op::Add(..) => {
                count(2, 1..=2)?;
                same(shape(node.inputs[0]), shape(node.inputs[1]))?;
                same(shape(node.inputs[0]), shape(node.outputs[0]))
            }
            Op::AveragePool(_) | Op::MaxPool(_) | Op::Mean(..) => count(1, 1..=2),
            Op::Requantize(..) => {
                count(1, 1..=2)?;
                same(shape(node.inputs[0]), shape(node.outputs[0]))
            }
            Op::Pad { .. } | Op::Softmax(_) | Op::Head | Op::HeadInputGrad | Op::GradCrop { .. } => count(1, 1..=1),
            Op::Concat(_) => {
                if node.outputs.len() == 1 {
                    Ok(())
                } else {
                    Err("more than one output".into())
                }
            }
            Op::Reshape | Op::GradReshape => {
                count(1, 1..=1)?;
                if shape(node.inputs[0]).len() == shape(node.outputs[0]).len() {
                    Ok(())
                } else {
                    Err("the number of elements changes".into())
                }
            }
            Op::HeadUpdate => count(2, 0..=0),
            Op::ConvAccGrad(_) => {
                count(2, 1..=1)?;
                same(shape(node.inputs[0]), shape(node.inputs[1]))?;
                same(shape(node.inputs[0]), shape(node.outputs[0]))
            }
            Op::ConvInputGrad(l) => {
                count(1, 1..=1)?;
                if self.layer(*l).input_len() == shape(node.outputs[0]).len() {
                    Ok(())
                } else {
                    Err("the gradient does not have the input's size".into())
                }
            }
            Op::ConvWeightGrad(_) => count(2, 1..=1),
            Op::ConvBiasGrad(_) => count(1, 1..=1),
            Op::WeightUpdate(_) | Op::BiasUpdate(_) | Op::ConvBiasStep(_) => count(1, 0..=0),
            Op::ConvWeightStep(_) => count(2, 0..=0),
            Op::GradScale { repeat, .. } => {
                count(2, 1..=1)?;
                if shape(node.inputs[0]).len() * repeat == shape(node.outputs[0]).len() {
                    Ok(())
                } else {
                    Err("the number of elements does not match".into())
                }
            }
            Op::GradSum => {
                count(2, 1..=1)?;
                same(shape(node.inputs[0]), shape(node.inputs[1]))
            }
            Op::AveragePoolGrad(_) => count(2, 1..=1),
            Op::MaxPoolGrad(_) => count(3, 1..=1),
        }
    }
}
