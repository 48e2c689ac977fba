//! Operators that change shapes or move elements: RESHAPE, SQUEEZE, PAD, CONCATENATION, slices, SPLIT, enlargement.

use tinytrain_ir::{Shape, TensorId};

use super::{Layout, Lowering, MAX_STEP, Operator, Site, Value, fused, layout, missing_options};
use crate::error::{Fault, malformed, unsupported};
use crate::tflite::file::{Op, dtype};
use tinytrain_tflite::{OptionsRef, operator};

pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("CONCATENATION", |l, site| l.concat(site).map(Value::from)),
    ("EXPAND_DIMS", |l, site| l.same_bytes(site).map(Value::from)),
    ("PAD", |l, site| l.pad(site).map(Value::from)),
    ("PADV2", |l, site| l.pad(site).map(Value::from)),
    ("RESHAPE", |l, site| l.reshape(site)),
    ("RESIZE_BILINEAR", |l, site| l.resize_bilinear(site).map(Value::from)),
    ("RESIZE_NEAREST_NEIGHBOR", |l, site| l.resize(site).map(Value::from)),
    ("SLICE", |l, site| l.slice("SLICE", site).map(Value::from)),
    ("SQUEEZE", |l, site| l.same_bytes(site).map(Value::from)),
    ("STRIDED_SLICE", |l, site| l.slice("STRIDED_SLICE", site).map(Value::from)),
];

/// A range along one dimension.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    begin: usize,
    count: usize,
    step: usize,
}

impl<'a> Lowering<'a> {
    /// RESHAPE. Flattened for a FULLY_CONNECTED, a transposed tensor needs no move: its weights are put in order instead.
    fn reshape(&mut self, site: &Site<'a>) -> Result<Value, Fault> {
        // The shape of the output decides; the requested shape only has to agree with it.
        let asked = match (self.integers(site.op, 1, "dimensions")?, site.op.options) {
            (Some((shape, _)), _) => Some(shape),
            (None, Some(OptionsRef::Reshape(o))) => match o.new_shape()? {
                Some(shape) if shape.len() <= 8 => Some(shape.iter().map(i64::from).collect()),
                _ => None,
            },
            (None, _) => None,
        };
        let declared = &self.file.tensors[site.y].dims;
        let agrees =
            |s: &Vec<i64>| s.len() == declared.len() && s.iter().zip(declared).all(|(&a, &d)| a == d as i64 || a == -1);
        if let Some(s) = asked.filter(|s| !agrees(s)) {
            return malformed(format!("it requests the shape {s:?}, but its output has {declared:?}"));
        }
        let (value, _) = self.ordered_input(site.op)?;
        if let Layout::Ordered(order) = &value.layout
            && site.shape == Shape::new(1, 1, self.builder.shape(value.id).len())
            && self.only_reader(site.y) == Some("FULLY_CONNECTED")
        {
            self.keeps_quant(value.id, site)?;
            let places = layout::places(order, self.builder.shape(value.id));
            self.builder.origin(site.index, None);
            let id = self.builder.reshape(value.id, site.shape)?;
            return Ok(Value { id, layout: Layout::Shuffled(places) });
        }
        Ok(self.same_bytes(site)?.into())
    }

    /// The kind of the one operator that reads a tensor.
    fn only_reader(&self, t: usize) -> Option<&'static str> {
        let mut readers = self.file.ops.iter().filter(|op| op.inputs.contains(&Some(t)));
        let reader = readers.next()?;
        if readers.next().is_some() || self.file.outputs.contains(&t) { None } else { operator::name(reader.code) }
    }

    /// The same bytes in the shape that the file declares.
    fn same_bytes(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        self.builder.origin(site.index, self.source(site.y));
        Ok(self.builder.reshape(x, site.shape)?)
    }

    fn pad(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        if let Some((t, _, data)) = self.constant(site.op, 2, "padding value")?
            && (data.len() != 1 || self.stored(t, data[0]) != site.quant.zero)
        {
            return unsupported("PADV2 with a value other than the zero point is not supported");
        }
        let Some((pads, tensor)) = self.integers(site.op, 1, "paddings")? else {
            return malformed("it has no paddings");
        };
        let Some(&Some(t)) = site.op.inputs.first() else { return malformed("it has no input") };
        let rank = self.file.tensors[t].dims.len();
        if tensor.dims[..] != [rank as i32, 2]
            || pads.len() != 2 * rank
            || pads.iter().any(|&p| p < 0 || p > MAX_STEP as i64)
        {
            return malformed(format!("its paddings are {pads:?} for {rank} dimensions"));
        }
        let of = |axis: usize| [pads[2 * axis] as usize, pads[2 * axis + 1] as usize];
        let [top, bottom] = if rank == 4 { of(1) } else { [0, 0] };
        let [left, right] = if rank >= 3 { of(rank - 2) } else { [0, 0] };
        if of(0) != [0, 0] || of(rank - 1) != [0, 0] {
            return unsupported("PAD of the batch or of the channels is not supported; rows and columns are");
        }
        Ok(self.builder.pad(x, [top, bottom, left, right])?)
    }

    fn concat(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let Some(OptionsRef::Concatenation(o)) = site.op.options else { return missing_options() };
        if o.activation()? != fused::NONE {
            return unsupported("CONCATENATION with a fused activation is not supported");
        }
        let rank = self.file.tensors[site.y].dims.len();
        let same_rank = |t: &Option<usize>| t.is_some_and(|t| self.file.tensors[t].dims.len() == rank);
        if !site.op.inputs.iter().all(same_rank) {
            return malformed("its inputs and its output differ in their number of dimensions");
        }
        let axis = o.axis()? as i64;
        let axis = if axis < 0 { axis + rank as i64 } else { axis };
        // Dimensions are counted from the batch; with fewer than four, the leading ones of HWC are 1.
        let axis = match usize::try_from(axis) {
            Ok(0) => return unsupported("CONCATENATION along the batch is not supported"),
            Ok(a) if a < rank => a,
            _ => return malformed(format!("its axis is {axis} for {rank} dimensions")),
        };
        let xs = (0..site.op.inputs.len()).map(|n| self.input(site.op, n)).collect::<Result<Vec<_>, _>>()?;
        for &x in &xs {
            self.keeps_quant(x, site)?;
        }
        Ok(self.builder.concat(&xs, axis + 3 - rank)?)
    }

    fn resize(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let (xs, ys) = (self.builder.shape(x), site.shape);
        let corners = match site.op.options {
            Some(OptionsRef::Resize(o)) => o.align_corners()?,
            _ => false,
        };
        if corners || ys.c != xs.c || !ys.h.is_multiple_of(xs.h) || !ys.w.is_multiple_of(xs.w) {
            return unsupported(format!(
                "RESIZE_NEAREST_NEIGHBOR from {xs} to {ys}{} is not supported; whole factors are",
                if corners { " with aligned corners" } else { "" }
            ));
        }
        Ok(self.builder.enlarge(x, "RESIZE_NEAREST_NEIGHBOR", [ys.h / xs.h, ys.w / xs.w])?)
    }

    fn resize_bilinear(&mut self, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let Some((size, _)) = self.integers(site.op, 1, "rows and columns")? else {
            return malformed("it has no rows and columns");
        };
        let (align_corners, half_pixel_centers) = match site.op.options {
            Some(OptionsRef::ResizeBilinear(o)) => (o.align_corners()?, o.half_pixel_centers()?),
            None => (false, false),
            _ => return missing_options(),
        };
        if align_corners && half_pixel_centers {
            return unsupported("RESIZE_BILINEAR with both aligned corners and half-pixel centres is not supported");
        }
        let ys = site.shape;
        if size[..] != [ys.h as i64, ys.w as i64] {
            return malformed(format!("it makes {size:?} rows and columns, but its output is declared as {ys}"));
        }
        Ok(self.builder.resize_bilinear(x, [ys.h, ys.w], align_corners, half_pixel_centers)?)
    }

    /// Dimensions of an operator's first activation in the file.
    pub(super) fn rank(&self, op: &Op<'_>) -> usize {
        let first = op.inputs.iter().flatten().find(|&&t| self.has(t));
        first.map_or(0, |&t| self.file.tensors[t].dims.len())
    }

    fn slice(&mut self, name: &str, site: &Site<'a>) -> Result<TensorId, Fault> {
        let x = self.input(site.op, 0)?;
        self.keeps_quant(x, site)?;
        let dims = self.dims(site.op, 0)?;
        let ranges = match name {
            "SLICE" => self.slice_ranges(site.op, &dims)?,
            _ => self.strided_ranges(site.op, &dims)?,
        };
        let sliced = self.sliced(x, name, &ranges)?;
        self.shaped(site, sliced, site.shape, self.source(site.y))
    }

    fn dims(&self, op: &Op<'_>, n: usize) -> Result<Vec<usize>, Fault> {
        let Some(&Some(t)) = op.inputs.get(n) else { return malformed(format!("its input {n} is missing")) };
        let dims = &self.file.tensors[t].dims;
        Ok(dims.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect())
    }

    fn slice_ranges(&self, op: &Op<'_>, dims: &[usize]) -> Result<Vec<Range>, Fault> {
        let (Some((begin, _)), Some((size, _))) = (self.integers(op, 1, "begin")?, self.integers(op, 2, "size")?)
        else {
            return malformed("it has no begin or no size");
        };
        let range = |k: usize| {
            let begin = usize::try_from(*begin.get(k)?).ok().filter(|&b| b < dims[k])?;
            let count = match *size.get(k)? {
                -1 => dims[k] - begin,
                n => usize::try_from(n).ok().filter(|&n| n >= 1 && n <= dims[k] - begin)?,
            };
            Some(Range { begin, count, step: 1 })
        };
        let ranges: Option<Vec<Range>> = (0..dims.len()).map(range).collect();
        ranges.ok_or_else(|| Fault::Malformed(format!("its box from {begin:?} of {size:?} leaves {dims:?}")))
    }

    /// The ranges of a STRIDED_SLICE; what its masks leave out is the whole dimension.
    fn strided_ranges(&self, op: &Op<'_>, dims: &[usize]) -> Result<Vec<Range>, Fault> {
        let Some(OptionsRef::StridedSlice(o)) = op.options else { return missing_options() };
        if o.ellipsis_mask()? != 0 || o.new_axis_mask()? != 0 {
            return unsupported("STRIDED_SLICE with an ellipsis or a new axis is not supported");
        }
        let lists = [self.integers(op, 1, "begin")?, self.integers(op, 2, "end")?, self.integers(op, 3, "strides")?];
        let [Some((begin, _)), Some((end, _)), Some((strides, _))] = lists else {
            return malformed("it has no begin, end or strides");
        };
        strided(dims, [&begin, &end, &strides], [o.begin_mask()?, o.end_mask()?, o.shrink_axis_mask()?])
    }

    /// A part of a tensor whose dimensions in the file have these ranges.
    fn sliced(&mut self, x: TensorId, name: &str, ranges: &[Range]) -> Result<TensorId, Fault> {
        let whole = Range { begin: 0, count: 1, step: 1 };
        let at = |axis: usize| (axis + ranges.len()).checked_sub(4).map_or(whole, |k| ranges[k]);
        let [rows, columns, channels] = [at(1), at(2), at(3)];
        if at(0).begin != 0 || channels.step != 1 && channels.count > 1 {
            return unsupported(format!("{name} of the batch, or of every nth channel, is not supported"));
        }
        let size = Shape::new(rows.count, columns.count, channels.count);
        let name = if name == "SPLIT" { "SPLIT" } else { "SLICE" };
        let first = [rows.begin, columns.begin, channels.begin];
        Ok(self.builder.slice(x, name, first, size, [rows.step, columns.step])?)
    }

    /// SPLIT and SPLIT_V: a slice for each output.
    pub(super) fn split(&mut self, name: &str, index: usize, op: &'a Op<'a>) -> Result<(), Fault> {
        let (input, axis) = if name == "SPLIT" { (1, 0) } else { (0, 2) };
        let x = self.input(op, input)?;
        let dims = self.dims(op, input)?;
        let Some((axis, _)) = self.integers(op, axis, "axis")? else { return malformed("it has no axis") };
        let rank = dims.len() as i64;
        let axis = axis.first().map_or(-1, |&a| if a < 0 { a + rank } else { a });
        let Some(axis) = usize::try_from(axis).ok().filter(|&a| a < dims.len()) else {
            return malformed(format!("its axis is {axis} for {rank} dimensions"));
        };
        let mut begin = 0;
        for &y in &op.outputs {
            let site = self.site(index, op, y)?;
            self.keeps_quant(x, &site)?;
            let declared = &self.file.tensors[y].dims;
            let count = declared.get(axis).and_then(|&n| usize::try_from(n).ok()).unwrap_or(0);
            if declared.len() != dims.len() || count == 0 || begin + count > dims[axis] {
                return malformed(format!("its output {y} has the shape {declared:?} of {dims:?}"));
            }
            let whole = |(k, &n): (usize, &usize)| match k == axis {
                true => Range { begin, count, step: 1 },
                false => Range { begin: 0, count: n, step: 1 },
            };
            let ranges: Vec<Range> = dims.iter().enumerate().map(whole).collect();
            let part = self.sliced(x, name, &ranges)?;
            if self.builder.shape(part) != site.shape {
                return malformed(format!("its output {y} is declared as {}", site.shape));
            }
            self.values[y] = Some(part.into());
            begin += count;
        }
        match begin == dims[axis] {
            true => Ok(()),
            false => malformed(format!("its outputs take {begin} of {} places", dims[axis])),
        }
    }

    /// A stored byte of tensor `t` as an int8 value of the graph.
    pub(super) fn stored(&self, t: usize, byte: u8) -> i32 {
        match self.file.tensors[t].dtype {
            dtype::UINT8 => i32::from(byte) - 128,
            _ => i32::from(byte as i8),
        }
    }
}

/// The ranges that begin, end, strides and the masks for begin, end and dropped dimensions describe.
fn strided(dims: &[usize], lists: [&[i64]; 3], masks: [i32; 3]) -> Result<Vec<Range>, Fault> {
    let [begin, end, strides] = lists;
    if begin.len() > dims.len() || end.len() != begin.len() || strides.len() != begin.len() {
        return malformed(format!("it slices {dims:?} from {begin:?} to {end:?} by {strides:?}"));
    }
    let range = |k: usize| {
        let size = dims[k] as i64;
        let Some(&step) = strides.get(k) else { return Some(Range { begin: 0, count: dims[k], step: 1 }) };
        let set = |mask: i32| mask >> k & 1 == 1;
        let from_end = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        let first = if set(masks[0]) { 0 } else { from_end(begin[k]).clamp(0, size) };
        let last = match (set(masks[2]), set(masks[1])) {
            (true, _) => first + 1,
            (false, true) => size,
            (false, false) => from_end(end[k]).clamp(0, size),
        };
        let count = if step >= 1 && last > first && first < size { (last - first - 1) / step + 1 } else { 0 };
        (count >= 1).then_some(Range { begin: first as usize, count: count as usize, step: step.min(size) as usize })
    };
    let ranges: Option<Vec<Range>> = (0..dims.len()).map(range).collect();
    ranges.map_or_else(
        || unsupported(format!("STRIDED_SLICE of {dims:?} from {begin:?} to {end:?} by {strides:?} is not supported")),
        Ok,
    )
}

/// Places from `first` on along one dimension of known integers, for constants.
pub(super) fn strided_places(n: usize, lists: [&[i64]; 3], masks: [i32; 3]) -> Result<Vec<usize>, Fault> {
    let ranges = strided(&[n], lists, masks)?;
    Ok(ranges.first().map_or(Vec::new(), |r| (0..r.count).map(|i| r.begin + i * r.step).collect()))
}
