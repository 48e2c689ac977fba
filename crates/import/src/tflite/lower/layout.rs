//! Operators that depend on the order of dimensions: TRANSPOSE and MEAN. The graph is always HWC; models converted from
//! PyTorch transpose to NCHW for their mean. No bytes are moved for that: the value records the file's order. They are
//! moved where another operator reads the value.

use tinytrain_ir::{PoolSpec, Shape, TensorId};

use super::{Layout, Lowering, Operator, Site, Value};
use crate::error::{Fault, malformed, unsupported};

pub(super) const OPERATORS: &[(&str, Operator)] =
    &[("MEAN", |l, site| l.mean(site)), ("TRANSPOSE", |l, site| l.transpose(site))];

/// The natural order: batch, rows, columns, channels.
const NATURAL: [usize; 4] = [0, 1, 2, 3];

impl<'a> Lowering<'a> {
    /// MEAN over rows, over columns, or both, in whatever order the file lists them.
    fn mean(&mut self, site: &Site<'a>) -> Result<Value, Fault> {
        let (x, dims) = self.ordered_input(site.op)?;
        let Some((axes, _)) = self.integers(site.op, 1, "axes")? else { return malformed("it has no axes") };
        let rank = dims.len();
        let order = ordered(&x, rank)?;
        let reduced = |k: usize| axes.iter().any(|&a| a == k as i64 || a == k as i64 - rank as i64);
        if axes.iter().any(|&a| a < -(rank as i64) || a >= rank as i64) {
            return malformed(format!("its axes are {axes:?} for {rank} dimensions"));
        }
        // An axis with one element may be listed or not; an axis that the file has already dropped has one element.
        let over = |axis: usize| (0..rank).any(|k| order[k] == axis && reduced(k));
        let xs = self.builder.shape(x.id);
        if over(0) || over(3) || !(over(1) || over(2)) {
            return unsupported(format!(
                "MEAN over the axes {axes:?} of {dims:?} is not supported; only over rows and columns"
            ));
        }
        let kept: Vec<usize> = if self.file.tensors[site.y].dims.len() == rank {
            order.clone()
        } else {
            (0..rank).filter(|&k| !reduced(k)).map(|k| order[k]).collect()
        };
        match (over(1) || xs.h == 1, over(2) || xs.w == 1) {
            (true, true) => self.mean_of_all(site, x.id, &kept),
            (true, false) => self.mean_of_rows(site, x.id, &kept),
            _ => self.mean_of_columns(site, x.id, &kept),
        }
    }

    fn mean_of_all(&mut self, site: &Site<'a>, x: TensorId, kept: &[usize]) -> Result<Value, Fault> {
        let left = Shape::new(1, 1, self.builder.shape(x).c);
        self.check_kept(site, kept, left)?;
        self.claim(site, left, true);
        let y = self.builder.mean(x, site.quant)?;
        self.reduced(site, y, kept, left)
    }

    /// Everything in a row counts as channels: `[H, 1, W C]`.
    fn mean_of_rows(&mut self, site: &Site<'a>, x: TensorId, kept: &[usize]) -> Result<Value, Fault> {
        let xs = self.builder.shape(x);
        let left = Shape::new(1, xs.w, xs.c);
        self.check_kept(site, kept, left)?;
        let flat = self.helper_reshape(site, x, Shape::new(xs.h, 1, xs.w * xs.c))?;
        self.claim(site, Shape::new(1, 1, xs.w * xs.c), in_order(kept, left));
        let y = self.builder.mean(flat, site.quant)?;
        self.reduced(site, y, kept, left)
    }

    /// As an average pooling, which rounds like MEAN unless a mean lies halfway between two integers; that requires an
    /// even number of columns.
    fn mean_of_columns(&mut self, site: &Site<'a>, x: TensorId, kept: &[usize]) -> Result<Value, Fault> {
        let xs = self.builder.shape(x);
        self.keeps_quant(x, site)?;
        if xs.w.is_multiple_of(2) {
            return unsupported(format!(
                "MEAN over an even number of columns ({}) is supported only together with the rows",
                xs.w
            ));
        }
        let left = Shape::new(xs.h, 1, xs.c);
        self.check_kept(site, kept, left)?;
        self.claim(site, left, in_order(kept, left));
        let window = PoolSpec::valid(xs, [1, xs.w], [1, 1]);
        let y = self.builder.pool(x, window, false, (-128, 127))?;
        self.reduced(site, y, kept, left)
    }

    /// Checks that the result's dimensions in the file are the remaining ones, in the file's order.
    fn check_kept(&self, site: &Site<'_>, kept: &[usize], left: Shape) -> Result<(), Fault> {
        let natural = [1, left.h, left.w, left.c];
        let declared = &self.file.tensors[site.y].dims;
        if declared.len() == kept.len() && kept.iter().zip(declared).all(|(&axis, &d)| natural[axis] == d as usize) {
            return Ok(());
        }
        malformed(format!("its output is declared as {declared:?}, but its parameters imply {left}"))
    }

    /// The result of a MEAN: an ordinary tensor or, in an order other than the graph's, a value that a second MEAN may
    /// read.
    fn reduced(&mut self, site: &Site<'a>, y: TensorId, kept: &[usize], left: Shape) -> Result<Value, Fault> {
        if in_order(kept, left) {
            return Ok(self.shaped(site, y, site.shape, self.source(site.y))?.into());
        }
        Ok(Value { id: self.shaped(site, y, left, None)?, layout: Layout::Ordered(kept.to_vec()) })
    }

    /// Dimensions in another order: a RESHAPE if no bytes move, otherwise recorded for a MEAN that follows.
    fn transpose(&mut self, site: &Site<'a>) -> Result<Value, Fault> {
        let (x, dims) = self.ordered_input(site.op)?;
        self.keeps_quant(x.id, site)?;
        let Some((perm, _)) = self.integers(site.op, 1, "permutation")? else {
            return malformed("it has no permutation");
        };
        let rank = dims.len();
        let perm: Vec<usize> = perm.iter().filter_map(|&p| usize::try_from(p).ok().filter(|&p| p < rank)).collect();
        let declared = &self.file.tensors[site.y].dims;
        let is_permutation = perm.len() == rank && (0..rank).all(|k| perm.contains(&k));
        if !is_permutation || declared.len() != rank || (0..rank).any(|k| declared[k] != dims[perm[k]]) {
            return malformed(format!("its permutation {perm:?} does not lead from {dims:?} to {declared:?}"));
        }
        let before = ordered(&x, rank)?;
        let order: Vec<usize> = perm.iter().map(|&p| before[p]).collect();
        if in_order(&order, self.builder.shape(x.id)) {
            return Ok(self.builder.reshape(x.id, site.shape)?.into());
        }
        Ok(Value { id: x.id, layout: Layout::Ordered(order) })
    }

    /// The bytes of `x` moved to the file's order, in the file's shape.
    pub(super) fn moved_to_order(&mut self, x: TensorId, order: &[usize], shape: Shape) -> Result<TensorId, Fault> {
        let xs = self.builder.shape(x);
        let dims = [1, xs.h, xs.w, xs.c];
        // Dimensions of one element may be anywhere: they come first.
        let longer = order.iter().copied().filter(|&axis| dims[axis] != 1);
        let ones = (1..4).filter(|&axis| dims[axis] == 1);
        let axes: Vec<usize> = ones.chain(longer).map(|axis| axis - 1).collect();
        let &[a, b, c] = &axes[..] else { return malformed(format!("a transposition by {order:?}")) };
        let turned = self.builder.transposed(x, [a, b, c])?;
        if self.builder.shape(turned) == shape { Ok(turned) } else { Ok(self.builder.reshape(turned, shape)?) }
    }
}

/// The axes of a tensor with 2 to 4 dimensions: `[1, C]`, `[1, W, C]`, `[1, H, W, C]`.
fn natural(rank: usize) -> Vec<usize> {
    let mut axes = NATURAL.to_vec();
    axes.drain(1..1 + 4usize.saturating_sub(rank).min(3));
    axes
}

/// Whether this order of dimensions has the same bytes as the natural order: dimensions of one element may be anywhere.
fn in_order(order: &[usize], s: Shape) -> bool {
    let natural = [1, s.h, s.w, s.c];
    order.iter().filter(|&&axis| natural[axis] != 1).is_sorted()
}

/// For each dimension of a value in the file, its axis in the natural order.
fn ordered(x: &Value, rank: usize) -> Result<Vec<usize>, Fault> {
    match &x.layout {
        Layout::Plain => Ok(natural(rank)),
        Layout::Ordered(order) => Ok(order.clone()),
        Layout::Shuffled(_) | Layout::Batch(_) => unsupported("a transposed vector or a batch is not supported here"),
    }
}

/// The place in the graph of each element of a value whose dimensions the file orders like this.
pub(super) fn places(order: &[usize], s: Shape) -> Vec<usize> {
    let (sizes, strides) = ([1, s.h, s.w, s.c], [0, s.w * s.c, s.c, 1]);
    order.iter().fold(vec![0], |places, &axis| {
        places.iter().flat_map(|&at| (0..sizes[axis]).map(move |i| at + i * strides[axis])).collect()
    })
}
