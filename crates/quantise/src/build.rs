//! Builds a [`Network`] from what readers of files say: operations on tensors in the file's own order of dimensions.
//!
//! A network holds rows, columns and channels. A file may have its channels first (ONNX), lack rows (networks for series) or flatten its last map in
//! another order than ours: a [`View`] says which dimension of the file's tensor is which of ours. Transposes and reshapes change views and cost nothing;
//! where a flattened map comes in another order, the weights of the fully connected layer behind it are put into ours.

use std::rc::Rc;

use tinytrain_ir::{Function, Quant, Shape};

use crate::error::{Fault, malformed, unsupported};
use crate::graph::{Bounds, Conv, Network, Node, Op, Value, ValueId, Window};

/// Most elements of a tensor, of all of them and of all weights, and most products of a forward pass: a small file could ask for any number.
const MAX_ELEMENTS: usize = 1 << 26;
const MAX_PRODUCTS: u64 = 1 << 33;

/// Which dimension of a network's value a dimension of a file's tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Rows,
    Columns,
    Channels,
    /// One of size 1: the batch, or one that a reshape has put in.
    None,
}

#[derive(Clone, Debug, PartialEq)]
enum Layout {
    Axes(Vec<Axis>),
    /// One dimension (besides those of size 1) of which element `i` is element `order[i]` of the value.
    Flat(Rc<[usize]>),
}

/// A value as the file sees it.
#[derive(Clone, Debug)]
pub struct View {
    pub id: ValueId,
    pub dims: Vec<usize>,
    layout: Layout,
}

/// A constant of the file.
#[derive(Clone, Debug)]
pub struct Constant {
    pub dims: Vec<usize>,
    pub data: Data,
}

/// Elements of a constant.
#[derive(Clone, Debug)]
pub enum Data {
    Float(Vec<f32>),
    Int(Vec<i64>),
}

impl Constant {
    pub fn floats(&self) -> Result<&[f32], Fault> {
        match &self.data {
            Data::Float(v) => Ok(v),
            Data::Int(_) => unsupported("integers where floats are expected"),
        }
    }

    pub fn ints(&self) -> Result<&[i64], Fault> {
        match &self.data {
            Data::Int(v) => Ok(v),
            Data::Float(_) => unsupported("floats where integers are expected"),
        }
    }
}

/// Where the channels of a file's images stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    ChannelsFirst,
    ChannelsLast,
}

impl Order {
    /// The dimensions of an image (four) or of a series (three).
    fn axes(self, rank: usize) -> Option<&'static [Axis]> {
        use Axis::{Channels, Columns, None, Rows};
        Some(match (self, rank) {
            (_, 2) => &[None, Channels],
            (Self::ChannelsFirst, 3) => &[None, Channels, Columns],
            (Self::ChannelsFirst, 4) => &[None, Channels, Rows, Columns],
            (Self::ChannelsLast, 3) => &[None, Columns, Channels],
            (Self::ChannelsLast, 4) => &[None, Rows, Columns, Channels],
            _ => return Option::None,
        })
    }
}

/// A network under construction.
#[derive(Debug)]
pub struct Builder {
    values: Vec<Value>,
    nodes: Vec<Node>,
    products: u64,
    /// Elements of all values, and of all constants that were copied.
    held: usize,
}

fn elements(dims: &[usize]) -> Result<usize, Fault> {
    let n = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|n| (1..=MAX_ELEMENTS).contains(n));
    n.map_or_else(|| unsupported(format!("a tensor of {dims:?}: more than {MAX_ELEMENTS} elements, or none")), Ok)
}

/// The dimensions of more than one element, with their places.
fn wide(dims: &[usize]) -> Vec<(usize, usize)> {
    dims.iter().copied().enumerate().filter(|&(_, d)| d != 1).collect()
}

impl Builder {
    /// Begins with the input, `dims` as the file has them.
    pub fn new(dims: &[usize], order: Order) -> Result<(Self, View), Fault> {
        elements(dims)?;
        let Some(axes) = order.axes(dims.len()) else {
            return unsupported(format!(
                "an input of {} dimensions; those of images, series and vectors are supported",
                dims.len()
            ));
        };
        if dims[0] != 1 {
            return unsupported(format!("an input of batch {}; one sample at a time is supported", dims[0]));
        }
        let size = |axis| axes.iter().position(|&a| a == axis).map_or(1, |i| dims[i]);
        let shape = Shape::new(size(Axis::Rows), size(Axis::Columns), size(Axis::Channels));
        let values = vec![Value { shape, stated: None }];
        let view = View { id: 0, dims: dims.to_vec(), layout: Layout::Axes(axes.to_vec()) };
        Ok((Self { values, nodes: Vec::new(), products: 0, held: 0 }, view))
    }

    pub fn shape(&self, view: &View) -> Shape {
        self.values[view.id].shape
    }

    fn push(&mut self, op: Op, inputs: Vec<ValueId>, shape: Shape) -> Result<ValueId, Fault> {
        let weights = match &op {
            Op::Conv(c) | Op::Dense(c) => c.weights.len(),
            _ => 0,
        };
        self.hold(elements(&[shape.h, shape.w, shape.c])?.saturating_add(weights))?;
        let output = self.values.len();
        self.values.push(Value { shape, stated: None });
        self.nodes.push(Node { op, inputs, output, bounds: Bounds::NONE });
        Ok(output)
    }

    /// Accounts for elements that are kept.
    pub fn hold(&mut self, n: usize) -> Result<(), Fault> {
        self.held = self.held.saturating_add(n);
        if self.held > 2 * MAX_ELEMENTS {
            return unsupported(format!("more than {} elements in all its tensors", 2 * MAX_ELEMENTS));
        }
        Ok(())
    }

    fn count(&mut self, products: usize) -> Result<(), Fault> {
        self.products = self.products.saturating_add(products as u64);
        if self.products > MAX_PRODUCTS {
            return unsupported(format!("more than {MAX_PRODUCTS} multiply-accumulates for one sample"));
        }
        Ok(())
    }

    /// The quantisation that the file states for a value.
    pub fn state(&mut self, view: &View, quant: Quant) {
        self.values[view.id].stated.get_or_insert(quant);
    }

    /// Whether a view is an image, a series or a vector in an order, and with which number of spatial dimensions.
    fn image(view: &View, order: Order) -> Result<usize, Fault> {
        let fits = match (&view.layout, order.axes(view.dims.len())) {
            (Layout::Axes(axes), Some(wanted)) => {
                axes.iter().zip(wanted).zip(&view.dims).all(|((a, w), &d)| d == 1 || a == w)
            }
            _ => false,
        };
        if fits {
            Ok(view.dims.len() - 2)
        } else {
            unsupported("its input is no image, series or vector in the usual order of dimensions")
        }
    }

    fn seen(order: Order, rank: usize, shape: Shape) -> Result<(Vec<usize>, Layout), Fault> {
        let Some(axes) = order.axes(rank) else { return unsupported(format!("a tensor of {rank} dimensions")) };
        let size = |axis: &Axis| match axis {
            Axis::Rows => shape.h,
            Axis::Columns => shape.w,
            Axis::Channels => shape.c,
            Axis::None => 1,
        };
        Ok((axes.iter().map(size).collect(), Layout::Axes(axes.to_vec())))
    }

    fn as_image(&self, id: ValueId, order: Order, rank: usize) -> Result<View, Fault> {
        let (dims, layout) = Self::seen(order, rank, self.values[id].shape)?;
        Ok(View { id, dims, layout })
    }

    fn windowed(&self, x: &View, order: Order, window: &Window) -> Result<[usize; 2], Fault> {
        Self::image(x, order)?;
        let positive = [window.kernel, window.stride, window.dilation].iter().flatten().all(|&n| n > 0);
        match window.output(self.shape(x)).filter(|_| positive) {
            Some(size) => Ok(size),
            None => malformed("its window does not fit its input"),
        }
    }

    /// A convolution; weights as [`Conv`] has them.
    pub fn conv(&mut self, x: &View, order: Order, conv: Conv) -> Result<View, Fault> {
        let [h, w] = self.windowed(x, order, &conv.window)?;
        let c = self.shape(x).c;
        let taps = conv.window.kernel[0] * conv.window.kernel[1];
        let row = if conv.depthwise { taps } else { taps.saturating_mul(c) };
        if conv.depthwise && !conv.outputs.is_multiple_of(c) || conv.bias.len() != conv.outputs {
            return malformed("its channels and its weights do not match");
        }
        if conv.outputs.checked_mul(row) != Some(conv.weights.len()) || conv.outputs == 0 {
            return malformed("its weights have another size than its input and window ask for");
        }
        self.count(h.saturating_mul(w).saturating_mul(conv.weights.len()))?;
        let shape = Shape::new(h, w, conv.outputs);
        let id = self.push(Op::Conv(conv), vec![x.id], shape)?;
        self.as_image(id, order, x.dims.len())
    }

    /// A fully connected layer; `weights` are rows of the elements of `x` in the file's order.
    pub fn dense(&mut self, x: &View, mut weights: Vec<f32>, bias: Vec<f32>) -> Result<View, Fault> {
        let n = self.shape(x).len();
        let outputs = bias.len();
        if outputs == 0 || outputs.checked_mul(n) != Some(weights.len()) || wide(&x.dims).len() > 1 {
            return malformed(format!("its weights do not match its input of {:?}", x.dims));
        }
        if let Layout::Flat(order) = &x.layout {
            for row in weights.chunks_exact_mut(n) {
                let from = row.to_vec();
                for (i, &to) in order.iter().enumerate() {
                    row[to] = from[i];
                }
            }
        }
        self.count(weights.len())?;
        let conv = Conv { window: Window::ONE, depthwise: false, outputs, weights, bias };
        let id = self.push(Op::Dense(conv), vec![x.id], Shape::new(1, 1, outputs))?;
        self.as_image(id, Order::ChannelsLast, 2)
    }

    /// `x * scale + shift`; constants have one element, or one for each channel.
    pub fn affine(&mut self, x: &View, scale: &[f32], shift: &[f32]) -> Result<View, Fault> {
        let shape = self.shape(x);
        let each = |v: &[f32]| if v.len() == 1 { vec![v[0]; shape.c] } else { v.to_vec() };
        let (weights, bias) = (each(scale), each(shift));
        if matches!(x.layout, Layout::Flat(_)) && (scale.len() > 1 || shift.len() > 1) {
            return unsupported("a constant for each element of a flattened map");
        }
        if weights.len() != shape.c || bias.len() != shape.c {
            return unsupported(format!("a constant of another size than the {} channels of its input", shape.c));
        }
        self.count(shape.len())?;
        let conv = Conv { window: Window::ONE, depthwise: true, outputs: shape.c, weights, bias };
        let id = self.push(Op::Conv(conv), vec![x.id], shape)?;
        Ok(View { id, ..x.clone() })
    }

    /// The elements of a constant that is combined with `x` element by element: one, or one for each channel.
    pub fn broadcast(&self, x: &View, constant: &Constant) -> Result<Vec<f32>, Fault> {
        let values = constant.floats()?;
        match (wide(&constant.dims)[..].as_ref(), &x.layout) {
            ([], _) if values.len() == 1 => Ok(values.to_vec()),
            (&[(at, n)], Layout::Axes(axes)) => {
                // Dimensions are counted from the last one.
                let place = (at + x.dims.len()).checked_sub(constant.dims.len());
                match place.and_then(|i| axes.get(i)) {
                    Some(Axis::Channels) if n == self.shape(x).c => Ok(values.to_vec()),
                    _ => unsupported("a constant that is not the same for all pixels of a channel"),
                }
            }
            _ => unsupported("a constant that is not the same for all pixels of a channel"),
        }
    }

    /// A sum, difference, product or quotient (`Add`, `Sub`, `Mul`, `Div`) of a value and a constant; `reversed` where the constant comes first.
    pub fn combined(&mut self, op: &str, x: &View, c: Vec<f32>, reversed: bool) -> Result<View, Fault> {
        let each = |f: fn(f32) -> f32| c.iter().map(|&v| f(v)).collect::<Vec<_>>();
        let (scale, shift) = match (&op.to_ascii_lowercase()[..], reversed) {
            ("add", _) => (vec![1.0], c),
            ("sub", false) => (vec![1.0], each(|v| -v)),
            ("sub", true) => (vec![-1.0], c),
            ("mul", _) => (c, vec![0.0]),
            (_, false) if c.iter().all(|&v| v != 0.0) => (each(|v| 1.0 / v), vec![0.0]),
            _ => return unsupported("a division by an activation or by 0"),
        };
        self.affine(x, &scale, &shift)
    }

    /// A sum or product of two values of the same shape; a product may have one of a single pixel.
    pub fn pair(&mut self, op: Op, a: &View, b: &View) -> Result<View, Fault> {
        let (sa, sb) = (self.shape(a), self.shape(b));
        let gate = |s: Shape, of: Shape| (s.h, s.w, s.c) == (1, 1, of.c);
        let product = matches!(op, Op::Mul);
        let (a, b) = if product && sa != sb && gate(sa, sb) { (b, a) } else { (a, b) };
        let (sa, sb) = (self.shape(a), self.shape(b));
        let fits = sa == sb && a.layout == b.layout || product && gate(sb, sa);
        if !fits {
            return unsupported(format!("operands of {:?} and {:?}", a.dims, b.dims));
        }
        let id = self.push(op, vec![a.id, b.id], sa)?;
        Ok(View { id, ..a.clone() })
    }

    /// Values one behind the other along a dimension of theirs.
    pub fn concat(&mut self, parts: &[View], dim: usize) -> Result<View, Fault> {
        let Some(first) = parts.first() else { return malformed("nothing to concatenate") };
        let axis = match &first.layout {
            Layout::Axes(axes) if parts.iter().all(|p| p.layout == first.layout && p.dims.len() == axes.len()) => {
                axes.get(dim)
            }
            _ => None,
        };
        let Some(axis) = axis.and_then(|&a| [Axis::Rows, Axis::Columns, Axis::Channels].iter().position(|&b| a == b))
        else {
            return unsupported("a concatenation of tensors whose dimensions have another order");
        };
        let mut dims = first.dims.clone();
        let size = |s: Shape| [s.h, s.w, s.c];
        let mut all = size(self.shape(first));
        for part in &parts[1..] {
            let own = size(self.shape(part));
            if (0..3).any(|i| i != axis && own[i] != all[i]) {
                return malformed("tensors of different shapes are concatenated");
            }
            all[axis] += own[axis];
            dims[dim] += part.dims[dim];
        }
        let [h, w, c] = all;
        let ids = parts.iter().map(|p| p.id).collect();
        let id = self.push(Op::Concat(axis), ids, Shape::new(h, w, c))?;
        Ok(View { id, dims, layout: first.layout.clone() })
    }

    /// The largest or the mean of every window.
    pub fn pool(&mut self, x: &View, order: Order, window: Window, largest: bool) -> Result<View, Fault> {
        let [h, w] = self.windowed(x, order, &window)?;
        let c = self.shape(x).c;
        self.count(h.saturating_mul(w).saturating_mul(c).saturating_mul(window.kernel[0] * window.kernel[1]))?;
        let op = if largest { Op::MaxPool(window) } else { Op::AveragePool(window) };
        let id = self.push(op, vec![x.id], Shape::new(h, w, c))?;
        self.as_image(id, order, x.dims.len())
    }

    /// The mean over dimensions, which must be those of all pixels; they are kept with size 1 or dropped.
    pub fn mean(&mut self, x: &View, over: &[usize], keep: bool) -> Result<View, Fault> {
        let Layout::Axes(axes) = &x.layout else { return unsupported("a mean over a flattened map") };
        let pixels = |i: usize| matches!(axes[i], Axis::Rows | Axis::Columns);
        let all = (0..axes.len()).all(|i| x.dims[i] == 1 || pixels(i) == over.contains(&i));
        if !all || over.iter().any(|&i| i >= axes.len()) {
            return unsupported("a mean over other dimensions than rows and columns");
        }
        let shape = self.shape(x);
        let id = self.push(Op::Mean, vec![x.id], Shape::new(1, 1, shape.c))?;
        let kept: Vec<usize> = (0..axes.len()).filter(|i| keep || !over.contains(i)).collect();
        let dims = kept.iter().map(|&i| if over.contains(&i) { 1 } else { x.dims[i] }).collect();
        let layout = Layout::Axes(kept.iter().map(|&i| if over.contains(&i) { Axis::None } else { axes[i] }).collect());
        Ok(View { id, dims, layout })
    }

    /// Zeros around: before and behind each dimension.
    pub fn pad(&mut self, x: &View, before: &[usize], behind: &[usize]) -> Result<View, Fault> {
        let Layout::Axes(axes) = &x.layout else { return unsupported("padding of a flattened map") };
        let mut pads = [0; 4];
        let mut dims = x.dims.clone();
        for (i, axis) in axes.iter().enumerate() {
            let (a, b) = (before[i], behind[i]);
            let at = match axis {
                Axis::Rows => 0,
                Axis::Columns => 1,
                _ if a == 0 && b == 0 => continue,
                _ => return unsupported("padding of other dimensions than rows and columns"),
            };
            (pads[at], pads[at + 2]) = (a, b);
            dims[i] = dims[i].saturating_add(a).saturating_add(b);
        }
        elements(&dims)?;
        let shape = self.shape(x);
        let shape = Shape::new(shape.h + pads[0] + pads[2], shape.w + pads[1] + pads[3], shape.c);
        let id = self.push(Op::Pad(pads), vec![x.id], shape)?;
        Ok(View { id, dims, layout: x.layout.clone() })
    }

    /// A function of each element.
    pub fn function(&mut self, x: &View, function: Function) -> Result<View, Fault> {
        let id = self.push(Op::Function(function), vec![x.id], self.shape(x))?;
        Ok(View { id, ..x.clone() })
    }

    /// Each element held between bounds.
    pub fn bounded(&mut self, x: &View, bounds: Bounds) -> Result<View, Fault> {
        let id = self.push(Op::Bounded, vec![x.id], self.shape(x))?;
        let last = self.nodes.len() - 1;
        self.nodes[last].bounds = bounds;
        Ok(View { id, ..x.clone() })
    }

    /// Probabilities of the elements of a vector.
    pub fn softmax(&mut self, x: &View) -> Result<View, Fault> {
        let shape = self.shape(x);
        if shape.h * shape.w != 1 {
            return unsupported("a softmax over a map");
        }
        let id = self.push(Op::Softmax, vec![x.id], shape)?;
        Ok(View { id, ..x.clone() })
    }

    pub fn transpose(&self, x: &View, permutation: &[usize]) -> Result<View, Fault> {
        let n = x.dims.len();
        let mut sorted = permutation.to_vec();
        sorted.sort_unstable();
        if sorted != (0..n).collect::<Vec<_>>() {
            return malformed("a transpose by what is no permutation");
        }
        let dims = permutation.iter().map(|&i| x.dims[i]).collect();
        let layout = match &x.layout {
            Layout::Axes(axes) => Layout::Axes(permutation.iter().map(|&i| axes[i]).collect()),
            flat => flat.clone(),
        };
        Ok(View { id: x.id, dims, layout })
    }

    pub fn reshape(&mut self, x: &View, dims: &[usize]) -> Result<View, Fault> {
        let n = elements(dims)?;
        if n != elements(&x.dims)? {
            return malformed(format!("a reshape of {:?} to {dims:?}", x.dims));
        }
        let (from, to) = (wide(&x.dims), wide(dims));
        let sizes = |v: &[(usize, usize)]| v.iter().map(|&(_, d)| d).collect::<Vec<_>>();
        if sizes(&from) == sizes(&to) {
            let layout = match &x.layout {
                Layout::Axes(axes) => {
                    let mut new = vec![Axis::None; dims.len()];
                    for (&(i, _), &(j, _)) in from.iter().zip(&to) {
                        new[j] = axes[i];
                    }
                    Layout::Axes(new)
                }
                flat => flat.clone(),
            };
            return Ok(View { id: x.id, dims: dims.to_vec(), layout });
        }
        let &[(at, _)] = &to[..] else { return unsupported(format!("a reshape of {:?} to {dims:?}", x.dims)) };
        let Layout::Axes(axes) = &x.layout else { return unsupported("a reshape of a flattened map") };
        let shape = self.shape(x);
        let step = |axis: &Axis| match axis {
            Axis::Rows => shape.w * shape.c,
            Axis::Columns => shape.c,
            Axis::Channels => 1,
            Axis::None => 0,
        };
        let mut order = vec![0];
        for (&d, axis) in x.dims.iter().zip(axes) {
            order = order.iter().flat_map(|&o| (0..d).map(move |i| o + i * step(axis))).collect();
        }
        let id = self.push(Op::Reshape, vec![x.id], Shape::new(1, 1, n))?;
        let layout = if order.iter().enumerate().all(|(i, &o)| i == o) {
            let mut axes = vec![Axis::None; dims.len()];
            axes[at] = Axis::Channels;
            Layout::Axes(axes)
        } else {
            Layout::Flat(order.into())
        };
        Ok(View { id, dims: dims.to_vec(), layout })
    }

    /// The network that yields a view; what does not lead to it is left out.
    pub fn finish(self, output: &View) -> Result<Network, Fault> {
        if matches!(output.layout, Layout::Flat(_)) {
            return unsupported("its output is a flattened map in another order than rows, columns, channels");
        }
        let Self { values, nodes, .. } = self;
        Ok(crate::simplify::simplified(Network { values, nodes, output: output.id }))
    }
}
