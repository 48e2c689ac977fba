//! Nodes, one kind after the other.

use tinytrain_ir::{Function, Quant};

use super::constants::{calculated, constant, dequantised, ints};
use super::{Reader, SUPPORTED, Symbol, proto, short};
use crate::build::{Constant, Data, Order, View};
use crate::error::{Fault, malformed, unsupported};
use crate::graph::{Bounds, Conv, Op, Window};

const FIRST: Order = Order::ChannelsFirst;

/// A node's attributes.
struct Attributes<'a>(&'a [proto::Attribute]);

impl<'a> Attributes<'a> {
    fn get(&self, name: &str) -> Option<&'a proto::Attribute> {
        self.0.iter().find(|a| a.name == name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.get(name).map_or(default, |a| a.i)
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        self.get(name).map_or(default, |a| a.f)
    }

    fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.get(name).map(|a| &a.ints[..])
    }

    fn text(&self, name: &str) -> &'a [u8] {
        self.get(name).map_or(b"", |a| &a.s)
    }
}

fn sizes(v: &[i64]) -> Result<Vec<usize>, Fault> {
    v.iter().map(|&i| usize::try_from(i).or_else(|_| malformed(format!("{i} where a size is expected")))).collect()
}

/// A dimension, counted from the last one where it is below 0.
fn dimension(i: i64, rank: usize) -> Result<usize, Fault> {
    let at = if i < 0 { i + rank as i64 } else { i };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < rank.max(1))
        .map_or_else(|| malformed(format!("dimension {i} of {rank}")), Ok)
}

/// One number for rows and columns, or for columns alone in a series.
fn both(v: Option<&[i64]>, default: usize, spatial: usize) -> Result<[usize; 2], Fault> {
    let v = v.map_or(Ok(vec![default; spatial]), sizes)?;
    match v[..] {
        [h, w] if spatial == 2 => Ok([h, w]),
        [w] if spatial == 1 => Ok([1, w]),
        _ => malformed("a window of another number of dimensions than its input"),
    }
}

impl Reader {
    fn symbol(&self, node: &proto::Node, i: usize) -> Result<&Symbol, Fault> {
        let name = node.inputs.get(i).map_or("", |n| n);
        self.symbols
            .get(name)
            .map_or_else(|| malformed(format!("nothing before it yields its input '{}'", short(name))), Ok)
    }

    fn given(node: &proto::Node, i: usize) -> bool {
        node.inputs.get(i).is_some_and(|n| !n.is_empty())
    }

    fn view(&self, node: &proto::Node, i: usize) -> Result<View, Fault> {
        match self.symbol(node, i)? {
            Symbol::View(v) => Ok(v.clone()),
            Symbol::Constant(_) => unsupported("a constant in the place of an activation"),
        }
    }

    fn constant(&self, node: &proto::Node, i: usize) -> Result<&Constant, Fault> {
        match self.symbol(node, i)? {
            Symbol::Constant(c) => Ok(c),
            Symbol::View(_) => unsupported(format!("its input {i} is no constant")),
        }
    }

    /// Integers of an attribute (in older versions) or of an input.
    fn listed(&self, node: &proto::Node, name: &str, i: usize) -> Result<Option<Vec<i64>>, Fault> {
        match Attributes(&node.attributes).ints(name) {
            Some(v) => Ok(Some(v.to_vec())),
            None if Self::given(node, i) => Ok(Some(self.constant(node, i)?.ints()?.to_vec())),
            None => Ok(None),
        }
    }

    pub fn node(&mut self, node: &proto::Node) -> Result<(), Fault> {
        let known = matches!(&node.domain[..], "" | "ai.onnx") && SUPPORTED.contains(&&node.op_type[..]);
        if !known {
            let domain = if node.domain.is_empty() { String::new() } else { format!(" of '{}'", short(&node.domain)) };
            return unsupported(format!(
                "this operator{domain} is not supported\n  supported: {}",
                SUPPORTED.join(", ")
            ));
        }
        let result = match self.folded(node)? {
            Some(c) => {
                let n = match &c.data {
                    Data::Float(v) => v.len(),
                    Data::Int(v) => v.len(),
                };
                self.builder.hold(n)?;
                Symbol::Constant(c)
            }
            None => Symbol::View(self.computed(node)?),
        };
        let Some(name) = node.outputs.first() else { return malformed("it has no output") };
        if self.symbols.insert(name.clone(), result).is_some() {
            return malformed(format!("'{}' is yielded twice", short(name)));
        }
        Ok(())
    }

    /// What a node makes of constants alone, or of a shape.
    fn folded(&self, node: &proto::Node) -> Result<Option<Constant>, Fault> {
        let a = Attributes(&node.attributes);
        let op = &node.op_type[..];
        if op == "Constant" {
            return match (
                a.get("value").and_then(|a| a.t.as_ref()),
                a.ints("value_ints"),
                a.get("value_int"),
                a.get("value_float"),
            ) {
                (Some(t), ..) => constant(t).map(Some),
                (_, Some(v), ..) => Ok(Some(ints(v.to_vec()))),
                (_, _, Some(v), _) => Ok(Some(Constant { dims: vec![], data: Data::Int(vec![v.i]) })),
                (_, _, _, Some(v)) => Ok(Some(Constant { dims: vec![], data: Data::Float(vec![v.f]) })),
                _ => unsupported("a constant without a value that is supported"),
            };
        }
        if op == "Shape" {
            return match self.symbol(node, 0)? {
                Symbol::View(v) => Ok(Some(ints(v.dims.iter().map(|&d| d as i64).collect()))),
                Symbol::Constant(c) => Ok(Some(ints(c.dims.iter().map(|&d| d as i64).collect()))),
            };
        }
        let of_constants = (0..node.inputs.len())
            .filter(|&i| Self::given(node, i))
            .all(|i| matches!(self.symbol(node, i), Ok(Symbol::Constant(_))));
        if !of_constants || node.inputs.is_empty() {
            return Ok(None);
        }
        let x = self.constant(node, 0)?;
        Ok(Some(match op {
            "Identity" | "Cast" => x.clone(),
            "DequantizeLinear" => {
                let zero = Self::given(node, 2).then(|| self.constant(node, 2)).transpose()?;
                let axis = dimension(a.int("axis", 1), x.dims.len().max(2))?;
                let scale = self.constant(node, 1)?.floats()?;
                dequantised(x, scale, zero.map(Constant::ints).transpose()?, axis)?
            }
            "Add" | "Sub" | "Mul" | "Div" => calculated(op, x, self.constant(node, 1)?)?,
            "Squeeze" | "Unsqueeze" => {
                let n = x.dims.iter().product();
                Constant { dims: if n == 1 && op == "Squeeze" { vec![] } else { vec![n] }, data: x.data.clone() }
            }
            "Gather" => {
                let (values, at) = (x.ints()?, self.constant(node, 1)?);
                let pick = |&i: &i64| dimension(i, values.len()).map(|i| values[i]);
                Constant {
                    dims: at.dims.clone(),
                    data: Data::Int(at.ints()?.iter().map(pick).collect::<Result<_, _>>()?),
                }
            }
            "Concat" => {
                let parts = (0..node.inputs.len()).map(|i| self.constant(node, i)?.ints());
                ints(parts.collect::<Result<Vec<_>, _>>()?.concat())
            }
            "Slice" => {
                let values = x.ints()?;
                let one = |name, i| Ok::<_, Fault>(self.listed(node, name, i)?.and_then(|v| v.first().copied()));
                let n = values.len() as i64;
                let within = |i: i64| if i < 0 { i.saturating_add(n) } else { i }.clamp(0, n) as usize;
                let from = within(one("starts", 1)?.unwrap_or(0));
                let to = within(one("ends", 2)?.unwrap_or(n));
                if one("steps", 4)?.unwrap_or(1) != 1 {
                    return unsupported("a slice with steps");
                }
                ints(values[from..to.max(from)].to_vec())
            }
            "Transpose" if x.dims.len() == 2 => {
                let v = x.floats()?;
                let [rows, columns] = [x.dims[0], x.dims[1]];
                let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| v[r * columns + c])).collect();
                Constant { dims: vec![columns, rows], data: Data::Float(turned) }
            }
            _ => return unsupported("constants alone as its inputs"),
        }))
    }

    fn computed(&mut self, node: &proto::Node) -> Result<View, Fault> {
        let a = Attributes(&node.attributes);
        let op = &node.op_type[..];
        match op {
            "Add" | "Sub" | "Mul" | "Div" => return self.arithmetic(node, op),
            "Concat" => {
                let parts: Vec<View> = (0..node.inputs.len()).map(|i| self.view(node, i)).collect::<Result<_, _>>()?;
                let rank = parts.first().map_or(0, |p| p.dims.len());
                return self.builder.concat(&parts, dimension(a.int("axis", 1), rank)?);
            }
            _ => {}
        }
        let x = self.view(node, 0)?;
        let rank = x.dims.len();
        let dims = |v: &[i64]| v.iter().map(|&i| dimension(i, rank)).collect::<Result<Vec<_>, _>>();
        match op {
            "Identity" | "Cast" | "Dropout" => Ok(x),
            // A head of our own takes their place, and the class is the same without them.
            "LogSoftmax" | "ArgMax" if node.outputs.iter().any(|o| self.outputs.contains(o)) => Ok(x),
            "Conv" => self.conv(node, &x),
            "Gemm" | "MatMul" => self.dense(node, &x),
            "BatchNormalization" => self.batch_normalisation(node, &x),
            "Relu" => self.builder.bounded(&x, Bounds { low: 0.0, ..Bounds::NONE }),
            "Clip" => {
                let bound = |name, i, default| match a.get(name) {
                    Some(a) => Ok(a.f),
                    None if Self::given(node, i) => self
                        .constant(node, i)?
                        .floats()?
                        .first()
                        .map_or_else(|| malformed("an empty bound"), |&v| Ok(v)),
                    None => Ok(default),
                };
                let (low, high) = (bound("min", 1, f32::NEG_INFINITY)?, bound("max", 2, f32::INFINITY)?);
                if low > high || low.is_nan() || high.is_nan() {
                    return malformed(format!("bounds from {low} to {high}"));
                }
                self.builder.bounded(&x, Bounds { low, high })
            }
            "LeakyRelu" => self.builder.function(&x, Function::LeakyRelu { alpha: a.float("alpha", 0.01).into() }),
            "Sigmoid" => self.builder.function(&x, Function::Logistic),
            "Tanh" => self.builder.function(&x, Function::Tanh),
            "HardSwish" => self.builder.function(&x, Function::HardSwish),
            "HardSigmoid" => {
                let scaled = self.builder.affine(&x, &[a.float("alpha", 0.2)], &[a.float("beta", 0.5)])?;
                self.builder.bounded(&scaled, Bounds { low: 0.0, high: 1.0 })
            }
            "Softmax" => self.builder.softmax(&x),
            "MaxPool" | "AveragePool" => self.pool(&a, &x, op == "MaxPool"),
            "GlobalAveragePool" => self.builder.mean(&x, &(2..rank).collect::<Vec<_>>(), true),
            "ReduceMean" => {
                let over = self.listed(node, "axes", 1)?.map_or(Ok((0..rank).collect()), |v| dims(&v))?;
                self.builder.mean(&x, &over, a.int("keepdims", 1) != 0)
            }
            "Transpose" => {
                let reversed = || (0..rank).rev().collect();
                let permutation = a.ints("perm").map_or_else(|| Ok(reversed()), dims)?;
                self.builder.transpose(&x, &permutation)
            }
            "Flatten" => {
                let axis = dimension(a.int("axis", 1), rank + 1)?;
                let to = [x.dims[..axis].iter().product(), x.dims[axis..].iter().product()];
                self.builder.reshape(&x, &to)
            }
            "Reshape" => {
                let to = self.constant(node, 1)?.ints()?.to_vec();
                let kept = |(i, d): (usize, i64)| {
                    if d == 0 && a.int("allowzero", 0) == 0 { x.dims.get(i).map_or(0, |&d| d as i64) } else { d }
                };
                let to: Vec<i64> = to.into_iter().enumerate().map(kept).collect();
                let known: i64 = to.iter().filter(|&&d| d != -1).try_fold(1i64, |n, &d| n.checked_mul(d)).unwrap_or(0);
                let all = x.dims.iter().product::<usize>() as i64;
                let to: Vec<i64> =
                    to.iter().map(|&d| if d == -1 { all.checked_div(known).unwrap_or(0) } else { d }).collect();
                self.builder.reshape(&x, &sizes(&to)?)
            }
            "Squeeze" => {
                let gone = self.listed(node, "axes", 1)?.map(|v| dims(&v)).transpose()?;
                let stays = |i: usize| gone.as_ref().map_or(x.dims[i] != 1, |gone| !gone.contains(&i));
                self.builder.reshape(&x, &(0..rank).filter(|&i| stays(i)).map(|i| x.dims[i]).collect::<Vec<_>>())
            }
            "Unsqueeze" => {
                let Some(new) = self.listed(node, "axes", 1)? else { return malformed("no dimensions to put in") };
                let all = rank + new.len();
                let new = new.iter().map(|&i| dimension(i, all)).collect::<Result<Vec<_>, _>>()?;
                let mut old = x.dims.iter();
                let to: Vec<usize> =
                    (0..all).map(|i| if new.contains(&i) { 1 } else { old.next().copied().unwrap_or(1) }).collect();
                self.builder.reshape(&x, &to)
            }
            "Pad" => {
                if !matches!(a.text("mode"), b"" | b"constant") {
                    return unsupported("padding with other values than zeros");
                }
                let value = if Self::given(node, 2) {
                    self.constant(node, 2)?.floats()?.first().copied().unwrap_or(0.0)
                } else {
                    a.float("value", 0.0)
                };
                let pads = self.listed(node, "pads", 1)?.map_or(Ok(vec![]), |v| sizes(&v))?;
                if value != 0.0 || pads.len() != 2 * rank {
                    return unsupported("padding with other values than zeros, or of some dimensions only");
                }
                self.builder.pad(&x, &pads[..rank], &pads[rank..])
            }
            "QuantizeLinear" => {
                let (&[scale], zero) = (
                    self.constant(node, 1)?.floats()?,
                    if Self::given(node, 2) { self.constant(node, 2)?.ints()?[..].first().copied() } else { None },
                ) else {
                    return unsupported("activations with a scale for each channel");
                };
                let unsigned = node.inputs.get(2).is_none_or(|z| z.is_empty() || self.unsigned.contains(z));
                let zero = zero.unwrap_or(0) - if unsigned { 128 } else { 0 };
                if !(scale > 0.0 && scale.is_finite() && (-128..=127).contains(&zero)) {
                    return unsupported("a quantisation that int8 does not have");
                }
                self.builder.state(&x, Quant { scale: scale.into(), zero: zero as i32 });
                Ok(x)
            }
            "DequantizeLinear" => Ok(x),
            _ => unsupported("this operator is not supported here, of an activation"),
        }
    }

    fn arithmetic(&mut self, node: &proto::Node, op: &str) -> Result<View, Fault> {
        let (x, constant, reversed) = match (self.symbol(node, 0)?, self.symbol(node, 1)?) {
            (Symbol::View(a), Symbol::View(b)) => {
                let op = match op {
                    "Add" => Op::Add,
                    "Mul" => Op::Mul,
                    _ => return unsupported("two activations; their sum and product are supported"),
                };
                let (a, b) = (a.clone(), b.clone());
                return self.builder.pair(op, &a, &b);
            }
            (Symbol::View(x), Symbol::Constant(c)) => (x.clone(), c, false),
            (Symbol::Constant(c), Symbol::View(x)) => (x.clone(), c, true),
            _ => return unsupported("constants alone"),
        };
        let c = self.builder.broadcast(&x, constant)?;
        self.builder.combined(op, &x, c, reversed)
    }

    /// Window, strides, dilations and padding of a convolution or pooling over `spatial` dimensions.
    fn window(a: &Attributes, x: &View, kernel: [usize; 2]) -> Result<Window, Fault> {
        let spatial = x.dims.len().saturating_sub(2);
        let stride = both(a.ints("strides"), 1, spatial)?;
        let dilation = both(a.ints("dilations"), 1, spatial)?;
        let mut window = Window { kernel, stride, dilation, pads: [0; 4] };
        if [kernel, stride, dilation].iter().flatten().any(|&n| n == 0) {
            return malformed("a window of size 0");
        }
        window.pads = match (a.text("auto_pad"), sizes(a.ints("pads").unwrap_or(&[]))?[..].as_ref()) {
            (b"SAME_UPPER" | b"SAME_LOWER", _) => {
                let at = |i: usize| x.dims.get(i).copied().unwrap_or(1);
                let shape = if spatial == 1 {
                    tinytrain_ir::Shape::new(1, at(2), 1)
                } else {
                    tinytrain_ir::Shape::new(at(2), at(3), 1)
                };
                let [t, l, b, r] = window.same(shape);
                if a.text("auto_pad") == b"SAME_LOWER" { [b, r, t, l] } else { [t, l, b, r] }
            }
            (b"VALID", _) | (_, []) => [0; 4],
            (_, &[left, right]) if spatial == 1 => [0, left, 0, right],
            (_, &[t, l, b, r]) if spatial == 2 => [t, l, b, r],
            _ => return malformed("padding of another number of dimensions than its input"),
        };
        Ok(window)
    }

    fn conv(&mut self, node: &proto::Node, x: &View) -> Result<View, Fault> {
        let a = Attributes(&node.attributes);
        let weights = self.constant(node, 1)?;
        let (dims, values) = (weights.dims.clone(), weights.floats()?);
        let (kernel, spatial) = match dims[..] {
            [_, _, w] => ([1, w], 1),
            [_, _, h, w] => ([h, w], 2),
            _ => return unsupported(format!("weights of {} dimensions", dims.len())),
        };
        if spatial + 2 != x.dims.len() {
            return malformed("weights of another number of dimensions than its input");
        }
        let (outputs, inputs, taps) = (dims[0], dims[1], kernel[0] * kernel[1]);
        let channels = self.builder.shape(x).c;
        let group = a.int("group", 1);
        let depthwise = group != 1 && group == channels as i64 && inputs == 1;
        if group != 1 && !depthwise {
            return unsupported(format!("{group} groups; 1, or one for each channel, are supported"));
        }
        // Ours: rows of the kernel, columns, then input channels (depthwise: output channels).
        let at = |o: usize, i: usize, tap: usize| values[(o * inputs + i) * taps + tap];
        let ordered = if depthwise {
            (0..taps).flat_map(|t| (0..outputs).map(move |o| at(o, 0, t))).collect()
        } else {
            (0..outputs).flat_map(|o| (0..taps).flat_map(move |t| (0..inputs).map(move |i| at(o, i, t)))).collect()
        };
        let bias = if Self::given(node, 2) { self.constant(node, 2)?.floats()?.to_vec() } else { vec![0.0; outputs] };
        let window = Self::window(&a, x, kernel)?;
        self.builder.conv(x, FIRST, Conv { window, depthwise, outputs, weights: ordered, bias })
    }

    fn dense(&mut self, node: &proto::Node, x: &View) -> Result<View, Fault> {
        let a = Attributes(&node.attributes);
        let weights = self.constant(node, 1)?;
        let &[rows, columns] = &weights.dims[..] else { return unsupported("weights of other than two dimensions") };
        if a.int("transA", 0) != 0 {
            return unsupported("a transposed input");
        }
        let (values, alpha) = (weights.floats()?, a.float("alpha", 1.0));
        let by_output = a.int("transB", 0) != 0;
        let outputs = if by_output { rows } else { columns };
        let ordered: Vec<f32> = if by_output {
            values.iter().map(|v| v * alpha).collect()
        } else {
            (0..columns).flat_map(|o| (0..rows).map(move |i| values[i * columns + o] * alpha)).collect()
        };
        let bias = match node.op_type == "Gemm" && Self::given(node, 2) {
            true => {
                let (c, beta) = (self.constant(node, 2)?.floats()?, a.float("beta", 1.0));
                match c.len() {
                    1 => vec![c[0] * beta; outputs],
                    n if n == outputs => c.iter().map(|v| v * beta).collect(),
                    n => return malformed(format!("{n} biases for {outputs} outputs")),
                }
            }
            false => vec![0.0; outputs],
        };
        self.builder.dense(x, ordered, bias)
    }

    fn batch_normalisation(&mut self, node: &proto::Node, x: &View) -> Result<View, Fault> {
        let epsilon = Attributes(&node.attributes).float("epsilon", 1e-5);
        let of = |i: usize| Ok::<_, Fault>(self.constant(node, i)?.floats()?.to_vec());
        let [scale, shift, mean, variance] = [of(1)?, of(2)?, of(3)?, of(4)?];
        if [&shift, &mean, &variance].iter().any(|v| v.len() != scale.len()) {
            return malformed("a scale, shift, mean and variance of different lengths");
        }
        let scale: Vec<f32> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        if scale.iter().any(|s| !s.is_finite()) {
            return unsupported("a variance below 0");
        }
        let shift: Vec<f32> = (0..scale.len()).map(|i| shift[i] - mean[i] * scale[i]).collect();
        self.builder.affine(x, &scale, &shift)
    }

    fn pool(&mut self, a: &Attributes, x: &View, largest: bool) -> Result<View, Fault> {
        let spatial = x.dims.len().saturating_sub(2);
        let Some(kernel) = a.ints("kernel_shape") else { return malformed("it has no kernel_shape") };
        let mut window = Self::window(a, x, both(Some(kernel), 1, spatial)?)?;
        let shape = self.builder.shape(x);
        if a.int("ceil_mode", 0) != 0 {
            let exact = |size: usize, i: usize| {
                let reach = (window.kernel[i] - 1) * window.dilation[i] + 1;
                (size + window.pads[i] + window.pads[i + 2])
                    .checked_sub(reach)
                    .is_some_and(|n| n % window.stride[i] == 0)
            };
            if !exact(shape.h, 0) || !exact(shape.w, 1) {
                return unsupported("a pooling whose last window ends beyond its input (ceil_mode)");
            }
        }
        let mut x = x.clone();
        if !largest && a.int("count_include_pad", 0) != 0 && window.pads != [0; 4] {
            let [t, l, b, r] = window.pads;
            let (before, behind) =
                if spatial == 1 { (vec![0, 0, l], vec![0, 0, r]) } else { (vec![0, 0, t, l], vec![0, 0, b, r]) };
            x = self.builder.pad(&x, &before, &behind)?;
            window.pads = [0; 4];
        }
        self.builder.pool(&x, FIRST, window, largest)
    }
}
