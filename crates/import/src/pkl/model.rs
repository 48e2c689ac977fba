//! Builds the graph from the pickle's modules, for any input size: `first_conv`, `blocks`, `feature_mix`, the mean,
//! `classifier`.

use std::sync::Arc;

use tinytrain_ir::{ConvSpec, GraphBuilder, PoolSpec, Quant, Shape, TensorId};

use super::pickle::Pickle;
use super::record::Record;
use crate::budget::Budget;
use crate::error::{Fault, Operator, malformed, unsupported};
use crate::{FileTensor, ImportError, ImportOptions, Imported, Input};

const MAX_BLOCKS: usize = 1 << 10;
/// A ReLU6 is the clamp of int8 values with zero point -128 and scale 6/255; the format has no other activation.
const BOUNDS: (i32, i32) = (-128, 127);

pub(super) fn build(
    path: &str,
    pickle: &Pickle<'_>,
    budget: Budget,
    options: &ImportOptions,
) -> Result<Imported, ImportError> {
    let whole = |fault: Fault| fault.at(path, None);
    let root = Record::root(pickle);
    let (shape, quant) = input(&root, options).map_err(whole)?;
    let input = Input::new(path, shape, quant, None, options.normalisation.as_ref())?;
    let builder = GraphBuilder::new(crate::stem(path), shape, quant, None).map_err(|e| whole(e.into()))?;
    let mut model = Model { builder, budget, ops: 0, at: String::new(), tensors: Vec::new() };
    let output = model.forward(&root).map_err(|fault| {
        // Errors in the pickle name their own path; those of the graph builder need the module.
        let operator =
            Operator { index: model.ops.saturating_sub(1), name: model.at.clone(), inputs: vec![], outputs: vec![] };
        let operator = Some(operator).filter(|_| !matches!(fault, Fault::Malformed(_)) && !model.at.is_empty());
        fault.at(path, operator)
    })?;
    let graph = model.builder.finish(vec![output]).map_err(|e| whole(e.into()))?;
    Ok(Imported { graph, format: "pkl", input, tensors: model.tensors, left_out: Vec::new(), labels: Vec::new() })
}

/// Shape and quantisation of the input: RGB, of the requested size or the one given in the file.
fn input(root: &Record<'_, '_>, options: &ImportOptions) -> Result<(Shape, Quant), Fault> {
    let first = root.get("first_conv")?;
    let [h, w] = match options.input {
        Some(size) => size,
        None => first.get("in_shape")?.pair()?,
    };
    // A larger tensor would be rejected anyway; below this no sum of padding and size overflows.
    if h == 0 || w == 0 || h > 1 << 14 || w > 1 << 14 {
        return unsupported(format!("an input of {h}x{w} pixels"));
    }
    Ok((Shape::new(h, w, first.get("in_channel")?.size()?), quant(&first.get("params")?, "x")?))
}

fn quant(params: &Record<'_, '_>, which: &str) -> Result<Quant, Fault> {
    let scale = params.get(&format!("{which}_scale"))?.float()?;
    let zero = params.get(&format!("{which}_zero"))?.int()?;
    match i8::try_from(zero) {
        Ok(zero) => Ok(Quant { scale, zero: zero as i32 }),
        Err(_) => malformed(format!("{}.{which}_zero is {zero}, outside int8", params.path)),
    }
}

struct Model {
    builder: GraphBuilder,
    budget: Budget,
    /// Number of operators so far.
    ops: usize,
    /// The current module.
    at: String,
    tensors: Vec<FileTensor>,
}

impl Model {
    fn forward(&mut self, root: &Record<'_, '_>) -> Result<TensorId, Fault> {
        let mut x = self.builder.input();
        x = self.conv(&root.get("first_conv")?, x)?;
        for block in root.get("blocks")?.items(MAX_BLOCKS)? {
            x = self.block(&block, x)?;
        }
        if let Some(mix) = root.find("feature_mix")? {
            x = self.conv(&mix, x)?;
        }
        self.begin("mean");
        let q = self.builder.quant(x);
        let mean = self.builder.mean(x, q)?;
        self.end(mean);
        self.conv(&root.get("classifier")?, mean)
    }

    /// Expand, depthwise, project, and the addition of the block's input if the block is residual.
    fn block(&mut self, block: &Record<'_, '_>, input: TensorId) -> Result<TensorId, Fault> {
        if block.find("se")?.is_some() {
            self.begin(&block.path);
            return unsupported("squeeze-and-excitation is not supported");
        }
        let mut x = input;
        for module in ["pointwise1", "depthwise", "pointwise2"] {
            if let Some(conv) = block.find(module)? {
                x = self.conv(&conv, x)?;
            }
        }
        match block.find("residual")? {
            Some(residual) => self.residual(&residual, input, x),
            None => Ok(x),
        }
    }

    fn residual(&mut self, residual: &Record<'_, '_>, input: TensorId, path: TensorId) -> Result<TensorId, Fault> {
        self.begin(&residual.path);
        let params = residual.get("params")?;
        self.expect_quant(&params, input)?;
        let y = self.builder.add(input, path, quant(&params, "y")?, BOUNDS)?;
        self.end(y);
        Ok(y)
    }

    fn conv(&mut self, conv: &Record<'_, '_>, x: TensorId) -> Result<TensorId, Fault> {
        self.begin(&conv.path);
        let params = conv.get("params")?;
        self.expect_quant(&params, x)?;
        if conv.find("act")?.is_some() {
            return unsupported(
                "activation functions are not supported; a ReLU6 is expressed by the range of the int8 values",
            );
        }
        let (dims, weights) = params.get("weight")?.int8(&mut self.budget)?;
        let kernel = conv.get("kernel_size")?.pair()?;
        let depthwise = self.check_shape(conv, x, &dims, kernel)?;
        self.budget.take_channels(dims[0])?;
        let pad = kernel.map(|k| (k - 1) / 2);
        let spec = ConvSpec {
            window: PoolSpec::padded(
                self.builder.shape(x),
                kernel,
                conv.get("stride")?.pair()?,
                [pad[0], pad[0], pad[1], pad[1]],
            ),
            depthwise,
            weights: if depthwise { to_hwc(&weights, &dims) } else { to_ohwi(&weights, &dims) },
            bias: params.get("bias")?.int32(&mut self.budget)?.into(),
            w_scales: params.get("w_scales")?.floats(&mut self.budget)?,
            y: quant(&params, "y")?,
            bounds: BOUNDS,
        };
        if spec.bias.len() != dims[0] {
            return malformed(format!(
                "{}.params.bias has {} values for {} channels",
                conv.path,
                spec.bias.len(),
                dims[0]
            ));
        }
        let y = self.builder.conv(x, spec)?;
        self.end(y);
        Ok(y)
    }

    /// Whether the convolution is depthwise; an error if its description in the file does not match the weights and the
    /// input.
    fn check_shape(
        &self,
        conv: &Record<'_, '_>,
        x: TensorId,
        dims: &[usize],
        kernel: [usize; 2],
    ) -> Result<bool, Fault> {
        let in_c = self.builder.shape(x).c;
        let groups = conv.get("groups")?.size()?;
        let depthwise = groups > 1 && groups == in_c;
        if groups > 1 && !depthwise {
            return unsupported(format!("a grouped convolution ({groups} groups) is not supported"));
        }
        if kernel.iter().any(|k| k.is_multiple_of(2)) {
            return unsupported(format!("an even kernel ({}x{}) is not supported", kernel[0], kernel[1]));
        }
        let stated = [conv.get("out_channel")?.size()?, if depthwise { 1 } else { in_c }, kernel[0], kernel[1]];
        if dims != stated || conv.get("in_channel")?.size()? != in_c {
            return malformed(format!("{}.params.weight has the shape {dims:?}; {stated:?} is expected", conv.path));
        }
        Ok(depthwise)
    }

    /// Each module repeats the quantisation of its input, which must be that of the preceding module's output.
    fn expect_quant(&self, params: &Record<'_, '_>, x: TensorId) -> Result<(), Fault> {
        let (stated, is) = (quant(params, "x")?, self.builder.quant(x));
        if stated.zero == is.zero && (stated.scale / is.scale - 1.0).abs() < 1e-6 {
            return Ok(());
        }
        malformed(format!(
            "{} expects scale {} and zero point {}, but the preceding module yields {} and {}",
            params.path, stated.scale, stated.zero, is.scale, is.zero
        ))
    }

    fn begin(&mut self, path: &str) {
        self.at = path.into();
        self.builder.origin(self.ops, None);
        self.ops += 1;
    }

    fn end(&mut self, tensor: TensorId) {
        self.tensors.push(FileTensor { tensor, source: None, name: self.at.clone() });
    }
}

/// OIHW to OHWI.
fn to_ohwi(w: &[i8], dims: &[usize]) -> Arc<[i8]> {
    let (inputs, area) = (dims[1], dims[2] * dims[3]);
    if area == 1 {
        return w.into();
    }
    let of_output =
        |o: &[i8]| -> Vec<i8> { (0..area).flat_map(|p| (0..inputs).map(move |i| o[i * area + p])).collect() };
    w.chunks_exact(inputs * area).flat_map(of_output).collect()
}

/// C1HW to HWC.
fn to_hwc(w: &[i8], dims: &[usize]) -> Arc<[i8]> {
    let (channels, area) = (dims[0], dims[2] * dims[3]);
    (0..area).flat_map(|p| (0..channels).map(move |c| w[c * area + p])).collect()
}
